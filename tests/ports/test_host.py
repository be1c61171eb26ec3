"""All ports of one owner."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from beam.errors import LoopStopped, PortError, QueueFull, SpawnFailed
from beam.ports import LoopThread, PortHost
from tests.ports.conftest import Start
from tests.ports.consumer import HANG_S, PROGRAMS, Consumer, program
from tests.volume import scaled


def test_the_ports_that_run_are_listed(start: Start, host: PortHost) -> None:
    first, _ = start(program("ignores_term"))
    second, consumer = start(program("echoes", stdin="pipe"))
    assert host.ports == (first, second)
    second.close_stdin()
    consumer.wait_for_exit()
    assert host.ports == (first,)


def test_close_ends_every_port_side_by_side(start: Start, host: PortHost) -> None:
    consumers = [start(program("ignores_term", grace=0.3))[1] for _ in range(5)]
    for consumer in consumers:
        consumer.wait_for_lines(1)
    assert len(host.close()) == 5
    for consumer in consumers:
        assert consumer.wait_for_exit().stopped
    assert host.close() == ()


def test_a_closed_host_starts_nothing(host: PortHost) -> None:
    host.close()
    with pytest.raises(PortError):
        host.start(program("writes"), on_line=print, on_exit=print)


def test_a_host_without_a_loop_starts_nothing(ledger: Path) -> None:
    loop = LoopThread()
    host = PortHost(ledger, loop)
    with pytest.raises(LoopStopped):
        host.start(program("writes"), on_line=print, on_exit=print)
    host.close()


def test_there_is_a_bound_on_how_many_run(loop: LoopThread, ledger: Path) -> None:
    host = PortHost(ledger, loop, max_ports=1)
    host.start(program("ignores_term"), on_line=print, on_exit=print)
    with pytest.raises(QueueFull) as caught:
        host.start(program("writes"), on_line=print, on_exit=print)
    assert caught.value.reason == "too_many_ports"
    host.close(grace=0)


def test_one_look_samples_every_tree(start: Start, host: PortHost) -> None:
    ports = [start(program("ignores_term"))[0] for _ in range(3)]
    samples = host.sample()
    assert [samples[port.id].pids for port in ports] == [(port.pid,) for port in ports]


def test_nothing_is_left_when_the_loop_was_stopped_first(nothing_left: None, ledger: Path) -> None:
    loop = LoopThread()
    loop.start()
    host = PortHost(ledger, loop)
    consumer = Consumer()
    spec = program("ignores_term", stdin="pipe")
    port = host.start(spec, on_line=consumer.on_line, on_exit=consumer.on_exit)
    consumer.wait_for_lines(1)
    loop.stop()
    [exit] = host.close(grace=0)
    assert (exit.survivors, exit.fault) == ((), "loop not answering")
    assert port.stop() == exit
    assert list(ledger.iterdir()) == []


def test_a_hundred_run_at_once(start: Start, host: PortHost) -> None:
    count = max(20, scaled(100))
    ports = [start(program("echoes", stdin="pipe")) for _ in range(count)]
    for number, (port, _) in enumerate(ports):
        port.write(f"{number}\n".encode())
    for number, (_, consumer) in enumerate(ports):
        assert consumer.wait_for_lines(1) == [str(number)]
    host.stop_all(grace=0)
    assert host.ports == ()


def test_ports_may_be_started_and_stopped_from_many_threads(start: Start, host: PortHost) -> None:
    def cycle(_: int) -> None:
        port, consumer = start(program("ignores_term"))
        port.stop(grace=0)
        consumer.wait_for_exit()

    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(cycle, range(40)))) == 40
    assert host.ports == ()


def test_a_keeper_that_does_not_come_up_is_said_with_its_words(
    loop: LoopThread, ledger: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no such library >&2\n")
    broken.chmod(0o700)
    host = PortHost(ledger, loop, python=str(broken))
    with pytest.raises(SpawnFailed) as caught:
        host.start(program("writes"), on_line=print, on_exit=print)
    assert caught.value.reason == "keeper_lost"
    assert caught.value.__notes__ == ["its keeper said: no such library\n"]
    host.close()


def test_a_host_without_an_interpreter_for_keepers_says_so(loop: LoopThread, ledger: Path) -> None:
    host = PortHost(ledger, loop, python="/no/such/python")
    with pytest.raises(SpawnFailed) as caught:
        host.start(program("writes"), on_line=print, on_exit=print)
    assert caught.value.reason == "keeper ENOENT"
    host.close()


def test_ports_can_be_ended_when_the_interpreter_exits(ledger: Path) -> None:
    command = [sys.executable, str(PROGRAMS / "atexit_owner.py"), str(ledger)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG_S, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "-15\n-15\n", "")
    assert list(ledger.iterdir()) == []
