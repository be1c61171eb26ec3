"""Plans: what is the same for every request that says the same, worked out once.

    >>> backends = BackendSet.of({"claude": [], "codex": []})
    >>> plans = Plans(backends)
    >>> plan = plans.of({"policy": "round_robin"})
    >>> plan is plans.of({"policy": "round_robin"}), plan.candidates.ordered
    (True, ('claude', 'codex'))

A plan is the checked request, and while no breaker has anything to say: its candidates, what is
chosen in each turn, and the text that the log has of that. Requests with health are planned each
time. At most 256 plans are kept; one more, and all are forgotten.

One owner at a time: nothing here is locked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from beam.routing.backends import BackendSet
from beam.routing.candidates import Candidates, candidates_for
from beam.routing.request import RouteRequest, parse_request

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from beam.routing.decision import Decision
    from beam.routing.memory import CursorKey, Memory
    from beam.routing.selection import Selection

__all__ = ["Plan", "Plans"]

KEPT = 256

_SINGULAR = frozenset({"health"})


class Plan:
    """What was worked out for a request.

    Attributes:
        request: the request, checked.
        candidates: who may serve it, as far as the request itself says.
    """

    __slots__ = ("_bound", "_cursor", "_selections", "_texts", "candidates", "request")

    def __init__(self, request: RouteRequest, backends: BackendSet) -> None:
        self.request = request
        self.candidates: Candidates = candidates_for(request, backends, request.health)
        # By whose turn it is, 0 where nobody takes turns.
        self._selections: dict[int, Selection] = {}
        # By the backend that a sticky request is bound to.
        self._bound: dict[str, Selection] = {}
        self._cursor: CursorKey | None = None
        # By who was chosen, and in which order the rest follows: bounded by the rotations.
        self._texts: dict[tuple[tuple[str, ...], tuple[str, ...]], str] = {}

    def selected(self, memory: Memory, now: float, make: Callable[[], Selection]) -> Selection:
        """Return what is chosen while no breaker has anything to say, worked out once for a turn.

        Args:
            memory: whose turn it is, and what is bound; only looked at.
            now: the time in seconds.
            make: works it out.

        Raises:
            RoutingRefused: as `make` does; a refusal is worked out each time.
        """
        if self.request.policy == "sticky":
            return self._kept(memory, now, make)
        turn = memory.turn(self._cursor, now) if self._cursor is not None else 0
        found = self._selections.get(turn)
        if found is None:
            found = make()
            self._cursor = found.cursor
            if found.cursor is not None:
                turn = memory.turn(found.cursor, now)
            self._selections[turn] = found
        return found

    def _kept(self, memory: Memory, now: float, make: Callable[[], Selection]) -> Selection:
        """Return what a sticky request that is bound keeps to, worked out once for a backend."""
        key = self.request.affinity_key
        bound = memory.bound(key, now) if key is not None else None
        if bound is None or bound not in self.candidates.eligible:
            return make()
        found = self._bound.get(bound)
        if found is None:
            found = self._bound[bound] = make()
        return found

    def text(self, decision: Decision, make: Callable[[], str]) -> str:
        """Return the text of a decision on this request, made the first time.

        What a sticky request binds is in the request, so it is the same text each time, too.
        """
        known = (decision.candidates, decision.reasons)
        text = self._texts.get(known)
        if text is None:
            if len(self._texts) >= KEPT:
                self._texts.clear()
            text = self._texts[known] = make()
        return text


class Plans:
    """The plans for one set of backends.

    Args:
        backends: all there are; another set needs plans of its own.
    """

    __slots__ = ("_backends", "_kept")

    def __init__(self, backends: BackendSet) -> None:
        self._backends = backends
        self._kept: dict[Hashable, Plan] = {}

    def of(self, fields: Mapping[str, Any]) -> Plan:
        """Return the plan for a request as its caller wrote it.

        Raises:
            RoutingRefused: as `parse_request`.
        """
        key = _key(fields)
        plan = self._kept.get(key) if key is not None else None
        if plan is None:
            plan = Plan(parse_request(fields, self._backends), self._backends)
            if key is not None:
                if len(self._kept) >= KEPT:
                    self._kept.clear()
                self._kept[key] = plan
        return plan


def _key(fields: object) -> Hashable | None:
    """Return what two requests that say the same have in common; `None` for one of a kind."""
    if type(fields) is not dict or not _SINGULAR.isdisjoint(fields):
        return None
    key = []
    for name, value in fields.items():
        kind = type(value)
        if kind is list or kind is tuple:
            if not all(type(one) is str for one in value):
                return None
            value = tuple(value)  # noqa: PLW2901 - a list is no key
        elif kind is not str and value is not None:
            return None
        key.append((name, value))
    return tuple(key)
