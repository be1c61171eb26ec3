"""The expressions in guards and bodies of match specifications, compiled to functions.

    >>> compile_body(("+", "$1", 1), Scope([1]))([41], ("a row",))
    42

An expression is compiled once and evaluated for each row, with the values of the variables that
the head has bound and the row itself. What the forms mean is told in `beam.otp.match`, which
compiles the heads; the functions that may be called are in `beam.otp.guards`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from beam.errors import InvalidInput
from beam.otp.atom import Atom
from beam.otp.guards import FAILED, FUNCTIONS, BadArgument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = [
    "Bindings",
    "Expression",
    "Row",
    "Scope",
    "compile_body",
    "compile_guard",
    "symbol",
    "variable",
]

Row: TypeAlias = tuple[Any, ...]
Bindings: TypeAlias = list[Any]
Expression: TypeAlias = "Callable[[Bindings, Row], Any]"

_VARIABLE: Final = re.compile(r"\$(0|[1-9][0-9]*)")
_FAILURE: Final = Atom("EXIT")


def symbol(term: object) -> str | None:
    """Return the name that `term` may stand for: its own if it is text or an atom, else `None`."""
    if isinstance(term, str):
        return term
    return term.name if isinstance(term, Atom) else None


def variable(term: object) -> int | None:
    """Return the number of the variable that `term` is, `None` if it is none."""
    name = symbol(term)
    found = _VARIABLE.fullmatch(name) if name is not None else None
    return int(found[1]) if found else None


class Scope:
    """What an expression may name: the variables that its head binds.

    Args:
        variables: the numbers of the variables, in ascending order; a `Bindings` has their values
            in that order.
    """

    def __init__(self, variables: Iterable[int]) -> None:
        self.slots = {number: slot for slot, number in enumerate(variables)}


def compile_guard(term: object, scope: Scope) -> Expression:
    """Compile a guard; evaluated, it raises one of `FAILED` where a call in it fails.

    Raises:
        InvalidInput: `term` is no expression, or names a variable that the head does not bind.
    """
    return _compile(term, scope, in_body=False)


def compile_body(term: object, scope: Scope) -> Expression:
    """Compile an expression of a body; a call in it that fails has the value `Atom("EXIT")`.

    Raises:
        InvalidInput: `term` is no expression, or names a variable that the head does not bind.
    """
    return _compile(term, scope, in_body=True)


def _compile(term: object, scope: Scope, in_body: bool) -> Expression:
    if isinstance(term, tuple):
        return _compile_tuple(term, scope, in_body)
    if isinstance(term, list):
        items = [_compile(item, scope, in_body) for item in term]
        return lambda bound, row: [item(bound, row) for item in items]
    if isinstance(term, dict):
        return _compile_dict(term, scope, in_body)
    name = symbol(term)
    if name == "$_":
        return lambda _bound, row: row
    if name == "$$":
        return lambda bound, _row: list(bound)
    number = variable(term)
    if number is None:
        return lambda _bound, _row: term
    slot = scope.slots.get(number)
    if slot is None:
        raise _invalid(term, "a variable that the head binds")
    return lambda bound, _row: bound[slot]


def _compile_dict(term: dict[Any, Any], scope: Scope, in_body: bool) -> Expression:
    pairs = [
        (_compile(key, scope, in_body), _compile(value, scope, in_body))
        for key, value in term.items()
    ]

    def build(bound: Bindings, row: Row) -> dict[Any, Any]:
        try:
            return {key(bound, row): value(bound, row) for key, value in pairs}
        except TypeError:
            raise BadArgument from None  # an unhashable key

    return _contained(build) if in_body else build


def _compile_tuple(term: Row, scope: Scope, in_body: bool) -> Expression:
    if len(term) == 1 and isinstance(term[0], tuple):
        items = [_compile(item, scope, in_body) for item in term[0]]
        return lambda bound, row: tuple([item(bound, row) for item in items])
    name = symbol(term[0]) if term else None
    if name is None:
        raise _invalid(term, "a call (name, argument, ...), or a tuple in a tuple")
    if name == "const" and len(term) == 2:
        value = term[1]
        return lambda _bound, _row: value
    arguments = [_compile(item, scope, in_body) for item in term[1:]]
    call = _compile_call(term, name, arguments)
    return _contained(call) if in_body else call


def _contained(call: Expression) -> Expression:
    def attempt(bound: Bindings, row: Row) -> Any:
        try:
            return call(bound, row)
        except FAILED:
            return _FAILURE

    return attempt


def _compile_call(term: Row, name: str, arguments: list[Expression]) -> Expression:
    if name in ("and", "or", "andalso", "orelse") and arguments:
        decisive = name in ("or", "orelse")
        if name in ("andalso", "orelse"):
            return _until(arguments, decisive)
        return _joined(arguments, decisive)
    if name == "not" and len(arguments) == 1:
        (only,) = arguments
        return lambda bound, row: not _boolean(only(bound, row))
    if name == "xor" and len(arguments) == 2:
        left, right = arguments
        return lambda bound, row: _boolean(left(bound, row)) is not _boolean(right(bound, row))
    function = FUNCTIONS.get((name, len(arguments)))
    if function is None:
        raise _invalid(term, "a function of match specifications, with its number of arguments")
    return _applied(function, arguments)


def _applied(function: Callable[..., Any], arguments: list[Expression]) -> Expression:
    if len(arguments) == 1:
        (only,) = arguments
        return lambda bound, row: function(only(bound, row))
    if len(arguments) == 2:
        left, right = arguments
        return lambda bound, row: function(left(bound, row), right(bound, row))
    return lambda bound, row: function(*[argument(bound, row) for argument in arguments])


def _joined(arguments: list[Expression], decisive: bool) -> Expression:
    """Compile `and` and `or`: every argument is evaluated, and must be a boolean."""

    def apply(bound: Bindings, row: Row) -> bool:
        values = [_boolean(argument(bound, row)) for argument in arguments]
        return decisive if decisive in values else not decisive

    return apply


def _until(arguments: list[Expression], decisive: bool) -> Expression:
    """Compile `andalso` and `orelse`: up to the decisive value; the last may be any term."""
    *firsts, last = arguments

    def apply(bound: Bindings, row: Row) -> Any:
        for argument in firsts:
            if _boolean(argument(bound, row)) is decisive:
                return decisive
        return last(bound, row)

    return apply


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise BadArgument
    return value


def _invalid(term: object, expected: str) -> InvalidInput:
    return InvalidInput("match_spec", term, expected)
