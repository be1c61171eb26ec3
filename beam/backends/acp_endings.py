"""How a turn of an ACP agent ended: its answer to `session/prompt`, or the error in its place.

    >>> exit_of_error(429, "slow down", None).kind
    'throttled'
    >>> exit_of_stop("max_turn_requests").kind
    'max_turns'
    >>> exit_of_stop("end_turn") is None
    True

`end_turn` alone is an answer. Agents differ in what they do when the model fails: most answer with
an error, whose code is an HTTP status (Gemini) or -32603 (OpenCode); Copilot answers `end_turn`,
with the error as a text. `copilot_journal` knows those. So does Codex's adapter, which says in some
`_meta`, under `threadStatus`, that its thread is in error. A turn that ends with `end_turn` and no
word at all is an answer, an empty one: OpenCode ends one so whose tool was refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from beam.model.exit_reasons import ExitKind, ExitReason, of_http, of_text, timed
from beam.model.waits import of_facts

__all__ = [
    "Usage", "exit_of_answer", "exit_of_error", "exit_of_stop", "has_system_error",
    "of_prefix", "usage_of",
]  # fmt: skip

Usage = dict[str, int]
"""Tokens in buckets that have nothing in common, under the names of `ResultMessage.usage`."""

_STOPS: Mapping[object, ExitKind] = {
    "cancelled": "interrupted",
    "refusal": "refused",
    "max_tokens": "truncated",
    "max_turn_requests": "max_turns",
}

_CODES: Mapping[int, ExitKind] = {
    -32000: "auth",
    -32002: "session_lost",
    -32600: "invalid_request",
    -32601: "protocol",
    -32602: "invalid_request",
    -32700: "protocol",
}

_NAMES: Mapping[object, ExitKind] = {
    "ProviderAuthError": "auth",
    "ContextOverflowError": "context_full",
    "MessageOutputLengthError": "truncated",
    "MessageAbortedError": "interrupted",
}
"""What OpenCode calls its errors."""

_HTTP = range(400, 600)
_UNKNOWN = 500
"""Gemini's code for a failure whose status it does not know; its words may say more."""


def exit_of_stop(word: object) -> ExitReason | None:
    """Return what a stop reason means; None for an answer. A word that is not known is none."""
    if word == "end_turn":
        return None
    return ExitReason(_STOPS.get(word, "agent_error"), detail=f"the turn ended with {word!r}")


def has_system_error(*told: Mapping[str, Any], before: bool) -> bool:
    """Say whether an agent's thread is in error, after all that was told of it.

    Args:
        told: parts of a message that may have a `_meta`. In it, any group's `threadStatus` counts,
            as a word or as an object with a `type`.
        before: whether it was until then: it is until it is said to be `active` again.
    """
    for status in (status for part in told for status in _statuses(part)):
        before = status == "systemError" or (before and status != "active")
    return before


def exit_of_answer(said: Mapping[str, Any], text: str, *, broken: bool) -> ExitReason | None:
    """Return what an answer to `session/prompt` means; None if the turn has its answer.

    Args:
        said: the answer.
        text: what the agent has said in the turn, which may be an error in an answer's place.
        broken: whether its thread was in error until then.
    """
    reason = exit_of_stop(said.get("stopReason"))
    if reason is not None or not has_system_error(said, before=broken):
        return reason
    detail = text.strip() or "the agent's thread is in error"
    return of_text(detail) or ExitReason("agent_error", detail=detail)


def _statuses(part: Mapping[str, Any]) -> list[object]:
    meta = part.get("_meta")
    groups = meta.values() if isinstance(meta, Mapping) else ()
    found = [group.get("threadStatus") for group in groups if isinstance(group, Mapping)]
    return [each.get("type") if isinstance(each, Mapping) else each for each in found]


def exit_of_error(code: int, message: str, data: Any) -> ExitReason:
    """Return what an error of the protocol means.

    Args:
        code: its code.
        message: its text.
        data: what came with it.
    """
    reason = _of_error(code, message, data)
    return timed(reason, of_facts(data)) if isinstance(data, Mapping) else reason


def _of_error(code: int, message: str, data: Any) -> ExitReason:
    said = f"{message}: {more}" if (more := _words(data)) and more not in message else message
    facts = data if isinstance(data, Mapping) else {}
    status = facts.get("statusCode", facts.get("status", code))
    if status == code == _UNKNOWN and (known := of_text(said)) is not None:
        return known
    if isinstance(status, int) and status in _HTTP:
        return of_http(status, body=said)
    if facts.get("errorName") in _NAMES:
        return ExitReason(_NAMES[facts["errorName"]], detail=said)
    if code in _CODES:
        return ExitReason(_CODES[code], detail=said)
    return of_text(said) or ExitReason("agent_error", detail=said)


def of_prefix(last: str, prefix: str, *, used_tokens: bool) -> ExitReason | None:
    """Return the failure that a turn's last text tells of; None if it tells of none.

    Args:
        last: the text.
        prefix: how the agent begins such a text.
        used_tokens: whether the model has said anything in the turn: if not, the turn has failed.
    """
    if last.startswith(prefix):
        said = last.removeprefix(prefix)
        return of_text(said) or ExitReason("agent_error", detail=said)
    if not used_tokens:
        return ExitReason("agent_error", detail=last or "the turn ended without an answer")
    return None


def usage_of(answer: Mapping[str, Any]) -> Usage | None:
    """Return the tokens that an answer to `session/prompt` tells of; None if it tells of none.

    Some agents count what came from the cache as input as well, and reasoning as output, others do
    not: the total says which. Gemini's counts are in its `_meta`: all that it was sent, cached or
    not, and what it said, without what it thought. What it does not tell is left out.
    """
    counts = answer.get("usage")
    if not isinstance(counts, Mapping):
        return _of_gemini(answer)
    read, wrote = _count(counts, "cachedReadTokens"), _count(counts, "cachedWriteTokens")
    thought = _count(counts, "thoughtTokens")
    sent, got = _count(counts, "inputTokens"), _count(counts, "outputTokens")
    total = _count(counts, "totalTokens")
    if total == sent + got:
        sent, got = max(0, sent - read - wrote), max(0, got - thought)
    elif total == sent + got + thought:
        sent = max(0, sent - read - wrote)
    elif total == sent + got + read + wrote:
        got = max(0, got - thought)
    return _usage(sent, read, wrote, got, thought)


def _of_gemini(answer: Mapping[str, Any]) -> Usage | None:
    found: Any = answer
    for name in ("_meta", "quota", "token_count"):
        found = found.get(name) if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping):
        return None
    return {name: _count(found, name) for name in ("input_tokens", "output_tokens")}


def _usage(sent: int, read: int, wrote: int, got: int, thought: int) -> Usage:
    return {
        "input_tokens": sent,
        "cache_read_tokens": read,
        "cache_write_tokens": wrote,
        "output_tokens": got,
        "reasoning_tokens": thought,
    }


def _count(counts: Mapping[str, Any], name: str) -> int:
    value = counts.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _words(data: Any) -> str:
    """Return what an error's data says in words."""
    if isinstance(data, str):
        return data
    if isinstance(data, Mapping):
        for name in ("details", "message", "error", "reason"):
            if isinstance(data.get(name), str):
                return str(data[name])
        return json.dumps(dict(data), default=str) if data else ""
    return ""
