"""Match patterns and match specifications, as Erlang's `ets` has them, compiled for use on rows.

A *pattern* is a row with holes: `"_"` fits anything, `"$1"`, `"$2"`, ... fit anything and bind it,
twice the same variable fits the same term only. Everything else fits itself, exactly (`1` does not
fit `1.0`); a dict fits every dict that has at least its entries.

    >>> pattern = compile_pattern(("$1", "_", "$2"), Wanted.BINDINGS)
    >>> pattern.run(("ada", 36, "London")), pattern.run(("bob", 41)) is NO_MATCH
    (['ada', 'London'], True)

A *specification* is a list of clauses `(head, guards, body)`: the first clause whose head fits, and
whose guards are all `True`, gives the value of the last expression of its body.

    >>> spec = compile_spec([(("$1", "$2"), [(">", "$2", 40)], [(("$1", ("+", "$2", 1)),)])])
    >>> spec.run(("bob", 41)), spec.run(("ada", 36)) is NO_MATCH
    (('bob', 42), True)

In guards and bodies a tuple is a call, `(">", "$2", 40)`; a tuple that is meant as one stands in a
tuple, `(("$1", "$2"),)`; `("const", value)` is `value` unread. `"$_"` is the whole row, `"$$"` the
list of all bound variables in the order of their numbers. A call that fails means no match in a
guard, and `Atom("EXIT")` in its place in a body. Names and variables may be text or `Atom`s.

In the place of the key, what has no holes is looked up and not fitted, as OTP does: a dict there
finds the key that is that dict, and no other.

Limit: text that looks like a variable (`"$1"`), or is `"_"`, cannot be in a pattern as itself; a
guard finds it: `("=:=", "$1", ("const", "_"))`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from beam.errors import InvalidInput
from beam.otp.expressions import Scope, compile_body, compile_guard, symbol, variable
from beam.otp.guards import FAILED, MISSING, entry
from beam.otp.terms import exact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from beam.otp.expressions import Bindings, Expression, Row

__all__ = ["NO_MATCH", "KeyPrefix", "MatchSpec", "Wanted", "compile_pattern", "compile_spec"]

NO_MATCH: Final = object()
"""What `MatchSpec.run` returns for a row that no clause fits."""

# Fits a value, and binds variables on the way; a variable's slot may be set though the rest fails.
_Fit: TypeAlias = "Callable[[Any, Bindings], bool]"

_SPEC_EXPECTED: Final = "a list of clauses (head, [guard, ...], [expression, ...])"


class Wanted(Enum):
    """What a pattern yields for a row that fits."""

    BINDINGS = "$$"
    ROW = "$_"
    TRUE = True


@dataclass(frozen=True, slots=True)
class KeyPrefix:
    """What is known of the key: a tuple of `size` elements that starts with `elements`."""

    size: int
    elements: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Clause:
    head: object
    fit: _Fit | None
    width: int
    guards: tuple[Expression, ...]
    body: Expression
    result: object

    def run(self, row: Row) -> Any:
        bound: Bindings = [None] * self.width
        if self.fit is not None and not self.fit(row, bound):
            return NO_MATCH
        try:
            for guard in self.guards:
                if guard(bound, row) is not True:
                    return NO_MATCH
        except FAILED:
            return NO_MATCH
        return self.body(bound, row)


class MatchSpec:
    """A compiled pattern or match specification; it does not change, and any thread may use it.

    Attributes:
        run: takes a row and returns what the specification yields for it, or `NO_MATCH`.
    """

    __slots__ = ("_clauses", "run")

    def __init__(self, clauses: tuple[_Clause, ...]) -> None:
        self._clauses = clauses
        self.run: Callable[[Row], Any] = (
            clauses[0].run if len(clauses) == 1 else self._run_first_that_fits
        )

    def _run_first_that_fits(self, row: Row) -> Any:
        for clause in self._clauses:
            value = clause.run(row)
            if value is not NO_MATCH:
                return value
        return NO_MATCH

    def keys(self, position: int) -> list[Any] | None:
        """Return the only keys whose rows can fit, `None` if that cannot be told from the heads.

        Args:
            position: the key's position in a row, from 1.
        """
        keys = []
        for clause in self._clauses:
            if variable(clause.head) is not None or symbol(clause.head) == "_":
                return None
            if isinstance(clause.head, tuple) and len(clause.head) >= position:
                key = clause.head[position - 1]
                if not _is_ground(key):
                    return None
                keys.append(key)
        return keys

    def key_prefix(self, position: int) -> KeyPrefix | None:
        """Return how the keys of all rows that can fit begin, `None` if nothing is known of that.

        Args:
            position: the key's position in a row, from 1.
        """
        if len(self._clauses) != 1:
            return None
        head = self._clauses[0].head
        key = head[position - 1] if isinstance(head, tuple) and len(head) >= position else None
        if not isinstance(key, tuple):
            return None
        known = []
        for element in key:
            if not _is_ground(element) or _has_dict(element):
                break
            known.append(element)
        return KeyPrefix(len(key), tuple(known)) if known else None

    def require_key_kept(self, position: int) -> None:
        """Refuse a specification that could give a row another key, as `ets:select_replace/2`.

        Each body must be `["$_"]` or one tuple with the head's key, written as in the head or as
        `("element", position, "$_")`, in its place.

        Args:
            position: the key's position in a row, from 1.

        Raises:
            InvalidInput: a clause does not show that it keeps the key.
        """
        for clause in self._clauses:
            if not _keeps_key(clause.head, clause.result, position):
                raise InvalidInput(
                    "match_spec",
                    (clause.head, clause.result),
                    f"one expression that keeps the key at position {position} as the head has it",
                )


def compile_pattern(pattern: object, wanted: Wanted) -> MatchSpec:
    """Compile a match pattern.

    Args:
        pattern: a row with holes, or a variable or `"_"` for the whole row.
        wanted: what to yield for a row that fits: the list of what the variables are bound to, in
            the order of their numbers; the row; or `True`.

    Raises:
        InvalidInput: a dict in the pattern has a variable or `"_"` as a key.
    """
    return MatchSpec((_compile_clause(pattern, [], [wanted.value]),))


def compile_spec(spec: object) -> MatchSpec:
    """Compile a match specification.

    Args:
        spec: a list of clauses `(head, guards, body)`; guards and body are lists of expressions.

    Raises:
        InvalidInput: `spec` is not of that form, or an expression is wrong; the error's `value` is
            the part that is.
    """
    if not isinstance(spec, list):
        raise InvalidInput("match_spec", spec, _SPEC_EXPECTED)
    clauses = []
    for clause in spec:
        match clause:
            case (head, list(guards), list(body)) if isinstance(clause, tuple) and body:
                clauses.append(_compile_clause(head, guards, body))
            case _:
                raise InvalidInput("match_spec", clause, _SPEC_EXPECTED)
    return MatchSpec(tuple(clauses))


def _compile_clause(head: object, guards: list[Any], body: list[Any]) -> _Clause:
    scope = Scope(sorted(set(_variables(head))))
    expressions = [compile_body(expression, scope) for expression in body]
    return _Clause(
        head=head,
        fit=_fit(head, scope.slots, set()),
        width=len(scope.slots),
        guards=tuple([compile_guard(guard, scope) for guard in guards]),
        # The earlier expressions of a body have no effects in tables; only the last one counts.
        body=expressions[-1],
        result=body[0] if len(body) == 1 else None,
    )


def _variables(pattern: object) -> Iterator[int]:
    if isinstance(pattern, tuple | list):
        for item in pattern:
            yield from _variables(item)
    elif isinstance(pattern, dict):
        for key, value in pattern.items():
            if not _is_ground(key):
                raise InvalidInput("pattern", key, "a dict key without variables and '_'")
            yield from _variables(value)
    else:
        number = variable(pattern)
        if number is not None:
            yield number


def _is_ground(pattern: object) -> bool:
    """Return whether there is no variable and no `"_"` in the pattern."""
    if isinstance(pattern, tuple | list):
        return all(map(_is_ground, pattern))
    if isinstance(pattern, dict):
        return all(_is_ground(key) and _is_ground(value) for key, value in pattern.items())
    return variable(pattern) is None and symbol(pattern) != "_"


def _has_dict(pattern: object) -> bool:
    if isinstance(pattern, tuple | list):
        return any(map(_has_dict, pattern))
    return isinstance(pattern, dict)


def _fit(pattern: object, slots: dict[int, int], bound: set[int]) -> _Fit | None:
    """Compile a pattern; `None` fits anything. Variables in `bound` have their value by then."""
    if isinstance(pattern, tuple):
        return _fit_sequence(tuple, pattern, slots, bound)
    if isinstance(pattern, list):
        return _fit_sequence(list, pattern, slots, bound)
    if isinstance(pattern, dict):
        return _fit_dict(pattern, slots, bound)
    if symbol(pattern) == "_":
        return None
    number = variable(pattern)
    if number is None:
        return _fit_constant(pattern)
    slot = slots[number]
    if number in bound:
        return lambda value, values: exact(value) == exact(values[slot])
    bound.add(number)
    return _bind(slot)


def _bind(slot: int) -> _Fit:
    def fit(value: Any, values: Bindings) -> bool:
        values[slot] = value
        return True

    return fit


def _fit_constant(constant: object) -> _Fit:
    form = exact(constant)
    kind = type(constant)
    if kind is int or kind is str:
        return lambda value, _values: (
            value == constant if type(value) is kind else exact(value) == form
        )
    return lambda value, _values: value is constant or exact(value) == form


def _fit_sequence(
    kind: type[tuple[Any, ...] | list[Any]],
    pattern: tuple[Any, ...] | list[Any],
    slots: dict[int, int],
    bound: set[int],
) -> _Fit:
    size = len(pattern)
    fits = [(place, _fit(item, slots, bound)) for place, item in enumerate(pattern)]
    parts = [(place, fit) for place, fit in fits if fit is not None]

    def fit_all(value: Any, values: Bindings) -> bool:
        if not isinstance(value, kind) or len(value) != size:
            return False
        for place, fit in parts:  # noqa: SIM110  # a generator costs more than most fits
            if not fit(value[place], values):
                return False
        return True

    return fit_all


def _fit_dict(pattern: dict[Any, Any], slots: dict[int, int], bound: set[int]) -> _Fit:
    parts = [(key, _fit(value, slots, bound)) for key, value in pattern.items()]

    def fit_entries(value: Any, values: Bindings) -> bool:
        if not isinstance(value, dict) or len(value) < len(parts):
            return False
        for key, fit in parts:
            found = entry(value, key)
            if found is MISSING or (fit is not None and not fit(found, values)):
                return False
        return True

    return fit_entries


def _keeps_key(head: object, result: object, position: int) -> bool:
    if symbol(result) == "$_":
        return True
    if not isinstance(head, tuple) or len(head) < position or not isinstance(result, tuple):
        return False
    key = head[position - 1]
    match result:
        case (tuple(built),) if len(built) >= position:
            return _rebuilds(key, built[position - 1], position)
        case (name, tuple(constant)) if symbol(name) == "const" and len(constant) >= position:
            return _is_constant(key, constant[position - 1])
    return False


def _rebuilds(key: object, expression: object, position: int) -> bool:
    """Return whether the expression has the value of the head's key, whatever fits the head."""
    match expression:
        case (name, int(place), whole) if symbol(name) == "element" and place is not True:
            return place == position and symbol(whole) == "$_"
    return _restates(key, expression)


def _restates(pattern: object, expression: object) -> bool:
    if isinstance(pattern, tuple):
        match expression:
            case (tuple(items),) if len(items) == len(pattern):
                return all(map(_restates, pattern, items))
    elif isinstance(pattern, list):
        if isinstance(expression, list) and len(expression) == len(pattern):
            return all(map(_restates, pattern, expression))
    elif variable(pattern) is not None:
        return variable(expression) == variable(pattern)
    elif not isinstance(expression, tuple) and symbol(expression) not in ("$_", "$$"):
        return _is_constant(pattern, expression)
    match expression:
        case (name, constant) if symbol(name) == "const":
            return _is_constant(pattern, constant)
    return False


def _is_constant(pattern: object, constant: object) -> bool:
    if not _is_ground(pattern) or _has_dict(pattern):
        return False
    return exact(pattern) == exact(constant)
