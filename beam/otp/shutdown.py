"""Ending processes within a time: ask, then kill, then give up (G9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.errors import CallTimeout
from beam.otp.context import here
from beam.otp.control import Control
from beam.otp.future import Future
from beam.otp.signals import DeathWatch, send_exit, watch
from beam.otp.spawn import give_up

if TYPE_CHECKING:
    from collections.abc import Iterable

    from beam.otp.node import Node

__all__ = ["KILL_GRACE", "death_of", "end", "end_all"]

# Seconds that a killed process has to come out of its handler before it is given up. A handler
# that waits in a call comes out at once; this is for one that is busy.
KILL_GRACE = 0.1


def death_of(target: Control) -> Future[Any]:
    """Return a future of the exit reason of `target`."""
    future: Future[Any] = Future(target)
    if not watch(target, DeathWatch(future, target)):
        future.settle(target.exit_reason)
    return future


def end(sender: Control, target: Control, shutdown: float | None) -> Any:
    """End `target` as its parent would, and return the reason with which it ended.

    Args:
        sender: who ends it.
        target: whom.
        shutdown: seconds for it to end after a `"shutdown"` signal; `None` without end, 0 kills.
    """
    return wait_for_end(sender, target, shutdown, begin_end(sender, target, shutdown))


def begin_end(sender: Control, target: Control, shutdown: float | None) -> Future[Any]:
    """Send the signal of `end`; return the future of the exit reason."""
    death = death_of(target)
    send_exit(sender, target, "kill" if shutdown == 0 else "shutdown")
    return death


def wait_for_end(
    sender: Control, target: Control, shutdown: float | None, death: Future[Any]
) -> Any:
    """Wait for an end that has begun; kill when the time is over, and give up after that."""
    if shutdown != 0:
        try:
            return _wait(death, shutdown)
        except CallTimeout:
            send_exit(sender, target, "kill")
    try:
        return _wait(death, KILL_GRACE)
    except CallTimeout:
        give_up(target, "killed")
        return _wait(death, KILL_GRACE)


def _wait(death: Future[Any], seconds: float | None) -> Any:
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
    me.begin_wait(death)
    try:
        death.park(me)
    finally:
        me.end_wait()
        me.serving = serving
    return death.result()


def end_all(node: Node, seconds: float) -> None:
    """End every process of a node; see `Node.stop`."""
    for target in reversed(node.roots()):
        end(node.init, target, seconds)
    _kill(node, node.survivors())


def _kill(node: Node, targets: Iterable[Control]) -> None:
    """Kill what is left: children of processes that were killed themselves, and the unlinked."""
    deaths = [(target, begin_end(node.init, target, 0)) for target in targets]
    for target, death in deaths:
        wait_for_end(node.init, target, 0, death)
