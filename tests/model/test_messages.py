"""`beam.model.messages`: the message record."""

import pickle
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.errors import InvalidInput
from beam.model.messages import (
    MESSAGE_TYPES,
    AssistantMessage,
    ErrorMessage,
    Message,
    ResultMessage,
    ToolMessage,
    is_terminal,
    message_class,
    stamp,
)
from tests.model.strategies import messages


def test_there_are_nineteen_types() -> None:
    assert len(set(MESSAGE_TYPES)) == 19


@pytest.mark.parametrize("kind", MESSAGE_TYPES)
def test_every_type_has_a_class_that_takes_only_its_own_types(kind: str) -> None:
    shape = message_class(kind)
    assert shape(kind).type == kind  # type: ignore[arg-type] # drawn from the types
    wrong = next(name for name in MESSAGE_TYPES if message_class(name) is not shape)
    with pytest.raises(InvalidInput) as refused:
        shape(wrong)
    assert refused.value.field == "type"


def test_an_unknown_type_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match="prompt_suggestion"):
        Message("txt")  # type: ignore[arg-type] # what is tested
    with pytest.raises(InvalidInput, match="prompt_suggestion"):
        message_class("txt")


def test_a_content_that_is_not_text_is_refused() -> None:
    with pytest.raises(InvalidInput, match="content"):
        Message("text", 5)  # type: ignore[arg-type] # what is tested


def test_a_message_cannot_be_changed() -> None:
    message = Message("text", "a")
    with pytest.raises(FrozenInstanceError):
        message.content = "b"  # type: ignore[misc] # what is tested


@given(messages())
def test_a_message_can_be_sent_to_another_process(message: Message) -> None:
    assert pickle.loads(pickle.dumps(message)) == message


def test_a_match_finds_a_message_by_its_class() -> None:
    match ToolMessage("tool_use", tool_name="read", tool_input={"path": "a.py"}):
        case ToolMessage(type="tool_use", tool_name=name, tool_input={"path": path}):
            assert (name, path) == ("read", "a.py")


def test_a_message_shows_what_it_says_and_not_what_was_on_the_wire() -> None:
    message = Message("text", "a", timestamp=5, raw={"token": "secret"})
    assert repr(message) == "Message(type='text', content='a', timestamp=5)"


@pytest.mark.parametrize("kind", sorted(set(MESSAGE_TYPES) - {"result", "error"}))
def test_a_query_goes_on_after_any_message_but_a_result_or_an_error(kind: str) -> None:
    assert not is_terminal(message_class(kind)(kind))  # type: ignore[arg-type] # as above


@pytest.mark.parametrize("is_error", [None, True, False])
def test_a_result_ends_its_query(is_error: bool | None) -> None:
    assert is_terminal(ResultMessage(is_error=is_error))


@pytest.mark.parametrize(("is_error", "ends"), [(None, True), (True, True), (False, False)])
def test_an_error_ends_its_query_unless_it_says_otherwise(
    is_error: bool | None, ends: bool
) -> None:
    assert is_terminal(ErrorMessage(is_error=is_error)) is ends


@pytest.mark.parametrize(
    ("word", "kind"),
    [(None, None), ("end_turn", "end_turn"), ("tool_use", "tool_use_stop"), ("?", "unknown_stop")],
)
def test_the_stop_reason_is_also_given_in_the_closed_set(
    word: str | None, kind: str | None
) -> None:
    assert ResultMessage(stop_reason=word).stop_reason_kind == kind
    assert AssistantMessage(stop_reason=word).stop_reason_kind == kind


@given(messages(), st.integers(1, 2**50))
def test_a_stamp_fills_in_only_what_is_missing(message: Message, now: int) -> None:
    stamped = stamp(message, timestamp=now, session_id="session_1")
    assert stamped.timestamp == (message.timestamp or now)
    assert stamped.session_id == (message.session_id or "session_1")
    assert stamp(stamped, timestamp=now + 1, session_id="session_2") is stamped
