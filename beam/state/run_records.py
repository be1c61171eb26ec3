"""Run records: work of any kind, with its steps, as somebody keeps a book of it.

    >>> run = RunRecord(run_id="run_1", kind="report", created_at=10, updated_at=10)
    >>> work = RunWork(run)
    >>> work, step = work.with_new_step("step_1", kind="read", input=None, metadata={}, at=20)
    >>> work, ended = work.ended("failed", "no paper", at=30)
    >>> work.run.status, work.run.error, work.steps["step_1"].error, len(ended)
    ('failed', 'no paper', 'no paper', 2)

Not to be mixed up with the runs that sessions do (`beam.model.runs`): those are prompts on their
way through an agent. A record is whatever its writer says: a task, a report, a whole plan; it may
belong to a session, to a thread of it, and to a parent.

A record is `running` until it ends, once: `completed`, `failed` or `cancelled`. What has ended
never changes again. A run cannot be completed while steps of it run; one that fails or is cancelled
takes its running steps with it, with the same word and value. Children are not touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, TypeVar

from beam.errors import AlreadyExists, NotFound, StateRefused

__all__ = ["ENDINGS", "Ending", "RecordStatus", "RunRecord", "RunWork", "StepRecord"]

Ending = Literal["completed", "failed", "cancelled"]
"""How a record ends."""

RecordStatus = Literal["running", "completed", "failed", "cancelled"]
"""How a record stands."""

ENDINGS: Mapping[Ending, str] = {
    "completed": "output",
    "failed": "error",
    "cancelled": "cancel_reason",
}
"""Every ending, with the field that says more of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run.

    Attributes:
        run_id: its name in the fleet.
        kind: what it is, in its writer's words.
        status: how it stands.
        session_id, thread_id: what it belongs to, if to anything.
        parent_run_id: the run that it is a part of.
        input: what it is given, JSON data.
        metadata: its writer's own notes, JSON data.
        output: what came of it, if it was completed.
        error: why it failed.
        cancel_reason: why it was cancelled.
        created_at: when it began; all times are Unix milliseconds.
        updated_at: when it, or a step of it, last changed.
        completed_at: when it ended.
    """

    run_id: str
    created_at: int
    updated_at: int
    kind: str = "generic"
    status: RecordStatus = "running"
    session_id: str | None = None
    thread_id: str | None = None
    parent_run_id: str | None = None
    input: Any = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    output: Any = None
    error: Any = None
    cancel_reason: Any = None
    completed_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """One step of a run; its fields are those of a run."""

    step_id: str
    run_id: str
    created_at: int
    updated_at: int
    kind: str = "generic"
    status: RecordStatus = "running"
    session_id: str | None = None
    thread_id: str | None = None
    input: Any = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    output: Any = None
    error: Any = None
    cancel_reason: Any = None
    completed_at: int | None = None


AnyRecord = RunRecord | StepRecord
R = TypeVar("R", RunRecord, StepRecord)


@dataclass(frozen=True, slots=True)
class RunWork:
    """A run with its steps; each change returns the next value, and what has changed.

    Attributes:
        run: the run.
        steps: by id, in the order in which they were begun.
    """

    run: RunRecord
    steps: Mapping[str, StepRecord] = field(default_factory=dict)

    def with_new_step(
        self,
        step_id: str,
        *,
        kind: str,
        input: Any,  # noqa: A002 - the specification's word
        metadata: Mapping[str, Any],
        at: int,
    ) -> tuple[RunWork, StepRecord]:
        """Begin a step.

        Raises:
            StateRefused: `run_not_active`: the run has ended.
            AlreadyExists: it has a step of this id.
        """
        run = self.run
        if run.status != "running":
            raise StateRefused("run_not_active", run_id=run.run_id, status=run.status)
        if step_id in self.steps:
            raise AlreadyExists(step_id=step_id)
        step = StepRecord(
            step_id=step_id,
            run_id=run.run_id,
            kind=kind,
            input=input,
            metadata=metadata,
            session_id=run.session_id,
            thread_id=run.thread_id,
            created_at=at,
            updated_at=at,
        )
        return self.with_step(step), step

    def ended(
        self, ending: Ending, value: Any, *, at: int
    ) -> tuple[RunWork, tuple[AnyRecord, ...]]:
        """End the run, and unless it was completed the steps of it that run.

        Raises:
            StateRefused: `active_steps` with `steps`; `invalid_status_transition`.
        """
        running = [step for step in self.steps.values() if step.status == "running"]
        run = _ended(self.run, ending, value, at, run_id=self.run.run_id)
        if ending == "completed" and running:
            names = [step.step_id for step in running]
            raise StateRefused("active_steps", run_id=run.run_id, steps=names)
        work, changed = self, list[AnyRecord]()
        for step in running:
            step = _ended(step, ending, value, at, step_id=step.step_id)  # noqa: PLW2901
            work, changed = work.with_step(step), [*changed, step]
        return replace(work, run=run), (*changed, run)

    def with_ended_step(
        self, step_id: str, ending: Ending, value: Any, *, at: int
    ) -> tuple[RunWork, StepRecord]:
        """End a step.

        Raises:
            NotFound: the run has no such step.
            StateRefused: `invalid_status_transition`.
        """
        step = self.steps.get(step_id)
        if step is None:
            raise NotFound(step_id=step_id)
        step = _ended(step, ending, value, at, step_id=step_id)
        return self.with_step(step), step

    def with_step(self, step: StepRecord) -> RunWork:
        """Put a step in as it stands; the run has changed with it."""
        run = replace(self.run, updated_at=step.updated_at)
        return RunWork(run, {**self.steps, step.step_id: step})


def _ended(record: R, ending: Ending, value: Any, at: int, **named: str) -> R:
    if record.status != "running":
        facts = {**named, "current": record.status, "requested": ending}
        raise StateRefused("invalid_status_transition", **facts)
    changed: dict[str, Any] = {"status": ending, ENDINGS[ending]: value}
    return replace(record, updated_at=at, completed_at=at, **changed)


def as_data(record: AnyRecord) -> dict[str, Any]:
    """Return a record as JSON data; fields without a value are left out."""
    values = {one.name: getattr(record, one.name) for one in fields(record)}
    return {key: value for key, value in values.items() if value is not None}
