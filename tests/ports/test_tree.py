"""A port ends with its whole tree (G16)."""

import os
import signal

import psutil
import pytest

from beam.ports.processes import read
from tests.ports.conftest import Start
from tests.ports.consumer import program


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if psutil.pid_exists(pid)]


def test_stop_ends_every_descendant_wherever_it_went(start: Start) -> None:
    port, consumer = start(program("runaways"))
    runaways = [int(pid) for pid in consumer.wait_for_lines(1)[0].split()]
    assert len(alive(runaways)) == 4
    exit = port.stop()
    assert exit.survivors == ()
    assert alive([port.pid, *runaways]) == []


def test_the_descendants_end_with_a_program_that_ends_by_itself(start: Start) -> None:
    port, consumer = start(program("runaways", "--exit"))
    runaways = [int(pid) for pid in consumer.wait_for_lines(1)[0].split()]
    exit = consumer.wait_for_exit()
    assert (exit.status, exit.stopped) == (0, False)
    assert alive([port.pid, *runaways]) == []


def test_the_descendants_end_with_a_program_that_is_killed(start: Start) -> None:
    port, consumer = start(program("runaways"))
    runaways = [int(pid) for pid in consumer.wait_for_lines(1)[0].split()]
    os.kill(port.pid, signal.SIGKILL)
    assert consumer.wait_for_exit().status == -signal.SIGKILL
    assert alive(runaways) == []


def test_the_tree_ends_when_its_keeper_is_killed(start: Start) -> None:
    port, consumer = start(program("ignores_term"))
    consumer.wait_for_lines(1)
    os.kill(port.keeper, signal.SIGKILL)
    exit = consumer.wait_for_exit()
    assert (exit.status, exit.fault, exit.survivors) == (None, "keeper lost", ())
    # Without its keeper the program is reaped by the system's init, in its own time.
    left = read(port.pid)
    assert left is None or left.zombie


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_the_keeper_ends_the_tree_in_order(start: Start, number: int) -> None:
    port, consumer = start(program("answers_term", grace=60))
    consumer.wait_for_lines(1)
    os.kill(port.keeper, number)
    exit = consumer.wait_for_exit()
    assert (exit.status, exit.fault) == (3, None)


def test_a_sample_covers_the_descendants_that_left(start: Start) -> None:
    port, consumer = start(program("runaways"))
    runaways = [int(pid) for pid in consumer.wait_for_lines(1)[0].split()]
    sample = port.sample()
    assert set(sample.pids) == {port.pid, *runaways}
    assert sample.rss > len(sample.pids) * 1_000_000


def test_a_sample_counts_processor_time(start: Start) -> None:
    port, consumer = start(program("counts", 50_000, "--wait"))
    consumer.wait_for_lines(50_000)
    assert port.sample().cpu > 0


def test_the_sample_of_a_port_that_has_ended_is_empty(start: Start) -> None:
    port, consumer = start(program("writes"))
    consumer.wait_for_exit()
    assert port.sample().pids == ()
