"""What a function says, as lines of the command protocol: the worker's half of `agent_lines`.

    >>> line_of(RunTool("q-1", "q-1.t1", "read", {"path": "a"}))["host"]
    True
    >>> line_of(Deliver("q-1", Message("text", "Hello", timestamp=5)))
    {'type': 'text', 'content': 'Hello', 'query_id': 'q-1'}

A message that has no form in the protocol goes as `raw`: an agent that said it as it is would break
the protocol, and be ended for that.
"""

from __future__ import annotations

import json
from typing import Any

from beam.backends.agent_lines import Decoded, decode
from beam.backends.effects import (
    AskPermission,
    Completed,
    Deliver,
    Effect,
    Failed,
    RunTool,
)
from beam.model.message_record import to_wire
from beam.model.messages import Message

__all__ = ["line_of"]

_OF_THE_HOST = frozenset({"host", "session_id", "thread_id", "timestamp"})


def line_of(effect: Effect) -> dict[str, Any]:
    """Return the line, still as an object, that says what a function wants or has said."""
    match effect:
        case Deliver(query_id, message):
            return _message_line(query_id, message)
        case RunTool(query_id, tool_use_id, tool_name, tool_input):
            call = {"tool_use_id": tool_use_id, "tool_name": tool_name, "tool_input": tool_input}
            return {"type": "tool_use", "query_id": query_id, **call, "host": True}
        case AskPermission(query_id, request_id, tool_name, tool_input, options):
            asked = {"tool_name": tool_name, "tool_input": tool_input, "options": options}
            return {"type": "permission_request", "query_id": query_id, "id": request_id, **asked}
        case Completed(query_id, message):
            said = {**_said(message), "content": message.content}
            return {**said, "type": "result", "query_id": query_id}
        case Failed(query_id, reason, message, retryable):
            said = {"reason": reason, "content": message.content, "retryable": retryable}
            return {"type": "error", "query_id": query_id, **said}
    raise TypeError(f"{effect!r} is nothing that a function says")


def _message_line(query_id: str, message: Message) -> dict[str, Any]:
    said = _said(message)
    line = {**said, "type": message.type, "query_id": query_id}
    if message.type != "raw" and isinstance(decode(json.dumps(line).encode()), Decoded):
        return line
    return {"type": "raw", "query_id": query_id, "message": said}


def _said(message: Message) -> dict[str, Any]:
    """Return a message as its maker typed it, or would have."""
    whole = message.raw if message.raw is not None else to_wire(message)
    said = {name: value for name, value in whole.items() if name not in _OF_THE_HOST}
    if "content_blocks" in said and "content" not in said:
        said["content"] = said.pop("content_blocks")
    return said
