"""Files that are no log, damaged, newer, locked or empty: a clear error, and nothing is touched."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import sqlite3
import stat
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beam.errors import (
    InvalidInput,
    StoreCorrupt,
    StoreError,
    StoreForeign,
    StoreLocked,
    StoreNewer,
)
from beam.log import SqliteReader, SqliteStore
from beam.log.lock import WriterLock
from tests.log.conformance import PATIENCE, record, some
from tests.log.processes import child, program_running

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Change = Callable[[Path], None]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fleet.db"


def contents(directory: Path) -> dict[str, tuple[bytes, int]]:
    """Return every file of a directory, byte for byte, with the time of its last change."""
    return {
        each.name: (each.read_bytes() if each.is_file() else b"", each.stat().st_mtime_ns)
        for each in directory.iterdir()
    }


def refused_untouched(path: Path, error: type[StoreError], says: str) -> None:
    """Assert that a file is refused, for writing and for reading, and that nothing is touched."""
    before = contents(path.parent)
    for read_only in (False, True):
        with pytest.raises(error, match=says) as raised:
            SqliteStore.open(path, read_only=read_only)
        assert raised.value.path == str(path)
        assert str(path) in str(raised.value)
        assert contents(path.parent) == before


def sql(path: Path, *statements: str) -> list[tuple[object, ...]]:
    """Run statements as another program would; return the rows of the last."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return [connection.execute(statement).fetchall() for statement in statements][-1]


def a_log(path: Path, count: int = 300) -> None:
    with SqliteStore.open(path) as store:
        store.append_wait(some(count))


# Foreign


