"""The time-outs of a state machine, as a plain value with a clock that the test winds."""

from __future__ import annotations

from typing import Any

import pytest

from beam.otp import event_timeout, state_timeout, timeout
from beam.otp.timeouts import Timeouts


class FakeClock:
    """Notes the timers that were started, and which of them were cancelled."""

    def __init__(self) -> None:
        self.started: list[tuple[float, Any, object]] = []
        self.cancelled: list[Any] = []

    def start(self, seconds: float, key: Any, token: object) -> Any:
        self.started.append((seconds, key, token))
        return lambda: self.cancelled.append(key)

    def token(self) -> object:
        return self.started[-1][2]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def timeouts(clock: FakeClock) -> Timeouts:
    return Timeouts(clock.start)


POLL = ("timeout", "poll")


def test_one_that_is_set_is_started_and_comes_with_its_content(
    clock: FakeClock, timeouts: Timeouts
) -> None:
    assert not timeouts
    timeouts.apply([state_timeout(2.5, "late")])
    assert timeouts
    assert clock.started[0][:2] == (2.5, "state")
    assert timeouts.expire("state", clock.token()) == (True, "late")
    assert not timeouts


def test_one_that_has_come_does_not_come_again(clock: FakeClock, timeouts: Timeouts) -> None:
    timeouts.apply([state_timeout(1.0)])
    token = clock.token()
    assert timeouts.expire("state", token)[0]
    assert timeouts.expire("state", token) == (False, None)


def test_one_that_was_cancelled_after_it_had_fired_does_not_count(
    clock: FakeClock, timeouts: Timeouts
) -> None:
    timeouts.apply([timeout("poll", 1.0)])
    timeouts.apply([timeout.cancel("poll")])
    assert clock.cancelled == [POLL]
    assert timeouts.expire(POLL, clock.token()) == (False, None)


def test_one_that_was_replaced_after_it_had_fired_does_not_count(
    clock: FakeClock, timeouts: Timeouts
) -> None:
    timeouts.apply([timeout("poll", 1.0, "first")])
    stale = clock.token()
    timeouts.apply([timeout("poll", 1.0, "second")])
    assert clock.cancelled == [POLL]
    assert timeouts.expire(POLL, stale) == (False, None)
    assert timeouts.expire(POLL, clock.token()) == (True, "second")


def test_of_several_settings_of_one_the_last_counts(clock: FakeClock, timeouts: Timeouts) -> None:
    timeouts.apply([state_timeout(1.0), state_timeout.cancel(), state_timeout(3.0, "x")])
    assert [started[:2] for started in clock.started] == [(3.0, "state")]


def test_kinds_and_names_are_independent(clock: FakeClock, timeouts: Timeouts) -> None:
    timeouts.apply([state_timeout(1.0), event_timeout(2.0), timeout("a", 3.0), timeout("b", 4.0)])
    timeouts.cancel("event")
    timeouts.cancel(("timeout", "a"))
    assert clock.cancelled == ["event", ("timeout", "a")]
    assert timeouts.expire(("timeout", "b"), clock.token()) == (True, None)
    assert timeouts


def test_an_update_changes_the_content_and_not_the_time(
    clock: FakeClock, timeouts: Timeouts
) -> None:
    timeouts.apply([timeout("poll", 1.0, "old")])
    timeouts.apply([timeout.update("poll", "new")])
    assert len(clock.started) == 1
    assert timeouts.expire(POLL, clock.token()) == (True, "new")


def test_an_update_of_one_that_does_not_run_comes_at_once(
    clock: FakeClock, timeouts: Timeouts
) -> None:
    timeouts.apply([event_timeout.update("now")])
    assert clock.started == []
    assert timeouts.take_due() == ("event", "now")
    assert timeouts.due == []


def test_those_of_zero_seconds_are_due_in_the_order_in_which_they_were_set(
    clock: FakeClock, timeouts: Timeouts
) -> None:
    timeouts.apply([timeout("b", 0, 1), state_timeout(0, 2), timeout("a", 0, 3)])
    timeouts.apply([timeout("b", 0, 4)])
    assert clock.started == []
    due = [timeouts.take_due() for _ in range(3)]
    assert due == [("state", 2), (("timeout", "a"), 3), (("timeout", "b"), 4)]
    assert not timeouts


def test_one_that_is_due_can_be_cancelled_and_updated(timeouts: Timeouts) -> None:
    timeouts.apply([state_timeout(0, "x"), timeout("poll", 0, "y")])
    timeouts.apply([state_timeout.cancel(), timeout.update("poll", "z")])
    assert timeouts.take_due() == (POLL, "z")
    assert timeouts.due == []


def test_one_that_is_due_and_is_set_anew_comes_when_its_time_is_over(
    clock: FakeClock, timeouts: Timeouts
) -> None:
    # OTP 25 loses it, and sends the machine a stray message in its place.
    timeouts.apply([timeout("poll", 0, "first")])
    timeouts.apply([timeout("poll", 0.03, "second")])
    assert timeouts.due == []
    assert timeouts.expire(POLL, clock.token()) == (True, "second")


def test_cancelling_one_that_does_not_run_does_nothing(
    clock: FakeClock, timeouts: Timeouts
) -> None:
    timeouts.cancel("state")
    timeouts.apply([timeout.cancel("poll")])
    assert clock.cancelled == []
    assert not timeouts


def test_all_can_be_cancelled_together(clock: FakeClock, timeouts: Timeouts) -> None:
    timeouts.apply([state_timeout(1.0), timeout("a", 0), timeout("b", 2.0)])
    timeouts.cancel_all()
    assert sorted(map(str, clock.cancelled)) == ["('timeout', 'b')", "state"]
    assert timeouts.due == []
    assert not timeouts
