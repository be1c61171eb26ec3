"""What a table holds: the four kinds, by their public operations."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import chain
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from beam.errors import InvalidInput, TableRefused
from beam.otp.atom import Atom
from beam.otp.kinds import KINDS, new_storage
from beam.otp.match import NO_MATCH, Wanted, compile_pattern, compile_spec
from beam.otp.search import Spec
from beam.otp.sorted_keys import BLOCK, SortedKeys
from beam.otp.storage import END_OF_TABLE, Storage
from beam.otp.terms import equal, exact, order, same
from tests.otp.terms_strategies import Reference, few
from tests.volume import scaled

BAGS = ("bag", "duplicate_bag")
SETS = ("set", "ordered_set")
HASHED = ("set", *BAGS)
HOLES = ("_", "$1", "$2")

kinds = pytest.mark.parametrize("kind", list(KINDS))
sets = pytest.mark.parametrize("kind", SETS)
bags = pytest.mark.parametrize("kind", BAGS)


def table(kind: str, *rows: Any, keypos: int = 1) -> Storage:
    storage = new_storage(kind, keypos)
    for row in rows:
        storage.insert(row)
    return storage


def walk(storage: Storage) -> Iterator[Any]:
    key = storage.first()
    while key is not END_OF_TABLE:
        yield key
        key = storage.next(key)


def walk_back(storage: Storage) -> Iterator[Any]:
    key = storage.last()
    while key is not END_OF_TABLE:
        yield key
        key = storage.prev(key)


def chunks(search: Any, sought: Any, limit: int) -> list[list[Any]]:
    """Return all chunks of a search; the last one may be empty."""
    found, more = search(sought, limit)
    parts = [found]
    while more is not None:
        found, more = search(more)
        parts.append(found)
    return parts


def joined(parts: list[list[Any]]) -> list[Any]:
    return list(chain.from_iterable(parts))


def forms(rows: Any) -> list[Any]:
    """Return the rows' exact forms, sorted somehow, to compare as multisets."""
    return sorted((exact(row) for row in rows), key=repr)


def has_holes(pattern: Any) -> bool:
    return any(map(has_holes, pattern)) if isinstance(pattern, tuple) else pattern in HOLES


# Against a plain model


class Model:
    """A list of rows, searched from end to end."""

    def __init__(self, kind: str, keypos: int) -> None:
        self.kind, self.keypos = kind, keypos
        self.rows: list[Any] = []

    def key(self, row: Any) -> Any:
        return row[self.keypos - 1]

    def has(self, row: Any, key: Any) -> bool:
        return (equal if self.kind == "ordered_set" else same)(self.key(row), key)

    def at(self, key: Any) -> list[Any]:
        return [row for row in self.rows if self.has(row, key)]

    def drop(self, key: Any) -> list[Any]:
        gone = self.at(key)
        self.rows = [row for row in self.rows if not self.has(row, key)]
        return gone

    def put(self, row: Any) -> None:
        if self.kind in SETS:
            places = [n for n, old in enumerate(self.rows) if self.has(old, self.key(row))]
            if places:
                self.rows[places[0]] = row
                return
        if self.kind == "bag" and any(same(row, old) for old in self.rows):
            return
        self.rows.append(row)

    def put_all(self, rows: list[Any]) -> None:
        for row in reversed(rows) if self.kind == "bag" else rows:
            self.put(row)

    def yields(self, pattern: Any, wanted: Wanted) -> list[Any]:
        """Return what the pattern yields; a key without holes is looked up, not fitted."""
        spec = compile_pattern(pattern, wanted)
        key = pattern[self.keypos - 1] if isinstance(pattern, tuple) else "_"
        rows = self.all() if has_holes(key) else [row for row in self.all() if self.has(row, key)]
        return [found for row in rows if (found := spec.run(row)) is not NO_MATCH]

    def all(self) -> list[Any]:
        if self.kind == "ordered_set":
            return sorted(self.rows, key=lambda row: order(self.key(row)))
        return self.rows

    def keys(self) -> list[Any]:
        found: list[Any] = []
        for row in self.all():
            if not any(same(self.key(row), key) for key in found):
                found.append(self.key(row))
        return found


small_rows = st.lists(few, min_size=2, max_size=3).map(tuple)
small_patterns = st.one_of(
    st.lists(st.one_of(few, st.sampled_from(["_", "$1", "$2"])), min_size=2, max_size=3).map(tuple),
    st.tuples(st.tuples(few, st.sampled_from(["$1", "_"])), st.just("_")),
    st.sampled_from(["_", "$1"]),
)


