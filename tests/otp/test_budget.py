"""Restart budgets and backoff, as values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.errors import InvalidInput
from beam.otp import Backoff, Restarts
from tests.names import shown


def test_a_budget_is_spent_by_one_restart_more_than_it_grants() -> None:
    budget, spent = Restarts(2, per=10.0), ()
    verdicts = []
    for now in (0.0, 1.0, 2.0):
        spent = budget.spend(spent, now)
        verdicts.append(budget.exceeded(spent))
    assert verdicts == [False, False, True]


def test_restarts_that_are_long_past_do_not_count() -> None:
    budget = Restarts(1, per=10.0)
    spent = budget.spend(budget.spend((), 0.0), 10.1)
    assert spent == (10.1,)


@given(
    most=st.integers(0, 5),
    per=st.floats(0.1, 10),
    gaps=st.lists(st.floats(0, 5, allow_nan=False), max_size=30),
)
def test_a_budget_counts_the_restarts_in_the_time_before(
    most: int, per: float, gaps: list[float]
) -> None:
    budget, spent, times, now = Restarts(most, per=per), (), list[float](), 0.0
    for gap in gaps:
        now += gap
        times.append(now)
        spent = budget.spend(spent, now)
        counting = [each for each in times if each >= now - per]
        assert budget.exceeded(spent) == (len(counting) > most)
        assert len(spent) <= most + 1


def test_waits_double_up_to_the_longest() -> None:
    backoff = Backoff(0.5, 3.0)
    assert [backoff.delay(attempt, 0.0) for attempt in range(1, 6)] == [0.5, 1.0, 2.0, 3.0, 3.0]


@given(attempt=st.integers(1, 10**9), chance=st.floats(0, 1), jitter=st.floats(0, 1))
def test_a_wait_stays_within_its_jitter(attempt: int, chance: float, jitter: float) -> None:
    plain = Backoff(0.5, 30.0).delay(attempt, chance)
    delay = Backoff(0.5, 30.0, jitter=jitter).delay(attempt, chance)
    slack = 1e-9
    assert plain * (1 - jitter) - slack <= delay <= plain * (1 + jitter) + slack


@pytest.mark.parametrize(
    ("kind", "arguments", "field"),
    [
        (Restarts, {"most": -1, "per": 5.0}, "most"),
        (Restarts, {"most": True, "per": 5.0}, "most"),
        (Restarts, {"most": 1, "per": 0}, "per"),
        (Restarts, {"most": 1, "per": float("inf")}, "per"),
        (Backoff, {"first": 0, "longest": 1.0}, "first"),
        (Backoff, {"first": 2.0, "longest": 1.0}, "longest"),
        (Backoff, {"first": 1.0, "longest": 2.0, "jitter": 1.5}, "jitter"),
    ],
    ids=shown,
)
def test_what_is_no_budget_and_no_backoff_is_refused_by_name(
    kind: type[Any], arguments: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        kind(**arguments)
    assert caught.value.field == field
