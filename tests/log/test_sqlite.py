"""`beam.log.sqlite`: the promises of a store, kept in a file."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from beam.log import SqliteReader, SqliteStore
from tests.log.conformance import PATIENCE, StoreConformance, StoreMachine, record
from tests.log.processes import program_running
from tests.volume import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from beam.log import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fleet.db"


class TestSqliteStore(StoreConformance):
    @pytest.fixture(params=["process", "power"])
    def store(self, request: pytest.FixtureRequest, path: Path) -> Iterator[Store]:
        with SqliteStore.open(path, durability=request.param) as store:
            yield store
        with SqliteReader(path) as reader:
            reader.verify()


class SqliteMachine(StoreMachine):
    def open(self) -> Store:
        self.directory = Path(tempfile.mkdtemp())
        return SqliteStore.open(self.directory / "fleet.db", durability="process")

    def reopen(self) -> Store | None:
        self.store.close(PATIENCE)
        return SqliteStore.open(self.directory / "fleet.db", durability="process")

    def teardown(self) -> None:
        super().teardown()
        with SqliteReader(self.directory / "fleet.db") as reader:
            reader.verify()
        shutil.rmtree(self.directory)


SqliteMachine.TestCase.settings = settings(max_examples=scaled(600), stateful_step_count=20)
TestSqliteStoreHistories = pytest.mark.timeout(600)(SqliteMachine.TestCase)


def test_streams_are_counted_on_when_they_are_no_longer_remembered(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("beam.log.appender._STREAMS_REMEMBERED", 3)
    with SqliteStore.open(path, durability="process") as store:
        for round_ in range(5):
            for stream in "abcdefgh":
                (stored,) = store.append_wait([record(f"{stream}{round_}", stream)])
                assert stored.sequence == round_ + 1
        assert store.streams() == dict.fromkeys("abcdefgh", 5)


def test_a_log_goes_on_where_it_was_closed(path: Path) -> None:
    with SqliteStore.open(path) as store:
        first = store.append_wait([record("e1", "a"), record("e2", "b")])
    with SqliteStore.open(path) as store:
        again, more = store.append_wait([record("e1", "z"), record("e3", "a")])
        assert again == first[0]
        assert (more.sequence, more.position) == (2, 3)
        assert store.on_append(print).since == 3


PROGRAM_WITHOUT_CLOSE = """
import sys
from beam.log import Record, SqliteStore
store = SqliteStore.open(sys.argv[1])
store.append_wait([Record("e1", "a", "said", 0, "{}")])
for n in range(1000):
    store.append([Record(f"more{n}", "a", "said", 0, "{}")], lambda _: None)
print("done", flush=True)
"""


def test_a_program_that_ends_without_closing_ends_and_keeps_what_was_acknowledged(
    path: Path,
) -> None:
    with program_running(["-W", "error", "-c", PROGRAM_WITHOUT_CLOSE, str(path)]) as running:
        process, output = running
        assert output.read() == b"done\n"
        assert process.wait(PATIENCE) == 0
    with SqliteStore.open(path) as store:
        held = [each.id for each in store.read("a")]
        assert held == ["e1", *(f"more{n}" for n in range(len(held) - 1))]
