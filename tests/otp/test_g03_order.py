"""G3: mail between two processes keeps its order; EXIT and DOWN come after all of it."""

from __future__ import annotations

from typing import Any

import pytest

from beam.otp import Down, Exit, Mailbox, Server, exit, link, monitor, spawn
from tests.otp.actors import KINDS, SOON, Echo, at_once, hold_up
from tests.volume import scaled

pytestmark = pytest.mark.usefixtures("node")

kinds = pytest.mark.parametrize("kind", KINDS)


class Sender(Server):
    """Sends numbers, in every way there is."""

    def send(self, to: Any, count: int) -> None:
        for at in range(0, count, 3):
            to.tell(at)
            to.cast(at + 1)
            to.ask(("keep", at + 2), block=False, timeout=None)


class Keeper(Echo):
    """Keeps everything in one list."""

    def handle_call(self, message: Any, caller: Any) -> Any:
        if type(message) is tuple and message[0] == "keep":
            self.told.append(message[1])
        return super().handle_call(message, caller)


@pytest.mark.parametrize("to", [None, False, True], ids=["to-pool", "to-inline", "to-thread"])
@pytest.mark.parametrize("by", [None, False, True], ids=["by-pool", "by-inline", "by-thread"])
@pytest.mark.usefixtures("fine_switching")
def test_g3_mail_between_two_processes_keeps_its_order(by: bool | None, to: bool | None) -> None:
    count = 3 * scaled(2_000)
    keeper = type("Keeper", (Keeper,), {"blocking": to}).start()
    sender = type("Sender", (Sender,), {"blocking": by}).start()
    sender.proxy().send(keeper, count).get(timeout=SOON)
    assert keeper.ask("told", timeout=SOON) == list(range(count))


@kinds
@pytest.mark.schedulers("pool", "thread")
@pytest.mark.usefixtures("fine_switching")
def test_g3_each_of_many_senders_has_its_order(kind: type[Echo]) -> None:
    keeper, each = kind.start(), scaled(6_000)

    def sends(who: int) -> Any:
        def send() -> None:
            for at in range(each):
                keeper.tell((who, at))

        return send

    at_once(*(sends(who) for who in range(3)))
    told = keeper.ask("told", timeout=SOON)
    for who in range(3):
        assert [at for sender, at in told if sender == who] == list(range(each))


@kinds
def test_g3_a_call_comes_after_what_was_sent_before_it(kind: type[Echo]) -> None:
    process = kind.start()
    for at in range(500):
        process.tell(at)
        assert process.ask("told", timeout=SOON)[-1] == at


@kinds
def test_g3_a_call_to_a_busy_process_does_not_overtake_the_mail_that_waits(
    kind: type[Echo],
) -> None:
    process = kind.start()
    gate = hold_up(process)
    for at in range(500):
        process.tell(at)
    question = process.ask("told", block=False)
    gate.open()
    assert question.get(timeout=SOON) == list(range(500))


@kinds
@pytest.mark.usefixtures("fine_switching")
def test_g3_exit_and_down_come_after_all_that_the_dead_process_had_sent(kind: type[Echo]) -> None:
    with Mailbox(trap_exit=True) as me:
        for _ in range(scaled(2_000)):
            process = kind.start()
            link(process)
            watching = monitor(process)

            def send_and_end() -> None:
                for at in range(5):
                    me.ref.tell(at)
                exit("done")

            process.cast(("do", send_and_end))
            got = [me.receive(timeout=SOON) for _ in range(7)]
            assert got[:5] == [0, 1, 2, 3, 4]
            ends = {Exit(process, "done"), Down(watching, process, "done")}
            assert set(got[5:]) == ends


@pytest.mark.usefixtures("fine_switching")
def test_g3_the_end_of_a_function_comes_after_what_it_sent() -> None:
    with Mailbox() as me:

        def send() -> None:
            for at in range(5):
                me.ref.tell(at)

        for _ in range(scaled(1_000)):
            watching = monitor(spawn(send))
            got = [me.receive(timeout=SOON) for _ in range(6)]
            # It may have ended before it was watched; then the Down comes at its own time.
            assert [each for each in got if type(each) is int] == [0, 1, 2, 3, 4]
            (down,) = [each for each in got if isinstance(each, Down)]
            assert down.monitor is watching
            assert down.reason == "noproc" or got[-1] is down


@kinds
def test_g3_what_is_left_to_do_comes_before_the_next_message_and_in_order(
    kind: type[Echo],
) -> None:
    class Continues(kind):  # type: ignore[misc, valid-type]
        def init(self) -> None:
            super().init()
            self.continue_with("first")
            self.continue_with("second")
            self.actor_ref.tell("mail")

        def handle_continue(self, message: Any) -> None:
            self.told.append(message)
            if message == "first":
                self.continue_with("third")

    assert Continues.start().ask("told") == ["first", "second", "third", "mail"]


@kinds
def test_g3_a_signal_comes_in_its_place_among_the_messages_of_its_sender(kind: type[Echo]) -> None:
    process = kind.start(trap_exit=True)
    with Mailbox() as me:
        gate = hold_up(process)
        process.tell("before")
        exit(process, "signal")
        process.tell("after")
        gate.open()
        assert process.ask("told") == ["before", Exit(me.ref, "signal"), "after"]
