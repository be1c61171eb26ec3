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

from beam.errors import CallCycle, CallExit, StartError
from beam.otp.clock import seconds_until
from beam.otp.context import current_node
from beam.otp.interrupt import hold
from beam.otp.mail import Call, Cast, Info, Init, Stop, System
from beam.otp.reasons import Exit, is_flushed
from beam.otp.rings import path_back, take_back

if TYPE_CHECKING:
    from collections.abc import Sequence

    from beam.otp.future import Future
    from beam.otp.node import Node
    from beam.otp.ref import Ref
    from beam.otp.reports import CrashReport
    from beam.otp.scheduler import Parker
    from beam.otp.signals import Watch

__all__ = ["NOTHING", "Control", "Holding", "Life", "Receiver", "node_of"]


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
    # A signal has ended it where it waits for mail, and its cleanup is still to come.
    ENDING = "ending"
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


class Receiver(Protocol):
    """Who takes a process's mail, one message after another, in the process."""

    @property
    def aside(self) -> Sequence[Any]:
        """What it has put aside, to take it later; an actor itself has nothing of the kind."""
        ...

    def _receive_call(self, call: Call) -> Any: ...
    def _receive_cast(self, message: Any) -> None: ...
    def _receive_info(self, message: Any) -> None: ...
    def _receive_continue(self, message: Any) -> None: ...


