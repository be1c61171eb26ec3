"""Choose a backend for each session: six policies, stickiness, cursors, circuit breakers.

    >>> from beam.routing import BackendSet, Breakers, Memory, commit, parse_request, select
    >>> backends = BackendSet.of({"reviewer": ["session_info"], "claude": ["session_info"]})
    >>> memory, breakers = Memory(), Breakers()
    >>> request = parse_request({"policy": "round_robin"}, backends)
    >>> picked = []
    >>> for _ in range(3):
    ...     selection = select(request, backends, memory, breakers, now=0.0)
    ...     _ = commit(selection, memory, breakers, now=0.0)
    ...     picked.append(selection.decision.backend)
    >>> picked
    ['claude', 'reviewer', 'claude']

Everything but `Router` is a plain value or a plain function: no thread, no clock, no actor. Time is
an argument, in seconds on any one clock. `select` changes nothing; `commit` makes its choice count.
Between the two stands whatever may still refuse the choice, so that a refusal moves no cursor,
binds no affinity and uses up no probe of a breaker.

The values with a memory (`Memory`, `Breakers`) belong to one owner, who serialises their use:
`Router`, the process that does this for a fleet.
"""

from typing import TYPE_CHECKING

from beam.late import late

if TYPE_CHECKING:
    from beam.routing.backends import BackendSet
    from beam.routing.breaker import Breaker, BreakerOptions, Breakers
    from beam.routing.capability_registry import CapabilityRegistry, Projection
    from beam.routing.decision import Decision
    from beam.routing.defaults import defaults_of_handle, defaults_of_id, defaults_of_options
    from beam.routing.memory import Memory
    from beam.routing.request import RouteRequest, parse_request
    from beam.routing.router import ROUTER, Reported, Route, Router, registry_of
    from beam.routing.selection import Committed, Selection, commit, denied, select

__all__ = [
    "ROUTER",
    "BackendSet",
    "Breaker",
    "BreakerOptions",
    "Breakers",
    "CapabilityRegistry",
    "Committed",
    "Decision",
    "Memory",
    "Projection",
    "Reported",
    "Route",
    "RouteRequest",
    "Router",
    "Selection",
    "commit",
    "defaults_of_handle",
    "defaults_of_id",
    "defaults_of_options",
    "denied",
    "parse_request",
    "registry_of",
    "select",
]

__getattr__ = late(
    __name__,
    {
        "ROUTER": "router",
        "BackendSet": "backends",
        "Breaker": "breaker",
        "BreakerOptions": "breaker",
        "Breakers": "breaker",
        "CapabilityRegistry": "capability_registry",
        "Committed": "selection",
        "Decision": "decision",
        "Memory": "memory",
        "Projection": "capability_registry",
        "Reported": "router",
        "Route": "router",
        "RouteRequest": "request",
        "Router": "router",
        "Selection": "selection",
        "commit": "selection",
        "defaults_of_handle": "defaults",
        "defaults_of_id": "defaults",
        "defaults_of_options": "defaults",
        "denied": "selection",
        "parse_request": "request",
        "registry_of": "router",
        "select": "selection",
    },
)
