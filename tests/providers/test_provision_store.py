"""`beam.providers.provision_store`: check 96, and what both stores do."""

from __future__ import annotations

import json

import pytest
import structlog

from beam.providers.provision_store import FileHandles, MemoryHandles


@pytest.fixture
def path(tmp_path):
    return tmp_path / "handles.json"


@pytest.fixture(params=["memory", "file"])
def store(request, path):
    return MemoryHandles() if request.param == "memory" else FileHandles(path)


def test_notes_are_kept_by_key_in_their_order(store):
    store.put("b", {"n": 1})
    store.put("a", {"n": 2})
    store.put("b", {"n": 3})
    assert store.items() == [("b", {"n": 3}), ("a", {"n": 2})]
    store.delete("b")
    store.delete("b")
    assert (store.get("b"), store.get("a")) == (None, {"n": 2})


def test_check_96_a_file_outlives_its_store(path):
    store = FileHandles(path)
    store.put("a", {"agent_id": "agent_1"})
    store.put("b", {"agent_id": "agent_2"})
    store.delete("a")
    assert FileHandles(path).items() == [("b", {"agent_id": "agent_2"})]
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b"\xff\xfe", b"[" * 100_000])
def test_check_96_a_corrupt_file_is_empty_with_a_warning_and_kept(path, content):
    path.write_bytes(content)
    with structlog.testing.capture_logs() as logs:
        store = FileHandles(path)
    assert store.items() == []
    assert [entry["event"] for entry in logs] == ["provision_store_corrupt"]
    assert path.with_name("handles.json.corrupt").read_bytes() == content
    store.put("a", {})
    assert FileHandles(path).items() == [("a", {})]


def test_check_96_a_write_that_fails_leaves_the_old_file_and_the_old_note(path, monkeypatch):
    store = FileHandles(path)
    store.put("a", {"n": 1})
    with pytest.raises(TypeError):
        store.put("a", {"n": object()})
    assert store.get("a") == {"n": 1}

    def full(*_):
        raise OSError(28, "no space left")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        store.put("a", {"n": 2})
    assert store.get("a") == {"n": 1}
    assert json.loads(path.read_bytes()) == {"a": {"n": 1}}
