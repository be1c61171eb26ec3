"""Quiescence: when everything that was begun has run its course."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.errors import NotSettled
from beam.otp import Mailbox, current_node
from beam.otp.context import here
from beam.otp.control import NOTHING, Life
from beam.otp.simulated import Simulated

if TYPE_CHECKING:
    from beam.otp import Node
    from beam.otp.control import Control

__all__ = ["settle"]

# How often, one after the other, all must be found at rest, and the seconds between two looks:
# what a thread outside of the node does between two of its steps is seen by nobody.
LOOKS = 3
PAUSE = 0.0005


def settle(node: Node | None = None, *, timeout: float = 30.0) -> None:
    """Wait until everything that was begun in a node has run its course.

    It has when no process has a message or a signal that it has not handled, and each waits in
    its main loop: none is inside a callback, an `init` or a `terminate`, in a call, or in `sleep`.
    Timers that will fire later do not count. Whoever calls does not count either, nor does code
    outside of the node's processes.

    Args:
        node: the node; the current one unless given.
        timeout: seconds, on the node's clock.

    Raises:
        NotSettled: when the time is over; it names who is not at rest.
        Deadlock: in a simulation, if somebody waits for what will never come.
    """
    node = node if node is not None else current_node()
    if isinstance(node.scheduler, Simulated):
        node.scheduler.rest()
        return
    until = node.clock.now() + timeout
    quiet = 0
    while quiet < LOOKS:
        busy = _busy(node)
        quiet = 0 if busy else quiet + 1
        if busy and node.clock.now() >= until:
            raise NotSettled(tuple(control.ref for control in busy), timeout)
        node.scheduler.parker(None).park(node.clock.now() + PAUSE)


def _busy(node: Node) -> list[Control]:
    """Return the processes that are not at rest."""
    me = here.control
    busy = {control: None for control in node.survivors() if not _is_at_rest(control)}
    # Also those that are dead, and whose thread still tells others of it.
    for control in list(node.scheduler.running):
        if control.serial not in node.given_up and not control.receiving:
            busy[control] = None
    return [control for control in busy if control is not me]


def _is_at_rest(control: Control) -> bool:
    kind: type[Any] = control.ref.actor_class
    if issubclass(kind, Mailbox) and not control.receiving:
        return True  # A thread of the user's, at work or gone elsewhere.
    if control.life is Life.DEAD:
        return True
    return not (control.turn.locked() or control.mailbox or control.pending_exit is not NOTHING)
