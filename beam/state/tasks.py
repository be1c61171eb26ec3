"""The tasks of all sessions: which process is at work on which, and that none is after its death.

    >>> from beam.log import MemoryStore
    >>> from beam.state.task_records import TaskRecords
    >>> tasks, told = TaskRecords("session_1").registered("t1", "a process", at=1000)
    >>> told.subtype, told.payload
    ('task_registered', {'task_id': 't1', 'replaced': False})

Each has a run record (`beam.state.run_records`) that ends when it does: completed if it is taken
off the list, cancelled if it is stopped or registered anew, failed if its process dies.

`SessionTasks` is the part of `Control` that monitors the processes and stops them; the records and
their rules are in `beam.state.task_records`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from beam.errors import InvalidInput
from beam.otp import Ref, exit, monitor
from beam.otp.reports import shown
from beam.state.answering import refuse, reply
from beam.state.control_events import event_of_told
from beam.state.run_scope import Scope
from beam.state.writes import Step, Write

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.log import StoredRecord
    from beam.model.events import Event
    from beam.otp import Call, Down, Monitor, Server
    from beam.state.control_event import ControlEvent
    from beam.state.control_rows import ControlRows
    from beam.state.journal import Journal
    from beam.state.run_ledger import RunLedger
    from beam.state.run_records import Ending
    from beam.state.task_records import TaskRecord, TaskRecords
    from beam.state.writes import Writes

    Change = tuple[TaskRecords, tuple[ControlEvent, ...]]
    Ended = dict[str, tuple[Ending, dict[str, Any]]]

__all__ = ["SOURCE", "LateTask", "SessionTasks"]

SOURCE = "control_task"
"""What the metadata of a task's run says under `source`."""

# Seconds that a stopped task's process has to end, before it is killed.
STOPPING = 5.0


@dataclass(frozen=True, slots=True)
class LateTask:
    """Mail to the owner: a stopped task's process should have ended by now."""

    process: Ref[Any]


