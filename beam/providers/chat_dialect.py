"""The shape of OpenAI's chat completions, which most model servers speak.

>>> dialect = ChatDialect()
>>> reply = {"choices": [{"message": {"content": "Hello"}, "finish_reason": "length"}]}
>>> dialect.text(reply), dialect.stop(reply), dialect.usage(reply)
('Hello', ('terminated', 'length'), None)
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from beam.providers.held import Dialect, Item, Reply
from beam.providers.values import Terminal, Tool, ToolResult, ToolUse, Usage

__all__ = ["ChatDialect", "arguments", "chat_tools", "error_text", "pieces_of", "with_ids"]


def arguments(text: Any) -> Mapping[str, Any]:
    """Return a call's arguments as a model wrote them; what is no JSON object says so itself."""
    given = _object(text)
    return {"malformed_arguments": text} if given is None else given


def with_ids(reply: Reply, items: Sequence[Item]) -> Reply:
    """Return a reply in which each tool call has an id that no other of the conversation has.

    Some servers give none, or one for all, or begin anew in each answer; a call is known by its id
    here, in the log, and to the server when it is told the result.

    Args:
        reply: as it came.
        items: the conversation before it.
    """
    message = _message(reply)
    calls = message.get("tool_calls") or ()
    taken = {call.get("id") for item in items for call in item.get("tool_calls") or ()}
    named = []
    for call in calls:
        name = _free(call.get("id"), taken)
        taken.add(name)
        named.append(call if name == call.get("id") else {**call, "id": name})
    if all(one is other for one, other in zip(named, calls, strict=True)):
        return reply
    choice = {**reply["choices"][0], "message": {**message, "tool_calls": named}}
    return {**reply, "choices": [choice, *reply["choices"][1:]]}


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

    def settled(self, reply: Reply, items: Sequence[Item]) -> Reply:
        """Return the reply with ids that tell its tool calls apart; see `with_ids`."""
        return with_ids(reply, items)

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
        """Return the answer, without what is null in it, as servers take it back.

        They refuse an answer that says nothing and calls nothing, and arguments that are no JSON.
        """
        message = _message(reply)
        kept = {key: value for key, value in message.items() if value is not None}
        if not message.get("tool_calls"):
            return [{"role": "assistant", "content": "", **kept}]
        calls = [_readable(call) for call in message["tool_calls"]]
        return [{"role": "assistant", "content": None, **kept, "tool_calls": calls}]

    def uses(self, reply: Reply) -> Sequence[ToolUse]:
        """Return its tool calls; none, if the answer was cut in the middle of the last one."""
        message = _message(reply)
        return [] if _is_cut(reply, message) else _calls(message)

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
        return pieces_of(message.get("content"))[0] or pieces_of(message.get("refusal"))[0]

    def usage(self, reply: Reply) -> Usage | None:
        """Return the tokens in buckets that do not overlap."""
        said = reply.get("usage")
        if not isinstance(said, Mapping):
            return None
        read, written = said.get("prompt_tokens"), said.get("completion_tokens")
        if not isinstance(read, int) or not isinstance(written, int):
            return None
        cached = _count(said, "prompt_tokens_details", "cached_tokens")
        kept = _count(said, "prompt_tokens_details", "cache_write_tokens")
        thought = _count(said, "completion_tokens_details", "reasoning_tokens")
        return Usage(
            max(0, read - cached - kept),
            max(0, written - thought),
            cache_read_tokens=cached,
            cache_write_tokens=kept,
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


def pieces_of(content: Any) -> tuple[str, str]:
    """Return the text and the reasoning of a content, which some servers take apart in parts."""
    if isinstance(content, str):
        return content, ""
    parts = content if isinstance(content, list) else ()
    texts = [part["text"] for part in parts if part["type"] == "text"]
    thoughts = [part["thinking"] for part in parts if part["type"] == "thinking"]
    return "".join(texts), "".join(pieces_of(each)[0] for each in thoughts)


def _object(text: Any) -> Mapping[str, Any] | None:
    """Return the arguments of a call; None if they are none."""
    if isinstance(text, Mapping):
        return text
    try:
        given = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return None
    # A call without any is null for some.
    return {} if given is None else given if isinstance(given, dict) else None


def _readable(call: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a call whose arguments are a JSON object, if they were no JSON at all."""
    function = call["function"]
    text = function.get("arguments")
    if isinstance(text, Mapping) or (text and text != "null" and _object(text) is not None):
        return call
    return {**call, "function": {**function, "arguments": json.dumps(arguments(text))}}


def _is_cut(reply: Reply, message: Mapping[str, Any]) -> bool:
    """Say whether the last call is not whole, for want of tokens or by a filter."""
    calls = message.get("tool_calls")
    if reply["choices"][0].get("finish_reason") not in ("length", "content_filter") or not calls:
        return False
    text = calls[-1]["function"].get("arguments")
    return not text or _object(text) is None


def _free(name: Any, taken: Collection[str]) -> str:
    """Return a call's id, or one like it that is free."""
    known = name if isinstance(name, str) and name else ""
    if known and known not in taken:
        return known
    stem = known or "call"
    return next(each for n in itertools.count(1) if (each := f"{stem}_{n}") not in taken)


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
