"""How a request to a model provider ended, as a session hears it: pure functions.

    >>> exit_of(LoopFailed(("max_turns_exceeded", 5))).kind
    'max_turns'
    >>> exit_of(LoopFailed(("provider_error", TimeoutError("no answer")))).kind
    'overloaded'

An answer that was cut, or declined, is a failure here, never a success.
"""

from __future__ import annotations

from dataclasses import replace

from beam.backends.effects import AgentFailed, Completed, Failed, error_message, failed_for
from beam.errors import BeamError, InvalidInput, LoopFailed
from beam.model.exit_reasons import ExitReason, of_text
from beam.model.messages import ResultMessage
from beam.providers.failures import failed_as
from beam.providers.values import SessionResult, Usage

__all__ = ["completed", "exit_of", "failed", "not_opened", "outcome_of"]

_REFUSALS = frozenset({"refusal", "content_filter", "safety"})


def outcome_of(
    query_id: str, outcome: SessionResult | Exception, *, timestamp: int, duration_ms: float
) -> Completed | Failed:
    """Return the end of a query.

    Args:
        query_id: the query.
        outcome: how the request ended.
        timestamp: now, Unix milliseconds.
        duration_ms: how long it took.
    """
    if not isinstance(outcome, SessionResult):
        return failed(query_id, exit_of(outcome), timestamp, _spent(outcome))
    if outcome.terminal == "end_turn":
        return completed(query_id, outcome, timestamp, duration_ms)
    word = outcome.stop_reason
    kind = of_text(word) or ExitReason("refused" if word in _REFUSALS else "agent_error")
    told = f"the answer was cut ({word})" if outcome.text else word
    if kind.kind == "refused" and outcome.text:
        told = outcome.text[:500]
    return failed(query_id, replace(kind, detail=told), timestamp, outcome.usage)


def completed(
    query_id: str, result: SessionResult, timestamp: int, duration_ms: float
) -> Completed:
    """Return the end of a query that has its answer."""
    message = ResultMessage(
        content=result.text,
        is_error=False,
        duration_ms=duration_ms,
        num_turns=result.turns,
        stop_reason=result.stop_reason,
        usage=None if result.usage is None else result.usage.as_data(),
        timestamp=timestamp,
    )
    return Completed(query_id, message)


def failed(query_id: str, exit: ExitReason, timestamp: int, spent: Usage | None = None) -> Failed:
    """Return the end of a query that has none."""
    usage = None if spent is None else spent.as_data()
    return failed_for(query_id, exit, timestamp, usage, content=exit.words)


def _spent(outcome: Exception) -> Usage | None:
    """Return what a request has cost that has failed."""
    result = outcome.result if isinstance(outcome, LoopFailed) else None
    return result.usage if isinstance(result, SessionResult) else None


def not_opened(error: Exception, timestamp: int) -> AgentFailed:
    """Return that the conversation could not be opened."""
    exit = exit_of(error)
    message = error_message(exit.kind, exit.words, timestamp)
    return AgentFailed(exit.kind, message, exit.retryable, exit)


def exit_of(error: BaseException) -> ExitReason:
    """Return why a request ended without an answer."""
    known = getattr(error, "exit", None)
    if isinstance(known, ExitReason):
        return known
    reason = error.reason if isinstance(error, BeamError) else None
    detail = str(error)
    match reason:
        case "timeout" | "interrupted":
            return ExitReason(reason, detail=detail)
        case ("max_turns_exceeded", _):
            return ExitReason("max_turns", detail=detail)
        case ("halted", _):
            return ExitReason("budget", detail=detail)
        case ("unresolved_requires_action", _):
            return ExitReason("protocol", detail=detail)
        case "stream_ended":
            return ExitReason("overloaded", detail=detail)
        case (_, BaseException() as cause) if isinstance(error, LoopFailed):
            return exit_of(cause)
    if isinstance(error, InvalidInput):
        return ExitReason("invalid_request", detail=detail)
    if isinstance(error, BeamError):
        return of_text(detail) or ExitReason("agent_error", detail=detail)
    exit = failed_as(error).exit
    return exit if isinstance(exit, ExitReason) else ExitReason("agent_error", detail=detail)
