"""G11: what was acknowledged is in the log, and the log survives kill -9 at any instant."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from beam.log import SqliteReader, SqliteStore
from tests.log.conformance import PATIENCE, record
from tests.log.processes import child
from tests.volume import scaled

if TYPE_CHECKING:
    from pathlib import Path


def acknowledged(lines: list[bytes]) -> dict[str, tuple[str, int]]:
    """Return what the child acknowledged: by id, the stream and the sequence."""
    found = {}
    for line in lines:
        words = line.decode().split()
        for stream, sequence, id_ in zip(words[::3], words[1::3], words[2::3], strict=True):
            found[id_] = (stream, int(sequence))
    return found


@pytest.mark.timeout(600)
@pytest.mark.parametrize("durability", ["process", "power"])
@pytest.mark.parametrize("mode", ["single", "threads", "reopen"])
def test_what_was_acknowledged_survives_kill_9_at_any_instant(
    tmp_path: Path, mode: str, durability: str
) -> None:
    path = tmp_path / "fleet.db"
    chance = random.Random(f"{mode} {durability}")
    kept: dict[str, tuple[str, int]] = {}
    for round_ in range(scaled(60)):
        with child(path, mode, durability=durability, prefix=f"r{round_}") as (process, output):
            assert output.readline() == b"begun\n"
            most = 30 if mode == "reopen" else 300
            lines = [
                output.readline() for _ in range(chance.choice([0, 1, chance.randint(2, most)]))
            ]
            process.kill()
            lines += output.readlines()
            process.wait(PATIENCE)
        kept |= acknowledged(lines)
        with SqliteStore.open(path, durability=durability) as store:
            held = {each.id: (each.stream, each.sequence) for each in store.read_all()}
            assert kept.items() <= held.items()
            for stream, last in store.streams().items():
                assert [each.sequence for each in store.read(stream)] == list(range(1, last + 1))
            store.append_wait([record(f"after-{round_}", "after")], PATIENCE)
        with SqliteReader(path) as reader:
            reader.verify()


def test_a_writer_that_ends_by_itself_leaves_one_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "fleet.db"
    with child(path, "threads", times=20) as (process, output):
        lines = output.readlines()[1:]
        assert process.wait(PATIENCE) == 0
    assert [each.name for each in tmp_path.iterdir()] == ["fleet.db"]
    with SqliteReader(path) as reader:
        held = {each.id: (each.stream, each.sequence) for each in reader.read_all()}
    assert held == acknowledged(lines)
