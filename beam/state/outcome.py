"""What became of a handler that was asked: it answered, it failed, or its time was over.

Handlers are the user's code, so whoever runs one must expect all three; the decisions that follow
are made from these values, elsewhere and without running anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Answered", "Failed", "Outcome", "TimedOut"]


@dataclass(frozen=True, slots=True)
class Answered:
    """The handler returned.

    Attributes:
        value: what it returned, sense or nonsense.
    """

    value: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """The handler raised, or its process died.

    Attributes:
        error: what it raised.
    """

    error: BaseException

    @property
    def cause(self) -> str:
        """The kind of error; its text is left out, for there may be a secret in it (G17)."""
        return type(self.error).__name__


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The handler had not answered when its time was over.

    Attributes:
        after: the seconds that it was given.
    """

    after: float


Outcome = Answered | Failed | TimedOut
"""One of the three."""
