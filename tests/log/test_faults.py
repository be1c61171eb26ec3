"""A disk that is full or fails: every append is answered, and nothing acknowledged is lost."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from beam.errors import StoreCorrupt, StoreError, StoreFull, StoreLocked
from beam.log import Record, SqliteReader, SqliteStore
from beam.log.faults import faults
from tests.log.conformance import PATIENCE, record, some
from tests.log.processes import program_running

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fleet.db"


def test_a_full_log_answers_every_append_and_keeps_what_it_has(path: Path) -> None:
    answers: list[list[object] | BaseException] = []
    with SqliteStore.open(path, max_bytes=200_000) as store:
        stored = store.append_wait([record(f"first{n}", body="x" * 1000) for n in range(100)])
        for n in range(300):
            store.append([record(f"e{n}", body="x" * 1000)], answers.append, timeout=PATIENCE)
        with pytest.raises(StoreFull):
            store.append_wait([record("large", body="x" * 200_000)])
        stored += [answer[0] for answer in answers if isinstance(answer, list)]
        failed = [answer for answer in answers if isinstance(answer, StoreFull)]
        assert len(stored) + len(failed) == 400
        assert len({id(error) for error in failed}) == len(failed) > 0
        assert store.read_all() == stored
        assert store.stats().failed == len(failed) + 1
    assert path.stat().st_size <= 200_000
    with SqliteStore.open(path) as store:
        more = store.append_wait([record("more", body="x" * 1000)])
        assert store.read_all() == [*stored, *more]
        store.verify()


def test_a_full_log_takes_what_still_fits(path: Path) -> None:
    with SqliteStore.open(path, max_bytes=100_000) as store:
        with pytest.raises(StoreFull):
            store.append_wait([record("e1", body="x" * 100_000)])
        assert [each.sequence for each in store.append_wait([record("e2")])] == [1]


# RLIMIT_FSIZE makes the operating system refuse to let a file grow, as a failing disk would.
FAILING = """
import resource, sys
from beam.errors import StoreError
from beam.log import Record, SqliteStore
from queue import SimpleQueue

store = SqliteStore.open(sys.argv[1], durability=sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (4_000_000, 4_000_000))
for n in range(100):
    (stored,) = store.append_wait([Record(f"first{n}", "a", "t", 0, "x" * 500)])
    print("stored", stored.id, stored.sequence, flush=True)
answers = SimpleQueue()
made = 0
try:
    for made in range(5_000):
        store.append([Record(f"e{made}", "a", "t", 0, "x" * 500)], answers.put, timeout=30)
except StoreError as error:
    assert "disk I/O error" in str(error), error
for _ in range(made):
    answer = answers.get(timeout=30)
    if isinstance(answer, StoreError):
        print("failed", flush=True)
    else:
        print("stored", answer[0].id, answer[0].sequence, flush=True)
try:
    store.append_wait([Record("late", "a", "t", 0, "")])
except StoreError as error:
    print("refused", error, flush=True)
store.close()
print("closed", flush=True)
"""


@pytest.mark.parametrize("durability", ["process", "power"])
def test_a_disk_that_fails_answers_every_append_and_stops_the_log(
    path: Path, durability: str
) -> None:
    with program_running(["-c", FAILING, str(path), durability]) as (process, output):
        lines = output.read().decode().splitlines()
        process.wait(PATIENCE)
    assert lines[-1] == "closed"
    assert lines[-2].startswith("refused")
    assert "disk I/O error" in lines[-2]
    assert "failed" in lines
    stored = [line.removeprefix("stored ") for line in lines if line.startswith("stored ")]
    with SqliteStore.open(path) as store:
        held = [f"{each.id} {each.sequence}" for each in store.read("a")]
        assert held[: len(stored)] == stored
        store.append_wait([record("after")])
        store.verify()


def test_an_append_that_another_program_made_in_secret_stops_the_log(path: Path) -> None:
    with SqliteStore.open(path) as store:
        store.append_wait([record("e1")])
        connection = sqlite3.connect(path)
        connection.execute("INSERT INTO event VALUES (2, 1, 2, 'theirs', 't', '0', '')")
        connection.commit()
        connection.close()
        for stream in ("new", "a"):
            with pytest.raises(StoreError, match="UNIQUE constraint failed"):
                store.append_wait([record("e2", stream)])
        with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as connection:
            connection.execute("BEGIN IMMEDIATE")


def test_a_lock_of_another_program_passes(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None, timeout=0)
    connection.execute("CREATE TABLE a (b)")
    connection.execute("BEGIN EXCLUSIVE")
    other = sqlite3.connect(path, isolation_level=None, timeout=0)
    with pytest.raises(StoreLocked, match="another program holds SQLite's lock"), faults("f"):
        other.execute("INSERT INTO a VALUES (1)")
    other.close()
    connection.close()


def test_damage_that_is_met_while_reading_is_said(path: Path) -> None:
    with SqliteStore.open(path) as store:
        store.append_wait([record(f"e{n}", body="x" * 3000) for n in range(200)])
    content = bytearray(path.read_bytes())
    for page in range(20, 40):
        content[page * 4096 : (page + 1) * 4096] = b"\xff" * 4096
    path.write_bytes(content)
    with SqliteReader(path) as reader, pytest.raises(StoreCorrupt):
        reader.read_all()


@pytest.mark.parametrize(("durability", "level"), [("power", "FULL"), ("process", "NORMAL")])
def test_a_durability_is_a_level_of_sqlite(
    path: Path, durability: str, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []
    connect = sqlite3.connect

    def traced(*arguments: object, **options: object) -> sqlite3.Connection:
        connection = connect(*arguments, **options)
        connection.set_trace_callback(statements.append)
        return connection

    monkeypatch.setattr(sqlite3, "connect", traced)
    with SqliteStore.open(path, durability=durability) as store:
        store.append_wait(some(1))
    assert f"PRAGMA synchronous = {level}" in statements
    assert any("PRAGMA journal_mode = WAL" in each for each in statements)


def test_an_append_to_a_known_stream_is_one_statement(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []
    connect = sqlite3.connect

    def traced(*arguments: object, **options: object) -> sqlite3.Connection:
        connection = connect(*arguments, **options)
        connection.set_trace_callback(statements.append)
        return connection

    monkeypatch.setattr(sqlite3, "connect", traced)
    with SqliteStore.open(path) as store:
        store.append_wait([record("e0")])
        statements.clear()
        store.append_wait([Record(f"e{n}", "a", "t", 0, "") for n in range(1, 101)])
        assert len(statements) == 1


def test_the_thread_that_writes_ends_with_the_log(path: Path) -> None:
    before = set(threading.enumerate())
    with SqliteStore.open(path) as store:
        (writer,) = set(threading.enumerate()) - before
        assert writer.name == f"beam-log {store.path}"
        assert writer.daemon
    assert not writer.is_alive()
