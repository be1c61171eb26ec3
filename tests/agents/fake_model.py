"""A scripted stand-in for the model APIs that coding agents speak, on loopback.

One stdlib file. It serves, streaming and not:

    POST /v1/messages, /v1/messages/count_tokens       Anthropic Messages
    POST /v1/responses                                 OpenAI Responses
    POST /v1/chat/completions                          OpenAI chat completions
    POST /v1beta/models/M:streamGenerateContent, ...   Gemini
    GET  /v1/models

The prompt scripts the answer. The last directive in the last user message is
obeyed; other text is ignored:

    [[say TEXT]]           answer TEXT
    [[history]]            answer with every earlier [[say ...]] of the conversation,
                           joined by "|" (shows whether a session really resumed)
    [[tool NAME JSON]]     call tool NAME with the JSON arguments, if the request
                           offers it; after its result, answer "tool said: ..."
    [[cut TEXT]]           answer TEXT, and no more: it came to the most tokens
    [[break TEXT]]         stream TEXT, and then nothing: no end, no word why
    [[slow N]]             stream N pieces, half a second apart
    [[silent N]]           stream N pieces, half a second apart, and then say nothing more
    [[fail CODE]]          answer with HTTP status CODE

Each request costs the `Tokens` that the model was made with, told as its API tells them.

Without a directive the answer is "ok". A request that asks for JSON output
(title makers, routers) gets the smallest object its schema allows, and one that
asks for a verdict gets "deny".

In a test:

    with FakeModel() as model:
        env["ANTHROPIC_BASE_URL"] = model.url
        ...
    model.calls  # one Call per request, in order

From a shell: python fake_model.py [PORT]   (log lines on stderr)
"""

from __future__ import annotations

import itertools
import json
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

DIRECTIVE = re.compile(r"\[\[(say|cut|break|history|tool|slow|silent|fail)\s*(.*?)\]\]", re.DOTALL)
PACE_S = 0.5
_ids = itertools.count(1)


@dataclass(frozen=True)
class Tokens:
    """What each request costs, in buckets that have nothing in common; each API adds them up anew.

    >>> DISTINCT.responses()["input_tokens"], DISTINCT.messages()["input_tokens"]
    (1110, 10)
    """

    input: int = 10
    cache_read: int = 0
    cache_write: int = 0
    output: int = 5
    reasoning: int = 0

    def messages(self) -> dict[str, Any]:
        """Anthropic: the cache is beside the input, reasoning is among the output."""
        return {
            "input_tokens": self.input,
            "cache_read_input_tokens": self.cache_read,
            "cache_creation_input_tokens": self.cache_write,
            **self.messages_end(),
        }

    def messages_end(self) -> dict[str, Any]:
        return {
            "output_tokens": self.output + self.reasoning,
            "output_tokens_details": {"thinking_tokens": self.reasoning},
        }

    def responses(self) -> dict[str, Any]:
        """OpenAI: the cache is among the input, reasoning among the output."""
        sent, got = self.input + self.cache_read + self.cache_write, self.output + self.reasoning
        return {
            "input_tokens": sent,
            "input_tokens_details": {
                "cached_tokens": self.cache_read,
                "cache_write_tokens": self.cache_write,
            },
            "output_tokens": got,
            "output_tokens_details": {"reasoning_tokens": self.reasoning},
            "total_tokens": sent + got,
        }

    def chat(self) -> dict[str, Any]:
        """The same under other names."""
        told = self.responses()
        return {
            "prompt_tokens": told["input_tokens"],
            "prompt_tokens_details": told["input_tokens_details"],
            "completion_tokens": told["output_tokens"],
            "completion_tokens_details": told["output_tokens_details"],
            "total_tokens": told["total_tokens"],
        }

    def gemini(self) -> dict[str, Any]:
        """Google: the cache is among the prompt, thoughts are beside the candidates."""
        sent = self.input + self.cache_read + self.cache_write
        return {
            "promptTokenCount": sent,
            "cachedContentTokenCount": self.cache_read,
            "candidatesTokenCount": self.output,
            "thoughtsTokenCount": self.reasoning,
            "totalTokenCount": sent + self.output + self.reasoning,
        }

    def buckets(self) -> dict[str, int]:
        """As a result's `usage` has them, for a suite's `charges`."""
        return {
            "input_tokens": self.input,
            "cache_read_tokens": self.cache_read,
            "cache_write_tokens": self.cache_write,
            "output_tokens": self.output,
            "reasoning_tokens": self.reasoning,
        }