class TableMachine(RuleBasedStateMachine):
    """A storage does what the model does."""

    @initialize(kind=st.sampled_from(list(KINDS)), keypos=st.integers(1, 2))
    def make(self, kind: str, keypos: int) -> None:
        self.model = Model(kind, keypos)
        self.table = new_storage(kind, keypos)

    @rule(rows=st.lists(small_rows, max_size=4))
    def insert(self, rows: list[Any]) -> None:
        assert self.table.insert(*rows) is True
        self.model.put_all(rows)

    @rule(rows=st.lists(small_rows, max_size=3))
    def insert_new(self, rows: list[Any]) -> None:
        is_new = not any(self.model.at(self.model.key(row)) for row in rows)
        assert self.table.insert_new(*rows) is is_new
        if is_new:
            self.model.put_all(rows)

    @rule(key=few)
    def delete(self, key: Any) -> None:
        assert self.table.delete(key) is True
        self.model.drop(key)

    @rule(key=few)
    def take(self, key: Any) -> None:
        assert list(map(exact, self.table.take(key))) == list(map(exact, self.model.drop(key)))

    @rule(row=small_rows)
    def delete_object(self, row: Any) -> None:
        assert self.table.delete_object(row) is True
        self.model.rows = [old for old in self.model.rows if not same(old, row)]

    @rule(pattern=small_patterns)
    def delete_what_fits(self, pattern: Any) -> None:
        spec = compile_pattern(pattern, Wanted.TRUE)
        gone = self.model.yields(pattern, Wanted.ROW)
        assert self.table.select_count(spec) == len(gone)
        assert self.table.select_delete(spec) == len(gone)
        self.model.rows = [row for row in self.model.rows if not any(row is old for old in gone)]

    @rule(key=few, value=few)
    def update_element(self, key: Any, value: Any) -> None:
        position = 3 - self.model.keypos
        if self.model.kind in BAGS:
            with pytest.raises(TableRefused):
                self.table.update_element(key, (position, value))
            return
        found = self.model.at(key)
        assert self.table.update_element(key, (position, value)) is bool(found)
        for row in found:
            elements = list(row)
            elements[position - 1] = value
            self.model.put(tuple(elements))

    @rule(key=few, changes=st.sampled_from([(0, 1), (9, 1), ("2", 1), (2,), 5, [5], None]))
    def update_element_wrongly(self, key: Any, changes: Any) -> None:
        if self.model.kind in SETS and not self.model.at(key):
            assert self.table.update_element(key, changes) is False
            return
        with pytest.raises((InvalidInput, TableRefused)):
            self.table.update_element(key, changes)

    @rule(
        key=few,
        steps=st.lists(
            st.tuples(st.integers(-3, 3))
            | st.tuples(st.integers(-3, 3), st.integers(-2, 2), st.integers(-5, 5)),
            max_size=3,
        ),
        has_default=st.booleans(),
    )
    def update_counter(self, key: Any, steps: list[Any], has_default: bool) -> None:
        position, keypos = 3 - self.model.keypos, self.model.keypos
        default = (0, 0, "new")
        start = [*default[: keypos - 1], key, *default[keypos:]] if has_default else None
        found = self.model.at(key)
        row = list(found[0]) if found else start
        update = [(position, *step) for step in steps]
        given = default if has_default else None
        countable = row is not None and (not steps or type(row[position - 1]) is int)
        if self.model.kind in BAGS or not countable:
            with pytest.raises(TableRefused):
                self.table.update_counter(key, update, given)
            return
        assert row is not None
        expected = []
        for by, *beyond in steps:
            row[position - 1] += by
            if beyond:
                threshold, reset = beyond
                total = row[position - 1]
                row[position - 1] = (
                    reset
                    if (by >= 0 and total > threshold) or (by < 0 and total < threshold)
                    else total
                )
            expected.append(row[position - 1])
        assert self.table.update_counter(key, update, given) == expected
        self.model.put(tuple(row))

    @rule(value=few)
    def replace_rows_of_two(self, value: Any) -> None:
        made: list[Any] = ["$1", "$2"]
        made[2 - self.model.keypos] = ("const", value)
        spec: Any = [(("$1", "$2"), [], [(tuple(made),)])]
        if self.model.kind == "bag":
            with pytest.raises(TableRefused):
                self.table.select_replace(spec)
            return
        size = sum(len(row) == 2 for row in self.model.rows)
        assert self.table.select_replace(spec) == size
        for place, row in enumerate(self.model.rows):
            if len(row) == 2:
                key = self.model.key(row)
                self.model.rows[place] = (key, value) if self.model.keypos == 1 else (value, key)

    @rule(key=few, position=st.integers(1, 3))
    def read_element(self, key: Any, position: int) -> None:
        rows = self.model.at(key)
        if not rows or any(len(row) < position for row in rows):
            with pytest.raises(TableRefused):
                self.table.lookup_element(key, position)
            return
        values = [row[position - 1] for row in rows]
        found = self.table.lookup_element(key, position)
        expected = values[0] if self.model.kind in SETS else values
        assert exact(found) == exact(expected)

    @rule()
    @precondition(lambda self: len(self.model.rows) > 6)
    def delete_all_objects(self) -> None:
        self.table.delete_all_objects()
        self.model.rows = []

    @rule(pattern=small_patterns, limit=st.integers(1, 4))
    def search(self, pattern: Any, limit: int) -> None:
        spec = compile_pattern(pattern, Wanted.BINDINGS)
        expected = self.model.yields(pattern, Wanted.BINDINGS)
        found = self.table.match(pattern)
        parts = chunks(self.table.match, pattern, limit)
        backwards = self.table.select_reverse(spec)
        parts_back = chunks(self.table.select_reverse, spec, limit)
        assert all(len(part) == limit for part in parts[:-1])
        assert all(len(part) == limit for part in parts_back[:-1])
        if self.model.kind == "ordered_set":
            assert list(map(exact, found)) == list(map(exact, expected))
            assert list(map(exact, backwards)) == list(map(exact, reversed(expected)))
            assert joined(parts_back) == backwards
        assert forms(found) == forms(joined(parts)) == forms(expected)
        assert forms(backwards) == forms(joined(parts_back)) == forms(expected)

    @rule(key=few)
    def read(self, key: Any) -> None:
        rows = self.model.at(key)
        assert list(map(exact, self.table.lookup(key))) == list(map(exact, rows))
        assert self.table.member(key) is bool(rows)

    @rule(key=few)
    def step(self, key: Any) -> None:
        if self.model.kind != "ordered_set":
            return
        keys = self.model.keys()
        above = [each for each in keys if order(each) > order(key)]
        below = [each for each in keys if order(each) < order(key)]
        assert self.table.next(key) == (above[0] if above else END_OF_TABLE)
        assert self.table.prev(key) == (below[-1] if below else END_OF_TABLE)

    @invariant()
    def all_rows_are_there(self) -> None:
        if not hasattr(self, "table"):
            return
        rows, expected = self.table.tab2list(), self.model.all()
        assert len(self.table) == len(expected)
        assert forms(rows) == forms(expected)
        keys = list(walk(self.table))
        assert forms(keys) == forms(self.model.keys())
        assert forms(walk_back(self.table)) == forms(keys)
        if self.model.kind == "ordered_set":
            assert list(map(exact, rows)) == list(map(exact, expected))