@pytest.mark.parametrize(
    "content",
    [
        b"x",
        b"just text\n" * 1000,
        b"\x89PNG\r\n\x1a\n" + bytes(500),
        bytes(8192),
        b"SQLite format 3\x00",
        b"SQLite format 3\x00" + bytes(range(256)) * 40,
    ],
    ids=["one byte", "text", "png", "zeros", "only the name of a format", "garbage"],
)
def test_a_file_that_is_no_database_is_foreign(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    refused_untouched(path, StoreForeign, "not an SQLite database")


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_a_database_of_somebody_else_is_foreign(path: Path, mode: str) -> None:
    sql(path, f"PRAGMA journal_mode = {mode}", "CREATE TABLE event (position, id)")
    refused_untouched(path, StoreForeign, "application id 0")


def test_a_database_of_somebody_else_that_is_in_use_is_foreign(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE other (a)")
    connection.execute("PRAGMA wal_checkpoint")
    connection.execute("INSERT INTO other VALUES (1)")
    refused_untouched(path, StoreForeign, "application id 0")
    connection.close()


def test_what_is_no_regular_file_is_foreign(path: Path) -> None:
    path.mkdir()
    refused_untouched(path, StoreForeign, "not a regular file")
    path.rmdir()
    os.mkfifo(path)
    refused_untouched(path, StoreForeign, "not a regular file")


# Damaged


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_log_that_is_cut_short_anywhere_is_refused(tmp_path: Path, data: st.DataObject) -> None:
    whole = tmp_path / "whole.db"
    if not whole.exists():
        a_log(whole)
    content = whole.read_bytes()
    cut = data.draw(st.integers(1, len(content) - 1))
    torn = tmp_path / "torn" / "fleet.db"
    torn.parent.mkdir(exist_ok=True)
    torn.write_bytes(content[:cut])
    refused_untouched(torn, StoreError, "not an SQLite database|damaged|malformed")
    torn.unlink()


def test_a_log_that_is_cut_short_says_so(path: Path) -> None:
    a_log(path)
    os.truncate(path, path.stat().st_size - 4096)
    refused_untouched(path, StoreCorrupt, "damaged: it has [0-9]+ bytes, less than its header says")


@pytest.mark.parametrize(
    ("statements", "says"),
    [
        (["DROP TABLE event"], "table event is None"),
        (["ALTER TABLE event ADD COLUMN more"], "table event is 'CREATE TABLE event"),
        (["PRAGMA user_version = 0"], "there is no schema 0"),
    ],
)
def test_a_log_without_its_tables_is_damaged(path: Path, statements: list[str], says: str) -> None:
    a_log(path)
    sql(path, *statements)
    refused_untouched(path, StoreCorrupt, says)


def test_a_log_whose_table_is_overwritten_is_damaged(path: Path) -> None:
    a_log(path)
    ((root,),) = sql(path, "SELECT rootpage FROM sqlite_master WHERE name = 'event'")
    content = bytearray(path.read_bytes())
    content[(root - 1) * 4096 : root * 4096] = bytes(4096)
    path.write_bytes(content)
    refused_untouched(path, StoreCorrupt, "malformed")


@pytest.mark.parametrize("content", [None, b""], ids=["gone", "empty"])
@pytest.mark.parametrize("companion", ["-wal", "-journal"])
def test_what_is_left_of_a_lost_log_is_not_played_into_a_new_one(
    path: Path, content: bytes | None, companion: str
) -> None:
    if content is not None:
        path.write_bytes(content)
    path.with_name(path.name + companion).write_bytes(b"the rest")
    refused_untouched(path, StoreCorrupt, "put the log back, or remove that file")


def test_a_log_of_a_newer_schema_is_refused(path: Path) -> None:
    a_log(path)
    sql(path, "PRAGMA user_version = 2")
    refused_untouched(path, StoreNewer, "schema 2, this one knows up to 1")


# Crashes in the midst of a checkpoint


def checkpoint_of(path: Path, pages: int) -> None:
    """Make at `path` what a crash leaves after so many pages of a checkpoint of 1,000 appends."""
    live = path.with_name("live.db")
    a_log(live, 8000)
    old = live.read_bytes()
    with SqliteStore.open(live, durability="process") as store:
        for n in random.Random(7).sample(range(8000), 1000):
            store.append_wait([record(f"e{n}-more", body="x" * 200)])
        shutil.copy(f"{live}-wal", f"{path}-wal")
    path.write_bytes(live.read_bytes()[: pages * 4096] + old[pages * 4096 :])
    live.unlink()


@pytest.mark.parametrize("pages", [1, 50, 100])
def test_a_crash_in_the_midst_of_a_checkpoint_is_healed(path: Path, pages: int) -> None:
    checkpoint_of(path, pages)
    with SqliteReader(path) as reader:
        assert reader.last_position() == 9000
    with SqliteStore.open(path) as store:
        assert [each.sequence for each in store.read("a")] == list(range(1, 9001))
        store.verify()


@pytest.mark.parametrize("kept", [0.0001, 0.02, 0.1])
def test_a_cut_log_whose_wal_lacks_the_rest_is_refused_with_both_untouched(
    path: Path, kept: float
) -> None:
    checkpoint_of(path, 100)
    wal = path.with_name("fleet.db-wal")
    wal.write_bytes(wal.read_bytes()[: int(kept * wal.stat().st_size)])
    before = path.read_bytes(), wal.read_bytes()
    with pytest.raises(StoreCorrupt):
        SqliteStore.open(path)
    assert (path.read_bytes(), wal.read_bytes()) == before
    assert not path.with_name("fleet.db-lock").exists()


# New


def test_an_empty_file_is_a_new_log_and_keeps_its_mode(path: Path) -> None:
    path.touch()
    path.chmod(0o640)
    a_log(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    with SqliteReader(path) as reader:
        assert reader.last_position() == 300


def test_a_closed_log_is_one_file(path: Path) -> None:
    a_log(path)
    assert [each.name for each in path.parent.iterdir()] == ["fleet.db"]


def test_what_a_writer_left_that_died_while_making_the_log_is_removed(path: Path) -> None:
    path.with_name("fleet.db-new").write_bytes(b"half of a log")
    path.with_name("fleet.db-lock").write_bytes(b"12345\n")
    a_log(path)
    assert [each.name for each in path.parent.iterdir()] == ["fleet.db"]


def test_companions_lie_beside_the_file_not_beside_a_link_to_it(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "real" / "fleet.db")
    with SqliteStore.open(link) as store:
        store.append_wait(some(1))
        assert store.path == str(tmp_path / "real" / "fleet.db")
        assert [each.name for each in tmp_path.iterdir() if each.name != "real"] == ["link.db"]
        with pytest.raises(StoreLocked):
            SqliteStore.open(tmp_path / "real" / "fleet.db")
    assert link.is_symlink()


@pytest.mark.parametrize("name", ["with space.db", "per%20cent#?.db", "ü&a=b.db"])
def test_a_file_may_have_any_name(tmp_path: Path, name: str) -> None:
    a_log(tmp_path / name, 3)
    assert [each.name for each in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("bad", [None, 7, "a\0b"])
def test_what_is_no_path_is_named(bad: str) -> None:
    with pytest.raises(InvalidInput, match="path"):
        SqliteStore.open(bad)


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    for read_only in (False, True):
        with pytest.raises(InvalidInput, match="a file in a directory that exists"):
            SqliteStore.open(tmp_path / "nowhere" / "fleet.db", read_only=read_only)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("option", "bad"),
    [("durability", "full"), ("durability", None), ("max_bytes", 0), ("limits", 7)],
)
def test_a_bad_option_is_named_before_anything_is_made(
    path: Path, option: str, bad: object
) -> None:
    with pytest.raises(InvalidInput, match=option):
        SqliteStore.open(path, **{option: bad})
    assert list(path.parent.iterdir()) == []


def test_a_reader_has_no_options_of_a_writer(path: Path) -> None:
    a_log(path, 1)
    with pytest.raises(InvalidInput, match="read_only"):
        SqliteStore.open(path, read_only=True, durability="process")


# Locked


def test_a_second_writer_in_the_same_process_is_refused(path: Path) -> None:
    with SqliteStore.open(path) as store:
        before = contents(path.parent)
        with pytest.raises(StoreLocked, match=f"process {os.getpid()} writes to it") as error:
            SqliteStore.open(path)
        assert error.value.pid == os.getpid()
        assert contents(path.parent) == before
        store.append_wait(some(1))
    a_log(path)


def test_a_second_writer_in_another_process_is_refused_until_the_first_is_dead(path: Path) -> None:
    with child(path, "hold") as (process, output):
        assert [output.readline(), output.readline()] == [b"begun\n", b"open\n"]
        with pytest.raises(StoreLocked, match=f"process {process.pid} writes to it") as error:
            SqliteStore.open(path)
        assert error.value.pid == process.pid
        with SqliteReader(path) as reader:
            assert reader.last_position() == 0
        process.kill()
        process.wait(PATIENCE)
        assert path.with_name("fleet.db-lock").exists()
        a_log(path)


def test_a_lock_file_that_was_removed_in_the_meantime_is_no_lock(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = WriterLock.acquire(str(path))
    flock = fcntl.flock
    held = [first]

    def late(file: int, operation: int) -> None:
        # Between the opening of the file and its locking, it passes through other hands.
        monkeypatch.setattr(fcntl, "flock", flock)
        first.release()
        held.append(WriterLock.acquire(str(path)))
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with pytest.raises(StoreLocked):
        WriterLock.acquire(str(path))
    held[1].release()
    assert list(path.parent.iterdir()) == []


def test_many_writers_at_once_are_one(path: Path) -> None:
    program = (
        "import sys; from beam.log import *; from beam.errors import StoreLocked\n"
        "for n in range(40):\n"
        "    try:\n"
        "        with SqliteStore.open(sys.argv[1], durability='process') as store:\n"
        "            before = store.last_position()\n"
        "            a = store.append_wait([Record(f'{sys.argv[2]}-{n}', 'a', 't', 0, '')])\n"
        "            assert a[0].position == before + 1, (a, before)\n"
        "            print(a[0].sequence, flush=True)\n"
        "    except StoreLocked: pass\n"
    )
    sequences: list[int] = []
    with (
        program_running(["-c", program, str(path), "one"]) as (one, first),
        program_running(["-c", program, str(path), "two"]) as (two, second),
    ):
        for output in (first, second):
            sequences += [int(line) for line in output.readlines()]
        assert (one.wait(PATIENCE), two.wait(PATIENCE)) == (0, 0)
    assert sorted(sequences) == list(range(1, len(sequences) + 1))
    with SqliteReader(path) as reader:
        assert reader.last_position() == len(sequences)


FORK = """
import os, sys, warnings
from beam.errors import StoreError
from beam.log import Record, SqliteStore
warnings.simplefilter("ignore")          # forking beside threads is what is tested
store = SqliteStore.open(sys.argv[1])
store.append_wait([Record("e1", "a", "said", 0, "{}")])
if os.fork() == 0:
    for use in (lambda: store.append_wait([]), store.read_all):
        try:
            use()
        except StoreError as error:
            print(error, flush=True)
    store.close()
    os.close(1)
    sys.stdin.read()
    os._exit(0)
store.append_wait([Record("e2", "a", "said", 0, "{}")])
os.close(1)
sys.stdin.read()
"""


def test_a_forked_child_has_no_log_and_does_not_keep_the_lock(path: Path) -> None:
    with program_running(["-c", FORK, str(path)]) as (process, output):
        lines = output.readlines()
        assert len(lines) == 2
        assert all(f"opened by process {process.pid}, which forked".encode() in x for x in lines)
        with pytest.raises(StoreLocked):
            SqliteStore.open(path)
        process.kill()
        process.wait(PATIENCE)
        # The forked child is alive, reading the same input.
        with SqliteStore.open(path) as store:
            assert [each.id for each in store.read("a")] == ["e1", "e2"]
