"""What can be read of run records, by anybody: on the caller's thread, from control's table.

>>> from beam.otp import Node
>>> RunRecordReads(Node("nobody")).list_runs()
Traceback (most recent call last):
beam.errors.NotFound: no_table: table='control', node='nobody'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from beam.errors import InvalidInput, NotFound
from beam.model.events import FLEET
from beam.state.control_rows import CONTROL, ControlRows
from beam.state.journal import Journal
from beam.state.keeper import filled_table_of
from beam.state.run_ledger import RECORD_TYPES
from beam.state.run_records import RecordStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from beam.model.events import Event
    from beam.otp import Node
    from beam.state.run_records import RunRecord, RunWork, StepRecord

__all__ = ["RunRecordReads"]


class RunRecordReads:
    """The reading half of the run records.

    Args:
        node: where control runs.
    """

    def __init__(self, node: Node) -> None:
        self._node = node

    def get_run(self, run_id: str) -> RunRecord:
        """Return a run.

        Raises:
            NotFound: there is none of this name.
        """
        return self._work(run_id).run

    def list_runs(
        self,
        *,
        session_id: str | None = None,
        thread_id: str | None = None,
        parent_run_id: str | None = None,
        kind: str | None = None,
        status: RecordStatus | None = None,
        since: int | None = None,
        limit: int | None = None,
    ) -> list[RunRecord]:
        """Return runs, the one changed last first.

        Args:
            session_id: only those of this session.
            thread_id: only those of this thread.
            parent_run_id: only the parts of this run.
            kind: only those of this kind.
            status: only those that stand so.
            since: only those that changed then or later, in Unix milliseconds.
            limit: at most so many.

        Raises:
            InvalidInput: `invalid_scope` or `invalid_filter`.
        """
        for field, value in (
            ("session_id", session_id),
            ("thread_id", thread_id),
            ("parent_run_id", parent_run_id),
        ):
            _check_name(field, value, "invalid_scope")
        _check_name("kind", kind, "invalid_filter")
        if status is not None and status not in get_args(RecordStatus):
            expected = " or ".join(map(repr, get_args(RecordStatus)))
            raise _invalid("invalid_filter", "status", status, expected)
        for field, count in (("since", since), ("limit", limit)):
            if count is not None and (type(count) is not int or count < 0):
                raise _invalid("invalid_filter", field, count, "a number of 0 or more")
        wanted = {
            "session_id": session_id,
            "thread_id": thread_id,
            "parent_run_id": parent_run_id,
            "kind": kind,
            "status": status,
        }
        asked = {key: value for key, value in wanted.items() if value is not None}
        found = [
            run
            for run in self._runs()
            if all(getattr(run, key) == value for key, value in asked.items())
            and (since is None or run.updated_at >= since)
        ]
        found.sort(key=lambda run: (-run.updated_at, run.run_id))
        return found if limit is None else found[:limit]

    def get_step(self, step_id: str) -> StepRecord:
        """Return a step.

        Raises:
            NotFound: there is none of this name.
        """
        run_id = self._rows().run_of_step(step_id)
        if run_id is None:
            raise NotFound(step_id=step_id)
        return self._work(run_id).steps[step_id]

    def list_steps(self, run_id: str) -> list[StepRecord]:
        """Return the steps of a run, the oldest first.

        Raises:
            NotFound: there is no such run.
        """
        steps = self._work(run_id).steps.values()
        return sorted(steps, key=lambda step: (step.created_at, step.step_id))

    def events_of(self, run_id: str) -> list[Event]:
        """Return what the log has of a run and its steps, in order.

        Raises:
            NotFound: there is no such run.
        """
        session_id = self.get_run(run_id).session_id or FLEET
        journal = Journal.of(self._node)
        found = journal.replay(session_id, types=RECORD_TYPES)
        return [event for event in found if event.run_id == run_id]

    def _rows(self) -> ControlRows:
        return ControlRows(filled_table_of(self._node, CONTROL))

    def _runs(self) -> Iterable[RunRecord]:
        return (work.run for work in self._rows().all_works())

    def _work(self, run_id: str) -> RunWork:
        work = self._rows().work(run_id)
        if work is None:
            raise NotFound(run_id=run_id)
        return work


def _check_name(field: str, value: object, reason: str) -> None:
    if value is not None and not (isinstance(value, str) and value):
        raise _invalid(reason, field, value, "a non-empty text")


def _invalid(reason: str, field: str, value: object, expected: str) -> InvalidInput:
    error = InvalidInput(field, value, expected)
    error.reason = reason
    return error
