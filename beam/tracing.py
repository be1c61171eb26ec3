"""Telemetry as spans of OpenTelemetry, with the names of its conventions for generative AI.

    >>> name = span_name(("loop", "turn", "start"), {"model": "gpt-5"})
    >>> told = {"provider": "responses", "model": "gpt-5", "session_id": "s-1"}
    >>> name, attributes(("loop", "turn", "start"), {}, told)["gen_ai.provider.name"]
    ('chat gpt-5', 'openai')

`attach()` makes a span of each request to an agent loop, with one for each turn and each tool below
it, one of each query of a fleet's session, and one of each agent that is provisioned. It needs the
package `opentelemetry-api` (extra `opentelemetry`); what becomes of the spans is the affair of the
SDK that the program has set up, and without one they are nothing.

| events of `beam.telemetry` | span | kind |
|---|---|---|
| `loop, request` | `invoke_agent` | internal |
| `loop, turn` | `chat MODEL`; `invoke_agent`, where the agent is on somebody's server | client |
| `loop, tool` | `execute_tool NAME` | internal |
| `agent, query` | `invoke_agent BACKEND` | client |
| `provider, provision` | `create_agent NAME` | client |

`loop, reconnect`, `loop, stream, error` and `loop, duplicate_tool_use` are events of the request's
span, `beam.reconnect` and so on.

No span holds what anybody said: neither prompts nor answers, inputs or results of tools, nor the
words of an error. That is so by construction: an attribute is a number, or a *word*, a short text
of letters, digits and `. _ : / @ + -`, from a field of the events' table that is named here; what
is no word is left out. The one exception is what the caller chooses to tell (`also`).

The conventions are those of version 1.41, which has them in development: they may change.
*Limit:* what a tool traces itself does not stand below its span, since telemetry looks on only.
"""

from __future__ import annotations

import importlib
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from beam import telemetry
from beam.errors import InvalidInput

__all__ = ["attach", "attributes", "span_name"]

Event = tuple[str, ...]

SCOPE: Final = "beam"
"""The name of the tracer."""

NOTE: Final = 256
"""The most characters of a text that the caller has told."""

_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:/@+-]{0,127}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")

# By our names for providers; what is not here is called as it is here.
_PROVIDERS: Final = {
    "chat": "openai",
    "responses": "openai",
    "messages": "anthropic",
    "managed_agents": "anthropic",
    "agentcore": "aws.bedrock",
}
_REMOTE: Final = frozenset({"managed_agents", "agentcore"})

# What is told of each, by the fields of its metadata. Only where the event itself has the field: a
# note of the caller's may have any name.
_SESSION: Final = {"session_id": "gen_ai.conversation.id"}
_BEGUN: Final = {**_SESSION, "model": "gen_ai.request.model", "agent_id": "gen_ai.agent.id"}
_ENDED: Final = {**_SESSION, "terminal": "beam.terminal"}
_TOOL: Final = {**_SESSION, "tool": "gen_ai.tool.name", "tool_use_id": "gen_ai.tool.call.id"}
_QUERY: Final = {**_SESSION, "agent": "gen_ai.agent.name", "run_id": "beam.run_id"}
_MADE: Final = {"name": "gen_ai.agent.name"}
_FIELDS: Final[Mapping[Event, Mapping[str, str]]] = {
    ("loop", "request", "start"): _BEGUN,
    ("loop", "request", "stop"): _ENDED,
    ("loop", "request", "exception"): _SESSION,
    ("loop", "turn", "start"): _BEGUN,
    ("loop", "turn", "stop"): _ENDED,
    ("loop", "turn", "exception"): _SESSION,
    ("loop", "tool", "start"): _TOOL,
    ("loop", "tool", "stop"): _TOOL,
    ("loop", "tool", "exception"): _TOOL,
    ("agent", "query", "start"): _QUERY,
    ("agent", "query", "stop"): {**_QUERY, "how": "beam.how"},
    ("agent", "query", "exception"): _QUERY,
    ("provider", "provision", "start"): _MADE,
    ("provider", "provision", "stop"): {**_MADE, "agent_id": "gen_ai.agent.id"},
    ("provider", "provision", "exception"): _MADE,
}
_NUMBERS: Final = {"turns": "beam.turns", "delay": "beam.delay", "count": "beam.count"}
_SUBJECTS: Final = {
    "chat": "model", "execute_tool": "tool", "invoke_agent": "agent", "create_agent": "name",
}  # fmt: skip
_NOTED: Final = (("loop", "reconnect"), ("loop", "duplicate_tool_use"), ("loop", "stream", "error"))
_TOKENS: Final = (
    "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens",
)  # fmt: skip


