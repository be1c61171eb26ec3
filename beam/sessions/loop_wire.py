"""The way to a provider: whether it is open, what waits for it, and which events came by it.

>>> wire = Wire(up=False)
>>> wire.send("hello"), wire.open()
([], [Send(given='hello')])
>>> wire.is_new("e-1"), wire.is_new("e-1"), wire.is_new(None)
(True, False, True)
>>> [wire.lost().delay for _ in range(9)]
[0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 64.0]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.sessions.loop_effects import Effect, Reconnect, Send

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Wire"]

BACKOFF_S = 0.5
"""The wait before the first reconnect; doubled with each, seven times at most."""


class Wire:
    """A plain value; the loop's core owns it.

    Args:
        up: whether it is open from the start, as where there is no stream.

    Attributes:
        up: whether inputs can be sent.
        waiting: the input that waits for it, and nothing else: none is made before the last has
            left.
    """

    def __init__(self, *, up: bool) -> None:
        self.up = up
        self.waiting: list[Any] = []
        self._attempts = 0
        # Both are bounded by the conversation, all of which the provider holds as well.
        self._seen: set[str] = set()
        self._buffer: list[Any] = []

    def send(self, given: Any) -> list[Effect]:
        """Send an input, now or when the wire is open."""
        if self.up:
            return [Send(given)]
        self.waiting.append(given)
        return []

    def open(self) -> list[Effect]:
        """Hear that it is open."""
        self.up = True
        waiting, self.waiting = self.waiting, []
        return [Send(given) for given in waiting]

    def lost(self) -> Reconnect:
        """Hear that it is not, or still not; return when to try again."""
        self.up = False
        delay = BACKOFF_S * 2.0 ** min(self._attempts, 7)
        self._attempts += 1
        return Reconnect(delay)

    def proven(self) -> None:
        """Hear that a request was answered by it: the next wait is short again."""
        self._attempts = 0

    def is_new(self, name: str | None) -> bool:
        """Say whether an event of this id comes for the first time, and mark it as seen."""
        if name is None:
            return True
        known = name in self._seen
        self._seen.add(name)
        return not known

    def missed(self, history: Sequence[Any], name_of: Callable[[Any], str | None]) -> list[Any]:
        """Mark a whole history as seen; return what was not, of what has an id."""
        return [event for event in history if (name := name_of(event)) and self.is_new(name)]

    def batch(self, event: Any, *, closed: bool) -> list[Any] | None:
        """Keep an event of a turn; return all of them if this one closes it."""
        self._buffer.append(event)
        if not closed:
            return None
        batch, self._buffer = self._buffer, []
        return batch
