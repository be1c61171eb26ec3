"""Where a simulation reaches into its processes: mail on its way, and handlers that take it.

A node whose processes have two seams more than others': their mailboxes let mail be late, and what
takes their mail stands before them, to crash before, in or after a handler. Nothing of this is in
the processes, which are the user's, unchanged.
"""

from __future__ import annotations

import contextlib
import math
from collections import Counter, deque
from typing import TYPE_CHECKING, Any, ClassVar

from beam.errors import InjectedCrash, MailboxFull, StartError
from beam.otp import Mailbox, Node
from beam.otp.alarms import AlarmedMailbox
from beam.otp.bounded import BoundedMailbox
from beam.otp.context import here
from beam.otp.control import Control
from beam.otp.fitting import Mailboxes
from beam.otp.mail import Call, Cast, Info
from beam.otp.observed import Observed
from beam.otp.reasons import Down, Exit, TableTransfer
from beam.otp.signals import send_exit
from beam.otp.simulated import Simulated
from beam.otp.supervisor_process import SupervisorProcess

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.otp.scheduler import Cell
    from beam.otp.virtual_time import VirtualClock
    from beam.testing.faults import Faults
    from beam.testing.history import History

__all__ = ["SimulatedNode", "is_users"]

_NO_FAULT_IN = (Exit, Down, TableTransfer)


class SimulatedNode(Node):
    """A node in a simulation.

    Args:
        clock: the virtual time.
        choose: see `Simulated`.
        faults: what goes wrong.
        history: what happened.
        steps: see `Simulated`.
        after_turn: called whenever the turn is handed on, outside of any process.
    """

    def __init__(
        self,
        clock: VirtualClock,
        *,
        choose: Callable[[int], int],
        faults: Faults,
        history: History,
        steps: int,
        after_turn: Callable[[], None],
    ) -> None:
        self.faults = faults
        self.history = history
        self.counts: Counter[str] = Counter()
        """How often each event has happened, and how many calls were made inside handlers."""
        self._born: Counter[str] = Counter()
        self.labels: dict[int, str] = {}
        """A name for each process that lives, by its number: the same in every run."""
        self.scheduler: Simulated
        scheduler = _Scheduler(self, clock, choose, steps, after_turn)
        super().__init__("simulation", clock=clock, scheduler=scheduler)

    def label(self, control: Control) -> str:
        """Return the name of a process in this run: its own, or its class and a number."""
        if control.name is not None:
            return str(control.name)
        return self.labels.get(control.serial, "init")

    def note(self, control: Control, event: str, about: Any = None) -> None:
        """Add a line to the history."""
        self.counts[event] += 1
        self.history.note(self.clock.now(), self.label(control), event, about)

    def remember(self, control: Control) -> None:
        """Count a process in, and stand before it; a start may fail here."""
        self.scheduler.check_thread()
        kind = control.ref.actor_class
        self._born[kind.__name__] += 1
        self.labels[control.serial] = f"{kind.__name__}-{self._born[kind.__name__]}"
        mailbox: Any = control.mailbox
        if isinstance(mailbox, _Late):
            mailbox.control = control
        if not issubclass(kind, Mailbox):
            control.receiver = _Disturbed(control, self)
            if self.faults.decide("start", self.label(control), control.ref) is not None:
                self.note(control, "does not start")
                del self.labels[control.serial]
                raise StartError("injected_start_failure", str(control.ref))
        super().remember(control)
        self.note(control, "starts")

    def forget(self, control: Control) -> None:
        """Count a dead process out."""
        self.note(control, "ends", control.exit_reason)
        super().forget(control)
        self.labels.pop(control.serial, None)


def is_users(ref: Any) -> bool:
    """Return whether a process is of the user's making, and no supervisor."""
    kind = ref.actor_class
    return not kind._framework and not issubclass(kind, SupervisorProcess)


class _Scheduler(Simulated):
    """The scheduler of a simulated node: turns and timers may be late."""

    def __init__(
        self,
        node: SimulatedNode,
        clock: VirtualClock,
        choose: Callable[[int], int],
        steps: int,
        after_turn: Callable[[], None],
    ) -> None:
        super().__init__(clock, choose, steps=steps)
        self._node = node
        self._after_turn = after_turn

    def submit(self, control: Control) -> None:
        slow = self._node.faults.decide("slow", self._node.label(control), control.ref)
        if slow is None:
            super().submit(control)
            return
        self._node.note(control, "is slow", slow.seconds)
        when = self.clock.now() + slow.seconds
        self.arrive_at(when, lambda: super(_Scheduler, self).submit(control))

    def call_at(self, when: float, action: Callable[[], None], *, background: bool = False) -> Cell:
        node, control = self._node, here.control
        setter = control if control is not None else node.init
        jitter = node.faults.decide("jitter", node.label(setter), setter.ref)
        if jitter is not None and not background:
            when += jitter.seconds
        return super().call_at(when, action, background=background)

    def arrive_at(self, when: float, action: Callable[[], None]) -> None:
        """Do something when the clock reads `when`; it is on its way until then."""

        def arrive() -> None:
            self.on_the_way -= 1
            action()

        self.on_the_way += 1
        self.clock.call_at(when, arrive)

    def _next(self) -> Any:
        self._after_turn()
        return super()._next()


