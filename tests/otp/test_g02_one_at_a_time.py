"""G2: one process handles one message at a time, and never on two threads at once."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from beam.errors import CallTimeout
from beam.otp import Mailbox, Server, receive, spawn
from beam.testing import settle
from tests.otp.actors import KINDS, SOON, Echo, InlineEcho, at_once, eventually
from tests.volume import scaled

pytestmark = pytest.mark.usefixtures("node")

modes = pytest.mark.parametrize("blocking", [None, False, True], ids=["pool", "inline", "thread"])


class Alone(Server):
    """Notices when it is not alone in a handler."""

    def init(self) -> None:
        self.inside = False
        self.company = 0
        self.count = 0

    def step(self) -> None:
        self.company += self.inside
        self.inside = True
        count = self.count
        for _ in range(3):  # Room for others to come between.
            pass
        self.count = count + 1
        self.inside = False

    def handle_call(self, message: Any, caller: Any) -> Any:
        if message == "seen":
            return self.count, self.company
        self.step()
        return message

    def handle_cast(self, message: Any) -> None:
        self.step()

    def handle_info(self, message: Any) -> None:
        self.step()


def alone(blocking: bool | None) -> Any:
    return type("Alone", (Alone,), {"blocking": blocking}).start()


@modes
@pytest.mark.schedulers("pool", "thread")
@pytest.mark.usefixtures("fine_switching")
def test_g2_messages_from_many_threads_are_handled_one_by_one(blocking: bool | None) -> None:
    process, each = alone(blocking), scaled(8_000)

    def tell() -> None:
        for _ in range(each):
            process.tell("t")

    def cast() -> None:
        for _ in range(each):
            process.cast("c")

    def ask() -> None:
        for at in range(each // 4):
            assert process.ask(at, timeout=SOON) == at

    at_once(tell, cast, ask, ask)
    sent = 2 * each + 2 * (each // 4)
    eventually(lambda: process.ask("seen", timeout=SOON)[0] == sent)
    assert process.ask("seen") == (sent, 0)


@modes
@pytest.mark.schedulers("pool", "thread")
@pytest.mark.usefixtures("fine_switching")
def test_g2_no_wake_up_is_lost_when_mail_comes_as_a_process_goes_to_rest(
    blocking: bool | None,
) -> None:
    # Each round ends with the last message handled, so that the next one finds the process
    # between its last look into the mailbox and its rest.
    rounds = scaled(10_000)
    handled = threading.Semaphore(0)

    class Signals(Server):
        def handle_info(self, message: Any) -> None:
            handled.release()

    signals = type("Signals", (Signals,), {"blocking": blocking}).start()

    def tell() -> None:
        for _ in range(rounds):
            signals.tell("go")

    at_once(tell, tell, tell)
    for _ in range(3 * rounds):
        assert handled.acquire(timeout=SOON)
    for _ in range(rounds):
        signals.tell("go")
        assert handled.acquire(timeout=SOON)


@pytest.mark.schedulers("pool", "thread")
@pytest.mark.usefixtures("fine_switching")
def test_g2_no_wake_up_is_lost_among_many_processes_that_wake_each_other() -> None:
    # A token goes round a ring of processes, several tokens at once.
    laps, size, tokens = scaled(2_000), 7, 3
    arrived = threading.Semaphore(0)

    class Member(Server):
        def init(self) -> None:
            self.next: Any = None

        def handle_info(self, message: Any) -> None:
            match message:
                case ("next", process):
                    self.next = process
                case 0:
                    arrived.release()
                case left:
                    self.next.tell(left - 1)

    kinds: list[type[Server]] = [
        type("Member", (Member,), {"blocking": [None, False, True][at % 3]}) for at in range(size)
    ]
    ring = [kind.start() for kind in kinds]
    for at, process in enumerate(ring):
        process.tell(("next", ring[(at + 1) % size]))
    for token in range(tokens):
        ring[token].tell(laps * size)
    for _ in range(tokens):
        assert arrived.acquire(timeout=SOON)


@pytest.mark.schedulers("pool", "thread")
@pytest.mark.usefixtures("fine_switching")
def test_g2_a_process_that_is_run_by_its_callers_is_run_by_one_of_them() -> None:
    process, each = alone(False), scaled(20_000)

    def ask() -> None:
        for at in range(each):
            assert process.ask(at, timeout=SOON) == at

    at_once(ask, ask, ask)
    assert process.ask("seen") == (3 * each, 0)


@pytest.mark.schedulers("pool", "thread")
@pytest.mark.usefixtures("fine_switching")
def test_g2_callers_within_processes_run_it_one_at_a_time_too() -> None:
    shared, each = alone(False), scaled(4_000)

    class Caller(Server):
        def go(self) -> None:
            for at in range(each):
                assert shared.ask(at, timeout=SOON) == at

    callers = [type("Caller", (Caller,), {"blocking": kind}).start() for kind in (None, True)]
    for answer in [caller.proxy().go() for caller in callers]:
        answer.get(timeout=SOON)
    assert shared.ask("seen") == (2 * each, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_g2_a_process_does_not_serve_others_while_it_waits_in_a_call(kind: type[Echo]) -> None:
    slow, process = Echo.start(), kind.start()
    question = process.ask(("call", slow, "never"), block=False, timeout=0.05)
    process.tell("meanwhile")
    with pytest.raises(CallTimeout):
        question.get()
    settle()
    assert process.ask("told") == ["meanwhile"]


@pytest.mark.schedulers("pool", "thread")
def test_g2_a_function_takes_its_mail_one_by_one_however_many_send() -> None:
    each = scaled(6_000)

    def collect(to: Any) -> None:
        to.tell([receive(SOON) for _ in range(3 * each)])

    with Mailbox() as me:
        process = spawn(collect, me.ref)

        def tell() -> None:
            for at in range(each):
                process.tell(at)

        at_once(tell, tell, tell)
        got = me.receive(SOON)
    assert sorted(got) == sorted(3 * list(range(each)))


@pytest.mark.schedulers("pool", "simulation")  # Between threads the machine decides.
def test_g2_a_process_hands_its_turn_on_after_a_while() -> None:
    # Two that never run out of mail, on a pool where others are due too.
    class Busy(Server):
        def init(self) -> None:
            self.going = True

        def handle_info(self, message: Any) -> None:
            if self.going:
                self.actor_ref.tell("again")

        def handle_cast(self, message: Any) -> None:
            self.going = False

    busy = [Busy.start() for _ in range(8)]
    for process in busy:
        process.tell("go")
    assert [Echo.start().ask(at, timeout=SOON) for at in range(20)] == list(range(20))
    for process in busy:
        process.cast("enough")
    assert InlineEcho.start().ask("on") == "on"
