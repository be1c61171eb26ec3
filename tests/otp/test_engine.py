"""The engine of a state machine, without a process: the order of everything, against a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from beam.otp import (
    Enter,
    EventTimeout,
    Internal,
    StateTimeout,
    Timeout,
    event_timeout,
    goto,
    next_event,
    postpone,
    repeat,
    reply,
    state_timeout,
    stay,
    stop,
    timeout,
)
from beam.otp.engine import Engine
from beam.otp.timeouts import Timeouts
from beam.otp.transitions import KEEP, BadTransition, SetTimeout, Transition, timeout_event

Handler = Callable[[Any, Any], Any]


class Clock:
    """Timers that are over when the test says so."""

    def __init__(self) -> None:
        self.tokens: dict[Any, object] = {}

    def start(self, _seconds: float, key: Any, token: object) -> Callable[[], None]:
        self.tokens[key] = token

        def cancel() -> None:
            del self.tokens[key]

        return cancel


class Scripted:
    """A machine whose states `a` to `d` do what a function says; it notes what it is told."""

    def __init__(self, handler: Handler, enter: Handler | None = None, most: int = 1000) -> None:
        self.seen: list[tuple[Any, Any]] = []
        self.ended: Any = None
        self._handler = handler
        self._enter = enter
        self._left = most

    def handle(self, state: Any, event: Any) -> Any:
        self._left -= 1
        self.seen.append((state, event))
        return self._handler(state, event)

    def enter(self, state: Any, old: Any) -> Any:
        if self._enter is None:
            return None
        self._left -= 1
        self.seen.append((state, Enter(old)))
        return self._enter(state, Enter(old))

    def is_state(self, value: Any) -> bool:
        return value in ("a", "b", "c", "d", 1, True)

    def is_over(self) -> bool:
        return self.ended is not None or self._left <= 0

    def stop(self, reason: Any) -> None:
        self.ended = reason


def script(**answers: Any) -> Handler:
    """Return a handler that answers to an `Internal` by its content, else stays."""

    def handle(_state: Any, event: Any) -> Any:
        return answers.get(getattr(event, "content", None) or "")

    return handle


def engine_of(
    handler: Handler, enter: Handler | None = None, state: Any = "a"
) -> tuple[Engine, Scripted, Clock]:
    machine, clock = Scripted(handler, enter), Clock()
    return Engine(machine, state, Timeouts(clock.start)), machine, clock


def contents(machine: Scripted) -> list[Any]:
    return [event.content for _, event in machine.seen]


# Postponing


def test_a_postponed_event_comes_again_when_the_state_has_changed() -> None:
    def handle(state: Any, event: Any) -> Any:
        if event.content == "go":
            return goto("b")
        return stay(postpone) if state == "a" else None

    engine, machine, _ = engine_of(handle)
    for content in ("x", "y", "go"):
        engine.run(Internal(content))
    assert machine.seen == [
        ("a", Internal("x")),
        ("a", Internal("y")),
        ("a", Internal("go")),
        ("b", Internal("x")),
        ("b", Internal("y")),
    ]
    assert engine.postponed == []


@pytest.mark.parametrize("transition", [stay(), repeat(), goto("a"), None])
def test_what_is_postponed_stays_so_while_the_state_is_the_same(transition: Any) -> None:
    engine, machine, _ = engine_of(script(x=stay(postpone), again=transition))
    engine.run(Internal("x"))
    engine.run(Internal("again"))
    assert contents(machine) == ["x", "again"]
    assert engine.postponed == [Internal("x")]


def test_an_event_that_is_postponed_on_the_way_out_comes_again_at_once() -> None:
    engine, machine, _ = engine_of(lambda state, _: goto("b", postpone) if state == "a" else None)
    engine.run(Internal("x"))
    assert machine.seen == [("a", Internal("x")), ("b", Internal("x"))]


def test_inserted_events_and_time_outs_can_be_postponed() -> None:
    def handle(state: Any, event: Any) -> Any:
        match event.content:
            case "start":
                return stay(next_event(Internal("inserted")), state_timeout(0, "due"))
            case "go":
                return goto("b")
        return stay(postpone) if state == "a" else None

    engine, machine, _ = engine_of(handle)
    engine.run(Internal("start"))
    assert engine.postponed == [Internal("inserted"), StateTimeout("due")]
    engine.run(Internal("go"))
    assert machine.seen[-2:] == [("b", Internal("inserted")), ("b", StateTimeout("due"))]


# Inserting


def test_inserted_events_come_in_their_order_and_before_the_postponed() -> None:
    inserted = [next_event(Internal(name)) for name in ("i", "j")]
    engine, machine, _ = engine_of(
        lambda state, event: (
            goto("b", *inserted)
            if event.content == "go"
            else stay(postpone)
            if state == "a"
            else None
        )
    )
    engine.run(Internal("x"))
    engine.run(Internal("go"))
    assert contents(machine) == ["x", "go", "i", "j", "x"]


def test_what_an_inserted_event_inserts_comes_before_the_next_one() -> None:
    engine, machine, _ = engine_of(
        script(
            go=stay(next_event(Internal("i")), next_event(Internal("j"))),
            i=stay(next_event(Internal("k"))),
        )
    )
    engine.run(Internal("go"))
    assert contents(machine) == ["go", "i", "k", "j"]


def test_an_enter_event_cannot_be_inserted() -> None:
    engine, _, _ = engine_of(script(go=stay(next_event(Enter("a")))))  # type: ignore[arg-type]
    with pytest.raises(BadTransition) as bad:
        engine.run(Internal("go"))
    assert bad.value.reason == "bad_action_from_state_function"


# Entering


def test_a_state_is_told_that_it_is_entered_before_its_first_event() -> None:
    engine, machine, _ = engine_of(
        script(go=goto("b", next_event(Internal("i")))), enter=lambda *_: None
    )
    engine.begin(())
    engine.run(Internal("go"))
    assert machine.seen == [
        ("a", Enter("a")),
        ("a", Internal("go")),
        ("b", Enter("a")),
        ("b", Internal("i")),
    ]


def test_going_to_the_same_state_is_not_entering_it_but_repeating_it_is() -> None:
    engine, machine, _ = engine_of(script(same=goto("a"), again=repeat()), enter=lambda *_: None)
    engine.run(Internal("same"))
    engine.run(Internal("again"))
    assert machine.seen == [
        ("a", Internal("same")),
        ("a", Internal("again")),
        ("a", Enter("a")),
    ]


def test_a_state_may_repeat_itself_while_it_is_entered() -> None:
    answers = iter([repeat(), repeat(state_timeout(5.0)), None])
    engine, machine, clock = engine_of(script(go=goto("b")), enter=lambda *_: next(answers))
    engine.run(Internal("go"))
    assert machine.seen[1:] == [("b", Enter("a"))] * 3
    assert list(clock.tokens) == ["state"]


def test_the_actions_of_entering_are_added_to_those_of_the_way() -> None:
    engine, machine, clock = engine_of(
        script(go=goto("b", next_event(Internal("i")), timeout("t", 1.0, "way"))),
        enter=lambda *_: stay(timeout("t", 2.0, "entered"), state_timeout(0, "due")),
    )
    engine.run(Internal("go"))
    assert machine.seen[2:] == [("b", Internal("i")), ("b", StateTimeout("due"))]
    assert engine.timeouts.expire(("timeout", "t"), clock.tokens["timeout", "t"]) == (
        True,
        "entered",
    )


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (goto("c"), "bad_state_enter_return_from_state_function"),
        (stay(postpone), "bad_state_enter_action_from_state_function"),
        (stay(next_event(Internal(1))), "bad_state_enter_action_from_state_function"),
        (stay("bogus"), "bad_action_from_state_function"),
        ("nonsense", "bad_return_from_state_function"),
    ],
)
def test_a_state_that_is_entered_may_neither_change_nor_postpone_nor_insert(
    answer: Any, reason: str
) -> None:
    engine, _, _ = engine_of(script(go=goto("b")), enter=lambda *_: answer)
    with pytest.raises(BadTransition) as bad:
        engine.run(Internal("go"))
    assert bad.value.reason == reason
    assert engine.state == "b"


def test_a_state_may_say_where_it_is_when_it_is_entered() -> None:
    engine, machine, _ = engine_of(script(go=goto("b")), enter=lambda *_: goto("b"))
    engine.run(Internal("go"))
    assert (engine.state, len(machine.seen)) == ("b", 2)


# Time-outs


def test_those_of_zero_seconds_come_after_what_is_queued() -> None:
    engine, machine, _ = engine_of(
        script(go=stay(state_timeout(0, "due"), next_event(Internal("i")))),
    )
    engine.run(Internal("go"))
    assert machine.seen[1:] == [("a", Internal("i")), ("a", StateTimeout("due"))]


def test_each_due_time_out_brings_about_its_own_before_the_next_comes() -> None:
    def handle(_state: Any, event: Any) -> Any:
        match event:
            case Internal("go"):
                return stay(state_timeout(0), timeout("t", 0))
            case StateTimeout():
                return stay(next_event(Internal("i")))

    engine, machine, _ = engine_of(handle)
    engine.run(Internal("go"))
    assert [event for _, event in machine.seen[1:]] == [StateTimeout(), Internal("i"), Timeout("t")]


def test_the_event_time_out_is_cancelled_by_any_event_and_no_other_is() -> None:
    settings = (event_timeout(9.0), state_timeout(9.0), timeout("t", 9.0))
    engine, _, clock = engine_of(script(go=stay(*settings)))
    engine.run(Internal("go"))
    assert set(clock.tokens) == {"event", "state", ("timeout", "t")}
    engine.run(Internal("other"))
    assert set(clock.tokens) == {"state", ("timeout", "t")}


def test_an_event_time_out_of_zero_seconds_is_cancelled_by_an_inserted_event() -> None:
    engine, machine, _ = engine_of(script(go=stay(event_timeout(0), next_event(Internal("i")))))
    engine.run(Internal("go"))
    assert contents(machine) == ["go", "i"]


def test_the_state_time_out_is_cancelled_by_a_change_and_not_by_a_repetition() -> None:
    engine, _, clock = engine_of(
        script(go=stay(state_timeout(9.0), timeout("t", 9.0)), again=repeat(), away=goto("b"))
    )
    engine.run(Internal("go"))
    engine.run(Internal("again"))
    assert "state" in clock.tokens
    engine.run(Internal("away"))
    assert set(clock.tokens) == {("timeout", "t")}


def test_a_change_of_state_sets_the_time_outs_of_the_new_state() -> None:
    engine, _, clock = engine_of(script(go=goto("b", state_timeout(9.0, "new"))))
    engine.run(Internal("go"))
    assert engine.timeouts.expire("state", clock.tokens["state"]) == (True, "new")


# States


def test_one_and_true_are_two_states() -> None:
    def handle(state: Any, event: Any) -> Any:
        return (
            goto(True) if event.content == "go" else stay(postpone) if state is not True else None
        )

    engine, machine, _ = engine_of(handle, state=1)
    engine.run(Internal("x"))
    engine.run(Internal("go"))
    assert engine.state is True
    assert machine.seen[-1] == (True, Internal("x"))


# Mistakes, and the end


@pytest.mark.parametrize(
    ("answer", "reason", "state"),
    [
        ("nonsense", "bad_return_from_state_function", "a"),
        (("next_state", "b"), "bad_return_from_state_function", "a"),
        (goto("nowhere"), "bad_return_from_state_function", "a"),
        (stay("bogus"), "bad_action_from_state_function", "a"),
        (goto("b", "bogus"), "bad_action_from_state_function", "b"),
        (stay(reply("nobody", 1)), "bad_action_from_state_function", "a"),  # type: ignore[arg-type]
        (stay(next_event("bare")), "bad_action_from_state_function", "a"),  # type: ignore[arg-type]
        (stop("boom", postpone), "bad_reply_action_from_state_function", "a"),  # type: ignore[arg-type]
    ],
)
def test_a_bad_answer_is_named_with_the_state_that_the_machine_was_going_to(
    answer: Any, reason: str, state: str
) -> None:
    engine, _, _ = engine_of(script(go=answer))
    with pytest.raises(BadTransition) as bad:
        engine.run(Internal("go"))
    assert (bad.value.reason, engine.state) == (reason, state)


def test_after_an_exception_the_machine_is_in_the_state_that_it_came_from() -> None:
    def fail(*_: Any) -> Any:
        raise LookupError

    engine, _, _ = engine_of(script(go=goto("b")), enter=fail)
    with pytest.raises(LookupError):
        engine.run(Internal("go"))
    assert engine.state == "a"


def test_a_stop_ends_the_machine_before_everything_that_is_left() -> None:
    engine, machine, _ = engine_of(
        script(go=stay(next_event(Internal("i")), next_event(Internal("j"))), i=stop("boom"))
    )
    engine.run(Internal("go"))
    assert (machine.ended, contents(machine)) == ("boom", ["go", "i"])


def test_a_stop_while_a_state_is_entered_ends_the_machine_in_that_state() -> None:
    engine, machine, _ = engine_of(
        script(go=goto("b", next_event(Internal("i")))), enter=lambda *_: stop("enough")
    )
    engine.run(Internal("go"))
    assert (machine.ended, engine.state) == ("enough", "b")
    assert machine.seen[-1] == ("b", Enter("a"))


# Against a plain model


class Model:
    """gen_statem's rules, written down as plainly as can be."""

    def __init__(self, program: Program, most: int) -> None:
        self.program = program
        self.left = most
        self.state = "a"
        self.seen: list[tuple[Any, Any]] = []
        self.queue: list[Any] = []
        self.postponed: list[Any] = []
        self.running: dict[Any, Any] = {}
        self.due: list[Any] = []

    def run(self, event: Any) -> None:
        self.queue.append(event)
        while self.left > 0:
            if self.queue:
                self.step(self.queue.pop(0))
            elif self.due:
                key = self.due.pop(0)
                self.step(timeout_event(key, self.running.pop(key)))
            else:
                return

    def step(self, event: Any) -> None:
        answer = self.tell(self.state, event)
        actions, new, enters = list(answer.actions), self.state, answer.kind == "repeat"
        if answer.kind == "goto":
            enters = answer.state != self.state
            new = answer.state
        if enters and self.program.enter:
            actions += self.tell(new, Enter(self.state)).actions
        changes = new != self.state
        if postpone in actions:
            self.postponed.append(event)
        self.cancel("event")
        if changes:
            self.cancel("state")
            self.queue = self.postponed + self.queue
            self.postponed = []
        self.state = new
        self.set([action for action in actions if isinstance(action, SetTimeout)])
        self.queue = [action.event for action in actions if hasattr(action, "event")] + self.queue

    def tell(self, state: Any, event: Any) -> Transition:
        self.left -= 1
        self.seen.append((state, event))
        return self.program.answer(state, event)

    def cancel(self, key: Any) -> None:
        self.running.pop(key, None)
        self.due = [other for other in self.due if other != key]

    def set(self, settings: list[SetTimeout]) -> None:
        for at, setting in enumerate(settings):
            if any(later.key == setting.key for later in settings[at + 1 :]):
                continue
            if setting.seconds is KEEP and setting.key in self.running:
                self.running[setting.key] = setting.content
                continue
            self.cancel(setting.key)
            if setting.seconds is None:
                continue
            self.running[setting.key] = setting.content
            if setting.seconds in (KEEP, 0):
                self.due.append(setting.key)


