"""G6: a call carries its deadline to the calls made inside it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from beam.errors import (
    CallExit,
    CallTimeout,
    DeadlineExpired,
)
from beam.otp import Node, Server, current_process, noreply
from beam.testing import Probe, settle
from tests.otp.actors import (
    KINDS,
    SOON,
    Echo,
    Gate,
    MovedTime,
    eventually,
    hold_up,
)
from tests.otp.chains import chain, ends_with, members
from tests.volume import scaled

pytestmark = pytest.mark.usefixtures("node")

kinds = pytest.mark.parametrize("kind", KINDS)
blockings = pytest.mark.parametrize(
    "blocking", [None, False, True], ids=["pool", "inline", "thread"]
)


@kinds
@pytest.mark.parametrize("inner", [0.05, 5.0, None], ids=["same", "later", "none"])
def test_g6_a_call_inside_a_call_ends_with_the_deadline_of_the_outer(
    kind: type[Echo], inner: float | None
) -> None:
    silent, process, seen = Echo.start(), kind.start(), []

    def ask_silent() -> None:
        try:
            silent.ask("never", timeout=inner)
        except CallTimeout as error:
            seen.append(error)
            raise

    with pytest.raises(CallTimeout) as caught:
        process.ask(("do", ask_silent), timeout=0.05)
    assert type(caught.value) in {CallTimeout, DeadlineExpired}
    settle()
    assert type(seen[0]) is DeadlineExpired
    assert seen[0].process is silent
    # An impatient caller crashes nobody.
    assert process.ask("alive") == "alive"


@kinds
def test_g6_a_call_that_fails_by_its_own_deadline_is_a_crash_of_the_one_that_made_it(
    kind: type[Echo],
) -> None:
    silent, process = Echo.start(), kind.start()

    def ask_silent() -> None:
        silent.ask("never", timeout=0.01)

    with pytest.raises(CallExit) as caught:
        process.ask(("do", ask_silent), timeout=SOON)
    assert type(caught.value.reason.exception) is CallTimeout


@pytest.mark.parametrize("blocking", [None, False, True, "mixed"])
def test_g6_a_deadline_goes_through_any_number_of_calls(blocking: Any, node: Node) -> None:
    silent, processes = Echo.start(), members(5, blocking)
    kept = silent.ask("never", block=False, timeout=None)
    chain([*processes, ends_with(lambda: kept.get(timeout=math.inf))], ring=False)
    begun = node.clock.now()
    with pytest.raises(CallTimeout):
        processes[0].ask("go", timeout=0.05)
    for process in processes:
        assert process.ask("alive", timeout=SOON) == "alive"
    assert node.clock.now() - begun < 4.0


@pytest.mark.parametrize("blocking", [None, True])
def test_g6_a_caller_that_becomes_less_patient_takes_all_calls_inside_along(
    blocking: Any, node: Node
) -> None:
    for _ in range(scaled(200)):
        gate, processes = Gate(), members(3, blocking)
        silent = Echo.start()

        def wait(gate: Gate = gate, silent: Any = silent) -> Any:
            gate.arrive()
            return silent.ask("never", timeout=None)

        chain([*processes, ends_with(wait)], ring=False)
        begun = node.clock.now()
        call = processes[0].proxy().go()
        gate.reached()
        with pytest.raises(CallTimeout):
            call.get(timeout=0.001)
        for process in processes:
            assert process.ask("alive", timeout=SOON) == "alive"
        assert node.clock.now() - begun < 4.0


def test_g6_a_caller_that_becomes_less_patient_takes_the_calls_inside_along() -> None:
    silent, process, probe = Echo.start(), Echo.start(), Probe()

    def ask_silent() -> None:
        probe.note("asking")
        silent.ask("never", timeout=None)

    call = process.ask(("do", ask_silent), block=False, timeout=None)
    probe.wait("asking")
    with pytest.raises(CallTimeout):
        call.get(timeout=0.01)
    settle()
    assert process.ask("alive") == "alive"


def test_g6_a_caller_that_becomes_more_patient_is_waited_for(node: Node) -> None:
    time = MovedTime(node)
    with time.node.entered():
        other, process, waiting = Echo.start(), Echo.start(), Echo.start()
    gate = hold_up(other)
    call = process.ask(("call", other, "hello"), block=False, timeout=1.0)
    got = waiting.ask(("do", lambda: call.get(timeout=100.0)), block=False, timeout=None)
    begun = time.node.clock.now()
    eventually(lambda: call.deadline >= begun + 100.0)
    time.let_pass(3.0)  # Long after what it had been granted at first.
    gate.open()
    assert got.get(timeout=SOON) == "hello"
    time.node.stop()


def test_g6_a_cast_inherits_no_deadline() -> None:
    silent, process, deadlines = Echo.start(), Echo.start(), []

    def look() -> None:
        deadlines.append(current_process().control.inherited_deadline())

    process.ask(("do", lambda: process.cast(("do", look))), timeout=1.0)
    process.ask(("do", look), timeout=None)
    process.ask(("do", look), timeout=1.0)
    assert deadlines[0] is None
    assert deadlines[1] is None
    assert deadlines[2] is not None
    assert silent.is_alive()


def test_g6_after_the_answer_the_callers_deadline_counts_no_more() -> None:
    class Early(Server):
        def handle_call(self, message: Any, caller: Any) -> Any:
            caller.reply("early")
            self.deadline = current_process().control.inherited_deadline()
            return noreply

        def handle_cast(self, message: Any) -> None:
            message(self.deadline)

    seen: list[Any] = []
    process = Early.start()
    assert process.ask("hello", timeout=1.0) == "early"
    process.cast(seen.append)
    process.stop()
    assert seen == [None]


def test_g6_two_that_answer_each_other_for_ever_hold_on_to_nothing() -> None:
    lengths: list[int] = []

    class Pong(Server):
        def init(self) -> None:
            self.other: Any = None

        def handle_call(self, message: Any, caller: Any) -> Any:
            if message == 0:
                return None
            length, outer = 0, caller
            while outer is not None:
                length, outer = length + 1, outer.outer
            lengths.append(length)
            self.other.ask(message - 1, block=False)
            return None

        def handle_cast(self, message: Any) -> None:
            self.other = message

    one, other = Pong.start(), Pong.start()
    one.cast(other)
    other.cast(one)
    one.ask(500)
    settle()
    assert max(lengths) <= 3