TestTableAgainstAModel = TableMachine.TestCase


class FixedWalkMachine(RuleBasedStateMachine):
    """A walk of a fixed table visits what is there all the time exactly once."""

    @initialize(kind=st.sampled_from(list(KINDS)), keys=st.sets(st.integers(0, 30)))
    def begin(self, kind: str, keys: set[int]) -> None:
        self.table = table(kind, *((key, 0) for key in sorted(keys)))
        self.table.fix()
        self.steady = set(keys)
        self.at = self.table.first()
        self.visited = [] if self.at is END_OF_TABLE else [self.at]

    @rule(key=st.integers(0, 30))
    def delete(self, key: int) -> None:
        self.table.delete(key)
        self.steady.discard(key)

    @rule(key=st.integers(0, 60))
    def insert(self, key: int) -> None:
        self.table.insert((key, 1))

    @rule()
    def delete_all(self) -> None:
        self.table.delete_all_objects()
        self.steady.clear()

    @rule()
    @precondition(lambda self: self.at is not END_OF_TABLE)
    def step(self) -> None:
        self.at = self.table.next(self.at)
        if self.at is not END_OF_TABLE:
            self.visited.append(self.at)

    def teardown(self) -> None:
        if not hasattr(self, "table"):
            return
        while self.at is not END_OF_TABLE:
            self.step()
        self.table.release()
        for key in self.steady:
            assert self.visited.count(key) == 1
        assert self.table.info()["fixed"] is False


TestWalkOfAFixedTable = FixedWalkMachine.TestCase


@given(
    st.sampled_from(list(KINDS)),
    st.sets(st.integers(0, 40)),
    st.integers(1, 3),
    st.lists(st.tuples(st.booleans(), st.integers(0, 60)), max_size=40),
)
def test_chunks_give_what_is_there_all_the_time_exactly_once(
    kind: str, keys: set[int], limit: int, changes: list[tuple[bool, int]]
) -> None:
    storage = table(kind, *((key, 0) for key in sorted(keys)))
    steady = set(keys)
    found, more = storage.match(("$1", "_"), limit)
    for is_insert, key in changes:
        if not is_insert:
            storage.delete(key)
            steady.discard(key)
        elif key not in steady:
            storage.insert((key, 0))
        if more is not None:
            part, more = storage.match(more)
            found += part
    while more is not None:
        part, more = storage.match(more)
        found += part
    for key in steady:
        assert found.count([key]) == 1


# Rows and keys


@kinds
def test_a_new_table_is_empty(kind: str) -> None:
    storage = new_storage(kind)
    assert len(storage) == 0
    assert storage.tab2list() == []
    assert storage.first() is storage.last() is END_OF_TABLE
    assert storage.info() == {"size": 0, "type": kind, "keypos": 1, "fixed": False}


@pytest.mark.parametrize("kind", HASHED)
def test_one_and_one_point_zero_and_true_are_three_keys(kind: str) -> None:
    storage = table(kind, (1, "int"), (1.0, "float"), (True, "boolean"), ((1,), "a"), ((1.0,), "b"))
    assert storage.lookup(1) == [(1, "int")]
    assert storage.lookup(1.0) == [(1.0, "float")]
    assert storage.lookup(True) == [(True, "boolean")]
    assert storage.lookup((1.0,)) == [((1.0,), "b")]
    assert not storage.member((True,))
    assert len(storage) == 5


def test_an_ordered_set_compares_numbers_by_value() -> None:
    storage = table("ordered_set", (1, "int"), (True, "boolean"), (1.0, "float"), ((1,), "a"))
    assert storage.tab2list() == [(1.0, "float"), (True, "boolean"), ((1,), "a")]
    assert storage.lookup(1) == [(1.0, "float")]
    assert storage.lookup((1.0,)) == [((1,), "a")]
    assert not storage.insert_new((1, "again"))


