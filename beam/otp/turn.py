"""A process's turn: its messages handled one after another, and its end.

Whoever calls `take_turn` holds the process's turn (`Control.turn`) and gives it back, hands it on
to the scheduler if there is more to do, or keeps it for ever if the process ends.
"""

from __future__ import annotations

import contextvars
import signal
import threading
from typing import TYPE_CHECKING, Any

from beam.errors import DeadlineExpired, Exited, Refused, StartError
from beam.otp.context import here
from beam.otp.control import NOTHING, Control, Life
from beam.otp.mail import Call, Cast, Continue, Init, Stop
from beam.otp.reasons import Crash, Down, Exit, is_graceful
from beam.otp.reports import CrashReport
from beam.otp.signals import bury

if TYPE_CHECKING:
    from types import FrameType

    from beam.otp.future import Future
    from beam.otp.mail import Arguments
    from beam.otp.process import Process

__all__ = ["INLINE_DEPTH", "ask_to_end", "ignore", "noreply", "run_init", "run_inline", "take_turn"]

# How many messages a process handles before others get their turn.
MESSAGES = 200
# How many processes may run on top of each other on one thread; deeper ones go to the pool.
INLINE_DEPTH = 32


class _NoReply:
    def __repr__(self) -> str:
        return "noreply"


# What a handler returns for a call that it will answer later, with `caller.reply(value)`.
noreply = _NoReply()


class _Ignore:
    def __repr__(self) -> str:
        return "ignore"


# What `init` returns for a process that has nothing to do: `start` returns None, nothing lives.
ignore = _Ignore()


class _Ending:
    """How a process ends: its reason, what it crashed of, and the answer it still owes."""

    __slots__ = ("answer", "error", "message", "reason", "stop")

    def __init__(self, reason: Any) -> None:
        self.reason = reason
        self.error: BaseException | None = None
        self.message: Any = None
        self.answer: tuple[Call, Any] | None = None
        self.stop: Stop | None = None


def take_turn(control: Control) -> None:
    """Handle what is in the mailbox, until it is empty, the process ends, or others are due."""
    outer = here.control
    here.control = control
    mailbox, turn = control.mailbox, control.turn
    left = MESSAGES
    try:
        while True:
            if control.pending_exit is not NOTHING:
                _end(control, _Ending(control.pending_exit))
                return
            try:
                mail = mailbox.popleft()
            except IndexError:
                turn.release()
                # What came between the look and the release has found the turn taken.
                if (mailbox or control.pending_exit is not NOTHING) and turn.acquire(False):
                    continue
                return
            if left == 0:
                mailbox.appendleft(mail)
                control.driver.submit(control)
                return
            left -= 1
            _handle(control, mail)
            if control.life is Life.DEAD:
                return  # Given up meanwhile (G9), or its init failed.
            if control.ending is not NOTHING:
                _end(control, control.ending)
                return
    finally:
        here.control = outer


def _handle(control: Control, mail: Any) -> None:
    """Handle one message; whatever comes out of the user's code becomes the process's end."""
    kind = type(mail)
    actor = control.actor
    try:
        if kind is Call:
            _serve(control, actor, mail)
        elif kind is Cast:
            mail.context.run(actor._receive_cast, mail.message)
        elif kind is Stop:
            ending = _Ending(mail.reason)
            ending.stop = mail
            control.ending = ending
        elif kind is Continue:
            mail.context.run(actor._receive_continue, mail.message)
        elif kind is Init:
            run_init(control, mail.arguments, mail.context, mail.future)
        else:
            message = mail.message
            if type(message) is Down and _is_flushed(message):
                return
            if type(message) is Exit:
                _receive_exit(control, actor, message)
            else:
                mail.context.run(actor._receive_info, message)
    except Exited as exited:
        _ending(control).reason = exited.reason
    except BaseException as error:  # noqa: BLE001 - SystemExit too is this process's crash (G8)
        ending = _ending(control)
        ending.reason, ending.error = Crash(error), error
        ending.message = getattr(mail, "message", None)


def _serve(control: Control, actor: Process, call: Call) -> None:
    """Let the process answer a call; a `Refused` of its own is an answer (G7)."""
    control.serving = call
    try:
        value = call.context.run(actor._receive_call, call)
    except Refused as refusal:
        if refusal.process is not None:
            raise
        call.future.settle(refusal, failed=True)
    except DeadlineExpired as expired:
        # An answer to a caller who has gone; but only if it is this call's deadline that passed.
        inherited = control.inherited_deadline()
        if inherited is None or control.node.clock.now() < inherited:
            raise
        call.future.settle(expired, failed=True)
    else:
        if value is noreply:
            if control.deferred is None:
                control.deferred = {}
            if not call.future.done:
                control.deferred[call] = None
        elif control.ending is not NOTHING:
            control.ending.answer = (call, value)  # After terminate, as OTP's {stop, _, Reply, _}.
            return
        else:
            call.future.settle(value)
    control.serving = None


def _receive_exit(control: Control, actor: Process, message: Exit) -> None:
    """Hand an exit signal to the process; its parent's ends it, as OTP's behaviours do."""
    parent = control.parent
    if parent is not None and message.process is parent.ref and actor.follows_parent:
        control.ending = _Ending(message.reason)
    else:
        actor._receive_info(message)


