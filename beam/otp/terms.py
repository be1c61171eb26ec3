"""Terms: which Python values tables take as keys, when two are the same, and which comes first.

Python says `1 == 1.0 == True`; Erlang's tables do not. So a table never compares values with
`==` but by one of two forms made here: the *exact* form (equal where Erlang says `=:=`) and the
*order* form (equal where Erlang says `==`, and sorted in Erlang's order of terms).

    >>> exact(1) == exact(1.0), exact((1, "a")) == exact((1, "a"))
    (False, True)
    >>> sorted([[1], "text", (2,), Atom("ok"), {}, 3, 2.5], key=order)
    [2.5, 3, Atom('ok'), (2,), {}, [1], 'text']

The order, lowest first, with what stands for the Erlang type:

1. numbers: `int` and `float`, by value, whatever the type (`1` and `1.0` are equal here);
2. atoms: `None` first, then booleans and `Atom`s by name (`True` is the atom `true`);
3. references (processes, tables, monitors, timers): any object with an attribute `__term_order__`,
   a key (an `int`, a `str` or a tuple of these) that is its own and no other object's;
4. tuples, by size, then element by element;
5. dicts (Erlang's maps), by size, then by their sorted keys, then by the values in that order;
   among the *keys* of dicts an `int` comes before every `float`, and `1` is not `1.0`;
6. lists, element by element, a prefix first;
7. `str` (Erlang's binaries with text), by code point, which is the order of their UTF-8 bytes;
8. `bytes`, by byte. A `str` is never equal to a `bytes`, and comes before every one.

Subclasses (`IntEnum`, `StrEnum`, named tuples, ...) stand for the type they derive from. Values
of any other type are welcome in a row but are no keys: they equal a value of their own type that
`==` says they equal (it must not raise), and have an order only among their own type, by their own
`<`. NaN is no key either. A Python dict cannot hold both `1` and `1.0` as keys, so neither can a
dict in a table.

Limit: the forms follow a value as it is now. A list or dict that is changed while a table holds
it changes what the table compares.
"""

from __future__ import annotations

import operator
from math import isnan
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, cast

import pykka

from beam.errors import InvalidInput
from beam.otp.atom import Atom

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = [
    "PLAIN",
    "RANKS",
    "Atom",
    "detached",
    "equal",
    "exact",
    "exact_key",
    "is_atom",
    "is_foreign",
    "is_number",
    "is_pid",
    "is_reference",
    "order",
    "order_key",
    "same",
]

# The ranks of the order, in the order of the list above; foreign values where Erlang has funs.
NUMBER: Final = 0
ATOM: Final = 1
REF: Final = 2
FOREIGN: Final = 3
TUPLE: Final = 4
MAP: Final = 5
LIST: Final = 6
TEXT: Final = 7
BYTES: Final = 8
RANKS: Final = 9

_KEY_EXPECTED: Final = (
    "a number, None, a boolean, an Atom, a reference, text, bytes, "
    "or a tuple, dict or list made of these"
)


class _Mark:
    """A private object that no user's value contains, to keep the forms of two types apart."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


class _Foreign:
    """The form of a value that is no term."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Foreign):
            return NotImplemented
        mine, theirs = self.value, other.value
        return mine is theirs or (type(mine) is type(theirs) and bool(mine == theirs))

    def __lt__(self, other: _Foreign) -> bool:
        mine: Any = self.value
        theirs: Any = other.value
        if not isinstance(theirs, type(mine)):
            raise TypeError(f"no order between {mine!r} and {theirs!r}")
        return bool(mine < theirs)

    def __hash__(self) -> int:
        try:
            return hash(self.value)
        except TypeError:
            return hash(type(self.value))


_TRUE: Final = _Mark("true")
_FALSE: Final = _Mark("false")
_FLOAT: Final = _Mark("float")
_NAN: Final = _Mark("nan")
_REF: Final = _Mark("ref")
_BYTES: Final = _Mark("bytes")
_MAP: Final = _Mark("map")
_LIST: Final = _Mark("list")