@kinds
def test_lists_and_dicts_may_be_keys(kind: str) -> None:
    storage = table(kind, ([1, {"a": 2}], "list"), ({"a": [1]}, "dict"), ((1, [2]), "tuple"))
    assert storage.lookup([1, {"a": 2}]) == [([1, {"a": 2}], "list")]
    assert storage.member({"a": [1]})
    assert storage.take((1, [2])) == [((1, [2]), "tuple")]


@kinds
def test_a_key_that_its_owner_changes_afterwards_stays_what_it_was(kind: str) -> None:
    key: list[int] = [1]
    storage = table(kind, (key, "a"))
    key.append(2)
    assert storage.first() == [1]
    assert storage.lookup([1]) == [([1], "a")]


@kinds
def test_references_are_keys_by_their_place_in_the_order(kind: str) -> None:
    storage = table(kind, (Reference(2), "b"), (Reference(1), "a"))
    assert storage.lookup(Reference(1)) == [(Reference(1), "a")]


@kinds
@pytest.mark.parametrize("key", [object(), {1, 2}, float("nan"), (1, b"x", 1j)])
def test_a_key_that_is_no_term_is_refused(kind: str, key: Any) -> None:
    storage = table(kind, ("a", 1))
    for refuse in (
        lambda: storage.insert(("b", 1), (key, 2)),
        lambda: storage.insert_new((key, 2)),
        lambda: storage.lookup(key),
        lambda: storage.member(key),
        lambda: storage.delete(key),
        lambda: storage.next(key),
        lambda: storage.match((key, "_")),
    ):
        with pytest.raises(InvalidInput) as caught:
            refuse()
        assert caught.value.field == "key"
    assert storage.tab2list() == [("a", 1)]


@kinds
def test_values_may_be_of_any_type(kind: str) -> None:
    value = object()
    storage = table(kind, ("a", value, {1}), ("a", value, {1}))
    assert storage.lookup("a")[0] == ("a", value, {1})
    assert len(storage) == (2 if kind == "duplicate_bag" else 1)
    storage.delete_object(("a", value, {1}))
    assert len(storage) == 0


@kinds
@pytest.mark.parametrize("row", ["text", 5, None, ["a", 1], (), (1,)])
def test_a_row_that_is_none_is_refused_and_nothing_is_stored(kind: str, row: Any) -> None:
    storage = new_storage(kind, 2)
    for operation in (storage.insert, storage.insert_new):
        with pytest.raises(InvalidInput) as caught:
            operation(("x", "a"), row)
        assert caught.value.field == "row"
        assert "2 elements" in caught.value.expected
    assert len(storage) == 0


@kinds
def test_the_key_may_be_another_element(kind: str) -> None:
    storage = table(kind, (1, "a", 5), keypos=2)
    assert storage.lookup("a") == [(1, "a", 5)]
    assert storage.first() == "a"
    assert storage.match(("$1", "a", "_")) == [[1]]


@kinds
def test_no_rows_are_no_work(kind: str) -> None:
    storage = new_storage(kind)
    assert storage.insert() is True
    assert storage.insert_new() is True


@sets
def test_a_set_keeps_the_last_row_of_a_key(kind: str) -> None:
    storage = new_storage(kind)
    storage.insert(("a", 1), ("b", 1), ("a", 2))
    assert storage.lookup("a") == [("a", 2)]
    assert not storage.insert_new(("c", 1), ("b", 2))
    assert not storage.member("c")
    assert storage.insert_new(("c", 1), ("c", 2))
    assert storage.lookup("c") == [("c", 2)]


@bags
def test_a_bag_keeps_the_order_of_insertion(kind: str) -> None:
    storage = table(kind, ("a", 1), ("a", 2), ("a", 1.0), ("a", 1))
    again = [("a", 1)] if kind == "duplicate_bag" else []
    assert storage.lookup("a") == [("a", 1), ("a", 2), ("a", 1.0), *again]
    storage.delete_object(("a", 1))
    assert storage.lookup("a") == [("a", 2), ("a", 1.0)]
    storage.insert(("a", 1))
    assert storage.lookup("a") == [("a", 2), ("a", 1.0), ("a", 1)]


def test_rows_that_come_together_go_into_a_bag_last_first() -> None:
    bag, duplicate = new_storage("bag"), new_storage("duplicate_bag")
    for storage in (bag, duplicate):
        storage.insert(("a", 0))
        storage.insert(("a", 1), ("a", 2), ("a", 1))
    assert bag.lookup_element("a", 2) == [0, 1, 2]
    assert duplicate.lookup_element("a", 2) == [0, 1, 2, 1]


@kinds
def test_what_is_handed_out_is_the_callers_own_list(kind: str) -> None:
    storage = table(kind, ("a", 1))
    storage.lookup("a").clear()
    storage.tab2list().clear()
    storage.match_object("_").clear()
    assert storage.lookup("a") == [("a", 1)]


@kinds
def test_take_removes_and_returns(kind: str) -> None:
    storage = table(kind, ("a", 1), ("b", 2))
    assert storage.take("a") == [("a", 1)]
    assert storage.take("a") == []
    assert storage.tab2list() == [("b", 2)]


@kinds
def test_delete_object_takes_exactly_that_row(kind: str) -> None:
    storage = table(kind, ("a", 1))
    for other in (("a", 1.0), ("a", True), ("a",), ("b", 1)):
        storage.delete_object(other)
    assert len(storage) == 1
    with pytest.raises(InvalidInput):
        storage.delete_object(("a",)[:0])
    storage.delete_object(("a", 1))
    assert len(storage) == 0


