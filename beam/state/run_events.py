"""What the events of a run say: how it stands, and how it ended.

>>> from beam.model import Event
>>> def event(kind, at, **data):
...     return Event(id=kind, type=kind, session_id="s", run_id="r", timestamp=at, data=data)
>>> run = None
>>> for each in (
...     event("run_submitted", 10, prompt="Hello", on_crash="retry"),
...     event("run_started", 20, attempt=1),
...     event("run_retried", 30, reason="killed"),
...     event("run_started", 40, attempt=2),
...     event("run_failed", 50, reason="timeout", after=9.5),
... ):
...     run = after(run, each)
>>> run.status, run.attempts, run.created_at, run.ended_at
('failed', 2, 10, 50)
>>> outcome_of(each)
RunFailed('timeout')
>>> outcome_of(each).facts
{'session_id': 's', 'run_id': 'r', 'after': 9.5}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.errors import Interrupted, RunFailed
from beam.model.runs import RunInfo, is_final, parse_on_crash

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beam.model.events import Event, EventType

__all__ = ["ENDS", "RUN_TYPES", "after", "outcome_of"]

ENDS: tuple[EventType, ...] = ("run_completed", "run_failed", "run_interrupted")
"""The events with which a run ends; of each run there is one of them."""

RUN_TYPES: tuple[EventType, ...] = ("run_submitted", "run_started", "run_retried", *ENDS)
"""Every event of a run that changes how it stands."""


def after(run: RunInfo | None, event: Event) -> RunInfo | None:
    """Return the run after one event more; `None` as long as it was not submitted.

    Args:
        run: the run before it.
        event: of one of `RUN_TYPES`, in the order of the log.
    """
    data, at = event.data, event.timestamp
    if event.type == "run_submitted" and run is None and event.run_id is not None:
        return _submitted(event, event.run_id)
    if run is None or is_final(run.status):
        return run
    match event.type:
        case "run_started":
            # A crash may have kept `run_retried` out of the log.
            return (run.retried() if run.status == "running" else run).started(at=at)
        case "run_retried" if run.status == "running":
            return run.retried()
        case "run_completed":
            run = run if run.status == "running" else run.started(at=at)
            return run.completed(_output(data), at=at)
        case "run_failed":
            return run.failed(data.get("reason"), at=at)
        case "run_interrupted":
            return run.interrupted(data.get("reason"), at=at)
    return run


def outcome_of(event: Event) -> Any:
    """Return what a run's end means for who waits: the output, or the exception to raise.

    Args:
        event: of one of `ENDS`.
    """
    data = dict(event.data)
    if event.type == "run_completed":
        return _output(data)
    reason = data.pop("reason", None)
    kind = Interrupted if event.type == "run_interrupted" else RunFailed
    return kind(reason, **{"session_id": event.session_id, "run_id": event.run_id, **data})


def _output(data: Mapping[str, Any]) -> Any:
    return data.get("output")


def _submitted(event: Event, run_id: str) -> RunInfo:
    data = event.data
    return RunInfo(
        run_id=run_id,
        session_id=event.session_id,
        prompt=str(data.get("prompt", "")),
        created_at=event.timestamp,
        on_crash=parse_on_crash(data.get("on_crash", "interrupt")),
        correlation_id=event.correlation_id,
        parent_run_id=data.get("parent_run_id"),
        metadata=data.get("metadata") or {},
    )
