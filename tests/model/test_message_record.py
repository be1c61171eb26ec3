"""`beam.model.message_record`: messages in the log."""

from typing import Any

import pytest
from hypothesis import given

from beam.errors import InvalidInput
from beam.model.blocks import TextBlock
from beam.model.encoding import decode, encode
from beam.model.message_record import from_wire, to_wire
from beam.model.messages import AssistantMessage, Message
from tests.model.strategies import messages
from tests.names import shown


@given(messages())
def test_a_message_comes_back_from_the_log_as_it_was(message: Message) -> None:
    assert from_wire(decode(encode(to_wire(message)))) == message


def test_fields_at_their_defaults_are_left_out() -> None:
    assert to_wire(Message("thinking", "hm")) == {
        "type": "thinking",
        "timestamp": 0,
        "content": "hm",
    }


def test_a_content_that_the_blocks_say_is_not_written_twice() -> None:
    whole = AssistantMessage(content="ab", content_blocks=(TextBlock("a"), TextBlock("b")))
    assert "content" not in to_wire(whole)
    assert from_wire(to_wire(whole)) == whole


def test_a_content_that_differs_from_its_blocks_is_written() -> None:
    whole = AssistantMessage(content_blocks=(TextBlock("a"),))
    assert to_wire(whole)["content"] == ""
    assert from_wire(to_wire(whole)) == whole


@pytest.mark.parametrize(
    ("record", "field"),
    [
        ([], "message"),
        ({}, "type"),
        ({"type": 5}, "type"),
        ({"type": "txt"}, "type"),
        ({"type": "text", "content": 5}, "Message.content"),
        ({"type": "text", "timestamp": "now"}, "Message.timestamp"),
        ({"type": "text", "colour": "red"}, "Message"),
        ({"type": "text", "tool_name": "read"}, "Message"),
        ({"type": "assistant", "content_blocks": "none"}, "AssistantMessage.content_blocks"),
        ({"type": "result", "errors": 5}, "ResultMessage.errors"),
    ],
    ids=shown,
)
def test_a_record_that_is_no_message_is_refused_by_its_field(record: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        from_wire(record)
    assert refused.value.field == field


def test_a_refusal_shows_no_secrets() -> None:
    with pytest.raises(InvalidInput) as refused:
        from_wire({"type": "text", "content": {"token": "sk-1"}})
    assert "sk-1" not in str(refused.value)
