"""Writing to a program."""

import signal

import pytest

from beam.errors import InvalidInput, PortClosed, QueueFull, StdinClosed
from tests.ports.conftest import Start
from tests.ports.consumer import program

MIB = 1024 * 1024


def test_what_is_written_is_read_in_order(start: Start) -> None:
    port, consumer = start(program("echoes", stdin="pipe"))
    for number in range(1000):
        port.write(f"{number}\n".encode())
    port.close_stdin()
    consumer.wait_for_exit()
    assert consumer.texts == [*map(str, range(1000)), "end"]


def test_more_than_a_pipe_holds_goes_through(start: Start) -> None:
    port, consumer = start(program("echoes", stdin="pipe"))
    port.write(b"x" * (5 * MIB) + b"\n")
    port.write(b"last\n")
    port.close_stdin()
    consumer.wait_for_exit()
    assert [len(text) for text in consumer.texts] == [5 * MIB, 4, 3]


def test_stdin_is_closed_unless_it_is_used(start: Start) -> None:
    port, consumer = start(program("echoes"))
    consumer.wait_for_exit()
    assert consumer.texts == ["end"]
    with pytest.raises(StdinClosed):
        port.write(b"x")
    port.close_stdin()


def test_a_full_queue_is_refused_after_the_deadline_and_takes_nothing(start: Start) -> None:
    port, consumer = start(program("reads_when_told", stdin="pipe", stdin_limit=MIB))
    consumer.wait_for_lines(1)
    port.write(b"x" * MIB)
    with pytest.raises(QueueFull) as caught:
        port.write(b"y" * MIB, timeout=0.01)
    assert caught.value.offered == MIB
    port.signal(signal.SIGUSR1)
    port.write(b"z" * MIB, timeout=60)
    port.close_stdin()
    assert consumer.wait_for_lines(2)[1] == str(2 * MIB)


def test_more_than_may_ever_wait_is_bad_input(start: Start) -> None:
    port, _ = start(program("reads_when_told", stdin="pipe", stdin_limit=10))
    with pytest.raises(InvalidInput):
        port.write(b"x" * 11)


def test_a_program_that_closed_its_stdin_is_noticed_and_lives(start: Start) -> None:
    port, consumer = start(program("closes_stdin", stdin="pipe"))
    consumer.wait_for_lines(1)
    with pytest.raises(StdinClosed):
        port.write(b"x")
    assert port.exit is None


def test_nothing_can_be_written_after_we_closed(start: Start) -> None:
    port, _ = start(program("reads_when_told", stdin="pipe"))
    port.close_stdin()
    port.close_stdin()
    with pytest.raises(StdinClosed):
        port.write(b"x")


def test_a_program_that_has_ended_takes_nothing_and_says_its_status(start: Start) -> None:
    port, consumer = start(program("echoes", stdin="pipe"))
    port.close_stdin()
    consumer.wait_for_exit()
    with pytest.raises(PortClosed) as caught:
        port.write(b"x")
    assert caught.value.status == 0


def test_who_waits_for_room_is_freed_when_the_program_ends(start: Start) -> None:
    port, consumer = start(program("reads_when_told", stdin="pipe", stdin_limit=MIB))
    consumer.wait_for_lines(1)
    port.write(b"x" * MIB)
    port.request_stop(grace=0)
    with pytest.raises(PortClosed):
        port.write(b"y" * MIB, timeout=60)
