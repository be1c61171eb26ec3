"""What an agent program types to its host: the lines of the command protocol, validated.

`docs/command-agents.md` is the specification. This module is the vocabulary of one direction,
without order or memory; `host_lines` is that of the other, `command_protocol` joins them.

    >>> decode(b'{"type": "ready", "protocol": 1, "name": "echo", "mood": "good"}').line.name
    'echo'
    >>> decode(b'{"type": "ready", "protocol": 1}')
    Bad(reason='bad_field', detail='ready.name: Field required', known=True)
    >>> decode(b'Loading the model...').reason
    'not_json'

Lines are validated here, once, at the edge: `decode` takes any bytes and never raises. What it lets
through is an object of finite numbers and whole characters, at most 100 levels deep, so that
nothing above has to fear it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from beam.backends.line_limits import MAX_DEPTH, MAX_ID, MAX_LINE, PROTOCOL, whole_characters
from beam.errors import InvalidInput
from beam.model import encoding

__all__ = [
    "MAX_DEPTH",
    "MAX_ID",
    "MAX_LINE",
    "PROTOCOL",
    "STREAMED",
    "AgentLine",
    "Bad",
    "Decoded",
    "ErrorLine",
    "MessageLine",
    "PermissionLine",
    "ReadyLine",
    "ResultLine",
    "TextLine",
    "ToolResultLine",
    "ToolUseLine",
    "Unknown",
    "decode",
    "line_type",
    "whole_characters",
]

Id = Annotated[str, Field(min_length=1, max_length=MAX_ID)]
Name = Annotated[str, Field(max_length=MAX_ID)]


class _Line(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class ReadyLine(_Line):
    """The agent's half of the handshake."""

    type: Literal["ready"]
    protocol: int
    name: Id
    version: Name = ""
    capabilities: Annotated[list[Id], Field(max_length=100)] = []


class TextLine(_Line):
    """A message whose content is text."""

    type: Literal[
        "text", "thinking", "system", "tool_progress", "tool_use_summary", "prompt_suggestion"
    ]
    query_id: Id
    content: str = ""


class MessageLine(_Line):
    """A message of another type, in the form that the unified message has."""

    type: Literal["assistant", "user", "stream_event", "rate_limit_event", "auth_status", "raw"]
    query_id: Id


class ToolUseLine(_Line):
    """A tool call: the agent's own, told for the record, or one that the host is to run."""

    type: Literal["tool_use"]
    query_id: Id
    tool_use_id: Id
    tool_name: Id
    tool_input: dict[str, Any] = {}
    host: bool = False


class ToolResultLine(_Line):
    """What a tool that the agent ran itself has answered."""

    type: Literal["tool_result"]
    query_id: Id
    tool_use_id: Id
    tool_name: Name = ""
    content: str = ""
    is_error: bool = False


class PermissionLine(_Line):
    """A question to the user: may the agent do this?"""

    type: Literal["permission_request"]
    id: Id
    query_id: Id
    tool_name: Id
    tool_input: dict[str, Any] = {}
    options: dict[str, Any] = {}


class ResultLine(_Line):
    """The end of a query: its answer."""

    type: Literal["result"]
    query_id: Id
    content: str
    is_error: bool = False


class ErrorLine(_Line):
    """The end of a query without an answer; without a `query_id`, the end of the agent."""

    type: Literal["error"]
    query_id: Id | None = None
    reason: Id = "agent_error"
    content: str = ""
    retryable: bool = False


AgentLine = (
    ReadyLine
    | TextLine
    | MessageLine
    | ToolUseLine
    | ToolResultLine
    | PermissionLine
    | ResultLine
    | ErrorLine
)

_LINES: TypeAdapter[AgentLine] = TypeAdapter(Annotated[AgentLine, Field(discriminator="type")])

_TYPES: frozenset[str] = frozenset(
    word for line in get_args(AgentLine) for word in get_args(line.model_fields["type"].annotation)
)

STREAMED: frozenset[str] = frozenset(
    word
    for line in (TextLine, MessageLine, ToolResultLine)
    for word in get_args(line.model_fields["type"].annotation)
)
"""The types that are only streamed: nobody waits for a line of these."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A line of the protocol.

    Attributes:
        line: what it says, validated.
        wire: the whole object as it came, with the fields that are unknown here.
    """

    line: AgentLine
    wire: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Unknown:
    """A well-formed line of a type that this version does not know, to be ignored."""

    type: str


@dataclass(frozen=True, slots=True)
class Bad:
    """A line that is none.

    Attributes:
        reason: `not_utf8`, `not_json`, `too_deep`, `not_an_object`, `no_type` or `bad_field`.
        detail: where and why, in words.
        known: whether it has a type of the protocol, so that somebody may wait for it.
    """

    reason: str
    detail: str
    known: bool = False


def decode(line: bytes) -> Decoded | Unknown | Bad:
    """Return what `line` says; any bytes will do, and none raise.

    A field that is null counts as absent. Lone surrogates, which no file and no terminal takes,
    become U+FFFD.
    """
    wire = _object(line)
    if isinstance(wire, Bad):
        return wire
    kind = wire.get("type")
    if not isinstance(kind, str):
        return Bad("no_type", "expected text under 'type'")
    if kind not in _TYPES:
        return Unknown(kind[:MAX_ID])
    try:
        given = {name: value for name, value in wire.items() if value is not None}
        return Decoded(_LINES.validate_python(given), wire)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        return Bad("bad_field", f"{where}: {first['msg']}"[:MAX_ID], known=True)


def line_type(head: bytes) -> str:
    """Return the type that the beginning of a line names first, empty if it does not.

    For a line too long to be read whole: its sender was asked to put `type` first.
    """
    found = re.match(rb'\s*\{\s*"type"\s*:\s*"(\w{1,40})"', head)
    return found[1].decode("ascii", "replace") if found else ""


_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def _object(line: bytes) -> dict[str, Any] | Bad:
    """Return the JSON object in `line`."""
    try:
        text = line.decode()
        value = encoding.decode(text)
        deep = text.count("[") + text.count("{") > MAX_DEPTH
        if deep or _SURROGATE.search(text):
            value = whole_characters(value)
    except UnicodeDecodeError as error:
        return Bad("not_utf8", f"byte {error.start}: {error.reason}")
    except RecursionError:
        return Bad("too_deep", f"more than {MAX_DEPTH} lists and objects in one another")
    except InvalidInput as error:
        return Bad("not_json", f"expected {error.expected}"[:MAX_ID])
    if not isinstance(value, dict):
        return Bad("not_an_object", f"expected a JSON object, got {type(value).__name__}")
    return value
