r"""What Codex does in a turn, item by item, as tool uses and their results.

    >>> item = {"type": "commandExecution", "id": "c1", "command": "ls", "cwd": "/home/ada"}
    >>> use_of(item)
    ToolUse(tool_use_id='c1', name='exec_command', input={'command': 'ls', 'cwd': '/home/ada'})
    >>> result_of({**item, "status": "completed", "aggregatedOutput": "a.py\n", "exitCode": 0})
    ('a.py\n', False)

Tools have the names by which the model calls them: `exec_command`, `apply_patch`, `web_search`, and
`mcp__SERVER__TOOL`. Pure functions of the wire's JSON; a field that is missing, or of another
type, is as one that is empty.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["ToolUse", "result_of", "text_field", "use_of"]

Item = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A tool that the agent uses.

    Attributes:
        tool_use_id: the item's name.
        name: the tool's.
        input: what it is used with.
    """

    tool_use_id: str
    name: str
    input: Mapping[str, Any]


def use_of(item: Item) -> ToolUse | None:
    """Return the tool use that an item is; None if it is something else."""
    named = _USES.get(text_field(item, "type"))
    if named is None:
        return None
    name, arguments = named(item)
    return ToolUse(text_field(item, "id"), name, arguments)


def result_of(item: Item) -> tuple[str, bool]:
    """Return what came of a tool use, and whether it failed."""
    status = text_field(item, "status")
    failed = status in ("failed", "declined")
    content = _RESULTS.get(text_field(item, "type"), _nothing)(item)
    return content or (status if failed else ""), failed


def text_field(source: Mapping[str, Any], name: str) -> str:
    """Return the text under a name, empty if there is none."""
    value = source.get(name)
    return value if isinstance(value, str) else ""


def _command(item: Item) -> tuple[str, Mapping[str, Any]]:
    return "exec_command", {
        "command": text_field(item, "command"),
        "cwd": text_field(item, "cwd"),
    }


def _patch(item: Item) -> tuple[str, Mapping[str, Any]]:
    return "apply_patch", {"changes": item.get("changes") or []}


def _mcp(item: Item) -> tuple[str, Mapping[str, Any]]:
    name = f"mcp__{text_field(item, 'server')}__{text_field(item, 'tool')}"
    return name, _arguments(item)


def _search(item: Item) -> tuple[str, Mapping[str, Any]]:
    return "web_search", {"query": text_field(item, "query"), "action": item.get("action")}


def _image(item: Item) -> tuple[str, Mapping[str, Any]]:
    return "view_image", {"path": text_field(item, "path")}


def _collab(item: Item) -> tuple[str, Mapping[str, Any]]:
    return text_field(item, "tool") or "agent", {
        "prompt": text_field(item, "prompt"),
        "agents": item.get("receiverThreadIds") or [],
    }


def _arguments(item: Item) -> Mapping[str, Any]:
    arguments = item.get("arguments")
    if isinstance(arguments, Mapping):
        return arguments
    return {} if arguments is None else {"arguments": arguments}


_USES: Mapping[str, Callable[[Item], tuple[str, Mapping[str, Any]]]] = {
    "commandExecution": _command,
    "fileChange": _patch,
    "mcpToolCall": _mcp,
    "webSearch": _search,
    "imageView": _image,
    "collabAgentToolCall": _collab,
}


def _nothing(item: Item) -> str:
    return ""


def _output(item: Item) -> str:
    said, status = text_field(item, "aggregatedOutput"), item.get("exitCode")
    return said or (f"exit status {status}" if status else "")


def _changes(item: Item) -> str:
    if text_field(item, "status") == "declined":
        return "declined"
    changes = item.get("changes")
    lines = [
        f"{text_field(_mapping(each.get('kind')), 'type')} {text_field(each, 'path')}"
        for each in (changes if isinstance(changes, list) else ())
        if isinstance(each, Mapping)
    ]
    return "\n".join(lines)


def _mcp_result(item: Item) -> str:
    error = text_field(_mapping(item.get("error")), "message")
    if error:
        return error
    result = _mapping(item.get("result"))
    parts = result.get("content")
    said = [
        text_field(part, "text") if text_field(part, "type") == "text" else json.dumps(part)
        for part in (parts if isinstance(parts, list) else ())
        if isinstance(part, Mapping)
    ]
    return "\n".join(said)


def _agents(item: Item) -> str:
    states = _mapping(item.get("agentsStates"))
    return json.dumps(dict(states)) if states else ""


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


_RESULTS: Mapping[str, Callable[[Item], str]] = {
    "commandExecution": _output,
    "fileChange": _changes,
    "mcpToolCall": _mcp_result,
    "collabAgentToolCall": _agents,
}
