"""G6: a call ends, whatever becomes of the callee."""

from __future__ import annotations

import contextlib
import math
import threading
from typing import Any

import pytest

from beam.errors import (
    CallExit,
    CallTimeout,
    Exited,
    InvalidInput,
    Refused,
)
from beam.otp import Crash, Mailbox, Node, Server, exit, noreply
from beam.testing import settle
from tests.otp.actors import (
    KINDS,
    SOON,
    Echo,
    Gate,
    InlineEcho,
    death_of,
    hold_up,
)

pytestmark = pytest.mark.usefixtures("node")

kinds = pytest.mark.parametrize("kind", KINDS)
blockings = pytest.mark.parametrize(
    "blocking", [None, False, True], ids=["pool", "inline", "thread"]
)


@kinds
def test_g6_a_call_ends_with_the_reply(kind: type[Echo]) -> None:
    assert kind.start().ask("hello") == "hello"
    assert kind.start().ask(None) is None


@kinds
def test_g6_a_call_of_the_dead_ends_at_once(kind: type[Echo]) -> None:
    process = kind.start()
    process.stop()
    with pytest.raises(CallExit) as caught:
        process.ask("hello", timeout=None)
    assert (caught.value.reason, caught.value.process) == ("noproc", process)


@kinds
@pytest.mark.parametrize("how", ["exit", "stop", "crash", "kill"])
def test_g6_a_call_ends_with_the_reason_its_callee_ends_with(kind: type[Echo], how: str) -> None:
    process = kind.start()
    gate = hold_up(process)
    served = process.ask(
        {
            "exit": ("exit", "gone"),
            "crash": ("crash", KeyError("gone")),
        }.get(how, "hello"),
        block=False,
        timeout=None,
    )
    waiting = process.ask("hello", block=False, timeout=None)
    if how == "kill":
        exit(process, "kill")
    gate.open()
    if how == "stop":
        process.stop(reason="gone")
        assert waiting.get(timeout=SOON) == "hello"
        return
    for call in (served, waiting):
        with pytest.raises(CallExit) as caught:
            call.get(timeout=SOON)
        reason = caught.value.reason
        assert reason == process.exit_reason
        assert reason in {"gone", "killed"} or isinstance(reason.exception, KeyError)


@kinds
def test_g6_a_call_that_was_kept_ends_with_its_callee(kind: type[Echo]) -> None:
    process = kind.start()
    kept = [process.ask("never", block=False, timeout=None) for _ in range(3)]
    exit(process, "gone")
    for call in kept:
        with pytest.raises(CallExit) as caught:
            call.get(timeout=SOON)
        assert caught.value.reason == "gone"


@kinds
def test_g6_a_call_ends_at_its_deadline(kind: type[Echo]) -> None:
    process = kind.start()
    with pytest.raises(CallTimeout) as caught:
        process.ask("never", timeout=0.01)
    assert type(caught.value) is CallTimeout
    assert (caught.value.process, caught.value.timeout) == (process, 0.01)
    assert process.ask("alive") == "alive"


def test_g6_a_call_has_five_seconds_unless_said() -> None:
    process = Echo.start()
    before = process.node.clock.now()
    call = process.ask("never", block=False)
    assert 4.9 < call.deadline - before < 5.1
    assert process.ask("never", block=False, timeout=None).deadline is None


def test_g6_get_replaces_the_deadline_of_the_call() -> None:
    process = Echo.start()
    gate = hold_up(process)
    call = process.ask("late", block=False, timeout=0.01)
    with pytest.raises(CallTimeout):
        call.get()
    patient = process.ask("late", block=False, timeout=0.01)
    Echo.start().cast(("do", lambda: (process.node.sleep(0.05), gate.open())))
    assert patient.get(timeout=math.inf) == "late"


