"""Kills at random, from a seed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.chaos import Kills, parse_chaos
from beam.errors import InvalidInput


@given(st.floats(0, 0.99), st.integers(0, 1000), st.text(max_size=20), st.integers(1, 50))
def test_the_same_seed_task_and_attempt_have_the_same_fate(
    probability: float, seed: int, task: str, attempt: int
) -> None:
    assert Kills(probability, seed).plan(task, attempt) == Kills(probability, seed).plan(
        task, attempt
    )


def test_about_as_many_attempts_are_hit_as_was_said() -> None:
    kills = Kills(0.2, seed=1)
    hit = sum(kills.plan(f"task {n}", 1) is not None for n in range(5000))
    assert 900 < hit < 1100


def test_nothing_is_hit_with_probability_0() -> None:
    assert all(Kills(0.0).plan(str(n), 1) is None for n in range(1000))


@pytest.mark.parametrize(
    "text", ["", "kill", "kill=", "kill=x", "kill=1.0", "kill=-1", "seed=3", "kill=0.1,kill=0.2",
             "kill=0.1,sed=3", "kill=0.1;seed=3"],
)  # fmt: skip
def test_what_is_no_chaos_is_refused_by_the_name_of_the_option(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_chaos(text)
    assert caught.value.field == "--chaos"
