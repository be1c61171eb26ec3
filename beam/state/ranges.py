"""Ranges of whole numbers: which of many messages are hidden, in a few pairs.

    >>> hidden = add((), 2, 5)
    >>> hidden = add(hidden, 7, 9)
    >>> [number for number in range(10) if not covers(hidden, number)]
    [0, 1, 5, 6, 9]
    >>> size(hidden), nth_outside(hidden, 2), nth_outside(hidden, 4)
    (5, 5, 9)
    >>> count_outside(hidden, 8)
    4

A value is a tuple of pairs `(first, end)`, ascending, apart from each other, none empty.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

from beam.errors import InvalidInput

__all__ = ["Ranges", "add", "count_outside", "covers", "nth_outside", "ranges_of", "size"]

Ranges = tuple[tuple[int, int], ...]
"""Numbers from the first of each pair to before its second."""


def add(ranges: Ranges, first: int, end: int) -> Ranges:
    """Return the ranges with the numbers from `first` to before `end` in them, too."""
    if first >= end:
        return ranges
    before = [one for one in ranges if one[1] < first]
    after = [one for one in ranges if one[0] > end]
    touched = [one for one in ranges if one[1] >= first and one[0] <= end]
    merged = (
        min([first, *(one[0] for one in touched)]),
        max([end, *(one[1] for one in touched)]),
    )
    return (*before, merged, *after)


def covers(ranges: Ranges, number: int) -> bool:
    """Say whether a number is in one of the ranges."""
    at = bisect_right(ranges, number, key=_first) - 1
    return at >= 0 and number < ranges[at][1]


def size(ranges: Ranges) -> int:
    """Return how many numbers are in the ranges."""
    return sum(end - first for first, end in ranges)


def count_outside(ranges: Ranges, number: int) -> int:
    """Return how many numbers from 0 to before `number` are in no range."""
    return number - sum(min(end, number) - first for first, end in ranges if first < number)


def nth_outside(ranges: Ranges, n: int) -> int:
    """Return the number that has `n` numbers from 0 on before it that are in no range."""
    for first, end in ranges:
        if n < first:
            return n
        n += end - first
    return n


def ranges_of(field: str, data: Any) -> Ranges:
    """Return the ranges that JSON data stands for.

    Raises:
        InvalidInput: it is not a list of pairs.
    """
    try:
        return tuple((int(first), int(end)) for first, end in data)
    except (TypeError, ValueError) as error:
        raise InvalidInput(field, data, "a list of pairs of numbers") from error


def _first(pair: tuple[int, int]) -> int:
    return pair[0]