def _is_flushed(message: Down) -> bool:
    return message.monitor.flushed


def _ending(control: Control) -> _Ending:
    if control.ending is NOTHING:
        control.ending = _Ending("normal")
    ending: _Ending = control.ending
    return ending


def ask_to_end(control: Control, reason: Any) -> None:
    """Have the process end with `reason` once its handler has returned; run by the process."""
    _ending(control).reason = reason


def _end(control: Control, ending: _Ending) -> None:
    """Run the process's cleanup, then make it dead for everyone."""
    control.ending = ending
    if control.pending_exit is NOTHING:
        _terminate(control, ending)
    if control.pending_exit is not NOTHING:
        ending.reason, ending.error = control.pending_exit, None
    if ending.answer is not None:
        call, value = ending.answer
        call.future.settle(value)
    if ending.error is not None and not is_graceful(ending.reason):
        control.report = CrashReport(control, ending.error, ending.message)
    supervised = _leave_report_to_supervisor(control)
    here.ending = here.depth == 0
    bury(control, ending.reason)
    if ending.stop is not None and ending.stop.future is not None:
        ending.stop.future.settle(True)
    if not supervised:
        control.release_report()


def _terminate(control: Control, ending: _Ending) -> None:
    """Call `terminate(reason)`; what it raises becomes the reason, as in OTP."""
    try:
        contextvars.Context().run(control.actor._terminate, ending.reason)
    except Exited as exited:
        ending.reason, ending.error = exited.reason, None
    except BaseException as error:  # noqa: BLE001 - see _handle
        ending.reason, ending.error = Crash(error), error


def _leave_report_to_supervisor(control: Control) -> bool:
    """Return whether a supervisor will render the crash report, after it has restarted.

    Rendering a traceback takes longer than a restart; nobody should wait for it.
    """
    parent = control.parent
    return (
        control.report is not None
        and parent is not None
        and getattr(parent.actor, "renders_reports", False)
        and control.links is not None
        and parent in control.links
    )


def run_inline(control: Control) -> None:
    """Run a process that never blocks on top of the caller, whose thread holds its turn.

    The user's Ctrl-C belongs to the user (G8): on the main thread it is held back while the
    handler runs, and raised in the caller after it.
    """
    here.depth += 1
    outermost = here.depth == 1 and threading.get_ident() == _MAIN
    held = _HeldInterrupt() if outermost else None
    try:
        take_turn(control)
    finally:
        here.depth -= 1
        if held is not None:
            held.release()


_MAIN = threading.main_thread().ident
# The C functions under `signal`'s: 0.2 µs against 2.2, twice in each call that runs inline.
_set_handler = getattr(signal.signal, "__wrapped__", signal.signal)
_get_handler = getattr(signal.getsignal, "__wrapped__", signal.getsignal)


class _HeldInterrupt:
    """Ctrl-C held back while a handler runs on the main thread."""

    __slots__ = ("frame", "previous", "struck")

    def __init__(self) -> None:
        self.struck = False
        self.frame: FrameType | None = None
        self.previous = _get_handler(signal.SIGINT)
        if callable(self.previous):
            _set_handler(signal.SIGINT, self._hold)

    def _hold(self, _number: int, frame: FrameType | None) -> None:
        self.struck, self.frame = True, frame

    def release(self) -> None:
        """Give Ctrl-C back to the user, and deliver the one that came meanwhile."""
        if callable(self.previous):
            _set_handler(signal.SIGINT, self.previous)
            if self.struck:
                self.previous(signal.SIGINT, self.frame)


def run_init(
    control: Control,
    arguments: Arguments,
    context: contextvars.Context,
    future: Future[Any] | None,
) -> Any:
    """Run `init` and make the process live, or bury it (G1); its turn is held.

    Returns:
        `None` if the process lives, else how it did not start: an exception for `start` to
        raise, or `ignore`. `future`, if given, is settled with the same.
    """
    outer, here.control = here.control, control
    if outer is not None:
        outer.nested = control
    failure: Any = None
    try:
        failure = context.run(control.actor._init, arguments[0], arguments[1])
    except Refused as refusal:
        failure = refusal if refusal.process is None else _crashed_in_init(control, refusal)
    except Exited as exited:
        failure = StartError(exited.reason, str(control.ref))
    except BaseException as error:  # noqa: BLE001 - see _handle
        failure = _crashed_in_init(control, error)
    finally:
        here.control = outer
        if outer is not None:
            outer.nested = None
    if control.pending_exit is not NOTHING:
        failure = StartError(control.pending_exit, str(control.ref))
    if failure is None:
        control.life = Life.RUNNING if control.life is not Life.DEAD else Life.DEAD
    else:
        bury(control, "normal" if failure is ignore else failure.reason)
        control.release_report()
    if future is not None:
        future.settle(failure)
    return failure


def _crashed_in_init(control: Control, error: BaseException) -> StartError:
    control.report = CrashReport(control, error, None)
    failure = StartError(Crash(error), str(control.ref))
    failure.__cause__ = error
    return failure
