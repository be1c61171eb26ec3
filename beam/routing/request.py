"""What a caller asks of the router: the fields of a route request, checked.

    >>> from beam.routing.backends import BackendSet
    >>> backends = BackendSet.of({"claude": [], "codex": []})
    >>> request = parse_request({"preferred_backends": "codex_cli", "backend": "auto"}, backends)
    >>> request.policy, request.preferred_backends
    ('preferred_then_fallback', ('codex',))
    >>> parse_request({"policy": "random"}, backends)
    Traceback (most recent call last):
    beam.errors.RoutingRefused: invalid_policy: field='policy', value='random', expected='one of \
explicit, sticky, round_robin, failover, capability_first, preferred_then_fallback'

Keys are checked first, then the fields in one fixed order, so that one bad request always gets the
same refusal. Each refusal carries `field`, `value` and `expected`. A field whose value is `None`
counts as absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NoReturn, get_args

from beam.errors import RoutingRefused
from beam.routing.backends import AUTO, BackendSet
from beam.routing.health import HEALTH_STATUSES, HealthStatus, worst

__all__ = ["FIELDS", "POLICIES", "FallbackPolicy", "Policy", "RouteRequest", "parse_request"]

Policy = Literal[
    "explicit", "sticky", "round_robin", "failover", "capability_first", "preferred_then_fallback"
]
FallbackPolicy = Literal["none", "available"]

POLICIES: tuple[Policy, ...] = get_args(Policy)
_FALLBACK_POLICIES: tuple[FallbackPolicy, ...] = get_args(FallbackPolicy)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRequest:
    """A checked request; `parse_request` makes one from what a caller wrote.

    Attributes:
        policy: which of the six ways to choose.
        backend: the one that the policy `explicit` is to take; the other policies ignore it.
        preferred_backends: chosen before others, in this order.
        excluded_backends: never chosen.
        fallback_backends: chosen when no preferred one can be, in this order.
        capabilities: what the backend must be able to do.
        last_backend: the one that served last; `failover` takes it only if nothing else remains.
        fallback_policy: whether backends that the request does not name may serve when it names
            some. A request that names none chooses among all of them either way.
        affinity_key: what `sticky` binds a backend to.
        policy_profile_id: the policy profile that has to allow the choice.
        health: what the caller knows of the backends' health.
    """

    policy: Policy = "preferred_then_fallback"
    backend: str | None = None
    preferred_backends: tuple[str, ...] = ()
    excluded_backends: tuple[str, ...] = ()
    fallback_backends: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    last_backend: str | None = None
    fallback_policy: FallbackPolicy = "available"
    affinity_key: str | None = None
    policy_profile_id: str | None = None
    health: Mapping[str, HealthStatus] = field(default_factory=dict, hash=False)

    def as_payload(self) -> dict[str, object]:
        """Return the fields with a value, without health and profile, as the journal has them."""
        fields: dict[str, object] = {
            "policy": self.policy,
            "backend": self.backend,
            "preferred_backends": list(self.preferred_backends),
            "excluded_backends": list(self.excluded_backends),
            "fallback_backends": list(self.fallback_backends),
            "capabilities": list(self.capabilities),
            "last_backend": self.last_backend,
            "fallback_policy": self.fallback_policy,
            "affinity_key": self.affinity_key,
        }
        return {key: value for key, value in fields.items() if value is not None}


FIELDS: tuple[str, ...] = tuple(RouteRequest.__dataclass_fields__)
"""The keys of a route request, in the order in which they are checked."""


def parse_request(fields: Mapping[str, object], backends: BackendSet) -> RouteRequest:
    """Check what a caller wrote and return it as a request. Pure; any thread.

    Args:
        fields: the keys of `RouteRequest`. Backends may be given by alias; where a list of them
            belongs, one alone will do; `backend="auto"` is the same as none. Without a policy, it
            is `explicit` where a backend is given, else `preferred_then_fallback`.
        backends: those that may be named.

    Raises:
        RoutingRefused: with `field`, `value` and `expected`; `reason` is, for the first thing that
            is wrong, `unsupported_route_key`, `invalid_policy`, `unknown_backend`,
            `invalid_route_request`, `unknown_capability`, `invalid_fallback_policy`,
            `invalid_affinity_key` or `invalid_health_status`.
    """
    if not isinstance(fields, Mapping):
        _refuse("invalid_route_request", "routing", fields, "a mapping of route request fields")
    _check_keys(fields)
    policy = _policy(fields)
    named = fields.get("backend")
    return RouteRequest(
        policy=policy,
        backend=None if named in (None, AUTO) else backends.resolve(named),
        preferred_backends=_backend_list(fields, "preferred_backends", backends),
        excluded_backends=_backend_list(fields, "excluded_backends", backends),
        fallback_backends=_backend_list(fields, "fallback_backends", backends),
        capabilities=_capabilities(fields, backends),
        last_backend=_last_backend(fields, backends),
        fallback_policy=_fallback_policy(fields),
        affinity_key=_text(fields, "affinity_key", "invalid_affinity_key"),
        policy_profile_id=_text(fields, "policy_profile_id", "invalid_route_request"),
        health=_health(fields, backends),
    )


def _refuse(reason: str, field: str, value: object, expected: str) -> NoReturn:
    raise RoutingRefused(reason, field=field, value=value, expected=expected)


def _check_keys(fields: Mapping[str, object]) -> None:
    unknown = [key for key in fields if key not in RouteRequest.__dataclass_fields__]
    if unknown:
        key = min(unknown, key=str)
        _refuse("unsupported_route_key", str(key), fields[key], f"one of {', '.join(FIELDS)}")


def _policy(fields: Mapping[str, object]) -> Policy:
    value = fields.get("policy")
    if value is None:
        named = fields.get("backend") not in (None, AUTO)
        return "explicit" if named else "preferred_then_fallback"
    for policy in POLICIES:
        if value == policy:
            return policy
    _refuse("invalid_policy", "policy", value, f"one of {', '.join(POLICIES)}")


def _backend_list(
    fields: Mapping[str, object], field: str, backends: BackendSet
) -> tuple[str, ...]:
    value = fields.get(field)
    if value is None:
        return ()
    given = value if isinstance(value, (list, tuple)) else (value,)
    return tuple(dict.fromkeys(backends.resolve(name, field=field) for name in given))


def _capabilities(fields: Mapping[str, object], backends: BackendSet) -> tuple[str, ...]:
    value = fields.get("capabilities")
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)):
        _refuse("invalid_route_request", "capabilities", value, "a list of capability ids")
    for capability in value:
        if not isinstance(capability, str) or capability not in backends.known_capabilities:
            known = ", ".join(sorted(backends.known_capabilities))
            _refuse("unknown_capability", "capabilities", capability, f"one of {known}")
    return tuple(dict.fromkeys(value))


def _last_backend(fields: Mapping[str, object], backends: BackendSet) -> str | None:
    value = fields.get("last_backend")
    return None if value is None else backends.resolve(value, field="last_backend")


def _fallback_policy(fields: Mapping[str, object]) -> FallbackPolicy:
    value = fields.get("fallback_policy")
    if value is None:
        return "available"
    for policy in _FALLBACK_POLICIES:
        if value == policy:
            return policy
    _refuse("invalid_fallback_policy", "fallback_policy", value, "none or available")


def _text(fields: Mapping[str, object], field: str, reason: str) -> str | None:
    value = fields.get(field)
    if value is None or (isinstance(value, str) and value):
        return value
    _refuse(reason, field, value, "a non-empty string")


def _health(fields: Mapping[str, object], backends: BackendSet) -> Mapping[str, HealthStatus]:
    value = fields.get("health")
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        _refuse("invalid_route_request", "health", value, "a mapping of backend to status")
    reports = [
        {backends.resolve(name, field="health"): _status(status)} for name, status in value.items()
    ]
    return worst(*reports)


def _status(value: object) -> HealthStatus:
    for status in HEALTH_STATUSES:
        if value == status:
            return status
    _refuse("invalid_health_status", "health", value, f"one of {', '.join(HEALTH_STATUSES)}")