@kinds
def test_lookup_element_gives_the_element_at_a_position_from_one(kind: str) -> None:
    storage: Any = table(kind, ("a", 1, "x"))
    assert storage.lookup_element("a", 1) == ("a" if kind in SETS else ["a"])
    assert storage.lookup_element("a", 3) == ("x" if kind in SETS else ["x"])
    with pytest.raises(TableRefused) as caught:
        storage.lookup_element("b", 1)
    assert caught.value.reason == "bad_key"
    with pytest.raises(TableRefused) as caught:
        storage.lookup_element("a", 4)
    assert caught.value.reason == "bad_position"
    for position in (0, -1, "1", 1.0, True):
        with pytest.raises(InvalidInput):
            storage.lookup_element("a", position)


@bags
def test_every_row_of_a_bag_must_have_the_element(kind: str) -> None:
    storage = table(kind, ("a", 1), ("a", 2, 3))
    with pytest.raises(TableRefused):
        storage.lookup_element("a", 3)


# Elements and counters


@sets
def test_update_element_replaces_elements(kind: str) -> None:
    storage = table(kind, ("a", 1, 2))
    assert storage.update_element("a", (2, "x"))
    assert storage.update_element("a", [(2, "y"), (3, "z"), (2, "w")])
    assert storage.lookup("a") == [("a", "w", "z")]
    assert storage.update_element("a", []) is True
    assert storage.update_element("b", []) is False


@sets
@pytest.mark.parametrize("changes", [(1, "x"), (9, "x"), ("2", "x"), (2,), 5, [5], None])
def test_update_element_of_no_row_does_not_look_at_the_changes(kind: str, changes: Any) -> None:
    assert new_storage(kind).update_element("a", changes) is False


@sets
@pytest.mark.parametrize("position", [0, 1, 4, -1])
def test_update_element_refuses_positions_that_are_not_there(kind: str, position: int) -> None:
    storage = table(kind, ("a", 1, 2))
    with pytest.raises(TableRefused) as caught:
        storage.update_element("a", [(2, "x"), (position, "x")])
    assert caught.value.reason == "bad_position"
    assert storage.lookup("a") == [("a", 1, 2)]


@sets
@pytest.mark.parametrize("changes", [None, "x", (2,), ("2", 1), (2.0, 1), [(2, 1), 3], (2, 1, 1)])
def test_update_element_refuses_other_forms(kind: str, changes: Any) -> None:
    storage = table(kind, ("a", 1, 2))
    with pytest.raises(InvalidInput) as caught:
        storage.update_element("a", changes)
    assert caught.value.field == "changes"


@sets
@pytest.mark.parametrize(
    ("update", "result", "row"),
    [
        (5, 15, ("a", 15, 0)),
        ((3, -2), -2, ("a", 10, -2)),
        ((2, 5, 12, 1), 1, ("a", 1, 0)),
        ((2, 2, 12, 1), 12, ("a", 12, 0)),
        ((2, -5, 6, 1), 1, ("a", 1, 0)),
        ((2, -4, 6, 1), 6, ("a", 6, 0)),
        ((2, 0, 9, 7), 7, ("a", 7, 0)),
        ([(2, 1), (2, 1), (3, 1)], [11, 12, 1], ("a", 12, 1)),
        ([], [], ("a", 10, 0)),
    ],
)
def test_update_counter_counts_as_in_ets(kind: str, update: Any, result: Any, row: Any) -> None:
    storage = table(kind, ("a", 10, 0))
    assert storage.update_counter("a", update) == result
    assert storage.lookup("a") == [row]


@sets
def test_update_counter_starts_from_a_default(kind: str) -> None:
    storage = new_storage(kind)
    assert storage.update_counter("a", 2, ("other", 40)) == 42
    assert storage.update_counter("a", 2, ("other", 0)) == 44
    assert storage.update_counter("b", [], ("x", 1)) == []
    assert storage.lookup("a") + storage.lookup("b") == [("a", 44), ("b", 1)]


def test_update_counter_in_an_ordered_set_keeps_the_key_of_the_row() -> None:
    storage = table("ordered_set", (1, 1))
    assert storage.update_counter(1.0, 1, (0, 0)) == 2
    assert exact(storage.first()) == exact(1)


@sets
@pytest.mark.parametrize(
    ("key", "update", "default", "reason"),
    [
        ("b", 1, None, "bad_key"),
        ("a", (1, 1), None, "bad_position"),
        ("a", (0, 1), None, "bad_position"),
        ("a", (4, 1), None, "bad_position"),
        ("a", [(2, 1), (4, 1)], None, "bad_position"),
        ("a", [(2, 1), (3, 1)], None, "not_an_integer"),
        ("b", (3, 1), ("x", 1), "bad_position"),
        ("b", 1, ("x", True), "not_an_integer"),
    ],
)
def test_update_counter_changes_all_or_nothing(
    kind: str, key: str, update: Any, default: Any, reason: str
) -> None:
    storage = table(kind, ("a", 1, "x"))
    with pytest.raises(TableRefused) as caught:
        storage.update_counter(key, update, default)
    assert caught.value.reason == reason
    assert storage.tab2list() == [("a", 1, "x")]


