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

`init` returns the first state, or `goto(state, *actions)`. States are methods marked with
`@state`, or any values if the class defines `handle_event(event, state)`. The rules, in every
order of things, are those of `gen_statem` in OTP 25.
"""

from __future__ import annotations

import sys
from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, overload

from beam.errors import DeadlineExpired, Exited, Refused
from beam.otp.control import NOTHING
from beam.otp.mail import Call, Cast, Info
from beam.otp.process import Process
from beam.otp.reports import report, shown
from beam.otp.timeouts import Timeouts
from beam.otp.transitions import (
    INSERTABLE,
    BadTransition,
    Enter,
    NextEvent,
    Reply,
    SetTimeout,
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
_STAY = stay()


@overload
def state(function: F) -> F: ...
@overload
def state(*, enter: bool = False) -> Callable[[F], F]: ...
def state(function: F | None = None, *, enter: bool = False) -> F | Callable[[F], F]:
    """Mark a method as a state: called with each event, it returns a transition.

    Args:
        function: the method.
        enter: whether it wants `Enter(old)` when it is entered. That may not change the state,
            postpone or insert events.
    """

    def mark(method: F) -> F:
        method._beam_state = enter  # type: ignore[attr-defined]  # the mark that proxies look for
        return method

    return mark if function is None else mark(function)


class _Step:
    """What the handling of one event has come to, before it takes effect."""

    __slots__ = ("enter", "inserted", "postponed", "state", "stopped", "timeouts")

    def __init__(self, state: Any) -> None:
        self.state = state
        self.enter = False
        self.postponed = False
        self.stopped = False
        self.inserted: list[Any] = []
        self.timeouts: list[SetTimeout] = []


class _Expired:
    """The mail of a clock's timer."""

    __slots__ = ("key", "token")

    def __init__(self, key: Any, token: object) -> None:
        self.key = key
        self.token = token


