"""The order of terms, when two are the same, and atoms."""

from __future__ import annotations

import copy
import enum
import gc
import pickle
import weakref
from datetime import date
from functools import cmp_to_key
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.errors import InvalidInput
from beam.otp.atom import Atom
from beam.otp.terms import (
    detached,
    equal,
    exact,
    exact_key,
    is_atom,
    is_foreign,
    is_number,
    is_reference,
    order,
    order_key,
    same,
)
from tests.otp.terms_strategies import Reference, few, terms

any_terms = st.one_of(terms, few)


# The order as the manual of Erlang tells it, written down a second time, slowly.


def rank(term: Any) -> int:
    if is_atom(term):
        return 1
    kinds: list[Any] = [(int, float), (), Reference, tuple, dict, list, str, bytes]
    for place, kind in enumerate(kinds):
        if isinstance(term, kind):
            return place
    raise AssertionError(term)


def sign(left: Any, right: Any) -> int:
    return int(left > right) - int(left < right)


def first_difference(pairs: Any, exactly: bool) -> int:
    return next(
        (found for left, right in pairs if (found := compare(left, right, exactly)) != 0), 0
    )


def compare_maps(left: dict[Any, Any], right: dict[Any, Any], exactly: bool) -> int:
    def by_key(one: Any, other: Any) -> int:
        return compare(one, other, exactly=True)

    mine = sorted(left, key=cmp_to_key(by_key))
    theirs = sorted(right, key=cmp_to_key(by_key))
    return (
        sign(len(left), len(right))
        or first_difference(zip(mine, theirs, strict=True), exactly=True)
        or first_difference(
            ((left[a], right[b]) for a, b in zip(mine, theirs, strict=True)), exactly
        )
    )


def compare_numbers(left: Any, right: Any, exactly: bool) -> int:
    if exactly and type(left) is not type(right):
        return -1 if isinstance(left, int) else 1
    return sign(left, right)


def name_of(atom: Any) -> tuple[bool, str]:
    if isinstance(atom, Atom):
        return (True, atom.name)
    return (False, "") if atom is None else (True, "true" if atom else "false")


def compare(left: Any, right: Any, exactly: bool = False) -> int:
    """Return -1, 0 or 1; `exactly` tells 1 from 1.0, as among the keys of maps."""
    if rank(left) != rank(right):
        return sign(rank(left), rank(right))
    if is_atom(left):
        return sign(name_of(left), name_of(right))
    match left:
        case int() | float():
            return compare_numbers(left, right, exactly)
        case Reference():
            return sign(left.__term_order__, right.__term_order__)
        case tuple():
            pairs = zip(left, right, strict=False)
            return sign(len(left), len(right)) or first_difference(pairs, exactly)
        case list():
            pairs = zip(left, right, strict=False)
            return first_difference(pairs, exactly) or sign(len(left), len(right))
        case dict():
            return compare_maps(left, right, exactly)
    return sign(left, right)


@given(any_terms, any_terms)
def test_order_forms_compare_as_erlang_compares_terms(left: Any, right: Any) -> None:
    forms = order(left), order(right)
    assert sign(*forms) == compare(left, right)
    assert equal(left, right) == (compare(left, right) == 0)


@given(any_terms, any_terms)
def test_exact_forms_are_equal_where_terms_are_the_same(left: Any, right: Any) -> None:
    are_same = compare(left, right, exactly=True) == 0
    assert (exact(left) == exact(right)) == are_same
    assert same(left, right) == are_same


@given(any_terms, any_terms)
def test_terms_that_are_the_same_are_equal_and_their_forms_hash_alike(
    left: Any, right: Any
) -> None:
    if same(left, right):
        assert equal(left, right)
        assert hash(exact(left)) == hash(exact(right))
    if equal(left, right):
        assert hash(order(left)) == hash(order(right))


@given(any_terms, any_terms)
def test_exactly_one_of_less_equal_and_greater_holds(left: Any, right: Any) -> None:
    less, greater = order(left) < order(right), order(right) < order(left)
    assert [less, equal(left, right), greater].count(True) == 1


@given(any_terms, any_terms, any_terms)
def test_the_order_is_transitive(one: Any, two: Any, three: Any) -> None:
    low, middle, high = sorted((one, two, three), key=order)
    assert order(low) <= order(middle) <= order(high)
    assert order(low) <= order(high)


@given(any_terms)
def test_a_term_is_the_same_as_its_copy(term: Any) -> None:
    twin = copy.deepcopy(term)
    assert same(term, twin)
    assert exact_key(term) == exact(twin)
    assert order_key(term) == order(twin)


def test_terms_of_all_ranks_are_in_erlangs_order() -> None:
    ordered = [
        *(-1, 0.5, 10**30, None, Atom("a"), False, True, Atom("undefined")),
        *(Reference(1), Reference(2), (), (9,), (1, 2), {}, {"b": 1}, {"a": 1, "b": 1}),
        *([], [1], [1, 2], [2], "", "a", "b", b"", b"a"),
    ]
    assert sorted([*ordered[1::2], *ordered[::2]], key=order) == ordered


def test_numbers_are_compared_by_value_however_large() -> None:
    assert equal(2**53, 2.0**53)
    assert not equal(2**53 + 1, 2.0**53)
    assert order(2.0**53) < order(2**53 + 1)