@pytest.mark.parametrize("timeout", ["5", float("nan"), [1]])
def test_g6_a_timeout_that_is_none_is_refused_before_anything_is_sent(timeout: Any) -> None:
    process = Echo.start()
    with pytest.raises(InvalidInput, match="timeout"):
        process.ask(("do", lambda: process.tell("sent")), timeout=timeout)
    with pytest.raises(InvalidInput, match="timeout"):
        process.stop(timeout=timeout)
    with pytest.raises(InvalidInput, match="timeout"):
        process.ask("never", block=False).get(timeout=timeout)
    assert process.ask("told") == []


def test_g6_an_answer_after_the_deadline_is_dropped() -> None:
    calls = []

    class Late(Server):
        def handle_call(self, message: Any, caller: Any) -> Any:
            calls.append(caller)
            return noreply

    process = Late.start()
    with pytest.raises(CallTimeout):
        process.ask("hello", timeout=0.01)
    calls[0].reply("too late")
    second = process.ask("hello", block=False)
    settle()
    assert calls[1].reply("first") is True
    assert calls[1].reply("second") is False
    assert second.get() == "first"


@kinds
def test_g6_stop_says_whether_it_was_alive(kind: type[Echo]) -> None:
    process = kind.start()
    assert process.stop(reason="done") is True
    assert process.exit_reason == "done"
    assert process.stop() is False
    assert process.stop(block=False).get() is False


@kinds
def test_g6_stops_end_with_the_process_however_it_ends(kind: type[Echo]) -> None:
    process = kind.start()
    gate = hold_up(process)
    stops = [process.stop(block=False) for _ in range(3)]
    exit(process, "noproc")
    gate.open()
    assert [stop.get(timeout=SOON) for stop in stops] == [True] * 3
    assert death_of(process) == "noproc"


def test_g6_a_stop_can_be_waited_for_with_a_limit() -> None:
    process = Echo.start()
    gate = hold_up(process)
    with pytest.raises(CallTimeout):
        process.stop(timeout=0.01)
    gate.open()
    assert death_of(process) == "normal"


@pytest.mark.schedulers("pool", "thread")
def test_g6_a_mailbox_is_stopped_when_it_is_dead(node: Node) -> None:
    ref: list[Any] = []
    there = threading.Event()

    def be_a_process() -> None:
        with node.entered(), contextlib.suppress(Exited), Mailbox() as me:
            ref.append(me.ref)
            there.set()
            me.receive()

    thread = threading.Thread(target=be_a_process)
    thread.start()
    assert there.wait(SOON)
    assert ref[0].stop(reason="done", timeout=SOON) is True
    assert not ref[0].is_alive()
    assert ref[0].exit_reason == "done"
    thread.join(SOON)


def test_g6_a_function_answers_no_calls() -> None:
    with Mailbox() as me:
        call = me.ref.ask("hello", block=False)
        me.ref.tell("hello")
        assert me.receive(timeout=SOON) == "hello"
        with pytest.raises(Refused, match="no_calls"):
            call.get()


def test_g6_calls_that_were_answered_are_not_kept() -> None:
    class Keeps(Server):
        def handle_call(self, message: Any, caller: Any) -> Any:
            if message == "before":
                caller.reply("now")
            else:
                other.cast(("do", lambda: caller.reply("later")))
            return noreply

    process, other = Keeps.start(), Echo.start()
    for _ in range(100):
        assert process.ask("before") == "now"
        assert process.ask("after") == "later"
    settle()
    assert not process.control.deferred


def test_g6_a_crash_is_the_reason_for_everybody_who_waits() -> None:
    process = InlineEcho.start()
    gate = Gate()
    process.cast(("do", gate))
    gate.reached()
    waiting = [process.ask(("crash", KeyError(at)), block=False, timeout=None) for at in range(3)]
    gate.open()
    reasons = []
    for call in waiting:
        with pytest.raises(CallExit) as caught:
            call.get(timeout=SOON)
        reasons.append(caught.value.reason)
    assert all(type(each) is Crash and each.exception.args == (0,) for each in reasons)
