"""The restart window of a supervisor."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from beam.otp.intensity import Intensity


def otp_add_restart(restarts: list[int], now: float, period: int) -> list[int]:
    """Do what `supervisor:add_restart/3` of OTP 25 does, newest first."""
    second = math.floor(now)
    kept = []
    for each in restarts:
        if each < second - period:
            break
        kept.append(each)
    return [second, *kept]


def test_as_many_restarts_as_allowed_are_not_too_many() -> None:
    window = Intensity(3, 5)
    for now in (1.0, 1.1, 1.2):
        window = window.add(now)
    assert not window.exceeded
    assert window.add(1.3).exceeded


def test_none_allowed_means_the_first_restart_is_too_many() -> None:
    assert Intensity(0, 5).add(7.0).exceeded


def test_a_restart_counts_up_to_and_including_the_last_second_of_the_window() -> None:
    window = Intensity(1, 5).add(100.9)
    assert window.add(105.99).exceeded
    assert not window.add(106.0).exceeded


def test_a_window_is_a_value() -> None:
    window = Intensity(1, 5)
    window.add(1.0)
    assert window == Intensity(1, 5)


def test_a_million_restarts_in_a_second_take_the_room_of_one() -> None:
    window = Intensity(10**6, 5)
    for _ in range(1000):
        window = window.add(3.5)
    assert window.seconds == ((3, 1000),)


@given(
    most=st.integers(0, 8),
    period=st.integers(1, 6),
    gaps=st.lists(st.floats(0, 4, allow_nan=False), max_size=40),
    start=st.floats(-50, 1e6, allow_nan=False),
)
def test_it_counts_as_otp_counts(most: int, period: int, gaps: list[float], start: float) -> None:
    window, restarts, now = Intensity(most, period), list[int](), start
    for gap in gaps:
        now += gap
        window, restarts = window.add(now), otp_add_restart(restarts, now, period)
        assert window.total == len(restarts)
        assert window.exceeded == (len(restarts) > most)