def attach(tracer_provider: Any = None, *, also: Iterable[str] = ()) -> Callable[[], None]:
    """Make spans from now on.

    Args:
        tracer_provider: where the tracer comes from; the program's own unless given.
        also: which of the caller's notes (`telemetry_metadata`) become attributes, `beam.NAME`:
            numbers, and texts up to 256 characters, as they are.

    Returns:
        What ends that, and the spans that are open; a second time changes nothing.

    Raises:
        InvalidInput: the package is not installed; `also` has what is no name.
    """
    names: tuple[Any, ...] = (also,) if isinstance(also, str) else tuple(also)
    for name in names:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InvalidInput("also", name, "names of letters, digits and _")
    try:
        trace = importlib.import_module("opentelemetry.trace")
    except ImportError as error:
        expected = "the extra 'opentelemetry' to be installed"
        raise InvalidInput("tracer_provider", "opentelemetry", expected) from error
    spans = _Spans(trace, trace.get_tracer(SCOPE, tracer_provider=tracer_provider), names)
    heard = sorted({event[:2] for event in _FIELDS} | set(_NOTED))
    ends = [telemetry.attach(event, spans.hear) for event in heard]

    def detach() -> None:
        for end in ends:
            end()
        spans.close()

    return detach


def span_name(event: Event, about: Mapping[str, Any]) -> str:
    """Return what the span of an event is called."""
    operation = _operation(event, about)
    subject = _SUBJECTS[operation]
    known = subject in _FIELDS.get(event, {})
    named = _word(about.get(subject)) if known else None
    return operation if named is None else f"{operation} {named}"


