"""What stands before a process's callbacks while somebody looks on, or holds it up.

A process's mail goes to its `receiver`: its own object, so that one which nobody looks at pays
nothing. While it is suspended, counted, traced or timed that is an `Observed`, which tells each
`Looker` what comes and what becomes of it, and puts aside what comes while it is suspended.

A suspended process goes on taking its mail, and puts aside what is for its callbacks; so it
finds what is not: system messages, a stop, its parent's exit signal. Those it handles, as OTP's
`sys` does. When it is resumed, what was put aside is the oldest mail again, in its order. (A
mailbox with a bound keeps it all, and gives out only those.)
"""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, Any

from beam.errors import CallExit
from beam.otp.bounded import BoundedMailbox
from beam.otp.control import Life
from beam.otp.future import Future
from beam.otp.mail import Call, Cast, Continue, Info
from beam.otp.reasons import Down, Exit
from beam.otp.timeouts import Expired
from beam.otp.turn import noreply

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.otp.control import Control
    from beam.otp.engine import Engine, Machine
    from beam.otp.ref import Ref

__all__ = ["Incoming", "Looker", "Observed", "note_received", "sender", "unobserve"]

# Who sent the message that is handled in this context, and to whom; set by the refs of processes
# that are traced, for a message does not say who sent it.
sender: contextvars.ContextVar[tuple[Ref[Any], Control] | None] = contextvars.ContextVar(
    "beam.otp.sender", default=None
)


class Incoming:
    """A message that a process takes, as those who look on are told of it.

    Attributes:
        form: `"call"`, `"cast"`, `"info"`, `"timeout"` or `"continue"`.
        message: what was sent; of a state machine's time-out, its key.
        peer: who sent it, as far as that is known.
        call: the call, if it is one.
    """

    __slots__ = ("call", "form", "message", "peer")

    def __init__(self, control: Control, form: str, message: Any, call: Call | None = None) -> None:
        """Describe a message to `control`; in the message's context."""
        self.form = form
        self.message = message
        self.call = call
        self.peer: Ref[Any] | None = None
        if call is not None:
            self.peer = call.process
        elif isinstance(message, (Down, Exit)):
            self.peer = message.process if hasattr(message.process, "control") else None
        elif (sent := sender.get()) is not None and sent[1] is control:
            self.peer = sent[0]
            sender.set(None)  # What a timer brings later, set in this context, is from nobody.
        if type(message) is Expired:
            self.form, self.message = "timeout", message.key


class Looker:
    """Somebody who looks on; each is told in the process, before or after the user's code runs."""

    __slots__ = ()

    wants_answers: bool = False
    """Whether to tell of answers and events too, or only of what comes and is done."""

    is_trace: bool = False
    """Whether it wants to know who has sent what."""

    def begins(self, mail: Incoming) -> None:
        """Hear that a message is about to be handled."""

    def ends(self, mail: Incoming) -> None:
        """Hear that its handler has returned, or raised."""

    def kept_silent(self, mail: Incoming) -> None:
        """Hear that a handler has returned, and has not answered."""

    def answered(self, mail: Incoming, answer: Any) -> None:
        """Hear that a call has been answered, with a value or an exception; on any thread."""

    def handles(self, event: Any) -> None:
        """Hear that a state machine handles an event."""

    def changed(self, old: Any, new: Any) -> None:
        """Hear that a state machine has changed its state; both as their names."""


