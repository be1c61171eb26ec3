"""What a state machine's states are told, and what they may answer: events and transitions.

All are plain values. `goto(state, *actions)`, `stay(*actions)`, `repeat(*actions)` and
`stop(reason, *replies)` are what a state returns; the actions are done in their order.

    >>> stay(state_timeout(10.0), timeout.cancel("poll"), postpone)
    stay(state_timeout(10.0), timeout.cancel('poll'), postpone)
    >>> goto("open", next_event(Internal("ring")), event_timeout(0, "idle"))
    goto('open', next_event(Internal(content='ring')), event_timeout(0, 'idle'))

They are checked when the machine follows them, all but the seconds of a time-out, which are
checked where they are written. The rules are those of OTP's `gen_statem`, whose words they are,
but `goto`, `stay` and `repeat`: there `next_state`, `keep_state` and `repeat_state`.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import Any, Final

from beam.errors import BeamError, InvalidInput
from beam.otp.mail import Call, Cast, Info

__all__ = [
    "BadTransition",
    "Enter",
    "EventTimeout",
    "Internal",
    "NextEvent",
    "Reply",
    "SetTimeout",
    "StateTimeout",
    "Timeout",
    "Transition",
    "UnhandledEvent",
    "event_timeout",
    "goto",
    "next_event",
    "postpone",
    "repeat",
    "reply",
    "state_timeout",
    "stay",
    "stop",
    "timeout",
    "unhandled",
]


# Events; `Call`, `Cast` and `Info` are the mail itself.


@dataclass(frozen=True, slots=True)
class Enter:
    """The state is entered, or repeated; only to states that ask for it.

    Attributes:
        old: the state before; at the start the state itself, as in OTP.
    """

    old: Any = None


@dataclass(frozen=True, slots=True)
class Internal:
    """An event that the machine has sent itself with `next_event`."""

    content: Any = None


@dataclass(frozen=True, slots=True)
class StateTimeout:
    """The time that the machine may stay in this state is over."""

    content: Any = None


@dataclass(frozen=True, slots=True)
class EventTimeout:
    """No event has come for as long as was said."""

    content: Any = None


@dataclass(frozen=True, slots=True)
class Timeout:
    """A named time-out, which no event and no change of state cancels."""

    name: Any
    content: Any = None


Event = Call | Cast | Info | Internal | StateTimeout | EventTimeout | Timeout
# What `next_event` takes: all but Enter, which belongs to a change of state.
INSERTABLE: Final = (Call, Cast, Info, Internal, StateTimeout, EventTimeout, Timeout)


# Actions


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer a call."""

    caller: Call
    value: Any = None


@dataclass(frozen=True, slots=True)
class NextEvent:
    """Handle `event` next, before what lies in the mailbox."""

    event: Any

    def __repr__(self) -> str:
        return f"next_event({self.event!r})"


class _Keep(enum.Enum):
    KEEP = "keep"


KEEP: Final = _Keep.KEEP


@dataclass(frozen=True, slots=True)
class SetTimeout:
    """Start, cancel or change a time-out.

    Attributes:
        key: `"state"`, `"event"`, or `("timeout", name)`.
        seconds: from now; `None` cancels; `KEEP` changes the content of a running one.
        content: what the event will carry.
    """

    key: Any
    seconds: float | _Keep | None
    content: Any = None

    def __repr__(self) -> str:
        named = isinstance(self.key, tuple)
        word, shown = ("timeout", [self.key[1]]) if named else (f"{self.key}_timeout", [])
        if self.seconds is KEEP:
            word, shown = f"{word}.update", [*shown, self.content]
        elif self.seconds is None:
            word = f"{word}.cancel"
        else:
            shown += [self.seconds] if self.content is None else [self.seconds, self.content]
        return f"{word}({', '.join(map(repr, shown))})"


class _Postpone:
    def __repr__(self) -> str:
        return "postpone"


postpone: Final = _Postpone()
"""Handle this event again when the state has changed."""


class _Unhandled:
    def __repr__(self) -> str:
        return "unhandled"


unhandled: Final = _Unhandled()
"""What a state returns for an event that it does not know: the machine crashes, as with OTP's
`function_clause`."""


def reply(caller: Call, value: Any = None) -> Reply:
    """Answer a call: this one, or one that an earlier state kept."""
    return Reply(caller, value)


def next_event(event: Event) -> NextEvent:
    """Handle `event` (`Internal(...)`, `Cast(...)`, ...) next, before what lies in the mailbox."""
    return NextEvent(event)


def _checked(seconds: object) -> float | None:
    """Return the seconds of a time-out; `None` if it will never come.

    Raises:
        InvalidInput: if it is not a number, 0 or more.
    """
    if seconds is None or seconds == math.inf:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds >= 0:
        raise InvalidInput("seconds", seconds, "a number of seconds, 0 or more, or None")
    return seconds