class SessionTasks:
    """The tasks of all sessions. Run by their owner, which hands on `Down` and `LateTask`."""

    def __init__(
        self,
        owner: Server,
        journal: Journal,
        rows: ControlRows,
        writes: Writes,
        ledger: RunLedger,
    ) -> None:
        self._owner = owner
        self._journal = journal
        self._rows = rows
        self._writes = writes
        self._ledger = ledger
        # The processes that are at work, each with its monitor and the sessions it works for.
        self._watched: dict[Ref[Any], tuple[Monitor, set[str]]] = {}

    def register(
        self, session_id: str, task_id: str, process: Ref[Any], caller: Call | None
    ) -> None:
        """Register a task with a run record of its own, and monitor its process."""
        if not isinstance(process, Ref):
            raise InvalidInput("process", process, "the ref of a process")

        def step() -> Step:
            at, before = self._journal.now(), self._rows.tasks(session_id)
            scope, metadata = Scope(session_id), {"task_id": task_id, "source": SOURCE}
            run = self._ledger.new_run(
                self._journal.new_id("run"), scope, kind="task", metadata=metadata
            )
            tasks, told = before.registered(task_id, process, at=at, run_id=run.run_id)
            begun, keep = self._ledger.begin(run)

            def take(stored: list[StoredRecord]) -> None:
                keep(stored)
                self._rows.put_stored("tasks", session_id, tasks, stored)
                self._watch(process, session_id)
                old = before.entries.get(task_id)
                over = {"source": SOURCE, "reason": "re-registered"}
                self._end_run(old, "cancelled", over, partial(reply, caller))

            return Step((event_of_told(self._journal, told), begun), take)

        self._writes.submit(("tasks", session_id), Write(step, partial(refuse, caller)))

    def unregister(self, session_id: str, task_id: str, caller: Call | None) -> None:
        """Forget a task; its run is completed, or cancelled if steps of it run."""

        def change() -> Change:
            tasks = self._rows.tasks(session_id)
            tasks, told = tasks.unregistered(task_id, at=self._journal.now())
            return tasks, () if told is None else (told,)

        over = {"source": SOURCE, "task_id": task_id, "status": "completed"}
        self._submit(session_id, change, caller, ended={task_id: ("completed", over)})

    def stop(
        self,
        session_id: str,
        task_id: str,
        caller: Call | None,
        told: Callable[[], tuple[Event, ...]] = tuple,
    ) -> None:
        """Mark a task as stopped, end its process, and cancel its run.

        Args:
            session_id: whose task.
            task_id: the task.
            caller: who is answered.
            told: makes what else the log is told with it.
        """

        def change() -> Change:
            tasks = self._rows.tasks(session_id)
            tasks, one = tasks.stopped(task_id, at=self._journal.now())
            return tasks, () if one is None else (one,)

        def end() -> None:
            process = self._rows.tasks(session_id).get(task_id).process
            if process.is_alive():
                exit(process, "shutdown")
                self._owner.send_after(STOPPING, LateTask(process))

        over = {"source": SOURCE, "reason": "stopped"}
        ended: Ended = {task_id: ("cancelled", over)}
        self._submit(session_id, change, caller, then=end, more=told, ended=ended)

    def forget(self, session_id: str) -> None:
        """Forget the tasks of a session that has ended; the runs of those at work are cancelled."""

        def step() -> Step:
            tasks = self._rows.tasks(session_id)

            def take(_: list[StoredRecord]) -> None:
                self._rows.drop("tasks", session_id)
                self.end_runs(tasks, "session_ended")

            return Step((), take)

        self._writes.submit(("tasks", session_id), Write(step, partial(refuse, None)))

    def end_runs(self, tasks: TaskRecords, reason: str) -> None:
        """Cancel the runs of tasks that are forgotten while they are at work."""
        for record in tasks.all():
            if record.status == "running":
                self._end_run(record, "cancelled", {"source": SOURCE, "reason": reason}, _nothing)

    def late(self, message: LateTask) -> None:
        """Kill the process of a stopped task that has not ended."""
        exit(message.process, "kill")

    def down(self, message: Down) -> None:
        """Mark what a process that has ended was at work on as died."""
        _, sessions = self._watched.pop(message.process, (None, ()))
        for session_id in sorted(sessions):
            over = {"source": SOURCE, "reason": "died", "exit_reason": shown(message.reason)}
            names = [
                one.task_id
                for one in self._rows.tasks(session_id).all()
                if one.process == message.process
            ]
            ended: Ended = dict.fromkeys(names, ("failed", over))
            self._submit(session_id, partial(self._ended, session_id, message), None, ended=ended)

    def restore(self) -> None:
        """Monitor the processes that are at work since a former life of the owner.

        Runs of tasks that a crash kept from being ended are ended; so are those whose tasks a
        former life of the program has taken with it.
        """
        at_work: set[str | None] = set()
        for tasks in list(self._rows.all_tasks()):
            for record in tasks.all():
                if record.status == "running":
                    at_work.add(record.run_id)
                    self._watch(record.process, tasks.session_id)
        for work in list(self._rows.all_works()):
            run = work.run
            is_task = run.kind == "task" and run.metadata.get("source") == SOURCE
            if is_task and run.status == "running" and run.run_id not in at_work:
                over = {"source": SOURCE, "reason": "its task is gone"}
                self._ledger.end_quietly(run.run_id, "cancelled", over, _nothing)

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
        *,
        ended: Ended,
        then: Callable[[], None] = lambda: None,
        more: Callable[[], tuple[Event, ...]] = tuple,
    ) -> None:
        """Change a session's tasks; `ended` says how the runs end of those that run no more."""

        def step() -> Step:
            before = self._rows.tasks(session_id)
            tasks, told = change()
            events = (*(event_of_told(self._journal, one) for one in told), *more())

            def take(stored: list[StoredRecord]) -> None:
                self._rows.put_stored("tasks", session_id, tasks, stored)
                if told:
                    then()
                self._end_runs_of(before, tasks, ended, partial(reply, caller))

            return Step(events, take)

        self._writes.submit(("tasks", session_id), Write(step, partial(refuse, caller)))

    def _end_runs_of(
        self, before: TaskRecords, now: TaskRecords, ended: Ended, done: Callable[[], None]
    ) -> None:
        over: list[tuple[TaskRecord, Ending, Any]] = []
        for task_id, (ending, value) in ended.items():
            was, is_now = before.entries.get(task_id), now.entries.get(task_id)
            runs = was is not None and was.status == "running"
            if was is not None and runs and (is_now is None or is_now.status != "running"):
                over.append((was, ending, value))
        # The caller is answered when the last of them has ended.
        for record, ending, value in over[:-1]:
            self._end_run(record, ending, value, _nothing)
        if over:
            self._end_run(*over[-1], done)
        else:
            done()

    def _end_run(
        self, record: TaskRecord | None, ending: Ending, value: Any, done: Callable[[], None]
    ) -> None:
        if record is None or record.run_id is None:
            done()
        else:
            self._ledger.end_quietly(record.run_id, ending, value, done)


def _nothing() -> None:
    """Do nothing more."""
