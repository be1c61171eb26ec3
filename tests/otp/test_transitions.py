"""What states are told and what they answer, as plain values."""

from __future__ import annotations

import math
import pickle
from typing import Any

import pytest

from beam.errors import BeamError, InvalidInput
from beam.otp import (
    Enter,
    EventTimeout,
    Internal,
    StateTimeout,
    Timeout,
    event_timeout,
    goto,
    next_event,
    postpone,
    repeat,
    reply,
    state_timeout,
    stay,
    stop,
    timeout,
    unhandled,
)
from beam.otp.transitions import KEEP, BadTransition, SetTimeout, UnhandledEvent, timeout_event

CALL: Any = "a call"


def test_a_transition_says_where_to_go_and_what_to_do_on_the_way() -> None:
    moved = goto("open", postpone, reply(CALL, 1))
    assert (moved.kind, moved.state, moved.actions) == ("goto", "open", (postpone, reply(CALL, 1)))
    assert (stay().kind, repeat(postpone).kind) == ("stay", "repeat")
    ended = stop(("shutdown", "tired"), reply(CALL, 2))
    assert (ended.reason, ended.actions) == (("shutdown", "tired"), (reply(CALL, 2),))


def test_a_stop_without_a_reason_is_normal() -> None:
    assert stop().reason == "normal"


def test_transitions_and_events_are_values() -> None:
    assert goto("open", state_timeout(1.0)) == goto("open", state_timeout(1.0))
    assert goto("open") != goto("shut")
    assert Internal("x") == Internal("x") != Internal("y")
    assert pickle.loads(pickle.dumps(Timeout("poll", 3))) == Timeout("poll", 3)


def test_transitions_show_as_they_are_written() -> None:
    shown = repr(goto("open", state_timeout(1.5), event_timeout(0, "idle"), postpone))
    assert shown == "goto('open', state_timeout(1.5), event_timeout(0, 'idle'), postpone)"
    named = repr(stay(timeout("poll", 2), timeout.cancel("poll"), timeout.update("poll", "x")))
    assert named == "stay(timeout('poll', 2), timeout.cancel('poll'), timeout.update('poll', 'x'))"
    assert repr(repeat(next_event(Internal(1)))) == "repeat(next_event(Internal(content=1)))"
    assert repr(stop("boom")) == "stop('boom')"
    assert repr(state_timeout.update(1)) == "state_timeout.update(1)"
    assert repr(unhandled) == "unhandled"


@pytest.mark.parametrize("seconds", [None, math.inf])
def test_a_time_out_that_never_comes_is_one_that_is_cancelled(seconds: float | None) -> None:
    assert state_timeout(seconds, "x").seconds is None
    assert event_timeout(seconds).seconds is None
    assert timeout("poll", seconds).seconds is None
    assert timeout.cancel("poll") == SetTimeout(("timeout", "poll"), None)


@pytest.mark.parametrize("seconds", [-1, -0.001, math.nan, True, "1", [1]])
def test_what_is_no_number_of_seconds_is_refused_by_name(seconds: Any) -> None:
    for start in (state_timeout, event_timeout, lambda value: timeout("poll", value)):
        with pytest.raises(InvalidInput) as refused:
            start(seconds)
        assert refused.value.field == "seconds"
        assert refused.value.value is seconds


def test_an_update_keeps_the_time_and_changes_the_content() -> None:
    update = event_timeout.update("later")
    assert (update.key, update.seconds, update.content) == ("event", KEEP, "later")


def test_each_kind_of_time_out_has_its_event() -> None:
    assert timeout_event("state", 1) == StateTimeout(1)
    assert timeout_event("event", 2) == EventTimeout(2)
    assert timeout_event(("timeout", "poll"), 3) == Timeout("poll", 3)


def test_events_match_by_position() -> None:
    match Timeout("poll", 7):
        case Timeout("poll", content):
            assert content == 7
    match Enter("before"):
        case Enter(old):
            assert old == "before"


def test_what_is_wrong_with_a_transition_names_it() -> None:
    bad = BadTransition("bad_action_from_state_function", 42)
    assert isinstance(bad, BeamError)
    assert (bad.reason, bad.value) == ("bad_action_from_state_function", 42)
    assert str(bad) == "bad_action_from_state_function: 42"


def test_an_event_that_nobody_handles_is_named_with_its_state() -> None:
    error = UnhandledEvent("locked", Internal("x"))
    assert (error.reason, error.state, error.event) == (
        "function_clause",
        "locked",
        Internal("x"),
    )
    assert str(error) == "state 'locked' does not handle Internal(content='x')"