DISTINCT = Tokens(input=10, cache_read=100, cache_write=1000, output=5, reasoning=50)
"""Figures of which no two sums are the same."""


@dataclass
class Call:
    """One request as the server saw it, and what became of it."""

    path: str
    body: dict[str, Any]
    headers: dict[str, str]
    started: float = field(default_factory=time.time)
    outcome: str = "open"  # then "done", "client gone" or "http CODE"


@dataclass
class Turn:
    role: str  # "user", "assistant" or "tool"
    text: str


@dataclass
class Plan:
    """What to answer: some pieces of text, or a tool call, or an HTTP error."""

    pieces: list[str] = field(default_factory=list)
    pace_s: float = 0.0
    tool: tuple[str, dict[str, Any]] | None = None
    status: int = 200
    cut: bool = False
    broken: bool = False
    silent: bool = False
    tokens: Tokens = field(default_factory=Tokens)


def decide(turns: list[Turn], tools: set[str], schema: dict[str, Any] | None) -> Plan:
    if schema is not None:
        return Plan([json.dumps(_sample(schema))])
    if turns and turns[-1].role == "tool":
        return Plan([f"tool said: {turns[-1].text[:400]}"])
    asked = [
        found for turn in turns if turn.role == "user" for found in DIRECTIVE.findall(turn.text)
    ]
    last = next((turn for turn in reversed(turns) if turn.role == "user"), Turn("user", ""))
    here = DIRECTIVE.findall(last.text)
    if not here:
        return Plan(["ok"])
    verb, rest = here[-1][0], here[-1][1].strip()
    if verb == "say":
        return Plan([word + " " for word in rest.split(" ")[:-1]] + [rest.split(" ")[-1]])
    if verb == "cut":
        return Plan([rest], cut=True)
    if verb == "break":
        return Plan([f"{word} " for word in rest.split()], broken=True)
    if verb == "history":
        return Plan(["|".join(text.strip() for kind, text in asked if kind == "say")])
    if verb in ("slow", "silent"):
        pieces = [f"{n} " for n in range(int(rest))]
        return Plan(pieces, pace_s=PACE_S, silent=verb == "silent")
    if verb == "fail":
        return Plan(status=int(rest))
    name, _, arguments = rest.partition(" ")
    if name not in tools:
        return Plan([f"no tool {name}; offered: {' '.join(sorted(tools))}"])
    return Plan(tool=(name, json.loads(arguments or "{}")))


def _sample(schema: dict[str, Any]) -> Any:
    """The smallest value that fits a JSON schema, near enough."""
    if schema.get("enum"):
        # Some agents ask a model to review what they want to do (codex: outcome allow or deny).
        # A fake must not approve by accident.
        return next((v for v in schema["enum"] if v in ("deny", "reject")), schema["enum"][0])
    kind = str(schema.get("type", "object")).lower()
    if kind == "object":
        wanted = schema.get("required") or list(schema.get("properties", {}))
        return {
            key: _sample(schema.get("properties", {}).get(key, {"type": "string"}))
            for key in wanted
        }
    return {"array": [], "string": "ok", "boolean": False, "number": 0, "integer": 0}.get(kind)


