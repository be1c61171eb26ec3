"""The tasks that a session has under way, each with the process that does it.

    >>> tasks = TaskRecords("session_1")
    >>> tasks, _ = tasks.registered("t1", "a process", at=1000)
    >>> tasks, event = tasks.stopped("t1", at=2000)
    >>> tasks.get("t1").status, event.subtype
    ('stopped', 'task_stopped')

The owner of the table monitors each process and reports its end with `ended`, so that no task of a
dead process stays `running`. Stopping the process itself is the owner's part as well.

At most 1,000 a session, unless said otherwise. One more takes the place of the oldest that is not
running; if all are running, it is refused with `queue_full` (G19).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from beam.errors import NotFound, QueueFull
from beam.state.control_event import ControlEvent
from beam.state.plain import text

__all__ = ["TaskRecord", "TaskRecords", "TaskStatus"]

TaskStatus = Literal["running", "stopped", "died"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecord:
    """One task.

    Attributes:
        task_id: its name in the session.
        session_id: the session.
        process: the reference of the process that does it.
        started_at: when it was registered, in Unix milliseconds.
        status: `stopped` if somebody stopped it, `died` if its process ended before that.
        stopped_at: when it was stopped or died.
        exit_reason: why its process ended, of one that died.
        run_id: the run record that was begun with it.
    """

    task_id: str
    session_id: str
    process: Any
    started_at: int
    status: TaskStatus = "running"
    stopped_at: int | None = None
    exit_reason: Any = None
    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class TaskRecords:
    """The tasks of one session; each change returns the next value and what is told of it.

    Attributes:
        session_id: the session.
        entries: by task id, in the order in which they were registered.
        bound: the most that are kept.
    """

    session_id: str
    entries: Mapping[str, TaskRecord] = field(default_factory=dict)
    bound: int = 1000

    def registered(
        self, task_id: str, process: Any, *, at: int, run_id: str | None = None
    ) -> tuple[TaskRecords, ControlEvent]:
        """Register a running task, in place of any with this id.

        Raises:
            InvalidInput: the id is not a non-empty string.
            QueueFull: so many tasks run already; `bound` says how many.
        """
        record = TaskRecord(
            task_id=text("task_id", task_id),
            session_id=self.session_id,
            process=process,
            started_at=at,
            run_id=run_id,
        )
        others = {key: kept for key, kept in self.entries.items() if key != task_id}
        if len(others) >= self.bound:
            del others[self._oldest_at_rest(others)]
        told: dict[str, Any] = {"task_id": task_id, "replaced": task_id in self.entries}
        if run_id is not None:
            told["run_id"] = run_id
        return (
            replace(self, entries={**others, task_id: record}),
            self._event("task_registered", at, told),
        )

    def unregistered(self, task_id: str, *, at: int) -> tuple[TaskRecords, ControlEvent | None]:
        """Forget a task; of an unknown one there is nothing to tell."""
        if task_id not in self.entries:
            return self, None
        others = {key: kept for key, kept in self.entries.items() if key != task_id}
        told = {"task_id": task_id, "status": self.entries[task_id].status}
        return replace(self, entries=others), self._event("task_unregistered", at, told)

    def stopped(self, task_id: str, *, at: int) -> tuple[TaskRecords, ControlEvent | None]:
        """Mark a task as stopped; one that does not run any more stays as it is.

        Raises:
            NotFound: there is no such task.
        """
        if self.get(task_id).status != "running":
            return self, None
        tasks = self._changed(task_id, status="stopped", stopped_at=at)
        return tasks, self._event("task_stopped", at, {"task_id": task_id})

    def ended(
        self, process: Any, reason: Any, *, at: int
    ) -> tuple[TaskRecords, tuple[ControlEvent, ...]]:
        """Mark every running task of a process that has ended as died."""
        tasks, events = self, []
        for task_id, record in self.entries.items():
            if record.process == process and record.status == "running":
                tasks = tasks._changed(task_id, status="died", stopped_at=at, exit_reason=reason)
                told = {"task_id": task_id, "exit_reason": repr(reason)}
                events.append(self._event("task_died", at, told))
        return tasks, tuple(events)

    def get(self, task_id: str) -> TaskRecord:
        """Return a task.

        Raises:
            NotFound: there is no such task.
        """
        record = self.entries.get(task_id)
        if record is None:
            raise NotFound(session_id=self.session_id, task_id=task_id)
        return record

    def all(self) -> list[TaskRecord]:
        """Return every task, in the order in which they were registered."""
        return list(self.entries.values())

    def _changed(self, task_id: str, **changes: Any) -> TaskRecords:
        record = replace(self.entries[task_id], **changes)
        return replace(self, entries={**self.entries, task_id: record})

    def _oldest_at_rest(self, entries: Mapping[str, TaskRecord]) -> str:
        for task_id, record in entries.items():
            if record.status != "running":
                return task_id
        raise QueueFull(session_id=self.session_id, bound=self.bound)

    def _event(self, subtype: str, at: int, told: Mapping[str, Any]) -> ControlEvent:
        return ControlEvent(subtype, self.session_id, at, told)
