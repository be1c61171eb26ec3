"""G7: a Refused of its own is an answer; whatever else leaves a handler kills the process."""

from __future__ import annotations

from typing import Any

import pytest

from beam.errors import BeamError, CallExit, NotFound, Refused, StartError
from beam.otp import Crash, Future, Server, noreply, spawn
from beam.otp import exit as exit_process
from tests.otp.actors import KINDS, SOON, Echo, ThreadEcho, death_of
from tests.volume import scaled

pytestmark = pytest.mark.usefixtures("node")

kinds = pytest.mark.parametrize("kind", KINDS)


def refuse() -> None:
    """Raise an answer."""
    raise NotFound("no_such_key", key="k")


@kinds
def test_g7_a_refusal_is_the_answer_and_the_process_lives(kind: type[Echo]) -> None:
    process = kind.start()
    with pytest.raises(NotFound) as caught:
        process.ask(("do", refuse))
    refusal = caught.value
    assert (refusal.reason, refusal.key, refusal.facts) == ("no_such_key", "k", {"key": "k"})
    assert refusal.process is process
    assert process.ask("alive") == "alive"


@kinds
def test_g7_any_other_exception_from_a_call_is_a_crash(kind: type[Echo]) -> None:
    process, error = kind.start(), ValueError("no")
    with pytest.raises(CallExit) as caught:
        process.ask(("crash", error))
    assert caught.value.reason == Crash(error)
    assert caught.value.process is process
    assert death_of(process) == Crash(error)


@kinds
def test_g7_an_exception_of_beams_own_is_a_crash_like_others(kind: type[Echo]) -> None:
    process = kind.start()
    with pytest.raises(CallExit) as caught:
        process.ask(("crash", BeamError("no")))
    assert isinstance(caught.value.reason.exception, BeamError)


@kinds
@pytest.mark.parametrize("error", [ValueError("no"), Refused("no")], ids=["error", "refusal"])
@pytest.mark.parametrize("how", ["cast", "info", "continue", "timer", "defer"])
def test_g7_outside_of_calls_every_exception_is_a_crash(
    kind: type[Echo], how: str, error: Exception
) -> None:
    class Fails(kind):  # type: ignore[misc, valid-type]
        def handle_info(self, message: Any) -> None:
            raise error

        def handle_continue(self, message: Any) -> None:
            raise error

        def fail(self) -> None:
            raise error

    process = Fails.start()

    def fail() -> None:
        raise error

    match how:
        case "cast":
            process.cast(("do", fail))
        case "info":
            process.tell("hello")
        case "continue":
            process.ask(("do", lambda: process.control.actor.continue_with("it")))
        case "timer":
            process.node.send_after(0.001, process, "tick")
        case "defer":
            process.proxy().fail.defer()
    assert death_of(process) == Crash(error)


@kinds
def test_g7_a_refusal_by_another_that_leaves_the_handler_is_a_crash(kind: type[Echo]) -> None:
    other, process = Echo.start(), kind.start()
    with pytest.raises(CallExit) as caught:
        process.ask(("call", other, ("do", refuse)))
    refusal = caught.value.reason.exception
    assert isinstance(refusal, NotFound)
    assert refusal.process is other
    assert other.ask("alive") == "alive"


@kinds
def test_g7_a_refusal_is_passed_on_by_one_of_ones_own(kind: type[Echo]) -> None:
    other, process = Echo.start(), kind.start()

    def pass_on() -> None:
        try:
            other.ask(("do", refuse))
        except NotFound as error:
            raise Refused("cannot", why=error.reason) from error

    with pytest.raises(Refused) as caught:
        process.ask(("do", pass_on))
    assert (caught.value.reason, caught.value.why) == ("cannot", "no_such_key")
    assert caught.value.process is process
    assert isinstance(caught.value.__cause__, NotFound)
    assert caught.value.__cause__.process is other
    assert process.ask("alive") == "alive"


@kinds
def test_g7_a_refusal_may_be_caught(kind: type[Echo]) -> None:
    other, process = Echo.start(), kind.start()

    def survive() -> str:
        with pytest.raises(NotFound):
            other.ask(("do", refuse))
        return "lives"

    assert process.ask(("do", survive)) == "lives"


