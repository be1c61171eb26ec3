"""The auditor of state machines: gen_statem's order of events, by a model of its own.

The model is told what each event was answered with, and says what must come next: what was
inserted, what was postponed and comes back, what is due at once, and only then a new message.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from beam.otp import Enter, EventTimeout, Internal, StateTimeout, Timeout
from tests.simulation.ledger import EPSILON, Auditor

if TYPE_CHECKING:
    from beam.otp import Ref

STATE = "a state machine is in the state that it went to"
ENTER = "a state is entered once, before all else"
QUEUE = "what is inserted or was postponed comes next, in its order"
DUE = "a time-out of 0 seconds comes before any message"
TIMEOUT = "a time-out comes once, in its time, with its content, unless it was cancelled"
LOST = "a time-out that was not cancelled comes"


@dataclass(slots=True, eq=False)
class Machine:
    """What is known of a machine."""

    state: Any
    entering: Any = None
    # The events that must come next, and those that wait for another state.
    queue: list[Any] = field(default_factory=list)
    postponed: list[Any] = field(default_factory=list)
    # By key: the content, and when it is due. Those due at once are in their order, too.
    running: dict[Any, tuple[Any, float]] = field(default_factory=dict)
    at_once: list[Any] = field(default_factory=list)


@dataclass(slots=True)
class Answer:
    """What a state answers an event with: what the model needs of it."""

    goto: Any = None
    postpone: bool = False
    inserted: list[Any] = field(default_factory=list)
    # Pairs of a key and the seconds, with the content; `None` cancels.
    timeouts: list[tuple[Any, float | None, Any]] = field(default_factory=list)


class Automata(Auditor):
    """Follows each machine."""

    def __init__(self, ledger: Any) -> None:
        super().__init__(ledger)
        self._machines: dict[Ref[Any], Machine] = {}

    def begins(self, me: Ref[Any], state: Any, *, enters: bool) -> None:
        """Take note of a machine, and of its first state."""
        self._machines[me] = Machine(state, entering=state if enters else None)

    def is_new(self, me: Ref[Any], event: Any) -> bool:
        """Return whether an event is neither known nor of the machine's own making."""
        return type(event) not in OWN and event not in self._machines[me].queue

    def handles(self, me: Ref[Any], state: Any, event: Any) -> None:
        """Take note that an event is handled; a message is given by what tells it from others."""
        machine, object_ = self._machines[me], self.ledger.object
        if state != machine.state:
            object_(STATE, me, state, machine.state)
        if type(event) is Enter:
            if machine.entering is None or event.old != machine.entering:
                object_(ENTER, me, event, machine.entering)
            machine.entering = None
        elif machine.entering is not None:
            object_(ENTER, me, event, machine.entering)
        elif machine.queue:
            if machine.queue.pop(0) != event:
                object_(QUEUE, me, event, list(machine.queue))
        elif type(event) in TIMEOUTS:
            self._expires(me, machine, event)
        elif machine.at_once:
            object_(DUE, me, event, list(machine.at_once))

    def _expires(self, me: Ref[Any], machine: Machine, event: Any) -> None:
        key = TIMEOUTS[type(event)](event)
        content, due = machine.running.pop(key, (None, None))
        wrong = due is None or content != event.content or self.ledger.now() < due - EPSILON
        if wrong or (machine.at_once and machine.at_once[0] != key):
            self.ledger.object(TIMEOUT, me, event, content, due, list(machine.at_once))
        if key in machine.at_once:
            machine.at_once.remove(key)

    def answers(self, me: Ref[Any], event: Any, answer: Answer) -> None:
        """Take note of what an event was answered with."""
        machine = self._machines[me]
        if type(event) is Enter:
            for setting in answer.timeouts:
                self._set(machine, setting)
            return
        if answer.postpone:
            machine.postponed.append(event)
        self._cancel(machine, "event")
        if answer.goto is not None and answer.goto != machine.state:
            machine.entering, machine.state = machine.state, answer.goto
            self._cancel(machine, "state")
            machine.queue[:0], machine.postponed = machine.postponed, []
        for setting in answer.timeouts:
            self._set(machine, setting)
        machine.queue[:0] = answer.inserted

    def _cancel(self, machine: Machine, key: Any) -> None:
        machine.running.pop(key, None)
        if key in machine.at_once:
            machine.at_once.remove(key)

    def _set(self, machine: Machine, setting: tuple[Any, float | None, Any]) -> None:
        key, seconds, content = setting
        self._cancel(machine, key)
        if seconds is not None:
            machine.running[key] = (content, self.ledger.now() + seconds)
            if seconds == 0:
                machine.at_once.append(key)

    def died(self, ref: Ref[Any], reason: Any) -> None:
        self._machines.pop(ref, None)

    def rests(self) -> None:
        now = self.ledger.now()
        for ref, machine in self._machines.items():
            if machine.queue or machine.entering is not None:
                self.ledger.object(QUEUE, ref, machine.queue, machine.entering)
            for key, (content, due) in machine.running.items():
                if due < now - 1.0:
                    self.ledger.object(LOST, ref, key, content)


TIMEOUTS: dict[type, Any] = {
    StateTimeout: lambda event: "state",
    EventTimeout: lambda event: "event",
    Timeout: lambda event: event.name,
}
OWN = (Enter, Internal, *TIMEOUTS)
