"""Fitting a process out with what its limits ask for: a bounded mailbox, alarms.

Done once, at its start, before anybody has its ref; not for processes without limits.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from beam.otp.alarms import AlarmedMailbox, LengthAlarm, Stopwatch
from beam.otp.bounded import BoundedMailbox
from beam.otp.observed import Observed

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.otp.alarms import AlarmBook
    from beam.otp.control import Control
    from beam.otp.limits import Limits, Overflow

__all__ = ["Mailboxes", "fit_out", "mailbox_for"]


class Mailboxes(NamedTuple):
    """The kinds of mailbox that a node makes; another kind of node has others.

    Attributes:
        plain: without limits.
        alarmed: with an alarm, its argument.
        bounded: with a bound; see `BoundedMailbox`.
    """

    plain: Callable[[], deque[Any]] = deque
    alarmed: Callable[[LengthAlarm], deque[Any]] = AlarmedMailbox
    bounded: Callable[[int, Overflow, LengthAlarm | None], Any] = BoundedMailbox


def mailbox_for(limits: Limits, book: AlarmBook, kinds: Mailboxes) -> deque[Any]:
    """Return an empty mailbox with these limits."""
    alarm = LengthAlarm(book, limits.long_mailbox) if limits.long_mailbox is not None else None
    if limits.mailbox is not None:
        bounded: deque[Any] = kinds.bounded(limits.mailbox, limits.overflow, alarm)
        return bounded
    return kinds.alarmed(alarm) if alarm is not None else kinds.plain()


def fit_out(control: Control, limits: Limits, book: AlarmBook, *, has_handlers: bool) -> None:
    """Tell its mailbox whose it is, and take the time of its handlers, if limits ask for it."""
    mailbox: Any = control.mailbox
    if isinstance(mailbox, BoundedMailbox):
        mailbox.control = control
    alarm: LengthAlarm | None = getattr(mailbox, "alarm", None)
    if alarm is not None:
        alarm.control = control
    if has_handlers and limits.slow_handler is not None:
        Observed.of(control).add(Stopwatch(control, book, limits.slow_handler))