def attributes(
    event: Event, measured: Mapping[str, Any], about: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the attributes of an event, in the names of the conventions.

    Args:
        event: of `loop`, `agent` or `provider`, as `beam.telemetry` tells it.
        measured: its measurements.
        about: its metadata.
    """
    in_fleet = event[0] == "agent"
    provider = _word(about.get("agent" if in_fleet else "provider"))
    found: dict[str, Any] = {
        "gen_ai.operation.name": _operation(event, about),
        "gen_ai.provider.name": _PROVIDERS.get(provider or "", provider),
        "gen_ai.tool.type": "function" if event[1] == "tool" else None,
        "error.type": _error(event, about),
    }
    fields = _FIELDS.get(event, {})
    found |= {name: _word(about.get(field)) for field, name in fields.items()}
    found |= {name: _number(measured.get(field)) for field, name in _NUMBERS.items()}
    if fields is _ENDED:
        reason = _word(about.get("stop_reason"))
        found["gen_ai.response.finish_reasons"] = None if reason is None else (reason,)
    if event == ("loop", "turn", "stop"):
        found["beam.turn"] = _number(about.get("turn"))
    found |= _usage(measured)
    return {name: value for name, value in found.items() if value is not None}


class _Spans:
    """The spans that are open. Bounded by the requests, the tools and the queries at work."""

    def __init__(self, trace: Any, tracer: Any, also: tuple[str, ...]) -> None:
        self._trace = trace
        self._tracer = tracer
        self._also = also
        self._lock = threading.Lock()
        self._open: dict[tuple[Any, ...], Any] = {}

    def hear(self, event: Event, measured: Mapping[str, Any], about: Mapping[str, Any]) -> None:
        """Hear an event; run by whom it happens to."""
        told = {**attributes(event, measured, about), **self._notes(about)}
        key = _key(event, about)
        if key is None:
            span = self._get(("request", about.get("request_id")))
            if span is not None:
                span.add_event(".".join(("beam", *event[1:])), told)
        elif event[-1] == "start":
            self._begin(key, span_name(event, about), told)
        else:
            self._end(key, span_name(event, about), told)

    def close(self) -> None:
        """End what is open."""
        with self._lock:
            left, self._open = list(self._open.values()), {}
        for span in left:
            span.end()

    def _begin(self, key: tuple[Any, ...], name: str, told: Mapping[str, Any]) -> None:
        span = self._started(key, name, told)
        with self._lock:
            before, self._open[key] = self._open.get(key), span
        if before is not None:
            before.end()

    def _end(self, key: tuple[Any, ...], name: str, told: Mapping[str, Any]) -> None:
        with self._lock:
            span = self._open.pop(key, None)
        if span is None:  # It began before anybody listened.
            span = self._started(key, name, told)
        span.set_attributes(told)
        if "error.type" in told:
            # Without a description, which would be what somebody has said.
            span.set_status(self._trace.Status(self._trace.StatusCode.ERROR))
        span.end()

    def _started(self, key: tuple[Any, ...], name: str, told: Mapping[str, Any]) -> Any:
        kinds = self._trace.SpanKind
        kind = kinds.INTERNAL if key[0] in ("request", "tool") else kinds.CLIENT
        above = self._get(("request", key[1])) if key[0] in ("turn", "tool") else None
        context = None if above is None else self._trace.set_span_in_context(above)
        return self._tracer.start_span(name, context=context, kind=kind, attributes=told)

    def _get(self, key: tuple[Any, ...]) -> Any:
        with self._lock:
            return self._open.get(key)

    def _notes(self, about: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in self._also:
            value = about.get(name)
            if isinstance(value, bool | int | float):
                found[f"beam.{name}"] = value
            elif isinstance(value, str):
                found[f"beam.{name}"] = value[:NOTE]
        return found


def _key(event: Event, about: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """Return what its beginning and its end have in common; None if it is no span's."""
    match event[:2]:
        case ("loop", "request" | "turn" as part):
            return (part, about.get("request_id"))
        case ("loop", "tool"):
            return ("tool", about.get("request_id"), about.get("tool_use_id"))
        case ("agent", "query"):
            return ("query", about.get("run_id"))
        case ("provider", "provision") if event[-1] != "poll":
            return ("made", about.get("provider"), about.get("digest"))
    return None


def _operation(event: Event, about: Mapping[str, Any]) -> str:
    match event[:2]:
        case ("loop", "tool"):
            return "execute_tool"
        case ("provider", "provision"):
            return "create_agent"
        case ("loop", "turn") if about.get("provider") not in _REMOTE:
            return "chat"
    return "invoke_agent"


def _error(event: Event, about: Mapping[str, Any]) -> str | None:
    if event == ("loop", "tool", "stop"):
        return "tool_error" if about.get("is_error") is True else None
    if event[-1] not in ("exception", "error"):
        return None
    reason = _word(about.get("reason")) or "_OTHER"
    # The conventions have a status as it is.
    return reason.removeprefix("status_")


def _usage(measured: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tokens; the conventions count the cache as input, and reasoning as output."""
    if "input_tokens" not in measured:
        return {}
    read_in, cached, kept, written, reasoned = (
        _number(measured.get(name)) or 0 for name in _TOKENS
    )
    return {
        "gen_ai.usage.input_tokens": read_in + cached + kept,
        "gen_ai.usage.output_tokens": written + reasoned,
        "gen_ai.usage.cache_read.input_tokens": cached or None,
        "gen_ai.usage.cache_creation.input_tokens": kept or None,
        "gen_ai.usage.reasoning.output_tokens": reasoned or None,
    }


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and _WORD.fullmatch(value) else None


def _number(value: Any) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value
