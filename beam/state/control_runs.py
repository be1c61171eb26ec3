"""The part of `control` with the run records; see `beam.state.run_records`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from beam.errors import InvalidInput
from beam.otp import noreply
from beam.state.control_part import ControlPart, json_data
from beam.state.plain import text
from beam.state.run_scope import Scope

if TYPE_CHECKING:
    from beam.state.run_ledger import RunLedger
    from beam.state.run_records import Ending

__all__ = ["RunCalls"]


class RunCalls(ControlPart):
    """Runs and steps, as records. Each change is answered with the record as it then stands."""

    _ledger: RunLedger

    def start_run(
        self,
        scope: Any = None,
        *,
        run_id: str | None = None,
        kind: str = "generic",
        input: Any = None,  # noqa: A002 - the specification's word
        metadata: Mapping[str, Any] | None = None,
    ) -> Any:
        """Begin a run.

        Args:
            scope: a session's id, or a mapping with any of `session_id`, `thread_id` and
                `parent_run_id`; what it lacks it has from its parent.
            run_id: its name; a new one unless given.
            kind: what it is.
            input: what it is given, JSON data.
            metadata: notes, JSON data.

        Raises:
            AlreadyExists: there is a run of this name.
            NotFound: `parent_run_not_found`.
            StateRefused: `inconsistent_parent_scope`, `session_id_required_for_thread`.
            InvalidInput: `unsupported_scope_key`, `invalid_scope`, `invalid_run_opt`.
            QueueFull: so many run already.
        """
        checked = Scope.of(scope)
        name = self._journal.new_id("run") if run_id is None else _opt("run_id", run_id)
        fields = _fields(kind, input, metadata)
        self._ledger.start(
            partial(self._ledger.new_run, name, checked, **fields), name, self.caller
        )
        return noreply

    def complete_run(self, run_id: str, output: Any = None) -> Any:
        """End a run with what came of it.

        Raises:
            NotFound: there is no such run.
            StateRefused: `active_steps`; `invalid_status_transition`, it has ended.
        """
        return self._end_run(run_id, "completed", output)

    def fail_run(self, run_id: str, error: Any = None) -> Any:
        """End a run, and its running steps, with what went wrong; as `complete_run`."""
        return self._end_run(run_id, "failed", error)

    def cancel_run(self, run_id: str, reason: Any = None) -> Any:
        """End a run, and its running steps, with why; as `complete_run`."""
        return self._end_run(run_id, "cancelled", reason)

    def start_step(
        self,
        run_id: str,
        *,
        step_id: str | None = None,
        kind: str = "generic",
        input: Any = None,  # noqa: A002 - the specification's word
        metadata: Mapping[str, Any] | None = None,
    ) -> Any:
        """Begin a step of a run; its session and thread are the run's.

        Raises:
            NotFound: there is no such run.
            AlreadyExists: there is a step of this name.
            StateRefused: `run_not_active`.
            InvalidInput: `invalid_run_opt`.
        """
        name = self._journal.new_id("step") if step_id is None else _opt("step_id", step_id)
        fields = _fields(kind, input, metadata)
        self._ledger.start_step(text("run_id", run_id), name, self.caller, **fields)
        return noreply

    def complete_step(self, step_id: str, output: Any = None) -> Any:
        """End a step with what came of it.

        Raises:
            NotFound: there is no such step.
            StateRefused: `invalid_status_transition`, it has ended.
        """
        return self._end_step(step_id, "completed", output)

    def fail_step(self, step_id: str, error: Any = None) -> Any:
        """End a step with what went wrong; as `complete_step`."""
        return self._end_step(step_id, "failed", error)

    def cancel_step(self, step_id: str, reason: Any = None) -> Any:
        """End a step with why; as `complete_step`."""
        return self._end_step(step_id, "cancelled", reason)

    def _end_run(self, run_id: str, ending: Ending, value: Any) -> Any:
        self._ledger.end(text("run_id", run_id), ending, json_data(ending, value), self.caller)
        return noreply

    def _end_step(self, step_id: str, ending: Ending, value: Any) -> Any:
        name = text("step_id", step_id)
        self._ledger.end_step(name, ending, json_data(ending, value), self.caller)
        return noreply


def _fields(kind: object, given: Any, metadata: object) -> dict[str, Any]:
    if metadata is not None and not isinstance(metadata, Mapping):
        raise _invalid("metadata", metadata, "a mapping")
    return {
        "kind": _opt("kind", kind),
        "input": json_data("input", given),
        "metadata": json_data("metadata", {} if metadata is None else dict(metadata)),
    }


def _opt(field: str, value: object) -> str:
    if isinstance(value, str) and value:
        return value
    raise _invalid(field, value, "a non-empty text")


def _invalid(field: str, value: object, expected: str) -> InvalidInput:
    error = InvalidInput(field, value, expected)
    error.reason = "invalid_run_opt"
    return error
