"""`responses`: OpenAI's Responses API, by the official client.

    >>> provider = responses("gpt-5", params={"reasoning": {"effort": "low"}})
    >>> provider.name, provider.model
    ('responses', 'gpt-5')

It needs the extra `openai`. The conversation is held on this side and told anew at each poll
(`store=False`), with the model's reasoning encrypted in it; so it survives what the server forgets.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from beam.errors import ProviderFailed
from beam.model.exit_reasons import ExitKind, ExitReason, of_text
from beam.providers.chat_dialect import arguments, error_text
from beam.providers.clients import Access
from beam.providers.held import Dialect, HeldConn, Item, Reply, Say
from beam.providers.served import ServedProvider
from beam.providers.values import Terminal, ToolResult, ToolUse, Usage

__all__ = ["ResponsesDialect", "ResponsesProvider", "responses"]

_ENDS = ("response.completed", "response.incomplete", "response.failed")
_REASONING = ("response.reasoning_summary_text.delta", "response.reasoning_text.delta")


class ResponsesDialect(Dialect):
    """Items of the Responses API."""

    def user_item(self, text: str) -> Item:
        """Return what the user says."""
        return {"role": "user", "content": text}

    def result_items(self, pairs: Sequence[tuple[ToolUse, ToolResult]]) -> Sequence[Item]:
        """Return one output for each."""
        return [
            {"type": "function_call_output", "call_id": use.id, "output": error_text(result)}
            for use, result in pairs
        ]

    def reply_items(self, reply: Reply) -> Sequence[Item]:
        """Return the output items as they came."""
        return [dict(item) for item in reply["output"]]

    def uses(self, reply: Reply) -> Sequence[ToolUse]:
        """Return its function calls; none of an answer that was cut, maybe in the middle of one."""
        return [] if reply.get("status") == "incomplete" else _calls(reply["output"])

    def server_uses(self, reply: Reply) -> Sequence[ToolUse]:
        """Return the calls of tools that ran there (web search, ...)."""
        return [
            ToolUse(item["id"], item["type"].removesuffix("_call"), item.get("action") or {})
            for item in reply["output"]
            if item["type"].endswith("_call") and item["type"] != "function_call"
        ]

    def stop(self, reply: Reply) -> tuple[Terminal, str]:
        """Return `end_turn` for a completed response, unless the model declines in it."""
        status = reply.get("status")
        if status == "completed" and any(part.get("refusal") for part in _parts(reply)):
            return "terminated", "refusal"
        if status == "completed":
            return "end_turn", "completed"
        details = reply.get("incomplete_details") or {}
        return "terminated", str(details.get("reason") or status or "unknown")

    def text(self, reply: Reply) -> str:
        """Return the texts of its messages, joined by newlines."""
        return "\n".join(part.get("text") or part.get("refusal") or "" for part in _parts(reply))

    def usage(self, reply: Reply) -> Usage | None:
        """Return the tokens in buckets that do not overlap."""
        said = reply.get("usage")
        if not isinstance(said, Mapping):
            return None
        read, written = said.get("input_tokens"), said.get("output_tokens")
        if not isinstance(read, int) or not isinstance(written, int):
            return None
        details = said.get("input_tokens_details") or {}
        cached, kept = details.get("cached_tokens") or 0, details.get("cache_write_tokens") or 0
        thought = (said.get("output_tokens_details") or {}).get("reasoning_tokens") or 0
        return Usage(
            max(0, read - cached - kept),
            max(0, written - thought),
            cache_read_tokens=cached,
            cache_write_tokens=kept,
            reasoning_tokens=thought,
            raw=(said,),
        )

    def unanswered(self, items: Sequence[Item]) -> Sequence[ToolUse]:
        """Return the calls without an output."""
        answered = {
            item.get("call_id") for item in items if item.get("type") == "function_call_output"
        }
        return [use for use in _calls(items) if use.id not in answered]


@dataclass(frozen=True)
class ResponsesProvider(ServedProvider):
    """The Responses API; `responses` makes it."""

    name: ClassVar[str] = "responses"
    prefix: ClassVar[str] = "responses_"
    dialect: ClassVar[Dialect] = ResponsesDialect()
    client_module: ClassVar[str] = "openai"
    extra: ClassVar[str] = "openai"
    client_class: ClassVar[str] = "AsyncOpenAI"

    async def ask(self, conn: HeldConn, say: Say) -> Reply:
        """Ask once; the last event has the whole response."""
        options = conn.options
        system = {"instructions": options.system} if options.system else {}
        stream = await conn.client.responses.create(
            model=self.model_of(conn),
            store=False,
            include=["reasoning.encrypted_content"],
            stream=True,
            **system,
            **self.saying(input=[dict(item) for item in conn.items], tools=_tools(conn)),
        )
        last: Any = None
        async with stream:
            # Read to its end: what is left of a stream outlives the event loop, and complains.
            async for event in stream:
                if event.type == "response.output_text.delta":
                    await say(event.delta, "")
                elif event.type in _REASONING:
                    await say("", event.delta)
                elif event.type in (*_ENDS, "error"):
                    last = last or event
        if last is None:
            raise ConnectionError("the stream ended before the response was complete")
        if last.type == "error":
            raise _failed(last.message, last.code)
        reply: Reply = last.response.to_dict(mode="json", warnings=False)
        return _whole(reply)


def responses(
    model: str,
    *,
    base_url: str | None = None,
    key_name: str = "OPENAI_API_KEY",
    secret_file: str | os.PathLike[str] | None = None,
    params: Mapping[str, Any] | None = None,
    timeout: float = 600.0,
    retry_wait: float = 1.0,
) -> ResponsesProvider:
    """Return a provider that is the Responses API.

    Args:
        model: what it is asked for.
        base_url: where it is, with its `/v1`; OpenAI if None.
        key_name: the environment variable with the key.
        secret_file: a file with the key, in the variable's place; mode 600.
        params: what else each request says (reasoning, max_output_tokens, ...).
        timeout: seconds that the server may be silent.
        retry_wait: the seconds before a poll is tried again, doubled each time.

    Raises:
        InvalidInput: an option is not what it must be.
    """
    access = Access(key_name, secret_file, base_url)
    return ResponsesProvider(model, access, {} if params is None else params, timeout, retry_wait)


def _tools(conn: HeldConn) -> list[dict[str, Any]]:
    return [
        {
            "type": "function",
            "name": tool.name,
            "description": tool.description,
            "parameters": dict(tool.input_schema),
            "strict": False,
        }
        for tool in conn.options.tools
    ]


def _parts(reply: Reply) -> list[Mapping[str, Any]]:
    """Return the parts of its messages."""
    return [
        part
        for item in reply["output"]
        if item.get("type") == "message"
        for part in item["content"]
    ]


def _calls(items: Sequence[Item]) -> list[ToolUse]:
    return [
        ToolUse(item["call_id"], item["name"], arguments(item.get("arguments")))
        for item in items
        if item.get("type") == "function_call"
    ]


def _whole(reply: Reply) -> Reply:
    if reply.get("status") == "failed":
        error = reply.get("error") or {}
        raise _failed(error.get("message"), error.get("code"))
    return reply


def _failed(message: Any, code: Any) -> ProviderFailed:
    detail = json.dumps({"code": code, "message": message}, default=str)
    kind: ExitKind = "overloaded" if code == "server_error" else "agent_error"
    exit = of_text(detail) or ExitReason(kind, detail=detail)
    return ProviderFailed(("response_failed", code), detail, exit)
