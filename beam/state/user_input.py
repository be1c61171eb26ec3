"""Questions to the user: asked of a handler if there is one, and kept until somebody answers.

    >>> pending = PendingRequests("session_1")
    >>> question = {"question": "Which file?"}
    >>> pending, request_id, event = opened(pending, "req_1", question, {}, at=1000)
    >>> pending, result, event = concluded(pending, request_id, Answered("setup.py"), at=1001)
    >>> result, pending.response("req_1")
    ('setup.py', {'response': 'setup.py', 'source': 'callback'})

Without a handler, or if it raises or hangs, the request stays pending with the reason, and anybody
may answer it later. Every value that a handler returns is an answer; to give none, it raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from beam.errors import InvalidInput
from beam.model.redaction import redact
from beam.state.control_event import SOURCE, ControlEvent
from beam.state.outcome import Answered, Failed, Outcome
from beam.state.pending_requests import PendingRequests

__all__ = ["PendingInput", "concluded", "opened"]

_AWAITING = "awaiting_external_response"
_FAILED = "handler_failed"
_TIMED_OUT = "handler_timeout"


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingInput:
    """What the asker gets while nobody has answered.

    Attributes:
        request_id: under which to look for the answer.
        request: what is asked, without secrets.
        reason: why there is no answer yet: `awaiting_external_response`, `handler_failed` or
            `handler_timeout`.
        status: always `pending`.
        source: always `universal`.
    """

    request_id: str
    request: Mapping[str, Any]
    reason: str
    status: Literal["pending"] = "pending"
    source: Literal["universal"] = "universal"


def opened(
    pending: PendingRequests,
    new_id: str,
    request: Mapping[str, Any],
    context: Mapping[str, Any],
    *,
    at: int,
) -> tuple[PendingRequests, str, ControlEvent]:
    """Store a question before anybody is asked.

    Args:
        pending: the session's requests.
        new_id: the request's id, unless the context brings one as `request_id`.
        request: what is asked.
        context: what else is known of it; kept in the request.
        at: Unix milliseconds.

    Returns:
        The next requests, the id, and what is told of it.

    Raises:
        InvalidInput: the request or the context is no mapping, or the id no non-empty string.
        QueueFull: so many requests wait already.
    """
    for field, value in (("request", request), ("context", context)):
        if not isinstance(value, Mapping):
            raise InvalidInput(field, type(value).__name__, "a mapping")
    request_id = new_id if context.get("request_id") is None else context["request_id"]
    full = {**request, "request_id": request_id, "source": SOURCE, "context": context}
    pending, event = pending.stored(request_id, full, at=at)
    return pending, request_id, event


def concluded(
    pending: PendingRequests, request_id: str, outcome: Outcome | None, *, at: int
) -> tuple[PendingRequests, Any, ControlEvent | None]:
    """Return what a question came to.

    Args:
        pending: the session's requests, the question among them.
        request_id: the question.
        outcome: what became of the handler, `None` if there is none.
        at: Unix milliseconds.

    Returns:
        The next requests; the answer, or a `PendingInput`; and what is told of it. Where somebody
        else answered while the handler was at work, that answer stands and nothing is told.

    Raises:
        NotFound: there is no such question.
    """
    entry = pending.get(request_id)
    if entry.response is not None:
        answer = pending.response(request_id)
        return pending, answer.get("response", answer), None
    if isinstance(outcome, Answered):
        response = {"response": outcome.value, "source": "callback"}
        pending, event = pending.resolved(request_id, response, at=at)
        return pending, outcome.value, event
    reason = _reason(outcome)
    waiting = PendingInput(request_id=request_id, request=redact(entry.request), reason=reason)
    told = {"request_id": request_id, "request": entry.request, "reason": reason}
    event = ControlEvent("user_input_requested", pending.session_id, at, told)
    return pending.waiting(request_id, reason), waiting, event


def _reason(outcome: Outcome | None) -> str:
    if outcome is None:
        return _AWAITING
    return _FAILED if isinstance(outcome, Failed) else _TIMED_OUT
