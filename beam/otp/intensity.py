"""The restart window of a supervisor: how many restarts in how many seconds are too many.

    >>> window = Intensity(max_restarts=1, max_seconds=5)
    >>> window = window.add(100.0)
    >>> window.exceeded, window.add(103.9).exceeded, window.add(106.0).exceeded
    (False, True, False)

A supervisor has one window for all its children, as OTP's has. Time is an argument; nothing here
reads a clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Intensity"]


@dataclass(frozen=True, slots=True)
class Intensity:
    """The restarts that count now, against the most that are allowed.

    OTP's `supervisor:add_restart/1` to the letter: time in whole seconds, and a restart counts
    up to and including `max_seconds` after it. The restarts of one second are kept as one number,
    so that a window of a million costs no more than one of ten.

    Attributes:
        max_restarts: how many restarts may lie in the window, 0 or more.
        max_seconds: how long the window is, in seconds, 1 or more.
        seconds: pairs (second, restarts in it), oldest first.
        total: how many restarts lie in the window.
    """

    max_restarts: int
    max_seconds: int
    seconds: tuple[tuple[int, int], ...] = ()
    total: int = 0

    def add(self, now: float) -> Intensity:
        """Return the window after a restart at `now` (seconds of a clock that never goes back)."""
        second = math.floor(now)
        oldest, gone = 0, 0
        for then, count in self.seconds:
            if then >= second - self.max_seconds:
                break
            oldest, gone = oldest + 1, gone + count
        kept = self.seconds[oldest:]
        if kept and kept[-1][0] == second:
            kept = (*kept[:-1], (second, kept[-1][1] + 1))
        else:
            kept = (*kept, (second, 1))
        return Intensity(self.max_restarts, self.max_seconds, kept, self.total - gone + 1)

    def counted(self, now: float) -> int:
        """Return how many restarts lie in the window at `now`."""
        oldest = math.floor(now) - self.max_seconds
        return sum(count for then, count in self.seconds if then >= oldest)

    @property
    def exceeded(self) -> bool:
        """Whether there were more restarts than are allowed, so that the supervisor gives up."""
        return self.total > self.max_restarts
