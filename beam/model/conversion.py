"""Between whole messages and their pieces: blocks to flat messages, and back.

    >>> from beam.model.blocks import parse_blocks
    >>> from beam.model.messages import AssistantMessage
    >>> whole = AssistantMessage(
    ...     content_blocks=parse_blocks([
    ...         {"type": "text", "text": "Let me look."},
    ...         {"type": "tool_use", "id": "t1", "name": "read", "input": {"path": "a.py"}},
    ...     ]),
    ...     timestamp=5,
    ... )
    >>> [message.type for message in flatten_assistant(whole)]
    ['text', 'tool_use']
    >>> messages_to_blocks([whole]) == whole.content_blocks
    True

Agents report the same thing in two shapes: some send one message with blocks, some a message for
each piece. These functions turn one shape into the other and lose nothing: a block that becomes a
message and a block again is the same block, and a message that is no block becomes a raw one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from beam.model.blocks import (
    Block,
    RawBlock,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
    text_of,
)
from beam.model.message_record import to_wire
from beam.model.messages import Message, ToolMessage

__all__ = [
    "block_to_message",
    "flatten_assistant",
    "message_to_block",
    "messages_to_blocks",
    "normalize_messages",
]

_INHERITED = (
    "timestamp", "session_id", "thread_id", "uuid", "message_id", "model", "parent_tool_use_id",
)  # fmt: skip


def block_to_message(block: Block, *, timestamp: int = 0) -> Message:
    """Return the flat message of one block.

    Args:
        block: any block; a raw one becomes a raw message.
        timestamp: Unix milliseconds; 0 leaves the message to be stamped.
    """
    return _flat(block, {"timestamp": timestamp})


def message_to_block(message: Message) -> Block:
    """Return the block of one flat message.

    A message that has no block of its own kind (a result, an error, a whole assistant message, a
    tool use without an id) becomes a raw block with the message's record in it, and a raw message
    becomes a raw block with what was on the wire.
    """
    match message.content_blocks:
        case (block,) if block.type == message.type:
            return block
    match message:
        case Message(type="text"):
            return TextBlock(message.content)
        case Message(type="thinking"):
            return ThinkingBlock(message.content)
        case ToolMessage(type="tool_use", tool_use_id=str(use_id)):
            return ToolUseBlock(use_id, message.tool_name, message.tool_input)
        case ToolMessage(type="tool_result", tool_use_id=str(use_id)):
            content = message.content_blocks or message.content
            return ToolResultBlock(use_id, content, message.is_error)
        case Message(type="raw") if message.raw is not None:
            return RawBlock(message.raw)
    return RawBlock(to_wire(message))


def flatten_assistant(message: Message) -> tuple[Message, ...]:
    """Return an assistant's message as one message for each block.

    Each has the time, session, thread, model and identifiers of the whole. A message without
    blocks, and one that is no assistant's, is returned as it is.
    """
    if message.type != "assistant" or not message.content_blocks:
        return (message,)
    inherited = {name: getattr(message, name) for name in _INHERITED}
    return tuple(_flat(block, inherited) for block in message.content_blocks)


def normalize_messages(messages: Iterable[Message]) -> tuple[Message, ...]:
    """Return the messages with every assistant's message flattened, in their order."""
    return tuple(flat for message in messages for flat in flatten_assistant(message))


def messages_to_blocks(messages: Iterable[Message]) -> tuple[Block, ...]:
    """Return the blocks of the messages, whole and flat ones mixed, in their order."""
    return tuple(message_to_block(message) for message in normalize_messages(messages))


def _flat(block: Block, inherited: dict[str, Any]) -> Message:
    # The block stays with the message, so that what only the block can say finds its way back.
    known = {**inherited, "content_blocks": (block,)}
    match block:
        case TextBlock():
            return Message("text", block.text, **known)
        case ThinkingBlock():
            return Message("thinking", block.thinking, **known)
        case ToolUseBlock():
            return ToolMessage(
                "tool_use",
                tool_use_id=block.id,
                tool_name=block.name,
                tool_input=block.input,
                **known,
            )
        case ToolResultBlock():
            text = block.content if isinstance(block.content, str) else text_of(block.content)
            return ToolMessage(
                "tool_result",
                text,
                tool_use_id=block.tool_use_id,
                is_error=block.is_error,
                **known,
            )
        case RawBlock():
            raw = block.raw if isinstance(block.raw, dict) else {"value": block.raw}
            return Message("raw", raw=raw, **known)
