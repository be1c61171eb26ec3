"""The window of a parallel map: what may be at work, and what waits to be handed over.

    >>> window = Window(most=2, ordered=True)
    >>> first, second = window.begin("a"), window.begin("b")
    >>> window.wants_more()
    False
    >>> window.end(second)
    >>> window.take(), window.wants_more()
    (None, True)
    >>> window.end(first)
    >>> window.take(), window.take(), window.take()
    ('a', 'b', None)

A plain value. What it holds is anything: tasks, here. It has two bounds (G19):

- never more than `most` are at work;
- nothing is begun ahead of a result that can be handed over, but as many as are at work at most;
  and while an earlier one is waited for, results of up to `AHEAD` later ones are kept.
"""

from __future__ import annotations

from typing import Generic, TypeVar

__all__ = ["AHEAD", "Window"]

T = TypeVar("T")

# Results that wait for an earlier one, before no more are begun: so that one that hangs among
# endless others does not fill the memory.
AHEAD = 1000


class Window(Generic[T]):
    """The window of one map.

    Args:
        most: how many may be at work, 1 or more.
        ordered: whether they are handed over in the order of their beginnings, or of their ends.

    Attributes:
        at_work: those that have begun and not ended, by number, in the order of their beginnings.
    """

    __slots__ = ("_begun", "_ended", "_most", "_next", "_ordered", "at_work")

    def __init__(self, most: int, *, ordered: bool) -> None:
        self._most = most
        self._ordered = ordered
        self._begun = 0
        self._next = 0
        self.at_work: dict[int, T] = {}
        self._ended: dict[int, T] = {}

    def wants_more(self) -> bool:
        """Return whether another may begin now."""
        at_work, waiting = len(self.at_work), len(self._ended)
        if at_work >= self._most:
            return False
        return at_work + waiting < self._most if self.is_due() else waiting < AHEAD

    def begin(self, one: T) -> int:
        """Note that one has begun; return its number."""
        number = self._begun
        self._begun += 1
        self.at_work[number] = one
        return number

    def end(self, number: int) -> None:
        """Note that one has ended."""
        self._ended[number] = self.at_work.pop(number)

    def is_due(self) -> bool:
        """Return whether one can be handed over."""
        return self._next in self._ended if self._ordered else bool(self._ended)

    def take(self) -> T | None:
        """Hand one over; `None` if none is due."""
        if not self.is_due():
            return None
        number = self._next if self._ordered else next(iter(self._ended))
        self._next += 1
        return self._ended.pop(number)

    def awaited(self) -> T | None:
        """Return the one without which nothing more can be handed over, if there is such a one."""
        if self._ordered or len(self.at_work) == 1:
            return next(iter(self.at_work.values()), None)
        return None
