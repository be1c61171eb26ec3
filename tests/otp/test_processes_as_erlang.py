"""What links, monitors, signals, names and timers do, each as Erlang/OTP 25 was seen to do it.

The rows of docs/otp-parity.md on processes, as far as no test of G4 or G5 holds them, on every
scheduler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from beam.errors import CallExit, CallTimeout, StartError
from beam.otp import (
    Down,
    Exit,
    Mailbox,
    Node,
    Ref,
    Server,
    current_process,
    demonitor,
    exit,
    ignore,
    link,
    monitor,
    noreply,
    receive,
    register,
    send_after,
    spawn,
    spawn_link,
    spawn_monitor,
    unlink,
    unregister,
    whereis,
)
from beam.testing import SCHEDULERS, node_on, settle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(params=SCHEDULERS, autouse=True)
def node(request: pytest.FixtureRequest, unlogged: None) -> Iterator[Node]:
    with node_on(request.param) as node:
        yield node


def obedient() -> None:
    """Do what is told, until that ends the process."""
    while True:
        receive()()


def seen(me: Mailbox) -> list[Any]:
    """Return what is in the mailbox when everything has run its course."""
    settle()
    return me.messages()


def run(function: Callable[[], Any]) -> Any:
    """Run a function in a process; return the reason with which it ended."""
    process = spawn(function)
    settle()
    return process.exit_reason


def link_to(process: Ref[Any]) -> Any:
    """Return what comes of a link to a process, when everything has run its course."""
    with Mailbox(trap_exit=True) as me:
        link(process)
        (told,) = seen(me)
        return told.reason


def dead() -> Ref[Any]:
    process = spawn(lambda: None)
    settle()
    return process


class Worker(Server):
    """Does what it is asked."""

    def init(self, begin: Callable[[], Any] = lambda: None) -> Any:
        return begin()

    def handle_call(self, message: Any, _caller: Any) -> Any:
        return message(self)

    def handle_cast(self, message: Any) -> None:
        message(self)


# Signals keep their order


def test_who_has_sent_a_signal_finds_that_its_receiver_is_not_alive() -> None:
    with Mailbox():
        process = spawn(obedient)
        settle()
        process.tell(lambda: None)
        exit(process, "boom")
        assert not process.is_alive()
        assert link_to(process) == "noproc"


# Links


def test_who_is_linked_to_a_killed_process_hears_killed() -> None:
    with Mailbox(trap_exit=True) as me:
        process = spawn_link(obedient)
        exit(process, "kill")
        assert seen(me) == [Exit(process, "killed")]


def test_kill_is_a_reason_like_others_of_one_that_ends_itself_with_it() -> None:
    with Mailbox(trap_exit=True) as me:
        process = spawn_link(lambda: exit("kill"))
        assert seen(me) == [Exit(process, "kill")]


def test_two_links_are_undone_by_one_unlink() -> None:
    with Mailbox(trap_exit=True) as me:
        process = spawn(obedient)
        link(process)
        link(process)
        unlink(process)
        exit(process, "gone")
        assert seen(me) == []


def test_an_exit_that_has_come_stays_after_unlink() -> None:
    with Mailbox(trap_exit=True) as me:
        process = spawn_link(lambda: None)
        settle()
        unlink(process)
        assert seen(me) == [Exit(process, "normal")]


def test_an_exit_that_has_come_stays_when_its_process_traps_no_more() -> None:
    with Mailbox(trap_exit=True) as me:
        process = spawn_link(lambda: exit("gone"))
        settle()
        me.ref.trap_exit = False
        assert seen(me) == [Exit(process, "gone")]


def test_a_signal_ends_one_that_traps_no_more() -> None:
    def process() -> None:
        current_process().trap_exit = True
        child = spawn_link(obedient)
        current_process().trap_exit = False
        child.tell(lambda: exit("gone"))
        receive()

    assert run(process) == "gone"


def test_trapping_is_not_inherited() -> None:
    told = []
    with Mailbox(trap_exit=True):
        spawn(lambda: told.append(current_process().trap_exit))
        settle()
    assert told == [False]


def test_to_link_with_oneself_is_nothing() -> None:
    with Mailbox() as me:
        link(me.ref)
        unlink(me.ref)
        assert me.ref.links() == []


def test_who_is_not_linked_survives_its_starter() -> None:
    started = []
    assert run(lambda: started.append(spawn(obedient)) or exit("gone")) == "gone"
    assert started[0].is_alive()


# Monitors


def test_a_monitor_by_name_stays_with_the_process_that_had_it() -> None:
    with Mailbox() as me:
        first, second = spawn(obedient), spawn(obedient)
        register("name", first)
        watch = monitor("name")
        unregister("name")
        register("name", second)
        exit(second, "other")
        assert seen(me) == []
        exit(first, "gone")
        assert seen(me) == [Down(watch, "name", "gone")]


def test_to_flush_one_down_leaves_the_others() -> None:
    with Mailbox() as me:
        process = dead()
        first, second = monitor(process), monitor(process)
        assert demonitor(first, flush=True) is False
        assert seen(me) == [Down(second, process, "noproc")]


def test_what_the_dead_had_sent_comes_before_its_down_and_its_exit() -> None:
    with Mailbox(trap_exit=True) as me:
        ref = me.ref
        process, watch = spawn_monitor(lambda: ref.tell(1) or ref.tell(2) or exit("gone"))
        assert seen(me) == [1, 2, Down(watch, process, "gone")]


@pytest.mark.parametrize("ties", [(link, monitor), (monitor, link)])
def test_an_exit_comes_before_a_down_whichever_was_set_first(ties: Any) -> None:
    with Mailbox(trap_exit=True) as me:
        process = spawn(obedient)
        for tie in ties:
            tie(process)
        exit(process, "gone")
        assert [type(each) for each in seen(me)] == [Exit, Down]


def test_a_name_is_free_when_its_process_is_said_to_have_ended() -> None:
    free = []

    def process() -> None:
        current_process().trap_exit = True
        child = spawn_link(obedient)
        register("name", child)
        monitor(child)
        exit(child, "gone")
        for _ in range(2):
            receive()
            free.append(whereis("name"))

    assert run(process) == "normal"
    assert free == [None, None]


def test_the_death_of_who_watches_is_nothing_to_who_is_watched() -> None:
    process = spawn(obedient)
    watcher = spawn(lambda: monitor(process) and obedient())
    settle()
    exit(watcher, "kill")
    settle()
    assert process.is_alive()


# Signals to oneself


@pytest.mark.parametrize(
    ("reason", "got"), [("normal", "normal"), ("x", "x"), ("killed", "killed")]
)
def test_a_signal_to_oneself_is_mail_to_one_that_traps(reason: str, got: str) -> None:
    with Mailbox(trap_exit=True) as me:
        exit(me.ref, reason)
        assert me.messages() == [Exit(me.ref, got)]


@pytest.mark.parametrize(
    ("trap", "reason", "ended"),
    [(False, "normal", "normal"), (False, "x", "x"), (True, "kill", "killed")],
)
def test_a_signal_to_oneself_ends_one_that_does_not_trap_it(
    trap: bool, reason: str, ended: str
) -> None:
    reached = []

    def process() -> None:
        me = current_process()
        me.trap_exit = trap
        exit(me, reason)
        reached.append(True)

    assert run(process) == ended
    assert reached == []


# Timers


def test_messages_of_one_time_come_in_the_order_they_were_set_and_outlive_who_set_them() -> None:
    with Mailbox() as me:
        to = me.ref
        run(lambda: [send_after(0.02, to, number) for number in range(3)] and None)
        assert [me.receive(timeout=30.0) for _ in range(3)] == [0, 1, 2]


def test_a_timer_that_has_fired_cannot_be_taken_back() -> None:
    with Mailbox() as me:
        timer = send_after(0.0, me.ref, "late")
        assert me.receive(timeout=30.0) == "late"
        assert timer.cancel() is None


# Servers


@pytest.mark.parametrize("reason", ["normal", "shutdown", "other"])
def test_a_start_that_fails_is_an_exit_signal_to_one_that_traps(reason: str) -> None:
    with Mailbox(trap_exit=True) as me:
        with pytest.raises(StartError) as caught:
            Worker.start_link(lambda: exit(reason))
        assert caught.value.reason == reason
        assert [each.reason for each in seen(me)] == [reason]


@pytest.mark.parametrize(("reason", "ended"), [("normal", "said"), ("shutdown", "shutdown")])
def test_a_start_that_fails_ends_one_that_does_not_trap_unless_it_was_normal(
    reason: str, ended: str
) -> None:
    def process() -> None:
        with pytest.raises(StartError):
            Worker.start_link(lambda: exit(reason))
        exit("said")

    assert run(process) == ended


def test_a_process_that_ignores_its_start_ends_with_normal() -> None:
    with Mailbox(trap_exit=True) as me:
        assert Worker.start_link(lambda: ignore) is None
        assert [each.reason for each in seen(me)] == ["normal"]


@pytest.mark.parametrize("reason", ["normal", "shutdown", "other"])
@pytest.mark.parametrize("how", ["stop", "exit"])
def test_a_call_ends_with_the_reason_of_who_was_called(how: str, reason: str) -> None:
    def end(worker: Worker) -> Any:
        if how == "exit":
            exit(reason)
        worker.stop(reason)
        return noreply

    worker = Worker.start()
    with pytest.raises(CallExit) as caught:
        worker.ask(end)
    assert caught.value.reason == worker.exit_reason == reason


def test_an_answer_that_comes_too_late_never_comes_as_mail() -> None:
    with Mailbox() as me:
        worker = Worker.start()
        with pytest.raises(CallTimeout):
            worker.ask(lambda self: self.sleep(0.05), timeout=0.01)
        assert seen(me) == []
        assert worker.is_alive()
