"""The engine of a state machine: in which order events are handled, and what a transition does.

A plain value: it has its machine handle the events, and gives the transitions their effect. The
rules are those of `gen_statem` in OTP 25. When an event has been handled, in this order:

1. the actions of the transition are done: replies are sent, the others noted;
2. if the state changes, or is repeated, and wants to know, it is told with `Enter`, as often as
   it repeats itself, and its actions are added to those of 1;
3. the event, if it is postponed, goes to the postponed ones;
4. the event time-out is cancelled; if the state changes, the state time-out is, too, and the
   postponed events come back, oldest first, before what is queued;
5. the time-outs are set, of each kind or name the last;
6. the inserted events come, in their order, before what is queued, the formerly postponed too.

When the queue is empty, the time-outs that are due at once follow, one by one, each after
everything that the one before it has brought about. Then it is the next message's turn.

    >>> from beam.otp.timeouts import Timeouts
    >>> from beam.otp.transitions import Internal, goto, next_event, postpone, stay
    >>> class Lamp:
    ...     def handle(self, state, event):
    ...         print(state, event.content)
    ...         match state, event:
    ...             case "cold", Internal("press"):
    ...                 return stay(postpone, next_event(Internal("heat")))
    ...             case "cold", Internal("heat"):
    ...                 return goto("warm")
    ...     def enter(self, state, old):
    ...         print(state, "after", old)
    ...     def is_state(self, value):
    ...         return value in ("cold", "warm")
    ...     def is_over(self):
    ...         return False
    >>> engine = Engine(Lamp(), "cold", Timeouts(lambda seconds, key, token: None))
    >>> engine.run(Internal("press"))
    cold press
    cold heat
    warm after cold
    warm press
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from beam.otp.mail import Call, Info
from beam.otp.transitions import (
    INSERTABLE,
    BadTransition,
    NextEvent,
    Reply,
    SetTimeout,
    Transition,
    postpone,
    repeat,
    timeout_event,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from beam.otp.timeouts import Timeouts

__all__ = ["Engine", "Machine"]


class Machine(Protocol):
    """What the engine needs of the state machine that it drives."""

    def handle(self, state: Any, event: Any) -> Any:
        """Let `state` handle `event`; return its transition."""
        ...

    def enter(self, state: Any, old: Any) -> Any:
        """Tell `state` that it is entered, if it wants to know; return its transition."""
        ...

    def is_state(self, value: Any) -> bool:
        """Return whether `value` is a state of this machine."""
        ...

    def is_over(self) -> bool:
        """Return whether no further event is to be handled; asked before each."""
        ...

    def stop(self, reason: Any) -> None:
        """End the machine, once the engine has returned."""
        ...


class _Step:
    """What the handling of one event has come to, before it takes effect."""

    __slots__ = ("entered", "inserted", "postponed", "settings", "state", "stopped")

    def __init__(self, state: Any) -> None:
        self.state = state
        self.entered = False
        self.postponed = False
        self.stopped = False
        self.inserted: list[Any] = []
        self.settings: list[SetTimeout] = []


class Engine:
    """Drives one state machine.

    Args:
        machine: whom.
        state: the first state.
        timeouts: its time-outs, none of them running.

    Attributes:
        machine: whom it drives; may be replaced between two messages.
        state: the state that it is in; while an event is handled, the one before it.
        postponed: the events that wait for another state, oldest first. They have a bound where
            the mailbox has one, and count there; elsewhere a state that postpones for ever is a
            mistake of its author's.
    """

    __slots__ = ("_queue", "machine", "postponed", "state", "timeouts")

    def __init__(self, machine: Machine, state: Any, timeouts: Timeouts) -> None:
        self.machine = machine
        self._queue: deque[Any] = deque()
        self.state = state
        self.postponed: list[Any] = []
        self.timeouts = timeouts

    def begin(self, actions: Sequence[Any]) -> None:
        """Do the actions of the start, enter the first state, and handle what comes of it."""
        self._follow(repeat(*actions), None)
        self._run()

    def run(self, event: Any) -> None:
        """Handle an event from outside, and everything that it brings about.

        An event that was postponed, or inserted, is handled in the context of its own sender.
        """
        if not self.machine.is_over():
            self._take(event)
            self._run()

    def _run(self) -> None:
        """Handle what is queued, and what is due at once."""
        queue, timeouts = self._queue, self.timeouts
        while (queue or timeouts.due) and not self.machine.is_over():
            if not queue:
                queue.append(timeout_event(*timeouts.take_due()))
            event = queue.popleft()
            if isinstance(event, (Call, Info)):
                # A copy, as another process may be running in the context at this moment.
                event.context.copy().run(self._take, event)
            else:
                self._take(event)

    def _take(self, event: Any) -> None:
        self._follow(self.machine.handle(self.state, event), event)

    def _follow(self, transition: Any, event: Any) -> None:
        """Give `transition` its effect."""
        if transition is None:
            self.timeouts.cancel("event")
            return
        old = self.state
        step = _Step(old)
        try:
            self._note(step, transition, entering=False)
            while step.entered and not (step.stopped or self.machine.is_over()):
                step.entered = False
                transition = self.machine.enter(step.state, old)
                if transition is not None:
                    self._note(step, transition, entering=True)
        except BadTransition:
            self.state = step.state  # That `terminate` sees, as in OTP.
            raise
        if step.stopped:
            self.state = step.state
        else:
            self._settle(step, event)

    def _note(self, step: _Step, transition: Any, *, entering: bool) -> None:
        """Note what a transition says, and send its replies."""
        if not isinstance(transition, Transition):
            raise BadTransition("bad_return_from_state_function", transition)
        kind = transition.kind
        if kind == "stop":
            for action in transition.actions:
                _reply(action, "bad_reply_action_from_state_function")
            step.stopped = True
            self.machine.stop(transition.reason)
            return
        if kind == "goto" and not _same(transition.state, step.state):
            if entering:
                raise BadTransition("bad_state_enter_return_from_state_function", transition)
            if not self.machine.is_state(transition.state):
                raise BadTransition("bad_return_from_state_function", transition)
            step.state = transition.state
            step.entered = True
        elif kind == "repeat":
            step.entered = True
        for action in transition.actions:
            _act(step, action, entering=entering)

    def _settle(self, step: _Step, event: Any) -> None:
        """Let a step take effect: the state, the postponed, the time-outs, the inserted."""
        queue, timeouts = self._queue, self.timeouts
        if step.postponed and event is not None:
            self.postponed.append(event)
        timeouts.cancel("event")
        if not _same(step.state, self.state):
            self.state = step.state
            timeouts.cancel("state")
            if self.postponed:
                queue.extendleft(reversed(self.postponed))
                self.postponed = []
        if step.settings:
            timeouts.apply(step.settings)
        if step.inserted:
            queue.extendleft(reversed(step.inserted))


def _act(step: _Step, action: Any, *, entering: bool) -> None:
    """Do one action, or note it."""
    kind = type(action)
    if kind is SetTimeout:
        step.settings.append(action)
    elif action is postpone or kind is NextEvent:
        if entering:
            raise BadTransition("bad_state_enter_action_from_state_function", action)
        if action is postpone:
            step.postponed = True
        elif isinstance(action.event, INSERTABLE):
            step.inserted.append(action.event)
        else:
            raise BadTransition("bad_action_from_state_function", action)
    else:
        _reply(action, "bad_action_from_state_function")


def _reply(action: Any, otherwise: str) -> None:
    """Send a reply; what is none is a mistake of the kind that `otherwise` names."""
    if type(action) is not Reply or not isinstance(action.caller, Call):
        raise BadTransition(otherwise, action)
    action.caller.reply(action.value)


def _same(one: Any, other: Any) -> bool:
    """Return whether two states are the same; 1 and True are two, as in OTP 1 and true are."""
    return type(one) is type(other) and bool(one == other)
