"""The part of `fleet.control` with the tasks that sessions have under way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.facades.part import SessionLike, id_of
from beam.facades.reads import ControlReading
from beam.state.control_rows import CONTROL

if TYPE_CHECKING:
    from beam.otp import Ref
    from beam.state.task_records import TaskRecord

__all__ = ["TaskFunctions"]


class TaskFunctions(ControlReading):
    """Tasks: which process is at work on what."""

    __slots__ = ()

    def register_task(self, session_id: SessionLike, task_id: str, process: Ref[Any]) -> None:
        """Note that a process is at work on a task of the session, in place of any with this id.

        It is monitored: when it ends, the task is marked as `died`.

        Raises:
            QueueFull: so many tasks of the session run already.
        """
        self._ask(CONTROL, "register_task", id_of(session_id), task_id, process)

    def unregister_task(self, session_id: SessionLike, task_id: str) -> None:
        """Forget a task; its process is left alone. An unknown one is forgotten already."""
        self._ask(CONTROL, "unregister_task", id_of(session_id), task_id)

    def stop_task(self, session_id: SessionLike, task_id: str) -> None:
        """End a task's process: `"shutdown"`, and 5 s later `"kill"`; again changes nothing.

        Raises:
            NotFound: there is no such task.
        """
        self._ask(CONTROL, "stop_task", id_of(session_id), task_id)

    def list_tasks(self, session_id: SessionLike) -> list[TaskRecord]:
        """Return the session's tasks, in the order in which they were registered."""
        return self._reads.list_tasks(id_of(session_id))
