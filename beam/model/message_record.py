"""Messages in the log: JSON data that says all of a message and nothing twice.

    >>> record = to_wire(Message("text", "Hello", timestamp=5))
    >>> record
    {'type': 'text', 'timestamp': 5, 'content': 'Hello'}
    >>> from_wire(record)
    Message(type='text', content='Hello', timestamp=5)

`from_wire(to_wire(message)) == message` for every message whose mappings hold JSON data. Fields at
their defaults are left out, and so is a content that its blocks say already.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from beam.errors import InvalidInput
from beam.model.blocks import block_to_wire, parse_blocks, text_of
from beam.model.messages import Message, message_class
from beam.model.records import from_record, to_record

__all__ = ["from_wire", "to_wire"]


def to_wire(message: Message) -> dict[str, Any]:
    """Return the message as JSON data; its mappings are shared, not copied."""
    record = {"type": message.type, "timestamp": message.timestamp, **to_record(message)}
    if message.content_blocks:
        record["content_blocks"] = [block_to_wire(block) for block in message.content_blocks]
        if message.content == text_of(message.content_blocks):
            record.pop("content", None)
        else:
            record["content"] = message.content
    return record


def from_wire(record: Mapping[str, Any]) -> Message:
    """Return the message that `to_wire` made the record of.

    This reads what we wrote ourselves. What an agent sends goes to `beam.model.wire.normalize`.

    Raises:
        InvalidInput: the record is not of a message; `field` names what is wrong.
    """
    if not isinstance(record, Mapping):
        raise InvalidInput("message", type(record).__name__, "an object")
    if not isinstance(record.get("type"), str):
        raise InvalidInput("type", record.get("type"), "the type of a message")
    complete = dict(record)
    wire_blocks = complete.get("content_blocks")
    if isinstance(wire_blocks, list):
        blocks = parse_blocks(wire_blocks)
        complete["content_blocks"] = blocks
        complete.setdefault("content", text_of(blocks))
    return from_record(message_class(record["type"]), complete)
