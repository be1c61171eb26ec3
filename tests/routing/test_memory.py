"""`beam.routing.memory` and `beam.routing.recent`: bounds, lifetimes, and a plain model."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.errors import InvalidInput
from beam.routing import Memory
from beam.routing.memory import CursorKey
from beam.routing.recent import Recent
from tests.volume import scaled

CURSOR = CursorKey("round_robin", ("a", "b", "c"), (), (), (), ())


def test_a_binding_is_found_until_its_lifetime_since_last_use_is_over():
    memory = Memory(affinity_lifetime=60.0)
    memory.bind("ada", "claude", now=0.0)
    memory.bind("ada", "claude", now=50.0)
    assert memory.bound("ada", now=109.9) == "claude"
    assert memory.bound("ada", now=110.0) is None


def test_looking_at_a_binding_does_not_renew_it():
    memory = Memory(affinity_lifetime=60.0)
    memory.bind("ada", "claude", now=0.0)
    memory.bound("ada", now=59.0)
    assert memory.bound("ada", now=60.0) is None


def test_the_binding_used_least_recently_makes_room():
    memory = Memory(affinity_bound=2)
    memory.bind("ada", "claude", now=0.0)
    memory.bind("bob", "claude", now=1.0)
    memory.bind("ada", "claude", now=2.0)
    assert memory.bind("eve", "claude", now=3.0) == ("bob",)
    assert memory.affinities.evicted == 1


def test_bindings_that_are_too_old_are_dropped_and_counted():
    memory = Memory(affinity_lifetime=60.0)
    memory.bind("ada", "claude", now=0.0)
    memory.bind("bob", "claude", now=1.0)
    assert memory.bind("eve", "claude", now=61.0) == ("ada", "bob")
    assert memory.affinities.expired == 2


def test_rebinding_overwrites():
    memory = Memory()
    memory.bind("ada", "claude", now=0.0)
    memory.bind("ada", "codex", now=1.0)
    assert memory.bound("ada", now=2.0) == "codex"
    assert len(memory.affinities) == 1


def test_there_are_never_more_than_100_000_bindings_unless_said_otherwise():
    memory = Memory()
    assert memory.affinities.bound == 100_000
    small = Memory(affinity_bound=scaled(100_000))
    for number in range(scaled(100_000) + 10):
        small.bind(f"key {number}", "claude", now=0.0)
    assert len(small.affinities) == scaled(100_000)
    assert small.affinities.evicted == 10


def test_a_cursor_goes_round():
    memory = Memory()
    turns = []
    for _ in range(4):
        turns.append(memory.turn(CURSOR, now=0.0))
        memory.advance(CURSOR, now=0.0)
    assert turns == [0, 1, 2, 0]


def test_a_cursor_that_was_forgotten_starts_again():
    memory = Memory(cursor_bound=1, cursor_lifetime=60.0)
    memory.advance(CURSOR, now=0.0)
    assert memory.turn(CURSOR, now=60.0) == 0
    memory.advance(CURSOR._replace(capabilities=("hooks",)), now=1.0)
    assert memory.turn(CURSOR, now=1.0) == 0


def test_clear_forgets_everything():
    memory = Memory()
    memory.bind("ada", "claude", now=0.0)
    memory.advance(CURSOR, now=0.0)
    memory.clear()
    assert memory.bound("ada", now=0.0) is None
    assert memory.turn(CURSOR, now=0.0) == 0


def test_the_items_rebuild_an_equal_mapping():
    recent = Recent(bound=10, lifetime=60.0)
    for number, key in enumerate("abcab"):
        recent.put(key, number, float(number))
    rebuilt = Recent(bound=10, lifetime=60.0)
    for key, value, used_at in recent.items():
        rebuilt.put(key, value, used_at)
    assert (
        list(rebuilt.items())
        == list(recent.items())
        == [("c", 2, 2.0), ("a", 3, 3.0), ("b", 4, 4.0)]
    )


def test_a_clock_that_steps_back_loses_nothing_and_breaks_no_bound():
    recent = Recent(bound=2, lifetime=60.0)
    recent.put("a", 1, now=1000.0)
    recent.put("b", 2, now=0.0)
    assert recent.get("a", now=0.0) == 1
    assert recent.put("c", 3, now=0.0) == ("a",)


def test_a_lifetime_may_be_infinite():
    recent = Recent(bound=2, lifetime=math.inf)
    recent.put("a", 1, now=0.0)
    assert recent.get("a", now=1e300) == 1


@pytest.mark.parametrize("bound", [0, -1, 1.5, True, "2"])
def test_a_bound_that_makes_no_sense_is_refused(bound):
    with pytest.raises(InvalidInput, match="bound"):
        Recent(bound, 60.0)


@pytest.mark.parametrize("lifetime", [0, -1.0, math.nan, "60", None])
def test_a_lifetime_that_makes_no_sense_is_refused(lifetime):
    with pytest.raises(InvalidInput, match="lifetime"):
        Recent(1, lifetime)


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdef"), st.floats(min_value=0.0, max_value=30.0)), max_size=50
    ),
    st.integers(1, 4),
)
def test_it_remembers_what_a_plain_list_of_uses_says(uses, bound):
    recent, now = Recent(bound, lifetime=60.0), 0.0
    last_use: dict[str, float] = {}
    for key, later in uses:
        now += later
        recent.put(key, key.upper(), now)
        last_use.pop(key, None)
        last_use[key] = now
        last_use = {name: at for name, at in last_use.items() if now - at < 60.0}
        last_use = dict(list(last_use.items())[-bound:])
        assert {name for name in "abcdef" if recent.get(name, now)} == set(last_use)
        assert len(recent) == len(last_use)