@sets
@pytest.mark.parametrize(
    ("update", "default", "field"),
    [
        ("1", None, "update"),
        (1.0, None, "update"),
        (True, None, "update"),
        ([1], None, "update"),
        ((2,), None, "update"),
        ((2, 1, 1), None, "update"),
        ((2, 1, 1, "x"), None, "update"),
        (1, ["x", 1], "default"),
        (1, 5, "default"),
    ],
)
def test_update_counter_refuses_other_forms(
    kind: str, update: Any, default: Any, field: str
) -> None:
    storage = table(kind, ("a", 1))
    with pytest.raises(InvalidInput) as caught:
        storage.update_counter("a", update, default)
    assert caught.value.field == field


@sets
def test_a_default_without_a_key_is_refused_where_it_is_needed(kind: str) -> None:
    storage = table(kind, (1, "a", 1), keypos=2)
    assert storage.update_counter("a", 1, ()) == 2
    with pytest.raises(InvalidInput):
        storage.update_counter("b", 1, (1,))


@bags
def test_bags_have_no_counters(kind: str) -> None:
    storage = table(kind, ("a", 1))
    for refuse in (
        lambda: storage.update_counter("a", 1),
        lambda: storage.update_element("a", (2, 1)),
    ):
        with pytest.raises(TableRefused) as caught:
            refuse()
        assert (caught.value.reason, caught.value.kind) == ("wrong_kind", kind)


@sets
def test_named_tuples_stay_what_they_are(kind: str) -> None:
    class User(NamedTuple):
        name: Any
        age: int

    storage = table(kind, User("ada", 36))
    storage.update_counter("ada", 1)
    storage.update_element("ada", (2, 38))
    assert storage.lookup("ada") == [User("ada", 38)]
    storage.insert(User([1], 1))
    rows = storage.lookup("ada") + storage.lookup([1])
    assert {type(row) for row in rows} == {User}


# Walks


@pytest.mark.parametrize("kind", HASHED)
def test_a_step_from_a_key_that_is_not_there_is_refused(kind: str) -> None:
    storage = table(kind, ("a", 1), ("b", 1))
    storage.delete("a")
    for step in (storage.next, storage.prev):
        with pytest.raises(TableRefused) as caught:
            step("a")
        assert caught.value.reason == "bad_key"


@pytest.mark.parametrize("kind", HASHED)
def test_a_step_from_a_key_deleted_before_the_table_was_fixed_is_refused(kind: str) -> None:
    storage = table(kind, ("a", 1), ("b", 2), ("c", 3))
    assert storage.first() == "a"
    storage.delete("a")
    storage.fix()
    for key in ("never", "a"):
        with pytest.raises(TableRefused):
            storage.next(key)


@kinds
def test_a_fixed_table_can_be_emptied_on_a_walk(kind: str) -> None:
    storage = table(kind, *((key, 0) for key in range(10)))
    storage.fix()
    visited = []
    for key in walk(storage):
        visited.append(key)
        storage.delete(key)
    storage.release()
    assert (sorted(visited), len(storage)) == (list(range(10)), 0)


def test_a_table_is_fixed_until_it_is_released_as_often() -> None:
    storage = table("set", ("a", 1))
    storage.release()
    storage.fix()
    storage.fix()
    storage.release()
    storage.delete("a")
    assert storage.next("a") is END_OF_TABLE
    storage.release()
    with pytest.raises(TableRefused):
        storage.next("a")


@pytest.mark.parametrize("kind", HASHED)
def test_keys_that_come_during_a_walk_are_visited(kind: str) -> None:
    storage = table(kind, ("a", 1))
    keys = walk(storage)
    assert next(keys) == "a"
    storage.insert(("b", 1))
    assert list(keys) == ["b"]


@kinds
def test_slots_lead_to_all_rows(kind: str) -> None:
    storage = table(kind, (3, "c"), (1, "a"), (2, "b"), (1, "x"))
    found, number = [], 0
    while (rows := storage.slot(number)) is not END_OF_TABLE:
        found += rows
        number += 1
    assert forms(found) == forms(storage.tab2list())
    wrong: Any
    for wrong in (number + 1, -1, "0", True):
        with pytest.raises(InvalidInput):
            storage.slot(wrong)


def test_the_slot_of_a_deleted_key_is_empty() -> None:
    storage = table("set", *((key, 0) for key in range(4)))
    storage.slot(0)
    storage.delete(1)
    assert [storage.slot(number) for number in range(4)] == [[(0, 0)], [], [(2, 0)], [(3, 0)]]


def test_an_ordered_set_steps_across_all_ranks_of_terms() -> None:
    keys = [1, 2.5, None, Atom("a"), True, Reference(1), (1,), {}, {"a": 1}, [], [1], "", "a", b""]
    storage = table("ordered_set", *((key,) for key in reversed(keys)))
    assert list(walk(storage)) == keys
    assert list(walk_back(storage)) == keys[::-1]
    assert [storage.slot(number)[0][0] for number in range(len(keys))] == keys
    assert storage.next("zzz") == b""
    assert storage.prev(0) is END_OF_TABLE


