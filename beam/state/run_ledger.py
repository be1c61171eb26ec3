"""The book of run records: what the process `control` does with them.

Every change is in the log with the whole record as it then stands, so that the rows are what the
last event of each says, however often and from where the log is read.

At most 10,000 runs are kept, unless said otherwise. One more takes the place of the one that ended
first; if all are running, it is refused with `queue_full` (G19). In the log all of them stay.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from beam.errors import AlreadyExists, NotFound, QueueFull
from beam.model.events import FLEET
from beam.state.answering import refuse, reply
from beam.state.run_records import RunRecord, RunWork, StepRecord, as_data
from beam.state.writes import Step, Write
from beam.telemetry import emit, listening

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.log import StoredRecord
    from beam.model.events import Event, EventType
    from beam.otp import Call
    from beam.state.control_rows import ControlRows
    from beam.state.journal import Journal
    from beam.state.run_records import AnyRecord, Ending
    from beam.state.run_scope import Scope
    from beam.state.writes import Writes

    Changed = tuple[RunWork, tuple[AnyRecord, ...]]

__all__ = ["KEPT_RUNS", "RECORD_TYPES", "RunLedger", "event_of_record", "record_of_event"]

KEPT_RUNS = 10_000
"""How many runs are kept, unless said otherwise."""

RECORD_TYPES: tuple[EventType, ...] = (
    "record_run_started",
    "record_run_completed",
    "record_run_failed",
    "record_run_cancelled",
    "record_step_started",
    "record_step_completed",
    "record_step_failed",
    "record_step_cancelled",
)
"""The events of run records."""


def event_of_record(journal: Journal, record: AnyRecord) -> Event:
    """Return the event of a record's last change."""
    what = "run" if isinstance(record, RunRecord) else "step"
    status = "started" if record.status == "running" else record.status
    kind = cast("EventType", f"record_{what}_{status}")
    session_id = record.session_id or FLEET
    return journal.event(kind, session_id, run_id=record.run_id, record=as_data(record))


def record_of_event(event: Event) -> AnyRecord:
    """Return the record of one of `RECORD_TYPES`."""
    data: Mapping[str, Any] = event.data["record"]
    return StepRecord(**data) if "step_id" in data else RunRecord(**data)


