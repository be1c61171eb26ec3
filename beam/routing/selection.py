"""From a request to a decision, in two steps: choose, then make it count.

`select` changes nothing. What may still refuse the choice (a policy profile, say) stands between it
and `commit`; if it refuses, the selection is dropped and `denied` is the answer, and no cursor has
moved, nothing was bound, no probe is out.
"""

from __future__ import annotations

from dataclasses import dataclass

from beam.errors import RoutingRefused
from beam.routing.backends import BackendSet
from beam.routing.breaker import Breakers
from beam.routing.candidates import Candidates, candidates_for
from beam.routing.decision import Decision
from beam.routing.health import worst
from beam.routing.memory import CursorKey, Memory
from beam.routing.policies import choose, refusal
from beam.routing.request import RouteRequest

__all__ = ["Committed", "Selection", "commit", "denied", "select"]


@dataclass(frozen=True, slots=True)
class Selection:
    """A decision that does not count yet.

    Attributes:
        request: what was asked for.
        decision: the answer to it.
        eligible: all backends that could have served.
        cursor: whose turn it takes, if it takes turns.
        binds: the affinity key that it binds to the backend, if it binds one.
    """

    request: RouteRequest
    decision: Decision
    eligible: tuple[str, ...]
    cursor: CursorKey | None
    binds: str | None


@dataclass(frozen=True, slots=True)
class Committed:
    """What changed when a selection was made to count.

    Attributes:
        probe: the number of the breaker's probe that the chosen backend now serves, for the report
            on how it went; `None` while its breaker is closed.
        bound: the affinity key that is bound to another backend than before, or newly, to be made
            durable; `None` where a binding was only renewed, or there is none.
        forgotten: the affinity keys whose bindings were forgotten to make room, or were too old.
    """

    probe: int | None
    bound: str | None
    forgotten: tuple[str, ...]


# What most come to.
_NOTHING = Committed(None, None, ())


def select(
    request: RouteRequest,
    backends: BackendSet,
    memory: Memory,
    breakers: Breakers,
    now: float,
    *,
    candidates: Candidates | None = None,
) -> Selection:
    """Choose a backend for the request. Changes nothing; run by the owner of memory and breakers.

    Args:
        request: what is asked for, as `parse_request` returned it for the same `backends`.
        backends: all there are.
        memory: bindings and cursors.
        breakers: what they know of the backends' health counts as well as what the request says;
            the worse word wins.
        now: the time in seconds.
        candidates: who may serve it as far as the request itself says, if that is known already.

    Raises:
        RoutingRefused: see `beam.routing.policies.choose`.
    """
    reports = breakers.health(now)
    if reports or candidates is None:
        health = worst(request.health, reports) if reports else request.health
        candidates = candidates_for(request, backends, health)
    choice = choose(request, candidates, memory, now)
    decision = Decision(
        backend=choice.backend,
        candidates=choice.candidates,
        policy=request.policy,
        reasons=(choice.reason,),
        affinity_key=None if request.policy == "failover" else request.affinity_key,
        policy_profile_id=request.policy_profile_id,
    )
    binds = request.affinity_key if choice.binds else None
    return Selection(request, decision, candidates.eligible, choice.cursor, binds)


def commit(selection: Selection, memory: Memory, breakers: Breakers, now: float) -> Committed:
    """Make the selection count: take the turn, bind the key, send the probe.

    Args:
        selection: as `select` returned it for the same memory and breakers.
        memory: bindings and cursors; changed.
        breakers: changed if the backend's breaker is half open.
        now: the time in seconds, not before that of `select`.

    Raises:
        RoutingRefused: `backend_not_eligible`, when the backend's breaker has opened since, or its
            probes have gone to others. Nothing is changed then.
    """
    backend = selection.decision.backend
    probe = None
    if not breakers.silent:
        if not breakers.of(backend).allows(now):
            raise refusal(
                "backend_not_eligible", selection.request, selection.eligible, backend=backend
            )
        probe = breakers.acquire(backend, now)
    if selection.cursor is not None:
        memory.advance(selection.cursor, now)
    if selection.binds is None:
        return _NOTHING if probe is None else Committed(probe, None, ())
    is_new = memory.bound(selection.binds, now) != backend
    forgotten = memory.bind(selection.binds, backend, now)
    if probe is None and not is_new and not forgotten:
        return _NOTHING
    return Committed(probe, selection.binds if is_new else None, forgotten)


def denied(selection: Selection, detail: object) -> RoutingRefused:
    """Return the refusal of a selection that a policy profile did not allow, to be raised.

    Args:
        selection: what was chosen and is dropped.
        detail: why, as the policy says it.
    """
    return refusal(
        "policy_denied",
        selection.request,
        selection.eligible,
        detail=detail,
        backend=selection.decision.backend,
        policy_profile_id=selection.request.policy_profile_id,
    )
