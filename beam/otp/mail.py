"""What lies in a mailbox: each message in an envelope that says how it was sent.

The context variables of the sender travel with it (structlog's context and a trace context are
such variables), so that what a handler logs belongs to the request it serves.
"""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, Any

from beam.otp.clock import seconds_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.otp.control import Control
    from beam.otp.future import Future
    from beam.otp.ref import Ref

    Arguments = tuple[tuple[Any, ...], dict[str, Any]]

__all__ = ["Call", "Cast", "Continue", "Info", "Init", "Stop", "System"]

_copy_context = contextvars.copy_context


class Info:
    """A plain message: `ref.tell`, a timer's, a `Down`, an `Exit`.

    Also the event that a state machine makes of it, and `Cast` and `Call` likewise.
    """

    __slots__ = ("context", "message")
    __match_args__ = ("message",)

    def __init__(self, message: Any, context: contextvars.Context | None = None) -> None:
        self.message: Any = message
        # A copy for each message: a handler's own changes end with it, and reach nobody else.
        self.context = _copy_context() if context is None else context

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r})"


class Cast(Info):
    """A request that wants no answer: `ref.cast`, or a proxy's `defer`."""

    __slots__ = ()


class Continue(Info):
    """What a handler left to do before the next message (`continue_with`)."""

    __slots__ = ()


class Init:
    """The first thing in the mailbox of a process whose `init` its starter does not run itself."""

    __slots__ = ("arguments", "context", "future")

    def __init__(self, arguments: Arguments, future: Future[Any]) -> None:
        self.arguments = arguments
        self.future = future
        self.context = _copy_context()


class Stop:
    """A request to stop, in its place among the mail (OTP's `gen_server:stop`)."""

    __slots__ = ("future", "reason")

    def __init__(self, reason: Any, future: Future[Any]) -> None:
        self.reason = reason
        self.future = future


class System:
    """A request to the process itself, whatever its callbacks are (OTP's system messages)."""

    __slots__ = ("action", "future")

    def __init__(self, action: Callable[[Control], Any], future: Future[Any]) -> None:
        self.action = action
        self.future = future

    def carry_out(self, control: Control) -> None:
        """Do it, in the process; what it raises goes to the one who asked, and to nobody else."""
        if self.future.done:  # Taken back, as a call is.
            return
        try:
            value = self.action(control)
        except BaseException as error:  # noqa: BLE001 - the process lives, as in OTP
            self.future.settle(error, failed=True)
        else:
            self.future.settle(value)


class Call:
    """A request whose sender waits for the answer; handlers get it as `caller`.

    A handler that returns `noreply` keeps it, and answers later, from this process or another.

    Attributes:
        message: what is asked.
        process: who asks; `None` if that is no process.
    """

    __match_args__ = ("message", "caller")
    __slots__ = ("callee", "context", "future", "message", "outer", "process")

    def __init__(
        self, message: Any, future: Future[Any], callee: Control, me: Control | None
    ) -> None:
        self.message = message
        self.future = future
        self.callee = callee
        self.context = _copy_context()
        self.process: Ref[Any] | None = None
        self.outer: Call | None = None
        if me is not None:
            self.process = me.ref
            if me.serving is not None:
                self.outer = _outer_of(me.serving)

    def __repr__(self) -> str:
        return f"<call to {self.callee.ref} from {self.process or 'outside'}>"

    @property
    def caller(self) -> Call:
        """The call itself: what a handler answers with."""
        return self

    def expired(self, now: float) -> bool:
        """Return whether nobody waits for the answer any more, at `now` on the node's clock."""
        deadline = self.future.deadline
        return self.future.done or (deadline is not None and deadline <= now)

    def deadline(self) -> float | None:
        """Return when the first of its callers stops waiting: its own, or the caller of that, ...

        On the node's clock; `None` if none does, or it has been answered.
        """
        call: Call | None = self
        nearest: float | None = None
        while call is not None and not call.future.done:
            deadline = call.future.deadline
            if deadline is not None and (nearest is None or deadline < nearest):
                nearest = deadline
            call = call.outer
        return nearest

    def time_left(self) -> float | None:
        """Return the seconds until nobody waits for the answer any more (G6).

        That is when its caller stops waiting, or the caller of that, and so on.

        Returns:
            Seconds of the node's time; 0.0 when they are over, or it has been answered; `None` if
            its callers wait for ever.
        """
        if self.future.done:
            return 0.0
        return seconds_until(self.callee.node.clock, self.deadline())

    def reply(self, value: Any = None) -> bool:
        """Answer the call.

        Returns:
            Whether the answer was the first; a second is dropped, as is one to a caller who has
            stopped waiting.
        """
        first = self.future.settle(value)
        self.callee.call_answered(self)
        return first

    def refuse(self, error: BaseException) -> bool:
        """Answer the call with an exception, to be raised at the caller, like a `Refused`.

        Returns:
            As `reply`.
        """
        first = self.future.settle(error, failed=True)
        self.callee.call_answered(self)
        return first


def _outer_of(serving: Call) -> Call | None:
    """Return the call inside which another is made, if its caller waits still."""
    if serving.future.done:
        return None
    # Let go of calls that are over: two processes that answer each other without end would
    # otherwise make a chain without end.
    outer = serving.outer
    if outer is not None and outer.future.done:
        serving.outer = None
    return serving
