"""Control's table is the same from its checkpoint, and from the bare log."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest

from beam.log import SqliteStore
from beam.state.vault import Vault
from tests.state.rebuilding import as_bytes, rebuilt, without_snapshots
from tests.state.running import PATIENCE, running

VAULT = Vault(key="k" * 32)
SESSIONS = ("a", "b")
PROFILE = {"profile_id": "careful", "rules": [{"action": "approval", "match": ["exists", "path"]}]}


def lasting(key):
    """Say whether a row is of what outlives the program."""
    return key[0] not in ("callbacks", "handler", "position", "tasks")


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr("beam.state.checkpoints.EVERY", 5)
    monkeypatch.setattr("beam.state.checkpoints.FOR_EACH_ROW", 0)
    return tmp_path / "fleet.db"


def opened(path):
    return running(lambda: SqliteStore.open(path), vault=VAULT)


def get(future):
    return future.get(timeout=PATIENCE)


def live(state):
    """Have control keep something of each kind."""
    control = state.control
    for number, session_id in enumerate(SESSIONS):
        get(control.set_config(session_id, "token", f"sk-{number}"))
        get(control.set_config(session_id, "colour", "red"))
        for rating in range(3):
            get(control.submit_feedback(session_id, {"rating": rating}))
        get(control.request_user_input(session_id, {"question": "?"}, {"request_id": "open"}))
        get(control.store_pending_request(session_id, "done", {"kind": "k", "password": "p"}))
        get(control.resolve_pending_request(session_id, "done", {"answer": [1, {"a": 2}]}))
        state.handle(lambda method, params, context: "allow", session_id)
        get(state.ask(session_id, request_id="asked"))
    get(control.clear_feedback("b"))
    get(control.put_policy_profile(PROFILE))
    get(control.start_run("a", run_id="r", input={"n": 1}))
    get(control.start_step("r", step_id="one"))
    get(control.complete_step("one", "done"))
    get(control.start_step("r", step_id="two"))
    get(control.start_review("a", "t", {"participants": [{"name": "ada"}]}))
    get(control.start_realtime("a", "t", {}))
    get(control.append_realtime_text("a", "t", "hello"))


@pytest.mark.parametrize("bare", [False, True])
def test_everything_is_there_again_whichever_it_is_made_of(path, bare):
    with opened(path) as state:
        live(state)
        before = state.reads.get_all_config("a"), state.reads.get_feedback("a")
        state.tree.stop(timeout=PATIENCE)
    assert (path.with_name("fleet.db-snapshots") / "control.json").exists()
    if bare:
        without_snapshots(path)
    with opened(path) as state:
        assert (state.reads.get_all_config("a"), state.reads.get_feedback("a")) == before
        assert state.reads.get_feedback("b") == []
        assert [one["status"] for one in state.reads.list_pending_requests("a")] == [
            "pending",
            "resolved",
            "resolved",
        ]
        mine = as_bytes(state, "control", only=lasting)
        assert rebuilt(state, "control", only=lasting, vault=VAULT) == mine


def test_it_holds_no_secret_in_clear(path):
    with opened(path) as state:
        live(state)
        state.tree.stop(timeout=PATIENCE)
    content = (path.with_name("fleet.db-snapshots") / "control.json").read_text()
    assert "sk-0" not in content
    assert '"password":"p"' not in content


def test_one_of_another_shape_is_none(path):
    with opened(path) as state:
        live(state)
        state.tree.stop(timeout=PATIENCE)
    file = path.with_name("fleet.db-snapshots") / "control.json"
    head, _, body = file.read_bytes().partition(b"\n")
    changed = {**json.loads(body), "works": [[{"nobody": 1}, []]]}
    body = json.dumps(changed, separators=(",", ":")).encode()
    known = {**json.loads(head), "sha256": sha256(body).hexdigest()}
    file.write_bytes(json.dumps(known).encode() + b"\n" + body)
    with opened(path) as state:
        assert state.reads.get_config("a", "token") == "sk-0"