class StateMachine(Process, framework=True):
    """A process that is always in one state, which decides what an event means."""

    state_enter: ClassVar[bool] = False
    """With `handle_event`: whether it wants `Enter` events."""

    _unanswered: ClassVar[set[str]]
    _current: Any
    _postponed: list[Any]
    _timeouts: Timeouts

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._unanswered = set()

    @property
    def state(self) -> Any:
        """The state that the machine is in; while an event is handled, the one before it."""
        return self._current

    def handle_event(self, event: Any, state: Any) -> Any:
        """Handle `event` in `state`, for machines that are written as one handler."""
        raise UnhandledEvent(state, event)

    # Start

    def _init(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        first = self.init(*args, **kwargs)
        if first is ignore:
            return ignore
        begin = first if isinstance(first, Transition) else goto(first)
        if begin.kind != "goto" or begin.state is None or not self._is_state(begin.state):
            raise BadTransition("bad_return_from_init", first)
        self._current = begin.state
        self._postponed = []
        self._timeouts = Timeouts(self._start_timer)
        # The first state is entered when the start is acknowledged, before any message, as in OTP.
        self.continue_with(begin)
        return None

    def _receive_continue(self, begin: Transition) -> None:
        step = _Step(self._current)
        self._act(step, begin.actions, entering=False)
        step.enter = True
        self._enter(step, self._current)
        if not step.stopped:
            queue: deque[Any] = deque()
            self._settle(step, None, queue)
            self._run(queue, None)

    def _terminate(self, reason: Any) -> None:
        if self.__dict__.get("_timeouts") is not None:
            self._timeouts.cancel_all()
        self.terminate(reason)

    # Events from outside

    def _receive_call(self, call: Call) -> Any:
        self._control.serving = None  # Set for each event by itself, postponed ones too.
        self._run(deque((call,)), call)
        return noreply

    def _receive_cast(self, message: Any) -> None:
        event = Cast(message)
        self._run(deque((event,)), event)

    def _receive_info(self, message: Any) -> None:
        event: Any
        if type(message) is _Expired:
            counts, content = self._timeouts.expire(message.key, message.token)
            if not counts:
                return
            event = timeout_event(message.key, content)
        else:
            event = Info(message)
        self._run(deque((event,)), event)

    def _start_timer(self, seconds: float, key: Any, token: object) -> Callable[[], None]:
        control = self._control
        mail = Info(_Expired(key, token))
        when = control.node.clock.now() + seconds
        return control.node.scheduler.call_at(when, lambda: control.post(mail))

    # The loop

    def _run(self, queue: deque[Any], first: Any) -> None:
        """Handle the queued events, then the time-outs that are due at once, until none is left.

        Args:
            queue: the events.
            first: the one from outside, in whose context this runs.
        """
        control = self._control
        while True:
            while queue:
                if control.pending_exit is not NOTHING:
                    raise Exited(control.pending_exit)
                if self._take(queue.popleft(), queue, first):
                    return
            due = self._timeouts.take_due()
            if due is None:
                return
            queue.append(timeout_event(*due))

    def _take(self, event: Any, queue: deque[Any], first: Any) -> bool:
        """Handle one event; return whether the machine ends."""
        old = self._current
        step = _Step(old)
        if isinstance(event, (Call, Info)) and event is not first:
            transition = event.context.run(self._handle, old, event)
        else:
            transition = self._handle(old, event)
        self._follow(step, transition, entering=False)
        if not step.stopped:
            self._enter(step, old)
        if step.stopped:
            return True
        self._settle(step, event, queue)
        return False

    def _handle(self, current: Any, event: Any) -> Any:
        """Let the state handle `event`; a `Refused` of its own answers a call (G7)."""
        if type(event) is not Call:
            return self._call(current, event)
        control = self._control
        control.serving = event
        held = sys.getrefcount(event)
        try:
            transition = self._call(current, event)
        except Refused as refusal:
            if refusal.process is not None:
                raise
            event.refuse(refusal)
            transition = _STAY
        except DeadlineExpired as expired:
            inherited = control.inherited_deadline()
            if inherited is None or control.node.clock.now() < inherited:
                raise
            event.refuse(expired)
            transition = _STAY
        control.serving = None
        # More references than before the state was called: it has kept the call to answer later.
        if transition is None and not event.future.done and sys.getrefcount(event) <= held:
            self._report_unanswered(current, event)
        return transition

    def _call(self, current: Any, event: Any) -> Any:
        if self._states_are_methods():
            transition = current(event)
        else:
            transition = self.handle_event(event, current)
        if transition is unhandled:
            raise UnhandledEvent(_name(current), event)
        return transition

    def _enter(self, step: _Step, old: Any) -> None:
        """Tell the new state that it is entered, as often as it repeats itself."""
        while step.enter and not step.stopped:
            step.enter = False
            if self._wants_enter(step.state):
                self._follow(step, self._call(step.state, Enter(old)), entering=True)

    def _follow(self, step: _Step, transition: Any, *, entering: bool) -> None:
        """Note what a transition says."""
        if transition is None:
            return
        if not isinstance(transition, Transition):
            raise BadTransition("bad_return_from_state_function", transition)
        if transition.kind == "stop":
            for action in transition.actions:
                self._reply(action, entering=entering)
            step.stopped = True
            self.stop(transition.reason)
            return
        if transition.kind == "goto" and not _same(transition.state, step.state):
            if entering:
                raise BadTransition("bad_state_enter_return_from_state_function", transition)
            if not self._is_state(transition.state):
                raise BadTransition("bad_return_from_state_function", transition)
            step.state = transition.state
            step.enter = True
        elif transition.kind == "repeat":
            step.enter = True
        self._act(step, transition.actions, entering=entering)

    def _act(self, step: _Step, actions: tuple[Any, ...], *, entering: bool) -> None:
        for action in actions:
            if type(action) is SetTimeout:
                step.timeouts.append(action)
            elif action is postpone and not entering:
                step.postponed = True
            elif type(action) is NextEvent and not entering:
                if not isinstance(action.event, INSERTABLE):
                    raise BadTransition("bad_action_from_state_function", action)
                step.inserted.append(action.event)
            else:
                self._reply(action, entering=entering)

    def _reply(self, action: Any, *, entering: bool) -> None:
        if type(action) is not Reply:
            where = "bad_state_enter_action" if entering else "bad_action"
            raise BadTransition(f"{where}_from_state_function", action)
        action.caller.reply(action.value)

    def _settle(self, step: _Step, event: Any, queue: deque[Any]) -> None:
        """Let a step take effect: the state, the postponed, the time-outs, the inserted."""
        if step.postponed and event is not None:
            self._postponed.append(event)
        timeouts = self._timeouts
        if timeouts:
            timeouts.cancel("event")
        if not _same(step.state, self._current):
            self._current = step.state
            if self._postponed:
                queue.extendleft(reversed(self._postponed))
                self._postponed = []
            if timeouts:
                timeouts.cancel("state")
        if step.timeouts:
            timeouts.apply(step.timeouts)
        if step.inserted:
            queue.extendleft(reversed(step.inserted))

    # States

    @classmethod
    def _states_are_methods(cls) -> bool:
        return cls.handle_event is StateMachine.handle_event

    def _is_state(self, value: Any) -> bool:
        if self._states_are_methods():
            return hasattr(value, "_beam_state") and getattr(value, "__self__", None) is self
        return True

    def _wants_enter(self, current: Any) -> bool:
        if self._states_are_methods():
            return bool(current._beam_state)
        return self.state_enter

    def _report_unanswered(self, current: Any, event: Call) -> None:
        """Say, once for each state, that a call was neither answered, kept nor postponed."""
        name = _name(current)
        if name not in self._unanswered:
            self._unanswered.add(name)
            report(
                "warning",
                "call_unanswered",
                process=str(self),
                state=name,
                message=shown(event.message),
            )


def _same(one: Any, other: Any) -> bool:
    """Return whether two states are the same; 1 and True are two, as in OTP 1 and true are."""
    return type(one) is type(other) and bool(one == other)


def _name(current: Any) -> str:
    return str(getattr(current, "__name__", current))

