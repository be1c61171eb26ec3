"""G6: rings of calls are refused, with their path, and nothing else is."""

from __future__ import annotations

import math
import threading
from collections import Counter
from typing import Any

import pytest

from beam.errors import (
    CallCycle,
    CallExit,
)
from beam.otp import DynamicSupervisor, Mailbox, Node, Server, child, noreply
from beam.testing import settle
from tests.otp.actors import (
    KINDS,
    SOON,
    Echo,
)
from tests.otp.chains import Member, chain, members
from tests.volume import scaled

pytestmark = pytest.mark.usefixtures("node")

kinds = pytest.mark.parametrize("kind", KINDS)
blockings = pytest.mark.parametrize(
    "blocking", [None, False, True], ids=["pool", "inline", "thread"]
)


@kinds
def test_g6_a_call_to_oneself_is_a_ring_of_one(kind: type[Echo]) -> None:
    process, paths = kind.start(), []

    def ask_myself() -> str:
        try:
            process.ask("hello", timeout=None)
        except CallCycle as ring:
            paths.append(ring.path)
        return "lives"

    assert process.ask(("do", ask_myself)) == "lives"
    assert paths == [(process, process)]


@pytest.mark.parametrize("blocking", [None, False, True, "mixed"])
@pytest.mark.parametrize("length", range(2, 7))
def test_g6_a_ring_is_refused_with_its_path(length: int, blocking: Any) -> None:
    ring = members(length, blocking)
    chain(ring, ring=True)
    refused = ring[0].proxy().go().get(timeout=SOON)
    assert isinstance(refused, CallCycle)
    # Whoever closes the ring comes first and last.
    at = ring.index(refused.path[0])
    assert refused.path == (*ring[at:], *ring[: at + 1])


@blockings
def test_g6_what_was_refused_is_not_done_later(blocking: Any) -> None:
    # Were it, each would go on to ask the next, for ever.
    ring = members(3, blocking)
    chain(ring, ring=True)
    begun = [process.proxy().go() for process in ring]
    assert all(isinstance(call.get(timeout=SOON), CallCycle) for call in begun)
    settle()


def test_g6_what_has_begun_when_it_is_refused_can_be_awaited_once_more() -> None:
    class Worker(Server):
        def work(self, other: Any) -> str:
            return f"{other.ask('hello', timeout=SOON)} there"

    class Asker(Server):
        def go(self) -> str:
            self.work = worker.proxy().work(self.actor_ref)
            while (wait := tree.tree().children[0].waits) is None or wait.kind != "call":
                self.sleep(0.001)
            with pytest.raises(CallCycle):
                self.work.get(timeout=SOON)
            return "refused"

        def again(self) -> Any:
            return self.work.get(timeout=SOON)

        def handle_call(self, message: Any, caller: Any) -> Any:
            return message

    tree = DynamicSupervisor.start()
    worker, asker = tree.start_child(child(Worker)), Asker.start()
    assert asker.proxy().go().get(timeout=SOON) == "refused"
    assert asker.proxy().again().get(timeout=SOON) == "hello there"


@pytest.mark.usefixtures("fine_switching")
@pytest.mark.parametrize("blocking", [None, True, "mixed"])
def test_g6_a_ring_that_closes_in_many_places_at_once_never_hangs(blocking: Any) -> None:
    for length in (2, 3, 5):
        ring = members(length, blocking)
        chain(ring, ring=True)
        for _ in range(scaled(200)):
            begun = [process.proxy().go() for process in ring]
            outcomes = [call.get(timeout=SOON) for call in begun]
            assert all(isinstance(each, CallCycle) for each in outcomes)


@pytest.mark.schedulers("pool", "thread")
@pytest.mark.usefixtures("fine_switching")
@pytest.mark.parametrize("blocking", [None, True])
def test_g6_a_ring_that_closes_at_once_never_hangs_and_refuses_exactly_one(blocking: Any) -> None:
    class Point(Server):
        def meet(self, barrier: Any, other: Any) -> Any:
            barrier.wait(SOON)
            try:
                return other.ask("there?", timeout=None)
            except CallCycle:
                return "refused"

        def handle_call(self, message: Any, caller: Any) -> Any:
            return "here"

    for size in (2, 3, 4):
        points = [type("Point", (Point,), {"blocking": blocking}).start() for _ in range(size)]
        for _ in range(scaled(2_000)):
            barrier = threading.Barrier(size)
            meetings = [
                point.proxy().meet(barrier, points[(at + 1) % size])
                for at, point in enumerate(points)
            ]
            outcomes = Counter(meeting.get(timeout=SOON) for meeting in meetings)
            assert outcomes == {"refused": 1, "here": size - 1}


