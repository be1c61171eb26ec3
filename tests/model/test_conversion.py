"""`beam.model.conversion`: whole messages and their pieces."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from beam.model.blocks import (
    Block,
    RawBlock,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
)
from beam.model.conversion import (
    block_to_message,
    flatten_assistant,
    message_to_block,
    messages_to_blocks,
    normalize_messages,
)
from beam.model.message_record import to_wire
from beam.model.messages import AssistantMessage, Message, ResultMessage, ToolMessage
from beam.model.wire import normalize
from tests.model.strategies import block_lists, blocks, messages

ASSISTANTS = messages(types=("assistant",))


@given(blocks)
def test_a_block_becomes_a_message_and_the_same_block_again(block: Block) -> None:
    message = block_to_message(block, timestamp=5)
    assert message.type == block.type
    assert message.timestamp == 5
    assert message_to_block(message) == block


@given(block_lists)
def test_an_assistants_blocks_come_back_through_flat_messages(parts: tuple[Block, ...]) -> None:
    whole = AssistantMessage(content_blocks=parts)
    if parts:
        assert messages_to_blocks([whole]) == parts
        assert messages_to_blocks(flatten_assistant(whole)) == parts


@given(ASSISTANTS)
def test_each_piece_carries_over_what_the_whole_is_known_by(whole: Message) -> None:
    for flat in flatten_assistant(whole):
        for name in ("uuid", "session_id", "model", "timestamp", "message_id", "thread_id"):
            assert getattr(flat, name) == getattr(whole, name)


def test_an_assistant_without_blocks_is_its_own_only_piece() -> None:
    whole = AssistantMessage(content="a")
    assert flatten_assistant(whole) == (whole,)


@given(messages())
def test_a_message_that_is_no_assistants_is_its_own_only_piece(message: Message) -> None:
    if message.type != "assistant":
        assert flatten_assistant(message) == (message,)


@given(st.lists(messages(), max_size=4))
def test_flattening_twice_is_flattening_once(mixed: list[Message]) -> None:
    flat = normalize_messages(mixed)
    assert normalize_messages(flat) == flat


def test_a_mixed_list_is_flattened_in_its_order() -> None:
    whole = AssistantMessage(content_blocks=(TextBlock("a"), ToolUseBlock("t", "read", {})))
    flat = normalize_messages([Message("text", "before"), whole, ResultMessage(content="after")])
    assert [(message.type, message.content) for message in flat] == [
        ("text", "before"),
        ("text", "a"),
        ("tool_use", ""),
        ("result", "after"),
    ]


def test_flat_messages_made_by_hand_have_blocks() -> None:
    assert message_to_block(Message("text", "a")) == TextBlock("a")
    assert message_to_block(Message("thinking", "a")) == ThinkingBlock("a")
    use = ToolMessage("tool_use", tool_use_id="t", tool_name="read", tool_input={"a": 1})
    assert message_to_block(use) == ToolUseBlock("t", "read", {"a": 1})
    result = ToolMessage("tool_result", "c", tool_use_id="t", is_error=True)
    assert message_to_block(result) == ToolResultBlock("t", "c", is_error=True)


def test_a_tool_result_from_the_wire_keeps_its_blocks() -> None:
    wire = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "a"}]}
    message = normalize(wire, timestamp=5)
    assert message_to_block(message) == ToolResultBlock("t", (TextBlock("a"),))


@given(messages(types=("system", "result", "error", "user", "rate_limit_event", "auth_status")))
def test_a_message_that_is_no_block_becomes_a_raw_one_with_all_of_it(message: Message) -> None:
    assert message_to_block(message) == RawBlock(to_wire(message))


def test_a_raw_message_becomes_a_block_of_what_was_on_the_wire() -> None:
    wire: dict[str, Any] = {"type": "hologram"}
    assert message_to_block(normalize(wire, timestamp=5)) == RawBlock(wire)


def test_a_tool_use_without_an_id_is_no_block() -> None:
    message = ToolMessage("tool_use", tool_name="read")
    assert message_to_block(message) == RawBlock(to_wire(message))
