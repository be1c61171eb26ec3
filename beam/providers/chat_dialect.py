"""The shape of OpenAI's chat completions, which most model servers speak.

>>> dialect = ChatDialect()
>>> reply = {"choices": [{"message": {"content": "Hello"}, "finish_reason": "length"}]}
>>> dialect.text(reply), dialect.stop(reply), dialect.usage(reply)
('Hello', ('terminated', 'length'), None)
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from beam.providers.held import Dialect, Item, Reply
from beam.providers.values import Terminal, Tool, ToolResult, ToolUse, Usage

__all__ = ["ChatDialect", "arguments", "chat_tools", "error_text"]


def arguments(text: Any) -> Mapping[str, Any]:
    """Return a call's arguments as a model wrote them; what is no JSON object says so itself."""
    if isinstance(text, Mapping):
        return text
    try:
        given = json.loads(text or "{}")
    except ValueError:
        given = None
    return given if isinstance(given, dict) else {"malformed_arguments": text}


def error_text(result: ToolResult) -> str:
    """Return a result's text; of an error as JSON that says so, where there is no flag for it."""
    if not result.is_error:
        return result.text
    return json.dumps({"error": result.text, "isError": True})


def chat_tools(tools: Sequence[Tool]) -> list[dict[str, Any]]:
    """Return the tools as a chat server is told of them."""
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": dict(tool.input_schema),
            },
        }
        for tool in tools
    ]


class ChatDialect(Dialect):
    """Chat completions."""

    def user_item(self, text: str) -> Item:
        """Return what the user says."""
        return {"role": "user", "content": text}

    def result_items(self, pairs: Sequence[tuple[ToolUse, ToolResult]]) -> Sequence[Item]:
        """Return one tool message for each."""
        return [
            {"role": "tool", "tool_call_id": use.id, "content": error_text(result)}
            for use, result in pairs
        ]

    def reply_items(self, reply: Reply) -> Sequence[Item]:
        """Return the answer, without what is null in it."""
        message = _message(reply)
        kept = {key: value for key, value in message.items() if value is not None}
        return [{"role": "assistant", "content": None, **kept}]

    def uses(self, reply: Reply) -> Sequence[ToolUse]:
        """Return its tool calls."""
        return _calls(_message(reply))

    def stop(self, reply: Reply) -> tuple[Terminal, str]:
        """Return `end_turn` for `stop`, unless the model declines; all else is terminated."""
        word = reply["choices"][0].get("finish_reason")
        if word == "stop" and _message(reply).get("refusal"):
            return "terminated", "refusal"
        if word == "stop":
            return "end_turn", word
        return "terminated", word if isinstance(word, str) else "unknown"

    def text(self, reply: Reply) -> str:
        """Return the content, or the words with which the model declines."""
        message = _message(reply)
        content = message.get("content") or message.get("refusal")
        return content if isinstance(content, str) else ""

    def usage(self, reply: Reply) -> Usage | None:
        """Return the tokens in buckets that do not overlap."""
        said = reply.get("usage")
        if not isinstance(said, Mapping):
            return None
        read, written = said.get("prompt_tokens"), said.get("completion_tokens")
        if not isinstance(read, int) or not isinstance(written, int):
            return None
        cached = _count(said, "prompt_tokens_details", "cached_tokens")
        thought = _count(said, "completion_tokens_details", "reasoning_tokens")
        return Usage(
            max(0, read - cached),
            max(0, written - thought),
            cache_read_tokens=cached,
            reasoning_tokens=thought,
            raw=(said,),
        )

    def unanswered(self, items: Sequence[Item]) -> Sequence[ToolUse]:
        """Return the calls of the last answer without a tool message."""
        answered = set()
        for item in reversed(items):
            if item.get("role") == "tool":
                answered.add(item.get("tool_call_id"))
            elif item.get("role") == "assistant":
                return [use for use in _calls(item) if use.id not in answered]
        return []


def _message(reply: Reply) -> Mapping[str, Any]:
    message = reply["choices"][0]["message"]
    if not isinstance(message, Mapping):
        raise TypeError(f"a message must be a mapping, not {type(message).__name__}")
    return message


def _calls(message: Mapping[str, Any]) -> list[ToolUse]:
    return [
        ToolUse(each["id"], each["function"]["name"], arguments(each["function"].get("arguments")))
        for each in message.get("tool_calls") or ()
    ]


def _count(said: Mapping[str, Any], group: str, name: str) -> int:
    details = said.get(group)
    value = details.get(name) if isinstance(details, Mapping) else None
    return value if isinstance(value, int) else 0
