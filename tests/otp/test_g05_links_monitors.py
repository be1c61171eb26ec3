"""G5: each monitor delivers one DOWN, each link one exit signal, after the cleanup."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from beam.errors import AlreadyExists, CallExit, InvalidInput, NotAProcess, NotFound
from beam.otp import (
    Crash,
    Down,
    Exit,
    Future,
    Mailbox,
    Node,
    Ref,
    demonitor,
    exit,
    link,
    monitor,
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
from tests.otp.actors import KINDS, SOON, Echo, Gate, death_of, hold_up

pytestmark = pytest.mark.usefixtures("node")

kinds = pytest.mark.parametrize("kind", KINDS)


@kinds
def test_g5_each_monitor_delivers_one_down(kind: type[Echo]) -> None:
    with Mailbox() as me:
        process = kind.start()
        monitors = [monitor(process) for _ in range(3)]
        exit(process, "gone")
        downs = [me.receive(timeout=SOON) for _ in monitors]
        assert [down.monitor for down in downs] == monitors
        assert {(down.process, down.reason) for down in downs} == {(process, "gone")}
        assert me.messages() == []


@kinds
def test_g5_two_links_are_one(kind: type[Echo]) -> None:
    with Mailbox(trap_exit=True) as me:
        process = kind.start_link()
        link(process)
        process.ask(("do", lambda: link(me.ref)))
        exit(process, "gone")
        assert me.receive(timeout=SOON) == Exit(process, "gone")
        assert me.messages() == []


@kinds
def test_g5_they_come_after_terminate(kind: type[Echo]) -> None:
    gate, order = Gate(), []

    class Cleans(kind):  # type: ignore[misc, valid-type]
        def terminate(self, reason: Any) -> None:
            gate()
            order.append("cleaned")

    with Mailbox(trap_exit=True) as me:
        process = Cleans.start_link(trap_exit=True)
        monitor(process)
        process.cast(("do", lambda: exit("done")))
        gate.reached()
        assert me.messages() == []
        assert process.is_alive()
        gate.open()
        for _ in range(2):
            assert me.receive(timeout=SOON).reason == "done"
            assert order == ["cleaned"]
        assert not process.is_alive()


def test_g5_they_come_after_the_finally_of_a_function_that_waited() -> None:
    order: list[str] = []
    gate = Gate()

    def wait() -> None:
        try:
            receive()
        finally:
            gate()
            order.append("cleaned")

    with Mailbox(trap_exit=True) as me:
        process = spawn_link(wait)
        exit(process, "kill")
        gate.reached()
        assert me.messages() == []
        gate.open()
        assert me.receive(timeout=SOON) == Exit(process, "killed")
        assert order == ["cleaned"]


@kinds
def test_g5_a_monitor_of_the_dead_delivers_noproc(kind: type[Echo]) -> None:
    process = kind.start()
    process.stop()
    with Mailbox() as me:
        watching = monitor(process)
        assert me.receive(timeout=SOON) == Down(watching, process, "noproc")


def test_g5_a_monitor_by_name_says_the_name() -> None:
    process = Echo.start(name="echo")
    with Mailbox() as me:
        nobody, somebody = monitor("nobody"), monitor("echo")
        assert me.receive(timeout=SOON) == Down(nobody, "nobody", "noproc")
        exit(process, "gone")
        assert me.receive(timeout=SOON) == Down(somebody, "echo", "gone")


def test_g5_a_monitor_of_what_cannot_be_a_name_is_refused() -> None:
    with Mailbox(), pytest.raises(InvalidInput, match="name"):
        monitor(["unhashable"])


def test_g5_a_crash_is_the_reason_it_crashed_of() -> None:
    with Mailbox() as me:
        process = Echo.start()
        monitor(process)
        process.cast(("do", lambda: 1 / 0))
        reason = me.receive(timeout=SOON).reason
    assert isinstance(reason, Crash)
    assert isinstance(reason.exception, ZeroDivisionError)


def test_g5_what_terminate_raises_is_the_reason() -> None:
    class Fails(Echo):
        def terminate(self, reason: Any) -> None:
            raise ValueError(reason)

    class Exits(Echo):
        def terminate(self, reason: Any) -> None:
            exit(("instead of", reason))

    process = Fails.start()
    process.stop(reason="done")
    assert isinstance(process.exit_reason.exception, ValueError)
    process = Exits.start()
    process.stop(reason="done")
    assert process.exit_reason == ("instead of", "done")


def test_g5_a_monitor_taken_back_delivers_nothing() -> None:
    with Mailbox() as me:
        process = Echo.start()
        watching = monitor(process)
        assert demonitor(watching) is True
        assert demonitor(watching) is False
        exit(process, "gone")
        assert me.messages() == []


def test_g5_flush_takes_the_down_out_of_the_mailbox() -> None:
    with Mailbox() as me:
        process = Echo.start()
        first, second = monitor(process), monitor(process)
        exit(process, "gone")
        assert demonitor(first, flush=True) is False
        assert demonitor(first) is False
        assert [down.monitor for down in me.messages()] == [second]
        assert me.receive(timeout=SOON).monitor is second
        with pytest.raises(TimeoutError):
            me.receive(timeout=0)


def test_g5_a_server_does_not_see_a_down_that_was_flushed() -> None:
    process, victim = Echo.start(), Echo.start()

    def handler() -> None:
        watching = monitor(victim)
        exit(victim, "gone")
        demonitor(watching, flush=True)

    process.ask(("do", handler))
    assert process.ask("told") == []


def test_g5_a_monitor_is_its_owners() -> None:
    process, victim, monitors = Echo.start(), Echo.start(), []
    process.ask(("do", lambda: monitors.append(monitor(victim))))
    with Mailbox(), pytest.raises(InvalidInput, match="watch"):
        demonitor(monitors[0])
    with pytest.raises(NotAProcess):
        demonitor(monitors[0])
    exit(victim, "gone")
    assert [down.reason for down in process.ask("told")] == ["gone"]


def test_g5_nobody_hears_of_its_own_end() -> None:
    with Mailbox() as me:
        assert demonitor(monitor(me.ref)) is False
        link(me.ref)
        unlink(me.ref)
        assert me.messages() == []


def test_g5_a_link_to_the_dead_is_a_signal_to_one_that_traps_and_an_error_to_others() -> None:
    process = Echo.start()
    process.stop()
    with Mailbox(trap_exit=True) as me:
        link(process)
        assert me.receive(timeout=SOON) == Exit(process, "noproc")
    with Mailbox() as me:
        with pytest.raises(CallExit) as caught:
            link(process)
        assert (caught.value.reason, caught.value.process) == ("noproc", process)
        assert me.messages() == []


def test_g5_nothing_comes_of_a_link_after_unlink() -> None:
    with Mailbox(trap_exit=True) as me:
        first, second = Echo.start_link(), Echo.start_link()
        unlink(first)
        second.ask(("do", lambda: unlink(me.ref)))
        exit(first, "gone")
        exit(second, "gone")
        assert me.messages() == []


def test_g5_links_and_monitors_need_a_process() -> None:
    process = Echo.start()
    for operation in (link, unlink, monitor):
        with pytest.raises(NotAProcess, match=operation.__name__):
            operation(process)


def test_g20_what_is_no_ref_is_refused_by_name() -> None:
    with Mailbox():
        for operation, field in (
            (link, "other"),
            (unlink, "other"),
            (lambda what: exit(what, "gone"), "process"),
            (lambda what: register("name", what), "process"),
            (lambda what: send_after(1.0, what, "late"), "to"),
            (demonitor, "watch"),
        ):
            with pytest.raises(InvalidInput) as caught:
                operation("no ref")
            assert caught.value.field == field


@pytest.mark.schedulers("pool", "thread")  # A simulation is of one node.
def test_g5_links_and_monitors_go_from_node_to_node(node: Node) -> None:
    with Node():
        process = Echo.start()
        with node.entered(), Mailbox(trap_exit=True) as me:
            assert me.ref.node is not process.node
            link(process)
            watching = monitor(process)
            exit(process, "gone")
            got = {me.receive(timeout=SOON), me.receive(timeout=SOON)}
            assert got == {Exit(process, "gone"), Down(watching, process, "gone")}


def test_g5_a_name_goes_when_its_process_does(node: Node) -> None:
    process = Echo.start()
    register("echo", process)
    assert whereis("echo") is process
    assert node.registered() == ["echo"]
    exit(process, "gone")
    assert whereis("echo") is None
    assert node.registered() == []
    with pytest.raises(NotFound) as caught:
        register("echo", process)
    assert caught.value.reason == "noproc"


def test_g5_a_process_has_one_name_and_a_name_one_process() -> None:
    first, second = Echo.start(name="one"), Echo.start()
    with pytest.raises(AlreadyExists) as caught:
        register("one", second)
    assert (caught.value.reason, caught.value.holder) == ("already_registered", first)
    with pytest.raises(AlreadyExists) as caught:
        register("two", first)
    assert (caught.value.reason, caught.value.has) == ("already_named", "one")
    unregister("one")
    with pytest.raises(NotFound):
        unregister("one")
    register("two", first)
    register("one", second)
    assert (whereis("two"), whereis("one")) == (first, second)


@pytest.mark.parametrize("name", [None, ["unhashable"]])
def test_g5_what_cannot_be_a_name_is_refused(name: Any) -> None:
    process = Echo.start()
    with pytest.raises(InvalidInput, match="name"):
        register(name, process)
    with pytest.raises(InvalidInput, match="name"):
        unregister(name)


def test_g5_a_monitor_leaves_nothing_behind_when_either_ends() -> None:
    watcher, watched = Echo.start(), Echo.start()
    watcher.ask(("do", lambda: monitor(watched) and link(watched)))
    exit(watcher, "normal")
    gate = hold_up(watcher)
    gate.open()
    watcher.stop()
    assert not watched.control.watchers
    assert not watched.control.links


def test_g5_spawned_functions_are_watched_from_their_start() -> None:
    with Mailbox(trap_exit=True) as me:
        process, watching = spawn_monitor(lambda: None)
        assert me.receive(timeout=SOON) == Down(watching, process, "normal")
        process = spawn_link(exit, "odd")
        assert me.receive(timeout=SOON) == Exit(process, "odd")


def test_g5_a_mailbox_that_is_left_tells_those_that_watch_it() -> None:
    watcher = Echo.start(trap_exit=True)
    with contextlib.suppress(ZeroDivisionError), Mailbox() as me:
        watcher.ask(("do", lambda: link(me.ref)))
        raise ZeroDivisionError
    (signal,) = watcher.ask("told")
    assert isinstance(signal.reason.exception, ZeroDivisionError)


def test_g5_spawn_takes_a_class_or_a_function() -> None:
    assert spawn(Echo).ask("here") == "here"
    with pytest.raises(InvalidInput, match="what"):
        spawn("neither")


def doomed() -> Ref[Any]:
    """Return a process that cannot end yet, with an exit signal on its way."""
    process = Echo.start()
    gates[process] = hold_up(process)
    exit(process, "boom")
    return process


gates: dict[Ref[Any], Gate] = {}


def test_g5_a_monitor_set_after_an_exit_signal_says_noproc() -> None:
    # As Erlang's: the signals of one process to another keep their order.
    with Mailbox() as me:
        process = doomed()
        watch = monitor(process)
        gates.pop(process).open()
        assert me.receive(timeout=SOON) == Down(watch, process, "noproc")
        assert process.exit_reason == "boom"


def test_g5_a_link_made_after_an_exit_signal_brings_noproc() -> None:
    with Mailbox(trap_exit=True) as me:
        process = doomed()
        link(process)
        assert me.receive(timeout=SOON) == Exit(process, "noproc")
        gates.pop(process).open()
        assert death_of(process) == "boom"
        assert me.messages() == []

    def tie(process: Ref[Any]) -> None:
        link(process)
        went_on.set(None)
        receive()

    went_on: Future[None] = Future()
    process = doomed()
    tied = spawn(tie, process)
    went_on.get(timeout=SOON)
    assert death_of(tied) == "noproc"
    gates.pop(process).open()