def test_one_and_one_point_zero_and_true_are_three_terms() -> None:
    assert len({exact(1), exact(1.0), exact(True)}) == 3
    assert len({exact((1,)), exact((1.0,)), exact((True,))}) == 3
    assert equal((1, [1]), (1.0, [1.0]))
    assert not equal(1, True)


def test_zero_and_minus_zero_are_the_same() -> None:
    assert same(0.0, -0.0)


def test_a_map_with_another_number_as_key_is_another_map() -> None:
    assert equal({"a": 1}, {"a": 1.0})
    assert not equal({1: "a"}, {1.0: "a"})
    assert order({5: "a"}) < order({1.0: "a"})


def test_text_and_octets_are_never_the_same() -> None:
    assert not same("a", b"a")
    assert order("z") < order(b"a")


def test_subclasses_stand_for_the_type_they_derive_from() -> None:
    class Point(NamedTuple):
        x: int
        y: int

    class Colour(enum.StrEnum):
        RED = "red"

    class Level(enum.IntEnum):
        LOW = 1

    class Ratio(float):
        __slots__ = ()

    class Blob(bytes):
        __slots__ = ()

    class Names(list[str]):
        pass

    for special, plain in [
        (Point(1, 2), (1, 2)),
        (Colour.RED, "red"),
        (Level.LOW, 1),
        (Ratio(0.5), 0.5),
        (Blob(b"a"), b"a"),
        (Names("a"), ["a"]),
    ]:
        assert exact_key(special) == exact_key(plain)
        assert order_key(special) == order_key(plain)


@pytest.mark.parametrize("form", [exact_key, order_key])
@pytest.mark.parametrize("key", [object(), {1}, 1j, date(2020, 1, 1), float("nan"), bytearray()])
def test_what_is_no_term_is_refused_as_a_key_wherever_it_stands(form: Any, key: Any) -> None:
    for whole in (key, (1, key), [[key]], {"a": key}):
        with pytest.raises(InvalidInput) as caught:
            form(whole)
        assert caught.value.field == "key"
        assert caught.value.value is key


@pytest.mark.parametrize("form", [exact_key, order_key])
def test_a_key_that_contains_itself_is_refused(form: Any) -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(InvalidInput):
        form(endless)


def test_foreign_values_equal_their_own_type_only() -> None:
    assert same({1}, {1})
    assert not same({1}, frozenset({1}))
    assert not same(2, 2 + 0j)
    assert not same(object(), "a")
    assert hash(exact({1})) == hash(exact({1}))
    assert equal(date(2020, 1, 1), date(2020, 1, 1))


def test_foreign_values_are_ordered_by_their_own_type() -> None:
    assert order(date(2020, 1, 1)) < order(date(2020, 1, 2))
    with pytest.raises(TypeError):
        _ = order(date(2020, 1, 1)) < order(object())
    assert order(Reference(1)) < order(object()) < order(())


def test_nan_is_the_same_as_itself_and_has_no_order() -> None:
    assert same((float("nan"),), (float("nan"),))
    with pytest.raises(InvalidInput):
        order(float("nan"))


def test_predicates_tell_the_kinds_of_terms_apart() -> None:
    assert [is_number(each) for each in (1, 1.0, True, "1")] == [True, True, False, False]
    assert [is_atom(each) for each in (None, True, Atom("a"), "a")] == [True, True, True, False]
    assert [is_reference(each) for each in (Reference(1), 1, object())] == [True, False, False]
    assert [is_foreign(each) for each in (Reference(1), 1, object())] == [False, False, True]


def test_a_detached_key_does_not_change_with_the_original() -> None:
    inner: list[int] = []
    key = ("a", 1.5, {"b": inner})
    own = detached(key)
    inner.append(1)
    assert own == ("a", 1.5, {"b": []})


def test_a_key_without_lists_and_dicts_is_detached_as_it_is() -> None:
    for key in (("a", (1.5, True)), "a", 1, None):
        assert detached(key) is key


def test_there_is_one_atom_for_a_name() -> None:
    made = Atom("a-name")
    assert Atom(f"a-{'name'}") is made
    assert copy.deepcopy(made) is made
    assert pickle.loads(pickle.dumps(made)) is made
    assert (repr(made), str(made)) == ("Atom('a-name')", "a-name")


def test_an_atom_is_not_text() -> None:
    atom: Any = Atom("ok")
    assert atom != "ok"
    assert not same(atom, "ok")


def test_the_booleans_are_the_atoms_of_their_names() -> None:
    atoms: list[Any] = [Atom("true"), Atom("false")]
    assert atoms == [True, False]


def test_atoms_sort_by_name() -> None:
    assert sorted([Atom("b"), Atom("a"), Atom("")]) == [Atom(""), Atom("a"), Atom("b")]
    assert Atom("b") >= Atom("a")
    with pytest.raises(TypeError):
        _ = Atom("b") < "a"


def test_an_atom_does_not_change() -> None:
    with pytest.raises(AttributeError):
        Atom("a").name = "b"
    with pytest.raises(AttributeError):
        del Atom("a").name
    assert Atom("a").name == "a"


def test_an_atom_that_nobody_has_is_freed() -> None:
    atom = Atom("of the moment")
    alive = weakref.ref(atom)
    assert alive() is atom
    del atom
    gc.collect()
    assert alive() is None


@pytest.mark.parametrize("name", [None, 1, b"ok", Atom("ok")])
def test_a_name_that_is_no_text_makes_no_atom(name: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        Atom(name)
    assert caught.value.field == "name"
