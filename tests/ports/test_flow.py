"""The reader goes no faster than the consumer."""

import pytest

from beam.errors import InvalidInput
from tests.ports.conftest import Start
from tests.ports.consumer import program


def test_no_more_lines_than_the_window_are_delivered(start: Start) -> None:
    port, consumer = start(program("counts", 100, window_lines=10), acks=False)
    consumer.wait_for_lines(10)
    # The exit would follow the last line; that it does not come shows that lines are held back.
    assert port.wait(0.05) is None
    assert len(consumer.lines) == 10
    port.ack(3)
    consumer.wait_for_lines(13)
    for acknowledged in range(4, 91):
        port.ack()
        consumer.wait_for_lines(10 + acknowledged)
        assert len(consumer.lines) == 10 + acknowledged
    consumer.wait_for_exit()
    assert consumer.texts == [str(number) for number in range(100)]


def test_the_window_is_bounded_in_bytes_and_one_line_always_fits(start: Start) -> None:
    spec = program("writes", 5000, 5000, 5000, window_bytes=1000)
    port, consumer = start(spec, acks=False)
    for count in (1, 2, 3):
        consumer.wait_for_lines(count)
        assert len(consumer.lines) == count
        port.ack()
    consumer.wait_for_exit()


def test_the_program_waits_when_its_consumer_does(start: Start) -> None:
    # Two megabytes are more than the pipe and one read hold: the program cannot end before us.
    port, consumer = start(program("writes", *[1000] * 2000, window_lines=1), acks=False)
    consumer.wait_for_lines(1)
    assert port.wait(0.05) is None
    assert port.exit is None
    assert port.sample().pids == (port.pid,)


def test_pause_holds_the_lines_and_resume_lets_them_go(start: Start) -> None:
    port, consumer = start(program("echoes", stdin="pipe"))
    port.write(b"one\n")
    consumer.wait_for_lines(1)
    port.pause()
    port.write(b"two\n")
    port.close_stdin()
    assert port.wait(0.05) is None
    assert consumer.texts == ["one"]
    port.resume()
    consumer.wait_for_exit()
    assert consumer.texts == ["one", "two", "end"]


def test_stop_delivers_what_a_paused_consumer_had_waiting(start: Start) -> None:
    port, consumer = start(program("answers_term", grace=60))
    consumer.wait_for_lines(1)
    port.pause()
    exit = port.stop()
    assert consumer.wait_for_exit() == exit
    assert consumer.texts == ["ready", "bye"]


def test_what_was_not_delivered_cannot_be_acknowledged(start: Start) -> None:
    port, consumer = start(program("ignores_term"), acks=False)
    consumer.wait_for_lines(1)
    with pytest.raises(InvalidInput):
        port.ack(2)
