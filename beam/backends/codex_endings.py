"""How a turn of Codex ended: its `turn/completed`, as an answer or a reason of the closed set.

    >>> exit_of({"message": "too much", "codexErrorInfo": "contextWindowExceeded"}, {}).kind
    'context_full'
    >>> connection = {"responseStreamConnectionFailed": {"httpStatusCode": 401}}
    >>> exit_of({"message": "401", "codexErrorInfo": connection}, {}).kind
    'auth'

Codex names its failures in `codexErrorInfo`: by a word, or by a word with the HTTP status that it
had from the provider. A turn with a status that is not known has failed, too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from beam.backends.codex_items import text_field
from beam.backends.effects import Completed, Failed, failed_for
from beam.model.exit_reasons import ExitKind, ExitReason, of_http, of_text, timed
from beam.model.messages import ResultMessage
from beam.model.waits import of_words

if TYPE_CHECKING:
    from beam.backends.codex_family import CodexFamily

__all__ = ["exit_of", "outcome_of", "refusal_of"]

_KINDS: Mapping[str, ExitKind] = {
    "contextWindowExceeded": "context_full",
    "sessionBudgetExceeded": "budget",
    "usageLimitExceeded": "quota",
    "rateLimitExceeded": "throttled",
    "flexUnavailable": "overloaded",
    "serverOverloaded": "overloaded",
    "internalServerError": "overloaded",
    "cyberPolicy": "refused",
    "misalignmentPolicyViolation": "refused",
    "tooManyDenials": "refused",
    "unauthorized": "auth",
    "badRequest": "invalid_request",
}
"""Words that have one meaning; the others are looked at by what is said with them."""

_REFUSED = (-32600, -32602)
"""The codes of JSON-RPC for a request that the server does not take as it is."""

_NO_CONNECTION = frozenset(
    {
        "httpConnectionFailed",
        "responseStreamConnectionFailed",
        "responseStreamDisconnected",
        "responseTooManyFailedAttempts",
    }
)


def outcome_of(
    query_id: str,
    turn: Mapping[str, Any],
    family: CodexFamily,
    *,
    model: str,
    timestamp: int,
    structured: bool = False,
) -> Completed | Failed:
    """Return how a query ended.

    Args:
        query_id: the query.
        turn: the turn as `turn/completed` has it.
        family: what the turn said.
        model: the model that it ran on.
        timestamp: now, Unix milliseconds.
        structured: whether the answer was asked for as data.
    """
    status = text_field(turn, "status")
    if status == "completed":
        return Completed(query_id, _result(turn, family, model, timestamp, structured))
    usage = family.usage().facts()
    if status == "interrupted":
        return failed_for(query_id, ExitReason("interrupted"), timestamp, usage)
    error = turn.get("error") or family.main.error
    error = error if isinstance(error, Mapping) else {"message": f"the turn ended as {status!r}"}
    return failed_for(query_id, exit_of(error, family.main.limits), timestamp, usage)


def exit_of(error: Mapping[str, Any], limits: Mapping[str, Any]) -> ExitReason:
    """Return what a `TurnError` means.

    Args:
        error: the error.
        limits: what was last said of the account's limits: it says when a quota is there again.
    """
    said = text_field(error, "message")
    more = text_field(error, "additionalDetails")
    detail = f"{said}: {more}" if said and more else said or more
    word, status = _info(error.get("codexErrorInfo"))
    if word in _KINDS:
        kind = _KINDS[word]
        resets_at = _resets_at(kind, limits)
        reason = ExitReason(kind, resets_at=resets_at, status=status, detail=detail)
        return timed(reason, of_words(detail))
    if status is not None:
        return of_http(status, body=detail)
    known = of_text(detail)
    # An answer that was cut is told in the words of a stream that was.
    if word in _NO_CONNECTION and (known is None or known.kind != "truncated"):
        return ExitReason("overloaded", detail=detail)
    return known or ExitReason("agent_error", detail=detail)


def refusal_of(code: int, message: str) -> ExitReason:
    """Return why Codex will not begin a thread.

    Args:
        code: of the error; a configuration that it cannot read has no code of its own.
        message: its text.
    """
    known = exit_of({"message": message}, {})
    unreadable = message.startswith("failed to load configuration")
    if unreadable or (known.kind == "agent_error" and code in _REFUSED):
        return ExitReason("invalid_request", detail=message.strip())
    return known


def _result(
    turn: Mapping[str, Any], family: CodexFamily, model: str, timestamp: int, structured: bool
) -> ResultMessage:
    text = family.main.text()
    duration = turn.get("durationMs")
    return ResultMessage(
        content=text,
        is_error=False,
        uuid=text_field(turn, "id") or None,
        model=model or None,
        duration_ms=duration if isinstance(duration, int | float) else None,
        usage=family.usage().facts(),
        structured_output=_data(text) if structured else None,
        timestamp=timestamp,
        raw=turn,
    )


def _data(text: str) -> Any:
    """Return the answer as data; None if it is none, for then its text is the answer."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def _info(info: object) -> tuple[str, int | None]:
    """Return an error's word, and the HTTP status that stands with it."""
    if isinstance(info, str):
        return info, None
    if isinstance(info, Mapping) and info:
        word, facts = next(iter(info.items()))
        status = facts.get("httpStatusCode") if isinstance(facts, Mapping) else None
        return str(word), status if isinstance(status, int) else None
    return "", None


def _resets_at(kind: ExitKind, limits: Mapping[str, Any]) -> float | None:
    if kind not in ("quota", "throttled"):
        return None
    windows = [limits.get("primary"), limits.get("secondary"), limits.get("individualLimit")]
    times = [
        window["resetsAt"]
        for window in windows
        if isinstance(window, Mapping)
        and isinstance(window.get("resetsAt"), int)
        and window.get("usedPercent", 100) >= 100
    ]
    return float(max(times)) if times else None
