"""The functions that guards and bodies of match specifications may call, as OTP 25 has them.

    >>> FUNCTIONS["div", 2](-7, 2), FUNCTIONS["is_atom", 1](None), FUNCTIONS["==", 2](1, 1.0)
    (-3, True, True)

They take terms and return terms, and refuse what Erlang refuses: text is not added, `True` is not
`1`, a quotient by zero is an error, and so is a float that would be infinite. What is refused
raises `BadArgument` or an `ArithmeticError` (both are `FAILED`); in a guard that means no match,
in a body the atom `'EXIT'` stands in the result.

`str` stands for Erlang's binaries: it is `is_binary`, its sizes count bytes of UTF-8, and
`binary_part` cuts those bytes (and refuses to cut a character). The operators `and`, `or`,
`andalso`, `orelse`, `not`, and `const` are the compiler's (`beam.otp.match`). `("self",)` is the
process that searches, outside any the node's `init`; `("node",)` is the name of its node.
"""

from __future__ import annotations

import operator
from math import isinf
from typing import TYPE_CHECKING, Any, Final

from beam.errors import InvalidInput
from beam.otp import terms
from beam.otp.atom import Atom
from beam.otp.context import current_node, here

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FAILED", "FUNCTIONS", "MISSING", "BadArgument", "entry"]

# A shift to more bits than this is refused; Erlang's limit is of the same kind.
_WIDEST: Final = 1 << 26


class BadArgument(Exception):
    """A function got an argument that it does not take; never leaves a match."""


FAILED: Final = (BadArgument, ArithmeticError)

MISSING: Final = object()
"""What `entry` returns where there is none."""


def entry(mapping: dict[Any, Any], name: object) -> object:
    """Return what `mapping` has under exactly that key (not `1` for `1.0`), else `MISSING`."""
    if type(name) is str:
        return mapping.get(name, MISSING)
    form = terms.exact(name)
    return next((mapping[key] for key in mapping if terms.exact(key) == form), MISSING)


def _number(value: Any) -> Any:
    if not terms.is_number(value):
        raise BadArgument
    return value


def _integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadArgument
    return value


