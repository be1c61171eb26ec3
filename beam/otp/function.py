"""Processes without callbacks, which take their own mail: functions, and threads of the user's.

    >>> from beam.otp import Mailbox, current_process, receive, spawn
    >>> def echo(to):
    ...     to.tell(("echo", receive(timeout=5.0)))
    >>> with Mailbox() as me:
    ...     spawn(echo, me.ref).tell("hello")
    ...     me.receive(timeout=5.0)
    ('echo', 'hello')

Such a process holds its turn while it runs, and gives it back while it waits for mail; so it is
woken as any other, and an exit signal ends it where it waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from beam.errors import BeamError, Exited, InvalidInput, NotAProcess, Refused
from beam.otp.clock import deadline_after
from beam.otp.context import current_node, here
from beam.otp.control import NOTHING, Control, Life
from beam.otp.interrupt import hold
from beam.otp.limits import Limits
from beam.otp.mail import Call, Continue, Info, Stop, System
from beam.otp.observed import note_received
from beam.otp.process import Process
from beam.otp.reasons import Crash, is_flushed
from beam.otp.ref import Ref
from beam.otp.signals import bury

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from beam.otp.limits import Overflow
    from beam.otp.scheduler import Parker

__all__ = ["FunctionProcess", "Mailbox", "receive_here"]


class FunctionProcess(Process, framework=True):
    """A process that runs one function, on a thread of its own, and ends with it."""

    blocking = True
    has_handlers = False

    def init(self, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
        """Begin with the function, before any message."""
        self._work = (function, args, kwargs)
        self.continue_with(None)

    def _receive_continue(self, _message: Any) -> None:
        function, args, kwargs = self._work
        self.stop("normal")
        function(*args, **kwargs)

    def _receive_call(self, call: Call) -> Any:
        raise Refused("no_calls", process=str(self))


def receive_here(timeout: float | None) -> Any:
    """Take the oldest message of the process that runs here; see `beam.otp.receive`."""
    control = here.control
    if control is None or not issubclass(control.ref.actor_class, (FunctionProcess, Mailbox)):
        raise NotAProcess("receive")
    until = deadline_after(control.node.clock, timeout)
    while True:
        if control.pending_exit is not NOTHING:
            raise Exited(control.pending_exit)
        while control.mailbox:
            try:
                mail = control.mailbox.popleft()
            except IndexError:
                break  # Given up in this moment: the next wait ends it.
            message = _opened(control, mail)
            if message is not NOTHING:
                return message
        if until is not None and control.node.clock.now() >= until:
            raise TimeoutError(f"no message within {timeout} s")
        _wait_for_mail(control, until)


def _opened(control: Control, mail: Any) -> Any:
    """Return the message in an envelope, `NOTHING` if there is none for the user."""
    if type(mail) is Stop:
        control.mailbox.appendleft(mail)  # Answered when the process is dead.
        raise Exited(mail.reason)
    if type(mail) is Call:
        mail.future.settle(Refused("no_calls", process=str(control.ref)), failed=True)
        return NOTHING
    if type(mail) is System:
        mail.carry_out(control)
        return NOTHING
    if type(mail) is Continue:
        return NOTHING
    assert isinstance(mail, Info)
    if is_flushed(mail.message):
        return NOTHING
    if control.receiver is not control.actor:
        note_received(control, mail)
    return mail.message


def _wait_for_mail(control: Control, until: float | None) -> None:
    """Give the turn back until mail or a signal takes it, or it is too late."""
    waker = _Waker(control.node.scheduler.parker(None))
    held = hold()
    driver, control.driver = control.driver, waker
    control.receiving = True
    control.turn.release()
    woken = False
    try:
        if held is not None:
            held.release()
        if not control.mailbox and control.pending_exit is NOTHING:
            woken = waker.parker.park(until)
    finally:
        # Also after the user's Ctrl-C: nobody else may run this process while its code goes on.
        held = hold()
        if not woken and not control.turn.acquire(False):
            waker.parker.park(None)  # Somebody took it to wake us: that comes.
        control.receiving = False
        control.driver = driver
        if held is not None:
            held.release()


class _Waker:
    """The driver of a process that waits for mail: a submit wakes it, and the turn is its own."""

    __slots__ = ("parker",)

    def __init__(self, parker: Parker) -> None:
        self.parker = parker

    def submit(self, _control: Control) -> None:
        self.parker.unpark()


class Mailbox:
    """Makes the calling thread a process, for as long as the `with` block lasts.

    In it the thread may link, monitor, be told and `receive`. Leaving the block ends the process:
    with reason `"normal"`, or `Crash(exception)` if the block raised.

    Args:
        name: what to register it under.
        trap_exit: whether exit signals come as `Exit` messages. If not, a signal raises `Exited`
            where the thread next waits.
        limit: the most messages that may wait; `None` for no bound.
        overflow: what happens to one more: `"refuse"`, `"drop_oldest"` or `"drop_newest"`; see
            `beam.otp.bounded`.
    """

    _declared_limits: ClassVar[None] = None

    def __init__(
        self,
        name: Any = None,
        *,
        trap_exit: bool = False,
        limit: int | None = None,
        overflow: Overflow = "refuse",
    ) -> None:
        self.trap_exit = trap_exit
        self._name = name
        self._outer: Control | None = None
        node, limits = current_node(), Limits(limit, overflow)
        mailbox = node.new_mailbox(type(self), limits if limit is not None else None)
        waker = _Waker(node.scheduler.parker(None))
        self._control = Control(node, self, waker, node.init, mailbox)
        self.ref: Ref[Any] = Ref(self._control, type(self))
        """The ref of this process."""
        self._control.ref = self.ref
        node.fit_out(self._control, has_handlers=False)

    @classmethod
    def public_names(cls) -> dict[str, Any]:
        """Return nothing: a thread offers no calls."""
        return {}

    def __enter__(self) -> Self:
        control = self._control
        node = control.node
        if control.life is not Life.STARTING:
            raise InvalidInput("mailbox", self.ref, "one that has not been entered before")
        with node.lock:
            node.remember(control)
            control.life = Life.RUNNING
        if self._name is not None:
            try:
                node.register(self._name, control)
            except BeamError:
                bury(control, "normal")
                raise
        self._outer, here.control = here.control, control
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        here.control = self._outer
        control = self._control
        reason: Any = "normal"
        if control.pending_exit is not NOTHING:
            reason = control.pending_exit
        elif isinstance(error, Exited):
            reason = error.reason
        elif error is not None:
            reason = Crash(error)
        bury(control, reason)

    def receive(self, timeout: float | None = None) -> Any:
        """Take the oldest message, waiting `timeout` seconds for one; `None` without end.

        Raises:
            TimeoutError: if none came in time.
            Exited: if an exit signal has ended this process, or it was asked to stop.
        """
        return receive_here(timeout)

    def messages(self) -> list[Any]:
        """Return the messages that wait, oldest first, without taking them out."""
        return self._control.messages()
