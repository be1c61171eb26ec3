"""What Claude's Managed Agents say on their wire, and what we say to them. Pure, and total.

| they say | it is |
|---|---|
| `session.status_idle`, `end_turn`, `satisfied`, `max_iterations_reached` | the end of the turn |
| ... `requires_action`, with `event_ids` | custom tools are to be run |
| ... `retries_exhausted`, `failed`, `budget_reached`, `refusal`, anything else | terminated |
| `session.status_terminated` | terminated |
| `session.error` | terminated; but if the server tries again itself, only news |
| anything else | no end of a turn |

    >>> turn = normalize([
    ...     {"type": "agent.custom_tool_use", "id": "use_1", "name": "add", "input": {"a": 1}},
    ...     {"type": "session.status_idle",
    ...      "stop_reason": {"type": "requires_action", "event_ids": ["use_1"]}},
    ... ])
    >>> turn.terminal, turn.custom_tool_uses
    ('requires_action', (ToolUse(id='use_1', name='add', input={'a': 1}),))
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from beam.providers.values import Outcome, Terminal, ToolResult, ToolUse, TurnResult, Usage

__all__ = [
    "INTERRUPT",
    "classify",
    "is_boundary",
    "message",
    "normalize",
    "outcome",
    "pending",
    "text_of",
    "tool_result",
]

INTERRUPT: Final = {"type": "user.interrupt"}
"""Tells the server to stop working."""

_IDLE, _TERMINATED, _ERROR = "session.status_idle", "session.status_terminated", "session.error"
_CUSTOM_USE, _RESULT = "agent.custom_tool_use", "user.custom_tool_result"
_SERVER_USES = frozenset({"agent.tool_use", "agent.mcp_tool_use"})

_ENDS_TURN = frozenset({"end_turn", "satisfied", "max_iterations_reached"})
_STOPS = _ENDS_TURN | {
    "requires_action", "retries_exhausted", "failed", "budget_reached", "refusal",
}  # fmt: skip


# What is said to them


def message(text: str) -> dict[str, Any]:
    """Return the event that says `text` for the user."""
    return {"type": "user.message", "content": [_text_block(text)]}


def outcome(wanted: Outcome) -> dict[str, Any]:
    """Return the event that says what is to be reached."""
    event: dict[str, Any] = {"type": "user.define_outcome", "description": wanted.description}
    if wanted.rubric:
        event["rubric"] = {"type": "text", "content": wanted.rubric}
    if wanted.max_iterations is not None:
        event["max_iterations"] = wanted.max_iterations
    return event


def tool_result(result: ToolResult) -> dict[str, Any]:
    """Return the event that answers a tool use."""
    return {
        "type": _RESULT,
        "custom_tool_use_id": result.tool_use_id,
        "content": [_text_block(result.text)],
        "is_error": result.is_error,
    }


def _text_block(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


# What they say


def classify(event: Any) -> str:
    """Return what an event is for a turn: a stop reason, `terminated`, `error` or `other`.

    `unknown_idle` is an idle status whose reason is missing, or not known here.
    """
    kind = _type(event)
    if kind == _IDLE:
        word = _type(_of(event, "stop_reason"))
        return word if word in _STOPS else "unknown_idle"
    if kind == _TERMINATED:
        return "terminated"
    if kind == _ERROR and _type(_of(_of(event, "error"), "retry_status")) != "retrying":
        return "error"
    return "other"


def is_boundary(event: Any) -> bool:
    """Say whether the event ends a turn."""
    return classify(event) != "other"


def normalize(events: Sequence[Any]) -> TurnResult:
    """Return what the events of a turn come to; the last status counts."""
    last = next((one for one in reversed(events) if is_boundary(one)), None)
    terminal, word = _end(last)
    named = _ids(last) if terminal == "requires_action" else ()
    uses = _uses(events, (_CUSTOM_USE,))
    return TurnResult(
        terminal,
        word,
        "\n".join(text for one in events if (text := text_of(one)) is not None),
        tuple(uses[each] for each in named if each in uses),
        tuple(_uses(events, _SERVER_USES).values()),
        _usage(events),
    )


def pending(events: Sequence[Any]) -> tuple[ToolUse, ...]:
    """Return the custom tool uses without a result among the events, in their order."""
    answered = {_of(one, "custom_tool_use_id") for one in events if _type(one) == _RESULT}
    return tuple(use for use in _uses(events, (_CUSTOM_USE,)).values() if use.id not in answered)


def text_of(event: Any) -> str | None:
    """Return what the agent says by an event; None if that is nothing."""
    content = _of(event, "content")
    if _type(event) != "agent.message" or not isinstance(content, Sequence):
        return None
    texts = [_of(block, "text") for block in content if _type(block) == "text"]
    said = [text for text in texts if isinstance(text, str)]
    return "\n".join(said) if said else None


def _end(last: Any) -> tuple[Terminal, str]:
    if last is None:
        return "terminated", "no_status"
    word = classify(last)
    if word in _ENDS_TURN:
        return "end_turn", word
    if word == "requires_action":
        return "requires_action", word
    if word == "error":
        return "terminated", _type(_of(last, "error")) or "error"
    if word == "unknown_idle":
        return "terminated", _type(_of(last, "stop_reason")) or word
    return "terminated", word


def _ids(idle: Any) -> tuple[str, ...]:
    named = _of(_of(idle, "stop_reason"), "event_ids")
    if not isinstance(named, Sequence) or isinstance(named, str):
        return ()
    return tuple(dict.fromkeys(each for each in named if isinstance(each, str)))


def _uses(events: Iterable[Any], types: Iterable[str]) -> dict[str, ToolUse]:
    """Return tool uses by their ids; what is none, for want of an id or a name, is left out."""
    found: dict[str, ToolUse] = {}
    for event in events:
        name, use_id, given = _of(event, "name"), _of(event, "id"), _of(event, "input")
        if _type(event) in types and isinstance(use_id, str) and isinstance(name, str):
            found[use_id] = ToolUse(use_id, name, given if isinstance(given, Mapping) else {})
    return found


def _usage(events: Iterable[Any]) -> Usage | None:
    """Return the sum over the requests to the model; the API counts the cache apart already."""
    total: Usage | None = None
    for event in events:
        said = _of(event, "model_usage")
        if _type(event) != "span.model_request_end" or not isinstance(said, Mapping):
            continue
        one = Usage(
            _count(said, "input_tokens"),
            _count(said, "output_tokens"),
            cache_read_tokens=_count(said, "cache_read_input_tokens"),
            cache_write_tokens=_count(said, "cache_creation_input_tokens"),
            raw=(said,),
        )
        total = one if total is None else total + one
    return total


def _of(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None


def _type(value: Any) -> str:
    kind = _of(value, "type")
    return kind if isinstance(kind, str) else ""


def _count(said: Mapping[str, Any], name: str) -> int:
    value = said.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0