@kinds
def test_folds_go_over_the_rows_as_they_are_at_the_start(kind: str) -> None:
    storage = table(kind, ("a", 1), ("b", 2))

    def add(row: Any, total: int) -> int:
        storage.insert((f"{row[0]}{total}", 100))
        storage.delete("b")
        return total + int(row[1])

    assert storage.foldl(add, 0) == 3
    assert storage.foldr(lambda row, keys: [*keys, row[0]], [])[-1] == "a"


def test_folds_of_an_ordered_set_follow_the_order() -> None:
    storage = table("ordered_set", ("b", 2), ("a", 1))
    assert storage.foldl(lambda row, so_far: so_far + row[0], "") == "ab"
    assert storage.foldr(lambda row, so_far: so_far + row[0], "") == "ba"


# Searches


@kinds
def test_a_search_finds_what_looking_at_each_row_finds(kind: str) -> None:
    storage = table(kind, *((("run", n % 3, float(n)), n) for n in range(12)), ("run", 1), (1, 1))
    for head in [
        (("run", 1, "$1"), "$2"),
        (("run", "_", "$1"), "_"),
        (("run", 2, 5.0), "$1"),
        (("run", 2.0, "_"), "$1"),
        (("walk", "_", "_"), "_"),
        (("_", 1, "_"), "$1"),
        ("$1", "$1"),
        ("run", "$1"),
        (("run", 1), "_"),
    ]:
        spec = compile_pattern(head, Wanted.ROW)
        expected = [row for row in storage.tab2list() if spec.run(row) is not NO_MATCH]
        assert storage.match_object(head) == expected
        assert joined(chunks(storage.match_object, head, 2)) == expected
        assert forms(storage.select_reverse(spec)) == forms(expected)
        assert forms(joined(chunks(storage.select_reverse, spec, 2))) == forms(expected)


@kinds
def test_clauses_with_known_keys_look_at_those_keys_once(kind: str) -> None:
    storage = table(kind, ("a", 1), ("b", 2), ("c", 3))
    spec: Spec = [(("c", "$1"), [], ["$1"]), (("a", "_"), [], ["x"]), (("a", "$1"), [], ["$1"])]
    assert sorted(storage.select(spec), key=repr) == ["x", 3]
    assert storage.match("no row") == []


def test_clauses_with_known_keys_keep_the_order_of_an_ordered_set() -> None:
    storage = table("ordered_set", ("a", 1), ("b", 2), ("c", 3))
    spec: Spec = [(("c", "$1"), [], ["$1"]), (("a", "$1"), [], ["$1"])]
    assert storage.select(spec) == [1, 3]
    assert storage.select_reverse(spec) == [3, 1]


@kinds
def test_a_chunk_is_full_or_the_last(kind: str) -> None:
    storage = table(kind, *((n, n % 2) for n in range(10)))
    assert [len(part) for part in chunks(storage.match, ("$1", 0), 2)][:3] == [2, 2, 1]
    assert chunks(storage.match, ("$1", 5), 2) == [[]]
    assert chunks(storage.match_object, (3, "_"), 1) == [[(3, 1)]]


@bags
def test_the_rows_of_one_key_come_in_chunks(kind: str) -> None:
    storage = table(kind, *(("a", n) for n in range(5)), ("b", 0))
    assert chunks(storage.match, ("a", "$1"), 2) == [[[0], [1]], [[2], [3]], [[4]]]
    assert [len(part) for part in chunks(storage.match, ("$1", "$2"), 4)] == [4, 2]


@kinds
def test_a_continuation_can_be_used_again(kind: str) -> None:
    storage = table(kind, *((n,) for n in range(6)))
    _, more = storage.select([("_", [], ["$_"])], 2)
    assert more is not None
    first, rest = storage.select(more)
    assert storage.select(more)[0] == first
    assert rest is not None
    assert storage.select(rest)[0] != first


@kinds
def test_a_continuation_of_another_table_is_refused(kind: str) -> None:
    storage: Any = table(kind, *((n,) for n in range(6)))
    other = new_storage(kind)
    _, more = storage.match(("$1",), 2)
    assert more is not None
    with pytest.raises(InvalidInput) as caught:
        other.match(more)
    assert caught.value.field == "continuation"
    with pytest.raises(InvalidInput):
        storage.match(more, 2)


