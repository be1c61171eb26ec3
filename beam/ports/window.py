"""How far a reader may run ahead of its consumer.

    >>> window = Window(lines=2, size=100)
    >>> window.sent(10), window.sent(10), window.open
    (None, None, False)
    >>> window.acknowledge(1), window.open
    (None, True)

A plain value. What is delivered and not yet acknowledged is bounded in lines and in bytes; one
delivery always fits, however large, so that nothing waits for ever. A consumer that never
acknowledges stops its program when the window is full: that is the bound at work (G19).
"""

from __future__ import annotations

from collections import deque

from beam.errors import InvalidInput

__all__ = ["Window"]


class Window:
    """The deliveries that are not yet acknowledged, and whether there is room for one more.

    Args:
        lines: how many there may be.
        size: their bytes together, unless it is a single one.
    """

    __slots__ = ("_bytes", "_lines", "_size", "_unacknowledged", "paused")

    def __init__(self, lines: int, size: int) -> None:
        self.paused = False
        self._lines = lines
        self._size = size
        self._bytes = 0
        self._unacknowledged: deque[int] = deque()

    @property
    def open(self) -> bool:
        """Whether one more may be delivered."""
        if self.paused:
            return False
        return not self._unacknowledged or (
            len(self._unacknowledged) < self._lines and self._bytes < self._size
        )

    @property
    def outstanding(self) -> int:
        """How many deliveries are not acknowledged."""
        return len(self._unacknowledged)

    def sent(self, size: int) -> None:
        """Count a delivery of `size` bytes."""
        self._unacknowledged.append(size)
        self._bytes += size

    def acknowledge(self, count: int) -> None:
        """Take the oldest `count` deliveries as consumed.

        Raises:
            InvalidInput: there are not so many.
        """
        if not 0 <= count <= len(self._unacknowledged):
            raise InvalidInput("count", count, f"0 to {len(self._unacknowledged)} deliveries")
        for _ in range(count):
            self._bytes -= self._unacknowledged.popleft()
