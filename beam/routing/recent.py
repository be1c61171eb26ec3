"""A bounded mapping that forgets what was used least recently, or not for a lifetime.

    >>> notes = Recent[str, int](bound=2, lifetime=60.0)
    >>> notes.put("a", 1, now=0.0), notes.put("b", 2, now=1.0), notes.put("c", 3, now=2.0)
    ((), (), ('a',))
    >>> notes.get("b", now=60.9), notes.get("b", now=61.0)
    (2, None)

`get` changes nothing, so that looking is free of consequences; `put` is what counts as use, also
with the value that is there already. Entries that are past their lifetime are never returned, and
are dropped by a later `put`. Both ways of forgetting are counted.

A clock that steps back makes entries live longer by the step, never shorter; the bound holds
whatever the clock does. One owner at a time: nothing here is locked.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

from beam.errors import InvalidInput

__all__ = ["Recent"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """See the module.

    Args:
        bound: the most entries that are kept.
        lifetime: seconds after its last use for which an entry stands; may be infinite.

    Attributes:
        evicted: how many entries were forgotten because of the bound.
        expired: how many because of the lifetime.

    Raises:
        InvalidInput: `bound` is not a positive integer, or `lifetime` not a positive number.
    """

    __slots__ = ("_entries", "bound", "evicted", "expired", "lifetime")

    def __init__(self, bound: int, lifetime: float) -> None:
        _check(bound, lifetime)
        self.bound = bound
        self.lifetime = lifetime
        self.evicted = 0
        self.expired = 0
        self._entries: OrderedDict[K, tuple[V, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K, now: float) -> V | None:
        """Return the value, `None` if there is none or its lifetime is over at `now` (seconds)."""
        entry = self._entries.get(key)
        if entry is None or self._is_over(entry[1], now):
            return None
        return entry[0]

    def put(self, key: K, value: V, now: float) -> tuple[K, ...]:
        """Keep the value as the one used last, and return the keys that were forgotten for it."""
        self._entries[key] = (value, now)
        self._entries.move_to_end(key)
        forgotten: list[K] = []
        while self._oldest_is_over(now):
            forgotten.append(self._entries.popitem(last=False)[0])
            self.expired += 1
        while len(self._entries) > self.bound:
            forgotten.append(self._entries.popitem(last=False)[0])
            self.evicted += 1
        return tuple(forgotten)

    def items(self) -> Iterator[tuple[K, V, float]]:
        """Yield key, value and time of last use, least recently used first.

        Giving them to `put` in this order rebuilds an equal mapping.
        """
        for key, (value, used_at) in self._entries.items():
            yield key, value, used_at

    def clear(self) -> None:
        """Forget everything; the counts stay."""
        self._entries.clear()

    def _oldest_is_over(self, now: float) -> bool:
        for _, used_at in self._entries.values():
            return self._is_over(used_at, now)
        return False

    def _is_over(self, used_at: float, now: float) -> bool:
        return now - used_at >= self.lifetime


def _check(bound: object, lifetime: object) -> None:
    if not isinstance(bound, int) or isinstance(bound, bool) or bound < 1:
        raise InvalidInput("bound", bound, "a positive number of entries")
    if not isinstance(lifetime, (int, float)) or not lifetime > 0:
        raise InvalidInput("lifetime", lifetime, "a positive number of seconds")
