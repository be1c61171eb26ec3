"""`settle`: everything that was begun has run its course, on each scheduler."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from beam.errors import InvalidInput, NotSettled
from beam.otp import Mailbox, Server, current_node, exit, receive, send_after, spawn
from beam.testing import node_on, settle

pytestmark = pytest.mark.usefixtures("unlogged")


class Hop(Server):
    """Passes a number on to the next, one less, until it is nothing."""

    def init(self, seen: list[int]) -> None:
        self.seen = seen

    def handle_cast(self, message: Any) -> None:
        count, others = message
        self.seen.append(count)
        if count:
            others[count % len(others)].cast((count - 1, others))


def test_all_that_follows_from_a_message_has_happened(scheduler: Any) -> None:
    with node_on(scheduler):
        seen: list[int] = []
        hops = [Hop.start(seen) for _ in range(3)]
        hops[0].cast((30, hops))
        settle()
        assert seen == list(range(30, -1, -1))


def test_a_function_that_waits_for_mail_is_at_rest_and_its_last_words_are_out(
    scheduler: Any,
) -> None:
    def work(to: Any) -> None:
        for _ in range(3):
            to.tell(receive())

    with node_on(scheduler), Mailbox(trap_exit=True) as me:
        process = spawn(work, me.ref)
        settle()
        assert process.is_alive()
        for word in "abc":
            process.tell(word)
        settle()
        assert me.messages() == ["a", "b", "c"]
        assert not process.is_alive()


def test_a_timer_that_will_fire_later_is_not_waited_for(scheduler: Any) -> None:
    with node_on(scheduler) as node, Mailbox() as me:
        send_after(60.0, me.ref, "late")
        begun = node.clock.now()
        settle()
        assert node.clock.now() - begun < 60.0
        assert me.messages() == []


def test_the_calls_of_the_dead_have_failed(scheduler: Any) -> None:
    with node_on(scheduler):
        process = Hop.start([])
        answers = [process.ask("what", block=False) for _ in range(10)]
        exit(process, "over")
        settle()
        assert all(answer.done for answer in answers)


def test_a_process_that_waits_for_the_others_to_rest_is_waited_for(scheduler: Any) -> None:
    seen: list[Any] = []

    def work() -> None:
        receive()
        hops = [Hop.start(seen) for _ in range(3)]
        hops[0].cast((30, hops))
        settle()
        seen.append("rested")

    with node_on(scheduler):
        spawn(work).tell("begin")
        settle()
        assert seen == [*range(30, -1, -1), "rested"]


def test_who_is_not_at_rest_is_named() -> None:
    gate = threading.Event()

    class Held(Server):
        def handle_cast(self, message: Any) -> None:
            assert gate.wait(30.0)

    with node_on("pool"):
        held, other = Held.start(), Held.start()
        held.cast("wait")
        with pytest.raises(NotSettled) as caught:
            settle(timeout=0.01)
        gate.set()
        assert caught.value.busy == (held,)
        assert other.is_alive()
        settle()


def test_only_known_schedulers_are_there() -> None:
    with pytest.raises(InvalidInput, match="scheduler"), node_on("fibre"):  # type: ignore[arg-type]
        raise AssertionError


def test_on_threads_each_process_has_its_own() -> None:
    class Who(Server):
        blocking = False

        def init(self) -> None:
            self.there = threading.get_ident()

        def who(self) -> bool:
            return threading.get_ident() == self.there

    with node_on("thread"):
        processes = [Who.start().proxy() for _ in range(3)]
        assert all(process.who().get() for process in processes)
        threads = {process.there.get() for process in processes}
        assert len(threads) == 3
        assert threading.get_ident() not in threads
        assert current_node().scheduler.own_threads
