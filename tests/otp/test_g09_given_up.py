"""G9: a handler that will not end is given up: its process is dead for everyone."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from beam.errors import CallExit, Exited
from beam.otp import Down, Exit, Mailbox, Node, Server, exit, link, monitor, noreply, whereis
from beam.otp import shutdown as shutdowns
from beam.otp.shutdown import end
from beam.testing import Probe
from tests.otp.actors import KINDS, SOON, Echo, Gate, at_once, death_of, eventually, hold_up
from tests.volume import scaled

pytestmark = pytest.mark.usefixtures("node")

# What runs on top of its caller cannot be given up by that caller.
kinds = pytest.mark.parametrize("kind", KINDS)


def give_up(process: Any) -> Any:
    """End a process as its supervisor would, with hardly any patience."""
    return end(process.node.init, process.control, 0.001)


@kinds
def test_g9_it_is_dead_for_everyone_at_the_timeout(
    kind: type[Echo], node: Node, wall: type[Gate]
) -> None:
    with Mailbox(trap_exit=True) as me:
        process = kind.start_link()
        watching = monitor(process)
        node.register("stuck", process.control)
        gate = hold_up(process, wall)
        waiting = process.ask("hello", block=False, timeout=None)
        assert give_up(process) == "killed"
        assert not process.is_alive()
        assert process.exit_reason == "killed"
        assert {me.receive(timeout=SOON), me.receive(timeout=SOON)} == {
            Exit(process, "killed"),
            Down(watching, process, "killed"),
        }
        assert whereis("stuck") is None
        with pytest.raises(CallExit) as caught:
            waiting.get(timeout=SOON)
        assert caught.value.reason == "killed"
        with pytest.raises(CallExit):
            process.ask("hello")
        gate.open()


@kinds
def test_g9_it_is_counted_until_its_handler_comes_back(
    kind: type[Echo], node: Node, wall: type[Gate]
) -> None:
    process = kind.start()
    gate = hold_up(process, wall)
    give_up(process)
    assert list(node.given_up.values()) == [process]
    gate.open()
    eventually(lambda: node.given_up == {})


@kinds
def test_g9_late_replies_are_dropped(kind: type[Echo], wall: type[Gate]) -> None:
    gate = wall()

    class Late(kind):  # type: ignore[misc, valid-type]
        def handle_call(self, message: Any, caller: Any) -> Any:
            gate()
            return "late"

    process = Late.start()
    # Asked by another, as one that runs inline is run by the one that asks.
    asker = Echo.start()
    asking = asker.ask(("call", process, "hello"), block=False, timeout=None)
    gate.reached()
    direct = process.ask("hello", block=False, timeout=None)
    give_up(process)
    for call in (direct,):
        with pytest.raises(CallExit) as caught:
            call.get(timeout=SOON)
        assert caught.value.reason == "killed"
    gate.open()
    with pytest.raises(CallExit) as caught:
        asking.get(timeout=SOON)
    assert isinstance(caught.value.reason.exception, CallExit)
    assert caught.value.reason.exception.reason == "killed"


@kinds
def test_g9_what_it_does_afterwards_reaches_nobody(
    kind: type[Echo], node: Node, wall: type[Gate]
) -> None:
    came: list[Any] = []
    gate, probe = wall(), Probe()

    def handler() -> None:
        gate()
        acts = (
            Echo.start_link,
            lambda: link(other),
            lambda: monitor(other),
            lambda: other.ask("never", timeout=None),
        )
        for act in acts:
            try:
                act()
            except Exited as exited:
                came.append(exited.reason)
        probe.note("over")

    process, other = kind.start(), Echo.start()
    process.cast(("do", handler))
    gate.reached()
    give_up(process)
    gate.open()
    probe.wait("over")
    assert came == ["killed"] * 4
    assert node.processes() == [other]


def test_g9_a_cleanup_that_will_not_end_is_given_up_too(node: Node, wall: type[Gate]) -> None:
    gate = wall()

    class Stuck(Echo):
        def terminate(self, reason: Any) -> None:
            gate()

    process = Stuck.start(trap_exit=True)
    stopping = process.stop(block=False, timeout=None)
    gate.reached()
    assert give_up(process) == "killed"
    # A stop has no deadline, and must not wait for a handler that does not come back.
    assert stopping.get(timeout=SOON) is True
    assert list(node.given_up.values()) == [process]
    gate.open()
    eventually(lambda: node.given_up == {})


def test_g9_an_answer_that_waits_for_the_cleanup_ends_with_it(wall: type[Gate]) -> None:
    gate = wall()

    class Stuck(Server):
        def handle_call(self, message: Any, caller: Any) -> Any:
            self.stop("done")
            return "the answer"

        def terminate(self, reason: Any) -> None:
            gate()

    process = Stuck.start()
    call = process.ask("hello", block=False, timeout=None)
    gate.reached()
    give_up(process)
    with pytest.raises(CallExit):
        call.get(timeout=SOON)
    gate.open()


def test_g9_calls_that_it_had_kept_end_with_it(wall: type[Gate]) -> None:
    process = Echo.start()
    kept = [process.ask("never", block=False, timeout=None) for _ in range(3)]
    gate = hold_up(process, wall)
    give_up(process)
    for call in kept:
        with pytest.raises(CallExit):
            call.get(timeout=SOON)
    gate.open()


def test_g9_one_that_waits_where_it_can_be_woken_is_not_given_up(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutdowns, "KILL_GRACE", SOON)
    silent, process = Echo.start(), Echo.start()
    waiting = process.ask(("call", silent, "never"), block=False, timeout=None)
    eventually(lambda: process.control.parker is not None)
    assert end(node.init, process.control, "brutal") == "killed"
    assert node.given_up == {}
    with pytest.raises(CallExit):
        waiting.get()


def test_g9_others_go_on_however_many_workers_are_lost(node: Node, wall: type[Gate]) -> None:
    gates = []
    for _ in range(12):  # More than work at a time.
        process = Echo.start()
        gates.append(hold_up(process, wall))
        give_up(process)
        assert Echo.start().ask("alive", timeout=SOON) == "alive"
    assert len(node.given_up) == 12
    for gate in gates:
        gate.open()
    eventually(lambda: node.given_up == {})


@pytest.mark.schedulers("pool", "thread")  # A simulation ends also what hangs.
def test_g9_a_node_stops_with_processes_that_do_not(node: Node, wall: type[Gate]) -> None:
    stuck = [kind.start() for kind in KINDS]
    gates = [hold_up(process, wall) for process in stuck]
    node.stop(timeout=0.01)
    assert node.processes() == []
    assert {process.exit_reason for process in stuck} == {"killed"}
    assert set(node.given_up.values()) == set(stuck)
    for gate in gates:
        gate.open()
    eventually(lambda: node.given_up == {})


@pytest.mark.schedulers("pool")
def test_g9_the_interpreter_exits_although_a_handler_does_not_end() -> None:
    program = (
        "import threading\n"
        "from beam.otp import Node, Server\n"
        "class Stuck(Server):\n"
        "    def handle_cast(self, started):\n"
        "        started.set()\n"
        "        threading.Event().wait()\n"
        "class Thread(Stuck):\n"
        "    blocking = True\n"
        "with Node() as node:\n"
        "    for kind in (Stuck, Thread):\n"
        "        started = threading.Event()\n"
        "        kind.start().cast(started)\n"
        "        started.wait()\n"
        "    node.stop(timeout=0.01)\n"
        "    print(len(node.given_up))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=SOON, check=True
    )
    assert (ran.stdout, ran.stderr) == ("2\n", "")


class Slow(Server):
    """Takes just about as long as others have patience."""

    def init(self, turns: int) -> None:
        self.turns = turns

    def handle_call(self, message: Any, caller: Any) -> Any:
        for _ in range(self.turns):
            pass
        return noreply if message % 3 == 0 else message

    def handle_cast(self, message: Any) -> None:
        self.handle_call(1, None)


@pytest.mark.schedulers("pool", "thread")
@pytest.mark.usefixtures("fine_switching")
@pytest.mark.parametrize("blocking", [None, True])
def test_g9_giving_up_races_with_the_handlers_return(
    blocking: bool | None, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No patience at all: the process is given up as its handler returns, as it takes the next
    # message, as it comes to rest. Nobody may be left waiting, whatever the instant.
    monkeypatch.setattr(shutdowns, "KILL_GRACE", 0.0)
    kind = type("Slow", (Slow,), {"blocking": blocking})
    for turn in range(scaled(10_000)):
        with Mailbox(trap_exit=True) as me:
            process = kind.start_link(turn % 40)
            watching = monitor(process)
            calls = [process.ask(at, block=False, timeout=None) for at in range(4)]
            stopping = process.stop(block=False, timeout=None)
            end(node.init, process.control, "brutal")
            ends = [me.receive(timeout=SOON), me.receive(timeout=SOON)]
            assert {type(each) for each in ends} == {Down, Exit}
            assert {each.reason for each in ends} == {process.exit_reason}
            assert process.exit_reason in {"killed", "normal"}
            for at, call in enumerate(calls):
                try:
                    assert call.get(timeout=SOON) == at
                except CallExit as gone:
                    assert gone.reason in {"killed", "normal"}  # noqa: PT017
            assert stopping.get(timeout=SOON) is True
            assert demonitored(watching, me)
    eventually(lambda: node.given_up == {})
    assert node.processes() == []


def demonitored(watching: Any, me: Mailbox) -> bool:
    """Return whether nothing more has come."""
    return me.messages() == [] and watching.target is not None


@pytest.mark.schedulers("pool", "thread")
@pytest.mark.usefixtures("fine_switching")
def test_g9_giving_up_races_with_a_crash_and_with_a_kill(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutdowns, "KILL_GRACE", 0.0)
    for turn in range(scaled(4_000)):
        process = Echo.start()
        process.cast(("do", lambda: 1 / 0) if turn % 2 else "hello")
        at_once(
            lambda process=process: end(node.init, process.control, "brutal"),
            lambda process=process: exit(process, "kill"),
            lambda process=process: process.stop(timeout=SOON),
        )
        assert not process.is_alive()
        death_of(process)
    eventually(lambda: node.given_up == {})
