"""References to processes: Pykka refs, with OTP's verbs added.

A ref outlives its process. `ask` and `tell` mean what they mean in Pykka, with two differences:
a call ends by a deadline of 5 s unless told otherwise, and an error that the process did not
declare as an answer kills it, and reaches the caller as `CallExit`.
"""

from __future__ import annotations

import functools
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar, overload

import pykka
from pykka import messages

from beam.errors import CallExit, Exited, InvalidInput
from beam.errors.root import shown
from beam.otp.clock import deadline_after
from beam.otp.context import blocking_form, here, running_loop, warn_if_on_loop
from beam.otp.control import NOTHING, Control, Life
from beam.otp.future import Future
from beam.otp.interrupt import hold
from beam.otp.mail import Call, Cast, Info, Stop
from beam.otp.proxy import Proxy
from beam.otp.turn import INLINE_DEPTH, serve_here, take_turn
from beam.otp.views import Inbox, Stopped

if TYPE_CHECKING:
    from beam.otp.node import Node
    from beam.otp.process import Process

__all__ = ["CALL_TIMEOUT", "Ref", "run_here"]

# Seconds for which a call waits unless told otherwise, as OTP's `gen_server:call/2`.
CALL_TIMEOUT = 5.0

A = TypeVar("A", bound="Process")


