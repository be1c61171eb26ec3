"""The life of one program: its start, its output, its end."""

import json
import os
import signal
from pathlib import Path

import pytest

from beam.errors import InvalidInput, LoopStopped, PortClosed, SpawnFailed
from beam.ports import Line, LoopThread, Port, PortExit, PortHost, PortSpec, SpilledLine
from beam.ports.spec import OWNER_VARIABLE
from tests.ports.conftest import Start
from tests.ports.consumer import Consumer, program


def test_lines_come_in_order_and_before_the_exit(start: Start) -> None:
    _, consumer = start(program("counts", 5000))
    exit = consumer.wait_for_exit()
    assert consumer.texts == [str(number) for number in range(5000)]
    assert consumer.heard[-1] is exit
    assert exit == PortExit("p1", 0)


def test_a_program_may_end_without_a_word(start: Start) -> None:
    _, consumer = start(program("writes"))
    consumer.wait_for_exit()
    assert consumer.heard == [PortExit("p1", 0)]


def test_a_signal_is_a_negative_status(start: Start) -> None:
    _, consumer = start(program("dies_by_signal"))
    assert consumer.wait_for_exit().status == -signal.SIGKILL
    assert consumer.texts == ["last words"]


def test_half_a_line_is_delivered_and_marked(start: Start) -> None:
    _, consumer = start(program("writes", 3, "half"))
    consumer.wait_for_exit()
    assert consumer.lines == [Line(b"xxx"), Line(b"half a line", complete=False)]


def test_a_line_over_the_limit_is_in_a_file_and_the_next_ones_follow(start: Start) -> None:
    _, consumer = start(program("writes", 10, 1_000_000, 10, line_limit=100_000))
    consumer.wait_for_exit()
    first, long, last = consumer.lines
    assert isinstance(long, SpilledLine)
    assert (long.size, long.dropped, long.complete) == (1_000_000, 0, True)
    assert long.path.read_bytes() == b"x" * 1_000_000
    assert first == last == Line(b"x" * 10)


def test_a_line_of_a_hundred_megabytes_is_not_fatal_by_default(start: Start) -> None:
    size = 100 * 1024 * 1024
    _, consumer = start(program("writes", size, 3))
    assert consumer.wait_for_exit().status == 0
    long, last = consumer.lines
    assert isinstance(long, SpilledLine)
    assert long.size == long.path.stat().st_size == size
    assert last == Line(b"xxx")


def test_a_spilled_line_is_bounded_too(start: Start) -> None:
    _, consumer = start(program("writes", 1_000_000, line_limit=1000, spill_limit=300_000))
    consumer.wait_for_exit()
    [line] = consumer.lines
    assert isinstance(line, SpilledLine)
    assert (line.size, line.dropped) == (300_000, 700_000)


def test_stderr_is_kept_from_its_end_and_never_stops_the_program(start: Start) -> None:
    _, consumer = start(program("floods_stderr", 20, stderr_lines=2))
    exit = consumer.wait_for_exit()
    assert consumer.texts == ["done"]
    assert exit.stderr == f"{20 * 1024 - 1:>1022} \ndone é\n"


def test_the_program_gets_what_was_asked_for_and_nothing_else(start: Start, tmp_path: Path) -> None:
    spec = program("describes_itself", cwd=tmp_path, env={"A": "é"}, extra={"B": ""})
    _, consumer = start(spec)
    facts = json.loads(consumer.wait_for_lines(1)[0])
    assert facts["cwd"] == str(tmp_path)
    assert facts["env"].pop(OWNER_VARIABLE)
    # Python itself may set LC_CTYPE in the C locale.
    facts["env"].pop("LC_CTYPE", None)
    assert facts["env"] == {"A": "é", "B": ""}
    assert facts["descriptors"] == [0, 1, 2]
    assert facts["session"]
    assert facts["group"]
    assert facts["blocked"] == []


def test_a_program_that_is_not_there_is_said_at_the_start(host: PortHost) -> None:
    with pytest.raises(SpawnFailed) as caught:
        host.start(PortSpec.of("/no/such/program"), on_line=print, on_exit=print)
    assert caught.value.reason == "ENOENT"
    assert host.ports == ()


def test_a_file_that_cannot_be_executed_is_said_at_the_start(
    host: PortHost, tmp_path: Path
) -> None:
    file = tmp_path / "data"
    file.write_text("no program")
    with pytest.raises(SpawnFailed) as caught:
        host.start(PortSpec.of([str(file)]), on_line=print, on_exit=print)
    assert caught.value.reason == "EACCES"