@pytest.mark.parametrize("blocking", [None, False, True, "mixed"])
def test_g6_a_long_chain_is_no_ring(blocking: Any) -> None:
    processes = members(60, blocking)
    chain(processes, ring=False)
    assert processes[0].proxy().go().get(timeout=SOON) == "the end"


@pytest.mark.usefixtures("fine_switching")
@pytest.mark.parametrize("blocking", [None, False, True, "mixed"])
def test_g6_calls_without_a_ring_are_never_refused(blocking: Any) -> None:
    # Each may ask those after it; each of them is asked by several at once.
    class Layer(Member):
        def ask_on(self, at: int, layers: list[Any]) -> int:
            count = 1
            for later in layers[at + 1 : at + 3]:
                count += layers[0] is not later and later.proxy().ask_on(
                    layers.index(later), layers
                ).get(timeout=math.inf)
            return count

    modes = [None, False, True] if blocking == "mixed" else [blocking]
    kinds = [type("Layer", (Layer,), {"blocking": mode}) for mode in modes]
    layers = [kinds[at % len(kinds)].start() for at in range(6)]
    for _ in range(scaled(400)):
        begun = [layers[at].proxy().ask_on(at, layers) for at in (0, 1, 0, 2)]
        assert [call.get(timeout=SOON) for call in begun] == [20, 12, 20, 7]


@pytest.mark.usefixtures("fine_switching")
@pytest.mark.parametrize("blocking", [None, True])
def test_g6_one_that_has_been_answered_may_be_asked_at_once(blocking: Any) -> None:
    # It has its answer, but has not woken up yet: no ring.
    refusals: list[Any] = []

    class First(Server):
        def go(self, other: Any) -> str:
            return other.ask("hello", timeout=SOON)

        def handle_call(self, message: Any, caller: Any) -> Any:
            return message

    class Second(Server):
        def handle_call(self, message: Any, caller: Any) -> Any:
            if message == "done?":
                return "done"
            caller.reply("answer")
            try:
                assert caller.process.ask("you there?", timeout=SOON) == "you there?"
            except CallCycle as ring:
                refusals.append(ring)
            return noreply

    first = type("First", (First,), {"blocking": blocking}).start()
    second = type("Second", (Second,), {"blocking": blocking}).start()
    for _ in range(scaled(10_000)):
        assert first.proxy().go(second).get(timeout=SOON) == "answer"
        assert second.ask("done?", timeout=SOON) == "done"
    assert refusals == []


def test_g6_a_ring_through_a_process_that_starts_is_refused() -> None:
    refused: list[Any] = []

    class Child(Server):
        def init(self, parent: Any) -> None:
            try:
                parent.ask("hello", timeout=None)
            except CallCycle as ring:
                refused.append(ring.path)

    parent = Echo.start()
    parent.ask(("do", lambda: Child.start(parent)))
    (path,) = refused
    assert path == (path[0], parent, path[0])


@pytest.mark.schedulers("pool", "thread")  # A simulation is of one node.
def test_g6_rings_are_refused_across_nodes() -> None:
    first = Member.start()
    with Node():
        second = Member.start()
        first.proxy().chain_to(second).get()
        second.proxy().chain_to(first).get()
        refused = first.proxy().go().get(timeout=SOON)
        assert isinstance(refused, CallCycle)
        assert refused.path == (second, first, second)


def test_g6_a_thread_that_is_a_process_is_part_of_rings() -> None:
    with Mailbox() as me:
        process = Echo.start()
        with pytest.raises(CallExit) as caught:
            process.ask(("call", me.ref, "hello"), timeout=None)
        assert isinstance(caught.value.reason.exception, CallCycle)