class Ref(pykka.ActorRef[A], Generic[A]):
    """A reference to a process, alive or dead; may be passed around freely, and compared."""

    __slots__ = ("actor_class", "control")

    control: Control

    def __init__(self, control: Control, actor_class: type[A]) -> None:
        self.control = control
        self.actor_class = actor_class

    def __repr__(self) -> str:
        return f"<{self}>"

    def __str__(self) -> str:
        name = self.control.name
        label = f" {shown(name)}" if name is not None else ""
        return f"{self.actor_class.__name__}{label} #{self.control.serial}"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        return self

    def __reduce__(self) -> str:
        raise TypeError(f"{self} belongs to this Python process and cannot be pickled")

    # Pykka's attributes

    @property
    def actor_urn(self) -> str:  # type: ignore[override]  # Pykka declares a plain attribute
        """The process's identifier: its node's and its number there."""
        return f"urn:beam:{self.control.node.name}:{self.control.serial}"

    @property
    def actor_inbox(self) -> Any:  # type: ignore[override]  # as actor_urn
        """The process's inbox (see `Process.actor_inbox`)."""
        return Inbox(self.control)

    @property
    def actor_stopped(self) -> Any:  # type: ignore[override]  # as actor_urn
        """An event that is set when the process has ended: `is_set()`, `wait(timeout)`."""
        return Stopped(self.control)

    @property
    def _actor_weakref(self) -> Any:  # type: ignore[override]  # as actor_urn
        actor = self.control.actor
        return weakref.ref(actor) if actor is not None else lambda: None

    @property
    def __term_order__(self) -> tuple[str, int]:
        return (self.control.node.name, self.control.serial)

    @property
    def node(self) -> Node:
        """The node that the process lives in."""
        return self.control.node

    def is_alive(self) -> bool:
        """Return whether the process has not ended; true until its cleanup has run.

        Of one that a signal has ended where it waits for mail, false from then on, as OTP's
        `is_process_alive`: signals keep their order.
        """
        life = self.control.life
        return life is not Life.DEAD and life is not Life.ENDING

    @property
    def exit_reason(self) -> Any:
        """The reason with which the process ended; `None` while it lives."""
        return self.control.exit_reason if self.control.life is Life.DEAD else None

    @property
    def trap_exit(self) -> bool:
        """Whether exit signals come to the process as `Exit` messages; `False` once it is dead.

        Only the process itself may set it, as with OTP's `process_flag(trap_exit, _)`: a process
        of a function by `current_process().trap_exit = True`.
        """
        actor: Any = self.control.actor
        return actor is not None and bool(actor.trap_exit)

    @trap_exit.setter
    def trap_exit(self, value: bool) -> None:
        if here.control is not self.control:
            raise InvalidInput(
                "process", self, "the process that runs here, for trap_exit to be set"
            )
        self.control.actor.trap_exit = value

    def links(self) -> list[Ref[Any]]:
        """Return the processes that this one is linked to, oldest link first; any thread may.

        As OTP's `process_info(Pid, links)`; empty once it is dead.
        """
        with self.control.node.lock:
            return [peer.ref for peer in self.control.links or ()]

    def time_left(self) -> float | None:
        """Return the seconds that are left for what the process is doing.

        Until the nearest of these: its caller stops waiting, or the caller's caller, and so on;
        whoever asked it to stop stops waiting; its parent kills it, as it has been told to end; its
        `init`, or its function as a task, has taken as long as it may. Asked anew each time, as
        callers may change their minds. `current_process().time_left()` is for code that has no
        process at hand, in a function that was spawned or anywhere below a handler.

        Returns:
            Seconds of the node's time; 0.0 when they are over; `None` if nobody waits, or for
            ever.
        """
        return self.control.time_left()

    # Sending

    def tell(self, message: Any) -> None:
        """Send a plain message, for `handle_info`; never blocks.

        Raises:
            CallExit: if the process is dead (Pykka's `ActorDeadError`). A message to one that
                dies later is dropped, as every message to a dead process is in Erlang.
            MailboxFull: if its mailbox has a bound, is full, and refuses.
        """
        if self.control.life is Life.DEAD:
            raise CallExit("noproc", self)
        self.control.post(Info(message))

    def cast(self, message: Any) -> None:
        """Send a request that wants no answer, for `handle_cast`; never blocks.

        As OTP's `gen_server:cast/2` it fails never, to a dead process it goes nowhere; with one
        exception, which OTP does not know:

        Raises:
            MailboxFull: if the process's mailbox has a bound, is full, and refuses.
        """
        control = self.control
        control.mailbox.append(Cast(message))
        # As Control.post, whose call would be a tenth of a cast.
        if not control.turn.locked():
            control.wake()
        elif control.life is Life.DEAD:
            control.drain("noproc")

    @overload
    def ask(
        self, message: Any, *, block: Literal[False], timeout: float | None = ...
    ) -> Future[Any]: ...
    @overload
    def ask(
        self, message: Any, *, block: Literal[True] = True, timeout: float | None = ...
    ) -> Any: ...
    @overload
    def ask(
        self, message: Any, *, block: bool = ..., timeout: float | None = ...
    ) -> Any | Future[Any]: ...
    def ask(
        self, message: Any, *, block: bool = True, timeout: float | None = CALL_TIMEOUT
    ) -> Any | Future[Any]:
        """Call the process, for `handle_call`, and return its answer (OTP's `gen_server:call`).

        Args:
            message: what to ask.
            block: wait for the answer; else return a future of it.
            timeout: seconds until the call ends; `None` never, as OTP's `infinity`.

        Raises:
            Refused: what the process refused with.
            CallExit: if the process died, or was dead.
            CallTimeout: when the time is over.
            DeadlineExpired: when the deadline passed of the call that this process is serving.
            CallCycle: if the process waits, directly or not, for the one that calls.
            MailboxFull: if the process's mailbox has a bound, and the call is what was lost for it.
            PoolExhausted: if every worker of the pool waits in a call.
            InvalidInput: if `timeout` is no number; nothing has been sent.
        """
        control, me = self.control, here.control
        future: Future[Any] = Future(control, deadline_after(control.node.clock, timeout), timeout)
        if not block:
            _send_call(control, message, future, me)
            return future
        if running_loop() is not None:
            warn_if_on_loop("Ref.ask()", "ref.ask(message, block=False)")
        # A callee that runs here needs no waiting.
        armed = None if control.blocking is False else future.arm(control.node, me)
        if me is None:
            _send_call(control, message, future, None)
            if not future.done:
                future.park(None, armed)
            return future.result()
        me.begin_wait(future)
        try:
            _send_call(control, message, future, me)
            if not future.done:
                future.park(me, armed)
            elif armed is not None and me.pending_exit is not NOTHING:
                raise Exited(me.pending_exit)  # A signal has come with the answer, and acts first.
        finally:
            me.waiting = None
        return future.result()

    @overload
    def stop(
        self, *, block: Literal[True] = True, timeout: float | None = ..., reason: Any = ...
    ) -> bool: ...
    @overload
    def stop(
        self, *, block: Literal[False], timeout: float | None = ..., reason: Any = ...
    ) -> Future[bool]: ...
    @overload
    def stop(
        self, *, block: bool = ..., timeout: float | None = ..., reason: Any = ...
    ) -> bool | Future[bool]: ...
    def stop(
        self, *, block: bool = True, timeout: float | None = None, reason: Any = "normal"
    ) -> bool | Future[bool]:
        """Ask the process to end with `reason` once it has handled the mail that is there.

        As OTP's `gen_server:stop`: a request in its place among the mail, not an exit signal.

        Args:
            block: wait until it is dead.
            timeout: seconds to wait; `None` without end.
            reason: its exit reason.

        Returns:
            True if it ended by this request or one like it, False if it was dead before.

        Raises:
            CallTimeout: when the time is over; the request stands.
            InvalidInput: if `timeout` is no number; nothing has been sent.
            CallCycle: if the process asks itself, and blocks.
        """
        control = self.control
        future: Future[bool] = Future(control, deadline_after(control.node.clock, timeout), timeout)
        control.post(Stop(reason, future))
        if not block:
            return future
        with blocking_form("Ref.stop()", "ref.stop(block=False)"):
            return future.get()

    def proxy(self) -> Proxy[A]:
        """Return a proxy: the methods and attributes of the user's class, as calls.

        Raises:
            CallExit: if the process is dead (Pykka's `ActorDeadError`).
        """
        if self.control.life is Life.DEAD:
            raise CallExit("noproc", self)
        return Proxy(actor_ref=self)

    # Used by proxies

    def call_method(self, attr_path: tuple[str, ...], args: Any, kwargs: Any) -> Future[Any]:
        """Call a method, by the path of its name; the future of its answer."""
        control = self.control
        deadline = control.node.clock.now() + CALL_TIMEOUT
        future: Future[Any] = Future(control, deadline, CALL_TIMEOUT)
        _send_call(control, _proxy_call((attr_path, args, kwargs)), future, here.control)
        return future


