"""What an agent said, and how a run ended, as the events that say so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.model.messages import ResultMessage, SystemMessage
from beam.model.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beam.backends.effects import Failed
    from beam.model.events import Event, EventType
    from beam.model.exit_reasons import ExitReason
    from beam.model.messages import Message
    from beam.sessions.desk import Desk
    from beam.sessions.past import Past, Work

__all__ = ["answered", "exit_facts", "failed", "failure_facts", "output_of", "spoken"]


def output_of(message: Message) -> Any:
    """Return what a run is answered with, of its last message: text, or a JSON value."""
    if isinstance(message, ResultMessage) and message.structured_output is not None:
        return message.structured_output
    return message.content


def answered(desk: Desk, work: Work, message: Message) -> list[Event]:
    """Return the end of a run that has its answer: its last message, and what came of it."""
    usage = message.usage if isinstance(message, ResultMessage) else None
    return [
        desk.message(message, work.run_id),
        desk.event(
            "run_completed",
            work.run_id,
            output=output_of(message),
            attempts=work.attempts,
            **_usage_facts(usage),
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
            **failure_facts(failure),
        ),
    ]


def failure_facts(failure: Failed) -> dict[str, Any]:
    """Return what an event says of a failed attempt: why, and the tokens that it has cost."""
    return {**exit_facts(failure.exit), **_usage_facts(failure.spent)}


def exit_facts(exit: ExitReason | None) -> dict[str, Any]:
    """Return what an event says of a reason of the closed set; nothing if there is none."""
    return {} if exit is None else {"exit_reason": exit.facts()}


def _usage_facts(usage: Mapping[str, Any] | None) -> dict[str, Any]:
    return {} if usage is None else {"usage": dict(usage)}


def spoken(desk: Desk, past: Past, message: Message, run_id: str | None) -> list[Event]:
    """Return what an agent said in the middle of a run; what it says of itself is kept, too.

    Args:
        desk: makes the events.
        past: told at once what the agent says of itself, if that is new.
        message: what it said.
        run_id: in which run.
    """
    said = [desk.message(message, run_id)]
    info = message.system_info if isinstance(message, SystemMessage) else None
    if info is not None and info != past.details.get("system_info"):
        past.details["system_info"] = redact(info)
        said.append(desk.event("state_changed", details={"system_info": info}))
    return said
