"""`Ports`: programs that end with the process that asked for them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from beam.errors import InvalidInput, PortError, QueueFull, SpawnFailed
from beam.otp import Mailbox, Node, Ref, Server, exit, monitor
from beam.ports.actor import Ports
from beam.ports.harbour import Harbour
from beam.ports.requests import (
    PortEnded,
    PortLine,
    PortNotStarted,
    PortStarted,
    StartPort,
    StopPorts,
)
from beam.ports.spec import PortSpec
from tests.ports.consumer import HANG_S, PROGRAMS, program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from beam.ports.port import Port, PortExit


class Owner(Server):
    """Asks for a port, and passes on to a mailbox what it hears."""

    def init(self, ports: Ref[Any], spec: PortSpec, to: Ref[Any]) -> None:
        self.to = to
        ports.cast(StartPort(self.actor_ref, spec, "tag"))

    def handle_cast(self, message: Any) -> None:
        self.to.tell(message)


@pytest.fixture
def harbour(nothing_left: None, ledger: Path) -> Iterator[Harbour]:
    harbour = Harbour(ledger, patience=0.5, grace=0.2, max_ports=8)
    yield harbour
    harbour.close()


@pytest.fixture
def node(harbour: Harbour) -> Iterator[Node]:
    with Node() as node:
        yield node


@pytest.fixture
def me(node: Node) -> Iterator[Mailbox]:
    with Mailbox() as me:
        yield me


@pytest.fixture
def ports(me: Mailbox, harbour: Harbour) -> Ref[Ports]:
    return Ports.start(harbour, name="ports")


def started(me: Mailbox) -> Port:
    message = me.receive(timeout=HANG_S)
    assert isinstance(message, PortStarted), message
    return message.port


def line(me: Mailbox, port: Port | None = None) -> str:
    message = me.receive(timeout=HANG_S)
    assert isinstance(message, PortLine), message
    if port is not None:
        port.ack()
    return message.line.text


def ended(me: Mailbox) -> PortExit:
    message = me.receive(timeout=HANG_S)
    assert isinstance(message, PortEnded), message
    return message.exit


def gone(*pids: int) -> bool:
    """Wait until these processes have ended."""
    processes = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    return psutil.wait_procs(processes, timeout=HANG_S)[1] == []


def test_an_owner_hears_of_the_start_then_of_each_line_then_of_the_end(
    ports: Ref[Ports], me: Mailbox
) -> None:
    ports.cast(StartPort(me.ref, program("counts", 3), "tag"))
    heard = [me.receive(timeout=HANG_S) for _ in range(5)]
    assert [type(each) for each in heard] == [PortStarted, *[PortLine] * 3, PortEnded]
    assert [each.line.text for each in heard[1:4]] == ["0", "1", "2"]
    assert {each.tag for each in heard} == {"tag"}
    assert heard[4].exit.status == 0


def test_no_more_lines_come_than_the_window_until_they_are_acknowledged(
    ports: Ref[Ports], me: Mailbox
) -> None:
    ports.cast(StartPort(me.ref, program("counts", 5, window_lines=2)))
    port = started(me)
    assert [line(me), line(me)] == ["0", "1"]
    assert me.messages() == []
    port.ack(2)
    assert [line(me, port), line(me, port), line(me, port)] == ["2", "3", "4"]
    assert ended(me).status == 0


def test_an_owner_is_told_why_a_program_did_not_start(ports: Ref[Ports], me: Mailbox) -> None:
    ports.cast(StartPort(me.ref, PortSpec.of("no-such-program-anywhere")))
    ports.cast(StartPort(me.ref, PortSpec.of("true", cwd="no/such/folder")))
    errors = [me.receive(timeout=HANG_S).error for _ in range(2)]
    assert {type(error) for error in errors} == {SpawnFailed, InvalidInput}
    assert ports.proxy().list().get() == ()


def test_more_ports_than_may_run_are_refused(ports: Ref[Ports], me: Mailbox) -> None:
    for _ in range(9):
        ports.cast(StartPort(me.ref, program("echoes", stdin="pipe")))
    heard = [me.receive(timeout=HANG_S) for _ in range(9)]
    refused = [each.error for each in heard if isinstance(each, PortNotStarted)]
    assert [type(error) for error in refused] == [QueueFull]
    assert sum(isinstance(each, PortStarted) for each in heard) == 8


@pytest.mark.parametrize("reason", ["kill", "shutdown", "boom"])
def test_a_program_ends_with_its_whole_tree_when_its_owner_dies(
    ports: Ref[Ports], me: Mailbox, reason: str
) -> None:
    owner = Owner.start(ports, program("runaways"), me.ref)
    port = started(me)
    descendants = [int(pid) for pid in line(me).split()]
    exit(owner, reason)
    assert gone(port.pid, port.keeper, *descendants)
    assert me.messages() == []


def test_a_program_whose_owner_dies_before_it_runs_leaves_nothing(
    ports: Ref[Ports], me: Mailbox
) -> None:
    owners = [Owner.start(ports, program("ignores_term"), me.ref) for _ in range(6)]
    watches = {monitor(owner) for owner in owners}
    for owner in owners:
        exit(owner, "kill")
    while watches:
        watches.discard(getattr(me.receive(timeout=HANG_S), "monitor", None))
    # It answers after what came before: every port of theirs has been told to end.
    for owner in owners:
        ports.ask(StopPorts(owner), timeout=HANG_S)
    assert ports.proxy().list().get() == ()
    assert psutil.Process().children() == []


def test_a_program_asked_to_finish_up_may_do_so(ports: Ref[Ports], me: Mailbox) -> None:
    ports.cast(StartPort(me.ref, program("echoes", stdin="pipe")))
    started(me)
    (exit,) = ports.ask(StopPorts(me.ref, patience=HANG_S), timeout=HANG_S)
    assert (exit.status, exit.stopped) == (0, False)
    assert line(me) == "end"
    assert ended(me) == exit


def test_one_that_does_not_finish_up_gets_term_then_kill(ports: Ref[Ports], me: Mailbox) -> None:
    ports.cast(StartPort(me.ref, program("answers_term", stdin="pipe")))
    ports.cast(StartPort(me.ref, program("ignores_term", stdin="pipe")))
    heard = [me.receive(timeout=HANG_S) for _ in range(4)]
    assert sum(isinstance(each, PortLine) for each in heard) == 2
    exits = ports.ask(StopPorts(me.ref, patience=0.01), timeout=HANG_S)
    assert sorted(each.status for each in exits) == [-signal.SIGKILL, 3]


def test_to_stop_the_ports_of_an_owner_without_any_is_nothing(ports: Ref[Ports]) -> None:
    assert ports.ask(StopPorts(ports)) == ()


def test_those_that_wait_for_their_start_are_stopped_too(ports: Ref[Ports], me: Mailbox) -> None:
    for _ in range(8):
        ports.cast(StartPort(me.ref, program("ignores_term")))
    ports.ask(StopPorts(me.ref), timeout=HANG_S)
    assert ports.proxy().list().get() == ()
    refused = [each.error for each in me.messages() if isinstance(each, PortNotStarted)]
    assert {type(error) for error in refused} <= {PortError}
    assert psutil.Process().children() == []


def test_the_list_shows_whose_each_port_is(ports: Ref[Ports], me: Mailbox) -> None:
    ports.cast(StartPort(me.ref, program("echoes", stdin="pipe")))
    port = started(me)
    (entry,) = ports.proxy().list().get()
    assert (entry.owner, entry.port, entry.pid, entry.keeper, entry.state) == (
        *(me.ref, port.id, port.pid, port.keeper),
        "running",
    )
    assert entry.program == sys.executable.rpartition("/")[2]


def test_the_end_of_ports_is_the_end_of_every_port(
    ports: Ref[Ports], me: Mailbox, harbour: Harbour
) -> None:
    ports.cast(StartPort(me.ref, program("ignores_term")))
    port = started(me)
    assert line(me) == "ready"
    ports.stop(reason="shutdown", timeout=HANG_S)
    assert port.exit is not None
    assert ended(me).status == -signal.SIGKILL
    assert not harbour.is_open


def test_at_the_end_a_program_may_finish_up(ports: Ref[Ports], me: Mailbox) -> None:
    ports.cast(StartPort(me.ref, program("echoes", stdin="pipe")))
    started(me)
    ports.stop(reason="shutdown", timeout=HANG_S)
    assert line(me) == "end"
    assert (ended(me).status, me.messages()) == (0, [])


def test_after_a_kill_its_successor_ends_what_ran_and_begins_anew(
    ports: Ref[Ports], me: Mailbox, harbour: Harbour
) -> None:
    ports.cast(StartPort(me.ref, program("ignores_term")))
    port = started(me)
    monitor(ports)
    assert line(me) == "ready"
    exit(ports, "kill")
    assert me.receive(timeout=HANG_S).reason == "killed"
    assert port.exit is None
    successor = Ports.start(harbour, name="ports")
    assert ended(me).status == -signal.SIGKILL
    successor.cast(StartPort(me.ref, PortSpec.of("true")))
    started(me)
    assert ended(me).status == 0


def test_what_a_killed_python_process_left_is_ended_at_the_start(
    me: Mailbox, harbour: Harbour, ledger: Path
) -> None:
    command = [sys.executable, str(PROGRAMS / "owner.py"), str(ledger), "ignores_term.py"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as dead:
        assert dead.stdout is not None
        keeper, pid, _ = dead.stdout.readline().split()
        # The keeper first, and with its owner stopped: else each would see to what the other left.
        dead.send_signal(signal.SIGSTOP)
        os.kill(int(keeper), signal.SIGKILL)
        dead.kill()
    assert psutil.pid_exists(int(pid))
    Ports.start(harbour)
    assert gone(int(pid))


def test_coroutines_run_on_the_loop_thread_that_it_hands_out(ports: Ref[Ports]) -> None:
    async def work() -> bool:
        return loop.on_thread()

    loop = ports.proxy().loop_thread().get()
    assert loop.submit(work()).result(HANG_S)


def test_a_closed_harbour_starts_nothing(harbour: Harbour) -> None:
    with pytest.raises(PortError, match="closed"):
        harbour.start(PortSpec.of("true"), on_line=print, on_exit=print)
    with pytest.raises(PortError, match="closed"):
        _ = harbour.loop
