"""The edge where agents' messages come in: any decoded JSON object becomes a `Message`.

    >>> message = normalize({"type": "result", "result": "Done.", "num_turns": 2}, timestamp=5)
    >>> message.type, message.content, message.num_turns, message.timestamp
    ('result', 'Done.', 2, 5)
    >>> normalize({"type": "hologram", "depth": 3}, timestamp=5).type
    'raw'

`normalize` never raises: an agent cannot crash its session with what it sends. An object of no or
of an unknown type becomes a `raw` message; so does one whose essential fields are malformed (a
tool's input that is no object, a content that is neither text nor a list of blocks), for a message
that only seems to be what it says is worse than one that says that it is not understood. A field
that is not essential is left out if it is malformed. A result and an error have no essential
field: they end a run, and must not get lost over a detail. Null is the same as absent.

Whatever happens, the object is kept whole in `raw`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from beam.errors import InvalidInput
from beam.model.blocks import parse_blocks, text_of
from beam.model.encoding import encode
from beam.model.messages import MESSAGE_TYPES, Message, message_class

__all__ = ["normalize"]

_CONTENT_NAMES: Mapping[str, tuple[str, ...]] = {
    "result": ("result", "content"),
    "thinking": ("thinking", "content"),
}

_ENDINGS = frozenset({"result", "error"})

_KNOWN = frozenset(MESSAGE_TYPES)

_SYSTEM_INFO: Mapping[str, str] = {
    "permissionMode": "permission_mode",
    **{
        name: name
        for name in (
            "tools", "model", "mcp_servers", "slash_commands", "skills", "plugins", "agents",
            "permission_mode", "claude_code_version", "cwd", "api_key_source", "betas",
            "output_style", "fast_mode_state",
        )
    },
}  # fmt: skip


def normalize(wire: object, *, timestamp: int) -> Message:
    """Return the message that an agent's decoded JSON object stands for.

    Args:
        wire: an object, as `beam.model.encoding.decode` gives it; it is kept in the message, not
            copied. Anything else becomes a raw message that holds it under `value`.
        timestamp: now, Unix milliseconds. The agent's own clock is not trusted.
    """
    if not isinstance(wire, Mapping):
        return Message("raw", timestamp=timestamp, raw={"value": wire})
    kind = wire.get("type")
    if not isinstance(kind, str) or kind not in _KNOWN:
        return Message("raw", timestamp=timestamp, raw=wire)
    try:
        known = _known_fields(kind, wire)
        return message_class(kind)(timestamp=timestamp, raw=wire, **known)
    except InvalidInput:
        return Message("raw", timestamp=timestamp, raw=wire)


def _known_fields(kind: str, wire: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in wire.items() if value is not None}
    if kind == "assistant":
        given = _whole_assistant(given)
    elif kind == "rate_limit_event":
        given = {**_object(given, "rate_limit_info"), **given}
    elif kind == "system" and given.get("subtype") == "init":
        given["system_info"] = {
            name: given[wired] for wired, name in _SYSTEM_INFO.items() if wired in given
        }
    # Only where an agent's messages are read: the shapes bring pydantic.
    from beam.model.wire_shapes import checked  # noqa: PLC0415

    return {"type": kind, **checked(kind, given), **_content(kind, given)}


def _whole_assistant(given: dict[str, Any]) -> dict[str, Any]:
    """Bring what the nested message says up to where the other types have it."""
    nested = _object(given, "message")
    inner = ("id", "model", "usage", "stop_reason", "content")
    return {**{name: nested[name] for name in inner if nested.get(name) is not None}, **given}


def _content(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    names = _CONTENT_NAMES.get(kind, ("content",))
    content = next((given[name] for name in names if name in given), None)
    if content is None and kind == "user":
        content = _object(given, "message").get("content")
    if content is None or isinstance(content, str):
        return {"content": content or ""}
    if isinstance(content, list):
        blocks = parse_blocks(content)
        return {"content": text_of(blocks), "content_blocks": blocks}
    if kind in _ENDINGS:
        return {"content": _json_text(content)}
    raise InvalidInput("content", type(content).__name__, "text or a list of blocks")


def _json_text(content: object) -> str:
    try:
        return encode(content)
    except InvalidInput:
        return ""


def _object(given: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = given.get(name)
    return value if isinstance(value, Mapping) else {}
