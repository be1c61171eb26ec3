"""State machines among the citizens: what an event does depends on its number and on the state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.otp import (
    Call,
    Cast,
    Down,
    Enter,
    Exit,
    Info,
    Internal,
    StateMachine,
    event_timeout,
    goto,
    next_event,
    postpone,
    state,
    state_timeout,
    stay,
    timeout,
)
from tests.simulation.automata import Answer

if TYPE_CHECKING:
    from beam.otp import Ref
    from tests.simulation.world import World

STATES = ("shut", "ajar", "open")
SETTERS = {"state": state_timeout, "event": event_timeout}


class Gate(StateMachine):
    """A citizen that is a state machine."""

    def init(self, world: World, key: str, parent: Ref[Any], *, traps: bool = False) -> Any:
        self.world = world
        self.key = key
        self.me = self.actor_ref
        self.trap_exit = traps
        self.kept: dict[Any, Any] = {}
        world.begins(self.me, key, parent)
        world.automata.begins(self.me, "shut", enters=True)
        world.ties.begun[self.me] = None
        return "shut"

    def terminate(self, reason: Any) -> None:
        self.world.ties.cleans_up(self.me, reason)
        self.world.ties.has_cleaned_up(self.me)

    @state(enter=True)
    def handle_event(self, event: Any, state: Any) -> Any:
        world, me = self.world, self.me
        world.post.enters(me, event)
        try:
            answer = self.decide(event, STATES.index(state), self.take(event))
            world.automata.handles(me, state, event)
            world.automata.answers(me, event, answer)
            return transition(answer)
        finally:
            world.calls.served(me)
            world.post.leaves(me)

    def take(self, event: Any) -> int:
        """Take note of mail that is new; return the event's number."""
        if type(event) is Enter:
            return 2
        if type(event) not in (Call, Cast, Info):
            content = event.content
            return content if type(content) is int else 0
        world, message = self.world, event.message
        again = not world.automata.is_new(self.me, event)
        if type(message) is not tuple:
            return 4 if again else self.take_signal(message)
        sender, number, *rest = message
        if not rest:  # A timer's, or news.
            return number if again else self.take_note(*message)
        if not again:
            world.post.comes(sender, self.me, number)
        if rest[0] == "call":
            world.calls.arrives(self.me, rest[1], again=again)
            world.calls.check_time_left(self.me, self.time_left(), exact=not self.trap_exit)
        return number

    def take_note(self, what: str, number: int) -> int:
        """Take what a timer, or a registry, sends."""
        if what == "tick":
            self.world.clocks.ticks(self.me, number)
        else:
            self.world.registries.news_came(self.me, number)
        return number

    def take_signal(self, message: Any) -> int:
        """Take what the kernel sends."""
        if type(message) is Down:
            self.world.ties.down_came(self.me, message)
        elif type(message) is Exit:
            self.world.ties.exit_came(self.me, message)
        return 4

    def decide(self, event: Any, at: int, number: int) -> Answer:
        """Say what an event does in a state."""
        answer, then = Answer(), STATES[(at + 1) % len(STATES)]
        if type(event) is Enter:
            answer.timeouts = [("state", 0.3, at)] if at == 1 else []
            return answer
        chosen = (number * 7 + at * 3) % 8
        if type(event) in (Internal, Call, Cast, Info):
            can_wait = type(event) is not Internal
            self.choose(answer, chosen, number, then, can_wait=can_wait)
        elif chosen % 2 or event.content == "go":
            answer.goto = then
        if type(event) is Call and not answer.postpone:
            self.reply(event, late=chosen == 6)
        if event.content == "late" if hasattr(event, "content") else False:
            self.reply_late()
        return answer

    def choose(
        self, answer: Answer, chosen: int, number: int, then: str, *, can_wait: bool
    ) -> None:
        """Fill in the answer to a message."""
        settings = answer.timeouts
        if chosen == 1 and can_wait:
            answer.postpone = True
            settings.append(("state", 0.2, "go"))
        elif chosen in (0, 3, 7):
            answer.goto = then
        if chosen == 2:
            settings.append(("state", 0.1 * (number % 4), number))
        elif chosen == 3:
            answer.inserted.append(Internal(number + 1))
        elif chosen == 4:
            settings += [("event", 0.2, number), ("b", 0.3, number)]
        elif chosen == 5:
            settings += [("a", 0.1 * (number % 5), number), ("b", None, None)]
        elif chosen == 6:
            settings.append(("late", 0.15, "late"))
        elif chosen == 7:
            settings += [("a", 0.0, number), ("state", 0.0, number), ("a", 0.0, number + 1)]

    def reply(self, event: Call, *, late: bool) -> None:
        """Answer a call, now or when its time-out comes."""
        record = self.world.calls.serving[self.me]
        if late:
            self.kept[record] = event
        else:
            event.reply(self.world.calls.answer(record))

    def reply_late(self) -> None:
        """Answer the calls that were kept."""
        for record, caller in self.kept.items():
            self.world.calls.check_reply(record, caller)
        self.kept.clear()


def transition(answer: Answer) -> Any:
    """Return what a state says for an answer."""
    actions: list[Any] = [postpone] if answer.postpone else []
    actions += [next_event(event) for event in answer.inserted]
    for key, seconds, content in answer.timeouts:
        if key in SETTERS:
            actions.append(SETTERS[key](seconds, content))
        else:
            actions.append(timeout(key, seconds, content))
    return goto(answer.goto, *actions) if answer.goto is not None else stay(*actions)
