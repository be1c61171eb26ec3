"""Match patterns and match specifications."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.errors import InvalidInput
from beam.otp import Mailbox, Node, Table
from beam.otp.atom import Atom
from beam.otp.match import NO_MATCH, Wanted, compile_pattern, compile_spec
from beam.otp.terms import same
from tests.otp.terms_strategies import Reference, few, terms

EXIT = Atom("EXIT")
NO = object()

holes = st.sampled_from(["_", "$1", "$2", "$3", Atom("_"), Atom("$1")])
patterns = st.recursive(
    st.one_of(holes, few),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple),
        st.lists(inner, max_size=2),
        st.dictionaries(st.sampled_from(["a", 1, 1.0, Atom("a")]), inner, max_size=2),
    ),
    max_leaves=6,
)
rows = st.lists(st.one_of(few, terms), min_size=1, max_size=3).map(tuple)


def hole(pattern: Any) -> str | None:
    name = pattern.name if isinstance(pattern, Atom) else pattern
    return name if name in ("_", "$1", "$2", "$3") else None


def fits(pattern: Any, value: Any, bound: dict[str, Any]) -> bool:
    """Say slowly what a pattern fits."""
    if (name := hole(pattern)) is not None:
        return name == "_" or same(bound.setdefault(name, value), value)
    if isinstance(pattern, tuple | list):
        return (
            isinstance(value, type(pattern))
            and len(value) == len(pattern)
            and all(fits(part, item, bound) for part, item in zip(pattern, value, strict=True))
        )
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(
            any(same(key, name) and fits(part, value[name], bound) for name in value)
            for key, part in pattern.items()
        )
    return same(pattern, value)


def first(clause_or_spec: Any, row: Any) -> Any:
    """Return what a specification yields for a row, `NO` if nothing."""
    spec = clause_or_spec if isinstance(clause_or_spec, list) else [clause_or_spec]
    value = compile_spec(spec).run(row)
    return NO if value is NO_MATCH else value


def body(expression: Any, row: Any = ("a", 2)) -> Any:
    """Return the value of an expression in a body, with `$1` and `$2` bound to a row of two."""
    return first((("$1", "$2"), [], [expression]), row)


def guard(expression: Any, row: Any = ("a", 2)) -> bool:
    """Return whether a guard holds, with `$1` and `$2` bound to a row of two."""
    return bool(first((("$1", "$2"), [expression], ["yes"]), row) == "yes")


@given(patterns, rows)
def test_a_pattern_fits_what_its_parts_fit(pattern: Any, row: Any) -> None:
    bound: dict[str, Any] = {}
    found = compile_pattern(pattern, Wanted.BINDINGS).run(row)
    if not fits(pattern, row, bound):
        assert found is NO_MATCH
    else:
        assert len(found) == len(bound)
        assert all(map(same, found, [bound[name] for name in sorted(bound)]))


@given(rows)
def test_every_row_without_holes_fits_itself(row: Any) -> None:
    is_hole = "_" in repr(row) or "$" in repr(row)
    assert is_hole or compile_pattern(row, Wanted.TRUE).run(row) is True


@pytest.mark.parametrize(
    ("pattern", "row", "bindings"),
    [
        (("$1", "$2"), ("a", 1), ["a", 1]),
        (("$2", "$1"), ("a", 1), [1, "a"]),
        (("$10", "$9"), ("a", 1), [1, "a"]),
        (("$1", "_"), ("a", 1), ["a"]),
        (("$1", "$1"), (1, 1), [1]),
        (("$1", "$1"), (1, 1.0), NO),
        ("_", ("a", 1), []),
        ("$1", ("a", 1), [("a", 1)]),
        (("$1",), ("a", 1), NO),
        ((1,), (1.0,), NO),
        ((1,), (True,), NO),
        ((["$1", 3],), ([2, 3],), [2]),
        ((["$1"],), (("x",),), NO),
        (({"k": "$1"},), ({"k": 1, "l": 2},), [1]),
        (({1: "$1"},), ({1.0: "a"},), NO),
        (({},), ({"k": 1},), []),
        (("$01",), ("a",), NO),
        (("$01",), ("$01",), []),
        (("$_",), ("$_",), []),
        (5, (5,), NO),
    ],
)
def test_patterns_fit_as_in_ets(pattern: Any, row: Any, bindings: Any) -> None:
    found = compile_pattern(pattern, Wanted.BINDINGS).run(row)
    assert found == (NO_MATCH if bindings is NO else bindings)


def test_a_pattern_can_yield_the_row_or_true() -> None:
    row = ("a", 1)
    assert compile_pattern(("_", 1), Wanted.ROW).run(row) is row
    assert compile_pattern(("_", 1), Wanted.TRUE).run(row) is True


@pytest.mark.parametrize("key", ["$1", "_", Atom("_"), ("a", "$1")])
def test_a_hole_as_a_key_of_a_dict_is_refused(key: Any) -> None:
    with pytest.raises(InvalidInput):
        compile_pattern(({key: 1},), Wanted.TRUE)


def test_the_first_clause_that_fits_yields() -> None:
    spec = [
        (("$1", 1), [("is_atom", "$1")], ["one"]),
        (("$1", "_"), [], ["two"]),
        ("_", [], ["three"]),
    ]
    assert first(spec, (Atom("a"), 1)) == "one"
    assert first(spec, ("a", 1)) == "two"
    assert first(spec, ("a",)) == "three"
    assert first([], ("a",)) is NO


def test_all_guards_must_be_true() -> None:
    assert first((("$1",), [(">", "$1", 1), ("<", "$1", 3)], ["$1"]), (2,)) == 2
    assert first((("$1",), [(">", "$1", 1), ("<", "$1", 2)], ["$1"]), (2,)) is NO
    assert first((("$1",), ["$1"], ["$1"]), (2,)) is NO


def test_the_last_expression_of_a_body_yields() -> None:
    assert first((("$1",), [], [("+", "$1", "x"), "$1"]), (1,)) == 1


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("$_", ("a", 2)),
        ("$$", ["a", 2]),
        ("$1", "a"),
        (Atom("$1"), "a"),
        ("_", "_"),
        ("$x", "$x"),
        ((("$2", "$1"),), (2, "a")),
        (((),), ()),
        (["$1", ("+", "$2", 1)], ["a", 3]),
        ({"k": "$2", "$1": 1}, {"k": 2, "a": 1}),
        (("const", ("+", "$2", 1)), ("+", "$2", 1)),
        ((Atom("+"), "$2", 1), 3),
        (("+", "$1", 1), EXIT),
        (((("+", "$1", 1),),), (EXIT,)),
        (("=:=", ("+", "$1", 1), EXIT), True),
        ({("const", (1,)): 2}, {(1,): 2}),
    ],
)
def test_bodies_yield_as_in_ets(expression: Any, value: Any) -> None:
    assert same(body(expression), value)


def test_a_dict_in_a_body_needs_keys_that_python_can_hash() -> None:
    assert body({"$1": 1}, ([], 1)) == EXIT


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        (("andalso", True, 5), 5),
        (("andalso", 5, True), EXIT),
        (("andalso", False, ("hd", [])), False),
        (("orelse", True, ("hd", [])), True),
        (("orelse", False, False, 7), 7),
        (("orelse", ("hd", []), True), EXIT),
        (("and", True, True), True),
        (("and", True, False, True), False),
        (("and", False, 5), EXIT),
        (("or", False, True), True),
        (("or", True, ("hd", [])), EXIT),
        (("and", True), True),
        (("not", False), True),
        (("not", 5), EXIT),
        (("xor", True, False), True),
        (("xor", True, 5), EXIT),
    ],
)
def test_boolean_operators_are_erlangs(expression: Any, value: Any) -> None:
    assert same(body(expression), value)


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        (True, True),
        (1, False),
        (("andalso", True, 5), False),
        (("orelse", True, ("hd", [])), True),
        (("orelse", ("hd", []), True), False),
        (("or", True, ("hd", [])), False),
        (("not", ("hd", [])), False),
        (("==", ("hd", []), EXIT), False),
        (("const", True), True),
        (("<", "$2", 3), True),
        (("<", 3, "$1"), True),
    ],
)
def test_a_guard_that_fails_or_is_not_true_is_no_match(expression: Any, holds: bool) -> None:
    assert guard(expression) is holds


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        (("==", 1, 1.0), True),
        (("/=", 1, 1.0), False),
        (("=:=", 1, 1.0), False),
        (("=/=", 1, 1.0), True),
        (("==", ((1,),), ((1.0,),)), True),
        (("=<", 2, 2.0), True),
        ((">=", "b", "a"), True),
        ((">", Atom("a"), 10**9), True),
        (("<", "a", b"a"), True),
        (("div", -7, 2), -3),
        (("rem", -7, 2), -1),
        (("rem", 7, -2), 1),
        (("div", 1, 0), EXIT),
        (("div", 1.0, 2), EXIT),
        (("/", 6, 2), 3.0),
        (("/", 1, 0), EXIT),
        (("+", True, 1), EXIT),
        (("+", "a", "b"), EXIT),
        (("+", 1.5, 2), 3.5),
        (("-", 3, 4), -1),
        (("*", 2, 3), 6),
        (("+", 3), 3),
        (("-", 3), -3),
        (("*", 1e308, 10), EXIT),
        (("float", 10**400), EXIT),
        (("float", 2), 2.0),
        (("abs", -3), 3),
        (("round", 2.5), 3),
        (("round", -2.5), -3),
        (("round", 0.49999999999999994), 0),
        (("round", 7), 7),
        (("trunc", -2.5), -2),
        (("band", 5, 3), 1),
        (("bor", 5, 3), 7),
        (("bxor", 5, 3), 6),
        (("bnot", 5), -6),
        (("bsl", 1, 70), 1 << 70),
        (("bsl", 1, -3), 0),
        (("bsr", 8, 3), 1),
        (("bsr", 1, -3), 8),
        (("bsl", 1, 10**12), EXIT),
        (("element", 1, "$_"), "a"),
        (("element", 3, "$_"), EXIT),
        (("element", 0, "$_"), EXIT),
        (("element", True, "$_"), EXIT),
        (("hd", "$$"), "a"),
        (("tl", "$$"), [2]),
        (("tl", []), EXIT),
        (("length", "$$"), 2),
        (("length", "abc"), EXIT),
        (("size", "$_"), 2),
        (("size", "é"), 2),
        (("byte_size", b"abc"), 3),
        (("bit_size", "a"), 8),
        (("size", 5), EXIT),
        (("map_size", {"a": 1}), 1),
        (("map_get", "a", {"a": 1}), 1),
        (("map_get", 1, {1.0: "a"}), EXIT),
        (("is_map_key", 1, {1: "a"}), True),
        (("is_map_key", 1, {True: "a"}), False),
        (("is_map_key", "a", 5), EXIT),
        (("binary_part", "hello", 1, 2), "el"),
        (("binary_part", b"hello", 4, -2), b"ll"),
        (("binary_part", "hello", ((1, 2),)), "el"),
        (("binary_part", "hello", 4, 2), EXIT),
        (("binary_part", "é", 0, 1), EXIT),
        (("binary_part", "é", ((0,),)), EXIT),
        (("is_record", (("rec", 1),), "rec", 2), EXIT),
        (("is_record", ((Atom("rec"), 1),), Atom("rec"), 2), True),
        (("is_record", ((Atom("rec"), 1),), Atom("rec"), 3), False),
        (("is_record", 5, Atom("rec"), 2), False),
        (("is_record", 5, Atom("rec"), 2.0), EXIT),
    ],
)
def test_functions_are_erlangs(expression: Any, value: Any) -> None:
    assert same(body(expression), value)


@pytest.mark.parametrize(
    ("test", "yes", "no"),
    [
        ("is_atom", [None, True, Atom("a")], ["a", 1]),
        ("is_integer", [1], [1.0, True]),
        ("is_float", [1.0], [1]),
        ("is_number", [1, 1.0], [True, "1"]),
        ("is_tuple", [(), (1,)], [[]]),
        ("is_list", [[]], [()]),
        ("is_map", [{}], [[]]),
        ("is_binary", ["", b""], [Atom("a")]),
        ("is_reference", [Reference(1)], [object(), 1]),
        ("is_pid", [], [Reference(1), object()]),
        ("is_port", [], [Reference(1)]),
        ("is_function", [len], [object(), 1]),
    ],
)
def test_type_tests_tell_the_kinds_of_terms(test: str, yes: list[Any], no: list[Any]) -> None:
    assert [guard((test, "$2"), ("k", value)) for value in yes] == [True] * len(yes)
    assert [guard((test, "$2"), ("k", value)) for value in no] == [False] * len(no)


def test_comparing_values_that_have_no_order_fails() -> None:
    row = (object(), object())
    assert not guard(("<", "$1", "$2"), row)
    assert body(("<", "$1", "$2"), row) == EXIT
    assert guard(("=/=", "$1", "$2"), row)
    assert body(("==", "$1", float("nan")), (1, 2)) == EXIT


def test_self_and_node_are_of_the_process_that_searches() -> None:
    spec = compile_spec([("_", [("is_pid", ("self",))], [[("self",), ("node",), ("node", "$_")]])])
    with Node("here"), Mailbox() as me:
        assert spec.run(("a",)) == [me.ref, Atom("here"), EXIT]


def test_node_of_a_process_or_a_table_is_the_name_of_its_node() -> None:
    with Node("there"):
        holder, table = Mailbox().ref, Table.new()
    with Node("here"):
        assert body(("node", "$1"), (holder, 1)) == Atom("there")
        assert body(("node", "$1"), (table, 1)) == Atom("there")


@pytest.mark.parametrize(
    "spec",
    [
        None,
        (("_", [], ["$_"]),),
        ["x"],
        [("_", [])],
        [["_", [], ["$_"]]],
        [("_", (), ["$_"])],
        [("_", [], "$_")],
        [("_", [], [])],
        [("_", [], ["$1"])],
        [(("$1",), [(">", "$9", 1)], ["$_"])],
        [("_", [()], ["$_"])],
        [("_", [], [("unknown", 1)])],
        [("_", [], [("hd",)])],
        [("_", [], [("+", 1, 2, 3)])],
        [("_", [], [(1, 2)])],
        [("_", [], [("and",)])],
        [("_", [], [("not", True, True)])],
        [("_", [], [("xor", True)])],
        [("_", [], [("const",)])],
        [("_", [], [("const", 1, 2)])],
    ],
)
def test_a_specification_that_is_wrong_is_refused_before_it_runs(spec: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        compile_spec(spec)
    assert caught.value.field == "match_spec"


@pytest.mark.parametrize(
    ("head", "keys"),
    [
        (("a", "$1"), ["a"]),
        ((("a", 1), "_"), [("a", 1)]),
        (("$1", "a"), None),
        ((("a", "_"), "a"), None),
        ((["_"], "a"), None),
        (({"k": "$1"}, "a"), None),
        ("_", None),
        ("$1", None),
        ((), []),
        (5, []),
    ],
)
def test_a_head_tells_which_keys_it_can_fit(head: Any, keys: Any) -> None:
    assert compile_pattern(head, Wanted.TRUE).keys(1) == keys


def test_a_head_tells_how_its_key_begins() -> None:
    def prefix(head: Any) -> Any:
        found = compile_pattern(head, Wanted.TRUE).key_prefix(1)
        return found and (found.size, found.elements)

    assert prefix((("a", "$1", 2), "_")) == (3, ("a",))
    assert prefix((("$1", 2), "_")) is None
    assert prefix((({"k": 1}, "_"), "_")) is None
    assert prefix((("a", ["_"]), "_")) == (2, ("a",))
    assert prefix("_") is None
    assert compile_spec([]).key_prefix(1) is None


@pytest.mark.parametrize(
    ("head", "expression"),
    [
        (("$1", "_"), "$_"),
        ("_", "$_"),
        (("$1", "$2"), (("$1", ("+", "$2", 1)),)),
        (("$1", "$2"), (("$1",),)),
        (("_", "$2"), ((("element", 1, "$_"), "$2"),)),
        ((1, "_"), ((1, "x"),)),
        ((1, "_"), ((("const", 1), "x"),)),
        ((1, "_"), ("const", (1, "x"))),
        ((("$1", 2), "_"), (((("$1", 2),), "x"),)),
        (((1, 2), "_"), ((("const", (1, 2)), "x"),)),
        ((["$1", 2], "_"), ((["$1", 2], "x"),)),
    ],
)
def test_a_body_may_restate_the_key_of_its_head(head: Any, expression: Any) -> None:
    compile_spec([(head, [], [expression])]).require_key_kept(1)


@pytest.mark.parametrize(
    ("head", "expressions"),
    [
        (("$1", "$2"), [(("$2", "$1"),)]),
        (("$1", "$2"), ["$1"]),
        (("$1", "$2"), ["$$"]),
        ("$1", ["$1"]),
        ("_", [((("element", 1, "$_"), 1),)]),
        (("$1", "$2"), [((("element", 2, "$_"), 1),)]),
        (("$1", "$2"), [((("element", True, "$_"), 1),)]),
        (("$1", "$2"), [((("+", "$1", 0), 1),)]),
        (("$1", "$2"), [(("$1", 1),), (("$1", 2),)]),
        ((1, "_"), [((1.0, "x"),)]),
        ((1, "_"), [("const", (2, "x"))]),
        (("_", "$1"), [(("_", "$1"),)]),
        (("$_", "$1"), [(("$_", "$1"),)]),
        (({"a": 1}, "$1"), [(({"a": 1}, "$1"),)]),
        ((("$1", "$2"), "_"), [(((("$2", "$1"),), "x"),)]),
        ((["$1"], "_"), [(([1], "x"),)]),
        ((["$1"], "_"), [(("$1", "x"),)]),
        (("$1", "$2"), [((),)]),
    ],
)
def test_a_body_that_may_change_the_key_is_refused(head: Any, expressions: list[Any]) -> None:
    with pytest.raises(InvalidInput):
        compile_spec([(head, [], expressions)]).require_key_kept(1)
