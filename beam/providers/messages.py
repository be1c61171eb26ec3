"""`messages`: Anthropic's Messages API, by the official client.

    >>> provider = messages("claude-sonnet-4-5", max_tokens=2000)
    >>> provider.name, provider.params
    ('messages', {'max_tokens': 2000})

It needs the extra `anthropic`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from beam.errors import InvalidInput
from beam.providers.clients import Access
from beam.providers.held import Dialect, HeldConn, Item, Reply, Say
from beam.providers.served import ServedProvider
from beam.providers.values import Terminal, ToolResult, ToolUse, Usage

__all__ = ["MessagesDialect", "MessagesProvider", "messages"]

_END_TURN = ("end_turn", "stop_sequence")
# The last block may not be whole then, or is not to be acted upon; the client closes it.
_CUT = ("max_tokens", "model_context_window_exceeded", "refusal")


class MessagesDialect(Dialect):
    """Messages and their blocks."""

    def user_item(self, text: str) -> Item:
        """Return what the user says."""
        return {"role": "user", "content": text}

    def result_items(self, pairs: Sequence[tuple[ToolUse, ToolResult]]) -> Sequence[Item]:
        """Return one message with all results, as the API asks for it."""
        blocks = [
            {
                "type": "tool_result",
                "tool_use_id": use.id,
                "content": result.text,
                "is_error": result.is_error,
            }
            for use, result in pairs
        ]
        return [{"role": "user", "content": blocks}]

    def reply_items(self, reply: Reply) -> Sequence[Item]:
        """Return the answer with its blocks as they came; the API takes no empty one."""
        if not reply["content"]:
            return []
        return [{"role": "assistant", "content": [dict(block) for block in reply["content"]]}]

    def uses(self, reply: Reply) -> Sequence[ToolUse]:
        """Return its tool use blocks; none of an answer that was cut."""
        if reply.get("stop_reason") in _CUT:
            return []
        return _uses(reply["content"], "tool_use")

    def server_uses(self, reply: Reply) -> Sequence[ToolUse]:
        """Return the blocks of tools that ran there."""
        return _uses(reply["content"], "server_tool_use")

    def stop(self, reply: Reply) -> tuple[Terminal, str]:
        """Return `end_turn` for the end and for a stop sequence."""
        word = reply.get("stop_reason")
        if word in _END_TURN:
            return "end_turn", word
        return "terminated", word if isinstance(word, str) else "unknown"

    def goes_on(self, reply: Reply) -> bool:
        """Say whether a long turn of the server's own tools was paused."""
        return reply.get("stop_reason") == "pause_turn"

    def text(self, reply: Reply) -> str:
        """Return its text blocks, joined."""
        return "".join(block["text"] for block in reply["content"] if block["type"] == "text")

    def usage(self, reply: Reply) -> Usage | None:
        """Return the tokens in buckets that do not overlap; the API counts the cache apart."""
        said = reply.get("usage")
        if not isinstance(said, Mapping):
            return None
        read, written = said.get("input_tokens"), said.get("output_tokens")
        if not isinstance(read, int) or not isinstance(written, int):
            return None
        thought = (said.get("output_tokens_details") or {}).get("thinking_tokens") or 0
        return Usage(
            read,
            max(0, written - thought),
            cache_read_tokens=said.get("cache_read_input_tokens") or 0,
            cache_write_tokens=said.get("cache_creation_input_tokens") or 0,
            reasoning_tokens=thought,
            raw=(said,),
        )

    def unanswered(self, items: Sequence[Item]) -> Sequence[ToolUse]:
        """Return the tool uses of the last answer without a result."""
        answered = set()
        for item in reversed(items):
            content = item.get("content")
            blocks = (
                content if isinstance(content, Sequence) and not isinstance(content, str) else ()
            )
            if item.get("role") == "assistant":
                return [use for use in _uses(blocks, "tool_use") if use.id not in answered]
            answered |= {
                block.get("tool_use_id") for block in blocks if block.get("type") == "tool_result"
            }
        return []


@dataclass(frozen=True)
class MessagesProvider(ServedProvider):
    """The Messages API; `messages` makes it."""

    name: ClassVar[str] = "messages"
    prefix: ClassVar[str] = "messages_"
    dialect: ClassVar[Dialect] = MessagesDialect()
    client_module: ClassVar[str] = "anthropic"
    extra: ClassVar[str] = "anthropic"
    client_class: ClassVar[str] = "AsyncAnthropic"

    async def ask(self, conn: HeldConn, say: Say) -> Reply:
        """Ask once; the client puts the message together."""
        options = conn.options
        system = {"system": options.system} if options.system else {}
        tools = _tools(conn)
        said = [dict(item) for item in conn.items]
        asked = conn.client.messages.stream(
            model=self.model_of(conn),
            messages=(),
            **system,
            **self.saying(messages=said, **({"tools": tools} if tools else {})),
        )
        async with asked as stream:
            try:
                whole = await _heard(stream, say)
            except json.JSONDecodeError:
                raise
            except ValueError as error:  # The client's word for a tool's input that is no JSON.
                raise self.senseless(conn, str(error)) from None
            if not whole:
                raise ConnectionError("the stream ended before the message was complete")
            message = await stream.get_final_message()
        reply: Reply = message.to_dict(mode="json", warnings=False)
        return reply


def messages(
    model: str,
    *,
    max_tokens: int = 8192,
    base_url: str | None = None,
    key_name: str = "ANTHROPIC_API_KEY",
    secret_file: str | os.PathLike[str] | None = None,
    params: Mapping[str, Any] | None = None,
    timeout: float = 600.0,
    retry_wait: float = 1.0,
) -> MessagesProvider:
    """Return a provider that is the Messages API.

    Args:
        model: what it is asked for.
        max_tokens: the most tokens of an answer; the API wants to be told.
        base_url: where it is; Anthropic if None.
        key_name: the environment variable with the key.
        secret_file: a file with the key, in the variable's place; mode 600.
        params: what else each request says (thinking, temperature, ...).
        timeout: seconds that the server may be silent.
        retry_wait: the seconds before a poll is tried again, doubled each time.

    Raises:
        InvalidInput: an option is not what it must be.
    """
    most: Any = max_tokens
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise InvalidInput("max_tokens", most, "a whole number, 1 or more")
    if not (params is None or isinstance(params, Mapping)):
        raise InvalidInput("params", params, "a mapping")
    access = Access(key_name, secret_file, base_url)
    all_params = {"max_tokens": max_tokens, **(params or {})}
    return MessagesProvider(model, access, all_params, timeout, retry_wait)


async def _heard(stream: Any, say: Say) -> bool:
    """Tell the pieces of a message; return whether it came to its end."""
    whole = False
    async for event in stream:
        whole = whole or event.type == "message_stop"
        if event.type == "text":
            await say(event.text, "")
        elif event.type == "thinking":
            await say("", event.thinking)
    return whole


def _tools(conn: HeldConn) -> list[dict[str, Any]]:
    return [
        {
            "name": tool.name,
            "description": tool.description,
            "input_schema": dict(tool.input_schema),
        }
        for tool in conn.options.tools
    ]


def _uses(blocks: Sequence[Any], kind: str) -> list[ToolUse]:
    return [
        ToolUse(block["id"], block["name"], block.get("input") or {})
        for block in blocks
        if block["type"] == kind
    ]