_NONE_ORDER: Final = (ATOM, (0, ""))
_TRUE_ORDER: Final = (ATOM, (1, "true"))
_FALSE_ORDER: Final = (ATOM, (1, "false"))

PLAIN: Final = frozenset({int, str, Atom, NoneType})
"""Types whose values equal in Python exactly what they equal in Erlang: their own exact forms."""

_TERMS: Final = (int, float, str, bytes, tuple, list, dict, Atom, NoneType)


def is_number(term: object) -> bool:
    """Return whether `term` counts as a number: an `int` or a `float`, not a boolean."""
    return isinstance(term, int | float) and not isinstance(term, bool)


def is_atom(term: object) -> bool:
    """Return whether `term` counts as an atom: `None`, a boolean or an `Atom`."""
    return term is None or isinstance(term, bool | Atom)


def is_pid(term: object) -> bool:
    """Return whether `term` is a reference to a process."""
    return isinstance(term, pykka.ActorRef) and _is_ref(term)


def is_reference(term: object) -> bool:
    """Return whether `term` is a reference to something else: a table, a monitor, a timer."""
    return not isinstance(term, _TERMS) and _is_ref(term) and not is_pid(term)


def is_foreign(term: object) -> bool:
    """Return whether `term` is of a type that has no place among the terms."""
    return not isinstance(term, _TERMS) and not _is_ref(term)


def exact(term: object) -> Hashable:
    """Return the exact form: two are equal, and hash alike, when the terms are the same (`=:=`).

    Foreign values have one, too.
    """
    return _exact(term, strict=False)


def exact_key(key: object) -> Hashable:
    """Return the exact form of a key, for the kinds of table that tell `1` from `1.0`.

    Raises:
        InvalidInput: `key`, or a part of it, is no term (the error's `value` is that part), or it
            is nested too deeply.
    """
    kind = type(key)
    if kind in PLAIN:
        return key
    try:
        return _exact(key, strict=True)
    except RecursionError:
        raise _too_deep(key) from None


def order(term: object) -> tuple[int, Any]:
    """Return the order form: a rank, and what to compare inside that rank.

    The forms compare with `<` and `==` as Erlang compares the terms with `<` and `==`. Where that
    needs an order of foreign values which have none, the comparison raises `TypeError`.

    Raises:
        InvalidInput: `term` is or contains a NaN.
    """
    return _order(term, strict=False, exactly=False)


def order_key(key: object) -> tuple[int, Any]:
    """Return the order form of a key, for ordered sets; its second part is hashable.

    Raises:
        InvalidInput: `key`, or a part of it, is no term (the error's `value` is that part), or it
            is nested too deeply.
    """
    try:
        return _order(key, strict=True, exactly=False)
    except RecursionError:
        raise _too_deep(key) from None


def same(left: object, right: object) -> bool:
    """Return whether two values are the same term: Erlang's `=:=`, so `1` and `1.0` are not."""
    return left is right or exact(left) == exact(right)


def equal(left: object, right: object) -> bool:
    """Return whether two values are equal in the order: Erlang's `==`, so `1` and `1.0` are."""
    return same(left, right) or order(left) == order(right)


def detached(key: object) -> object:
    """Return `key` with its lists and dicts copied, so that nobody outside can change them."""
    if isinstance(key, tuple):
        if PLAIN.issuperset(map(type, key)):
            return key
        items = tuple(map(detached, key))
        return items if any(map(operator.is_not, items, key)) else key
    if isinstance(key, list):
        return [detached(item) for item in key]
    if isinstance(key, dict):
        return {detached(name): detached(value) for name, value in key.items()}
    return key


def _is_ref(term: object) -> bool:
    return hasattr(term, "__term_order__")


