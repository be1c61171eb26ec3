"""G4: exit signals act before the next message; what is trapped is mail in its place."""

from __future__ import annotations

import itertools
from typing import Any, NoReturn

import pytest

from beam.errors import CallExit, Exited, InvalidInput
from beam.otp import (
    Exit,
    Mailbox,
    Node,
    Server,
    current_process,
    exit,
    link,
    receive,
    spawn,
    spawn_link,
)
from beam.testing import Probe, settle
from tests.otp.actors import KINDS, SOON, Echo, Gate, death_of, hold_up

pytestmark = pytest.mark.usefixtures("node")

kinds = pytest.mark.parametrize("kind", KINDS)


class Terminates(Echo):
    """Says how it was terminated."""

    def init(self, ended: list[Any], *, trap_exit: bool = False) -> None:  # type: ignore[override]
        super().init(trap_exit=trap_exit)
        self.ended = ended

    def terminate(self, reason: Any) -> None:
        self.ended.append((reason, list(self.told)))


@kinds
def test_g4_a_signal_acts_before_the_next_message_whatever_the_backlog(kind: type[Echo]) -> None:
    process, handled = kind.start(), []
    gate = hold_up(process)
    for at in range(1000):
        process.cast(("do", lambda at=at: handled.append(at)))
    exit(process, "enough")
    gate.open()
    assert death_of(process) == "enough"
    assert handled == []


@kinds
def test_g4_kill_ends_one_that_traps_exits_whatever_the_backlog(kind: type[Echo]) -> None:
    process, handled = kind.start(trap_exit=True), []
    gate = hold_up(process)
    for at in range(1000):
        process.cast(("do", lambda at=at: handled.append(at)))
    exit(process, "kill")
    gate.open()
    assert death_of(process) == "killed"
    assert handled == []


@kinds
def test_g4_an_idle_process_is_dead_when_exit_returns(kind: type[Echo]) -> None:
    process = kind.start()
    process.ask("busy?")
    settle()
    exit(process, "gone")
    assert not process.is_alive()
    assert process.exit_reason == "gone"


@kinds
def test_g4_a_signal_that_is_not_trapped_calls_no_terminate(kind: type[Echo]) -> None:
    ended: list[Any] = []
    process = type("T", (Terminates,), {"blocking": kind.blocking}).start(ended)
    exit(process, "gone")
    assert death_of(process) == "gone"
    assert ended == []


@kinds
def test_g4_a_signal_from_the_parent_is_in_its_place_and_ends_one_that_traps(
    kind: type[Echo],
) -> None:
    ended: list[Any] = []
    process = type("T", (Terminates,), {"blocking": kind.blocking}).start(ended, trap_exit=True)
    gate = hold_up(process)
    process.tell("before")
    exit(process, "shutdown")  # From outside, where it was started: its parent's.
    process.tell("after")
    gate.open()
    assert death_of(process) == "shutdown"
    assert ended == [("shutdown", ["before"])]


@kinds
def test_g4_a_stop_is_in_its_place(kind: type[Echo]) -> None:
    ended: list[Any] = []
    process = type("T", (Terminates,), {"blocking": kind.blocking}).start(ended)
    gate = hold_up(process)
    process.tell("before")
    stopped = process.stop(block=False, reason="done")
    process.tell("after")
    gate.open()
    assert stopped.get(timeout=SOON) is True
    assert process.exit_reason == "done"
    assert ended == [("done", ["before"])]


@kinds
def test_g4_a_signal_of_who_started_it_unlinked_is_mail(kind: type[Echo]) -> None:
    # As in OTP: the parent of a behaviour is the one that it was started linked to.
    with Mailbox() as me:
        process = kind.start(trap_exit=True)
        exit(process, "boom")
        assert process.ask("told") == [Exit(me.ref, "boom")]


@kinds
def test_g4_a_signal_of_who_started_it_linked_ends_it_also_with_normal(kind: type[Echo]) -> None:
    with Mailbox(trap_exit=True) as me:
        process = kind.start_link(trap_exit=True)
        exit(process, "normal")
        assert me.receive(timeout=SOON) == Exit(process, "normal")


@kinds
def test_g4_normal_from_another_process_ends_nobody(kind: type[Echo]) -> None:
    process, trapping = kind.start(), kind.start(trap_exit=True)
    with Mailbox() as me:
        exit(process, "normal")
        exit(trapping, "normal")
        assert process.ask("alive?") == "alive?"
        assert trapping.ask("told") == [Exit(me.ref, "normal")]


@kinds
def test_g4_normal_to_oneself_ends_one_that_does_not_trap(kind: type[Echo]) -> None:
    process, after = kind.start(), []

    def handler() -> None:
        exit(current_process(), "normal")
        after.append("not here")

    process.cast(("do", handler))
    assert death_of(process) == "normal"
    assert after == []


@kinds
def test_g4_kill_along_a_link_is_a_reason_like_others(kind: type[Echo]) -> None:
    first, second = kind.start(), kind.start()
    trapping = kind.start(trap_exit=True)
    for process in (second, trapping):
        process.ask(("do", lambda: link(first)))
    first.cast(("do", lambda: exit("kill")))
    assert death_of(first) == "kill"
    assert death_of(second) == "kill"
    assert trapping.ask("told") == [Exit(first, "kill")]


