"""What a harness of Amazon Bedrock AgentCore says of a turn, and what we say to it. Pure and total.

| the last `messageStop` says | it is |
|---|---|
| `end_turn`, `stop_sequence` | the end of the turn |
| `tool_use` | inline functions are to be run |
| anything else, or none | terminated |

Tools are known by the id of their use: the index of a block may be used again in one answer. What
the harness ran itself (`server_tool_use`, `mcp_tool_use`, or with its result in the answer) is not
run here. A turn that was begun anew after a broken connection has `ATTEMPT` before each try; only
the last one counts.

    >>> turn = normalize([
    ...     {"contentBlockStart": {"contentBlockIndex": 0,
    ...                            "start": {"toolUse": {"toolUseId": "u1", "name": "add"}}}},
    ...     {"contentBlockDelta": {"contentBlockIndex": 0,
    ...                            "delta": {"toolUse": {"input": '{"a": 1}'}}}},
    ...     {"messageStop": {"stopReason": "tool_use"}},
    ... ])
    >>> turn.terminal, turn.custom_tool_uses
    ('requires_action', (ToolUse(id='u1', name='add', input={'a': 1}),))
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from beam.providers.values import Terminal, ToolResult, ToolUse, TurnResult, Usage

__all__ = [
    "ATTEMPT",
    "is_whole",
    "normalize",
    "results_messages",
    "text_delta",
    "thinking_delta",
    "user_messages",
]

ATTEMPT: Final = "beam.attempt"
"""The type of the event that stands before a try that was not the first."""

_END_TURN = ("end_turn", "stop_sequence")


# What is said


def user_messages(text: str) -> list[dict[str, Any]]:
    """Return the messages in which the user says `text`."""
    return [{"role": "user", "content": [{"text": text}]}]


def results_messages(
    uses: Sequence[ToolUse], results: Sequence[ToolResult]
) -> list[dict[str, Any]]:
    """Return the tool uses as the assistant made them, and the user's results."""
    asked = [
        {"toolUse": {"toolUseId": use.id, "name": use.name, "input": dict(use.input)}}
        for use in uses
    ]
    answered = [
        {
            "toolResult": {
                "toolUseId": result.tool_use_id,
                "content": [{"text": result.text}],
                "status": "error" if result.is_error else "success",
            }
        }
        for result in results
    ]
    return [{"role": "assistant", "content": asked}, {"role": "user", "content": answered}]


# What is heard


def is_whole(events: Sequence[Any]) -> bool:
    """Say whether an answer has come to its end: it says why it stopped."""
    return any(isinstance(_of(event, "messageStop"), Mapping) for event in events)


def normalize(events: Sequence[Any]) -> TurnResult:
    """Return what the events of a turn come to."""
    counts = [n for n, event in enumerate(events) if _of(event, "type") == ATTEMPT]
    answer = events[counts[-1] + 1 :] if counts else events
    blocks = _Blocks()
    for event in answer:
        blocks.take(event)
    ours, theirs = blocks.uses()
    terminal, word = _end(answer)
    if terminal == "requires_action" and blocks.broken:
        terminal, word = "terminated", "malformed_tool_input"
    return TurnResult(
        terminal,
        word,
        "".join(text for event in answer if (text := text_delta(event)) is not None),
        ours if terminal == "requires_action" else (),
        theirs,
        _usage(answer),
    )


def text_delta(event: Any) -> str | None:
    """Return the piece of text that an event brings; None for none."""
    return _text(_of(_of(_of(event, "contentBlockDelta"), "delta"), "text"))


def thinking_delta(event: Any) -> str | None:
    """Return the piece of reasoning that an event brings; None for none."""
    delta = _of(_of(event, "contentBlockDelta"), "delta")
    return _text(_of(_of(delta, "reasoningContent"), "text"))


class _Blocks:
    """The tool uses of an answer, put together from their pieces.

    Attributes:
        broken: whether the input of one that is ours is not JSON.
    """

    def __init__(self) -> None:
        self.broken = False
        # By the index that they have now, and by their ids.
        self._open: dict[Any, str] = {}
        self._starts: dict[str, Mapping[str, Any]] = {}
        self._inputs: dict[str, list[str]] = {}
        self._answered: set[str] = set()

    def take(self, event: Any) -> None:
        start, delta = _of(event, "contentBlockStart"), _of(event, "contentBlockDelta")
        if isinstance(start, Mapping):
            self._begin(_index(start), _of(start, "start"))
        elif isinstance(delta, Mapping):
            piece = _text(_of(_of(_of(delta, "delta"), "toolUse"), "input"))
            known = self._open.get(_index(delta))
            if piece is not None and known is not None:
                self._inputs[known].append(piece)

    def uses(self) -> tuple[tuple[ToolUse, ...], tuple[ToolUse, ...]]:
        """Return those that are ours to run, and the others."""
        ours: list[ToolUse] = []
        theirs: list[ToolUse] = []
        for known, start in self._starts.items():
            given = _parsed("".join(self._inputs[known]))
            use = ToolUse(known, start["name"], given or {})
            if start.get("type", "tool_use") != "tool_use" or known in self._answered:
                theirs.append(use)
            else:
                self.broken = self.broken or given is None
                ours.append(use)
        return tuple(ours), tuple(theirs)

    def _begin(self, index: Any, start: Any) -> None:
        self._open.pop(index, None)
        use, result = _of(start, "toolUse"), _of(start, "toolResult")
        known, name = _text(_of(use, "toolUseId")), _text(_of(use, "name"))
        if known and name and isinstance(use, Mapping):
            self._open[index] = known
            self._starts[known] = use
            self._inputs[known] = []
        if (answered := _text(_of(result, "toolUseId"))) is not None:
            self._answered.add(answered)


def _end(answer: Sequence[Any]) -> tuple[Terminal, str]:
    word: str | None = None
    for event in answer:
        word = _text(_of(_of(event, "messageStop"), "stopReason")) or word
    if word in _END_TURN:
        return "end_turn", word
    if word == "tool_use":
        return "requires_action", word
    return "terminated", word or "early_termination"


def _usage(answer: Sequence[Any]) -> Usage | None:
    total: Usage | None = None
    for event in answer:
        said = _of(_of(event, "metadata"), "usage")
        if not isinstance(said, Mapping):
            continue
        one = Usage(
            _count(said, "inputTokens"),
            _count(said, "outputTokens"),
            cache_read_tokens=_count(said, "cacheReadInputTokens"),
            cache_write_tokens=_count(said, "cacheWriteInputTokens"),
            raw=(said,),
        )
        total = one if total is None else total + one
    return total


def _parsed(text: str) -> Mapping[str, Any] | None:
    """Return the input of a tool; None if it is none. Of a tool without any, nothing is said."""
    if not text:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _index(block: Mapping[str, Any]) -> Any:
    index = block.get("contentBlockIndex")
    return index if isinstance(index, int) else None


def _of(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _count(said: Mapping[str, Any], name: str) -> int:
    value = said.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0
