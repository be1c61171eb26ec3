"""Nodes: which is the current one, what lives there, and how it stops."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from beam.errors import CallExit, InvalidInput
from beam.otp import (
    Mailbox,
    Node,
    Server,
    current_node,
    current_process,
    exit,
    link,
    receive,
    spawn,
    whereis,
)
from beam.otp import shutdown as shutdowns
from beam.otp.clock import SystemClock
from tests.otp.actors import KINDS, SOON, Echo, at_once, death_of, eventually, hold_up
from tests.otp.conftest import threads_left
from tests.volume import scaled


def test_outside_of_everything_there_is_one_default_node() -> None:
    seen = at_once(*[current_node] * 4)
    assert seen == [current_node()] * 4
    assert current_node().name == "default"


def test_the_innermost_node_is_the_current_one() -> None:
    outermost = current_node()
    with Node() as outer:
        assert current_node() is outer
        with Node() as inner:
            assert current_node() is inner
        assert current_node() is outer
        with inner.entered():
            assert current_node() is inner
    assert current_node() is outermost


def test_inside_a_process_its_own_node_is_the_current_one() -> None:
    with Node() as outer:
        process = Echo.start()
        with Node() as inner:
            assert process.ask(("do", current_node)) is outer
            started = process.ask(("do", Echo.start))
            assert started.node is outer
            assert inner.processes() == []


def test_names_are_a_nodes_own() -> None:
    with Node() as outer:
        first = Echo.start(name="echo")
        with Node() as inner:
            assert whereis("echo") is None
            second = Echo.start(name="echo")
            assert whereis("echo") is inner.whereis("echo") is second
        assert whereis("echo") is outer.whereis("echo") is first


def test_nodes_are_told_apart_by_number_unless_named() -> None:
    assert Node().name != Node().name
    assert Node("mine").name == "mine"
    assert repr(Node("mine")) == "<Node 'mine': 0 processes>"


def test_a_pool_of_no_workers_is_refused() -> None:
    with pytest.raises(InvalidInput, match="pool_size"):
        Node(pool_size=0)


def test_processes_are_listed_oldest_first(node: Node) -> None:
    processes = [kind.start() for kind in KINDS]
    assert node.processes() == processes
    processes.pop(1).stop()
    assert node.processes() == processes


@pytest.mark.usefixtures("unlogged")
def test_leaving_a_node_stops_all_that_lives_there() -> None:
    ended: list[Any] = []

    class Ends(Echo):
        def terminate(self, reason: Any) -> None:
            ended.append((self.label, reason))

        def init(self, label: str) -> None:  # type: ignore[override]
            super().init(trap_exit=True)
            self.label = label

    with Node() as node:
        Ends.start("first")
        second = Ends.start("second")
        child = second.ask(("do", lambda: Ends.start_link("child")))
        plain = Echo.start()
        function = spawn(receive)
    # The youngest first; a child ends with its parent.
    assert ended == [("second", "shutdown"), ("child", "shutdown"), ("first", "shutdown")]
    assert {child.exit_reason, plain.exit_reason, function.exit_reason} == {"shutdown"}
    assert node.processes() == []
    assert threads_left(node) == []


@pytest.mark.usefixtures("unlogged")
def test_what_does_not_end_when_told_to_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutdowns, "KILL_GRACE", SOON)

    def stubborn() -> None:
        current_process().control.actor.trap_exit = True  # type: ignore[union-attr]
        ready.set()
        while True:
            receive()

    ready = threading.Event()
    node = Node()
    with node.entered():
        process = spawn(stubborn)
        assert ready.wait(SOON)
        node.stop(timeout=0.01)
    assert process.exit_reason == "killed"
    assert node.given_up == {}
    assert threads_left(node) == []


@pytest.mark.usefixtures("unlogged")
def test_what_is_started_while_the_node_stops_is_stopped_too() -> None:
    started: list[Any] = []

    class Leaves(Echo):
        def terminate(self, reason: Any) -> None:
            started.append(Echo.start())

    with Node() as node:
        Leaves.start(trap_exit=True)
    assert [each.is_alive() for each in started] == [False]
    assert node.processes() == []


def test_a_node_may_be_stopped_twice_and_by_hand(unlogged: None) -> None:
    with Node() as node:
        process = Echo.start()
        node.stop()
        assert not process.is_alive()
        node.stop()
    with pytest.raises(CallExit):
        process.ask("hello")


def test_a_mailbox_in_another_thread_is_ended_with_its_node(unlogged: None) -> None:
    ended: list[Any] = []
    there = threading.Event()
    node = Node()

    def wait() -> None:
        try:
            with node.entered(), Mailbox() as me:
                there.set()
                me.receive()
        except BaseException as error:  # noqa: BLE001 - whatever it is
            ended.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    assert there.wait(SOON)
    node.stop()
    thread.join(SOON)
    assert [error.reason for error in ended] == ["shutdown"]


def test_sleep_takes_the_nodes_time(node: Node) -> None:
    before = node.clock.now()
    node.sleep(0.02)
    assert node.clock.now() - before >= 0.02
    process = Echo.start()
    assert process.ask(("do", lambda: process.control.actor.sleep(0.01))) is None
    for bad in (-1, float("nan")):
        with pytest.raises(InvalidInput, match="seconds"):
            node.sleep(bad)


def test_the_random_numbers_of_a_seeded_clock_repeat() -> None:
    one, other = Node(clock=SystemClock(seed=3)), Node(clock=SystemClock(seed=3))
    assert one.clock.random.random() == other.clock.random.random()


@pytest.mark.usefixtures("fine_switching", "unlogged")
def test_a_node_stops_whole_while_others_start_and_kill_in_it() -> None:
    for _ in range(scaled(200)):
        node = Node()

        def live(node: Node = node) -> None:
            with node.entered():
                while True:
                    try:
                        process = Echo.start()
                        other = Echo.start()
                        process.ask(("do", lambda other=other: link(other)))
                        exit(process, "kill")
                    except Exception:  # noqa: BLE001 - it is being stopped
                        return

        def stop(node: Node = node) -> None:
            eventually(node.processes)
            node.stop()

        at_once(live, live, stop)
        assert node.processes() == []
        assert threads_left(node) == []


def test_a_held_up_process_keeps_its_node_waiting_no_longer_than_said(unlogged: None) -> None:
    node = Node()
    with node.entered():
        process = Echo.start()
        gate = hold_up(process)
    before = node.clock.now()
    node.stop(timeout=0.05)
    assert node.clock.now() - before < SOON / 2
    assert death_of(process) == "killed"
    gate.open()


class Parent(Server):
    """Says who its parent is, by its report."""

    def child_parent(self) -> Any:
        return Echo.start().control.parent.ref


def test_the_parent_is_who_started_it_or_the_nodes_init(node: Node) -> None:
    process = Parent.start()
    assert process.control.parent is node.init
    assert process.proxy().child_parent().get() is process


def test_a_line_of_processes_that_each_start_the_next_and_die_holds_on_to_none(node: Node) -> None:
    class Next(Server):
        def begin(self) -> Any:
            return Next.start()

    process = Next.start()
    for _ in range(5):
        child = process.proxy().begin().get()
        process.stop()
        process = child
    parent = process.control.parent
    assert parent is not None
    assert parent is not node.init
    assert parent.parent is None
