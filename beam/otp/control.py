"""The control block of a process: all that the node knows of it, apart from the user's object.

A process is idle, or its turn is held: by a scheduler that has it queued, or by the thread that
runs it. The turn is a lock that its holder may hand on; whoever puts mail into the mailbox of an
idle process takes the turn and submits it. That is the whole protocol of wake-ups, and it is why
a process handles one message at a time (G2). A dead process's turn is never given back.

Relations between processes (links, monitors, names, being dead) change under the node's lock.
"""

from __future__ import annotations

import enum
from collections import deque
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from beam.errors import CallCycle, CallExit
from beam.otp.mail import Call, Cast, Info, Stop
from beam.otp.reasons import Exit

if TYPE_CHECKING:
    from beam.otp.future import Future
    from beam.otp.node import Node
    from beam.otp.ref import Ref
    from beam.otp.reports import CrashReport
    from beam.otp.scheduler import Parker
    from beam.otp.signals import Watch

__all__ = ["NOTHING", "Control", "Holding", "Life", "node_of"]


class _Nothing(enum.Enum):
    NOTHING = "nothing"

    def __repr__(self) -> str:
        return "NOTHING"


# An exit reason may be any value, None too; this is the one that none is.
NOTHING = _Nothing.NOTHING


class Life(enum.Enum):
    """Where a process is between its start and its end."""

    STARTING = "starting"
    RUNNING = "running"
    DEAD = "dead"


class Holding(Protocol):
    """Something that a process holds, and that must hear of its death: a table, a registration."""

    def holder_died(self, holder: Control) -> None:
        """Let go of it; called under the node's lock, before any link or monitor hears."""
        ...


class Driver(Protocol):
    """Who gives this process its turns: the pool, or the thread of its own."""

    def submit(self, control: Control) -> None:
        """Run the process soon; its turn is held for that."""
        ...


class Control:
    """The control block of one process."""

    __slots__ = (
        "actor",
        "blocking",
        "deferred",
        "driver",
        "ending",
        "exit_reason",
        "holdings",
        "life",
        "links",
        "mailbox",
        "monitors",
        "names",
        "nested",
        "node",
        "parent",
        "parker",
        "pending_exit",
        "ref",
        "report",
        "serial",
        "serving",
        "turn",
        "waiting",
        "watchers",
    )

    def __init__(self, node: Node, actor: Any, driver: Driver, parent: Control | None) -> None:
        self.node = node
        self.actor = actor
        self.driver = driver
        self.parent = parent
        self.ref: Ref[Any]
        self.serial = node.next_serial()
        self.life = Life.STARTING
        self.blocking: bool | None = None
        self.mailbox: deque[Any] = deque()
        self.turn = Lock()
        self.turn.acquire()  # Held by whoever starts the process.
        self.pending_exit: Any = NOTHING
        self.exit_reason: Any = NOTHING
        self.ending: Any = NOTHING
        # A crash report that the supervisor renders once it has restarted the process.
        self.report: CrashReport | None = None
        # Dicts, not sets: in the order of insertion, so that a seed decides the history (G18).
        self.links: dict[Control, None] | None = None
        self.watchers: dict[Watch, None] | None = None
        self.monitors: dict[Watch, None] | None = None
        self.names: list[Any] | None = None
        self.holdings: dict[Holding, None] | None = None
        self.deferred: dict[Call, None] | None = None
        self.serving: Call | None = None
        self.waiting: Future[Any] | None = None
        self.parker: Parker | None = None
        self.nested: Control | None = None

    def __repr__(self) -> str:
        return f"<control of {self.ref}>"

    @property
    def alive(self) -> bool:
        """Whether the process has not ended; true until its cleanup has run."""
        return self.life is not Life.DEAD

    # Mail

    def post(self, mail: Any) -> None:
        """Put `mail` into the mailbox and see that somebody handles it; never blocks.

        Mail to a dead process is dropped, and a call among it fails with `noproc`.
        """
        self.mailbox.append(mail)
        if self.turn.acquire(False):
            self.driver.submit(self)
        elif self.life is Life.DEAD:
            self.drain("noproc")

    def drain(self, reason: Any) -> None:
        """Empty the mailbox of a dead process; nobody who waits there is left waiting (G6).

        Run by the death, and again by a sender that found the process dead after its mail was
        in: every message is popped once, by one of them.
        """
        mailbox = self.mailbox
        while mailbox:
            try:
                mail = mailbox.popleft()
            except IndexError:
                return
            if type(mail) is Call:
                mail.future.settle(CallExit(reason, self.ref), failed=True)
            elif type(mail) is Stop:
                if mail.future is not None:
                    mail.future.settle(reason != "noproc")
            elif type(mail.message) is Exit:
                mail.message.process.control.release_report()

    def release_report(self) -> None:
        """Render the crash report that was left to a supervisor, once."""
        report, self.report = self.report, None
        if report is not None:
            report.emit()

    def count(self) -> int:
        """Return how many messages wait in the mailbox."""
        return len(self.mailbox)

    def messages(self) -> list[Any]:
        """Return the plain messages and casts that wait, oldest first."""
        return [mail.message for mail in list(self.mailbox) if isinstance(mail, (Info, Cast))]

    def deferred_answered(self, call: Call) -> None:
        """Forget a call that a handler kept and that is answered now."""
        if self.deferred is not None:
            self.deferred.pop(call, None)

    # Waiting for others

    def inherited_deadline(self) -> float | None:
        """Return when the callers of the call being served stop waiting; `None` if none do.

        Asked anew each time: a caller may move its deadline while it waits.
        """
        call, nearest = self.serving, None
        while call is not None:
            deadline = call.future.deadline
            if deadline is not None and (nearest is None or deadline < nearest):
                nearest = deadline
            call = call.outer
        return nearest

    def begin_wait(self, future: Future[Any]) -> None:
        """Note that this process waits for `future`.

        Raises:
            CallCycle: if the callee waits, directly or not, for this process.
        """
        self.waiting = future
        callee = future.callee
        # Note first, look after: of two that close a ring at once, one sees the other.
        if callee is not None and (callee is self or callee.waiting is not None):
            with self.node.lock:
                path = self._path_back(callee)
                if path is not None:
                    self.waiting = None
            if path is not None:
                raise CallCycle(path)

    def _path_back(self, callee: Control) -> tuple[Ref[Any], ...] | None:
        path, seen = [self.ref], set[Control]()
        at: Control | None = callee
        while at is not None and at not in seen:
            path.append(at.ref)
            if at is self:
                return tuple(path)
            seen.add(at)
            at = at.waiting.callee if at.waiting is not None else None
        return None

    def end_wait(self) -> None:
        """Note that this process waits no more."""
        self.waiting = None

    def watch_exit(self, parker: Parker | None) -> None:
        """Have `parker` let go when an exit signal ends this process; at once if one has."""
        self.parker = parker
        if parker is not None and self.pending_exit is not NOTHING:
            parker.unpark()


def node_of(callee: Control | None, me: Control | None) -> Node:
    """Return the node whose clock and scheduler rule a wait for `callee` by `me`."""
    if callee is not None:
        return callee.node
    if me is not None:
        return me.node
    from beam.otp.node import current_node  # noqa: PLC0415 - a node is made of control blocks

    return current_node()
