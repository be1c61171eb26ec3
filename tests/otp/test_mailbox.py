"""Mailboxes: threads that are processes, and functions that are."""

from __future__ import annotations

from typing import Any

import pytest

from beam.errors import AlreadyExists, Exited, InvalidInput, NotAProcess, Refused
from beam.otp import (
    Crash,
    Down,
    Exit,
    Mailbox,
    Node,
    Server,
    current_process,
    exit,
    link,
    monitor,
    receive,
    spawn,
    spawn_link,
    whereis,
)
from beam.testing import settle
from tests.otp.actors import SOON, Echo, death_of

pytestmark = pytest.mark.usefixtures("node")


def test_outside_a_process_there_is_no_mail() -> None:
    assert current_process() is None
    with pytest.raises(NotAProcess, match="receive"):
        receive(timeout=0)


def test_a_mailbox_makes_the_thread_a_process_for_the_block(node: Node) -> None:
    with Mailbox() as me:
        assert current_process() is me.ref
        assert node.processes() == [me.ref]
        assert me.ref.is_alive()
    assert current_process() is None
    assert me.ref.exit_reason == "normal"
    assert node.processes() == []


def test_messages_are_taken_oldest_first() -> None:
    with Mailbox() as me:
        me.ref.tell("info")
        me.ref.cast("cast")
        assert me.messages() == ["info", "cast"]
        assert me.receive(timeout=SOON) == "info"
        assert receive(timeout=SOON) == "cast"
        assert me.messages() == []


@pytest.mark.parametrize("timeout", [0, 0.01])
def test_receive_gives_up_at_its_timeout(timeout: float) -> None:
    with Mailbox() as me:
        with pytest.raises(TimeoutError, match=str(timeout)):
            me.receive(timeout=timeout)
        me.ref.tell("there")
        assert me.receive(timeout=0) == "there"


def test_a_timeout_that_is_none_is_refused() -> None:
    with Mailbox() as me, pytest.raises(InvalidInput, match="timeout"):
        me.receive(timeout="1")  # type: ignore[arg-type]


def test_a_named_mailbox_is_found() -> None:
    with Mailbox("me") as me:
        assert whereis("me") is me.ref
        with pytest.raises(AlreadyExists), Mailbox("me"):
            pass
        assert current_process() is me.ref
    assert whereis("me") is None


def test_a_mailbox_whose_name_is_taken_leaves_nothing(node: Node) -> None:
    Echo.start(name="me")
    before = node.processes()
    with pytest.raises(AlreadyExists), Mailbox("me"):
        pass
    assert node.processes() == before
    assert current_process() is None


def test_mailboxes_nest() -> None:
    with Mailbox() as outer:
        with Mailbox() as inner:
            assert current_process() is inner.ref
            outer.ref.tell("outer")
            inner.ref.tell("inner")
            assert receive(timeout=SOON) == "inner"
        assert receive(timeout=SOON) == "outer"


def test_a_mailbox_is_entered_once() -> None:
    mailbox = Mailbox()
    with mailbox:
        pass
    with pytest.raises(InvalidInput, match="mailbox"), mailbox:
        pass


def test_an_exception_in_the_block_is_the_exit_reason() -> None:
    with pytest.raises(KeyError), Mailbox() as me:
        raise KeyError("k")
    assert isinstance(me.ref.exit_reason, Crash)
    with pytest.raises(Exited), Mailbox() as me:
        exit("done")
    assert me.ref.exit_reason == "done"


def test_trapped_signals_are_mail() -> None:
    with Mailbox(trap_exit=True) as me:
        process = Echo.start_link()
        exit(process, "gone")
        assert me.receive(timeout=SOON) == Exit(process, "gone")
        exit(me.ref, "to myself")
        assert me.receive(timeout=SOON) == Exit(me.ref, "to myself")
    assert me.ref.exit_reason == "normal"


def test_a_signal_that_comes_while_the_thread_does_not_wait_ends_the_process_with_the_block() -> (
    None
):
    with Mailbox() as me:
        Echo.start().cast(("do", lambda: exit(me.ref, "enough")))
        settle()
        assert me.ref.is_alive()
    assert me.ref.exit_reason == "enough"


def test_a_signal_that_comes_during_a_call_ends_the_process_there() -> None:
    me = Mailbox()
    with pytest.raises(Exited), me:
        Echo.start().ask(("do", lambda: exit(me.ref, "enough")))
    assert me.ref.exit_reason == "enough"


def test_a_call_is_refused_and_does_not_come_as_mail() -> None:
    with Mailbox() as me:

        def ask() -> Any:
            with pytest.raises(Refused) as refused:
                me.ref.ask("hello", timeout=SOON)
            return refused.value.reason

        asking = Echo.start().ask(("do", ask), block=False)
        while not asking.done:
            with pytest.raises(TimeoutError):
                me.receive(timeout=0.01)
        assert asking.get() == "no_calls"


def test_inside_a_server_there_is_no_receive() -> None:
    process = Echo.start()
    with pytest.raises(Exception, match="receive"):
        process.ask(("do", receive))
    assert isinstance(death_of(process), Crash | str)


# Functions


def test_a_function_ends_with_what_it_returns_dropped() -> None:
    process = spawn(lambda: "dropped")
    assert death_of(process) in {"normal", "noproc"}
    assert process.exit_reason == "normal"


def test_a_function_gets_its_arguments() -> None:
    with Mailbox() as me:
        spawn(lambda a, *, b: me.ref.tell((a, b)), 1, b=2)
        assert me.receive(timeout=SOON) == (1, 2)


def test_a_function_is_a_process() -> None:
    with Mailbox(trap_exit=True) as me:

        def talk() -> None:
            me.ref.tell(current_process())
            me.ref.tell(receive(timeout=SOON))
            exit("said all")

        process = spawn_link(talk)
        watching = monitor(process)
        assert me.receive(timeout=SOON) is process
        process.tell("hello")
        assert me.receive(timeout=SOON) == "hello"
        ends = {me.receive(timeout=SOON), me.receive(timeout=SOON)}
        assert ends == {Exit(process, "said all"), Down(watching, process, "said all")}


def test_a_function_may_call_and_link() -> None:
    with Mailbox() as me:
        echo = Echo.start()

        def work() -> None:
            link(echo)
            me.ref.tell(echo.ask("answer"))
            receive()

        process = spawn(work)
        assert me.receive(timeout=SOON) == "answer"
        exit(process, "gone")
        assert death_of(echo) == "gone"


def test_a_function_that_is_stopped_ends_where_it_waits() -> None:
    process = spawn(receive)
    assert process.stop(reason="done", timeout=SOON) is True
    assert process.exit_reason == "done"


def test_two_functions_play_ping_pong() -> None:
    with Mailbox() as me:

        def pong() -> None:
            while True:
                sender, count = receive(timeout=SOON)
                sender.tell(count + 1)

        def ping(to: Any) -> None:
            mine, count = current_process(), 0
            while count < 100:
                to.tell((mine, count))
                count = receive(timeout=SOON)
            me.ref.tell(count)

        other = spawn(pong)
        spawn(ping, other)
        assert me.receive(timeout=SOON) == 100
        exit(other, "kill")


def test_mail_left_in_a_mailbox_goes_with_it() -> None:
    class Tells(Server):
        def handle_call(self, message: Any, caller: Any) -> Any:
            message.tell("late")
            return None

    process = Tells.start()
    with Mailbox() as me:
        process.ask(me.ref)
    assert me.messages() == []