class Control:
    """The control block of one process."""

    __slots__ = (
        "actor",
        "blocking",
        "deferred",
        "depth",
        "driver",
        "ending",
        "exit_reason",
        "follows",
        "holdings",
        "life",
        "links",
        "mailbox",
        "monitors",
        "name",
        "nested",
        "node",
        "parent",
        "parker",
        "pending_exit",
        "receiver",
        "receiving",
        "ref",
        "report",
        "serial",
        "serving",
        "turn",
        "until",
        "waiting",
        "watchers",
    )

    def __init__(
        self,
        node: Node,
        actor: Any,
        driver: Driver,
        parent: Control | None,
        mailbox: deque[Any] | None = None,
    ) -> None:
        self.node = node
        self.actor = actor
        # Who takes the mail: the actor, or what stands before it while somebody looks on.
        self.receiver: Receiver | None = actor
        self.driver = driver
        self.parent = parent
        # Whether an exit signal from its parent ends it although it traps exits: if it was
        # started linked to it, or from outside any process.
        self.follows = False
        self.ref: Ref[Any]
        self.serial = node.next_serial()
        self.life = Life.STARTING
        self.blocking: bool | None = None
        self.mailbox: deque[Any] = deque() if mailbox is None else mailbox
        self.turn = Lock()
        self.turn.acquire()  # Held by whoever starts the process.
        self.pending_exit: Any = NOTHING
        self.exit_reason: Any = NOTHING
        self.ending: Any = NOTHING
        # A crash report that the supervisor renders once it has restarted the process.
        self.report: CrashReport | None = None
        # Dicts, not sets: in the order of insertion, so that a seed decides the history (G18).
        # The value of a link: whether it came after the signal that ends this process.
        self.links: dict[Control, bool] | None = None
        self.watchers: dict[Watch, None] | None = None
        self.monitors: dict[Watch, None] | None = None
        self.name: Any = None
        # Each with what its holder's death leaves of it, let go of where no lock is held.
        self.holdings: dict[Holding, object] | None = None
        self.deferred: dict[Call, None] | None = None
        self.serving: Call | None = None
        # When it is ended unless it has done what it is at: its init, its function, its end.
        self.until: float | None = None
        self.waiting: Future[Any] | None = None
        self.parker: Parker | None = None
        # Whether it waits for mail in the middle of its own code, with its turn given back.
        self.receiving = False
        self.nested: Control | None = None
        # How many processes it runs on top of, on its thread.
        self.depth = 0

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
        # Who holds the turn looks into the mailbox again after giving it back.
        if not self.turn.locked():
            self.wake()
        elif self.life is Life.DEAD:
            self.drain("noproc")

    def wake(self) -> None:
        """Have an idle process run soon, as it has mail; one that is not idle will see it."""
        held = hold()
        try:
            if self.turn.acquire(False):
                self.driver.submit(self)
            elif self.life is Life.DEAD:
                self.drain("noproc")
        finally:
            if held is not None:
                held.release()

    def drain(self, reason: Any, *, died: bool = False) -> None:
        """Empty the mailbox of a dead process; nobody who waits there is left waiting (G6).

        Run by the death, and again by a sender that found the process dead after its mail was
        in: every message is popped once, by one of them.

        Args:
            reason: what calls fail with: the exit reason, or `"noproc"` from a sender.
            died: whether the process dies now, and was alive when it was asked to stop.
        """
        mailbox = self.mailbox
        while mailbox:
            try:
                mail = mailbox.popleft()
            except IndexError:
                return
            kind = type(mail)
            if kind is Call or kind is System:
                mail.future.settle(CallExit(reason, self.ref), failed=True)
            elif kind is Stop:
                mail.future.settle(died)
            elif kind is Init:
                mail.future.settle(StartError(reason, str(self.ref)))
            elif type(mail.message) is Exit:
                mail.message.process.control.release_report()

    def release_report(self) -> None:
        """Render the crash report that was left to a supervisor, once."""
        report, self.report = self.report, None
        if report is not None:
            report.emit()

    def count(self) -> int:
        """Return how many messages wait: in the mailbox, or put aside while it is suspended."""
        waiting = len(self.mailbox)
        # Only what stands before the actor has something aside; the actor's attributes are its own.
        if self.receiver is not self.actor and self.receiver is not None:
            waiting += len(self.receiver.aside)
        return waiting

    def lost(self) -> tuple[int, int]:
        """Return how many messages its mailbox has refused, and dropped, for it was full."""
        mailbox: Any = self.mailbox
        return getattr(mailbox, "refused", 0), getattr(mailbox, "dropped", 0)

    def is_of_parent(self, message: Exit) -> bool:
        """Return whether a signal comes from the parent, which ends it, as OTP's behaviours do."""
        parent = self.parent
        return self.follows and parent is not None and message.process is parent.ref

    def messages(self) -> list[Any]:
        """Return the plain messages and casts that wait, oldest first."""
        kinds = (Info, Cast)
        return [
            mail.message
            for mail in list(self.mailbox)
            if type(mail) in kinds and not is_flushed(mail.message)
        ]

    def keep_call(self, call: Call) -> None:
        """Note that the process will answer `call` later; run by the process."""
        deferred = self.deferred
        if deferred is None:
            deferred = self.deferred = {}
        deferred[call] = None
        # Note first, look after: whoever answers meanwhile settles first, and forgets after.
        if call.future.done:
            deferred.pop(call, None)

    def call_answered(self, call: Call) -> None:
        """Forget a call that the process kept and that is answered now; run by any thread."""
        deferred = self.deferred
        if deferred is not None:
            deferred.pop(call, None)

    def leave_nobody_waiting(self, reason: Any) -> None:
        """Fail every call that the dead process will not answer (G6), and end waits for its end.

        The answer that it owes for the call in which it stopped comes first, unless a signal ended
        it before it had cleaned up (OTP's `{stop, Reason, Reply, State}`). A caller whom its death
        ends too has been told so by now, and does not see that answer.
        """
        ending = self.ending
        if ending is not NOTHING and ending.answer is not None and self.pending_exit is NOTHING:
            call, value = ending.answer
            call.future.settle(value)
        # The one that is being served first: what its handler keeps is noted before it is let go.
        serving, deferred = self.serving, self.deferred
        self.deferred = None
        for call in (serving, *(deferred or ())):
            if call is not None:
                call.future.settle(CallExit(reason, self.ref), failed=True)
        if ending is not NOTHING and ending.stop is not None:
            ending.stop.future.settle(True)
        self.drain(reason, died=True)

    # Waiting for others

    def inherited_deadline(self) -> float | None:
        """Return when the callers of the call being served stop waiting; `None` if none do.

        Asked anew each time: a caller may move its deadline while it waits, and one that has been
        answered waits no more.
        """
        call = self.serving
        return call.deadline() if call is not None else None

    def time_left(self) -> float | None:
        """Return the seconds until somebody stops waiting for what this process does, or ends it.

        0.0 when they are over, `None` if there is no such time.
        """
        ending: Any = self.ending
        stop = ending.stop.future.deadline if ending is not NOTHING and ending.stop else None
        times = [self.inherited_deadline(), self.until, stop]
        nearest = min((time for time in times if time is not None), default=None)
        return seconds_until(self.node.clock, nearest)

    def begin_wait(self, future: Future[Any]) -> None:
        """Note that this process waits for `future`.

        Raises:
            CallCycle: if the callee waits, directly or not, for this process; it will not do what
                it was asked, unless it has begun.
        """
        self.waiting = future
        callee = future.callee
        # Note first, look after: of two that close a ring at once, one sees the other.
        if callee is not None and (
            callee is self or callee.waiting is not None or callee.nested is not None
        ):
            with self.node.lock:
                path = None if future.done else path_back(self, callee)
                if path is not None:
                    self.waiting = None
            if path is not None:
                ring = CallCycle(path)
                take_back(future, ring)
                raise ring

    def waits_for(self) -> Control | None:
        """Return the process that must act before this one goes on; `None` if none must."""
        waiting = self.waiting
        if waiting is None:
            return self.nested  # The one that runs its init on top of this one.
        return waiting.callee if not waiting.done else None

    def look_again(self) -> None:
        """Have this process, and those that it waits for, ask anew when their callers stop waiting.

        For a call whose caller has become less patient: the calls inside it end with it (G6).
        """
        seen, at = set[Control](), self
        while at not in seen:
            seen.add(at)
            parker = at.parker
            if parker is not None:
                parker.unpark()
            at = at.waits_for() or at

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
    if me is not None:
        return me.node
    return callee.node if callee is not None else current_node()
