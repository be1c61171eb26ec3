"""What OTP's supervisors do not have: a restart budget for each child, and backoff.

    >>> budget = Restarts(2, per=60.0)
    >>> spent = budget.spend(budget.spend((), 0.0), 10.0)
    >>> budget.exceeded(spent), budget.exceeded(budget.spend(spent, 20.0))
    (False, True)
    >>> backoff = Backoff(0.5, 30.0)
    >>> [backoff.delay(attempt, 0.5) for attempt in (1, 2, 3, 10)]
    [0.5, 1.0, 2.0, 30.0]

Both are off unless asked for (G10). They are plain values; time and chance are arguments.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from beam.errors import InvalidInput

__all__ = ["Backoff", "Restarts", "is_count"]


@dataclass(frozen=True, slots=True)
class Restarts:
    """How many restarts one child may have: `most` in any `per` seconds.

    Args:
        most: restarts, 0 or more.
        per: seconds, above 0.

    Raises:
        InvalidInput: if one of them is not that.
    """

    most: int
    per: float

    def __post_init__(self) -> None:
        if not is_count(self.most):
            raise InvalidInput("most", self.most, "a number of restarts, 0 or more")
        if not _is_seconds(self.per) or self.per <= 0:
            raise InvalidInput("per", self.per, "a number of seconds above 0")

    def spend(self, spent: tuple[float, ...], now: float) -> tuple[float, ...]:
        """Return the times of the restarts that count after one more at `now`, oldest first.

        Never more than `most` + 1 of them.
        """
        counting = (*(then for then in spent if then >= now - self.per), now)
        return counting[-(self.most + 1) :]

    def counted(self, spent: tuple[float, ...], now: float) -> int:
        """Return how many of `spent`, what `spend` returned last, count at `now`."""
        return sum(1 for then in spent if then >= now - self.per)

    def exceeded(self, spent: tuple[float, ...]) -> bool:
        """Return whether `spent`, what `spend` returned last, is more than the budget."""
        return len(spent) > self.most


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before a restart: `first`, then twice as long each time, up to `longest`.

    The wait starts over with a child that has lived longer than `longest` since its last start.

    Args:
        first: seconds before the first restart, above 0.
        longest: the most seconds, not below `first`.
        jitter: by which part of itself a wait may be shorter or longer, 0 to 1, so that children
            that fell together do not rise together.

    Raises:
        InvalidInput: if one of them is not that.
    """

    first: float
    longest: float
    jitter: float = 0.0

    def __post_init__(self) -> None:
        if not _is_seconds(self.first) or self.first <= 0:
            raise InvalidInput("first", self.first, "a number of seconds above 0")
        if not _is_seconds(self.longest) or self.longest < self.first:
            raise InvalidInput("longest", self.longest, f"a number of seconds from {self.first} on")
        if not _is_seconds(self.jitter) or not 0 <= self.jitter <= 1:
            raise InvalidInput("jitter", self.jitter, "a number from 0 to 1")

    def delay(self, attempt: int, chance: float) -> float:
        """Return the seconds to wait before restart number `attempt`, 1 for the first.

        Args:
            attempt: how many restarts this is since the child last lived long.
            chance: a random number, 0.0 to 1.0.
        """
        # Past the power that any float holds, the answer is `longest` anyway.
        doubled = self.first * 2.0 ** min(attempt - 1, 1000) if attempt <= 64 else math.inf
        return min(doubled, self.longest) * (1.0 + self.jitter * (2.0 * chance - 1.0))


def is_count(value: object) -> bool:
    """Return whether `value` is a whole number, 0 or more."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_seconds(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
