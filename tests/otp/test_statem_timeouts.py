"""The time-outs of a state machine, on each clock."""

from __future__ import annotations

from typing import Any

import pytest

from beam.errors import InvalidInput
from beam.otp import (
    Cast,
    EventTimeout,
    Internal,
    StateTimeout,
    Timeout,
    event_timeout,
    goto,
    next_event,
    state_timeout,
    stay,
    timeout,
)
from tests.otp.machines import Recorder, Told, crash_of, stays

pytestmark = pytest.mark.usefixtures("node")


@pytest.fixture
def told() -> Told:
    return Told()


# Time-outs


def test_a_state_time_out_comes_in_its_state_and_not_in_another(told: Told) -> None:
    def handle(machine: Any, event: Any, state: Any) -> Any:
        match event:
            case Cast("go"):
                return goto("b", state_timeout(0.01, "in b"))

    first = goto("a", state_timeout(0.005, "in a"), timeout("end", 0.2))
    machine = Recorder.start(told, lambda *_: None, first)
    assert told.next() == ("a", StateTimeout("in a"))
    machine.stop()
    told.everything()

    machine = Recorder.start(told, handle, goto("a", state_timeout(0.05, "in a")))
    machine.cast("go")
    assert told.next() == ("a", ("cast", "go"))
    assert told.next() == ("b", StateTimeout("in b"))


def test_any_event_cancels_the_event_time_out(told: Told) -> None:
    def handle(machine: Any, event: Any, state: Any) -> Any:
        match event:
            case Cast("set"):
                return stay(event_timeout(0.01, "idle"))
            case Cast("both"):
                return stay(event_timeout(0.01, "idle"), timeout("end", 0.05))

    machine = Recorder.start(told, handle)
    machine.cast("set")
    assert [told.next(), told.next()] == [("a", ("cast", "set")), ("a", EventTimeout("idle"))]
    machine.cast("both")
    machine.cast("x")
    assert [told.next() for _ in range(3)] == [
        ("a", ("cast", "both")),
        ("a", ("cast", "x")),
        ("a", Timeout("end")),
    ]


def test_a_named_time_out_survives_events_and_changes_of_state_and_is_cancelled_by_name(
    told: Told,
) -> None:
    def handle(machine: Any, event: Any, state: Any) -> Any:
        match event:
            case Cast("go"):
                return goto("b")
            case Cast("cancel"):
                return stay(timeout.cancel("one"), timeout.update("two", "changed"))

    first = goto("a", timeout("one", 0.01), timeout("two", 0.05, "set"))
    machine = Recorder.start(told, handle, first)
    machine.cast("cancel")
    machine.cast("go")
    assert [told.next() for _ in range(3)] == [
        ("a", ("cast", "cancel")),
        ("a", ("cast", "go")),
        ("b", Timeout("two", "changed")),
    ]


def test_a_time_out_of_zero_seconds_comes_before_messages_that_wait(told: Told) -> None:
    def handle(machine: Any, event: Any, state: Any) -> Any:
        match event:
            case Cast("first"):
                machine.actor_ref.cast("waits")
                return stay(state_timeout(0, "due"), next_event(Internal("inserted")))

    Recorder.start(told, handle).cast("first")
    assert [told.next()[1] for _ in range(4)] == [
        ("cast", "first"),
        Internal("inserted"),
        StateTimeout("due"),
        ("cast", "waits"),
    ]


def test_a_time_out_that_was_updated_when_it_did_not_run_comes_at_once(told: Told) -> None:
    Recorder.start(told, stays, goto("a", timeout.update("t", "now")))
    assert told.next() == ("a", Timeout("t", "now"))


def test_a_bad_number_of_seconds_crashes_the_machine_where_it_is_written(told: Told) -> None:
    machine = Recorder.start(told, lambda *_: stay(state_timeout(-1)))
    machine.cast("x")
    error = crash_of(machine)
    assert isinstance(error, InvalidInput)
    assert error.field == "seconds"
