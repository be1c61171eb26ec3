"""The calls of a state machine: answered, refused, postponed, forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from beam.errors import CallExit, CallTimeout, Refused
from beam.otp import (
    Call,
    Cast,
    Crash,
    Enter,
    Internal,
    Node,
    Server,
    StateMachine,
    goto,
    next_event,
    noreply,
    postpone,
    reply,
    spawn,
    state,
    state_timeout,
    stay,
)
from tests.otp.actors import SOON
from tests.otp.machines import Entering, Recorder, Told, crash_of

pytestmark = pytest.mark.usefixtures("node")


@pytest.fixture
def told() -> Told:
    return Told()


# Calls


def test_a_call_can_be_answered_from_another_state() -> None:
    class Ticket(StateMachine):
        def init(self) -> Any:
            return self.empty

        @state
        def empty(self, event: Any) -> Any:
            match event:
                case Call("take", caller):
                    self.waiting = caller
                    return goto(self.wanted)

        @state
        def wanted(self, event: Any) -> Any:
            match event:
                case Cast(("put", what)):
                    return goto(self.empty, reply(self.waiting, what))

    ticket = Ticket.start()
    taken = ticket.ask("take", block=False)
    assert not taken.done
    ticket.cast(("put", 7))
    assert taken.get() == 7


def test_a_call_can_be_answered_by_somebody_else(told: Told) -> None:
    def hands_on(machine: Any, event: Any, state: Any) -> Any:
        if isinstance(event, Call):
            spawn(event.reply, event.message * 2)

    assert Recorder.start(told, hands_on).ask(21) == 42


def test_g7_a_refusal_answers_the_call_and_the_machine_stays_as_it_is(told: Told) -> None:
    def refuses(machine: Any, event: Any, state: Any) -> Any:
        match event:
            case Call("well?", caller):
                return stay(reply(caller, state))
            case Call(message, _):
                raise Refused("not_now", message=message)

    machine = Recorder.start(told, refuses)
    with pytest.raises(Refused) as refused:
        machine.ask("x")
    assert (refused.value.reason, refused.value.message, refused.value.process) == (
        "not_now",
        "x",
        machine,
    )
    assert machine.ask("well?") == "a"


def test_g7_a_refusal_answers_a_call_that_was_postponed_too(told: Told) -> None:
    def late(machine: Any, event: Any, state: Any) -> Any:
        match event, state:
            case Call(), "a":
                return stay(postpone)
            case Call(), "b":
                raise Refused("too_late")
            case Cast("go"), _:
                return goto("b")

    machine = Recorder.start(told, late)
    first, second = (machine.ask(n, block=False) for n in (1, 2))
    machine.cast("go")
    for call in (first, second):
        with pytest.raises(Refused) as refused:
            call.get()
        assert refused.value.reason == "too_late"
    assert machine.is_alive()


@pytest.mark.parametrize("way", ["cast", "info", "inserted", "entered", "timeout"])
def test_g7_a_refusal_that_answers_no_call_is_a_crash(way: str, told: Told) -> None:
    def refuses(machine: Any, event: Any, state: Any) -> Any:
        match event, way:
            case Call(), "inserted":
                return stay(next_event(Internal("x")))
            case Call(), "entered":
                return goto("b")
            case Call(), "timeout":
                return stay(state_timeout(0))
            case Enter("b"), _:
                return None
            case (Enter("a"), _) if state == "a":
                return None
        raise Refused("no")

    machine = Entering.start(told, refuses)
    if way in ("cast", "info"):
        (machine.cast if way == "cast" else machine.tell)("x")
    else:
        with pytest.raises(CallExit):
            machine.ask("x")
    assert isinstance(crash_of(machine), Refused)


def test_g7_a_refusal_of_somebody_else_is_a_crash_unless_it_is_passed_on(told: Told) -> None:
    class Proud(Server):
        def beg(self) -> None:
            raise Refused("never")

    proud = Proud.start()

    def begs(machine: Any, event: Any, state: Any) -> Any:
        match event:
            case Call("politely", _):
                try:
                    proud.proxy().beg().get()
                except Refused as error:
                    raise Refused("as_expected") from error
            case Call("blindly", _):
                proud.proxy().beg().get()

    machine = Recorder.start(told, begs)
    with pytest.raises(Refused) as refused:
        machine.ask("politely")
    assert refused.value.reason == "as_expected"
    with pytest.raises(CallExit):
        machine.ask("blindly")


def test_g6_calls_that_are_kept_or_postponed_end_with_the_machine(told: Told) -> None:
    kept: list[Any] = []

    def keeps(machine: Any, event: Any, state: Any) -> Any:
        match event:
            case Call("keep", caller):
                kept.append(caller)
            case Call("postpone", _):
                return stay(postpone)
            case Call("fail", _):
                raise LookupError
        return None

    machine = Recorder.start(told, keeps)
    calls = [machine.ask(what, block=False) for what in ("keep", "postpone", "fail", "behind")]
    for call in calls:
        with pytest.raises(CallExit) as failed:
            call.get(timeout=SOON)
        assert isinstance(failed.value.reason, Crash)
        assert failed.value.process is machine


@pytest.mark.parametrize("last", [stay(postpone), None, stay()])
def test_g6_a_call_ends_with_the_machine_if_what_it_brought_about_crashes(
    last: Any, told: Told
) -> None:
    def brings_about(machine: Any, event: Any, state: Any) -> Any:
        match event:
            case Call():
                actions = last.actions if last is not None else ()
                return stay(*actions, next_event(Internal("fail")))
            case Internal():
                raise LookupError

    machine = Recorder.start(told, brings_about)
    with pytest.raises(CallExit):
        machine.ask("x", timeout=None)


def test_g6_a_call_is_handled_under_its_own_callers_deadline_when_it_was_postponed(
    told: Told,
) -> None:
    class Silent(Server):
        def handle_call(self, message: Any, caller: Call) -> Any:
            return noreply

    silent = Silent.start()

    def asks(machine: Any, event: Any, state: Any) -> Any:
        match event, state:
            case Call("now", caller), _:
                return stay(reply(caller, state))
            case Call(), "a":
                return stay(postpone)
            case Call(), "b":
                silent.ask("anything", timeout=None)
            case Cast("go"), _:
                return goto("b")
        return None

    machine = Recorder.start(told, asks)
    impatient = machine.ask("ask", block=False, timeout=0.05)
    machine.cast("go")
    with pytest.raises(CallTimeout):
        impatient.get()
    # The machine's own call, which had no deadline, ended with that of its caller; it lives.
    assert machine.ask("now", timeout=SOON) == "b"


# Unanswered calls are reported


@pytest.fixture
def logs(node: Node) -> Iterator[list[Any]]:
    structlog.reset_defaults()
    with capture_logs() as logs:
        yield logs


def unanswered(logs: list[Any]) -> list[Any]:
    return [entry["state"] for entry in logs if entry["event"] == "call_unanswered"]


def test_a_call_that_is_forgotten_is_reported_once_for_each_state(logs: list[Any]) -> None:
    class Forgetful(StateMachine):
        def init(self) -> Any:
            return self.here

        @state
        def here(self, event: Any) -> Any:
            match event:
                case Call("go", caller):
                    return goto(self.there, reply(caller))

        @state
        def there(self, event: Any) -> Any:
            match event:
                case Call("done", caller):
                    return stay(reply(caller))

    for _ in range(2):
        machine = Forgetful.start()
        for message in ("x", "y"):
            machine.ask(message, block=False)
        machine.ask("go")
        machine.ask("z", block=False)
        machine.ask("done")
    assert unanswered(logs) == ["here", "there"]


def test_a_call_that_is_kept_answered_postponed_or_refused_is_not_reported(logs: list[Any]) -> None:
    class Diligent(StateMachine):
        def init(self) -> Any:
            self.kept: list[Any] = []
            return self.here

        @state
        def here(self, event: Any) -> Any:
            match event:
                case Call("event"):
                    self.kept.append(event)
                case Call("caller", caller):
                    self.kept.append(caller)
                case Call("closure", caller):
                    self.kept.append(lambda: caller.reply(1))
                case Call("reply", caller):
                    caller.reply(1)
                case Call("postpone"):
                    return stay(postpone)
                case Call("refuse"):
                    raise Refused("no")
                case Call("knowingly"):
                    return stay()
            return None

    ways = ("event", "caller", "closure", "postpone", "refuse", "knowingly")
    machine = Diligent.start()
    for way in ways:
        machine.ask(way, block=False)
    machine.ask("reply")
    assert unanswered(logs) == []


def test_a_call_that_its_sender_lets_go_of_meanwhile_is_not_taken_for_forgotten(
    logs: list[Any],
) -> None:
    sender: list[Any] = []

    class Keeper(StateMachine):
        def init(self) -> Any:
            self.kept: list[Any] = []
            return self.early

        @state
        def early(self, event: Any) -> Any:
            match event:
                case Call("keep", caller):
                    sender.append(caller)
                    return stay(postpone)
                case Call("go", caller):
                    return goto(self.late, reply(caller))

        @state
        def late(self, event: Any) -> Any:
            match event:
                case Call("keep", caller):
                    sender.clear()  # As the thread of a caller may do at any moment.
                    self.kept.append(caller)
                case Call("answer", caller):
                    self.kept.pop().reply("kept")
                    return stay(reply(caller))
            return None

    machine = Keeper.start()
    kept = machine.ask("keep", block=False)
    machine.ask("go")
    machine.ask("answer")
    assert kept.get() == "kept"
    assert unanswered(logs) == []
