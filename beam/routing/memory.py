"""What the router remembers between requests: sticky bindings and round-robin cursors.

    >>> memory = Memory(affinity_bound=2)
    >>> memory.bind("ada", "claude", now=0.0)
    ()
    >>> memory.bound("ada", now=1.0)
    'claude'

Both are bounded and both have a lifetime since last use: 100,000 bindings and 10,000 cursors, for a
day, unless said otherwise. A forgotten binding means that its key is bound afresh; a forgotten
cursor starts at its first backend again. Bindings are kept when a session stops.

One owner at a time: nothing here is locked.
"""

from __future__ import annotations

from typing import NamedTuple

from beam.routing.recent import Recent
from beam.routing.request import Policy

__all__ = ["CursorKey", "Memory"]


class CursorKey(NamedTuple):
    """What makes two requests take turns with each other; any difference is a cursor of its own.

    Health is in it through `ordered`, which it reorders.
    """

    policy: Policy
    ordered: tuple[str, ...]
    capabilities: tuple[str, ...]
    preferred_backends: tuple[str, ...]
    fallback_backends: tuple[str, ...]
    excluded_backends: tuple[str, ...]


class Memory:
    """The bindings and cursors of one router.

    Args:
        affinity_bound: the most bindings that are kept.
        affinity_lifetime: seconds for which a binding stands after its last use.
        cursor_bound: the most cursors that are kept.
        cursor_lifetime: seconds for which a cursor stands after its last use.

    Attributes:
        affinities: affinity key to backend.
        cursors: cursor key to the index of the backend whose turn is next.

    Raises:
        InvalidInput: a bound or lifetime is not positive.
    """

    __slots__ = ("affinities", "cursors")

    def __init__(
        self,
        *,
        affinity_bound: int = 100_000,
        affinity_lifetime: float = 86_400.0,
        cursor_bound: int = 10_000,
        cursor_lifetime: float = 86_400.0,
    ) -> None:
        self.affinities: Recent[str, str] = Recent(affinity_bound, affinity_lifetime)
        self.cursors: Recent[CursorKey, int] = Recent(cursor_bound, cursor_lifetime)

    def bound(self, affinity_key: str, now: float) -> str | None:
        """Return the backend to which the key is bound, if it is."""
        return self.affinities.get(affinity_key, now)

    def bind(self, affinity_key: str, backend: str, now: float) -> tuple[str, ...]:
        """Bind the key, or renew its binding; return the keys whose bindings were forgotten."""
        return self.affinities.put(affinity_key, backend, now)

    def turn(self, key: CursorKey, now: float) -> int:
        """Return the index in `key.ordered` of the backend whose turn it is."""
        return self.cursors.get(key, now) or 0

    def advance(self, key: CursorKey, now: float) -> None:
        """Pass the turn on to the next backend in `key.ordered`."""
        self.cursors.put(key, (self.turn(key, now) + 1) % len(key.ordered), now)

    def clear(self) -> None:
        """Forget every binding and every cursor."""
        self.affinities.clear()
        self.cursors.clear()