@kinds
def test_g4_the_first_signal_counts(kind: type[Echo]) -> None:
    process = kind.start()
    gate = hold_up(process)
    exit(process, "first")
    exit(process, "second")
    exit(process, "kill")
    gate.open()
    assert death_of(process) == "first"


@kinds
def test_g4_one_that_waits_in_a_call_is_woken_and_unwound(kind: type[Echo]) -> None:
    process, silent, cleaned = kind.start(), Echo.start(), []
    probe = Probe()

    def handler() -> None:
        try:
            probe.note("asking")
            silent.ask("never", timeout=None)
        except Exception:  # noqa: BLE001 - as users write it
            cleaned.append("an except clause for errors")
        finally:
            cleaned.append("finally")

    process.cast(("do", handler))
    probe.wait("asking")
    exit(process, "enough")
    assert death_of(process) == "enough"
    assert cleaned == ["finally"]


@kinds
def test_g4_one_that_sleeps_is_woken(kind: type[Echo], node: Node) -> None:
    process, probe = kind.start(), Probe()

    def handler() -> None:
        probe.note("asleep")
        node.sleep(10 * SOON)

    process.cast(("do", handler))
    probe.wait("asleep")
    exit(process, "kill")
    assert death_of(process) == "killed"


def test_g4_a_function_that_waits_for_mail_is_woken_and_unwound() -> None:
    cleaned: list[str] = []

    def wait() -> None:
        try:
            receive()
        finally:
            cleaned.append("finally")

    process = spawn(wait)
    settle()
    exit(process, "enough")
    assert death_of(process) == "enough"
    assert cleaned == ["finally"]


def test_g4_a_function_with_mail_hears_of_the_signal_first() -> None:
    got: list[Any] = []
    gate = Gate()

    def work() -> None:
        gate()
        got.append(receive(SOON))

    process = spawn(work)
    gate.reached()
    process.tell("mail")
    exit(process, "enough")
    gate.open()
    assert death_of(process) == "enough"
    assert got == []


def test_g4_a_thread_that_is_a_process_hears_of_a_signal_where_it_next_waits() -> None:
    with Mailbox() as me:
        me.ref.tell("mail")
        other = Echo.start()
        other.cast(("do", lambda: exit(me.ref, "enough")))
        settle()
        with pytest.raises(Exited) as caught:
            me.receive(timeout=SOON)
    assert caught.value.reason == "enough"
    assert me.ref.exit_reason == "enough"


def test_g4_one_that_swallows_the_end_meets_it_again_at_its_next_wait() -> None:
    silent, met = Echo.start(), []
    process = Echo.start()
    probe = Probe()

    def handler() -> None:
        for _ in range(3):
            try:
                probe.note("asking")
                silent.ask("never", timeout=None)
            except Exited as exited:
                met.append(exited.reason)

    process.cast(("do", handler))
    probe.wait("asking")
    exit(process, "enough")
    assert death_of(process) == "enough"
    assert met == ["enough"] * 3


def test_g4_a_child_whose_init_waits_ends_with_the_parent_it_is_linked_to() -> None:
    silent, probe = Echo.start(), Probe()

    class Child(Server):
        def init(self) -> None:
            probe.note("waiting")
            silent.ask("never", timeout=None)

    parent = Echo.start()
    parent.cast(("do", Child.start_link))
    probe.wait("waiting")
    exit(parent, "enough")
    assert death_of(parent) == "enough"
    settle()
    assert parent.node.processes() == [silent]


class Hostile:
    """A value that cannot be compared."""

    def __eq__(self, other: object) -> NoReturn:
        raise ValueError("no truth in this")

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize("reason", [None, 0, True, Hostile(), ("shutdown", Hostile()), [1]])
def test_g4_any_value_is_a_reason(reason: Any) -> None:
    process, linked = Echo.start(), Echo.start()
    trapping = Echo.start(trap_exit=True)
    for other in (linked, trapping):
        other.ask(("do", lambda: link(process)))
    exit(process, reason)
    assert not process.is_alive()
    assert process.control.exit_reason is reason
    settle()
    assert not linked.is_alive()
    (signal,) = trapping.ask("told")
    assert signal.process is process
    assert signal.reason is reason


@pytest.mark.schedulers("pool")  # So many threads cannot be had.
def test_g4_a_chain_of_ten_thousand_links_ends_from_either_end() -> None:
    chain = [Echo.start() for _ in range(10_000)]
    for one, other in itertools.pairwise(chain):
        one.ask(("do", lambda other=other: link(other)))
    exit(chain[0], "all")
    assert death_of(chain[-1]) == "all"
    assert all(each.exit_reason == "all" for each in chain)


def test_g4_a_signal_goes_to_a_ref(node: Node) -> None:
    Echo.start(name="echo")
    with pytest.raises(InvalidInput, match="process"):
        exit("echo", "kill")
    exit(node.whereis("echo"), "kill")


def test_g4_a_dead_process_is_not_concerned() -> None:
    process = Echo.start()
    process.stop()
    exit(process, "kill")
    assert process.exit_reason == "normal"
    with pytest.raises(CallExit):
        process.tell("hello")


def test_g4_a_linked_function_ends_with_its_starter() -> None:
    refs: list[Any] = []
    parent = Echo.start()
    parent.ask(("do", lambda: refs.append(spawn_link(receive))))
    exit(parent, "gone")
    assert death_of(refs[0]) == "gone"
