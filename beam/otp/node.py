"""Nodes: where processes live, with their names, their clock and their scheduler.

    >>> from beam.otp import Server, whereis
    >>> class Echo(Server):
    ...     def echo(self, what):
    ...         return what
    >>> with Node() as node:
    ...     echo = Echo.start(name="echo")
    ...     whereis("echo") is echo
    True
    >>> echo.is_alive()
    False

The current node is, inside a process, its own; else that of the innermost `with Node()`; else one
default node of the Python process. Code outside any process acts as the node's `init` process.
Leaving `with Node()` stops everything in it.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar, Self

from beam.errors import AlreadyExists, Exited, InvalidInput, NotFound, StartError
from beam.otp.alarms import AlarmBook
from beam.otp.clock import Clock, SystemClock, cores_of
from beam.otp.context import current_node, default_node, here, innermost_node
from beam.otp.control import NOTHING, Control, Life
from beam.otp.fitting import Mailboxes, fit_out, mailbox_for
from beam.otp.future import Future
from beam.otp.limits import Limits
from beam.otp.pool import CAP, Pool
from beam.otp.ref import Ref
from beam.otp.reports import report
from beam.otp.stopping import kill_the_rest, stop_node
from beam.otp.timer import Timer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextvars import Token
    from types import TracebackType

    from beam.otp.alarms import LongMailbox, SlowHandler
    from beam.otp.scheduler import Scheduler
    from beam.otp.stopping import Budget, StopReport
    from beam.otp.table import Table

__all__ = ["Node", "check_name", "current_node"]

_node_numbers = itertools.count(1)


def check_name(name: Any) -> None:
    """Refuse what cannot be a name.

    Raises:
        InvalidInput: if it is `None`, or cannot be hashed.
    """
    try:
        hash(name)
    except TypeError:
        usable = False
    else:
        usable = name is not None
    if not usable:
        raise InvalidInput("name", name, "a hashable value other than None")


def _check_seconds(field: str, seconds: float) -> None:
    try:
        usable = seconds >= 0
    except TypeError:
        usable = False
    if not usable:
        raise InvalidInput(field, seconds, "a number of seconds, 0 or more")


class init:  # noqa: N801 - shows in refs as Erlang shows it
    """The node's first process: the parent of what is started from outside; takes no mail."""

    trap_exit = True

    @classmethod
    def public_names(cls) -> dict[str, Any]:
        """Return nothing: `init` offers nothing."""
        return {}


class _Nap(Future[None]):
    """What a process that sleeps waits for, for those who look."""

    __slots__ = ()

    purpose = "sleep"


class _Nowhere:
    """The driver of a process without a thread: what is sent to it is dropped."""

    def submit(self, control: Control) -> None:
        """Drop its mail, as a dead process's; what comes meanwhile, too."""
        while True:
            control.drain("noproc")
            control.turn.release()
            if not control.mailbox or not control.turn.acquire(False):
                return


