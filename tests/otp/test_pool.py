"""The pool: many processes on few threads, more while some of them wait."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Any

import pytest

from beam.errors import CallExit, PoolExhausted, StartError
from beam.otp import Node, Server, exit
from beam.otp import pool as pools
from beam.otp.clock import SystemClock
from tests.otp.actors import SOON, Echo, Gate, ThreadEcho, Wall, at_once, eventually, hold_up
from tests.otp.conftest import threads_left
from tests.volume import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator


pytestmark = pytest.mark.schedulers("pool")


def workers(node: Node) -> int:
    """Return how many workers the node's pool has."""
    return sum(
        each.name.startswith(f"{node.name}-") and each.name[-1].isdigit()
        for each in threading.enumerate()
    )


@pytest.fixture
def small(unlogged: None) -> Iterator[Node]:
    """A node whose pool has four workers at most."""
    with Node(pool_size=4) as node:
        yield node
    assert threads_left(node) == []


def test_thousands_of_processes_need_few_workers(node: Node) -> None:
    processes = [Echo.start() for _ in range(5_000)]
    for process in processes:
        process.tell("hello")
    assert all(process.ask("told") == ["hello"] for process in processes)
    assert workers(node) <= pools.BASE


def test_a_handler_that_takes_long_holds_nobody_else_up(node: Node) -> None:
    stuck = [Echo.start() for _ in range(pools.BASE - 1)]
    gates = [hold_up(process, Wall) for process in stuck]
    assert Echo.start().ask("alive", timeout=SOON) == "alive"
    for gate in gates:
        gate.open()


def test_two_that_become_due_together_do_not_wait_for_each_other(node: Node) -> None:
    # The first holds its worker until the second has run, without saying that it waits.
    for _ in range(50):
        first, second, done = Echo.start(), Echo.start(), threading.Event()
        first.cast(("do", lambda done=done: done.wait(SOON)))
        second.cast(("do", done.set))
        assert done.wait(SOON)


def test_the_pool_grows_while_workers_wait_in_calls(node: Node) -> None:
    waiting = 40
    silent = Echo.start()
    askers = [Echo.start() for _ in range(waiting)]
    calls = [asker.ask(("call", silent, "never"), block=False, timeout=None) for asker in askers]
    eventually(lambda: f"{waiting} waiting" in repr(node.scheduler))
    assert workers(node) >= waiting
    assert Echo.start().ask("alive", timeout=SOON) == "alive"
    exit(silent, "gone")
    for call in calls:
        with pytest.raises(CallExit):
            call.get(timeout=SOON)


def test_the_pool_shrinks_when_there_is_nothing_to_do(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "LINGER", 0.01)
    silent = Echo.start()
    askers = [Echo.start() for _ in range(20)]
    for asker in askers:
        asker.ask(("call", silent, "never"), block=False, timeout=None)
    eventually(lambda: "20 waiting" in repr(node.scheduler))
    exit(silent, "gone")
    eventually(lambda: workers(node) == 0)
    assert Echo.start().ask("alive", timeout=SOON) == "alive"


def test_the_call_for_which_nobody_would_be_left_fails_with_the_graph(small: Node) -> None:
    silent = ThreadEcho.start()
    askers = [Echo.start() for _ in range(4)]
    calls = [askers[at].ask(("call", silent, "never"), block=False) for at in range(3)]
    eventually(lambda: "3 waiting" in repr(small.scheduler))
    with pytest.raises(CallExit) as caught:
        askers[3].ask(("call", silent, "never"), timeout=SOON)
    exhausted = caught.value.reason.exception
    assert isinstance(exhausted, PoolExhausted)
    assert exhausted.cap == 4
    assert sorted(exhausted.graph, key=str) == [(asker, silent) for asker in askers]
    # The others wait on, and whoever asks nobody is served.
    assert not any(call.done for call in calls)
    assert Echo.start().ask("alive", timeout=SOON) == "alive"


def test_a_handler_may_catch_that_nobody_would_be_left(small: Node) -> None:
    silent = ThreadEcho.start()
    for _ in range(3):
        Echo.start().ask(("call", silent, "never"), block=False)
    eventually(lambda: "3 waiting" in repr(small.scheduler))
    process = Echo.start()

    def ask() -> str:
        try:
            silent.ask("never")
        except PoolExhausted:
            return "later, then"
        return "not here"

    assert process.ask(("do", ask)) == "later, then"
    assert process.ask("alive") == "alive"


def test_a_start_for_which_nobody_would_be_left_leaves_nothing(small: Node) -> None:
    silent = ThreadEcho.start()
    for _ in range(3):
        Echo.start().ask(("call", silent, "never"), block=False)
    eventually(lambda: "3 waiting" in repr(small.scheduler))
    gate, before = Gate(), len(small.processes())

    class Slow(Server):
        blocking = True

        def init(self) -> None:
            gate()

    process = Echo.start(name="starter")
    with pytest.raises(CallExit) as caught:
        process.ask(("do", Slow.start), timeout=SOON)
    assert isinstance(caught.value.reason.exception, PoolExhausted)
    gate.open()
    eventually(lambda: len(small.processes()) == before)


def test_a_long_chain_of_calls_ends_in_an_error_and_never_hangs(small: Node) -> None:
    class Deep(Server):
        def go(self, depth: int) -> int:
            return 1 + Deep.start().proxy().go(depth - 1).get(timeout=float("inf"))

    with pytest.raises(CallExit) as caught:
        Deep.start().proxy().go(50).get(timeout=SOON)
    assert "all 4 workers wait in calls" in str(caught.value.reason)
    assert Echo.start().ask("alive", timeout=SOON) == "alive"