class _Timeouts:
    """A kind of time-out of which a machine has one at a time."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, seconds: float | None, content: Any = None) -> SetTimeout:
        """Start it anew: its event comes in `seconds`; `None` cancels it, as OTP's `infinity`.

        One of 0 seconds comes after the events that the machine has queued already, and before
        any message, even one that waits.

        Raises:
            InvalidInput: if `seconds` is negative or no number.
        """
        return SetTimeout(self._key, _checked(seconds), content)

    def cancel(self) -> SetTimeout:
        """Cancel it, if it runs."""
        return SetTimeout(self._key, None)

    def update(self, content: Any) -> SetTimeout:
        """Change what its event will carry; one that does not run comes at once."""
        return SetTimeout(self._key, KEEP, content)


class _NamedTimeouts:
    """Time-outs by name, each of which runs by itself."""

    def __call__(self, name: Any, seconds: float | None, content: Any = None) -> SetTimeout:
        """Start the one called `name` anew: `Timeout(name, content)` comes in `seconds`.

        Args:
            name: any hashable value.
            seconds: 0 or more; `None` cancels it.
            content: what the event will carry.

        Raises:
            InvalidInput: if `seconds` is negative or no number.
        """
        return SetTimeout(("timeout", name), _checked(seconds), content)

    def cancel(self, name: Any) -> SetTimeout:
        """Cancel the one called `name`, if it runs."""
        return SetTimeout(("timeout", name), None)

    def update(self, name: Any, content: Any) -> SetTimeout:
        """Change what it will carry; one that does not run comes at once."""
        return SetTimeout(("timeout", name), KEEP, content)


state_timeout: Final = _Timeouts("state")
"""The time-out of the state, cancelled when the state changes."""
event_timeout: Final = _Timeouts("event")
"""The time-out for want of events, cancelled by any event."""
timeout: Final = _NamedTimeouts()
"""Time-outs by name, cancelled only by name."""


def timeout_event(key: Any, content: Any) -> StateTimeout | EventTimeout | Timeout:
    """Return the event of a time-out that is over."""
    if key == "state":
        return StateTimeout(content)
    if key == "event":
        return EventTimeout(content)
    return Timeout(key[1], content)


# Transitions


@dataclass(frozen=True, slots=True)
class Transition:
    """What a state returns: where to go, and what to do on the way.

    Attributes:
        kind: `"goto"`, `"stay"`, `"repeat"` or `"stop"`.
        actions: done in their order.
        state: where `"goto"` goes.
        reason: why `"stop"` ends.
    """

    kind: str
    actions: tuple[Any, ...] = ()
    state: Any = None
    reason: Any = None

    def __repr__(self) -> str:
        shown = list(map(repr, self.actions))
        if self.kind == "goto":
            shown.insert(0, repr(self.state))
        elif self.kind == "stop":
            shown.insert(0, repr(self.reason))
        return f"{self.kind}({', '.join(shown)})"


def goto(state: Any, *actions: Any) -> Transition:
    """Go to `state`. To the state that it is in, it stays (OTP's `next_state`)."""
    return Transition("goto", actions, state=state)


def stay(*actions: Any) -> Transition:
    """Stay in this state (OTP's `keep_state`); `None` is the same as `stay()`."""
    return Transition("stay", actions)


def repeat(*actions: Any) -> Transition:
    """Stay, and be entered again (OTP's `repeat_state`); postponed events stay postponed."""
    return Transition("repeat", actions)


def stop(reason: Any = "normal", *replies: Reply) -> Transition:
    """End with `reason`, after the replies; `terminate` is called."""
    return Transition("stop", replies, reason=reason)


class BadTransition(BeamError):
    """A state returned what no state may return, or an action that is none; the machine crashes.

    Attributes:
        reason: OTP's word: `bad_return_from_init`, `bad_return_from_state_function`,
            `bad_action_from_state_function`, `bad_reply_action_from_state_function`,
            `bad_state_enter_return_from_state_function`,
            `bad_state_enter_action_from_state_function`.
        value: what it returned.
    """

    def __init__(self, reason: str, value: Any) -> None:
        super().__init__(f"{reason}: {value!r}")
        self.reason = reason
        self.value = value


class UnhandledEvent(BeamError):
    """A state returned `unhandled`; the machine crashes.

    Attributes:
        state: the state.
        event: the event.
    """

    reason = "function_clause"

    def __init__(self, state: Any, event: Any) -> None:
        super().__init__(f"state {state!r} does not handle {event!r}")
        self.state = state
        self.event = event
