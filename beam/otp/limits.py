"""How much a process may have waiting, and when it is worth an alarm.

Classes declare it (`mailbox_limit`, `mailbox_overflow`, `long_mailbox`, `slow_handler`), nodes say
the alarms of the classes that declare none.

    >>> Limits(mailbox=100, overflow="drop_oldest").overflow
    'drop_oldest'
    >>> Limits(slow_handler=2.0).over(Limits(slow_handler=5.0, long_mailbox=1000))
    Limits(mailbox=None, overflow='refuse', long_mailbox=1000, slow_handler=2.0)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from beam.errors import InvalidInput

__all__ = ["DECLARED", "Limits", "Overflow", "declared_limits"]

Overflow: TypeAlias = Literal["refuse", "drop_oldest", "drop_newest"]

# The names by which classes declare them.
DECLARED = ("mailbox_limit", "mailbox_overflow", "long_mailbox", "slow_handler")


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one process.

    Attributes:
        mailbox: the most messages of users that may wait; `None` for no bound.
        overflow: what happens to one more.
        long_mailbox: how many messages may wait without an alarm; `None` for any number.
        slow_handler: the seconds that a handler may run without an alarm; `None` for any time.

    Raises:
        InvalidInput: if one is not what it must be; it is named as classes name it.
    """

    mailbox: int | None = None
    overflow: Overflow = "refuse"
    long_mailbox: int | None = None
    slow_handler: float | None = None

    def __post_init__(self) -> None:
        _check_count("mailbox_limit", self.mailbox)
        _check_count("long_mailbox", self.long_mailbox)
        policies = get_args(Overflow)
        if self.overflow not in policies:
            expected = f"one of {', '.join(policies)}"
            raise InvalidInput("mailbox_overflow", self.overflow, expected)
        seconds = self.slow_handler
        is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
        if seconds is not None and not (is_number and seconds > 0):
            raise InvalidInput("slow_handler", seconds, "seconds above 0, or None")

    def over(self, node: Limits) -> Limits:
        """Return these, with the node's alarms where these have none."""
        return Limits(
            self.mailbox,
            self.overflow,
            self.long_mailbox if self.long_mailbox is not None else node.long_mailbox,
            self.slow_handler if self.slow_handler is not None else node.slow_handler,
        )


def _check_count(field: str, count: Any) -> None:
    is_whole = isinstance(count, int) and not isinstance(count, bool)
    if count is not None and not (is_whole and count >= 1):
        raise InvalidInput(field, count, "a whole number from 1, or None")


NONE = Limits()


def declared_limits(kind: Any) -> Limits | None:
    """Return what a class of processes declares; `None` if that is nothing.

    Raises:
        TypeError: if a declaration is not what it must be.
    """
    try:
        limits = Limits(*(getattr(kind, name) for name in DECLARED))
    except InvalidInput as wrong:
        raise TypeError(f"{kind.__name__}.{wrong}") from wrong
    return limits if limits != NONE else None