def test_a_directory_that_is_not_there_is_bad_input(host: PortHost, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        host.start(PortSpec.of("true", cwd=tmp_path / "no"), on_line=print, on_exit=print)
    assert caught.value.field == "cwd"


def test_a_start_past_its_deadline_leaves_nothing(host: PortHost) -> None:
    with pytest.raises(SpawnFailed) as caught:
        host.start(PortSpec.of("true", start_timeout=0), on_line=print, on_exit=print)
    assert caught.value.reason == "timeout"
    assert host.ports == ()


def test_stop_sends_term_first(start: Start) -> None:
    port, consumer = start(program("answers_term", grace=60))
    consumer.wait_for_lines(1)
    exit = port.stop()
    assert exit.status == 3
    assert exit.stopped
    assert consumer.wait_for_exit() == exit
    assert consumer.texts == ["ready", "bye"]


def test_stop_kills_what_ignores_term(start: Start) -> None:
    port, consumer = start(program("ignores_term"))
    consumer.wait_for_lines(1)
    assert port.stop().status == -signal.SIGKILL


def test_a_second_stop_hastens_the_first(start: Start) -> None:
    port, consumer = start(program("ignores_term", grace=3600))
    consumer.wait_for_lines(1)
    port.request_stop()
    assert port.stop(grace=0).status == -signal.SIGKILL


def test_stop_is_idempotent(start: Start) -> None:
    port, consumer = start(program("ignores_term"))
    consumer.wait_for_lines(1)
    assert port.stop() == port.stop() == port.stop(grace=0) == port.exit
    consumer.wait_for_exit()
    port.request_stop()
    assert len(consumer.exits) == 1


def test_stop_of_a_program_that_has_ended_tells_how_it_ended(start: Start) -> None:
    port, consumer = start(program("writes", 1))
    consumer.wait_for_exit()
    exit = port.stop()
    assert (exit.status, exit.stopped) == (0, False)


def test_stop_ends_a_program_that_is_itself_stopped(start: Start) -> None:
    port, consumer = start(program("answers_term", grace=60))
    consumer.wait_for_lines(1)
    os.kill(port.pid, signal.SIGSTOP)
    assert port.stop().status == 3


def test_a_wrong_grace_changes_nothing(start: Start) -> None:
    port, consumer = start(program("ignores_term"))
    consumer.wait_for_lines(1)
    with pytest.raises(InvalidInput):
        port.stop(grace=-1)
    assert port.exit is None


def test_stop_on_the_loop_thread_is_refused(start: Start, loop: LoopThread) -> None:
    port, consumer = start(program("ignores_term"))
    consumer.wait_for_lines(1)

    async def work() -> PortExit:
        return port.stop()

    with pytest.raises(LoopStopped):
        loop.submit(work()).result(30)


def test_a_signal_reaches_the_program(start: Start) -> None:
    port, consumer = start(program("answers_term"))
    consumer.wait_for_lines(1)
    port.signal(signal.SIGINT)
    assert consumer.wait_for_lines(2) == ["ready", "interrupted"]
    assert port.exit is None


def test_a_signal_to_a_program_that_has_ended_is_refused(start: Start) -> None:
    port, consumer = start(program("writes"))
    consumer.wait_for_exit()
    with pytest.raises(PortClosed) as caught:
        port.signal(signal.SIGINT)
    assert caught.value.status == 0


def test_there_is_no_signal_of_that_number(start: Start) -> None:
    port, _ = start(program("ignores_term"))
    with pytest.raises(InvalidInput):
        port.signal(4000)


def test_a_consumer_that_raises_ends_its_port_and_is_named(
    host: PortHost, loop: LoopThread
) -> None:
    consumer = Consumer()

    def on_line(line: Line | SpilledLine) -> None:
        raise ZeroDivisionError("consumer")

    spec = program("writes", *[3] * 100)
    host.start(spec, on_line=on_line, on_exit=consumer.on_exit)
    exit = consumer.wait_for_exit()
    assert exit.fault == "on_line raised ZeroDivisionError('consumer')"
    assert exit.undelivered == 100


def test_wait_returns_after_the_exit_was_told(start: Start) -> None:
    port, consumer = start(program("writes", 3))
    assert port.wait(60) == consumer.exits[0]


def test_wait_gives_up_in_time(start: Start) -> None:
    port, _ = start(program("ignores_term"))
    assert port.wait(0) is None


def test_the_keeper_frozen_does_not_stop_the_end(start: Start) -> None:
    port, consumer = start(program("ignores_term", kill_wait=0.2))
    consumer.wait_for_lines(1)
    os.kill(port.keeper, signal.SIGSTOP)
    exit = port.stop(grace=0)
    assert exit.survivors == ()
    assert exit.fault == "keeper lost"


def test_a_port_shows_its_state(start: Start) -> None:
    port, consumer = start(program("writes"))
    consumer.wait_for_exit()
    assert repr(port) == f"<Port p1 {port.spec.argv[0]} pid={port.pid} ended, 0>"
    assert isinstance(port, Port)


def test_a_program_that_has_closed_its_stdout_may_live_on(start: Start) -> None:
    port, consumer = start(program("closes_stdout"))
    consumer.wait_for_lines(1)
    assert port.stop(grace=0.2).fault is None


def test_one_that_must_not_live_on_without_its_stdout_is_ended(start: Start) -> None:
    _, consumer = start(program("closes_stdout", mute_grace=0.1))
    exit = consumer.wait_for_exit()
    assert (exit.status, exit.fault) == (-signal.SIGTERM, "it closed its stdout, and went on")


def test_one_that_ends_after_it_has_closed_its_stdout_has_no_fault(start: Start) -> None:
    _, consumer = start(program("writes", 3, mute_grace=60.0))
    assert consumer.wait_for_exit() == PortExit("p1", 0)


def test_stdout_is_open_as_long_as_any_process_of_the_tree_holds_it(start: Start) -> None:
    port, consumer = start(program("closes_stdout", "stays", mute_grace=0.05))
    consumer.wait_for_lines(1)
    assert port.wait(0.5) is None
    assert port.stop(grace=0.2).fault is None
