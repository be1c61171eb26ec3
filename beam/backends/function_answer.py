"""What a function said, as what a session hears: pure functions from values to effects.

    >>> streamed("Looking...", timestamp=5)
    Message(type='text', content='Looking...', timestamp=5)
    >>> answered("q-1", {"lines": 3}, timestamp=5).message.content
    '{"lines":3}'
    >>> failed("q-1", KeyError("nope"), timestamp=5).message.content
    "KeyError: 'nope'"

What a function yields: text, a `Message`, or a mapping as agents type it (`beam.model.normalize`);
any other JSON value is streamed as its text. What it returns is the answer: text, or any JSON
value, which is then in `structured_output` too, and its text in `content`; of a message the
content. A message that ends a query (`result`, `error`) ends it, yielded or returned.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from beam.backends.effects import Completed, Failed, error_message
from beam.model.encoding import decode, encode
from beam.model.masking import redact_text
from beam.model.message_record import to_wire
from beam.model.messages import ErrorMessage, Message, ResultMessage, is_terminal, stamp
from beam.model.wire import normalize

__all__ = ["answered", "ended", "failed", "streamed"]


def streamed(value: Any, *, timestamp: int) -> Message:
    """Return the message that a yielded value is.

    Args:
        value: what the function yielded.
        timestamp: now, Unix milliseconds; for messages without a time.

    Raises:
        InvalidInput: the value, or something in it, cannot be written as JSON.
    """
    if isinstance(value, str):
        return Message("text", value, timestamp=timestamp)
    if isinstance(value, Message):
        encode(to_wire(value))
        return stamp(value, timestamp=timestamp)
    if isinstance(value, Mapping):
        # A copy: what the function goes on to do with its own is its own affair.
        return normalize(decode(encode(dict(value))), timestamp=timestamp)
    return Message("text", encode(value), timestamp=timestamp)


def answered(query_id: str, value: Any, *, timestamp: int) -> Completed | Failed:
    """Return the end of a query whose function has returned, or last yielded, `value`.

    Args:
        query_id: the query.
        value: the answer; None for none, which is an empty text.
        timestamp: now, Unix milliseconds.

    Raises:
        InvalidInput: the value cannot be written as JSON.
    """
    if isinstance(value, Message):
        message = streamed(value, timestamp=timestamp)
        if is_terminal(message):
            return ended(query_id, message)
        value = message.content
    if value is None or isinstance(value, str):
        return Completed(query_id, ResultMessage(content=value or "", timestamp=timestamp))
    content = encode(dict(value) if isinstance(value, Mapping) else value)
    structured = decode(content)
    return Completed(
        query_id,
        ResultMessage(content=content, structured_output=structured, timestamp=timestamp),
    )


def ended(query_id: str, message: Message) -> Completed | Failed:
    """Return what a message that ends a query ends it with."""
    if isinstance(message, ErrorMessage):
        return Failed(query_id, message.error_type or "agent_error", message, retryable=False)
    if isinstance(message, ResultMessage) and message.is_error:
        return Failed(query_id, "agent_error", message, retryable=False)
    return Completed(query_id, message)


def failed(
    query_id: str,
    error: BaseException | str,
    *,
    timestamp: int,
    reason: str = "backend_error",
    retryable: bool = False,
) -> Failed:
    """Return the end of a query that has no answer.

    Args:
        query_id: the query.
        error: what its function raised, or in words what happened.
        timestamp: now, Unix milliseconds.
        reason: as of `Failed`.
        retryable: as of `Failed`.
    """
    words = error if isinstance(error, str) else f"{type(error).__qualname__}: {_text(error)}"
    content = redact_text(words.removesuffix(": "))
    return Failed(query_id, reason, error_message(reason, content, timestamp), retryable)


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as second:  # noqa: BLE001 - the user's __str__; its failure is no more news
        return f"(its text raised {type(second).__name__})"