class Program:
    """What a machine does in each state with each event: drawn by chance, then fixed."""

    def __init__(self, answers: dict[Any, Transition], enters: dict[Any, Transition], enter: bool):
        self.answers = answers
        self.enters = enters
        self.enter = enter

    def answer(self, state: Any, event: Any) -> Transition:
        if isinstance(event, Enter):
            return self.enters.get(state, stay())
        kind = type(event).__name__
        return self.answers.get((state, kind, getattr(event, "content", None)), stay())


STATES = ("a", "b", "c")
CONTENTS = ("x", "y")
KEYS: tuple[Any, ...] = ("state", "event", ("timeout", "t"), ("timeout", "u"))
SECONDS = st.sampled_from([0, 0, 1.0, 2.0, None, KEEP])
settings = st.builds(SetTimeout, st.sampled_from(KEYS), SECONDS, st.sampled_from(CONTENTS))
inserted: st.SearchStrategy[Any] = st.one_of(
    [st.builds(kind, st.sampled_from(CONTENTS)) for kind in (Internal, StateTimeout, EventTimeout)]
)
inserts = st.builds(next_event, inserted)
actions = st.lists(st.one_of(settings, settings, inserts, st.just(postpone)), max_size=4)
transitions = st.one_of(
    st.builds(lambda to, do: goto(to, *do), st.sampled_from(STATES), actions),
    st.builds(lambda do: stay(*do), actions),
    st.builds(lambda do: repeat(*do), actions),
)
situations = st.tuples(
    st.sampled_from(STATES),
    st.sampled_from(["Internal", "Internal", "StateTimeout", "EventTimeout", "Timeout"]),
    st.sampled_from(CONTENTS),
)
programs = st.builds(
    Program,
    st.dictionaries(situations, transitions, min_size=5),
    st.dictionaries(
        st.sampled_from(STATES),
        st.builds(lambda do: stay(*do), st.lists(settings, max_size=3)),
    ),
    st.booleans(),
)


