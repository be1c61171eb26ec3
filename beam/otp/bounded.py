"""Mailboxes that hold so many messages of users and no more, and say what they have lost.

A process's mailbox is a plain deque, without a bound, unless its class says

    >>> from beam.otp import Server, sys
    >>> class Logger(Server):
    ...     mailbox_limit = 2
    ...     mailbox_overflow = "drop_oldest"
    ...     def init(self):
    ...         self.lines = []
    ...     def handle_cast(self, line):
    ...         self.lines.append(line)
    >>> logger = Logger.start()
    >>> sys.suspend(logger)
    >>> for line in "abc":
    ...     logger.cast(line)
    >>> sys.resume(logger)
    >>> sys.get_state(logger), sys.get_status(logger).dropped
    ({'lines': ['b', 'c']}, 1)
    >>> logger.stop()
    True

Calls, casts and messages count, a timer's too. What the framework and other processes' ends have to
say does not, and is never lost: exit signals, `Down`, `TableTransfer`, stops, system messages,
`continue_with`, the time-outs of a state machine.

Also counted are the events that a state machine has postponed. They have been taken, and are not
dropped any more: where nothing else waits, a message that would drop the oldest is dropped itself.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from operator import itemgetter
from threading import Lock
from typing import TYPE_CHECKING, Any

from beam.errors import MailboxFull
from beam.otp.mail import Call, Cast, Continue, Info
from beam.otp.reasons import Down, Exit, Quarantined, TableTransfer
from beam.otp.reports import report
from beam.otp.timeouts import Expired

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Queue = deque[tuple[int, Any]]

    from beam.otp.alarms import LengthAlarm
    from beam.otp.control import Control
    from beam.otp.limits import Overflow

__all__ = ["BoundedMailbox", "is_users"]

# What is told as a plain message, and is none of the users'.
_OURS = frozenset({Down, Exit, Expired, Quarantined, TableTransfer})


def is_users(mail: Any) -> bool:
    """Return whether a bound counts `mail`."""
    kind = type(mail)
    return kind is Call or kind is Cast or (kind is Info and type(mail.message) not in _OURS)


class BoundedMailbox:
    """A mailbox with a bound for the mail of users; for the rest of the kernel, a deque.

    It lies in three queues, in which each letter has its number: that of users; what acts on a
    suspended process too; and the rest. So the oldest of each is found at once, however much of
    the others lies before it.

    Args:
        limit: the most messages of users.
        overflow: what happens to one more.
        alarm: what looks at the length of all of it, if anything does.

    Attributes:
        control: whose it is; set before any mail comes.
        held_back: whether only what acts on a suspended process is given out.
        refused: how many messages were refused.
        dropped: how many were dropped.
    """

    __slots__ = (
        "_first",
        "_lock",
        "_numbers",
        "_requests",
        "_rest",
        "_users",
        "alarm",
        "control",
        "dropped",
        "held_back",
        "limit",
        "overflow",
        "refused",
    )

    control: Control

    def __init__(self, limit: int, overflow: Overflow, alarm: LengthAlarm | None = None) -> None:
        self.limit = limit
        self.alarm = alarm
        self.overflow = overflow
        self.held_back = False
        self.refused = self.dropped = 0
        self._users: Queue = deque()
        self._requests: Queue = deque()
        self._rest: Queue = deque()
        self._numbers = itertools.count(1)
        # The number of the foremost letter that was put back.
        self._first = 0
        self._lock = Lock()

    # What a deque does

    def __len__(self) -> int:
        return len(self._users) + len(self._requests) + len(self._rest)

    def __bool__(self) -> bool:
        return bool(self._requests) or (not self.held_back and len(self) > 0)

    def __iter__(self) -> Iterator[Any]:
        with self._lock:
            queues = [list(queue) for queue in (self._users, self._requests, self._rest)]
        return (mail for _, mail in heapq.merge(*queues, key=itemgetter(0)))

    def __getitem__(self, at: int) -> Any:
        if at == 0 and not self.held_back:
            with self._lock:
                return self._foremost()[0][1]
        return next(itertools.islice(self, at, None))

    def append(self, mail: Any) -> None:
        """Take a letter; what there is no room for is lost as the policy says.

        Raises:
            MailboxFull: if it is refused and its sender does not wait for an answer. A call fails.
        """
        lost, queue = None, self._queue_of(mail)
        with self._lock:
            if queue is self._users and self.waiting() >= self.limit:
                lost = self._give_up_for(mail)
            if lost is not mail:
                queue.append((next(self._numbers), mail))
        if self.alarm is not None:
            self.alarm.grown()
        if lost is not None:
            self._say(lost)

    def popleft(self) -> Any:
        """Take the oldest letter out that may come now.

        Raises:
            IndexError: if there is none.
        """
        with self._lock:
            mail = self._foremost().popleft()[1]
        if self.alarm is not None:
            self.alarm.shrunk()
        return mail

    def appendleft(self, mail: Any) -> None:
        """Put a letter back, as the oldest, whether there is room or not."""
        queue = self._queue_of(mail)
        with self._lock:
            self._first -= 1
            queue.appendleft((self._first, mail))

    def extendleft(self, mails: Iterable[Any]) -> None:
        """Put letters back, each before the one before."""
        for mail in mails:
            self.appendleft(mail)

    def insert(self, at: int, mail: Continue) -> None:
        """Put in what is left to do, behind `at` others of that kind, which are the oldest."""
        if at == 0:
            self.appendleft(mail)
            return
        with self._lock:
            self._rest.insert(at, (self._rest[at - 1][0], mail))

    def _foremost(self) -> Queue:
        """Return the queue whose oldest letter is the next to come; under the lock."""
        first = self._requests
        if not self.held_back:
            for queue in (self._users, self._rest):
                if queue and (not first or queue[0][0] < first[0][0]):
                    first = queue
        return first

    def _queue_of(self, mail: Any) -> Queue:
        if is_users(mail):
            return self._users
        if isinstance(mail, Info):
            message = mail.message
            is_rest = type(message) is not Exit or not self.control.is_of_parent(message)
            return self._rest if is_rest else self._requests
        return self._requests

    # The bound

    def waiting(self) -> int:
        """Return how many messages count now."""
        engine = getattr(self.control.actor, "__dict__", {}).get("_engine")
        return len(self._users) + (len(engine.postponed) if engine is not None else 0)

    def _give_up_for(self, mail: Any) -> Any:
        """Return the letter that is lost, counted; under the lock."""
        if self.overflow == "refuse":
            self.refused += 1
            return mail
        self.dropped += 1
        if self.overflow == "drop_oldest" and self._users:
            return self._users.popleft()[1]
        return mail

    def _say(self, lost: Any) -> None:
        """Tell the sender, if anybody waits there or can hear it, and now and then the log."""
        control, refuses = self.control, self.overflow == "refuse"
        count = self.refused if refuses else self.dropped
        if count & (count - 1) == 0:
            report(
                "warning",
                "mailbox_overflow",
                process=str(control.ref),
                process_class=control.ref.actor_class.__name__,
                overflow=self.overflow,
                limit=self.limit,
                count=count,
            )
        full = MailboxFull(control.ref, self.limit, self.overflow)
        if type(lost) is Call:
            lost.future.settle(full, failed=True)
        elif refuses:
            raise full