def test_g7_a_refusal_in_init_is_raised_by_start_and_a_crash_of_who_lets_it_go() -> None:
    class Refuses(Server):
        def init(self) -> None:
            raise Refused("no_room")

    with pytest.raises(Refused) as caught:
        Refuses.start()
    assert caught.value.reason == "no_room"
    process = Echo.start()
    with pytest.raises(CallExit) as gone:
        process.ask(("do", Refuses.start))
    assert gone.value.reason.exception.reason == "no_room"
    assert gone.value.reason.exception.process is not None


def test_g7_a_refusal_by_another_that_leaves_init_is_a_crash_of_init() -> None:
    other = Echo.start()

    class Asks(Server):
        def init(self) -> None:
            other.ask(("do", refuse))

    with pytest.raises(StartError) as caught:
        Asks.start()
    assert caught.value.reason.exception.process is other


def test_g7_each_caller_gets_an_exception_of_its_own() -> None:
    class Keeps(Server):
        def init(self) -> None:
            self.callers: list[Any] = []

        def handle_call(self, message: Any, caller: Any) -> Any:
            self.callers.append(caller)
            if len(self.callers) == 2:
                same = Refused("no", why="both")
                for each in self.callers:
                    each.refuse(same)
            return noreply

    process = Keeps.start()
    calls = [process.ask(at, block=False) for at in range(2)]
    caught = []
    for call in (*calls, calls[0]):
        with pytest.raises(Refused) as info:
            call.get(timeout=SOON)
        caught.append(info.value)
    assert len({id(each) for each in caught}) == 3
    assert {(each.reason, each.why, each.process) for each in caught} == {("no", "both", process)}


def test_g7_a_refusal_from_elsewhere_is_an_answer_too() -> None:
    class Keeps(Server):
        def handle_call(self, message: Any, caller: Any) -> Any:
            other.cast(("do", lambda: caller.refuse(NotFound())))
            return noreply

    process, other = Keeps.start(), Echo.start()
    with pytest.raises(NotFound) as caught:
        process.ask("hello")
    assert caught.value.reason == "not_found"
    assert process.is_alive()


def test_g7_a_server_without_the_callback_crashes_when_it_is_asked() -> None:
    for send in (lambda each: each.ask("hello", block=False), lambda each: each.cast("hello")):
        process = Server.start()
        send(process)
        reason = death_of(process)
        assert isinstance(reason.exception, TypeError)
        assert "hello" in str(reason.exception)


def test_g7_a_server_without_handle_info_drops_what_it_is_told() -> None:
    process = Server.start()
    process.tell("hello")
    assert process.stop() is True
    assert process.exit_reason == "normal"


@kinds
@pytest.mark.usefixtures("fine_switching")
def test_g7_who_stops_with_an_answer_gives_it(kind: type[Echo]) -> None:
    for _ in range(20):
        process = kind.start()
        assert process.ask(("stop", "boom")) == "stopping"
        assert death_of(process) == "boom"


@pytest.mark.parametrize("kind", [Echo, ThreadEcho])
@pytest.mark.usefixtures("fine_switching")
def test_g7_a_caller_that_ends_with_whom_it_asked_does_not_see_the_answer(kind: type[Echo]) -> None:
    # As recorded from OTP: the signal of the link is there when the reply is looked for.
    seen = []

    def ask() -> None:
        seen.append(kind.start_link().ask(("stop", "boom")))

    for _ in range(scaled(2_000)):
        assert death_of(spawn(ask)) == "boom"
    assert seen == []


@kinds
def test_g7_who_is_killed_before_it_has_cleaned_up_gives_no_answer(kind: type[Echo]) -> None:
    class Slow(kind):  # type: ignore[misc, valid-type]
        def terminate(self, _reason: Any) -> None:
            cleaning.set(None)
            self.node.sleep(SOON)

    cleaning: Future[None] = Future()
    process = Slow.start()
    asker = spawn(lambda: process.ask(("stop", "boom")))
    cleaning.get(timeout=SOON)
    exit_process(process, "kill")
    reason = death_of(asker)
    assert isinstance(reason.exception, CallExit)
    assert reason.exception.reason == "killed"