def _too_deep(key: object) -> InvalidInput:
    return InvalidInput("key", type(key), "a term that is nested less deeply")


def _exact(term: object, strict: bool) -> Hashable:
    kind = type(term)
    if kind in PLAIN:
        return term
    if kind is tuple:
        items = cast("tuple[object, ...]", term)
        for item in items:
            if type(item) not in PLAIN:
                return tuple([i if type(i) in PLAIN else _exact(i, strict) for i in items])
        return items
    if kind is bool:
        return _TRUE if term else _FALSE
    if kind is float:
        return (_FLOAT, term) if term == term else _exact_nan(term, strict)  # noqa: PLR0124  # NaN
    return _exact_rare(term, strict)


def _exact_rare(term: Any, strict: bool) -> Hashable:
    if isinstance(term, list):
        return (_LIST, *[_exact(item, strict) for item in term])
    if isinstance(term, dict):
        pairs = [(_exact(name, strict), _exact(value, strict)) for name, value in term.items()]
        return (_MAP, frozenset(pairs))
    if isinstance(term, bytes):
        return (_BYTES, bytes.__getitem__(term, slice(None)))
    if isinstance(term, _TERMS):
        return _exact(_plain(term), strict)
    if _is_ref(term):
        return (_REF, _exact(term.__term_order__, strict))
    if strict:
        raise InvalidInput("key", term, _KEY_EXPECTED)
    return _Foreign(term)


def _exact_nan(term: object, strict: bool) -> Hashable:
    if strict:
        raise _not_a_number(term)
    return _NAN


def _not_a_number(term: object) -> InvalidInput:
    return InvalidInput("key", term, "a number; NaN has no place in an order")


def _plain(term: Any) -> object:
    """Return the tuple, number or text that an instance of a subclass stands for."""
    if isinstance(term, tuple):
        return tuple(term)
    if isinstance(term, str):
        return str.__str__(term)
    return float.__float__(term) if isinstance(term, float) else int.__int__(term)


def _order(term: object, strict: bool, exactly: bool) -> tuple[int, Any]:
    kind = type(term)
    if kind is int:
        return (NUMBER, (0, term)) if exactly else (NUMBER, term)
    if kind is str:
        return (TEXT, term)
    if kind is Atom:
        return (ATOM, (1, cast("Atom", term).name))
    if kind is tuple:
        items = cast("tuple[object, ...]", term)
        if exactly:
            return (TUPLE, (len(items), *[_order(item, strict, True) for item in items]))
        forms = [
            (NUMBER, item)
            if type(item) is int
            else (TEXT, item)
            if type(item) is str
            else _order(item, strict, False)
            for item in items
        ]
        return (TUPLE, (len(items), *forms))
    if kind is float:
        if isnan(cast("float", term)):
            raise _not_a_number(term)
        return (NUMBER, (1, term)) if exactly else (NUMBER, term)
    if kind is bool:
        return _TRUE_ORDER if term else _FALSE_ORDER
    if term is None:
        return _NONE_ORDER
    return _order_rare(term, strict, exactly)


def _order_rare(term: Any, strict: bool, exactly: bool) -> tuple[int, Any]:
    if isinstance(term, list):
        return (LIST, tuple([_order(item, strict, exactly) for item in term]))
    if isinstance(term, dict):
        names = [(_order(name, strict, True), name) for name in term]
        names.sort(key=lambda pair: pair[0])
        values = [_order(term[name], strict, exactly) for _, name in names]
        return (MAP, (len(names), *[form for form, _ in names], *values))
    if isinstance(term, bytes):
        return (BYTES, bytes.__getitem__(term, slice(None)))
    if isinstance(term, _TERMS):
        return _order(_plain(term), strict, exactly)
    if _is_ref(term):
        return (REF, _order(term.__term_order__, strict, True))
    if strict:
        raise InvalidInput("key", term, _KEY_EXPECTED)
    return (FOREIGN, _Foreign(term))
