"""Changes of single elements of a row: `update_counter` and `update_element`, as plain functions.

    >>> steps, many = steps_of([(2, 5), (3, -1, 0, 10)], keypos=1)
    >>> counted(("hits", 1, 0), steps, keypos=1)
    (('hits', 6, 10), [6, 10])

The forms of an update are OTP's: `increment` adds to the element after the key; `(position,
increment)` to the one at that position, from 1; `(position, increment, threshold, reset)` sets the
element to `reset` where the sum would go beyond the threshold: above it for an increment of zero
or more, below it for a negative one. Several of these in a list are applied one after another, all
or none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard, cast

from beam.errors import InvalidInput, TableRefused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from beam.otp.expressions import Row

__all__ = ["Step", "changed", "changes_of", "counted", "is_integer", "steps_of", "with_key"]

_STEPS_EXPECTED = (
    "an int, (position, increment), (position, increment, threshold, reset), or a list of tuples"
)
_CHANGES_EXPECTED = "(position, value), or a list of these"


@dataclass(frozen=True, slots=True)
class Step:
    """One addition to one element; `threshold` is `None` where there is none."""

    position: int
    increment: int
    threshold: int | None = None
    reset: int = 0

    def apply(self, value: int) -> int:
        """Return the new value of the element."""
        total = value + self.increment
        if self.threshold is None:
            return total
        beyond = total < self.threshold if self.increment < 0 else total > self.threshold
        return self.reset if beyond else total


def is_integer(value: object) -> TypeGuard[int]:
    """Return whether `value` counts as an integer: an `int`, not a boolean."""
    return isinstance(value, int) and not isinstance(value, bool)


def steps_of(update: object, keypos: int) -> tuple[list[Step], bool]:
    """Return the steps of an update, and whether it was a list of them.

    Args:
        update: in one of the forms above.
        keypos: the position of the key, from 1.

    Raises:
        InvalidInput: `update` is of another form, or one of its parts is no integer.
    """
    if is_integer(update):
        return [Step(keypos + 1, update)], False
    if isinstance(update, list):
        return [_step(part) for part in update], True
    return [_step(update)], False


def _step(part: object) -> Step:
    if not isinstance(part, tuple) or len(part) not in (2, 4) or not all(map(is_integer, part)):
        raise InvalidInput("update", part, _STEPS_EXPECTED)
    return Step(*part)


def changes_of(changes: object) -> list[tuple[int, Any]]:
    """Return the pairs of position and value of an `update_element`.

    Raises:
        InvalidInput: `changes` is not `(position, value)` nor a list of such pairs.
    """
    pairs = changes if isinstance(changes, list) else [changes]
    for pair in pairs:
        if not isinstance(pair, tuple) or len(pair) != 2 or not is_integer(pair[0]):
            raise InvalidInput("changes", pair, _CHANGES_EXPECTED)
    return cast("list[tuple[int, Any]]", pairs)


def counted(row: Row, steps: Iterable[Step], keypos: int) -> tuple[Row, list[int]]:
    """Return the row after the steps, and the value that each step left.

    Raises:
        TableRefused: `bad_position` (no such element, or it is the key), `not_an_integer`.
    """
    elements = list(row)
    values = []
    for step in steps:
        _check_position(row, step.position, keypos)
        value = elements[step.position - 1]
        if not is_integer(value):
            raise TableRefused("not_an_integer", row=row, position=step.position)
        elements[step.position - 1] = step.apply(value)
        values.append(elements[step.position - 1])
    return _like(row, elements), values


def changed(row: Row, changes: Iterable[tuple[int, Any]], keypos: int) -> Row:
    """Return the row with the values at the positions replaced; of two for one, the last counts.

    Raises:
        TableRefused: `bad_position`: no such element, or it is the key.
    """
    elements = list(row)
    for position, value in changes:
        _check_position(row, position, keypos)
        elements[position - 1] = value
    return _like(row, elements)


def with_key(row: Row, key: object, keypos: int) -> Row:
    """Return the row with another key."""
    return _like(row, [*row[: keypos - 1], key, *row[keypos:]])


def _check_position(row: Row, position: int, keypos: int) -> None:
    if not 1 <= position <= len(row) or position == keypos:
        raise TableRefused("bad_position", row=row, position=position)


def _like(row: Row, elements: list[Any]) -> Row:
    """Return the elements as a row of the same type, so that named tuples stay what they are."""
    make = getattr(type(row), "_make", tuple)
    return cast("Row", make(elements))
