"""`StateMachine`: OTP's gen_statem, a process whose behaviour is its state.

    >>> from beam.otp import Call, Enter, StateTimeout
    >>> class Door(StateMachine):
    ...     def init(self, code):
    ...         self.code, self.keys = code, ""
    ...         return self.locked
    ...     @state(enter=True)
    ...     def locked(self, event):
    ...         match event:
    ...             case Enter():
    ...                 self.keys = ""
    ...             case Call(("press", key), caller):
    ...                 self.keys += key
    ...                 if self.keys == self.code:
    ...                     return goto(self.open, reply(caller, "open"), state_timeout(10.0))
    ...                 return stay(reply(caller, "locked"))
    ...             case _:
    ...                 return unhandled
    ...     @state
    ...     def open(self, event):
    ...         match event:
    ...             case StateTimeout():
    ...                 return goto(self.locked)
    ...             case Call(("press", _), _):
    ...                 return stay(postpone)
    >>> door = Door.start("42")
    >>> door.ask(("press", "4")), door.ask(("press", "2"))
    ('locked', 'open')
    >>> door.stop()
    True

`init` returns the first state, or `goto(state, *actions)`. Each event is given to the state, which
returns a transition (`beam.otp.transitions`) or `None`, to stay.

- States are methods marked with `@state`: called with the event. Or they are any values but
  `None`, if the class defines `handle_event(event, state)`, the one handler of all of them.
- Events are `Call`, `Cast` and `Info` from outside; `Enter` for a state marked with
  `@state(enter=True)`; `Internal`, or any other event, inserted by `next_event`; and the
  time-outs `StateTimeout`, `EventTimeout` and `Timeout`.
- The order of everything is that of `gen_statem` in OTP 25, told in `beam.otp.engine`.
- A `Refused` that a state raises while it handles a call is the answer to that call, also to one
  that was postponed; the machine stays in its state (G7). From any other event, and from `Enter`,
  it is a crash.
- A call is handled, each time, under its own caller's deadline (G6) and in its own context.
- A public method of the class, called by a proxy, is answered in every state, and is no event.
- `self.stop(reason)` in a state lets the transition take effect, then ends the machine.

Where a bad return or action crashes the machine, `self.state` is, in `terminate`, the state that
it was going to; where an exception does, the one it came from. Replies before that were sent.

A departure: if a time-out of 0 seconds that is still due is set anew with a time, OTP 25 loses it,
and the machine gets a stray message; here it comes when its time is over, as the manual says.
"""

from __future__ import annotations

import gc
import inspect
import sys
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, overload

from pykka.messages import ProxyCall, ProxyGetAttr, ProxySetAttr

from beam.errors import DeadlineExpired, Exited, InvalidInput, Refused
from beam.otp.control import NOTHING
from beam.otp.engine import Engine
from beam.otp.mail import Call, Cast, Continue, Info
from beam.otp.process import Process
from beam.otp.reports import report, shown
from beam.otp.scheduler import take_back
from beam.otp.timeouts import Expired, Timeouts
from beam.otp.transitions import (
    BadTransition,
    Enter,
    Transition,
    UnhandledEvent,
    goto,
    postpone,
    repeat,
    reply,
    state_timeout,
    stay,
    timeout_event,
    unhandled,
)
from beam.otp.turn import ignore, noreply

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "StateMachine",
    "goto",
    "postpone",
    "repeat",
    "reply",
    "state",
    "state_timeout",
    "stay",
    "unhandled",
]

F = TypeVar("F", bound="Callable[..., Any]")

_PROXY_MESSAGES = frozenset({ProxyCall, ProxyGetAttr, ProxySetAttr})
# States of one class whose unanswered calls are looked into; more are values made at run time.
_SUSPECTED = 100


@overload
def state(function: F) -> F: ...
@overload
def state(*, enter: bool = False) -> Callable[[F], F]: ...
def state(function: F | None = None, *, enter: bool = False) -> F | Callable[[F], F]:
    """Mark a method as a state: called with each event, it returns a transition.

    Args:
        function: the method; or `handle_event`, to say `enter=True` of all states.
        enter: whether it wants `Enter(old)` when it is entered. That may not change the state,
            postpone or insert events.

    Raises:
        TypeError: if the method is async.
    """

    def mark(method: F) -> F:
        if inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method):
            raise TypeError(f"the state {method.__qualname__} is async; states are plain functions")
        method._beam_state = enter  # type: ignore[attr-defined]  # the mark that proxies look for
        return method

    return mark if function is None else mark(function)


