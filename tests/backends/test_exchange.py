"""Where a running function and the world meet."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.backends.backend import PermissionAnswer, Query, ToolResult
from beam.backends.effects import AskPermission, Deliver, Effect, RunTool
from beam.backends.exchange import Exchange, Room
from beam.backends.function_answer import failed
from beam.backends.open_query import MAX_OPEN
from beam.errors import Interrupted, InvalidInput, QueueFull
from beam.model.messages import Message
from beam.model.permissions import Allow
from beam.otp import Future

HELLO = Message("text", "hello")
END = failed("q-1", "over", timestamp=5)


def exchange(size: int | None = None) -> tuple[Exchange, list[Effect]]:
    said: list[Effect] = []
    room = Room(size) if size is not None else None
    return Exchange(Query("q-1", "go"), "session_1", said.append, room, None), said


@given(st.integers(-3, 3), st.lists(st.sampled_from(["take", "give", "give up"]), max_size=30))
def test_no_more_places_are_taken_than_there_are_and_none_is_lost(
    size: int, steps: list[str]
) -> None:
    room, taken, given_back = Room(size), 0, 0
    waiting: list[Future[None]] = []
    for step in steps:
        match step:
            case "take":
                future = room.take()
                taken += future is None
                waiting += [] if future is None else [future]
            case "give":
                room.give(1)
                given_back += 1
            case "give up" if waiting:
                waiting.pop(0).settle(Interrupted(), failed=True)
        taken += sum(each.done for each in waiting)
        waiting = [each for each in waiting if not each.done]
        assert taken <= max(0, size + given_back)
        assert not waiting or taken >= size + given_back


def test_places_are_given_in_the_order_in_which_they_were_asked_for() -> None:
    room = Room(0)
    futures = [room.take() for _ in range(3)]
    room.give(2)
    assert [each is not None and each.done for each in futures] == [True, True, False]


def test_what_is_asked_takes_the_places_of_all_that_will_be_said_of_it() -> None:
    talk, said = exchange(4)
    talk.run_tool("read", {})
    talk.ask("write", {}, {})
    assert [type(each) for each in said] == [RunTool, AskPermission]
    assert talk.place() is None
    assert talk.place() is not None


def test_answers_find_who_waits_for_them() -> None:
    talk, said = exchange()
    tool, leave = talk.run_tool("read", {"path": "a"}), talk.ask("write", {}, {})
    call, request = said
    assert isinstance(call, RunTool)
    assert isinstance(request, AskPermission)
    result = ToolResult("q-1", call.tool_use_id, "text")
    talk.decided(PermissionAnswer("q-1", request.request_id, Allow()))
    talk.tool_answered(result)
    talk.tool_answered(ToolResult("q-1", call.tool_use_id, "again"))
    assert (tool.get(), leave.get()) == (result, Allow())


def test_too_many_questions_are_refused() -> None:
    talk, said = exchange()
    for _ in range(MAX_OPEN):
        talk.run_tool("read", {})
    with pytest.raises(QueueFull):
        talk.run_tool("read", {})
    assert len(said) == MAX_OPEN


@pytest.mark.parametrize("given_input", [{"file": object()}, {1: 2}])
def test_input_that_is_no_data_is_refused(given_input: dict[Any, Any]) -> None:
    talk, said = exchange()
    with pytest.raises(InvalidInput):
        talk.run_tool("read", given_input)
    assert said == []


def test_an_interrupt_ends_every_wait_and_silences_the_function() -> None:
    talk, said = exchange(0)
    told: list[str] = []
    waits: list[Any] = [talk.place(), talk.run_tool("read", {}), talk.ask("write", {}, {})]
    talk.on_interrupt(lambda: told.append("early"))
    talk.interrupt()
    talk.interrupt()
    talk.on_interrupt(lambda: told.append("late"))
    for wait in waits:
        with pytest.raises(Interrupted):
            wait.get()
    for ask in (talk.place, lambda: talk.run_tool("read", {}), lambda: talk.ask("write", {}, {})):
        with pytest.raises(Interrupted):
            ask()
    talk.deliver(HELLO)
    assert not talk.end(END)
    assert [type(each) for each in said] == [RunTool, AskPermission]
    assert told == ["early", "late"]


def test_only_the_first_end_is_said_and_nothing_after_it() -> None:
    talk, said = exchange()
    talk.deliver(HELLO)
    assert talk.end(END)
    assert not talk.end(END)
    talk.deliver(HELLO)
    assert said == [Deliver("q-1", HELLO), END]
