"""A process's turn: its messages handled one after another, and its end.

Whoever calls `take_turn` holds the process's turn (`Control.turn`) and gives it back, hands it on
to the scheduler if there is more to do, or keeps it for ever if the process ends.
"""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, Any

from beam.errors import DeadlineExpired, Exited, Refused, StartError
from beam.otp.context import here
from beam.otp.control import NOTHING, Control, Life, Receiver
from beam.otp.mail import Call, Cast, Continue, Info, Init, Stop
from beam.otp.reasons import Crash, Exit, is_flushed, is_graceful
from beam.otp.reports import CrashReport
from beam.otp.signals import bury

if TYPE_CHECKING:
    from beam.otp.future import Future
    from beam.otp.mail import Arguments

__all__ = [
    "INLINE_DEPTH",
    "ask_to_end",
    "ignore",
    "noreply",
    "outlive",
    "run_init",
    "run_init_here",
    "runs_on_top",
    "serve_here",
    "take_turn",
]

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


def take_turn(control: Control, until: Future[Any] | None = None) -> None:
    """Handle what is in the mailbox, until it is empty, the process ends, or others are due.

    With `until`, others are due as soon as that future is settled.
    """
    outer = here.control
    here.control = control
    # Outside any process, only who waits for an answer lets one run on top of it.
    control.depth = outer.depth + 1 if outer is not None else int(until is not None)
    mailbox, turn = control.mailbox, control.turn
    left = control.node.scheduler.messages
    try:
        while True:
            if control.pending_exit is not NOTHING:
                _end(control, _Ending(control.pending_exit))
                return
            if mailbox:  # To find it empty by an IndexError takes 0.3 µs.
                if left == 0 or (until is not None and until.done):
                    control.driver.submit(control)
                    return
                try:
                    mail = mailbox.popleft()
                except IndexError:
                    continue  # Given up a moment ago, and emptied by whoever did that.
            else:
                turn.release()
                # What came between the look and the release has found the turn taken.
                if (mailbox or control.pending_exit is not NOTHING) and turn.acquire(False):
                    continue
                return
            left -= 1
            _handle(control, mail)
            if control.life is Life.DEAD:
                outlive(control)
                return
            if control.ending is not NOTHING:
                _end(control, control.ending)
                return
    finally:
        here.control = outer


def serve_here(control: Control, call: Call, me: Control | None) -> None:
    """Serve a call on top of `me`, who holds the turn of its process and has found it without mail.

    What `take_turn` does with the first message of a turn, without the way through the mailbox;
    all that is not the rule is left to it: 0.5 µs less, a tenth of a call.
    """
    here.control = control
    control.depth = me.depth + 1 if me is not None else 1
    mailbox, turn, receiver = control.mailbox, control.turn, control.receiver
    try:
        if receiver is None or control.pending_exit is not NOTHING:
            mailbox.append(call)  # The death will answer it.
        else:
            try:
                _serve(control, receiver, call)
            except BaseException as error:  # noqa: BLE001 - as in _handle
                _note_end(control, call, error)
            if control.life is Life.DEAD:
                outlive(control)
                return
            if control.ending is not NOTHING:
                _end(control, control.ending)
                return
            if not mailbox and control.pending_exit is NOTHING:
                turn.release()
                if not mailbox and control.pending_exit is NOTHING:
                    return
                if not turn.acquire(False):
                    return
        take_turn(control, call.future)
    finally:
        here.control = me


def runs_on_top(control: Control, me: Control | None) -> bool:
    """Return whether an idle process may run on top of `me`, who calls it."""
    return not control.turn.locked() and (me is None or me.depth < INLINE_DEPTH)


def _handle(control: Control, mail: Any) -> None:
    """Handle one message; whatever comes out of the user's code becomes the process's end."""
    kind = type(mail)
    receiver = control.receiver
    if receiver is None:  # Given up a moment ago; who has sent it will hear.
        control.mailbox.appendleft(mail)
        return
    try:
        if kind is Call:
            _serve(control, receiver, mail)
        elif kind is Cast:
            mail.context.run(receiver._receive_cast, mail.message)
        elif kind is Info:
            message = mail.message
            if is_flushed(message):
                return
            if type(message) is Exit and control.is_of_parent(message):
                control.ending = _Ending(message.reason)
            else:
                mail.context.run(receiver._receive_info, message)
        else:
            _obey(control, receiver, mail)
    except BaseException as error:  # noqa: BLE001 - SystemExit too is this process's crash (G8)
        _note_end(control, mail, error)


