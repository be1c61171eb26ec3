"""What a function says, as what a session hears."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from beam.backends.agent_lines import Decoded, decode
from beam.backends.effects import AskPermission, Completed, Deliver, Effect, Failed, RunTool
from beam.backends.function_answer import answered, failed, streamed
from beam.backends.function_lines import line_of
from beam.errors import InvalidInput
from beam.model.message_record import to_wire
from beam.model.messages import (
    AssistantMessage,
    ErrorMessage,
    Message,
    ResultMessage,
    ToolMessage,
)
from tests.model.strategies import messages
from tests.names import shown


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("hello", Message("text", "hello", timestamp=5)),
        ({"type": "thinking", "content": "hm"}, None),
        (Message("thinking", "hm"), Message("thinking", "hm", timestamp=5)),
        (Message("thinking", "hm", timestamp=3), Message("thinking", "hm", timestamp=3)),
        ([1, 2], Message("text", "[1,2]", timestamp=5)),
        (None, Message("text", "null", timestamp=5)),
    ],
    ids=shown,
)
def test_what_is_yielded_is_a_message(value: Any, message: Message | None) -> None:
    said = streamed(value, timestamp=5)
    if message is not None:
        assert said == message
    else:
        assert (said.type, said.content, said.raw) == ("thinking", "hm", value)


def test_a_mapping_that_is_used_again_does_not_change_what_was_said() -> None:
    mine = {"type": "text", "content": "one"}
    said = streamed(mine, timestamp=5)
    mine["content"] = "two"
    assert said.raw == {"type": "text", "content": "one"}


@pytest.mark.parametrize(
    "value",
    [object(), {"type": "text", "file": object()}, {1: 2}, float("nan"), ToolMessage("tool_use")],
    ids=["object", "inside", "key", "nan", "message"],
)
def test_what_the_log_could_not_keep_is_refused(value: Any) -> None:
    if isinstance(value, ToolMessage):
        value = ToolMessage("tool_use", tool_input={"file": object()})
    with pytest.raises(InvalidInput):
        streamed(value, timestamp=5)


@pytest.mark.parametrize(
    ("value", "content", "structured"),
    [
        ("done", "done", None),
        (None, "", None),
        (3, "3", 3),
        ((1, {"b": 2, "a": 1}), '[1,{"a":1,"b":2}]', [1, {"a": 1, "b": 2}]),
        (False, "false", False),
        (Message("text", "as a message"), "as a message", None),
    ],
    ids=shown,
)
def test_what_is_returned_is_the_answer(value: Any, content: str, structured: Any) -> None:
    done = answered("q-1", value, timestamp=5)
    assert isinstance(done, Completed)
    assert isinstance(done.message, ResultMessage)
    assert (done.message.content, done.message.structured_output) == (content, structured)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (ErrorMessage(content="no", error_type="overloaded"), "overloaded"),
        (ErrorMessage(content="no"), "agent_error"),
        (ResultMessage(content="no", is_error=True), "agent_error"),
    ],
)
def test_a_message_that_says_so_is_a_failure(message: Message, reason: str) -> None:
    end = answered("q-1", message, timestamp=5)
    assert isinstance(end, Failed)
    assert (end.reason, end.message.content) == (reason, "no")


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("bad"), "ValueError: bad"),
        (ValueError(), "ValueError"),
        (SystemExit(3), "SystemExit: 3"),
        (Mute(), "Mute: (its text raised RuntimeError)"),
        (ValueError("token=abcdefgh"), "ValueError: token=redacted"),
    ],
)
def test_a_failure_says_what_was_raised(error: BaseException, words: str) -> None:
    end = failed("q-1", error, timestamp=5)
    assert (end.reason, end.message.content, end.retryable) == ("backend_error", words, False)


@given(messages())
def test_every_message_has_a_line_that_does_not_break_the_protocol(message: Message) -> None:
    line = line_of(Deliver("q-1", message))
    assert isinstance(decode(json.dumps(line).encode()), Decoded)


@pytest.mark.parametrize(
    ("effect", "kind"),
    [
        (RunTool("q-1", "t1", "read", {"path": "a"}), "tool_use"),
        (AskPermission("q-1", "p1", "read", {"path": "a"}, {"title": "?"}), "permission_request"),
        (answered("q-1", [1], timestamp=5), "result"),
        (failed("q-1", "no", timestamp=5), "error"),
    ],
)
def test_every_effect_has_a_line_that_says_it(effect: Effect, kind: str) -> None:
    line = line_of(effect)
    assert line["type"] == kind
    assert isinstance(decode(json.dumps(line).encode()), Decoded)


def test_an_assistant_s_blocks_survive_the_line() -> None:
    wire = {"type": "assistant", "content": [{"type": "text", "text": "hi"}]}
    message = streamed(wire, timestamp=5)
    assert isinstance(message, AssistantMessage)
    whole = AssistantMessage(content="hi", content_blocks=message.content_blocks)
    for each in (message, whole):
        line = line_of(Deliver("q-1", each))
        again = streamed({name: line[name] for name in ("type", "content")}, timestamp=5)
        assert again.content_blocks == message.content_blocks
    assert "content" not in to_wire(whole)