def _text(content: Any) -> str:
    """The text in a message's content, whichever API's shape it has."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(filter(None, map(_text, content)))
    for key in ("text", "content", "output"):
        if key in content:
            return _text(content[key])
    return ""


# --- Anthropic Messages -----------------------------------------------------


def messages_read(body: dict[str, Any]) -> tuple[list[Turn], set[str], dict | None]:
    turns = []
    for message in body.get("messages", []):
        content = message["content"]
        results = (
            [b for b in content if b.get("type") == "tool_result"]
            if isinstance(content, list)
            else []
        )
        texts = (
            [b for b in content if b.get("type") == "text"]
            if isinstance(content, list)
            else content
        )
        if message["role"] == "system":
            continue  # some clients send reminders as mid-conversation system messages
        if results:
            turns.append(Turn("tool", _text(results)))
            if DIRECTIVE.search(_text(texts)):
                turns.append(Turn("user", _text(texts)))
        else:
            turns.append(Turn(message["role"], _text(texts)))
    tools = {tool["name"] for tool in body.get("tools") or []}
    wanted = (body.get("output_config") or {}).get("format") or body.get("output_format") or {}
    return turns, tools, wanted.get("schema")


def messages_stream(body: dict[str, Any], plan: Plan) -> Iterator[dict[str, Any]]:
    usage = {**plan.tokens.messages(), "output_tokens": 1, "output_tokens_details": None}
    head = {
        "id": f"msg_{next(_ids)}",
        "type": "message",
        "role": "assistant",
        "model": body.get("model", "fake"),
    }
    head |= {"content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    yield {"type": "message_start", "message": head}
    if plan.tool:
        name, arguments = plan.tool
        block = {"type": "tool_use", "id": f"toolu_{next(_ids)}", "name": name, "input": {}}
        yield {"type": "content_block_start", "index": 0, "content_block": block}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(arguments)}
        yield {"type": "content_block_delta", "index": 0, "delta": delta}
    else:
        yield {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "text", "text": ""},
        }
        for piece in plan.pieces:
            yield {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": piece},
            }
    yield {"type": "content_block_stop", "index": 0}
    reason = "tool_use" if plan.tool else "max_tokens" if plan.cut else "end_turn"
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": reason, "stop_sequence": None},
        "usage": plan.tokens.messages_end(),
    }
    yield {"type": "message_stop"}


def messages_whole(body: dict[str, Any], plan: Plan) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "text", "text": "".join(plan.pieces)}
    if plan.tool:
        block = {
            "type": "tool_use",
            "id": f"toolu_{next(_ids)}",
            "name": plan.tool[0],
            "input": plan.tool[1],
        }
    return {
        "id": f"msg_{next(_ids)}",
        "type": "message",
        "role": "assistant",
        "model": body.get("model", "fake"),
        "content": [block],
        "stop_reason": "tool_use" if plan.tool else "max_tokens" if plan.cut else "end_turn",
        "stop_sequence": None,
        "usage": plan.tokens.messages(),
    }


# --- OpenAI Responses -------------------------------------------------------


def responses_read(body: dict[str, Any]) -> tuple[list[Turn], set[str], dict | None]:
    items = body.get("input", [])
    if isinstance(items, str):
        items = [{"role": "user", "content": items}]
    turns = []
    for item in items:
        kind = item.get("type", "message")
        if kind in ("function_call_output", "custom_tool_call_output"):
            turns.append(Turn("tool", _text(item.get("output"))))
        elif kind == "message" and item.get("role") in ("user", "assistant"):
            turns.append(Turn(item["role"], _text(item.get("content"))))
    tools = set(_responses_tools(body))
    wanted = (body.get("text") or {}).get("format") or {}
    return turns, tools, wanted.get("schema") if wanted.get("type") == "json_schema" else None


def _responses_tools(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The tools that are offered, by name; one in a namespace is `NAMESPACE__NAME`."""
    offered = {}
    for tool in body.get("tools") or []:
        if tool.get("type") == "namespace":
            space = tool["name"]
            for inner in tool["tools"]:
                offered[f"{space}__{inner['name']}"] = {**inner, "namespace": space}
        elif "name" in tool:
            offered[tool["name"]] = tool
    return offered


