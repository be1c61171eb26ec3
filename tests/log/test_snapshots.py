"""`beam.log.snapshots`: a cache beside the log, trusted only if it is whole and of this log."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.errors import InvalidInput
from beam.log import MemoryStore, SqliteStore, snapshots_of
from tests.log.conformance import record

DATA = {"rows": [["a", 1], ["b", None]], "text": "zwölf"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "fleet.db"


@pytest.fixture
def store(path):
    with SqliteStore.open(path) as store:
        store.append_wait([record(f"e{number}") for number in range(5)])
        yield store


@pytest.fixture
def file(path):
    return path.with_name("fleet.db-snapshots") / "counts.json"


def test_the_last_one_saved_is_loaded(store):
    snapshots = snapshots_of(store)
    assert snapshots.save("counts", 1, 3, {})
    assert snapshots.save("counts", 1, 5, DATA)
    found = snapshots.load("counts", 1)
    assert (found.position, found.data) == (5, DATA)


def test_it_is_there_for_the_next_who_opens_the_log(store, path):
    snapshots_of(store).save("counts", 1, 5, DATA)
    store.close()
    with SqliteStore.open(path) as again:
        assert snapshots_of(again).load("counts", 1).data == DATA


def test_names_have_snapshots_of_their_own(store):
    snapshots = snapshots_of(store)
    snapshots.save("counts", 1, 5, DATA)
    assert snapshots.load("others", 1) is None


def test_another_version_of_the_shape_is_not_loaded(store):
    snapshots = snapshots_of(store)
    snapshots.save("counts", 1, 5, DATA)
    assert snapshots.load("counts", 2) is None


def test_the_files_may_be_deleted_while_the_log_is_open(store, file):
    snapshots = snapshots_of(store)
    snapshots.save("counts", 1, 5, DATA)
    file.unlink()
    file.parent.rmdir()
    assert snapshots.load("counts", 1) is None
    assert snapshots.save("counts", 1, 5, DATA)


def test_one_of_another_log_is_not_loaded(store, path, tmp_path):
    snapshots_of(store).save("counts", 1, 5, DATA)
    other = tmp_path / "other.db"
    path.with_name("fleet.db-snapshots").rename(tmp_path / "other.db-snapshots")
    with SqliteStore.open(other) as shorter:
        assert snapshots_of(shorter).load("counts", 1) is None
        shorter.append_wait([record(f"other{number}") for number in range(9)])
        assert snapshots_of(shorter).load("counts", 1) is None


@given(at=st.integers(0, 10_000), byte=st.integers(0, 255), cut=st.booleans())
def test_no_damage_is_ever_loaded_as_something_else(tmp_path_factory, at, byte, cut):
    directory = tmp_path_factory.mktemp("log")
    with SqliteStore.open(directory / "fleet.db", durability="process") as store:
        store.append_wait([record("e1")])
        snapshots = snapshots_of(store)
        snapshots.save("counts", 1, 1, DATA)
        file = directory / "fleet.db-snapshots" / "counts.json"
        content = bytearray(file.read_bytes())
        at %= len(content)
        file.write_bytes(content[:at] if cut else content[:at] + bytes([byte]) + content[at + 1 :])
        found = snapshots.load("counts", 1)
        assert found is None or (found.position, found.data) == (1, DATA)


@pytest.mark.parametrize(
    "head", ["[]", "{}", '{"position": "x"}', json.dumps({"position": 1, "last": None})]
)
def test_a_file_of_something_else_is_not_loaded(store, file, head):
    file.parent.mkdir()
    file.write_text(f"{head}\n[]")
    assert snapshots_of(store).load("counts", 1) is None


def test_a_disk_that_does_not_take_it_is_no_error(store, file):
    file.parent.write_text("in the way")
    assert not snapshots_of(store).save("counts", 1, 5, DATA)


def test_a_log_in_memory_has_none():
    with MemoryStore() as store:
        assert not snapshots_of(store).save("counts", 1, 1, DATA)
        assert snapshots_of(store).load("counts", 1) is None


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("../up", 1, 1, {}), "name"),
        (("counts", 0, 1, {}), "version"),
        (("counts", 1, 0, {}), "position"),
        (("counts", 1, 1, {"a": object()}), "data"),
    ],
)
def test_bad_input_is_refused_by_name(store, arguments, field):
    with pytest.raises(InvalidInput) as raised:
        snapshots_of(store).save(*arguments)
    assert raised.value.field == field
