"""The record of what runs."""

import json
from pathlib import Path

import pytest

from beam.errors import InvalidInput, SpawnFailed
from beam.ports import LoopThread, PortHost, default_ledger
from tests.ports.conftest import Start
from tests.ports.consumer import program


def entries(ledger: Path, pattern: str = "*.port") -> list[Path]:
    return sorted(ledger.glob(pattern))


def test_a_port_is_on_disk_while_it_runs_and_not_after(start: Start, ledger: Path) -> None:
    port, consumer = start(program("ignores_term"))
    consumer.wait_for_lines(1)
    [path] = entries(ledger)
    entry = json.loads(path.read_text())
    assert [pid for pid, _ in entry["processes"]] == [port.keeper, port.pid]
    port.stop()
    assert entries(ledger) == []


def test_the_entry_is_there_before_the_program_runs(start: Start, ledger: Path) -> None:
    looks = ["sh", "-c", f"cat {ledger}/*.port; echo; echo $PPID"]
    _, consumer = start(program("writes").of(looks))
    entry, keeper = consumer.wait_for_lines(2)
    assert json.loads(entry)["processes"][0][0] == int(keeper)


def test_neither_arguments_nor_environment_are_written(start: Start, ledger: Path) -> None:
    _, consumer = start(program("ignores_term", "sesame", extra={"KEY": "sesame"}))
    consumer.wait_for_lines(1)
    written = [path.read_text() for path in entries(ledger, "*")]
    assert written
    assert not any("sesame" in text for text in written)


def test_only_this_user_can_see_it(start: Start, ledger: Path) -> None:
    assert ledger.stat().st_mode & 0o077 == 0


def test_a_program_that_cannot_be_written_down_does_not_run(
    host: PortHost, ledger: Path, tmp_path: Path
) -> None:
    (ledger / entries(ledger, "*.owner")[0].name.replace(".owner", ".p1.port")).mkdir()
    trace = tmp_path / "ran"
    with pytest.raises(SpawnFailed) as caught:
        host.start(program("writes").of(["touch", str(trace)]), on_line=print, on_exit=print)
    assert caught.value.reason == "ledger EEXIST"
    assert not trace.exists()
    (ledger / entries(ledger)[0].name).rmdir()


def test_a_closed_host_leaves_an_empty_directory(loop: LoopThread, ledger: Path) -> None:
    host = PortHost(ledger, loop)
    spec = program("writes", 1000, line_limit=10)
    port = host.start(spec, on_line=lambda _: None, on_exit=lambda _: None)
    assert port.wait(60)
    assert entries(ledger, "*.line")
    host.close()
    assert entries(ledger, "*") == []


def test_a_directory_that_others_can_write_to_is_refused(loop: LoopThread, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(InvalidInput) as caught:
        PortHost(tmp_path, loop)
    assert caught.value.field == "ledger"


def test_a_file_in_the_place_of_the_directory_is_refused(loop: LoopThread, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(InvalidInput):
        PortHost(file, loop)


def test_without_a_store_each_user_has_one_ledger() -> None:
    assert default_ledger() == default_ledger()
    assert default_ledger().is_absolute()
