"""Content blocks: the pieces that an assistant's message is made of.

    >>> blocks = parse_blocks([{"type": "text", "text": "Hello"}, {"type": "hologram", "depth": 3}])
    >>> blocks[0]
    TextBlock(text='Hello', extra=None)
    >>> blocks[1]
    RawBlock(raw={'type': 'hologram', 'depth': 3})
    >>> [block_to_wire(block) for block in blocks]
    [{'type': 'text', 'text': 'Hello'}, {'type': 'hologram', 'depth': 3}]

Nothing of a block is lost between the wire and back: keys that a block does not know are kept in
`extra` (a model's signature under its thinking, a citation), and what is no block that we know,
or is malformed, is a `RawBlock`. Blocks are frozen; the mappings in them are shared with whoever
made them and must not be changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

__all__ = [
    "Block",
    "RawBlock",
    "TextBlock",
    "ThinkingBlock",
    "ToolResultBlock",
    "ToolUseBlock",
    "block_to_wire",
    "parse_blocks",
    "text_of",
]

Extra = Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class TextBlock:
    """Text for the reader."""

    type: ClassVar[Literal["text"]] = "text"
    text: str
    extra: Extra = None


@dataclass(frozen=True, slots=True)
class ThinkingBlock:
    """What the model thought before it spoke."""

    type: ClassVar[Literal["thinking"]] = "thinking"
    thinking: str
    extra: Extra = None


@dataclass(frozen=True, slots=True)
class ToolUseBlock:
    """The model asks for a tool; `id` is what the result will refer to."""

    type: ClassVar[Literal["tool_use"]] = "tool_use"
    id: str
    name: str
    input: Mapping[str, Any]
    extra: Extra = None


@dataclass(frozen=True, slots=True)
class ToolResultBlock:
    """What a tool gave back: text, or blocks where the tool gave blocks."""

    type: ClassVar[Literal["tool_result"]] = "tool_result"
    tool_use_id: str
    content: str | tuple[Block, ...] = ""
    is_error: bool | None = None
    extra: Extra = None


@dataclass(frozen=True, slots=True)
class RawBlock:
    """Something in a list of blocks that is none of the others, as it came."""

    type: ClassVar[Literal["raw"]] = "raw"
    raw: Any


Block = TextBlock | ThinkingBlock | ToolUseBlock | ToolResultBlock | RawBlock
"""One piece of a message."""

_Parser = Callable[[Mapping[str, Any]], Block | None]


def parse_blocks(content: object) -> tuple[Block, ...]:
    """Return the blocks of a wire message's content; none if it is not a list. Never raises.

    A tool's result inside of a tool's result is kept raw, so blocks are nested two deep at most.
    """
    if not isinstance(content, list | tuple):
        return ()
    return tuple(_parse(entry, _PARSERS) for entry in content)


def block_to_wire(block: Block) -> Any:
    """Return the wire form of a block, such that `parse_blocks` gives the block again.

    One exception: a raw block made by hand of a well-formed block comes back as that block.
    """
    match block:
        case TextBlock():
            wire: dict[str, Any] = {"type": "text", "text": block.text}
        case ThinkingBlock():
            wire = {"type": "thinking", "thinking": block.thinking}
        case ToolUseBlock():
            wire = {"type": "tool_use", "id": block.id, "name": block.name, "input": block.input}
        case ToolResultBlock():
            wire = {"type": "tool_result", "tool_use_id": block.tool_use_id}
            wire["content"] = (
                block.content
                if isinstance(block.content, str)
                else [block_to_wire(part) for part in block.content]
            )
            if block.is_error is not None:
                wire["is_error"] = block.is_error
        case RawBlock():
            return block.raw
    return {**block.extra, **wire} if block.extra else wire


def text_of(blocks: Iterable[Block]) -> str:
    """Return what the text blocks say, one after the other."""
    return "".join(block.text for block in blocks if isinstance(block, TextBlock))


def _parse(entry: object, parsers: Mapping[str, _Parser]) -> Block:
    if isinstance(entry, Mapping):
        kind = entry.get("type")
        parse = parsers.get(kind) if isinstance(kind, str) else None
        block = parse(entry) if parse else None
        if block is not None:
            return block
    return RawBlock(entry)


def _parse_text(wire: Mapping[str, Any]) -> Block | None:
    text = wire.get("text")
    return TextBlock(text, _extra(wire, "text")) if isinstance(text, str) else None


def _parse_thinking(wire: Mapping[str, Any]) -> Block | None:
    thinking = wire.get("thinking")
    if not isinstance(thinking, str):
        return None
    return ThinkingBlock(thinking, _extra(wire, "thinking"))


def _parse_tool_use(wire: Mapping[str, Any]) -> Block | None:
    match wire:
        case {"id": str() as use_id, "name": str() as name, "input": Mapping() as arguments}:
            return ToolUseBlock(use_id, name, arguments, _extra(wire, "id", "name", "input"))
    return None


def _parse_tool_result(wire: Mapping[str, Any]) -> Block | None:
    use_id, content, is_error = wire.get("tool_use_id"), wire.get("content"), wire.get("is_error")
    if not isinstance(use_id, str) or not isinstance(content, str | list):
        return None
    if not isinstance(is_error, bool | None):
        return None
    parsed = (
        content
        if isinstance(content, str)
        else tuple(_parse(entry, _INNER_PARSERS) for entry in content)
    )
    return ToolResultBlock(
        use_id, parsed, is_error, _extra(wire, "tool_use_id", "content", "is_error")
    )


def _extra(wire: Mapping[str, Any], *known: str) -> Extra:
    return {key: value for key, value in wire.items() if key != "type" and key not in known} or None


_INNER_PARSERS: Mapping[str, _Parser] = {
    "text": _parse_text,
    "thinking": _parse_thinking,
    "tool_use": _parse_tool_use,
}

_PARSERS: Mapping[str, _Parser] = {**_INNER_PARSERS, "tool_result": _parse_tool_result}
