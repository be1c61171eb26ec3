"""State machines as processes: their start, their events, their end."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.errors import CallExit, Refused, StartError
from beam.otp import (
    Call,
    Cast,
    Down,
    Enter,
    EventTimeout,
    Exit,
    Info,
    Internal,
    Mailbox,
    Node,
    StateMachine,
    StateTimeout,
    event_timeout,
    exit,
    goto,
    ignore,
    monitor,
    next_event,
    postpone,
    repeat,
    reply,
    state,
    state_timeout,
    stay,
    stop,
)
from beam.otp.transitions import BadTransition, UnhandledEvent
from beam.testing import node_on, settle
from tests.otp.actors import SOON, death_of
from tests.otp.machines import Door, Entering, Recorder, Told, crash_of, plain, stays

pytestmark = pytest.mark.usefixtures("node")


@pytest.fixture
def told() -> Told:
    return Told()


# The example


def test_a_door_opens_to_its_code_and_keeps_calls_until_it_is_locked_again() -> None:
    door = Door.start("42", 0.02)
    assert [door.ask(("press", key)) for key in "42"] == ["locked", "open"]
    # Postponed until the state has timed out; then its key is the first of a new try.
    assert [door.ask(("press", key)) for key in "42"] == ["locked", "open"]


@pytest.mark.schedulers("pool")  # An event loop waits for what is real.
def test_a_door_can_be_awaited() -> None:
    async def press() -> list[Any]:
        door = await Door.aio.start("42", 0.02)
        return [await door.ask(("press", key), block=False) for key in "4242"]

    assert asyncio.run(press()) == ["locked", "open", "locked", "open"]


def test_a_machine_that_never_blocks_is_run_by_its_caller() -> None:
    class Quick(Door):
        blocking = False

    door = Quick.start("42", 0.02)
    assert [door.ask(("press", key)) for key in "4242"] == ["locked", "open", "locked", "open"]


# Start


def test_init_may_set_time_outs_and_insert_events(told: Told) -> None:
    first = goto("a", next_event(Internal("first")), state_timeout(0, "second"))
    Recorder.start(told, stays, first)
    assert [told.next(), told.next()] == [
        ("a", Internal("first")),
        ("a", StateTimeout("second")),
    ]


def test_the_first_state_is_entered_from_itself_before_any_message(told: Told) -> None:
    class Hasty(Entering):
        def init(self, *args: Any, **facts: Any) -> Any:
            self.actor_ref.tell("early")
            return super().init(*args, **facts)

    Hasty.start(told, stays)
    assert [told.next(), told.next()] == [("a", Enter("a")), ("a", ("info", "early"))]


def test_init_may_ignore() -> None:
    class Idle(StateMachine):
        def init(self) -> Any:
            return ignore

    assert Idle.start() is None


@pytest.mark.parametrize("first", [None, stay(), stop(), goto(None)])
def test_g1_what_is_no_first_state_is_no_start(first: Any, told: Told) -> None:
    with pytest.raises(StartError) as failed:
        Recorder.start(told, stays, first)
    bad = failed.value.reason.exception
    assert isinstance(bad, BadTransition)
    assert bad.reason == "bad_return_from_init"


def test_g1_a_state_with_a_typo_is_no_start() -> None:
    class Typo(StateMachine):
        def init(self) -> Any:
            return self.lokced  # type: ignore[attr-defined]

        @state
        def locked(self, event: Any) -> Any: ...

    with pytest.raises(StartError) as failed:
        Typo.start()
    assert isinstance(failed.value.reason.exception, AttributeError)


def test_a_plain_method_is_no_state_and_neither_is_one_of_another_machine() -> None:
    class Strict(StateMachine):
        def init(self, other: Any = None) -> Any:
            self.other = other
            return self.here

        @state
        def here(self, event: Any) -> Any:
            match event:
                case Call("plain", _):
                    return goto(self.plain)
                case Call("other", _):
                    return goto(self.other)

        def plain(self) -> Any: ...

    class Elsewhere(StateMachine):
        def init(self) -> Any:
            return self.there

        @state
        def there(self, event: Any) -> Any:
            match event:
                case Call("state", caller):
                    return stay(reply(caller, self.there))

    for message in ("plain", "other"):
        strict = Strict.start(Elsewhere.start().ask("state"))
        with pytest.raises(CallExit) as failed:
            strict.ask(message)
        assert failed.value.reason.exception.reason == "bad_return_from_state_function"


def test_g1_a_crash_while_the_first_state_is_entered_comes_after_the_start(told: Told) -> None:
    def fails(_machine: Any, event: Any, _state: Any) -> Any:
        raise LookupError(event)

    machine = Entering.start(told, fails)
    assert isinstance(crash_of(machine), LookupError)


# Classes


def test_an_async_state_is_refused_when_it_is_written() -> None:
    with pytest.raises(TypeError, match="away"):

        class Wrong(StateMachine):
            @state
            async def away(self, event: Any) -> Any: ...


def test_an_async_handler_is_refused_when_it_is_written() -> None:
    with pytest.raises(TypeError, match="handle_event"):

        class Wrong(StateMachine):
            async def handle_event(self, event: Any, state: Any) -> Any: ...


def test_states_as_methods_and_one_handler_do_not_go_together() -> None:
    with pytest.raises(TypeError, match="here"):

        class Wrong(StateMachine):
            @state
            def here(self, event: Any) -> Any: ...

            def handle_event(self, event: Any, state: Any) -> Any: ...


def test_a_name_of_the_framework_is_no_name_for_a_state() -> None:
    with pytest.raises(TypeError, match="stop"):

        class Wrong(StateMachine):
            @state
            def stop(self, event: Any) -> Any: ...  # type: ignore[override]


# Events


def test_each_kind_of_mail_is_an_event_of_its_kind(told: Told) -> None:
    machine = Recorder.start(told, lambda *_: None)
    machine.cast("one")
    machine.tell("two")
    machine.ask("three", block=False)
    assert [told.next() for _ in range(3)] == [
        ("a", ("cast", "one")),
        ("a", ("info", "two")),
        ("a", ("call", "three")),
    ]


def test_a_down_and_a_trapped_exit_are_plain_messages() -> None:
    class Watcher(StateMachine):
        trap_exit = True

        def init(self, heard: Any) -> Any:
            self.heard = heard
            return self.watching

        @state
        def watching(self, event: Any) -> Any:
            match event:
                case Call(("watch", process), caller):
                    monitor(process)
                    return stay(reply(caller))
                case Info(Down(reason=reason)) | Info(Exit(reason=reason)):
                    self.heard.put(reason)
            return None

    heard = Told()
    watcher = Watcher.start(heard)
    other = Door.start("1")
    watcher.ask(("watch", other))
    exit(other, "gone")
    assert heard.next() == "gone"
    with Mailbox():
        exit(watcher, "psst")
    assert heard.next() == "psst"


def test_an_event_that_a_state_does_not_handle_crashes_the_machine() -> None:
    door = Door.start("42")
    door.cast("knock")
    error = crash_of(door)
    assert isinstance(error, UnhandledEvent)
    assert (error.state, error.reason) == ("locked", "function_clause")


def test_a_machine_without_states_or_a_handler_handles_nothing() -> None:
    class Empty(StateMachine):
        handle_event = StateMachine.handle_event

        def init(self) -> Any:
            return self.here

        @state
        def here(self, event: Any) -> Any:
            return super().handle_event(event, "here")

    empty = Empty.start()
    empty.cast("x")
    assert isinstance(crash_of(empty), UnhandledEvent)


@pytest.mark.schedulers("pool")  # Its nodes are its own.
@pytest.mark.parametrize("on", ["pool", "simulation"])
@given(sent=st.lists(st.sampled_from(["press", "flip"]), max_size=30))
def test_g3_events_of_one_sender_keep_their_order_also_if_they_are_postponed(
    on: Any, sent: list[str]
) -> None:
    def handle(machine: Any, event: Any, state: Any) -> Any:
        match event:
            case Cast((_, "flip")):
                return goto("on" if state == "off" else "off")
            case Cast((_, "press")) if state == "off":
                return stay(postpone)

    expected: list[Any] = []
    waiting: list[Any] = []
    lit = False
    for message in enumerate(sent):
        expected.append(message)
        if message[1] == "flip":
            lit = not lit
            again, waiting = waiting, []
            expected += again
            waiting += [] if lit else again
        elif not lit:
            waiting.append(message)

    told = Told()
    with node_on(on):
        machine = Recorder.start(told, handle, "off")
        for message in enumerate(sent):
            machine.cast(message)
        machine.stop()
    seen = [event[1] for _, event in told.everything()[:-1]]
    assert seen == expected


# The end


def test_a_stop_replies_then_terminates_then_fails_the_other_calls(told: Told) -> None:
    kept: list[Any] = []

    def handle(machine: Any, event: Any, state: Any) -> Any:
        match event:
            case Call("keep", caller):
                kept.append(caller)
            case Call("end", caller):
                return stop("enough", reply(kept[0], "kept"), reply(caller, "bye"))
            case Call():
                return stay(postpone)
        return None

    machine = Recorder.start(told, handle)
    calls = [machine.ask(what, block=False) for what in ("keep", "lost", "end")]
    assert (calls[0].get(), calls[2].get()) == ("kept", "bye")
    with pytest.raises(CallExit) as failed:
        calls[1].get()
    assert failed.value.reason == "enough"
    assert death_of(machine) == "enough"
    assert told.everything()[-1] == ("terminate", "a", "enough")


def test_a_stop_from_outside_takes_its_place_among_the_mail(told: Told) -> None:
    machine = Recorder.start(told, stays)
    machine.cast("before")
    assert machine.stop(reason="shutdown")
    assert told.everything() == [("a", ("cast", "before")), ("terminate", "a", "shutdown")]


def test_a_stop_of_its_own_lets_the_transition_take_effect_first(told: Told) -> None:
    def handle(machine: Any, event: Any, state: Any) -> Any:
        match event:
            case Call(_, caller):
                machine.stop("tired")
                return goto("b", reply(caller, "done"), next_event(Internal("never")))

    machine = Entering.start(told, handle)
    assert machine.ask("x") == "done"
    assert death_of(machine) == "tired"
    assert told.everything() == [
        ("a", Enter("a")),
        ("a", ("call", "x")),
        ("terminate", "b", "tired"),
    ]


@pytest.mark.parametrize(
    ("answer", "reason", "last"),
    [
        (goto("b", "bogus"), "bad_action_from_state_function", "b"),
        ("nonsense", "bad_return_from_state_function", "a"),
        (stop("boom", stay()), "bad_reply_action_from_state_function", "a"),  # type: ignore[arg-type]
    ],
)
def test_a_bad_answer_crashes_the_machine_after_the_replies_before_it(
    answer: Any, reason: str, last: str, told: Told
) -> None:
    machine = Recorder.start(told, lambda *_: answer)
    machine.cast("x")
    error = crash_of(machine)
    assert isinstance(error, BadTransition)
    assert error.reason == reason
    assert told.everything()[-1][:2] == ("terminate", last)


def test_replies_before_a_bad_action_have_been_sent(told: Told) -> None:
    machine = Recorder.start(
        told, lambda machine, event, state: stay(reply(event, "sent"), "bogus")
    )
    assert machine.ask("x") == "sent"
    assert isinstance(crash_of(machine), BadTransition)


def test_a_crash_in_a_state_terminates_in_that_state(told: Told) -> None:
    def fails(machine: Any, event: Any, state: Any) -> Any:
        raise LookupError

    machine = Recorder.start(told, fails)
    machine.cast("x")
    assert isinstance(crash_of(machine), LookupError)
    assert told.everything()[-1][:2] == ("terminate", "a")


def test_timers_of_a_machine_that_has_ended_are_cancelled(told: Told, node: Node) -> None:
    machine = Recorder.start(told, stays, goto("a", state_timeout(3600.0)))
    settle()
    timeouts = machine.control.actor._engine.timeouts
    assert timeouts
    machine.stop()
    assert not timeouts


@pytest.mark.schedulers("pool", "thread")  # In a simulation it would never hand the turn on.
@pytest.mark.parametrize("endless", [Internal("again"), "enter", "timeout"])
@pytest.mark.parametrize(("signal", "reason"), [("kill", "killed"), ("shutdown", "shutdown")])
def test_g4_a_signal_ends_a_machine_that_goes_round_for_ever(
    endless: Any, signal: str, reason: str, told: Told
) -> None:
    begun = Told()

    class Turning(StateMachine):
        def init(self) -> Any:
            return "a"

        @state(enter=True)
        def handle_event(self, event: Any, state: Any) -> Any:
            begun.put(event) if len(begun) < 10 else None
            match endless, event:
                case "enter", Enter():
                    return repeat()
                case "timeout", Enter() | StateTimeout():
                    return stay(state_timeout(0))
                case Internal(), Enter():
                    return None
                case Internal(), _:
                    return stay(next_event(endless))

        def terminate(self, reason: Any) -> None:
            begun.put("terminate")

    machine = Turning.start()
    machine.cast("go")
    for _ in range(10):
        begun.next()
    with Mailbox() as me:
        monitor(machine)
        exit(machine, signal)
        assert me.receive(timeout=SOON).reason == reason
    assert "terminate" not in begun.everything()


def test_continue_with_is_refused_as_a_machine_inserts_events(told: Told) -> None:
    def continues(machine: Any, event: Any, state: Any) -> Any:
        machine.continue_with("x")

    machine = Recorder.start(told, continues)
    machine.cast("x")
    error = crash_of(machine)
    assert isinstance(error, TypeError)
    assert "next_event" in str(error)


# From outside


def test_public_methods_are_answered_in_every_state_and_are_no_events() -> None:
    idle = Told()

    class Lamp(StateMachine):
        def init(self) -> Any:
            self.presses = 0
            return goto(self.dark, event_timeout(0.05))

        @state
        def dark(self, event: Any) -> Any:
            idle.put(event)

        def press(self, times: int) -> int:
            self.presses += times
            if self.presses > 100:
                raise Refused("worn_out")
            return self.presses

    proxy = Lamp.start().proxy()
    assert proxy.press(2).get() == 2
    proxy.press.defer(3)
    assert proxy.presses.get() == 5
    with pytest.raises(Refused):
        proxy.press(1000).get()
    assert not hasattr(proxy, "dark")
    assert idle.next() == EventTimeout()


request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="none")


def test_a_postponed_event_is_handled_in_the_context_of_its_sender(told: Told) -> None:
    seen = Told()

    def handle(machine: Any, event: Any, state: Any) -> Any:
        match event, state:
            case Cast("go"), _:
                return goto("b")
            case _, "a":
                return stay(postpone)
        seen.put((plain(event)[1], request_id.get()))
        return None

    machine = Recorder.start(told, handle)
    for name in ("one", "two"):
        token = request_id.set(name)
        machine.ask(name, block=False)
        machine.cast(name)
        request_id.reset(token)
    machine.cast("go")
    assert [seen.next() for _ in range(4)] == [
        ("one", "one"),
        ("one", "one"),
        ("two", "two"),
        ("two", "two"),
    ]


def test_a_time_out_comes_in_the_context_in_which_it_was_set(told: Told) -> None:
    seen = Told()

    def handle(machine: Any, event: Any, state: Any) -> Any:
        match event:
            case Cast():
                return stay(state_timeout(0.005))
            case StateTimeout():
                seen.put(request_id.get())
        return None

    machine = Recorder.start(told, handle)
    token = request_id.set("mine")
    machine.cast("x")
    request_id.reset(token)
    assert seen.next() == "mine"