@kinds
@pytest.mark.parametrize("limit", [0, -1, 1.0, "1", True])
def test_a_limit_below_one_is_refused(kind: str, limit: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        new_storage(kind).select([], limit)
    assert caught.value.field == "limit"


@kinds
def test_only_true_counts_and_deletes(kind: str) -> None:
    storage = table(kind, *((n, n * 1.0) for n in range(4)))
    assert storage.select_count([(("$1", "_"), [(">", "$1", 1)], [1])]) == 0
    assert storage.select_delete([(("$1", "_"), [(">", "$1", 1)], ["$1"])]) == 0
    assert storage.select_count([(("$1", "_"), [], [(">", "$1", 1)])]) == 2
    assert storage.select_delete([(("$1", "_"), [], [(">", "$1", 1)])]) == 2
    assert storage.match_delete((0, "_")) is True
    assert storage.tab2list() == [(1, 1.0)]


@pytest.mark.parametrize("kind", ["set", "ordered_set", "duplicate_bag"])
def test_select_replace_replaces_rows_in_place(kind: str) -> None:
    storage = table(kind, *((n, n) for n in range(4)))
    spec = [(("$1", "$2"), [(">", "$2", 1)], [(("$1", ("*", "$2", 10), "new"),)])]
    assert storage.select_replace(spec) == 2
    assert storage.tab2list() == [(0, 0), (1, 1), (2, 20, "new"), (3, 30, "new")]
    assert storage.select_replace([("_", [], ["$_"])]) == 4


@bags
def test_some_rows_of_a_key_can_be_deleted(kind: str) -> None:
    storage = table(kind, ("a", 1), ("a", 2), ("a", 3))
    assert storage.select_delete([(("a", "$1"), [("/=", "$1", 2)], [True])]) == 2
    assert storage.lookup("a") == [("a", 2)]
    assert len(storage) == 1


@pytest.mark.parametrize("kind", HASHED)
def test_clauses_with_known_keys_yield_in_the_order_of_the_clauses(kind: str) -> None:
    storage = table(kind, *((str(n), n) for n in range(20)))
    spec: Spec = [((str(n), "$1"), [], ["$1"]) for n in (7, 3, 19, 0, 7)]
    assert storage.select(spec) == [7, 3, 19, 0]


def test_select_replace_is_not_for_bags() -> None:
    with pytest.raises(TableRefused) as caught:
        new_storage("bag").select_replace([("_", [], ["$_"])])
    assert caught.value.reason == "wrong_kind"


@kinds
def test_a_wrong_specification_changes_nothing(kind: str) -> None:
    storage = table(kind, ("a", 1))
    wrong: list[tuple[Any, Any]] = [
        (storage.select_delete, [("_", [], ["$1"])]),
        (storage.select_replace, [(("$1", "$2"), [], [(("$2", "$1"),)])]),
        (storage.match_delete, ({"_": 1}, "_")),
    ]
    for change, spec in wrong:
        with pytest.raises((InvalidInput, TableRefused)):
            change(spec)
    assert storage.tab2list() == [("a", 1)]


def test_a_compiled_specification_serves_for_many_searches() -> None:
    spec = compile_spec([(("$1", "$2"), [("==", "$2", 1)], ["$1"])])
    assert table("set", ("a", 1), ("b", 2)).select(spec) == ["a"]
    assert table("bag", ("a", 2), ("b", 1.0)).select(spec) == ["b"]


# Kinds, volume, threads


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("tree",), "kind"),
        ((None,), "kind"),
        ((["set"],), "kind"),
        (("set", 0), "keypos"),
        (("set", "1"), "keypos"),
        (("set", True), "keypos"),
    ],
)
def test_a_kind_that_is_none_is_refused(arguments: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        new_storage(*arguments)
    assert caught.value.field == field


@kinds
def test_a_hundred_thousand_keys_come_and_go(kind: str) -> None:
    storage, size = new_storage(kind), scaled(100_000)
    keys = [(n * 7919) % size for n in range(size)]
    for key in keys:
        storage.insert((key, key))
    assert len(storage) == size
    assert all(storage.lookup(key) == [(key, key)] for key in range(size))
    assert storage.select_count([(("$1", "_"), [("<", "$1", 10)], [True])]) == 10
    assert sorted(walk(storage)) == list(range(size))
    for key in keys[: size // 2]:
        storage.delete(key)
    assert sorted(walk(storage)) == sorted(keys[size // 2 :])
    first = storage.first()
    while first is not END_OF_TABLE:
        storage.delete(first)
        first = storage.first()
    assert len(storage) == 0


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5 * BLOCK))))
def test_sorted_keys_are_a_sorted_set(changes: list[tuple[bool, int]]) -> None:
    model = set(range(0, 5 * BLOCK, 2))
    keys = SortedKeys()
    for key in sorted(model, key=lambda key: key * 7919 % 2563):
        keys.add(key)
    for is_addition, key in changes:
        if is_addition and key not in model:
            keys.add(key)
            model.add(key)
        elif not is_addition and key in model:
            keys.remove(key)
            model.remove(key)
        expected = sorted(model)
        above = [each for each in expected if each > key]
        below = [each for each in expected if each < key]
        assert keys.after(key) == (above[0] if above else None)
        assert keys.before(key) == (below[-1] if below else None)
        assert list(keys.ascending(after=key)) == above
        assert list(keys.ascending(since=key)) == [each for each in expected if each >= key]
        assert list(keys.descending(before=key)) == below[::-1]
    assert list(keys) == sorted(model)
    assert list(keys.descending()) == sorted(model)[::-1]
    assert [keys.at(place) for place in (0, len(model) - 1)] == [keys.first(), keys.last()]
    with pytest.raises(IndexError):
        keys.at(len(model))


@kinds
def test_lookups_beside_a_writer_see_whole_rows(kind: str) -> None:
    storage, rounds = new_storage(kind), scaled(40_000)
    storage.insert(("steady", 0, 0))
    done = threading.Event()
    torn: list[Any] = []

    def read() -> None:
        while not done.is_set():
            rows = storage.lookup("moving") + storage.lookup("steady")
            torn.extend(row for row in rows if row[1] != row[2])
            if not storage.member("steady") or len(storage.lookup("steady")) != 1:
                torn.append("steady")

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for n in range(rounds):
            storage.insert(("moving", n, n))
            storage.insert((n, n, n))
            storage.delete("moving")
            storage.delete(n)
    finally:
        done.set()
        for reader in readers:
            reader.join(timeout=60)
    assert torn == []
