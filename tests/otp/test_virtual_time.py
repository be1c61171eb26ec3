"""`VirtualClock`: time that is moved by hand, alone and under real threads."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from beam.errors import CallTimeout, InvalidInput
from beam.otp import Mailbox, Node, Server, send_after
from beam.otp.threads import Threads
from beam.otp.virtual_time import VirtualClock
from tests.otp.actors import SOON, Echo, eventually


@pytest.fixture(params=["pool", "threads"])
def clock(request: Any, unlogged: None) -> Any:
    clock = VirtualClock(seed=1)
    threads = Threads(clock, "virtual") if request.param == "threads" else None
    with Node(clock=clock, scheduler=threads):
        yield clock


def test_what_is_due_comes_in_the_order_of_its_time_and_then_of_its_setting() -> None:
    clock, seen = VirtualClock(), list[str]()
    for when, what in ((2.0, "b"), (1.0, "a"), (2.0, "c"), (9.0, "never")):
        clock.call_at(when, lambda what=what: seen.append(what))  # type: ignore[misc]
    clock.call_at(1.5, lambda: seen.append("cancelled")).clear()
    clock.advance(5.0)
    assert seen == ["a", "b", "c"]
    assert clock.now() == 5.0
    assert clock.next_due() == 9.0


def test_what_is_set_while_time_moves_comes_in_the_same_move_if_it_is_due() -> None:
    clock, seen = VirtualClock(), list[float]()

    def again() -> None:
        seen.append(clock.now())
        clock.call_at(clock.now() + 1.0, again)

    clock.call_at(1.0, again)
    clock.advance(3.5)
    assert seen == [1.0, 2.0, 3.0]


def test_what_only_looks_on_is_not_waited_for() -> None:
    clock = VirtualClock()
    clock.call_at(1.0, lambda: None, background=True)
    assert clock.next_due() == 1.0
    assert clock.next_due(background=False) is None
    clock.call_at(2.0, lambda: None)
    assert clock.next_due(background=False) == 2.0


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), "x"], ids=["back", "nan", "text"])
def test_it_is_moved_forward_only(seconds: Any) -> None:
    with pytest.raises(InvalidInput, match="seconds"):
        VirtualClock().advance(seconds)


def test_the_same_seed_has_the_same_chance() -> None:
    assert VirtualClock(7).random.random() == VirtualClock(7).random.random()


def test_timers_of_real_threads_fire_when_it_is_moved(clock: VirtualClock) -> None:
    with Mailbox() as me:
        for delay in (3600.0, 60.0):
            send_after(delay, me.ref, delay)
        clock.advance(59.0)
        assert me.messages() == []
        clock.advance(1.0)
        assert me.receive() == 60.0
        clock.advance(4000.0)
        assert me.receive() == 3600.0


def test_a_call_ends_when_its_deadline_is_passed(clock: VirtualClock) -> None:
    process = Echo.start()
    errors: list[BaseException] = []

    def call() -> None:
        try:
            process.ask("never", timeout=100.0)
        except CallTimeout as late:
            errors.append(late)

    thread = threading.Thread(target=call)
    thread.start()
    eventually(lambda: clock.next_due() == 100.0)
    clock.advance(99.0)
    assert thread.is_alive()
    clock.advance(1.0)
    thread.join(SOON)
    assert len(errors) == 1


def test_a_process_sleeps_until_it_is_moved(clock: VirtualClock) -> None:
    class Sleeper(Server):
        def nap(self) -> float:
            self.sleep(10.0)
            return self.node.clock.now()

    answer = Sleeper.start().proxy().nap()
    eventually(lambda: clock.next_due() == 10.0)
    clock.advance(10.0)
    assert answer.get(timeout=SOON) == 10.0
