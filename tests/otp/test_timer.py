"""Timers: messages sent later, and taken back in time."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from beam.errors import InvalidInput
from beam.otp import Mailbox, Node, Server, Timer, exit, send_after
from beam.otp.clock import SystemClock
from beam.otp.timer import TimerThread
from tests.otp.actors import KINDS, SOON, Echo, StandingClock, at_once, eventually
from tests.volume import scaled

pytestmark = pytest.mark.usefixtures("node")


def test_a_message_comes_when_its_time_has(node: Node) -> None:
    with Mailbox() as me:
        begun = node.clock.now()
        timer = send_after(0.02, me.ref, "tick")
        assert isinstance(timer, Timer)
        assert me.receive(timeout=SOON) == "tick"
        assert node.clock.now() - begun >= 0.02


def test_messages_come_in_the_order_of_their_times(unlogged: None) -> None:
    clock = StandingClock()
    with Node(clock=clock), Mailbox() as me:
        for delay in (0.003, 0.001, 0.002, 0.0005):
            send_after(delay, me.ref, delay)
        clock.seconds += 1.0
        assert [me.receive() for _ in range(4)] == [0.0005, 0.001, 0.002, 0.003]


def test_messages_of_one_time_come_in_the_order_they_were_set() -> None:
    clock = SystemClock()
    came: list[int] = []
    timers = TimerThread(clock, "test-timers")
    when, done = clock.now() + 0.01, threading.Event()
    for at in range(100):
        timers.call_at(when, lambda at=at: came.append(at))
    timers.call_at(when, done.set)
    assert done.wait(SOON)
    assert came == list(range(100))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_process_gets_them(kind: type[Echo]) -> None:
    class Ticks(kind):  # type: ignore[misc, valid-type]
        def init(self) -> None:
            super().init()
            self.send_after(0.01, "tick")

    process = Ticks.start()
    eventually(lambda: process.ask("told") == ["tick"])


def test_a_timer_that_was_cancelled_does_not_fire() -> None:
    with Mailbox() as me:
        timer = send_after(SOON, me.ref, "never")
        left = timer.cancel()
        assert left is not None
        assert 0.0 <= left <= SOON
        assert timer.cancel() is None
        send_after(0.01, me.ref, "later")
        assert me.receive(timeout=SOON) == "later"
        assert me.messages() == []


def test_a_timer_that_has_fired_cannot_be_cancelled() -> None:
    with Mailbox() as me:
        timer = send_after(0.0, me.ref, "tick")
        assert me.receive(timeout=SOON) == "tick"
        assert timer.cancel() is None


def test_a_message_to_the_dead_goes_nowhere() -> None:
    process = Echo.start()
    with Mailbox() as me:
        send_after(0.01, process, "tick")
        exit(process, "gone")
        send_after(0.02, me.ref, "on")
        assert me.receive(timeout=SOON) == "on"


@pytest.mark.parametrize("delay", [-1, float("nan"), "1", None])
def test_a_delay_that_is_none_is_refused(delay: Any) -> None:
    process = Echo.start()
    with pytest.raises(InvalidInput, match="delay"):
        send_after(delay, process, "tick")


def test_a_timer_without_end_never_fires() -> None:
    timer = send_after(float("inf"), Echo.start(), "never")
    with Mailbox() as me:
        send_after(0.01, me.ref, "on")
        assert me.receive(timeout=SOON) == "on"
    assert timer.cancel() == float("inf")


def test_the_thread_of_timers_is_there_while_timers_are() -> None:
    clock = SystemClock()
    timers = TimerThread(clock, "few-timers")

    def threads() -> int:
        return sum(each.name == "few-timers" for each in threading.enumerate())

    for _ in range(3):
        done, seen = threading.Event(), list[int]()
        for delay in (0.0, 0.001, 0.002):
            timers.call_at(clock.now() + delay, lambda seen=seen: seen.append(threads()))
        timers.call_at(clock.now() + 0.01, done.set)
        assert done.wait(SOON)
        assert seen == [1, 1, 1]
        eventually(lambda: threads() == 0)


def test_a_stopped_timer_thread_fires_nothing() -> None:
    clock = SystemClock()
    timers = TimerThread(clock, "stopped-timers")
    came: list[str] = []
    timers.call_at(clock.now() + SOON, lambda: came.append("early"))
    timers.stop()
    timers.call_at(clock.now(), lambda: came.append("late"))
    eventually(lambda: all(each.name != "stopped-timers" for each in threading.enumerate()))
    assert came == []


def test_an_action_that_fails_stops_no_others() -> None:
    clock = SystemClock()
    timers = TimerThread(clock, "tough-timers")
    done = threading.Event()
    timers.call_at(clock.now(), lambda: 1 / 0)
    timers.call_at(clock.now() + 0.01, done.set)
    assert done.wait(SOON)
    eventually(lambda: all(each.name != "tough-timers" for each in threading.enumerate()))


def test_an_earlier_timer_set_later_comes_first() -> None:
    with Mailbox() as me:
        slow = send_after(SOON, me.ref, "slow")
        send_after(0.01, me.ref, "quick")
        assert me.receive(timeout=SOON) == "quick"
        assert slow.cancel() is not None


@pytest.mark.schedulers("pool")
def test_cancelled_timers_are_swept(node: Node) -> None:
    process = Echo.start()
    for _ in range(5000):
        send_after(1000.0, process, "never").cancel()
    assert len(node.scheduler._timers._heap) < 2500  # type: ignore[attr-defined]


@pytest.mark.schedulers("pool", "thread")
@pytest.mark.usefixtures("fine_switching")
def test_a_timer_never_fires_after_cancel_has_returned_a_number() -> None:
    class Collects(Server):
        def init(self) -> None:
            self.came: list[int] = []

        def handle_info(self, message: int) -> None:
            self.came.append(message)

        def handle_call(self, message: Any, caller: Any) -> Any:
            return list(self.came)

    process = Collects.start()
    count = scaled(10_000)
    timers = [send_after((at % 7) * 0.0002, process, at) for at in range(count)]

    def cancel(part: int) -> Any:
        def cancelling() -> list[int]:
            mine = range(part, count, 2)
            return [at for at in mine if timers[at].cancel() is not None]

        return cancelling

    cancelled = set().union(*at_once(cancel(0), cancel(1)))
    eventually(lambda: len(process.ask("came")) + len(cancelled) >= count)
    came = process.ask("came", timeout=SOON)
    assert len(came) == len(set(came))
    assert set(came) | cancelled == set(range(count))
    assert cancelled.isdisjoint(came)


@pytest.mark.schedulers("pool", "thread")
@pytest.mark.usefixtures("fine_switching")
def test_timers_set_by_many_threads_all_fire_once() -> None:
    with Mailbox() as me:
        each = scaled(4_000)

        def setting(who: int) -> Any:
            def set_timers() -> None:
                for at in range(each):
                    send_after((at % 5) * 0.0005, me.ref, (who, at))

            return set_timers

        at_once(setting(0), setting(1), setting(2))
        came = [me.receive(timeout=SOON) for _ in range(3 * each)]
        assert sorted(came) == [(who, at) for who in range(3) for at in range(each)]
        assert me.messages() == []
