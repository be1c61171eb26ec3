"""`beam.model.blocks`: content blocks between the wire and us."""

from typing import Any

import pytest
from hypothesis import given

from beam.model.blocks import (
    Block,
    RawBlock,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
    block_to_wire,
    parse_blocks,
    text_of,
)
from beam.model.encoding import decode, encode
from tests.model.strategies import block_lists, json_values
from tests.names import shown

KNOWN: list[tuple[dict[str, Any], Block]] = [
    ({"type": "text", "text": "a"}, TextBlock("a")),
    ({"type": "thinking", "thinking": "b"}, ThinkingBlock("b")),
    (
        {"type": "tool_use", "id": "t1", "name": "read", "input": {"path": "a.py"}},
        ToolUseBlock("t1", "read", {"path": "a.py"}),
    ),
    (
        {"type": "tool_result", "tool_use_id": "t1", "content": "c"},
        ToolResultBlock("t1", "c"),
    ),
    (
        {
            "type": "tool_result",
            "tool_use_id": "t1",
            "content": [{"type": "text", "text": "d"}],
            "is_error": True,
        },
        ToolResultBlock("t1", (TextBlock("d"),), is_error=True),
    ),
    (
        {"type": "thinking", "thinking": "b", "signature": "s"},
        ThinkingBlock("b", {"signature": "s"}),
    ),
]


@pytest.mark.parametrize(("wire", "block"), KNOWN)
def test_a_known_block_is_parsed_and_written_back(wire: dict[str, Any], block: Block) -> None:
    assert parse_blocks([wire]) == (block,)
    assert block_to_wire(block) == wire


@pytest.mark.parametrize(
    "entry",
    [
        {"type": "hologram"},
        {"text": "no type"},
        {"type": ["text"], "text": "a"},
        {"type": "text"},
        {"type": "text", "text": 5},
        {"type": "thinking", "thinking": None},
        {"type": "tool_use", "id": "t", "name": "n"},
        {"type": "tool_use", "id": 1, "name": "n", "input": {}},
        {"type": "tool_use", "id": "t", "name": "n", "input": "{}"},
        {"type": "tool_result", "tool_use_id": "t", "content": 5},
        {"type": "tool_result", "content": "c"},
        {"type": "tool_result", "tool_use_id": "t", "content": "c", "is_error": "no"},
        "text",
        5,
        None,
        ["text"],
    ],
    ids=shown,
)
def test_what_is_no_known_block_is_kept_raw(entry: object) -> None:
    assert parse_blocks([entry]) == (RawBlock(entry),)
    assert block_to_wire(RawBlock(entry)) == entry


def test_a_tools_result_in_a_tools_result_is_kept_raw() -> None:
    inner = {"type": "tool_result", "tool_use_id": "t2", "content": "a"}
    wire = {"type": "tool_result", "tool_use_id": "t1", "content": [inner]}
    assert parse_blocks([wire]) == (ToolResultBlock("t1", (RawBlock(inner),)),)
    assert block_to_wire(parse_blocks([wire])[0]) == wire


@pytest.mark.parametrize("content", [None, "text", 5, {"type": "text", "text": "a"}], ids=shown)
def test_content_that_is_no_list_has_no_blocks(content: object) -> None:
    assert parse_blocks(content) == ()


@given(block_lists)
def test_blocks_come_back_from_the_wire_as_they_were(blocks: tuple[Block, ...]) -> None:
    wire = decode(encode([block_to_wire(block) for block in blocks]))
    assert parse_blocks(wire) == blocks


@given(json_values)
def test_any_content_can_be_parsed(content: Any) -> None:
    assert isinstance(parse_blocks(content), tuple)


def test_the_text_of_blocks_is_that_of_the_text_blocks() -> None:
    blocks = (TextBlock("a"), ThinkingBlock("hm"), RawBlock("x"), TextBlock("b"))
    assert text_of(blocks) == "ab"