class Observed:
    """The receiver of a process that is suspended, or looked at.

    Args:
        control: of which process; the caller runs it, or starts it.
    """

    __slots__ = ("_actor", "_control", "_machine", "aside", "before", "lookers", "suspended")

    def __init__(self, control: Control) -> None:
        self._control = control
        self._actor: Any = control.actor
        self.before: Any = control.receiver
        """Who took the mail before, and gets it from here: the actor, mostly."""
        self._machine: Machine | None = None
        self.lookers: tuple[Looker, ...] = ()
        self.suspended = False
        self.aside: list[Call | Info] = []
        """What came while it was suspended, oldest first."""

    @staticmethod
    def of(control: Control) -> Observed:
        """Return what stands before this process's callbacks; put it there if nothing does."""
        receiver = control.receiver
        if not isinstance(receiver, Observed):
            receiver = control.receiver = Observed(control)
        return receiver

    def add(self, looker: Looker) -> None:
        """Have one more look on."""
        self.lookers = (*self.lookers, looker)
        engine: Engine | None = vars(self._actor).get("_engine")
        if looker.wants_answers and engine is not None and self._machine is None:
            self._machine = engine.machine
            engine.machine = _ObservedMachine(engine, self._actor, self)

    def remove(self, looker: Looker) -> None:
        """Have one look on no more."""
        self.lookers = tuple(one for one in self.lookers if one is not looker)

    def leave(self) -> None:
        """Give a state machine back to its engine."""
        if self._machine is not None:
            self._actor._engine.machine = self._machine
            self._machine = None

    # Suspending

    def suspend(self) -> None:
        """Put aside what comes from now on; nothing, if it does that already."""
        self.suspended = True
        control = self._control
        self._hold_back(control, True)
        with control.node.lock:
            if control.life is not Life.DEAD:
                control.holdings = control.holdings if control.holdings is not None else {}
                control.holdings[self] = None

    def resume(self) -> None:
        """Make what was put aside the oldest mail."""
        self.suspended = False
        control = self._control
        self._hold_back(control, False)
        with control.node.lock:
            if control.holdings is not None:
                control.holdings.pop(self, None)
        for mail in self.aside:
            if type(mail) is Call:
                control.call_answered(mail)  # Not kept by the process any more, but mail.
        self._give_back(control)

    def holder_died(self, holder: Control) -> None:
        """Give the mail back, for its senders to hear; see `Holding`."""
        self._hold_back(holder, False)
        self._give_back(holder)

    @staticmethod
    def _hold_back(control: Control, held: bool) -> None:
        """Have a bounded mailbox keep the mail that waits, as it alone can drop of it."""
        mailbox: Any = control.mailbox
        if isinstance(mailbox, BoundedMailbox):
            mailbox.held_back = held

    def _give_back(self, control: Control) -> None:
        aside, self.aside = self.aside, []
        control.mailbox.extendleft(reversed(aside))

    # The receiver

    def _receive_call(self, call: Call) -> Any:
        if self.suspended:
            self.aside.append(call)
            return noreply
        mail = Incoming(self._control, "call", call.message, call)
        return self._attend(mail, self.before._receive_call, call)

    def _receive_cast(self, message: Any) -> None:
        if self.suspended:
            self.aside.append(Cast(message))
        else:
            mail = Incoming(self._control, "cast", message)
            self._attend(mail, self.before._receive_cast, message)

    def _receive_info(self, message: Any) -> None:
        if self.suspended:
            self.aside.append(Info(message))
        else:
            mail = Incoming(self._control, "info", message)
            self._attend(mail, self.before._receive_info, message)

    def _receive_continue(self, message: Any) -> None:
        if self.suspended:
            self.aside.append(Continue(message))
        else:
            mail = Incoming(self._control, "continue", message)
            self._attend(mail, self.before._receive_continue, message)

    def _attend(self, mail: Incoming, handler: Callable[[Any], Any], argument: Any) -> Any:
        self.begin(mail)
        try:
            value = handler(argument)
            if self._machine is not None:
                self._actor._engine.machine.look()
        finally:
            for looker in self.lookers:
                looker.ends(mail)
        call = mail.call
        if call is None or (value is noreply and not call.future.done):
            for looker in self.lookers:
                looker.kept_silent(mail)
        return value

    def begin(self, mail: Incoming) -> None:
        """Tell of a message that the process takes."""
        for looker in self.lookers:
            looker.begins(mail)
        call = mail.call
        # A future of another Pykka runtime, given with an envelope, tells nobody.
        if call is not None and isinstance(call.future, Future):
            tellers = [one for one in self.lookers if one.wants_answers]
            if tellers:
                call.future.add_waiter(lambda: _tell_answer(mail, call, tellers))


def _tell_answer(mail: Incoming, call: Call, tellers: list[Looker]) -> None:
    try:
        answer = call.future.result()
    except BaseException as error:  # noqa: BLE001 - an answer like others
        answer = error
    if isinstance(answer, CallExit) and answer.process is call.callee.ref:
        return  # It died, and has not answered.
    for looker in tellers:
        looker.answered(mail, answer)


class _ObservedMachine:
    """A state machine, as its engine sees it while somebody looks on."""

    __slots__ = ("_actor", "_engine", "_machine", "_observed", "_state")

    def __init__(self, engine: Engine, actor: Any, observed: Observed) -> None:
        self._engine = engine
        self._machine = engine.machine
        self._actor = actor
        self._observed = observed
        self._state = engine.state

    def handle(self, state: Any, event: Any) -> Any:
        for looker in self._observed.lookers:
            looker.handles(event)
        return self._machine.handle(state, event)

    def enter(self, state: Any, old: Any) -> Any:
        return self._machine.enter(state, old)

    def is_state(self, value: Any) -> bool:
        return self._machine.is_state(value)

    def is_over(self) -> bool:
        """Look at the state too: it is asked before each event that follows upon another."""
        self.look()
        return self._machine.is_over()

    def look(self) -> None:
        """Tell of the state if it has changed."""
        old, new = self._state, self._engine.state
        if new is not old and new != old:
            self._state = new
            for looker in self._observed.lookers:
                looker.changed(self._actor._state_name(old), self._actor._state_name(new))

    def stop(self, reason: Any) -> None:
        self._machine.stop(reason)


def note_received(control: Control, mail: Info) -> None:
    """Tell those who look on what a process without callbacks has received; it runs here."""
    observed = control.receiver
    if isinstance(observed, Observed):
        form = "cast" if type(mail) is Cast else "info"
        observed.begin(mail.context.run(Incoming, control, form, mail.message))


def unobserve(control: Control) -> None:
    """Give a process its own callbacks back, if nobody looks on and it is not suspended."""
    receiver = control.receiver
    if isinstance(receiver, Observed) and not (receiver.suspended or receiver.lookers):
        receiver.leave()
        control.receiver = receiver.before