class EngineAgainstModel(RuleBasedStateMachine):
    """Any program, sent anything, whose timers are over at any time."""

    MOST = 80

    @initialize(program=programs)
    def start(self, program: Program) -> None:
        self.clock = Clock()
        enter = program.answer if program.enter else None
        self.machine = Scripted(program.answer, enter, self.MOST)
        self.engine = Engine(self.machine, "a", Timeouts(self.clock.start))
        self.model = Model(program, self.MOST)

    @rule(content=st.sampled_from(CONTENTS))
    def send(self, content: str) -> None:
        if self.model.left > 0:
            self.engine.run(Internal(content))
            self.model.run(Internal(content))

    @precondition(lambda self: self.model.left > 0 and self.clock.tokens)
    @rule(choice=st.randoms(use_true_random=False))
    def let_a_timer_be_over(self, choice: Any) -> None:
        key = choice.choice(sorted(self.clock.tokens, key=str))
        counts, content = self.engine.timeouts.expire(key, self.clock.tokens.pop(key))
        assert counts
        assert content == self.model.running.pop(key)
        self.engine.run(timeout_event(key, content))
        self.model.run(timeout_event(key, content))

    @invariant()
    def is_as_the_model(self) -> None:
        if self.model.left <= 0:  # Both were cut short, perhaps in the middle of a step.
            assert self.machine.seen[: self.MOST] == self.model.seen[: self.MOST]
            return
        assert self.machine.seen == self.model.seen
        assert self.engine.state == self.model.state
        assert self.engine.postponed == self.model.postponed
        assert set(self.clock.tokens) == set(self.model.running)


TestEngineAgainstModel = EngineAgainstModel.TestCase
