"""`Probe`, `History` and shrinking: what the kit's tests wait by, look at and cut down."""

from __future__ import annotations

from typing import Any

import pytest

from beam.errors import NotSettled
from beam.otp import spawn
from beam.testing import History, Probe, Simulation
from beam.testing.history import rendered
from beam.testing.shrinking import lowest, smallest

# Probes


def test_a_probe_gives_what_was_noted_in_its_order(node: Any) -> None:
    probe = Probe()
    spawn(lambda: [probe.note("baked", dough) for dough in ("rye", "wheat")])
    assert probe.wait("baked", 2) == ["rye", "wheat"]


def test_a_probe_that_waits_too_long_says_so() -> None:
    with Simulation(1) as sim:
        with pytest.raises(NotSettled):
            Probe().wait("never", timeout=5.0)
        assert sim.clock.now() == 5.0


def test_a_condition_is_asked_after_each_note(node: Any) -> None:
    probe = Probe()
    spawn(lambda: [probe.note("step", number) for number in range(5)])
    probe.wait_until(lambda: 4 in probe.notes("step"))
    assert probe.notes() == [("step", number) for number in range(5)]


# Histories


class Held:
    """Has no repr of its own."""

    def __init__(self) -> None:
        self.words = {"b", "a"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b", "a"}, "{'a', 'b'}"),
        ((1,), "(1,)"),
        ({"k": {2, 1}}, "{'k': {1, 2}}"),
        (Held(), "Held(words={'a', 'b'})"),
        (ValueError("x", {"b", "a"}), "ValueError('x', {'a', 'b'})"),
        (Held, "Held"),
        ([[[[[1]]]]], "[[[[<list>]]]]"),
    ],
    ids=["set", "tuple", "mapping", "object", "exception", "class", "deep"],
)
def test_a_value_is_shown_the_same_in_every_interpreter(value: Any, text: str) -> None:
    assert rendered(value) == text


def test_a_long_value_is_cut_and_its_length_said() -> None:
    assert rendered("x" * 500).endswith("... (502)")


def test_histories_differ_in_their_digests_if_in_a_line() -> None:
    one, other = History(), History()
    one.note(0.5, "till", "cast", 1)
    other.note(0.5, "till", "cast", 2)
    assert one.digest() != other.digest()


# Shrinking


def test_what_fails_with_nothing_is_empty() -> None:
    assert smallest(range(10), lambda _: True, tries=5) == []


def test_the_order_of_what_is_left_is_kept() -> None:
    assert smallest([9, 2, 7, 4], lambda some: {4, 9} <= set(some), tries=50) == [9, 4]


def test_shrinking_asks_no_more_often_than_it_may() -> None:
    asked: list[int] = []

    def fails(some: list[int]) -> bool:
        asked.append(len(some))
        return {17, 60} <= set(some)

    assert {17, 60} <= set(smallest(range(100), fails, tries=7))
    assert len(asked) <= 7


def test_the_lowest_that_fails_may_be_the_only_one() -> None:
    assert lowest(0, 9, lambda number: number >= 9) == 9
