"""Ending processes within a time: ask, then kill, then give up (G9).

A shutdown is a number of seconds to end after a `"shutdown"` signal, `None` for no limit, or
`"brutal"`, which kills at once (OTP's `shutdown()` of a child).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from beam.errors import CallCycle, CallTimeout
from beam.otp.context import here
from beam.otp.control import Control
from beam.otp.future import Future
from beam.otp.signals import DeathWatch, bury, bury_idle, send_exit, watch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["KILL_GRACE", "Notes", "Shutdown", "await_death", "death_of", "end", "end_together"]

Shutdown: TypeAlias = float | Literal["brutal"] | None

# Seconds that a killed process has to come out of its handler before it is given up. A handler
# that waits in a call comes out at once; this is for one that is busy.
KILL_GRACE = 0.1


class Notes:
    """Who had to be killed, or was given up, each with the seconds that it had before that."""

    __slots__ = ("given_up", "killed")

    def __init__(self) -> None:
        self.killed: dict[Control, float] = {}
        self.given_up: dict[Control, float] = {}


class _Death(Future[Any]):
    """The future of an exit reason."""

    __slots__ = ()

    purpose = "end"


def death_of(target: Control) -> Future[Any]:
    """Return a future of the exit reason of `target`."""
    future = _Death(target)
    if not watch(target, DeathWatch(future, target)):
        future.settle(target.exit_reason)
    return future


def end(
    sender: Control,
    target: Control,
    shutdown: Shutdown,
    *,
    notes: Notes | None = None,
    grace: float | None = None,
) -> Any:
    """End `target` as its parent would, and return the reason with which it ended.

    Args:
        sender: who ends it.
        target: whom.
        shutdown: how; see the module.
        notes: where to note it if it does not end in time.
        grace: seconds that it has to come out of its handler when it is killed; `KILL_GRACE`
            unless given.
    """
    grace = KILL_GRACE if grace is None else grace
    begin_end(sender, target, shutdown)
    if not target.alive:
        return target.exit_reason
    death = death_of(target)
    if shutdown != "brutal":
        try:
            return await_death(death, shutdown)
        except CallTimeout:
            _note(notes, target, shutdown)
            send_exit(sender, target, "kill")
    try:
        return await_death(death, grace)
    except CallTimeout:
        give_up(target, "killed")
        _note_given_up(notes, target, shutdown)
        return await_death(death, KILL_GRACE)


def _note(notes: Notes | None, target: Control, shutdown: Shutdown) -> None:
    if notes is not None:
        notes.killed[target] = _seconds(shutdown)


def _note_given_up(notes: Notes | None, target: Control, shutdown: Shutdown) -> None:
    """Note one that was given up, unless it was idle after all."""
    if notes is not None and target.serial in target.node.given_up:
        notes.given_up[target] = notes.killed.get(target, _seconds(shutdown))


def begin_end(sender: Control, target: Control, shutdown: Shutdown) -> None:
    """Send the signal of `end`; a process that was idle is dead when this returns."""
    if isinstance(shutdown, (int, float)):
        target.until = target.node.clock.now() + shutdown  # For its cleanup to know.
    send_exit(sender, target, "kill" if shutdown == "brutal" else "shutdown")


def end_together(
    sender: Control,
    targets: Sequence[tuple[Control, Shutdown]],
    *,
    notes: Notes | None = None,
    grace: float | None = None,
    ended: Callable[[Control, float], None] | None = None,
) -> list[Any]:
    """End processes all at once, each in the way that is its own; as `end` for each.

    Args:
        sender: who ends them.
        targets: whom, and how.
        notes: where to note those that do not end in time.
        grace: as for `end`; one for all.
        ended: told of each that ended in time, and was waited for: the seconds that it took.

    Returns:
        Their exit reasons, in the order of `targets`.
    """
    now = sender.node.clock.now
    begun = now()
    for target, shutdown in targets:
        begin_end(sender, target, shutdown)
    # The others are dead: to watch each would take a quarter of its end.
    ending = [(*one, death_of(one[0])) for one in targets if one[0].alive]
    timed = sorted(
        (one for one in ending if _seconds(one[1]) < math.inf), key=lambda one: _seconds(one[1])
    )
    killed = []
    for target, shutdown, death in timed:
        try:
            await_death(death, max(0.0, begun + _seconds(shutdown) - now()))
        except CallTimeout:
            if shutdown != "brutal":
                _note(notes, target, shutdown)
            send_exit(sender, target, "kill")
            killed.append((target, shutdown, death))
        else:
            if ended is not None:
                ended(target, now() - begun)
    until = now() + (KILL_GRACE if grace is None else grace)
    for target, shutdown, death in killed:
        try:
            await_death(death, max(0.0, until - now()))
        except CallTimeout:
            give_up(target, "killed")
            _note_given_up(notes, target, shutdown)
    for _, _, death in ending:
        await_death(death, None)
    return [target.exit_reason for target, _ in targets]


def _seconds(shutdown: Shutdown) -> float:
    if shutdown is None:
        return math.inf
    return 0.0 if shutdown == "brutal" else shutdown


def await_death(death: Future[Any], seconds: float | None) -> Any:
    """Wait for a death; the deadline of a call that is being served does not count here."""
    clock = death.callee.node.clock if death.callee is not None else None
    if death.done or clock is None:
        return death.result()
    death.granted = seconds
    death.deadline = None if seconds is None else clock.now() + seconds
    me = here.control
    if me is None:
        return death.get()
    serving, me.serving = me.serving, None
    _begin_wait(me, death)
    try:
        death.park(me)
    finally:
        me.end_wait()
        me.serving = serving
    return death.result()


def _begin_wait(me: Control, death: Future[Any]) -> None:
    """Note the wait. If the dying process waits for us in a call, that call is refused, not we.

    It would not end otherwise: it hears of the signal after its call, and we answer after its end.
    """
    try:
        me.begin_wait(death)
    except CallCycle as ring:
        me.waiting = death
        dying = death.callee
        while dying is not None and dying.waiting is None:
            dying = dying.nested
        if dying is not None and dying.waiting is not None:
            dying.waiting.settle(ring, failed=True)


def give_up(control: Control, reason: Any) -> None:
    """Make a process dead for everyone although its handler still runs (G9).

    Its thread is counted as lost until the handler returns, if it ever does.
    """
    control.pending_exit = reason
    if control.turn.acquire(False):
        bury_idle(control, reason)  # It was idle after all.
        return
    node = control.node
    # Noted before it is dead, so that a handler which returns then finds the note to take back.
    node.given_up[control.serial] = control.ref
    if bury(control, reason):
        node.scheduler.abandon(control)
    else:
        node.given_up.pop(control.serial, None)