# What a named tuple's own `__new__`, in Python, comes to: 0.1 µs instead of 0.3.
_proxy_call = functools.partial(tuple.__new__, messages.ProxyCall)


def _send_call(control: Control, message: Any, future: Future[Any], me: Control | None) -> None:
    """Put a call of `me` into the mailbox; run the callee here if it never blocks and is idle."""
    call = Call(message, future, control, me)
    if control.blocking is False and (me is None or me.depth < INLINE_DEPTH):
        run_here(control, call, me)
    else:
        control.post(call)


def run_here(control: Control, call: Call, me: Control | None) -> None:
    """Run an idle callee on top of the caller, who waits for it, whatever it does with the future.

    The user's Ctrl-C is held back from before the turn is taken, or it could be lost (G8). A call
    that finds the mailbox empty need not pass through it.
    """
    held = hold()
    future = call.future
    outer = None
    if me is not None:
        outer, me.waiting = me.waiting, future
    mailbox = control.mailbox
    plain = type(mailbox) is deque
    try:
        if not plain:
            # It sees all mail, and may raise, with which no turn must be lost.
            mailbox.append(call)
        if not control.turn.acquire(False):
            control.post(call) if plain else control.wake()
            return
        if plain and not mailbox:
            serve_here(control, call, me)
        else:
            if plain:
                mailbox.append(call)
            take_turn(control, future)
        deadline = future.deadline
        if deadline is not None and (now := control.node.clock.now()) > deadline:
            _look_if_late(control, future, now - deadline)
    finally:
        if me is not None:
            me.waiting = outer
        if held is not None:
            held.release()


# Seconds that a call of a process which never blocks may take before it is said to have blocked.
NEVER_BLOCKS = 0.1


def _look_if_late(control: Control, future: Future[Any], late: float) -> None:
    """Report a process that said it never blocks, and has held its caller past the deadline."""
    if future.granted is not None and late + future.granted > NEVER_BLOCKS:
        control.node.note_overrun(control, late + future.granted)