@pytest.mark.usefixtures("fine_switching")
def test_however_many_ask_at_once_a_full_pool_never_hangs(small: Node) -> None:
    # Everybody asks everybody else: calls are answered, refused as a ring, or find the pool
    # full; none waits for ever, and the pool is as good as new after it.
    class Asks(Server):
        def handle_call(self, message: Any, caller: Any) -> Any:
            if not message:
                return "answer"
            try:
                return message[0].ask(message[1:], timeout=None)
            except Exception as error:  # noqa: BLE001 - any of them will do
                return error

    dice = random.Random(4)
    processes = [Asks.start() for _ in range(12)]
    for _ in range(scaled(400)):
        calls = [
            process.ask(dice.choices(processes, k=dice.randrange(1, 5)), block=False, timeout=None)
            for process in processes
        ]
        for call in calls:
            call.get(timeout=SOON)
    assert [process.ask([]) for process in processes] == ["answer"] * 12
    assert repr(small.scheduler).endswith("0 waiting, 0 due>")


@pytest.mark.usefixtures("fine_switching")
def test_growing_and_shrinking_lose_nothing(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    # Workers come and go all the time; every message is handled, every call answered.
    monkeypatch.setattr(pools, "LINGER", 0.0002)
    rounds = scaled(4_000)

    class Hop(Server):
        def init(self) -> None:
            self.count = 0

        def handle_info(self, message: Any) -> None:
            self.count += 1

        def handle_call(self, message: Any, caller: Any) -> Any:
            match message:
                case [to, *rest]:
                    return to.ask(rest, timeout=SOON) + 1
            return self.count

    processes = [Hop.start() for _ in range(6)]

    def work() -> None:
        for at in range(rounds):
            processes[at % 6].tell("hop")
            if at % 5 == 0:
                chain = processes[: 1 + at % 4]
                assert chain[0].ask(chain[1:], timeout=SOON) >= len(chain) - 1

    at_once(work, work, work)
    eventually(lambda: sum(process.ask([]) for process in processes) == 3 * rounds)
    eventually(lambda: workers(node) <= 1)


@pytest.mark.usefixtures("fine_switching")
def test_bursts_from_rest_wake_whoever_is_needed(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each burst finds workers that are just about to end.
    monkeypatch.setattr(pools, "LINGER", 0.0005)
    processes = [Echo.start() for _ in range(8)]
    for at in range(scaled(4_000)):
        calls = [process.ask(at, block=False) for process in processes]
        assert [call.get(timeout=SOON) for call in calls] == [at] * 8
        node.sleep(0.0005 if at % 3 else 0.0)


def test_mail_that_comes_as_the_last_worker_leaves_is_handled(
    unlogged: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "LINGER", 0.001)
    monkeypatch.setattr(pools, "BASE", 1)

    class Leaving(pools.Pool):
        left = 0

        def _rest(self, worker: Any) -> bool:
            stays = super()._rest(worker)
            if not stays and self.left < 20:
                # It counts still, and nobody is idle.
                self.left += 1
                process.tell("late")
            return stays

    clock = SystemClock()
    with Node(clock=clock, scheduler=Leaving(clock)) as node:
        process = Echo.start()
        process.tell("early")
        eventually(lambda: process.control.actor.told == ["early"] + 20 * ["late"])
    assert threads_left(node) == []


def test_a_worker_that_cannot_be_had_is_no_harm_while_others_work(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = Echo.start()
    gate = hold_up(process, Wall)
    start = threading.Thread.start

    def refuse(self: threading.Thread) -> None:
        if self.name.startswith(node.name):
            raise RuntimeError("can't start new thread")
        start(self)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    other = Echo.start()
    call = other.ask("hello", block=False)
    gate.open()
    assert call.get(timeout=SOON) == "hello"


def test_the_first_worker_that_cannot_be_had_is_said(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = Echo.start()

    def refuse(_self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="new thread"):
            process.tell("hello")
    Echo.start().ask("anything that wakes the pool")
    eventually(lambda: process.ask("told") == ["hello"])


def test_the_ends_of_many_processes_wake_those_that_watch(node: Node) -> None:
    class Parent(Server):
        trap_exit = True

        def init(self) -> None:
            self.ends = 0

        def begin(self, count: int) -> list[Any]:
            return [Echo.start_link() for _ in range(count)]

        def ended(self) -> int:
            return self.ends

        def handle_info(self, message: Any) -> None:
            self.ends += 1

    parents = [Parent.start() for _ in range(4)]
    for _ in range(10):
        children = [parent.proxy().begin(25).get() for parent in parents]
        for several in zip(*children, strict=True):
            for child in several:
                child.cast(("do", lambda: exit("done")))
    for parent in parents:
        eventually(lambda parent=parent: parent.proxy().ended().get() == 250)


def test_the_pool_says_how_it_is(small: Node) -> None:
    assert repr(small.scheduler) == "<Pool: 0 workers, 0 waiting, 0 due>"
    with pytest.raises(StartError):
        type("Bad", (Server,), {"init": lambda _self: exit("no")}).start()
    Echo.start().ask("hello")
    assert repr(small.scheduler) == "<Pool: 1 workers, 0 waiting, 0 due>"