class RunLedger:
    """The run records. Run by their owner.

    Args:
        journal: where they are stored.
        rows: where they are kept.
        writes: the owner's changes.
        kept: how many are kept.
    """

    def __init__(
        self, journal: Journal, rows: ControlRows, writes: Writes, kept: int = KEPT_RUNS
    ) -> None:
        self._journal = journal
        self._rows = rows
        self._writes = writes
        self._kept = kept
        self._begun: set[str] = set()
        self._ended: deque[str] = deque()

    def restore(self) -> None:
        """Count what is in the rows."""
        works = list(self._rows.all_works())
        self._begun = {work.run.run_id for work in works}
        ended = sorted((w.run.completed_at or 0, w.run.run_id) for w in works if w.run.completed_at)
        self._ended = deque(run_id for _, run_id in ended)
        self._evict()

    # Changes

    def start(self, run: Callable[[], RunRecord], run_id: str, caller: Call | None) -> None:
        """Begin a run; the caller is answered with the record."""

        def change() -> Changed:
            if self._rows.work(run_id) is not None:
                raise AlreadyExists(run_id=run_id)
            record = run()
            return RunWork(record), (record,)

        self._submit(run_id, change, caller)

    def begin(self, run: RunRecord) -> tuple[Event, Callable[[list[StoredRecord]], None]]:
        """Return the event of a run with a new name, and what keeps it once that is stored.

        For a change of something else that begins a run with it.

        Raises:
            QueueFull: so many run already.
        """
        self._make_room(run.run_id)
        keep = partial(self._keep, RunWork(run), (run,))
        return event_of_record(self._journal, run), keep

    def new_run(self, run_id: str, scope: Scope, **fields: Any) -> RunRecord:
        """Return a run that begins now, in a scope.

        Raises:
            NotFound: `parent_run_not_found`.
            StateRefused: see `Scope.within`.
        """
        parent = None
        if scope.parent_run_id is not None:
            work = self._rows.work(scope.parent_run_id)
            if work is None:
                raise NotFound("parent_run_not_found", parent_run_id=scope.parent_run_id)
            parent = work.run
        scope, at = scope.within(parent), self._journal.now()
        return RunRecord(
            run_id=run_id,
            session_id=scope.session_id,
            thread_id=scope.thread_id,
            parent_run_id=scope.parent_run_id,
            created_at=at,
            updated_at=at,
            **fields,
        )

    def end(self, run_id: str, ending: Ending, value: Any, caller: Call | None) -> None:
        """End a run; the caller is answered with the record."""

        def change() -> Changed:
            return self._work(run_id).ended(ending, value, at=self._journal.now())

        self._submit(run_id, change, caller)

    def end_quietly(
        self, run_id: str, ending: Ending, value: Any, then: Callable[[], None]
    ) -> None:
        """End a run unless it has ended; completed with steps that run, it is cancelled."""

        def step() -> Step:
            work = self._rows.work(run_id)
            if work is None or work.run.status != "running":
                return Step((), lambda _: then())
            active = any(one.status == "running" for one in work.steps.values())
            how: Ending = "cancelled" if ending == "completed" and active else ending
            work, changed = work.ended(how, value, at=self._journal.now())

            def take(stored: list[StoredRecord]) -> None:
                self._keep(work, changed, stored)
                then()

            return Step(tuple(event_of_record(self._journal, one) for one in changed), take)

        self._writes.submit(("run", run_id), Write(step, lambda _: then()))

    def start_step(self, run_id: str, step_id: str, caller: Call | None, **fields: Any) -> None:
        """Begin a step; the caller is answered with the record."""

        def change() -> Changed:
            if self._rows.run_of_step(step_id) is not None:
                raise AlreadyExists(step_id=step_id)
            work = self._work(run_id)
            work, step = work.with_new_step(step_id, at=self._journal.now(), **fields)
            return work, (step,)

        self._submit(run_id, change, caller)

    def end_step(self, step_id: str, ending: Ending, value: Any, caller: Call | None) -> None:
        """End a step; the caller is answered with the record."""
        run_id = self._rows.run_of_step(step_id)
        if run_id is None:
            refuse(caller, NotFound(step_id=step_id))
            return

        def change() -> Changed:
            work = self._work(run_id)
            work, step = work.with_ended_step(step_id, ending, value, at=self._journal.now())
            return work, (step,)

        self._submit(run_id, change, caller)

    # What these are made of

    def _submit(self, run_id: str, change: Callable[[], Changed], caller: Call | None) -> None:
        def step() -> Step:
            work, changed = change()
            if work.run.run_id not in self._begun:
                self._make_room(run_id)
            events = tuple(event_of_record(self._journal, one) for one in changed)

            def take(stored: list[StoredRecord]) -> None:
                self._keep(work, changed, stored)
                reply(caller, changed[-1])

            return Step(events, take)

        self._writes.submit(("run", run_id), Write(step, partial(refuse, caller)))

    def _keep(
        self, work: RunWork, changed: tuple[AnyRecord, ...], stored: list[StoredRecord]
    ) -> None:
        run = work.run
        for record in changed:
            if isinstance(record, StepRecord):
                self._rows.put("step", record.step_id, run.run_id)
            elif record.status != "running":
                self._ended.append(run.run_id)
        self._begun.add(run.run_id)
        self._rows.put_stored("run", run.run_id, work, stored)
        self._evict()
        if listening():
            self._tell(changed)

    def _evict(self) -> None:
        while len(self._begun) > self._kept and self._ended:
            self._drop(self._ended.popleft())

    def _tell(self, changed: tuple[AnyRecord, ...]) -> None:
        for record in changed:
            what = "run" if isinstance(record, RunRecord) else "step"
            about = {"run_id": record.run_id, "kind": record.kind, "to_state": record.status}
            if isinstance(record, StepRecord):
                about["step_id"] = record.step_id
            about["from_state"] = "created" if record.status == "running" else "running"
            time = {"system_time": record.updated_at / 1000}
            emit((what, "state_change"), time, about)

    def _drop(self, run_id: str) -> None:
        self._begun.discard(run_id)
        work = self._rows.work(run_id)
        if work is not None:
            for step_id in work.steps:
                self._rows.drop("step", step_id)
            self._rows.drop("run", run_id)

    def _make_room(self, run_id: str) -> None:
        if len(self._begun) >= self._kept and not self._ended:
            raise QueueFull(queue="state.runs", run_id=run_id, bound=self._kept)

    def _work(self, run_id: str) -> RunWork:
        work = self._rows.work(run_id)
        if work is None:
            raise NotFound(run_id=run_id)
        return work