def _responses_item(body: dict[str, Any], plan: Plan) -> dict[str, Any]:
    if not plan.tool:
        part = {"type": "output_text", "text": "".join(plan.pieces), "annotations": []}
        return {
            "type": "message",
            "id": f"msg_{next(_ids)}",
            "role": "assistant",
            "status": "completed",
            "content": [part],
        }
    name, arguments = plan.tool
    tool = _responses_tools(body)[name]
    call = {
        "call_id": f"call_{next(_ids)}",
        "name": tool["name"],
        "id": f"fc_{next(_ids)}",
        "status": "completed",
    }
    if "namespace" in tool:
        call["namespace"] = tool["namespace"]
    if tool.get("type") == "custom":
        return {"type": "custom_tool_call", **call, "input": str(arguments.get("input", ""))}
    return {"type": "function_call", **call, "arguments": json.dumps(arguments)}


def responses_whole(
    body: dict[str, Any], plan: Plan, item: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "id": f"resp_{next(_ids)}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "incomplete" if plan.cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if plan.cut else None,
        "model": body.get("model", "fake"),
        "output": [item or _responses_item(body, plan)],
        "parallel_tool_calls": False,
        "tool_choice": "auto",
        "tools": [],
        "usage": plan.tokens.responses(),
    }


def responses_stream(body: dict[str, Any], plan: Plan) -> Iterator[dict[str, Any]]:
    number = itertools.count()
    item = _responses_item(body, plan)
    whole = responses_whole(body, plan, item)

    def event(kind: str, **more: Any) -> dict[str, Any]:
        return {"type": kind, "sequence_number": next(number), **more}

    yield event("response.created", response={**whole, "status": "in_progress", "output": []})
    begun = {**item, "status": "in_progress"} | ({"content": []} if "content" in item else {})
    yield event("response.output_item.added", output_index=0, item=begun)
    at = {"output_index": 0, "item_id": item["id"]}
    if plan.tool:
        if item["type"] == "function_call":
            yield event("response.function_call_arguments.delta", **at, delta=item["arguments"])
            yield event(
                "response.function_call_arguments.done",
                **at,
                arguments=item["arguments"],
                name=item["name"],
            )
    else:
        at["content_index"] = 0
        part = {"type": "output_text", "text": "", "annotations": []}
        yield event("response.content_part.added", **at, part=part)
        for piece in plan.pieces:
            yield event("response.output_text.delta", **at, delta=piece, logprobs=[])
        text = "".join(plan.pieces)
        yield event("response.output_text.done", **at, text=text, logprobs=[])
        yield event("response.content_part.done", **at, part={**part, "text": text})
    yield event("response.output_item.done", output_index=0, item=item)
    yield event("response.incomplete" if plan.cut else "response.completed", response=whole)


# --- OpenAI chat completions ------------------------------------------------


def chat_read(body: dict[str, Any]) -> tuple[list[Turn], set[str], dict | None]:
    turns = [
        Turn(message["role"], _text(message.get("content")))
        for message in body.get("messages", [])
        if message["role"] in ("user", "assistant", "tool")
    ]
    tools = {tool["function"]["name"] for tool in body.get("tools") or [] if "function" in tool}
    wanted = body.get("response_format") or {}
    return turns, tools, (wanted.get("json_schema") or {}).get("schema")


def _chat_calls(plan: Plan) -> list[dict[str, Any]]:
    assert plan.tool
    function = {"name": plan.tool[0], "arguments": json.dumps(plan.tool[1])}
    return [{"index": 0, "id": f"call_{next(_ids)}", "type": "function", "function": function}]


def chat_stream(body: dict[str, Any], plan: Plan) -> Iterator[dict[str, Any]]:
    head = {
        "id": f"chatcmpl-{next(_ids)}",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
    }
    head["model"] = body.get("model", "fake")

    def chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}

    yield chunk({"role": "assistant", "content": ""})
    if plan.tool:
        yield chunk({"tool_calls": _chat_calls(plan)})
    for piece in plan.pieces:
        yield chunk({"content": piece})
    yield chunk({}, _chat_end(plan))
    yield {**head, "choices": [], "usage": plan.tokens.chat()}


def _chat_end(plan: Plan) -> str:
    return "tool_calls" if plan.tool else "length" if plan.cut else "stop"