def _note_end(control: Control, mail: Any, error: BaseException) -> None:
    """Have the process end as what came out of a handler says."""
    ending = _ending(control)
    if isinstance(error, Exited):
        ending.reason = error.reason
    else:
        ending.reason, ending.error = Crash(error), error
        ending.message = getattr(mail, "message", None)


def _obey(control: Control, receiver: Receiver, mail: Any) -> None:
    """Handle mail that is of the framework's making."""
    kind = type(mail)
    if kind is Continue:
        mail.context.run(receiver._receive_continue, mail.message)
    elif kind is Stop:
        if not mail.future.done:  # Else taken back, as a call is.
            ending = _Ending(mail.reason)
            ending.stop = mail
            control.ending = ending
    elif kind is Init:
        run_init(control, mail.arguments, mail.context, mail.future)
    else:
        mail.carry_out(control)


def _serve(control: Control, receiver: Receiver, call: Call) -> None:
    """Let the process answer a call; a `Refused` of its own is an answer (G7)."""
    control.serving = call
    # Note first, look after: who gives the process up looks at what it serves after its death.
    if control.life is Life.DEAD:
        return
    if call.future.done:  # Taken back: it was refused as part of a ring (G6).
        control.serving = None
        return
    try:
        value = call.context.run(receiver._receive_call, call)
    except Refused as refusal:
        if refusal.process is not None:
            raise
        call.future.settle(refusal, failed=True)
    except DeadlineExpired as expired:
        # An answer to a caller who has gone; but only if it is this call's deadline that passed.
        inherited = control.inherited_deadline()
        late = inherited is not None and control.node.clock.now() >= inherited
        if not late and not call.future.done:
            raise
        call.future.settle(expired, failed=True)
    else:
        if value is noreply:
            if not call.future.done:
                control.keep_call(call)
        elif control.ending is not NOTHING:
            control.ending.answer = (call, value)  # Given when it is dead.
            return
        else:
            call.future.settle(value)
    control.serving = None


def outlive(control: Control) -> None:
    """Take note that a handler which was given up has come back (G9); its process is dead."""
    control.node.given_up.pop(control.serial, None)
    # It may have taken one more message while it was given up.
    control.leave_nobody_waiting(control.exit_reason)


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
    if control.life is Life.DEAD:
        outlive(control)
        return
    control.ending = ending
    if control.pending_exit is NOTHING:
        _terminate(control, ending)
    if control.pending_exit is not NOTHING:
        ending.reason, ending.error = control.pending_exit, None
    if ending.error is not None and not is_graceful(ending.reason):
        control.report = CrashReport(control, ending.error, ending.message)
    supervised = _leave_report_to_supervisor(control)
    here.ending = control.depth == 0
    if not bury(control, ending.reason):
        outlive(control)
    here.ending = False
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
    parent, links = control.parent, control.links
    return (
        control.report is not None
        and parent is not None
        and getattr(parent.actor, "renders_reports", False)
        and links is not None
        and parent in links
    )


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
    if outer is not None and outer is not control:
        outer.nested = control
        control.depth = outer.depth + 1
    try:
        failure = _call_init(control, arguments, context)
    finally:
        here.control = outer
        if outer is not None:
            outer.nested = None
    if control.pending_exit is not NOTHING:
        failure = StartError(control.pending_exit, str(control.ref))
    if failure is None:
        with control.node.lock:
            if control.life is Life.STARTING:
                control.life = Life.RUNNING
    else:
        if not bury(control, "normal" if failure is ignore else failure.reason):
            outlive(control)
        control.release_report()
    if future is not None:
        control.until = None
        future.settle(failure)
    return failure


def _call_init(control: Control, arguments: Arguments, context: contextvars.Context) -> Any:
    """Call `init`; return `None`, or how it did not start the process."""
    try:
        failure = context.run(control.actor._init, arguments[0], arguments[1])
    except Refused as refusal:
        return refusal if refusal.process is None else _crashed_in_init(control, refusal)
    except Exited as exited:
        failure = StartError(exited.reason, str(control.ref))
        failure.__cause__ = exited.__cause__
    except BaseException as error:  # noqa: BLE001 - see _handle
        return _crashed_in_init(control, error)
    if failure is None and control.ending is not NOTHING:
        return StartError(control.ending.reason, str(control.ref))  # It has called `stop`.
    return failure


def run_init_here(control: Control, arguments: Arguments) -> Any:
    """Run `init` on top of the caller, who has held Ctrl-C back; see `run_init`."""
    return run_init(control, arguments, contextvars.copy_context(), None)


def _crashed_in_init(control: Control, error: BaseException) -> StartError:
    control.report = CrashReport(control, error, None)
    failure = StartError(Crash(error), str(control.ref))
    failure.__cause__ = error
    return failure
