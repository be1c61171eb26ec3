"""Virtual time: a clock that stands until somebody moves it, and what is due on it.

    >>> clock = VirtualClock(seed=7)
    >>> seen = []
    >>> cell = clock.call_at(3.0, lambda: seen.append(clock.now()))
    >>> clock.advance(2.0)
    >>> seen
    []
    >>> clock.advance(2.0)
    >>> seen, clock.now()
    ([3.0], 4.0)

A node of real threads lives by it, too: what is due happens, on the thread of who moves the clock,
when it is moved.

    >>> from beam.otp import Mailbox, Node, send_after
    >>> with Node(clock=clock), Mailbox() as me:
    ...     timer = send_after(3600.0, me.ref, "an hour later")
    ...     clock.advance(3600.0)
    ...     me.receive()
    'an hour later'

Its generator is seeded, so that a node which lives by it does the same each time.
"""

from __future__ import annotations

import heapq
import itertools
import math
from typing import TYPE_CHECKING

from beam.errors import InvalidInput
from beam.otp.clock import generator

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.otp.scheduler import Cell

__all__ = ["VirtualClock"]

# What the clock shows as the time of day when it shows 0 seconds: the first second of 2000, UTC.
EPOCH = 946_684_800.0


class VirtualClock:
    """A clock that is moved by hand, or by a simulation.

    Args:
        seed: of its generator.
    """

    def __init__(self, seed: int = 0) -> None:
        self.random = generator(seed)
        self._now = 0.0
        # Each entry: when, in which order it was set, a cell with what to do, empty if it was
        # cancelled, and whether it is done for its own sake only (see `call_at`).
        self._heap: list[tuple[float, int, Cell, bool]] = []
        self._order = itertools.count()

    def __repr__(self) -> str:
        return f"<VirtualClock: {self._now} s>"

    def now(self) -> float:
        """Return the seconds since its start."""
        return self._now

    def time(self) -> float:
        """Return the seconds since the Unix epoch, as if it had been started in the year 2000."""
        return EPOCH + self._now

    def call_at(self, when: float, action: Callable[[], None], *, background: bool = False) -> Cell:
        """Have `action` run when the clock reads `when` (seconds), or at the next move if it does.

        Args:
            when: the time; what is due at one time runs in the order in which it was set.
            action: what to do.
            background: whether it only looks on: time does not go on for its sake.

        Returns:
            The cell that holds it; see `Scheduler.call_at`.
        """
        cell: Cell = [action]
        if when < math.inf:
            heapq.heappush(self._heap, (when, next(self._order), cell, background))
        return cell

    def next_due(self, *, background: bool = True) -> float | None:
        """Return when the next thing is due, `None` if nothing is.

        Args:
            background: whether what only looks on counts.
        """
        heap = self._heap
        while heap and not heap[0][2]:
            heapq.heappop(heap)
        if background or not heap or not heap[0][3]:
            return heap[0][0] if heap else None
        return min((when for when, _, cell, looks in heap if cell and not looks), default=None)

    def run_next(self) -> None:
        """Move to the time of what is due next, and do it; nothing else of that time."""
        if self.next_due() is not None:
            when, _, cell, _ = heapq.heappop(self._heap)
            self._now = max(self._now, when)
            cell.pop()()

    def advance(self, seconds: float) -> None:
        """Move the clock on, and do what falls due, each at its time.

        Args:
            seconds: how far, 0 or more.

        Raises:
            InvalidInput: if they are fewer, or no number.
        """
        try:
            until = self._now + seconds
        except TypeError:
            until = math.nan
        if not until >= self._now:
            raise InvalidInput("seconds", seconds, "a number of seconds, 0 or more")
        while (due := self.next_due()) is not None and due <= until:
            self.run_next()
        self._now = max(self._now, until)
