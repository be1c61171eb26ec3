"""How a session's process takes up its past, and what becomes of runs that a crash cut (G12)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.sessions.past import Past
from beam.sessions.workload import Workload

if TYPE_CHECKING:
    from beam.model.events import Event, EventType
    from beam.sessions.desk import Desk
    from beam.sessions.options import SessionOptions
    from beam.sessions.past import Work
    from beam.state.journal import Journal

__all__ = ["after_crash", "close_runs", "is_injected", "recall"]

# The events from which a session's process starts; its messages are for those who read the log.
STRUCTURAL: tuple[EventType, ...] = (
    "session_started", "session_restarted", "session_stopped", "state_changed",
    "run_submitted", "run_started", "run_retried", "run_completed", "run_failed",
    "run_interrupted", "tool_call_started", "tool_call_completed", "tool_call_unknown",
    "fault_injected",
)  # fmt: skip

# Those that tell whether a fault has been injected that has not shown yet.
FAULTS: tuple[EventType, ...] = ("fault_injected", "session_restarted", "state_changed")


def recall(desk: Desk, backend: str, options: SessionOptions) -> tuple[Past, Workload]:
    """Fold the session's events, and say in the log that it goes on, and with what.

    A session that is new is in the log when this returns.
    """
    # What the process before this one has written may still be on its way into the log.
    desk.journal.settle()
    past = Past()
    for event in desk.journal.replay(desk.session_id, types=STRUCTURAL):
        past.take(event)
    load = Workload(options.queue_max, past.queue(), past.known)
    if past.started_at is None:
        started = _started(desk, backend, options)
        desk.log_wait([started])
        past.take(started)
        return past, load
    past.restarts += 1
    news = [desk.event("session_restarted", restarts=past.restarts)]
    news += [desk.event("tool_call_unknown", run, tool_use_id=use) for run, use in past.open_tools]
    work = past.in_flight()
    if work is not None:
        facts = {"reason": "interrupted", "cause": "session_crashed"}
        news.append(after_crash(desk, load, work, facts, injected=past.faulted))
    desk.log(news)
    return past, load


def _started(desk: Desk, backend: str, options: SessionOptions) -> Event:
    return desk.event(
        "session_started",
        backend=backend,
        cwd=options.cwd,
        model=options.model,
        permission_mode=options.permission_mode,
        metadata=dict(options.metadata),
    )


def after_crash(
    desk: Desk, load: Workload, work: Work, facts: dict[str, Any], *, injected: bool
) -> Event:
    """Put a run that a crash has cut back at the front of the queue, or end it.

    Args:
        desk: makes the event.
        load: the queue.
        work: the run.
        facts: the reason of the crash, and what else is known of it.
        injected: whether an experiment caused it; then it does not use up the run's retries.

    Returns:
        What is to be logged.
    """
    work = work.crashed(injected=injected)
    known = {"attempts": work.attempts, "crashes": work.crashes, "injected": injected}
    if work.may_retry():
        load.put_back(work)
        return desk.event("run_retried", work.run_id, **known, **facts)
    if work.on_crash == "retry":
        facts = {**facts, "reason": "retries_exhausted", "cause": facts["reason"]}
        return desk.event("run_failed", work.run_id, **known, **facts)
    return desk.event("run_interrupted", work.run_id, **known, **facts)


def is_injected(desk: Desk) -> bool:
    """Say whether a transport that has ended just now did so by an experiment's fault."""
    past = Past()
    for event in desk.journal.replay(desk.session_id, types=FAULTS):
        past.take(event)
    return past.faulted


def close_runs(journal: Journal, session_id: str, kind: EventType, reason: str) -> None:
    """Write the end of every run of a session that has none, and will have no other.

    Its process must have ended.
    """
    journal.settle()
    past = Past()
    for event in journal.replay(session_id, types=STRUCTURAL):
        past.take(event)
    at_work = past.in_flight()
    open_runs = [*([at_work] if at_work is not None else []), *past.queue()]
    if open_runs:
        journal.append_wait(
            [
                journal.event(
                    kind, session_id, run_id=work.run_id, reason=reason, attempts=work.attempts
                )
                for work in open_runs
            ]
        )