def chat_whole(body: dict[str, Any], plan: Plan) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": "".join(plan.pieces) or None}
    if plan.tool:
        message["tool_calls"] = _chat_calls(plan)
    return {
        "id": f"chatcmpl-{next(_ids)}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": body.get("model", "fake"),
        "choices": [{"index": 0, "message": message, "finish_reason": _chat_end(plan)}],
        "usage": plan.tokens.chat(),
    }


# --- Gemini generateContent -------------------------------------------------


def gemini_read(body: dict[str, Any]) -> tuple[list[Turn], set[str], dict | None]:
    turns = []
    for content in body.get("contents", []):
        parts = content.get("parts", [])
        results = [part["functionResponse"] for part in parts if "functionResponse" in part]
        if results:
            turns.append(Turn("tool", json.dumps([r.get("response") for r in results])))
        else:
            role = "assistant" if content.get("role") == "model" else "user"
            turns.append(Turn(role, _text(parts)))
    groups = body.get("tools") or []
    tools = {f["name"] for group in groups for f in group.get("functionDeclarations", [])}
    config = body.get("generationConfig") or {}
    schema = config.get("responseJsonSchema") or config.get("responseSchema")
    return turns, tools, schema if config.get("responseMimeType") == "application/json" else None


def _gemini_piece(part: dict[str, Any] | None, end: Plan | None = None) -> dict[str, Any]:
    candidate: dict[str, Any] = {
        "index": 0,
        "content": {"role": "model", "parts": [part] if part else [{"text": ""}]},
    }
    answer: dict[str, Any] = {"candidates": [candidate], "modelVersion": "fake"}
    if end is not None:
        candidate["finishReason"] = "MAX_TOKENS" if end.cut else "STOP"
        answer["usageMetadata"] = end.tokens.gemini()
    return answer


def gemini_stream(body: dict[str, Any], plan: Plan) -> Iterator[dict[str, Any]]:
    if plan.tool:
        yield _gemini_piece({"functionCall": {"name": plan.tool[0], "args": plan.tool[1]}})
    for piece in plan.pieces:
        yield _gemini_piece({"text": piece})
    yield _gemini_piece(None, plan)


def gemini_whole(body: dict[str, Any], plan: Plan) -> dict[str, Any]:
    if plan.tool:
        return _gemini_piece({"functionCall": {"name": plan.tool[0], "args": plan.tool[1]}}, plan)
    return _gemini_piece({"text": "".join(plan.pieces)}, plan)


# --- the server -------------------------------------------------------------


@dataclass
class Api:
    read: Callable[[dict[str, Any]], tuple[list[Turn], set[str], dict | None]]
    stream: Callable[[dict[str, Any], Plan], Iterator[dict[str, Any]]]
    whole: Callable[[dict[str, Any], Plan], dict[str, Any]]
    named_events: bool = False  # SSE "event:" lines
    end_mark: str = ""


MESSAGES = Api(messages_read, messages_stream, messages_whole, named_events=True)
RESPONSES = Api(responses_read, responses_stream, responses_whole, named_events=True)
CHAT = Api(chat_read, chat_stream, chat_whole, end_mark="data: [DONE]\n\n")
GEMINI = Api(gemini_read, gemini_stream, gemini_whole)

# The events of each API that carry one piece of the answer, and so are paced.
PACED = ('"text_delta"', '"response.output_text.delta"', '"content": "', '"text": "')


# With the first of these, a stream says that its answer is whole.
ENDS = (
    '"content_block_stop"',
    '"response.output_text.done"',
    '"finish_reason": "',
    '"finishReason": "',
)


