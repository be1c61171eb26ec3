"""How long a turn may be silent, and how much memory its agent may use.

>>> limits = TurnLimits(first_byte=60.0, idle=300.0)
>>> limits.overdue(began=False, silent=61.0), limits.overdue(began=True, silent=61.0)
('first_byte', '')
>>> MemoryLimits(soft=2 * GIB, hard=4 * GIB).verdict(3 * GIB)
'soft'
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from beam.errors import InvalidInput

__all__ = ["GIB", "MemoryLimits", "TurnLimits"]

GIB = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnLimits:
    """The deadlines of a turn beside the run's own `timeout`, in seconds; None for none.

    While the user is asked, or one of the session's own tools runs, none of them counts.

    Attributes:
        first_byte: from the query to the first that is heard of the agent.
        idle: between two signs of life.
        interrupt_grace: that an agent has to end a turn that it was asked to end; then its program
            is ended, and the session starts another.
    """

    first_byte: float | None = 90.0
    idle: float | None = 600.0
    interrupt_grace: float = 5.0

    def __post_init__(self) -> None:
        for name in ("first_byte", "idle"):
            if getattr(self, name) is not None:
                _check_seconds(name, getattr(self, name))
        _check_seconds("interrupt_grace", self.interrupt_grace)

    def limit(self, *, began: bool) -> float | None:
        """Return how long an agent may be silent now; None for ever."""
        return self.idle if began else self.first_byte

    def until_missed(self, *, began: bool, silent: float = 0.0) -> float | None:
        """Return the seconds until a deadline may be missed, at the soonest; None for never.

        Args:
            began: as of `overdue`.
            silent: as of `overdue`.
        """
        limit = self.limit(began=began)
        left = None if limit is None else limit - silent
        if began or self.idle is None:
            return left
        # It may be heard of in a moment, and then no more.
        return self.idle if left is None else min(left, self.idle)

    def overdue(self, *, began: bool, silent: float) -> Literal["first_byte", "idle", ""]:
        """Return the deadline that is missed, empty if none is.

        Args:
            began: whether the agent has been heard of in this turn.
            silent: seconds since it was heard of last, or was asked.
        """
        limit = self.limit(began=began)
        if limit is None or silent < limit:
            return ""
        return "idle" if began else "first_byte"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLimits:
    """The limits of the resident memory of a program's whole tree, in bytes; None for none.

    Attributes:
        soft: over it the agent is started anew when its turn is over, and resumed.
        hard: over it the tree is ended at once.
        every: seconds between two samples.
    """

    soft: int | None = None
    hard: int | None = None
    every: float = 2.0

    def __post_init__(self) -> None:
        for name in ("soft", "hard"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise InvalidInput(name, value, "a whole number of bytes, at least 1, or None")
        if self.soft is not None and self.hard is not None and self.soft > self.hard:
            raise InvalidInput("soft", self.soft, f"at most the hard limit, {self.hard}")
        _check_seconds("every", self.every)

    def verdict(self, rss: int) -> Literal["", "soft", "hard"]:
        """Return which limit so many bytes are over, empty for none."""
        if self.hard is not None and rss > self.hard:
            return "hard"
        return "soft" if self.soft is not None and rss > self.soft else ""


def _check_seconds(name: str, value: object) -> None:
    right = isinstance(value, int | float) and not isinstance(value, bool)
    if not right or not 0 < float(value) < math.inf:  # type: ignore[arg-type]
        raise InvalidInput(name, value, "seconds, more than 0, finite")
