r"""What the host types to an agent program: the lines of the command protocol, encoded.

`docs/command-agents.md` is the specification; `agent_lines` is the other direction.

    >>> interrupt("q-1")
    b'{"type": "interrupt", "query_id": "q-1"}\n'
    >>> tool_content({"lines": 3})
    '{"lines":3}'

Each function returns one line with its newline, or raises `InvalidInput` with the field's name.
Lines are ASCII: some line readers split at U+2028, and some programs read in the locale's encoding.
Lone surrogates become U+FFFD.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from beam.backends.line_limits import MAX_ID, MAX_LINE, PROTOCOL, whole_characters
from beam.errors import InvalidInput
from beam.model import encoding

__all__ = [
    "Decision",
    "HostTool",
    "Turn",
    "hello",
    "interrupt",
    "permission_response",
    "query",
    "tool_content",
    "tool_result",
]

Decision = Literal["allow", "deny"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier turn of the conversation, as an agent is told it."""

    role: Literal["user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class HostTool:
    """A tool that the host offers to run for the agent.

    Attributes:
        name: the name to call it by.
        description: what it does, in words for a model.
        input_schema: the JSON schema of its input.
    """

    name: str
    description: str = ""
    input_schema: Mapping[str, object] = field(default_factory=lambda: {"type": "object"})


def hello(session_id: str, cwd: str, host: Mapping[str, str]) -> bytes:
    """Return the host's half of the handshake."""
    _check_ids(session_id=session_id)
    return _line("hello", protocols=[PROTOCOL], session_id=session_id, cwd=cwd, host=dict(host))


def query(
    query_id: str,
    prompt: str,
    *,
    history: Sequence[Turn],
    tools: Sequence[HostTool],
    params: Mapping[str, object],
    attempt: int,
    timeout: float | None,
) -> bytes:
    """Return a query with what the agent has to know for it."""
    _check_ids(id=query_id)
    _check_text(prompt=prompt)
    if attempt < 1:
        raise InvalidInput("attempt", attempt, "1 or more")
    return _line(
        "query",
        id=query_id,
        prompt=prompt,
        history=[_turn(turn) for turn in history],
        tools=_tools(tools),
        params=dict(params),
        attempt=attempt,
        timeout=timeout,
    )


def tool_result(query_id: str, tool_use_id: str, content: str, *, is_error: bool) -> bytes:
    """Return what a tool that the host ran has answered."""
    _check_ids(query_id=query_id, tool_use_id=tool_use_id)
    _check_text(content=content)
    return _line(
        "tool_result",
        query_id=query_id,
        tool_use_id=tool_use_id,
        content=content,
        is_error=is_error,
    )


def permission_response(
    query_id: str,
    request_id: str,
    decision: Decision,
    *,
    params: Mapping[str, object] | None,
    reason: str,
) -> bytes:
    """Return the answer to a permission request."""
    _check_ids(query_id=query_id, id=request_id)
    _check_text(reason=reason)
    if decision not in ("allow", "deny"):
        raise InvalidInput("decision", decision, "'allow' or 'deny'")
    amended = {} if params is None else {"params": dict(params)}
    return _line(
        "permission_response",
        query_id=query_id,
        id=request_id,
        decision=decision,
        reason=reason,
        **amended,
    )


def interrupt(query_id: str) -> bytes:
    """Return the wish that the query end now."""
    _check_ids(query_id=query_id)
    return _line("interrupt", query_id=query_id)


def tool_content(value: object) -> str:
    """Return a tool's answer as the text that travels: text as it is, all else as JSON.

    Raises:
        InvalidInput: `value` is neither text nor JSON data.
    """
    return value if isinstance(value, str) else encoding.encode(value)


def _turn(turn: Turn) -> dict[str, str]:
    if turn.role not in ("user", "assistant"):
        raise InvalidInput("history", turn.role, "the role 'user' or 'assistant'")
    _check_text(history=turn.content)
    return {"role": turn.role, "content": turn.content}


def _tools(tools: Sequence[HostTool]) -> list[dict[str, object]]:
    names = [tool.name for tool in tools]
    for name in names:
        _check_ids(tools=name)
        if names.count(name) > 1:
            raise InvalidInput("tools", name, "each name once")
    return [
        {
            "name": tool.name,
            "description": tool.description,
            "input_schema": dict(tool.input_schema),
        }
        for tool in tools
    ]


def _check_ids(**ids: object) -> None:
    for name, value in ids.items():
        if not isinstance(value, str) or not 1 <= len(value) <= MAX_ID:
            raise InvalidInput(name, value, f"text of 1 to {MAX_ID} characters")


def _check_text(**texts: object) -> None:
    for name, value in texts.items():
        if not isinstance(value, str):
            raise InvalidInput(name, type(value).__name__, "text")


def _line(kind: str, /, **fields: object) -> bytes:
    parts = [f'"type": "{kind}"']
    parts += [f'"{name}": {_json(name, value)}' for name, value in fields.items()]
    line = f"{{{', '.join(parts)}}}\n".encode("ascii")
    if len(line) > MAX_LINE:
        largest = max(fields, key=lambda name: len(_json(name, fields[name])))
        raise InvalidInput(largest, f"a line of {len(line)} bytes", f"at most {MAX_LINE}")
    return line


_SURROGATE = re.compile(r"\\ud[89a-f]")


def _json(name: str, value: object) -> str:
    try:
        text = json.dumps(value, allow_nan=False)
        if _SURROGATE.search(text):
            text = json.dumps(whole_characters(value))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(name, type(value).__name__, f"JSON data ({error})") from error
    return text
