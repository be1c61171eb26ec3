"""`beam.otp.partition`: where keys go, today and in every other run."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.errors import InvalidInput
from beam.otp import Atom, Node, Server
from beam.otp.partition import partition_of
from tests.hash_seeds import said_under
from tests.volume import scaled

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(),
    st.binary(),
    st.text().map(Atom),
)
keys = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.text(), inner, max_size=4),
        st.frozensets(st.one_of(st.text(), st.integers()), max_size=4),
    ),
    max_leaves=8,
)


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@dataclass(frozen=True)
class Place:
    shelf: str
    number: int


@given(st.integers(), st.integers(1, 1000))
def test_an_integer_goes_by_its_absolute_value(key: int, partitions: int) -> None:
    assert partition_of(key, partitions) == abs(key) % partitions == partition_of(-key, partitions)


@given(keys, st.integers(1, 1000))
def test_every_term_has_one_partition_and_copies_of_it_the_same(key: Any, partitions: int) -> None:
    copy = _copied(key)
    assert 0 <= partition_of(key, partitions) < partitions
    assert partition_of(copy, partitions) == partition_of(key, partitions)
    assert partition_of(key, 1) == 0


def _copied(key: Any) -> Any:
    """Return an equal term made anew, with the order of its dicts and sets turned around."""
    if isinstance(key, list | tuple):
        return type(key)(map(_copied, key))
    if isinstance(key, dict):
        return {name: _copied(key[name]) for name in reversed(key)}
    if isinstance(key, frozenset):
        return frozenset(sorted(key, key=repr, reverse=True))
    return f"{key}!"[:-1] if isinstance(key, str) else key


def test_what_erlang_tells_apart_are_several_keys() -> None:
    many = 1 << 40
    apart = [1.0, True, "1", b"1", (1,), [1], Atom("1"), ("1",), {1: 1}, frozenset([1]), None, ()]
    assert len({partition_of(key, many) for key in apart}) == len(apart)


def test_the_parts_of_a_key_do_not_run_into_each_other() -> None:
    many = 1 << 40
    assert partition_of(("ab", "c"), many) != partition_of(("a", "bc"), many)
    assert partition_of((("a",), "b"), many) != partition_of(("a", ("b",)), many)


def test_zero_and_minus_zero_are_one_number() -> None:
    assert partition_of(0.0, 997) == partition_of(-0.0, 997)


def test_members_of_enumerations_and_frozen_dataclasses_are_keys() -> None:
    many = 1 << 40
    assert partition_of(Colour.RED, many) == partition_of(Colour("RED" and 1), many)
    assert partition_of(Colour.RED, many) != partition_of(Colour.BLUE, many)
    assert partition_of(Place("a", 1), many) == partition_of(Place("a", 1), many)
    assert partition_of(Place("a", 1), many) != partition_of(Place("a", 2), many)


def test_a_process_goes_by_its_number_in_whichever_node() -> None:
    found = []
    for _ in range(2):
        with Node():
            found.append([partition_of(Server.start(), 1 << 40) for _ in range(3)])
    assert found[0] == found[1]
    assert len(set(found[0])) == 3


@pytest.mark.parametrize("key", [object(), ("a", object()), [1j], Place])
def test_g20_what_is_no_term_is_refused_by_name(key: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        partition_of(key, 4)
    assert refused.value.field == "key"


def test_g20_a_key_that_contains_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(InvalidInput):
        partition_of(loop, 4)


@pytest.mark.parametrize("shape", ["session-{}", "{}", "{:032x}", "user:{}:cart"])
def test_keys_that_differ_a_little_are_spread_evenly(shape: str) -> None:
    count, partitions = scaled(200_000), 8
    hits = [0] * partitions
    for number in range(count):
        hits[partition_of(shape.format(number), partitions)] += 1
    assert max(hits) < 1.15 * count / partitions
    assert min(hits) > 0.85 * count / partitions


_ASK = """
from beam.otp import Atom
from beam.otp.partition import partition_of
keys = ["ada", b"ada", 1.5, None, True, Atom("ok"), ("a", 1, ("b",)), frozenset("abcdef"),
        {"b": 1, "a": [2]}]
print([partition_of(key, 1 << 40) for key in keys])
"""


def test_g18_a_key_has_the_same_partition_whatever_the_hash_seed() -> None:
    said = said_under((0, 1, 4711), _ASK)
    assert len(said) == 1