class Node:
    """A world of processes.

    Links, monitors, refs and calls may go from one node to another.

    Args:
        name: says which node it is, in refs and thread names; numbered unless given.
        clock: where time and chance come from; the machine's unless given.
        scheduler: who runs the processes; a `Pool` unless given.
        pool_size: the most workers of that pool.
        long_mailbox: how many messages may wait for a process before that is an alarm; `None` for
            no alarm. A class may say its own.
        slow_handler: the seconds that a handler may run before that is one; likewise.
        cores: how many things are taken to run at once: the default of `PartitionSupervisor` and of
            the maps of `Tasks`. The machine's unless given; 4 on another clock than the machine's,
            as what happens there must not depend on the machine (G18).
    """

    lock: ClassVar[threading.Lock] = threading.Lock()
    """Guards links, monitors, names and deaths, of all nodes: they may concern two. Held for a few
    instructions."""

    mailboxes: ClassVar[Mailboxes] = Mailboxes()

    def __init__(
        self,
        name: str | None = None,
        *,
        clock: Clock | None = None,
        scheduler: Scheduler | None = None,
        pool_size: int = CAP,
        cores: int | None = None,
        long_mailbox: int | None = None,
        slow_handler: float | None = None,
    ) -> None:
        if pool_size < 1:
            raise InvalidInput("pool_size", pool_size, "at least 1")
        if cores is not None and cores < 1:
            raise InvalidInput("cores", cores, "at least 1, or None")
        limits = Limits(long_mailbox=long_mailbox, slow_handler=slow_handler)
        self.limits = limits if limits != Limits() else None
        self.plain = self.limits is None and self.mailboxes.plain is deque
        """Whether a process of a class without limits has a plain deque for a mailbox: then who
        makes it need not ask."""
        self.name = name or f"node{next(_node_numbers)}"
        self.clock: Clock = clock if clock is not None else SystemClock()
        self.scheduler: Scheduler = (
            scheduler if scheduler is not None else Pool(self.clock, self.name, pool_size)
        )
        self.cores = cores if cores is not None else cores_of(self.clock)
        self.names: dict[Any, Control] = {}
        self.tables: dict[Any, Table] = {}
        """The named tables."""
        self.given_up: dict[int, Ref[Any]] = {}
        """Processes that were given up while their handler ran, and runs still, by number (G9)."""
        self.budgets: dict[Control, Budget] = {}
        """What supervisors have for their end, which are being stopped within a time."""
        self.overruns: dict[type, int] = {}
        """How often processes with `blocking = False` held a caller past its deadline, by class."""
        self._processes: dict[int, Control] = {}
        self.next_serial = itertools.count(0).__next__
        self.init = Control(self, init(), _Nowhere(), None)
        self.init.ref = Ref(self.init, init)
        self.init.life = Life.RUNNING
        self.init.turn.release()
        self._stopped = False
        self._token: Token[Node | None] | None = None

    def __repr__(self) -> str:
        return f"<Node {self.name!r}: {len(self._processes)} processes>"

    def __enter__(self) -> Self:
        self._token = innermost_node.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._token is not None:
            innermost_node.reset(self._token)
        self.stop()

    @contextlib.contextmanager
    def entered(self) -> Iterator[Self]:
        """Make this the current node for the block, as `with node` does, without stopping it."""
        token = innermost_node.set(self)
        try:
            yield self
        finally:
            innermost_node.reset(token)

    # Processes

    def new_mailbox(self, kind: type[Any], limits: Limits | None = None) -> deque[Any]:
        """Return an empty mailbox for a process of class `kind`; asked once, at its start.

        Args:
            kind: the class.
            limits: those of this process; its class's unless given.
        """
        limits = limits or kind._declared_limits
        if limits is None and self.limits is None:
            return self.mailboxes.plain()
        return mailbox_for(self._with_alarms(limits), self.alarm_book, self.mailboxes)

    def fit_out(self, control: Control, *, has_handlers: bool) -> None:
        """Fit a process out that has limits; before anybody has its ref."""
        limits = self._with_alarms(control.ref.actor_class._declared_limits)
        fit_out(control, limits, self.alarm_book, has_handlers=has_handlers)

    def _with_alarms(self, limits: Limits | None) -> Limits:
        limits = limits or Limits()
        return limits.over(self.limits) if self.limits is not None else limits

    @functools.cached_property
    def alarm_book(self) -> AlarmBook:
        """The book in which this node's alarms stand."""
        return AlarmBook(self)

    def alarms(self) -> list[SlowHandler | LongMailbox]:
        """Return the alarms that are set now; see `beam.otp.alarms`."""
        return self.alarm_book.active()

    @property
    def alarm_counts(self) -> dict[str, int]:
        """How many alarms there have been, by kind: `"long_mailbox"` and `"slow_handler"`."""
        return dict(self.alarm_book.counts)

    def processes(self) -> list[Ref[Any]]:
        """Return the refs of the live processes, oldest first."""
        with self.lock:
            return [control.ref for control in self._processes.values()]

    def remember(self, control: Control) -> None:
        """Count a process in; under the lock.

        Raises:
            StartError: `"shutdown"`, if the node has been stopped.
        """
        if self._stopped:
            raise StartError("shutdown", f"process in {self.name}, which has been stopped,")
        self._processes[control.serial] = control

    def forget(self, control: Control) -> None:
        """Count a dead process out, and free its name; under the lock."""
        self._processes.pop(control.serial, None)
        if control.name is not None and self.names.get(control.name) is control:
            del self.names[control.name]

    def register(self, name: Any, control: Control) -> None:
        """Give a process a name; see `beam.otp.register`."""
        check_name(name)
        with self.lock:
            holder = self.names.get(name)
            if holder is not None:
                raise AlreadyExists("already_registered", name=name, holder=holder.ref)
            if control.life is Life.DEAD:
                raise NotFound("noproc", name=name)
            if control.name is not None:
                raise AlreadyExists("already_named", name=name, has=control.name)
            self.names[name] = control
            control.name = name

    def unregister(self, name: Any) -> None:
        """Take a name back; see `beam.otp.unregister`."""
        check_name(name)
        with self.lock:
            control = self.names.pop(name, None)
            if control is None:
                raise NotFound("not_registered", name=name)
            control.name = None

    def whereis(self, name: Any) -> Ref[Any] | None:
        """Return the process registered under `name`, `None` if there is none."""
        control = self.names.get(name)
        return control.ref if control is not None else None

    def registered(self) -> list[Any]:
        """Return the names that processes have, in the order in which they got them."""
        with self.lock:
            return list(self.names)

    def note_overrun(self, control: Control, seconds: float) -> None:
        """Count and report a process that said it never blocks, and did."""
        kind = control.ref.actor_class
        count = self.overruns[kind] = self.overruns.get(kind, 0) + 1
        report(
            "warning",
            "process_overran",
            process=str(control.ref),
            process_class=kind.__name__,
            seconds=seconds,
            count=count,
        )

    # Time

    def send_after(self, delay: float, to: Ref[Any], message: Any) -> Timer:
        """Send `message` to `to` in `delay` seconds; see `beam.otp.send_after`."""
        if type(delay) is not float or not delay >= 0:
            _check_seconds("delay", delay)
        return Timer(self, delay, to, message)

    def sleep(self, seconds: float) -> None:
        """Let the calling process, or thread, wait for `seconds` of this node's time."""
        _check_seconds("seconds", seconds)
        me = here.control
        until = self.clock.now() + seconds
        nap = _Nap(None, until, seconds)
        while self.clock.now() < until:
            parker = self.scheduler.parker(me)
            if me is not None:
                me.watch_exit(parker)
                me.waiting = nap
            try:
                parker.park(until)
            finally:
                if me is not None:
                    me.waiting = None
                    me.watch_exit(None)
            if me is not None and me.pending_exit is not NOTHING:
                raise Exited(me.pending_exit)

    # The end

    def stop(self, timeout: float = 5.0, *, within: float | None = None) -> StopReport:
        """Stop every process, those started from outside first, then the scheduler.

        Each of those gets a `"shutdown"` signal, youngest first, and `timeout` seconds; what is
        left after that is killed, and given up if its handler will not end (G9). Nothing starts
        here after.

        Args:
            timeout: seconds that each may take.
            within: seconds that all may take together, whoever hangs, and 0.3 s more for what is
                killed: they are parted as in `SupervisingRef.stop_within`. `None`: no limit.

        Returns:
            How many ended, and who had to be killed or was given up.

        Raises:
            InvalidInput: if one is no number of seconds; nothing has been stopped.
        """
        stopping = stop_node(self, timeout, within)
        with self.lock:
            self._stopped = True
        kill_the_rest(self, stopping)  # What cleanups have started meanwhile.
        report = stopping.report()
        self.scheduler.stop()
        return report

    def roots(self) -> list[Control]:
        """Return the live processes that were started from outside, oldest first."""
        with self.lock:
            return [one for one in self._processes.values() if one.parent is self.init]

    def survivors(self) -> list[Control]:
        """Return the control blocks of all live processes, oldest first."""
        with self.lock:
            return list(self._processes.values())


default_node.make = lambda: Node("default")