class Handler(BaseHTTPRequestHandler):
    disable_nagle_algorithm = True  # Or a piece of a stream waits 40 ms for the one before it.
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        names = ["fake", "fake-small"]
        self._json(
            200,
            {
                "object": "list",
                "data": [{"id": n, "object": "model", "owned_by": "fake"} for n in names],
            },
        )

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.split("?")[0]
        try:
            body = json.loads(raw or b"{}")
        except ValueError:
            self._json(400, {"error": {"type": "bad_request", "message": "not JSON"}})
            return
        call = Call(self.path, body, dict(self.headers))
        self.server.calls.append(call)
        try:
            self._answer(call, path, body)
        except (BrokenPipeError, ConnectionResetError):
            call.outcome = "client gone"
            self.close_connection = True
        self.server.note(
            f"{path} {body.get('model', '')} {call.outcome} {time.time() - call.started:.2f}s"
        )

    def _answer(self, call: Call, path: str, body: dict[str, Any]) -> None:
        streaming = bool(body.get("stream"))
        if path.endswith("/messages/count_tokens"):
            self._finish(call, {"input_tokens": 10})
            return
        if path.endswith(":countTokens"):
            self._finish(call, {"totalTokens": 10})
            return
        if path.endswith("/messages"):
            api = MESSAGES
        elif path.endswith("/responses"):
            api = RESPONSES
        elif path.endswith("/chat/completions"):
            api = CHAT
        elif path.endswith((":generateContent", ":streamGenerateContent")):
            api, streaming = GEMINI, path.endswith(":streamGenerateContent")
        else:
            self._finish(call, {"error": {"type": "not_found", "message": path}}, status=404)
            return
        plan = decide(*api.read(body))
        if plan.broken and not streaming:
            plan.status = 502
        plan.tokens = self.server.tokens
        if plan.silent and not (streaming and plan.pieces):
            self._say_nothing()
        if plan.status != 200:
            error = {
                "type": "api_error",
                "code": plan.status,
                "message": "scripted failure",
                "status": "INTERNAL",
            }
            self._finish(call, {"type": "error", "error": error}, status=plan.status)
            return
        if streaming:
            self._stream(api, body, plan)
            call.outcome = "done"
        else:
            self.server.over.wait(plan.pace_s * len(plan.pieces))
            self._finish(call, api.whole(body, plan))

    def _stream(self, api: Api, body: dict[str, Any], plan: Plan) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        unsaid = [json.dumps(piece) for piece in plan.pieces]
        for event in api.stream(body, plan):
            if plan.silent and not unsaid:
                self._say_nothing()
            data = json.dumps(event)
            if plan.broken and any(mark in data for mark in ENDS):
                break
            if unsaid and unsaid[0] in data:
                unsaid.pop(0)
            if plan.pace_s and any(mark in data for mark in PACED):
                self.server.over.wait(plan.pace_s)
            name = f"event: {event['type']}\n" if api.named_events else ""
            self._chunk(f"{name}data: {data}\n\n")
        if not plan.broken:
            self._chunk(api.end_mark)
        self.wfile.write(b"0\r\n\r\n")

    def _say_nothing(self) -> None:
        """Keep the line open until the test is over."""
        self.server.over.wait()
        raise ConnectionResetError

    def _chunk(self, text: str) -> None:
        if text:
            data = text.encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()

    def _finish(self, call: Call, answer: dict[str, Any], status: int = 200) -> None:
        call.outcome = "done" if status == 200 else f"http {status}"
        self._json(status, answer)

    def _json(self, status: int, answer: dict[str, Any]) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, verbose: bool, tokens: Tokens) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.tokens = tokens
        self.calls: list[Call] = []
        self.verbose = verbose
        # What is still being streamed when the test is over is done with at once.
        self.over = threading.Event()

    def note(self, line: str) -> None:
        if self.verbose:
            print(f"[model] {line}", file=sys.stderr, flush=True)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], (BrokenPipeError, ConnectionResetError)):
            super().handle_error(request, client_address)


class FakeModel:
    """The server on a thread of its own, for use in a test."""

    def __init__(self, port: int = 0, verbose: bool = False, tokens: Tokens | None = None) -> None:
        self.server = Server(port, verbose, tokens or Tokens())
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self._thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    @property
    def calls(self) -> list[Call]:
        return self.server.calls

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.server.over.set()
        self.server.shutdown()
        self.server.server_close()


if __name__ == "__main__":
    print(
        "listening on",
        (fake := FakeModel(int(sys.argv[1]) if sys.argv[1:] else 0, verbose=True)).url,
        flush=True,
    )
    fake.server.serve_forever()
