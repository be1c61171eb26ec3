"""`chat`: any server that speaks OpenAI's chat completions, by the official client.

OpenAI itself, and Ollama, vLLM, llama.cpp, LM Studio and their like on this machine:

    >>> provider = chat("llama3.2", base_url="http://localhost:11434/v1")
    >>> provider.model, provider.mode
    ('llama3.2', 'request_response')

It needs the extra `openai`. Answers are streamed. The rules of `beam.providers.local` hold.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from beam.errors import ProviderFailed
from beam.model.exit_reasons import of_text
from beam.providers.chat_dialect import ChatDialect, chat_tools, pieces_of
from beam.providers.clients import Access
from beam.providers.held import SENSELESS, Dialect, HeldConn, Reply, Say
from beam.providers.local import messages_of
from beam.providers.served import ServedProvider
from beam.providers.sse import Frames

__all__ = ["ChatProvider", "ChatReply", "chat"]

_DETAILS = "reasoning_details"
_THOUGHTS = ("reasoning_content", "reasoning")
_CALL = frozenset({"index", "id", "type", "function"})


@dataclass(frozen=True)
class ChatProvider(ServedProvider):
    """A chat server; `chat` makes it."""

    name: ClassVar[str] = "chat"
    dialect: ClassVar[Dialect] = ChatDialect()
    guarded: ClassVar[bool] = True
    malformed: ClassVar[str] = "malformed_chat_response"
    client_module: ClassVar[str] = "openai"
    extra: ClassVar[str] = "openai"
    client_class: ClassVar[str] = "AsyncOpenAI"

    async def ask(self, conn: HeldConn, say: Say) -> Reply:
        """Ask once, and put the reply together from its pieces."""
        tools = chat_tools(conn.options.tools)
        stream = await conn.client.chat.completions.create(
            model=self.model_of(conn),
            messages=(),
            stream=True,
            stream_options={"include_usage": True},
            **self.saying(messages=messages_of(conn), **({"tools": tools} if tools else {})),
        )
        async with stream:
            kind = stream.response.headers.get("content-type", "")
            if kind.startswith(("application/json", "text/html")):
                return self._unstreamed(conn, await stream.response.aread(), kind)
            return await self._streamed(conn, stream, say)

    async def _streamed(self, conn: HeldConn, stream: Any, say: Say) -> Reply:
        reply = ChatReply()
        async for chunk in stream:
            try:
                text, thinking = reply.add(chunk.to_dict(warnings=False))
            except SENSELESS as error:
                raise self.senseless(conn, str(chunk), error) from None
            if text or thinking:
                await say(text, thinking)
        if not reply.is_over:
            raise ConnectionError("the stream ended before the answer was complete")
        return reply.whole()

    def _unstreamed(self, conn: HeldConn, body: bytes, kind: str) -> Reply:
        """Return the reply of a server that does not stream: some cannot, where there are tools."""
        reply = _json(body) if kind.startswith("application/json") else None
        if isinstance(reply, dict) and reply.get("choices"):
            return reply
        pieces = ChatReply()
        for chunk in Frames().feed(body):  # A stream, by a wrong name.
            pieces.add(chunk if isinstance(chunk, dict) else {})
        if pieces.is_over:
            return pieces.whole()
        failed = self.senseless(conn, body.decode(errors="replace"))
        exit = of_text(failed.detail) if isinstance(reply, dict) and reply.get("error") else None
        raise failed if exit is None else ProviderFailed(failed.reason, failed.detail, exit)


def chat(
    model: str,
    *,
    base_url: str | None = None,
    key_name: str = "OPENAI_API_KEY",
    secret_file: str | os.PathLike[str] | None = None,
    params: Mapping[str, Any] | None = None,
    timeout: float = 600.0,
    retry_wait: float = 1.0,
) -> ChatProvider:
    """Return a provider that is a chat server.

    Args:
        model: what it is asked for.
        base_url: where it is, with its `/v1`; OpenAI if None.
        key_name: the environment variable with the key. A server with a `base_url` is told
            `"none"` where there is none.
        secret_file: a file with the key, in the variable's place; mode 600.
        params: what else each request says (temperature, max_tokens, ...).
        timeout: seconds that the server may be silent.
        retry_wait: the seconds before a poll is tried again, doubled each time.

    Raises:
        InvalidInput: an option is not what it must be.
    """
    default = None if base_url is None else "none"
    access = Access(key_name, secret_file, base_url, default)
    return ChatProvider(model, access, {} if params is None else params, timeout, retry_wait)


class ChatReply:
    """A reply that comes in pieces.

    What a server says of a tool call besides, and its reasoning before one, is kept: some want to
    be told it again with the result.

    >>> reply = ChatReply()
    >>> reply.add({"choices": [{"delta": {"content": "Hel"}}]})
    ('Hel', '')
    >>> reply.add({"choices": [{"delta": {"content": "lo"}, "finish_reason": "stop"}]})
    ('lo', '')
    >>> reply.whole()["choices"][0]["message"]["content"]
    'Hello'
    """

    def __init__(self) -> None:
        self._head: dict[str, Any] = {}
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._thoughts: dict[str, list[str]] = {}
        self._details: list[Any] = []
        self._calls: list[dict[str, Any]] = []
        self._finish: Any = None
        self._usage: Any = None

    @property
    def is_over(self) -> bool:
        """Whether a piece has said that it is the last."""
        return self._finish is not None

    def add(self, chunk: Mapping[str, Any]) -> tuple[str, str]:
        """Add a piece; return the text and the reasoning in it."""
        for name in ("id", "model"):
            if chunk.get(name):
                self._head[name] = chunk[name]
        self._usage = chunk.get("usage") or self._usage
        choices = chunk.get("choices") or ()
        if not choices:
            return "", ""
        delta = choices[0].get("delta") or {}
        self._finish = choices[0].get("finish_reason") or self._finish
        for call in delta.get("tool_calls") or ():
            self._add_call(call)
        text, thinking = pieces_of(delta.get("content"))
        self._text.append(text)
        self._refusal.append(delta.get("refusal") or "")
        # Names for the same, by server; none of them is OpenAI's.
        for name in _THOUGHTS:
            thought = delta.get(name)
            if isinstance(thought, str) and thought:
                self._thoughts.setdefault(name, []).append(thought)
                thinking = thinking or thought
        self._details.extend(delta.get(_DETAILS) or ())
        return text, thinking

    def whole(self) -> Reply:
        """Return the reply, in the shape of one that came whole."""
        message: dict[str, Any] = {"role": "assistant", "content": "".join(self._text) or None}
        if refusal := "".join(self._refusal):
            message["refusal"] = refusal
        if self._calls:
            message["tool_calls"] = [
                {key: value for key, value in call.items() if key != "index"}
                for call in self._calls
            ]
            message.update({name: "".join(each) for name, each in self._thoughts.items()})
            message.update({_DETAILS: self._details} if self._details else {})
        choice = {"index": 0, "message": message, "finish_reason": self._finish}
        return {**self._head, "choices": [choice], "usage": self._usage}

    def _add_call(self, piece: Mapping[str, Any]) -> None:
        function = piece.get("function") or {}
        call = self._call(piece)
        if call is None:
            made = {"name": function.get("name") or "", "arguments": ""}
            call = {"id": piece.get("id") or None, "type": "function", "function": made}
            call["index"] = piece.get("index")
            self._calls.append(call)
        given = function.get("arguments") or ""
        call["function"]["arguments"] += given if isinstance(given, str) else json.dumps(given)
        call.update({name: each for name, each in piece.items() if name not in _CALL})

    def _call(self, piece: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the call that a piece goes on with; some servers count all of them as 0."""
        call: dict[str, Any]
        for call in reversed(self._calls):
            same = not piece.get("id") or piece["id"] == call["id"]
            if same and call["index"] == piece.get("index"):
                return None if _is_another(call, piece) else call
        return None


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _is_another(call: Mapping[str, Any], piece: Mapping[str, Any]) -> bool:
    """Say whether a piece without an id begins a call, of a server that counts all of them as 0."""
    begun, function = call["function"], piece.get("function") or {}
    if piece.get("id") or not function.get("name"):
        return False
    if function["name"] != begun["name"]:
        return True
    try:
        json.loads(begun["arguments"])
    except ValueError:
        return False  # A server that says the name in every piece.
    return bool(function.get("arguments"))
