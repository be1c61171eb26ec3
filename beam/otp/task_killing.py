"""Killing tasks whose values nobody wants any more, waiting for that or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.errors import Exited
from beam.otp.context import here
from beam.otp.control import NOTHING
from beam.otp.shutdown import KILL_GRACE, end_together, give_up
from beam.otp.signals import send_exit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from beam.otp.control import Control
    from beam.otp.task import Task

__all__ = ["kill_all", "kill_soon", "see_to_its_end"]


def kill_soon(task: Task[Any]) -> None:
    """Kill a task, and see that it is given up if it does not come out; waits for nobody."""
    task.leave_owner()
    control = task.process.control
    send_exit(control.node.init, control, "kill")
    see_to_its_end(control)


def see_to_its_end(control: Control) -> None:
    """See that one that was killed is given up if it does not come out; waits for nobody."""
    node = control.node
    if control.alive:
        node.scheduler.call_at(node.clock.now() + KILL_GRACE, lambda: _bring_to_end(control))


def _bring_to_end(control: Control) -> None:
    if control.alive:
        give_up(control, "killed")


def kill_all(tasks: Sequence[Task[Any]]) -> None:
    """Kill tasks, all at once, and return when they have ended; the process that calls may die."""
    if not tasks:
        return
    for task in tasks:
        task.leave_owner()
    controls = [task.process.control for task in tasks]
    me = here.control
    try:
        if me is not None and me.pending_exit is not NOTHING:
            raise Exited(me.pending_exit)
        sender = me if me is not None else controls[0].node.init
        end_together(sender, [(control, "brutal") for control in controls])
    except Exited:
        for task in tasks:
            kill_soon(task)
        raise
