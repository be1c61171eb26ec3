"""Making a failing thing smaller: delta debugging, as plain functions.

>>> smallest(range(100), lambda some: {17, 60} <= set(some), tries=200)
[17, 60]
>>> lowest(0, 100, lambda number: number >= 42)
42
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["lowest", "smallest"]

T = TypeVar("T")


def smallest(items: Iterable[T], fails: Callable[[list[T]], bool], *, tries: int) -> list[T]:
    """Return some of `items`, in their order, that still fail, and would not with one less.

    Zeller's and Hildebrandt's ddmin: parts are left out, first large, then small ones.

    Args:
        items: fail all together.
        fails: whether some of them fail.
        tries: how often `fails` may be asked; when that is over, the result may be larger.
    """
    kept, parts = list(items), 2
    if tries > 0 and kept and fails([]):
        return []
    tries -= 1
    while len(kept) > 1:
        size = -(-len(kept) // parts)
        for begin in range(0, len(kept), size):
            if tries <= 0:
                return kept
            tries -= 1
            rest = kept[:begin] + kept[begin + size :]
            if rest and fails(rest):
                kept, parts = rest, max(parts - 1, 2)
                break
        else:
            if size == 1:
                break
            parts = min(len(kept), 2 * parts)
    return kept


def lowest(low: int, high: int, fails: Callable[[int], bool]) -> int:
    """Return the lowest number from `low` to `high` that fails, if the higher ones do, too.

    `high` fails. If there are holes, what is returned fails nevertheless.
    """
    while low < high:
        middle = (low + high) // 2
        if fails(middle):
            high = middle
        else:
            low = middle + 1
    return high
