"""The six ways to choose one backend among the candidates.

| policy | chooses |
|---|---|
| `explicit` | the backend that is named; without one, the first in order |
| `preferred_then_fallback` | the first in order |
| `capability_first` | the first by name that may serve, whatever is preferred |
| `round_robin` | each in order, in turn |
| `sticky` | the one its key is bound to, if that may serve; else the next in turn, and binds it |
| `failover` | the first in order that did not serve last |

A sticky binding outlives a change of preferences: the bound backend is kept also where the request
at hand does not name it. That holds under `fallback_policy` `none` too; keeping a backend is no
fallback. It never holds for a backend that is excluded, unwell or lacks a capability.

`choose` reads the memory and changes nothing; `Choice` says what is to be remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from beam.errors import RoutingRefused
from beam.routing.candidates import Candidates
from beam.routing.memory import CursorKey, Memory
from beam.routing.request import Policy, RouteRequest

__all__ = ["Choice", "choose", "refusal"]


@dataclass(frozen=True, slots=True)
class Choice:
    """A backend, and what choosing it means for the memory.

    Attributes:
        candidates: all that could be tried, the chosen one first.
        reason: one short text.
        cursor: whose turn was taken, if turns were taken.
        binds: whether the request's affinity key is now bound to the backend.
    """

    candidates: tuple[str, ...]
    reason: str
    cursor: CursorKey | None = None
    binds: bool = False

    @property
    def backend(self) -> str:
        """The one chosen."""
        return self.candidates[0]


def choose(request: RouteRequest, candidates: Candidates, memory: Memory, now: float) -> Choice:
    """Choose by the request's policy. Changes nothing.

    Args:
        request: what is asked for.
        candidates: who may serve it.
        memory: the bindings and cursors.
        now: the time in seconds, on the memory's clock.

    Raises:
        RoutingRefused: `no_backend_available`, `backend_not_eligible` (with `backend`),
            `no_backend_supports_capabilities` (with `capabilities`), each with `policy`,
            `requested_capabilities`, `preferred_backends`, `excluded_backends` and
            `eligible_backends`; or `invalid_route_request` with `detail`
            `affinity_key_required`.
    """
    return _CHOOSERS[request.policy](request, candidates, memory, now)


def refusal(
    reason: str, request: RouteRequest, eligible: tuple[str, ...], **facts: object
) -> RoutingRefused:
    """Return the refusal of a request that was understood, with the facts that explain it."""
    return RoutingRefused(
        reason,
        **facts,
        policy=request.policy,
        requested_capabilities=request.capabilities,
        preferred_backends=request.preferred_backends,
        excluded_backends=request.excluded_backends,
        eligible_backends=eligible,
    )


def _explicit(request: RouteRequest, candidates: Candidates, memory: Memory, now: float) -> Choice:
    if request.backend is None:
        return _preferred_then_fallback(request, candidates, memory, now)
    if request.backend not in candidates.eligible:
        raise refusal("backend_not_eligible", request, candidates.eligible, backend=request.backend)
    return Choice((request.backend,), "named by the request")


def _preferred_then_fallback(
    request: RouteRequest, candidates: Candidates, memory: Memory, now: float
) -> Choice:
    ordered = _some(request, candidates)
    if ordered[0] in candidates.preferred:
        return Choice(ordered, "first preferred backend that may serve")
    if ordered[0] in candidates.fallback:
        return Choice(ordered, "first fallback backend that may serve")
    return Choice(ordered, "first backend that may serve")


def _capability_first(
    request: RouteRequest, candidates: Candidates, memory: Memory, now: float
) -> Choice:
    if not candidates.eligible and request.capabilities:
        raise refusal(
            "no_backend_supports_capabilities",
            request,
            candidates.eligible,
            capabilities=request.capabilities,
        )
    ordered = _some(request, candidates)
    picked = next(name for name in candidates.eligible if name in ordered)
    return Choice(_with_first(picked, ordered), "first by name with the capabilities")


def _round_robin(
    request: RouteRequest, candidates: Candidates, memory: Memory, now: float
) -> Choice:
    ordered = _some(request, candidates)
    cursor = CursorKey(
        request.policy,
        ordered,
        request.capabilities,
        request.preferred_backends,
        request.fallback_backends,
        request.excluded_backends,
    )
    turn = memory.turn(cursor, now)
    return Choice(ordered[turn:] + ordered[:turn], "next in turn", cursor=cursor)


def _sticky(request: RouteRequest, candidates: Candidates, memory: Memory, now: float) -> Choice:
    if request.affinity_key is None:
        raise RoutingRefused(
            "invalid_route_request",
            detail="affinity_key_required",
            field="affinity_key",
            value=None,
            expected="a non-empty string, which the policy sticky needs",
        )
    bound = memory.bound(request.affinity_key, now)
    if bound is not None and bound in candidates.eligible:
        kept = _with_first(bound, candidates.ordered)
        return Choice(kept, "bound to the affinity key", binds=True)
    turn = _round_robin(request, candidates, memory, now)
    return Choice(
        turn.candidates, "next in turn, now bound to the affinity key", turn.cursor, binds=True
    )


def _failover(request: RouteRequest, candidates: Candidates, memory: Memory, now: float) -> Choice:
    ordered = _some(request, candidates)
    last = request.last_backend
    if last not in ordered:
        return Choice(ordered, "first backend that may serve")
    others = tuple(name for name in ordered if name != last)
    if not others:
        return Choice(ordered, "the last backend again, nothing else remains")
    return Choice((*others, last), "first backend that did not serve last")


def _some(request: RouteRequest, candidates: Candidates) -> tuple[str, ...]:
    if not candidates.ordered:
        raise refusal("no_backend_available", request, candidates.eligible)
    return candidates.ordered


def _with_first(picked: str, ordered: tuple[str, ...]) -> tuple[str, ...]:
    return (picked, *(name for name in ordered if name != picked))


_CHOOSERS: Mapping[Policy, Callable[[RouteRequest, Candidates, Memory, float], Choice]] = {
    "explicit": _explicit,
    "sticky": _sticky,
    "round_robin": _round_robin,
    "failover": _failover,
    "capability_first": _capability_first,
    "preferred_then_fallback": _preferred_then_fallback,
}
