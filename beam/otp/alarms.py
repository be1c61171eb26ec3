"""Alarms: handlers that run too long, and mailboxes that grow too long.

    >>> from beam.otp import Node, Server, sys
    >>> class Deaf(Server):
    ...     def handle_cast(self, message):
    ...         pass
    >>> with Node(long_mailbox=100, slow_handler=5.0) as node:
    ...     deaf = Deaf.start()
    ...     sys.suspend(deaf)
    ...     for _ in range(101):
    ...         deaf.cast("more")
    ...     sys.get_state(deaf)
    ...     [(alarm.process is deaf, alarm.length) for alarm in node.alarms()]
    ...     sys.resume(deaf)
    ...     sys.get_state(deaf)
    ...     node.alarms(), node.alarm_counts
    {}
    [(True, 101)]
    {}
    ([], {'long_mailbox': 1, 'slow_handler': 0})

They are off unless a node or a class says a limit, and a process without one pays nothing.

A mailbox is looked at when something is put in or taken out: its alarm is set when more than the
limit wait, and cleared when half of that or less do, so that one which stays about the limit does
not ring all the time. A handler's alarm is set when its time is over, and cleared when it returns.
For that one timer of the node is set while handlers run: for the moment at which the first of them
will be late. It only looks on: virtual time does not go on for its sake, and a simulation in which
nobody can go on is a deadlock although it is set.

`init`, `terminate`, and functions that run as processes are no handlers. The time for which a
message waits is not counted.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any

from beam.errors.root import shown
from beam.otp.observed import Looker, Observed
from beam.otp.reports import report

if TYPE_CHECKING:
    from types import FrameType

    from beam.otp.control import Control
    from beam.otp.node import Node
    from beam.otp.observed import Incoming
    from beam.otp.ref import Ref

__all__ = ["AlarmBook", "AlarmedMailbox", "LengthAlarm", "LongMailbox", "SlowHandler", "Stopwatch"]

# The most frames of a thread that an alarm shows, the innermost.
FRAMES = 10


@dataclass(frozen=True, slots=True)
class SlowHandler:
    """A handler has run for longer than its limit, and runs still.

    Attributes:
        process: whose handler it is.
        since: when it began, on the node's clock.
        seconds: how long it has run.
        limit: how long it may.
        form: what it handles: `"call"`, `"cast"`, `"info"`, `"timeout"` or `"continue"`.
        message: that message, as reports show it.
        where: where it stands, `"file:line function"`, outermost first; empty if it just returns.
    """

    process: Ref[Any]
    since: float
    seconds: float
    limit: float
    form: str
    message: str
    where: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LongMailbox:
    """More messages wait than may, and no less than half of that since.

    Attributes:
        process: whose mailbox it is.
        since: when there were too many, on the node's clock.
        length: how many wait now.
        limit: how many may.
    """

    process: Ref[Any]
    since: float
    length: int
    limit: int


class _Handling:
    """A handler that runs."""

    __slots__ = ("alarmed", "control", "limit", "mail", "observed", "since")

    def __init__(self, control: Control, mail: Incoming, since: float, limit: float) -> None:
        self.control = control
        self.observed = control.receiver  # Which it loses if it is given up.
        self.mail = mail
        self.since = since
        self.limit = limit
        self.alarmed = False


class AlarmBook:
    """The alarms of one node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._lock = Lock()
        # Dicts in the order of the beginnings, bounded by the processes there are.
        self._running: dict[_Handling, None] = {}
        self._long: dict[LengthAlarm, float] = {}
        self._look_at = math.inf
        self.counts = {"long_mailbox": 0, "slow_handler": 0}
        """How many alarms have been set, by kind."""

    def active(self) -> list[SlowHandler | LongMailbox]:
        """Return the alarms that are set now, slow handlers first, oldest first."""
        now = self._node.clock.now()
        with self._lock:
            slow = [handling for handling in list(self._running) if handling.alarmed]
            long = list(self._long.items())
        return [
            *(self._slow(handling, now) for handling in slow),
            *(
                LongMailbox(alarm.control.ref, since, alarm.control.count(), alarm.limit)
                for alarm, since in long
            ),
        ]

    # Handlers

    def begin(self, handling: _Handling) -> None:
        """Note that a handler begins to run."""
        self._running[handling] = None
        if handling.since + handling.limit < self._look_at:
            self._look_later(handling.since + handling.limit)

    def end(self, handling: _Handling) -> None:
        """Note that a handler has returned."""
        seconds = self._node.clock.now() - handling.since
        with self._lock:
            self._running.pop(handling, None)
            late = seconds >= handling.limit and not handling.alarmed
            if late:
                self.counts["slow_handler"] += 1
        if late:
            self._report_slow(self._slow_facts(handling, seconds, ()), running=False)
        elif handling.alarmed:
            process = str(handling.control.ref)
            report("info", "slow_handler_ended", process=process, seconds=seconds)

    def _look_later(self, when: float) -> None:
        with self._lock:
            if self._look_at <= when:
                return
            self._look_at = when
        self._node.scheduler.call_at(when, self._look, background=True)

    def _look(self) -> None:
        """Set the alarms of the handlers that are late; run by the node's timer."""
        # Who begins from now on sets the next look itself; who has begun is seen.
        self._look_at = math.inf
        now, late, following = self._node.clock.now(), list[_Handling](), math.inf
        with self._lock:
            for handling in list(self._running):
                due = handling.since + handling.limit
                if handling.alarmed:
                    continue
                if due <= now:
                    handling.alarmed = True
                    self.counts["slow_handler"] += 1
                    late.append(handling)
                else:
                    following = min(following, due)
        if following < math.inf:
            self._look_later(following)
        for handling in late:
            self._report_slow(self._slow(handling, now), running=True)

    def _slow(self, handling: _Handling, now: float) -> SlowHandler:
        where = _where(self._node, handling)
        return self._slow_facts(handling, now - handling.since, where)

    def _slow_facts(
        self, handling: _Handling, seconds: float, where: tuple[str, ...]
    ) -> SlowHandler:
        mail = handling.mail
        return SlowHandler(
            handling.control.ref,
            handling.since,
            seconds,
            handling.limit,
            mail.form,
            shown(mail.message),
            where,
        )

    def _report_slow(self, alarm: SlowHandler, *, running: bool) -> None:
        report(
            "warning",
            "slow_handler",
            process=str(alarm.process),
            process_class=alarm.process.actor_class.__name__,
            form=alarm.form,
            message=alarm.message,
            seconds=alarm.seconds,
            limit=alarm.limit,
            running=running,
            where=list(alarm.where),
        )

    # Mailboxes

    def set_long(self, alarm: LengthAlarm) -> None:
        """Set the alarm of a mailbox that is too long, if it is not set."""
        with self._lock:
            if alarm.is_set:
                return
            # Note first, look after: who takes out meanwhile sees the note, or has been counted.
            alarm.is_set = True
            length = alarm.control.count()
            if length <= alarm.limit:
                alarm.is_set = False
                return
            self._long[alarm] = self._node.clock.now()
            self.counts["long_mailbox"] += 1
        self._report_soon("warning", "long_mailbox", alarm, length)

    def clear_long(self, alarm: LengthAlarm) -> None:
        """Clear the alarm of a mailbox that is short enough again, if it is set."""
        with self._lock:
            length = alarm.control.count()
            if not alarm.is_set or length > alarm.limit // 2:
                return
            alarm.is_set = False
            del self._long[alarm]
        self._report_soon("info", "long_mailbox_cleared", alarm, length)

    def _report_soon(self, level: str, event: str, alarm: LengthAlarm, length: int) -> None:
        """Report by the node's timer: mail is put in under locks, and who logs may run anything."""
        process = str(alarm.control.ref)
        say = partial(report, level, event, process=process, length=length, limit=alarm.limit)
        self._node.scheduler.call_at(self._node.clock.now(), say)


