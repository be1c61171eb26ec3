"""What a route request starts from: start options, a session's id, or a live session.

    >>> defaults_of_options({"backend": "claude", "routing": {"policy": "sticky"}})
    {'policy': 'explicit', 'backend': 'claude'}
    >>> {**defaults_of_id("session_1f", last_backend="codex"), "policy": "failover"}
    {'affinity_key': 'session_1f', 'last_backend': 'codex', 'policy': 'failover'}

A caller's own request overrides these key by key (`{**defaults, **request}`); a key that it sets to
`None` takes the default away. The result is checked by `parse_request`, not here.
"""

from __future__ import annotations

from collections.abc import Mapping

from beam.errors import RoutingRefused
from beam.routing.backends import AUTO

__all__ = ["defaults_of_handle", "defaults_of_id", "defaults_of_options"]


def defaults_of_options(options: Mapping[str, object]) -> dict[str, object]:
    """Return the request in the `routing` of start options; a `backend` beside it is explicit.

    Raises:
        RoutingRefused: `invalid_route_request` with `field` `routing`, when that is no mapping.
    """
    routing = options.get("routing")
    if routing is None:
        routing = {}
    if not isinstance(routing, Mapping):
        raise RoutingRefused(
            "invalid_route_request",
            field="routing",
            value=routing,
            expected="a mapping of route request fields",
        )
    backend = options.get("backend")
    if backend in (None, AUTO):
        return dict(routing)
    return {**routing, "backend": backend, "policy": "explicit"}


def defaults_of_id(session_id: str, last_backend: str | None = None) -> dict[str, object]:
    """Return the request for a session known by its id: bound to the id, away from its backend.

    Args:
        session_id: becomes the affinity key.
        last_backend: the session's backend, as far as it is known and still configured.
    """
    return {"affinity_key": session_id, **defaults_of_handle(last_backend)}


def defaults_of_handle(last_backend: str | None = None) -> dict[str, object]:
    """Return the request for a live session: away from its backend, without an affinity key."""
    return {} if last_backend is None else {"last_backend": last_backend}