class StateMachine(Process, framework=True):
    """A process that is always in one state, which decides what an event means."""

    # Whether states are methods, or values for `handle_event`; and in which a call looked lost.
    _methods: ClassVar[bool] = True
    _suspected: ClassVar[set[str]]
    _engine: Engine

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._suspected = set()
        cls._methods = cls.handle_event is StateMachine.handle_event
        if not cls._methods:
            for kind in cls.__mro__:
                for name, value in vars(kind).items():
                    if hasattr(value, "_beam_state") and name != "handle_event":
                        raise TypeError(f"{cls.__name__} has handle_event and a state {name!r}")

    @property
    def state(self) -> Any:
        """The state that the machine is in; while an event is handled, the one before it."""
        return self._engine.state

    def handle_event(self, event: Any, state: Any) -> Any:
        """Handle `event` in `state`, for machines that are written as one handler.

        Returns:
            A transition, or `None` to stay.
        """
        raise UnhandledEvent(state, event)

    def continue_with(self, message: Any) -> None:
        """Refuse: a state machine inserts an event instead.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"a state machine returns next_event(Internal({message!r})) instead")

    # What `beam.otp.sys` looks at

    def _state_name(self, state: Any) -> Any:
        """Return the name of a state that is a method, another state as it is."""
        return state.__name__ if self._methods else state

    def _put_state(self, state: Any) -> None:
        """Be in another state, by name if it is a method, and do nothing for it.

        Raises:
            InvalidInput: if it is none.
        """
        found = getattr(self, state, None) if self._methods and isinstance(state, str) else state
        if not _Host(self).is_state(found):
            raise InvalidInput("state", state, f"a state of {type(self).__name__}")
        self._engine.state = found

    # Start and end

    def _init(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        first = self.init(*args, **kwargs)
        if first is ignore:
            return ignore
        host = _Host(self)
        begin = first if isinstance(first, Transition) else goto(first)
        if begin.kind != "goto" or not host.is_state(begin.state):
            raise BadTransition("bad_return_from_init", first)
        self._engine = Engine(host, begin.state, Timeouts(self._start_timer))
        if begin.actions or host.wants_enter(begin.state):
            # Entered when the start has been acknowledged, and before any message, as in OTP.
            self._control.mailbox.appendleft(Continue(begin.actions))
        return None

    def _receive_continue(self, actions: tuple[Any, ...]) -> None:
        self._engine.begin(actions)

    def _terminate(self, reason: Any) -> None:
        self._engine.timeouts.cancel_all()
        self.terminate(reason)

    # Events from outside

    def _receive_call(self, call: Call) -> Any:
        if type(call.message) in _PROXY_MESSAGES:
            return self._receive_proxy(call.message)
        control = self._control
        control.serving = None  # Set for each call by itself, postponed ones too.
        control.keep_call(call)  # Whatever becomes of it, it ends with the machine (G6).
        try:
            self._engine.run(call)
        except Refused as refusal:
            if refusal.process is None:  # Of another event than a call: a crash, no answer (G7).
                refusal.process = control.ref
            raise
        return noreply

    def _receive_cast(self, message: Any) -> None:
        if type(message) is ProxyCall:
            self._receive_proxy(message)
        else:
            self._engine.run(Cast(message))

    def _receive_info(self, message: Any) -> None:
        if type(message) is not Expired:
            self._engine.run(Info(message))
            return
        counts, content = self._engine.timeouts.expire(message.key, message.token)
        if counts:
            self._engine.run(timeout_event(message.key, content))

    def _start_timer(self, seconds: float, key: Any, token: object) -> Callable[[], object]:
        control = self._control
        mail = Info(Expired(key, token))
        when = control.node.clock.now() + seconds

        def fire() -> None:
            control.post(mail)

        cell = control.node.scheduler.call_at(when, fire)
        return lambda: take_back(cell, fire)


class _Host:
    """A state machine's process, as its engine sees it."""

    __slots__ = ("_actor", "_control")

    def __init__(self, actor: StateMachine) -> None:
        self._actor = actor
        self._control = actor._control

    def handle(self, state: Any, event: Any) -> Any:
        """Let the state handle `event`; a `Refused` of its own answers a call (G7)."""
        if type(event) is not Call:
            return self._call(state, event)
        control = self._control
        held = sys.getrefcount(event)
        control.serving = event
        try:
            transition = self._call(state, event)
        except Refused as refusal:
            if refusal.process is not None:
                raise
            event.refuse(refusal)
            transition = stay()
        except DeadlineExpired as expired:
            # An answer to a caller who has gone; but only if it is this call's deadline.
            inherited = control.inherited_deadline()
            late = inherited is not None and control.node.clock.now() >= inherited
            if not late and not event.future.done:
                raise
            event.refuse(expired)
            transition = stay()
        control.serving = None
        # With more references than before the state was called, it is kept, to be answered later.
        if transition is None and not event.future.done and sys.getrefcount(event) <= held:
            self._suspect(state, event)
        return transition

    def enter(self, state: Any, old: Any) -> Any:
        """Tell the state that it is entered, if it wants to know."""
        return self._call(state, Enter(old)) if self.wants_enter(state) else None

    def _call(self, state: Any, event: Any) -> Any:
        actor = self._actor
        transition = state(event) if actor._methods else actor.handle_event(event, state)
        if transition is unhandled:
            raise UnhandledEvent(_name(state), event)
        return transition

    def wants_enter(self, state: Any) -> bool:
        """Return whether the state wants `Enter`."""
        marked = state if self._actor._methods else self._actor.handle_event
        return bool(getattr(marked, "_beam_state", False))

    def is_state(self, value: Any) -> bool:
        """Return whether `value` is a state of this machine."""
        if not self._actor._methods:
            return value is not None
        return hasattr(value, "_beam_state") and getattr(value, "__self__", None) is self._actor

    def is_over(self) -> bool:
        """Return whether the machine ends.

        Raises:
            Exited: at an exit signal, which comes before every event (G4).
        """
        control = self._control
        if control.pending_exit is not NOTHING:
            raise Exited(control.pending_exit)
        return control.ending is not NOTHING

    def stop(self, reason: Any) -> None:
        """End the process once the engine has returned."""
        self._actor.stop(reason)

    def _suspect(self, state: Any, event: Call) -> None:
        """Say, once for each state, that a call was neither answered, kept nor postponed.

        The thread that has sent it may have let go of it while the state was called, so that one
        reference less does not mean that nobody keeps it: who does is looked for, which is slow,
        and so done once for each state.
        """
        name, seen = _name(state), self._actor._suspected
        if name in seen or len(seen) >= _SUSPECTED:
            return
        seen.add(name)
        # The process itself has it among those that it has yet to answer.
        if all(holder is self._control.deferred for holder in gc.get_referrers(event)):
            about = {"process": str(self._actor), "state": name, "message": shown(event.message)}
            report("warning", "call_unanswered", **about)


def _name(state: Any) -> str:
    return str(getattr(state, "__name__", state))