class Stopwatch(Looker):
    """Takes the time of one process's handlers."""

    __slots__ = ("_book", "_control", "_handling", "_limit")

    def __init__(self, control: Control, book: AlarmBook, limit: float) -> None:
        self._control = control
        self._book = book
        self._limit = limit
        self._handling: _Handling | None = None

    def begins(self, mail: Incoming) -> None:
        """Note when a handler begins."""
        now = self._control.node.clock.now()
        self._handling = handling = _Handling(self._control, mail, now, self._limit)
        self._book.begin(handling)

    def ends(self, mail: Incoming) -> None:
        """Note that it has returned."""
        handling, self._handling = self._handling, None
        if handling is not None:
            self._book.end(handling)


class LengthAlarm:
    """Watches over the length of one mailbox.

    Attributes:
        control: whose it is; set before any mail comes.
        limit: how many messages may wait.
        is_set: whether the alarm is set; changed by the book.
    """

    __slots__ = ("_book", "control", "is_set", "limit")

    control: Control

    def __init__(self, book: AlarmBook, limit: int) -> None:
        self._book = book
        self.limit = limit
        self.is_set = False

    def grown(self) -> None:
        """Look whether too many wait; after something was put in."""
        if not self.is_set and self.control.count() > self.limit:
            self._book.set_long(self)

    def shrunk(self) -> None:
        """Look whether few enough wait again; after something was taken out."""
        if self.is_set and self.control.count() <= self.limit // 2:
            self._book.clear_long(self)


class AlarmedMailbox(deque[Any]):
    """A mailbox without a bound, and with an alarm."""

    __slots__ = ("alarm",)

    def __init__(self, alarm: LengthAlarm) -> None:
        super().__init__()
        self.alarm = alarm

    def append(self, mail: Any) -> None:
        """Take a letter."""
        super().append(mail)
        self.alarm.grown()

    def popleft(self) -> Any:
        """Take the oldest letter out."""
        mail = super().popleft()
        self.alarm.shrunk()
        return mail


def _where(node: Node, handling: _Handling) -> tuple[str, ...]:
    """Return where a handler stands, as far as that can be seen."""
    for frame in node.scheduler.frames():
        inside: list[str] = []
        at: FrameType | None = frame
        while at is not None:
            if at.f_code is _ATTEND and at.f_locals.get("self") is handling.observed:
                return tuple(reversed(inside[:FRAMES]))
            inside.append(f"{at.f_code.co_filename}:{at.f_lineno} {at.f_code.co_qualname}")
            at = at.f_back
    return ()


_ATTEND = Observed._attend.__code__
