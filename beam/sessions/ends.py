"""How a run ends, as the events that say so: with its answer, or without one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.model.messages import ResultMessage

if TYPE_CHECKING:
    from beam.backends.effects import Failed
    from beam.model.events import Event, EventType
    from beam.model.messages import Message
    from beam.sessions.desk import Desk
    from beam.sessions.past import Work

__all__ = ["answered", "failed", "output_of"]


def output_of(message: Message) -> Any:
    """Return what a run is answered with, of its last message: text, or a JSON value."""
    if isinstance(message, ResultMessage) and message.structured_output is not None:
        return message.structured_output
    return message.content


def answered(desk: Desk, work: Work, message: Message) -> list[Event]:
    """Return the end of a run that has its answer: its last message, and what came of it."""
    usage = message.usage if isinstance(message, ResultMessage) else None
    facts: dict[str, Any] = {} if usage is None else {"usage": usage}
    return [
        desk.message(message, work.run_id),
        desk.event(
            "run_completed",
            work.run_id,
            output=output_of(message),
            attempts=work.attempts,
            **facts,
        ),
    ]


def failed(desk: Desk, work: Work, failure: Failed) -> list[Event]:
    """Return the end of a run that its agent gave up, with the agent's reason."""
    kind: EventType = "run_interrupted" if failure.reason == "interrupted" else "run_failed"
    return [
        desk.message(failure.message, work.run_id),
        desk.event(
            kind,
            work.run_id,
            reason=failure.reason,
            detail=failure.message.content,
            retryable=failure.retryable,
            attempts=work.attempts,
        ),
    ]