def _typed(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise BadArgument
    return value


def _octets(value: Any) -> bytes:
    return (
        value.encode("utf-8", "surrogatepass") if isinstance(value, str) else _typed(value, bytes)
    )


def _finite(number: Any) -> Any:
    if isinstance(number, float) and isinf(number):
        raise BadArgument
    return number


def _arithmetic(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def apply(left: Any, right: Any) -> Any:
        return _finite(function(_number(left), _number(right)))

    return apply


def _integral(function: Callable[[int, int], int]) -> Callable[[Any, Any], int]:
    def apply(left: Any, right: Any) -> int:
        return function(_integer(left), _integer(right))

    return apply


def _quotient(left: int, right: int) -> int:
    size = abs(left) // abs(right)
    return size if (left < 0) == (right < 0) else -size


def _remainder(left: int, right: int) -> int:
    return left - right * _quotient(left, right)


def _shifted(number: int, by: int) -> int:
    if by > 0 and number.bit_length() + by > _WIDEST:
        raise BadArgument
    return number << by if by >= 0 else number >> -by


def _rounded(value: Any) -> int:
    # Halves go away from zero, where Python's `round` takes them to the even neighbour.
    if isinstance(_number(value), int):
        return int(value)
    whole = int(value)
    if abs(value - whole) < 0.5:
        return whole
    return whole + (1 if value > 0 else -1)


def _comparison(function: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def apply(left: Any, right: Any) -> bool:
        if type(left) is type(right) is int or type(left) is type(right) is str:
            return function(left, right)
        try:
            return function(terms.order(left), terms.order(right))
        except (TypeError, InvalidInput):
            raise BadArgument from None

    return apply


def _equal(left: Any, right: Any) -> bool:
    try:
        return terms.equal(left, right)
    except (TypeError, InvalidInput):
        raise BadArgument from None


def _element(position: Any, tuple_: Any) -> Any:
    if not 1 <= _integer(position) <= len(_typed(tuple_, tuple)):
        raise BadArgument
    return tuple_[position - 1]


def _size(value: Any) -> int:
    return len(value) if isinstance(value, tuple) else len(_octets(value))


def _head(items: Any) -> Any:
    if not _typed(items, list):
        raise BadArgument
    return items[0]


def _tail(items: Any) -> list[Any]:
    if not _typed(items, list):
        raise BadArgument
    return list(items[1:])


def _map_get(name: Any, mapping: Any) -> Any:
    found = entry(_typed(mapping, dict), name)
    if found is MISSING:
        raise BadArgument
    return found


def _is_record(value: Any, tag: Any, size: Any) -> bool:
    if not terms.is_atom(tag):
        raise BadArgument
    wanted = _integer(size)
    fits = isinstance(value, tuple) and 0 < len(value) == wanted
    return fits and terms.same(value[0], tag)


def _binary_part(value: Any, start: Any, length: Any) -> Any:
    octets = _octets(value)
    low, high = sorted((_integer(start), start + _integer(length)))
    if not 0 <= low <= high <= len(octets):
        raise BadArgument
    part = octets[low:high]
    if isinstance(value, bytes):
        return part
    try:
        return part.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        raise BadArgument from None


def _binary_span(value: Any, span: Any) -> Any:
    if len(_typed(span, tuple)) != 2:
        raise BadArgument
    return _binary_part(value, *span)


def _self() -> Any:
    control = here.control if here.control is not None else current_node().init
    return control.ref


def _node_of(value: Any) -> Atom:
    if not (terms.is_pid(value) or terms.is_reference(value)):
        raise BadArgument
    order = value.__term_order__
    if not isinstance(order, tuple):
        raise BadArgument  # Not one of ours.
    return Atom(order[0])


FUNCTIONS: Final[dict[tuple[str, int], Callable[..., Any]]] = {
    ("is_atom", 1): terms.is_atom,
    ("is_float", 1): lambda value: isinstance(value, float),
    ("is_integer", 1): lambda value: isinstance(value, int) and not isinstance(value, bool),
    ("is_list", 1): lambda value: isinstance(value, list),
    ("is_number", 1): terms.is_number,
    ("is_pid", 1): terms.is_pid,
    ("is_port", 1): lambda _value: False,
    ("is_reference", 1): terms.is_reference,
    ("is_tuple", 1): lambda value: isinstance(value, tuple),
    ("is_map", 1): lambda value: isinstance(value, dict),
    ("is_binary", 1): lambda value: isinstance(value, str | bytes),
    ("is_function", 1): lambda value: terms.is_foreign(value) and callable(value),
    ("is_record", 3): _is_record,
    ("is_map_key", 2): lambda name, mapping: entry(_typed(mapping, dict), name) is not MISSING,
    ("map_get", 2): _map_get,
    ("map_size", 1): lambda mapping: len(_typed(mapping, dict)),
    ("self", 0): _self,
    ("node", 0): lambda: Atom(current_node().name),
    ("node", 1): _node_of,
    ("abs", 1): lambda value: abs(_number(value)),
    ("element", 2): _element,
    ("hd", 1): _head,
    ("tl", 1): _tail,
    ("length", 1): lambda items: len(_typed(items, list)),
    ("size", 1): _size,
    ("byte_size", 1): lambda value: len(_octets(value)),
    ("bit_size", 1): lambda value: len(_octets(value)) * 8,
    ("binary_part", 2): _binary_span,
    ("binary_part", 3): _binary_part,
    ("round", 1): _rounded,
    ("trunc", 1): lambda value: int(_number(value)),
    ("float", 1): lambda value: float(_number(value)),
    ("+", 1): _number,
    ("-", 1): lambda value: -_number(value),
    ("+", 2): _arithmetic(operator.add),
    ("-", 2): _arithmetic(operator.sub),
    ("*", 2): _arithmetic(operator.mul),
    ("/", 2): _arithmetic(lambda left, right: float(left) / float(right)),
    ("div", 2): _integral(_quotient),
    ("rem", 2): _integral(_remainder),
    ("band", 2): _integral(operator.and_),
    ("bor", 2): _integral(operator.or_),
    ("bxor", 2): _integral(operator.xor),
    ("bnot", 1): lambda value: ~_integer(value),
    ("bsl", 2): _integral(_shifted),
    ("bsr", 2): _integral(lambda number, by: _shifted(number, -by)),
    (">", 2): _comparison(operator.gt),
    (">=", 2): _comparison(operator.ge),
    ("<", 2): _comparison(operator.lt),
    ("=<", 2): _comparison(operator.le),
    ("==", 2): _equal,
    ("/=", 2): lambda left, right: not _equal(left, right),
    ("=:=", 2): terms.same,
    ("=/=", 2): lambda left, right: not terms.same(left, right),
}
"""The functions by name and number of arguments."""
