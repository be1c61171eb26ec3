"""`fleet.runs`: run records, the book of what is being done; see `beam.state.run_records`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from beam.facades.part import Part
from beam.sessions.handle import SessionHandle
from beam.state.control_rows import CONTROL
from beam.state.run_reads import RunRecordReads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beam.model.events import Event
    from beam.state.run_records import RecordStatus, RunRecord, StepRecord

__all__ = ["RunsFacade"]


class RunsFacade(Part):
    """Runs and steps as durable records: what is returned is in the log.

    Every function that changes something may raise:

    Raises:
        NotFound: `restarting`: control was not back within 5 s.
        CallExit: it died before it answered; what it was asked may have been done.
    """

    __slots__ = ()

    facade: ClassVar[str] = "runs"

    def start_run(
        self,
        scope: SessionHandle | str | Mapping[str, str] | None = None,
        *,
        run_id: str | None = None,
        kind: str = "generic",
        input: Any = None,  # noqa: A002 - the specification's word
        metadata: Mapping[str, Any] | None = None,
    ) -> RunRecord:
        """Begin a run.

        Args:
            scope: a session, or a mapping with any of `session_id`, `thread_id` and
                `parent_run_id`; what it lacks it has from its parent.
            run_id: its name; a new one unless given.
            kind: what it is, in your words.
            input: what it is given, JSON data.
            metadata: notes, JSON data.

        Raises:
            AlreadyExists: there is a run of this name.
            NotFound: `parent_run_not_found`.
            StateRefused: `inconsistent_parent_scope`, `session_id_required_for_thread`.
            InvalidInput: `unsupported_scope_key`, `invalid_scope`, `invalid_run_opt`.
            QueueFull: 10,000 run already.
        """
        scope = scope.id if isinstance(scope, SessionHandle) else scope
        more = {"run_id": run_id, "kind": kind, "input": input, "metadata": metadata}
        run: RunRecord = self._ask(CONTROL, "start_run", scope, **more)
        return run

    def get_run(self, run_id: str) -> RunRecord:
        """Return a run.

        Raises:
            NotFound: there is none of this name, or it is no longer kept.
        """
        return self._records.get_run(run_id)

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
        return self._records.list_runs(
            session_id=session_id,
            thread_id=thread_id,
            parent_run_id=parent_run_id,
            kind=kind,
            status=status,
            since=since,
            limit=limit,
        )

    def complete_run(self, run_id: str, output: Any = None) -> RunRecord:
        """End a run with what came of it, JSON data.

        Raises:
            NotFound: there is no such run.
            StateRefused: `active_steps`; `invalid_status_transition`, it has ended.
        """
        run: RunRecord = self._ask(CONTROL, "complete_run", run_id, output)
        return run

    def fail_run(self, run_id: str, error: Any = None) -> RunRecord:
        """End a run, and its running steps, with what went wrong; as `complete_run`."""
        run: RunRecord = self._ask(CONTROL, "fail_run", run_id, error)
        return run

    def cancel_run(self, run_id: str, reason: Any = None) -> RunRecord:
        """End a run, and its running steps, with why; as `complete_run`."""
        run: RunRecord = self._ask(CONTROL, "cancel_run", run_id, reason)
        return run

    def start_step(
        self,
        run_id: str,
        *,
        step_id: str | None = None,
        kind: str = "generic",
        input: Any = None,  # noqa: A002 - the specification's word
        metadata: Mapping[str, Any] | None = None,
    ) -> StepRecord:
        """Begin a step of a run; its session and thread are the run's.

        Args:
            run_id: the run.
            step_id: its name; a new one unless given.
            kind: what it is, in your words.
            input: what it is given, JSON data.
            metadata: notes, JSON data.

        Raises:
            NotFound: there is no such run.
            AlreadyExists: there is a step of this name.
            StateRefused: `run_not_active`.
            InvalidInput: `invalid_run_opt`.
        """
        more = {"step_id": step_id, "kind": kind, "input": input, "metadata": metadata}
        step: StepRecord = self._ask(CONTROL, "start_step", run_id, **more)
        return step

    def get_step(self, step_id: str) -> StepRecord:
        """Return a step.

        Raises:
            NotFound: there is none of this name.
        """
        return self._records.get_step(step_id)

    def list_steps(self, run_id: str) -> list[StepRecord]:
        """Return the steps of a run, the oldest first.

        Raises:
            NotFound: there is no such run.
        """
        return self._records.list_steps(run_id)

    def complete_step(self, step_id: str, output: Any = None) -> StepRecord:
        """End a step with what came of it, JSON data.

        Raises:
            NotFound: there is no such step.
            StateRefused: `invalid_status_transition`, it has ended.
        """
        step: StepRecord = self._ask(CONTROL, "complete_step", step_id, output)
        return step

    def fail_step(self, step_id: str, error: Any = None) -> StepRecord:
        """End a step with what went wrong; as `complete_step`."""
        step: StepRecord = self._ask(CONTROL, "fail_step", step_id, error)
        return step

    def cancel_step(self, step_id: str, reason: Any = None) -> StepRecord:
        """End a step with why; as `complete_step`."""
        step: StepRecord = self._ask(CONTROL, "cancel_step", step_id, reason)
        return step

    def events_of(self, run_id: str) -> list[Event]:
        """Return what the log has of a run and its steps, in order.

        Raises:
            NotFound: there is no such run.
        """
        return self._records.events_of(run_id)

    @property
    def _records(self) -> RunRecordReads:
        return RunRecordReads(self._grounds.node)
