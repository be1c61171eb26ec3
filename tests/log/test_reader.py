"""`beam.log.reader`: reading a log while another process writes it, and after."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from beam.errors import InvalidInput, StoreClosed, StoreCorrupt
from beam.log import SqliteReader, SqliteStore
from tests.log.conformance import PATIENCE, record, some
from tests.log.processes import child
from tests.volume import scaled

if TYPE_CHECKING:
    from pathlib import Path

    from beam.log import StoredRecord


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fleet.db"


def test_a_reader_follows_the_writer_of_another_process_without_gap(path: Path) -> None:
    with child(path, "single", times=scaled(20_000)) as (process, output):
        assert output.readline() == b"begun\n"
        # The first line after the log has been made.
        lines = 1 + (output.readline() != b"")
        found: list[StoredRecord] = []
        with SqliteReader(path) as reader:
            counting = threading.Thread(target=output.readlines)
            counting.start()
            while len(found) < scaled(20_000):
                assert reader.wait_for(len(found) + 1, timeout=PATIENCE)
                found += reader.read_all(after_position=len(found))
            counting.join()
        assert process.wait(PATIENCE) == 0
    assert lines == 2
    assert [each.sequence for each in found] == list(range(1, len(found) + 1))
    assert [each.position for each in found] == list(range(1, len(found) + 1))


def test_a_reader_follows_one_writer_after_the_other(path: Path) -> None:
    with SqliteStore.open(path) as store:
        store.append_wait([record("e1")])
    with SqliteStore.open(path, read_only=True) as reader:
        for n in range(2, 5):
            with SqliteStore.open(path) as store:
                store.append_wait([record(f"e{n}")])
                assert reader.wait_for(n, timeout=PATIENCE)
            assert reader.last_sequence("a") == n


def test_a_reader_reads_what_a_killed_writer_left(path: Path) -> None:
    with child(path, "single") as (process, output):
        output.readline()
        output.readline()
        process.kill()
        acknowledged = 1 + len(output.readlines())
        process.wait(PATIENCE)
    with SqliteReader(path) as reader:
        assert reader.last_position() >= acknowledged
        reader.verify()


def test_a_reader_waits_until_its_deadline(path: Path) -> None:
    with SqliteStore.open(path) as store:
        store.append_wait(some(2))
    with SqliteReader(path) as reader:
        assert reader.wait_for(2, timeout=0)
        assert not reader.wait_for(3, timeout=0)
        assert not reader.wait_for(3, timeout=0.02)


def test_closing_a_reader_wakes_who_waits(path: Path) -> None:
    SqliteStore.open(path).close()
    reader = SqliteReader(path)
    waiting = threading.Event()

    def wait() -> None:
        waiting.set()
        reader.wait_for(1, timeout=PATIENCE)

    with ThreadPoolExecutor() as pool:
        outcome = pool.submit(wait)
        assert waiting.wait(PATIENCE)
        reader.close()
        reader.close()
        with pytest.raises(StoreClosed):
            outcome.result(PATIENCE)
    with pytest.raises(StoreClosed):
        reader.read_all()


def test_more_threads_read_at_once_than_there_are_connections(path: Path) -> None:
    with SqliteStore.open(path) as store:
        stored = store.append_wait(some(100))
        with ThreadPoolExecutor(16) as pool:
            reads = [pool.submit(store.read_all) for _ in range(200)]
            assert all(each.result(PATIENCE) == stored for each in reads)


@pytest.mark.parametrize("content", [None, b""])
def test_a_log_that_is_not_there_cannot_be_read_and_is_not_made(
    path: Path, content: bytes | None
) -> None:
    if content is not None:
        path.write_bytes(content)
    before = sorted(path.parent.iterdir())
    with pytest.raises(InvalidInput, match="nothing has been written there yet"):
        SqliteStore.open(path, read_only=True)
    assert sorted(path.parent.iterdir()) == before


def test_a_log_is_read_where_no_file_can_be_made(path: Path) -> None:
    with SqliteStore.open(path) as store:
        stored = store.append_wait(some(3))
    # What SQLite would make beside the log, it cannot.
    path.with_name("fleet.db-shm").symlink_to(path.parent / "nowhere" / "fleet.db-shm")
    with SqliteReader(path) as reader:
        assert reader.read_all() == stored


def test_verify_finds_damage_in_the_midst_of_the_file(path: Path) -> None:
    with SqliteStore.open(path) as store:
        store.append_wait(some(500))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4096] = bytes(4096)
    path.write_bytes(content)
    with SqliteReader(path) as reader, pytest.raises(StoreCorrupt, match=r"damaged|malformed"):
        reader.verify()


@pytest.mark.parametrize(
    ("damage", "where"),
    [
        ("DELETE FROM event WHERE id = 'e2'", "the log"),
        ("UPDATE event SET sequence = 9 WHERE id = 'e2'", "stream a"),
        ("DELETE FROM stream", "stream 1"),
    ],
)
def test_verify_finds_that_numbers_are_missing(path: Path, damage: str, where: str) -> None:
    with SqliteStore.open(path) as store:
        store.append_wait(some(3))
    connection = sqlite3.connect(path)
    connection.execute(damage)
    connection.commit()
    connection.close()
    with SqliteReader(path) as reader, pytest.raises(StoreCorrupt, match=where):
        reader.verify()