class _Late:
    """What makes a mailbox of any kind one into which mail may come late.

    That of one sender comes in its order (G3).
    """

    _take: Any
    """How a mailbox of its kind takes mail in."""
    control: Any

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.control = None
        # By sender: when the last of the mail on its way comes. Bounded by what is on its way.
        self._late: dict[Control | None, list[float]] = {}

    def append(self, mail: Any, /) -> None:
        """Take mail in, now or later; a sender may crash in the middle of its handler here."""
        control = self.control
        if control is None:
            self._take(mail)
            return
        node: Any = control.node
        if here.control is not None and _may_fail(mail):
            node.counts["calls inside handlers"] += type(mail) is Call
            _crash_in_handler(here.control)
        sender = _sender_of(mail)
        fault = node.faults.decide("delay", node.label(control), control.ref)
        late = self._late.get(sender)
        if fault is None and late is None:
            self._take(mail)
            return
        due = node.clock.now() + (fault.seconds if fault is not None else 0.0)
        if late is None:
            late = self._late[sender] = []
        due = max(due, *late, 0.0) if late else due
        late.append(due)
        node.note(control, "gets late", (due, _about(mail)))
        # At that very time: by way of how long it is until then, two that are due together would
        # be due at times which differ by how they were rounded.
        node.scheduler.arrive_at(due, lambda: self._arrive(sender, mail))

    def _arrive(self, sender: Control | None, mail: Any) -> None:
        control, late = self.control, self._late[sender]
        assert control is not None
        late.pop(0)
        if not late:
            del self._late[sender]
        # One that is refused now has a sender who has gone on; the mailbox has counted it.
        with contextlib.suppress(MailboxFull):
            self._take(mail)
        control.wake()


class _Mailbox(_Late, deque[Any]):
    _take = deque.append


class _AlarmedMailbox(_Late, AlarmedMailbox):
    _take = AlarmedMailbox.append


class _BoundedMailbox(_Late, BoundedMailbox):
    _take = BoundedMailbox.append


SimulatedNode.mailboxes = Mailboxes(_Mailbox, _AlarmedMailbox, _BoundedMailbox)


def _sender_of(mail: Any) -> Control | None:
    """Return whose mail this is: a signal is of the process that it tells of."""
    message = getattr(mail, "message", None)
    if type(message) is Exit:
        return message.process.control
    if type(message) is Down:
        return message.monitor.target
    return here.control


def _about(mail: Any) -> Any:
    return getattr(mail, "message", type(mail).__name__)


def _crash_in_handler(sender: Control) -> None:
    """Raise the crash that was put into the handler that sends here, if this is its place."""
    receiver: Any = sender.receiver
    if isinstance(receiver, Observed):
        receiver = receiver.before
    if isinstance(receiver, _Disturbed):
        receiver.send_something()


def _may_fail(mail: Any) -> bool:
    return type(mail) in (Call, Cast, Info) and type(mail.message) not in _NO_FAULT_IN


class _Disturbed:
    """Stands before a process: notes what it handles, and has it crash."""

    __slots__ = ("_actor", "_control", "_node", "_until_crash")

    aside: ClassVar[tuple[Any, ...]] = ()

    def __init__(self, control: Control, node: SimulatedNode) -> None:
        self._control = control
        self._node = node
        self._actor = control.actor
        # How many more messages the handler may send before it crashes.
        self._until_crash = math.inf

    def _receive_call(self, call: Call) -> Any:
        return self._receive(self._actor._receive_call, "call", call, call.message)

    def _receive_cast(self, message: Any) -> Any:
        return self._receive(self._actor._receive_cast, "cast", message, message)

    def _receive_info(self, message: Any) -> Any:
        return self._receive(self._actor._receive_info, "info", message, message)

    def _receive_continue(self, message: Any) -> Any:
        return self._receive(self._actor._receive_continue, "continue", message, message)

    def _receive(self, handle: Callable[[Any], Any], event: str, mail: Any, message: Any) -> Any:
        node, control = self._node, self._control
        label, decide = node.label(control), node.faults.decide
        node.counts[event] += 1
        node.history.note(node.clock.now(), label, event, message)
        if decide("kill", label, control.ref) is not None:
            node.note(control, "is killed")
            send_exit(node.init, control, "kill")
        crash = decide("crash", label, control.ref)
        if crash is None:
            return handle(mail)
        if crash.where == "before":
            raise self._crash(crash.where)
        if crash.where == "in":
            self._until_crash = int(crash.draw * 3)
        try:
            handle(mail)
        finally:
            self._until_crash = math.inf
        # In a handler that sends nothing, the end is the only place there is.
        raise self._crash("after")

    def send_something(self) -> None:
        """Crash here, if so many messages have been sent."""
        if self._until_crash < 1:
            self._until_crash = math.inf
            raise self._crash("in")
        self._until_crash -= 1

    def _crash(self, where: str) -> InjectedCrash:
        self._node.note(self._control, "is made to crash", where)
        return InjectedCrash(where)
