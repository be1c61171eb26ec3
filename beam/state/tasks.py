"""The tasks of all sessions: which process is at work on which, and that none is after its death.

    >>> from beam.log import MemoryStore
    >>> from beam.state.task_records import TaskRecords
    >>> tasks, told = TaskRecords("session_1").registered("t1", "a process", at=1000)
    >>> told.subtype, told.payload
    ('task_registered', {'task_id': 't1', 'replaced': False})

`SessionTasks` is the part of `Control` that monitors the processes and stops them; the records and
their rules are in `beam.state.task_records`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from beam.errors import InvalidInput
from beam.otp import Ref, exit, monitor
from beam.state.answering import refuse, reply
from beam.state.control_events import event_of_told
from beam.state.writes import Step, Write

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.log import StoredRecord
    from beam.model.events import Event
    from beam.otp import Call, Down, Monitor, Server
    from beam.state.control_event import ControlEvent
    from beam.state.control_rows import ControlRows
    from beam.state.journal import Journal
    from beam.state.task_records import TaskRecords
    from beam.state.writes import Writes

    Change = tuple[TaskRecords, tuple[ControlEvent, ...]]

__all__ = ["LateTask", "SessionTasks"]

# Seconds that a stopped task's process has to end, before it is killed.
STOPPING = 5.0


@dataclass(frozen=True, slots=True)
class LateTask:
    """Mail to the owner: a stopped task's process should have ended by now."""

    process: Ref[Any]


class SessionTasks:
    """The tasks of all sessions. Run by their owner, which hands on `Down` and `LateTask`."""

    def __init__(self, owner: Server, journal: Journal, rows: ControlRows, writes: Writes) -> None:
        self._owner = owner
        self._journal = journal
        self._rows = rows
        self._writes = writes
        # The processes that are at work, each with its monitor and the sessions it works for.
        self._watched: dict[Ref[Any], tuple[Monitor, set[str]]] = {}

    def register(
        self, session_id: str, task_id: str, process: Ref[Any], caller: Call | None
    ) -> None:
        """Register a task and monitor its process."""
        if not isinstance(process, Ref):
            raise InvalidInput("process", process, "the ref of a process")

        def change() -> Change:
            tasks = self._rows.tasks(session_id)
            tasks, told = tasks.registered(task_id, process, at=self._journal.now())
            return tasks, (told,)

        self._submit(session_id, change, caller, partial(self._watch, process, session_id))

    def unregister(self, session_id: str, task_id: str, caller: Call | None) -> None:
        """Forget a task."""

        def change() -> Change:
            tasks = self._rows.tasks(session_id)
            tasks, told = tasks.unregistered(task_id, at=self._journal.now())
            return tasks, () if told is None else (told,)

        self._submit(session_id, change, caller, _nothing)

    def stop(
        self,
        session_id: str,
        task_id: str,
        caller: Call | None,
        told: Callable[[], tuple[Event, ...]] = tuple,
    ) -> None:
        """Mark a task as stopped, and end its process.

        Args:
            session_id: whose task.
            task_id: the task.
            caller: who is answered.
            told: makes what else the log is told with it.
        """

        def change() -> Change:
            tasks = self._rows.tasks(session_id)
            tasks, told = tasks.stopped(task_id, at=self._journal.now())
            return tasks, () if told is None else (told,)

        def end() -> None:
            process = self._rows.tasks(session_id).get(task_id).process
            if process.is_alive():
                exit(process, "shutdown")
                self._owner.send_after(STOPPING, LateTask(process))

        self._submit(session_id, change, caller, end, more=told)

    def late(self, message: LateTask) -> None:
        """Kill the process of a stopped task that has not ended."""
        exit(message.process, "kill")

    def down(self, message: Down) -> None:
        """Mark what a process that has ended was at work on as died."""
        _, sessions = self._watched.pop(message.process, (None, ()))
        for session_id in sorted(sessions):
            self._submit(session_id, partial(self._ended, session_id, message), None, _nothing)

    def restore(self) -> None:
        """Monitor the processes that are at work since a former life of the owner."""
        for tasks in self._rows.all_tasks():
            for record in tasks.all():
                if record.status == "running":
                    self._watch(record.process, tasks.session_id)

    def _ended(self, session_id: str, message: Down) -> Change:
        tasks = self._rows.tasks(session_id)
        return tasks.ended(message.process, message.reason, at=self._journal.now())

    def _watch(self, process: Ref[Any], session_id: str) -> None:
        if process not in self._watched:
            self._watched[process] = (monitor(process), set())
        self._watched[process][1].add(session_id)

    def _submit(
        self,
        session_id: str,
        change: Callable[[], Change],
        caller: Call | None,
        then: Callable[[], None],
        more: Callable[[], tuple[Event, ...]] = tuple,
    ) -> None:
        def step() -> Step:
            tasks, told = change()
            events = (*(event_of_told(self._journal, one) for one in told), *more())

            def take(stored: list[StoredRecord]) -> None:
                self._rows.put_stored("tasks", session_id, tasks, stored)
                if told:
                    then()
                reply(caller)

            return Step(events, take)

        self._writes.submit(("tasks", session_id), Write(step, partial(refuse, caller)))


def _nothing() -> None:
    """Do nothing more."""
