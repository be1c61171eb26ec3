"""`beam.state.runtime_state`: query defaults, through the process."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from beam.errors import InvalidInput, NotFound, StateRefused
from beam.log import SqliteStore
from beam.model.encoding import encode
from beam.state.checkpoints import Checkpoints
from beam.state.vault import Vault
from tests.state.running import PATIENCE, closing, running
from tests.volume import scaled


@pytest.fixture
def state():
    with running() as state:
        yield state


def test_a_session_registers_what_its_options_say_of_the_seven(state):
    options = {"provider_id": "openai", "model_id": "large", "cwd": "/tmp", "agent": None}
    state.runtime.register_session("s", options).get(timeout=PATIENCE)
    assert state.runtime_reads.get_state("s") == {"provider_id": "openai", "model_id": "large"}


def test_an_unknown_session_has_nothing(state):
    assert state.runtime_reads.get_state("s") == {}
    assert state.runtime_reads.get_provider_config("s") == {}
    assert closing(lambda: state.runtime_reads.current_provider("s")).reason == "not_set"


def test_views_are_redacted_and_what_queries_get_is_not(state):
    config = {
        "api_key": "sk-1",
        "base_url": "http://a",
        "oauth_callback": {"code": "c", "access_token": "t", "request_id": "r"},
    }
    state.runtime.set_provider_config("s", config).get(timeout=PATIENCE)
    shown = {
        "api_key": "redacted",
        "base_url": "http://a",
        "oauth_callback": {"code": "redacted", "access_token": "redacted", "request_id": "r"},
    }
    assert state.runtime_reads.get_provider_config("s") == shown
    assert state.runtime.get_provider_config("s").get(timeout=PATIENCE) == shown
    assert state.runtime_reads.get_state("s")["provider"] == shown
    assert state.runtime_reads.merge_query_opts("s", {})["provider"] == config


def test_explicit_options_beat_stored_ones_and_unknown_ones_survive(state):
    options = {"agent": "build", "provider_id": "openai", "model_id": "large"}
    state.runtime.register_session("s", options).get(timeout=PATIENCE)
    merged = state.runtime_reads.merge_query_opts("s", {"agent": "plan", "max_turns": 3})
    assert merged == {**options, "agent": "plan", "max_turns": 3}


def test_concurrent_changes_never_lose_another_ones(state):
    state.runtime.set_provider("s", "openai").get(timeout=PATIENCE)
    start = threading.Barrier(20)

    def change(number):
        start.wait(PATIENCE)
        for _ in range(scaled(200)):
            state.runtime.set_agent("s", f"agent{number}").get(timeout=PATIENCE)

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(change, range(20)))
    assert state.runtime_reads.current_provider("s") == "openai"
    assert state.runtime_reads.current_agent("s").startswith("agent")


def test_a_cleared_provider_takes_its_configuration_along(state):
    state.runtime.set_provider_config("s", {"id": "openai"}).get(timeout=PATIENCE)
    state.runtime.clear_provider("s").get(timeout=PATIENCE)
    assert state.runtime_reads.get_state("s") == {}


def test_what_a_live_session_tells_counts_where_nothing_is_set(state):
    info = {"providerID": "google", "current_agent": "plan"}
    assert state.runtime_reads.current_provider("s", info) == "google"
    assert state.runtime.current_agent("s", info).get(timeout=PATIENCE) == "plan"
    state.runtime.set_agent("s", "build").get(timeout=PATIENCE)
    assert state.runtime_reads.current_agent("s", info) == "build"
    state.runtime.clear_agent("s").get(timeout=PATIENCE)
    assert state.runtime_reads.current_agent("s", info) == "plan"


def test_a_cleared_session_is_an_unknown_one(state):
    state.runtime.set_agent("s", "build").get(timeout=PATIENCE)
    state.runtime.clear_session("s").get(timeout=PATIENCE)
    assert state.runtime_reads.get_state("s") == {}


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda runtime: runtime.set_provider_config("s", "x"), "invalid_provider_config"),
        (lambda runtime: runtime.set_provider_config("s", {"api_key": ""}), "invalid_api_key"),
        (lambda runtime: runtime.validate_provider_config(None, 7), "invalid_provider_config"),
        (lambda runtime: runtime.register_session("s", {"provider": 7}), "invalid_provider_config"),
    ],
    ids=["no mapping", "no key", "checked only", "in options"],
)
def test_a_configuration_that_is_none_is_refused_in_the_words_of_the_contract(state, call, reason):
    error = closing(lambda: call(state.runtime).get(timeout=PATIENCE))
    assert isinstance(error, StateRefused)
    assert error.reason == reason


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda runtime: runtime.set_agent("s", ""), "agent"),
        (lambda runtime: runtime.set_provider("s", None), "provider_id"),
        (lambda runtime: runtime.set_agent("", "a"), "session_key"),
        (lambda runtime: runtime.register_session("s", [1]), "options"),
        (lambda runtime: runtime.merge_query_opts("s", "x"), "params"),
        (lambda runtime: runtime.set_agent("s"), "arguments"),
    ],
    ids=["agent", "provider", "key", "options", "params", "arguments"],
)
def test_bad_input_is_answered_by_name_and_the_process_lives(state, call, field):
    runtime = state.node.whereis("runtime")
    error = closing(lambda: call(state.runtime).get(timeout=PATIENCE))
    assert isinstance(error, InvalidInput)
    assert error.field == field
    assert state.node.whereis("runtime") is runtime


def test_a_kill_of_the_process_loses_nothing(state):
    state.runtime.set_provider_config("s", {"api_key": "sk-1"}).get(timeout=PATIENCE)
    state.kill("runtime")
    assert state.runtime_reads.merge_query_opts("s", {}) == {"provider": {"api_key": "sk-1"}}
    state.runtime.set_agent("s", "build").get(timeout=PATIENCE)
    assert state.runtime_reads.current_agent("s") == "build"


def test_reads_need_no_process_but_a_table(state):
    state.runtime.set_agent("s", "build").get(timeout=PATIENCE)
    state.tree.terminate_child("runtime")
    assert state.runtime_reads.current_agent("s") == "build"
    state.tree.terminate_child("keeper")
    with pytest.raises(NotFound) as gone:
        state.runtime_reads.current_agent("s")
    assert gone.value.reason == "no_table"


def test_secrets_are_in_the_log_sealed_only(state):
    state.runtime.set_provider_config("s", {"api_key": "sk-1", "id": "a"}).get(timeout=PATIENCE)
    [(kind, data)] = state.events("s")
    assert kind == "runtime_changed"
    assert data["shown"]["provider"] == {"api_key": "redacted", "id": "a"}
    assert "sk-1" not in str(data)


def test_what_is_set_already_is_not_written_again(state):
    for _ in range(2):
        state.runtime.set_agent("s", "build").get(timeout=PATIENCE)
    assert state.types("s") == ["runtime_changed"]


def rows(state):
    return sorted(encode([key, value.present()]) for key, value, _ in sessions(state))


def sessions(state):
    return [row for row in state.node.tables["runtime"].tab2list() if isinstance(row[0], str)]


def fill(state):
    """Change what is set of some sessions, in every way."""
    runtime, changes = state.runtime, []
    for name in ("a", "b", "c"):
        changes += [
            runtime.register_session(name, {"model_id": "m", "tools": ("t", {"x": 1})}),
            runtime.set_provider_config(name, {"id": "openai", "api_key": f"sk-{name}"}),
            runtime.set_agent(name, "build"),
        ]
    changes += [runtime.clear_provider("b"), runtime.clear_agent("b"), runtime.clear_session("c")]
    for change in changes:
        change.get(timeout=PATIENCE)


def test_the_log_alone_gives_the_same_table():
    with running(vault=Vault(key="k" * 32)) as state:
        fill(state)
        before = rows(state)
        assert len(before) == 2
        for name in ("runtime", "keeper"):
            state.tree.terminate_child(name)
        for name in ("keeper", "runtime"):
            state.tree.restart_child(name)
        assert rows(state) == before


def test_the_next_program_has_the_same_table_with_the_credentials(tmp_path):
    vault = {"vault": Vault(file=tmp_path / "fleet.key")}
    with running(lambda: SqliteStore.open(tmp_path / "fleet.db"), **vault) as state:
        fill(state)
        before = rows(state)
    vault = {"vault": Vault(file=tmp_path / "fleet.key")}
    with running(lambda: SqliteStore.open(tmp_path / "fleet.db"), **vault) as state:
        assert rows(state) == before
        assert state.runtime_reads.merge_query_opts("a", {})["provider"]["api_key"] == "sk-a"
    (tmp_path / "fleet.key").unlink()
    vault = {"vault": Vault(file=tmp_path / "fleet.key")}
    with running(lambda: SqliteStore.open(tmp_path / "fleet.db"), **vault) as state:
        assert state.runtime_reads.merge_query_opts("a", {})["provider"] == {"id": "openai"}


def test_a_checkpoint_and_what_came_after_it_give_the_same_table(tmp_path, monkeypatch):
    monkeypatch.setattr(Checkpoints, "due", lambda self, position, rows=0: position == 4)
    vault = {"vault": Vault(key="k" * 32)}
    with running(lambda: SqliteStore.open(tmp_path / "fleet.db"), **vault) as state:
        fill(state)
        before = rows(state)
    [kept] = (tmp_path / "fleet.db-snapshots").iterdir()
    assert "sk-" not in kept.read_text()
    with running(lambda: SqliteStore.open(tmp_path / "fleet.db"), **vault) as state:
        assert rows(state) == before


def test_a_secret_that_cannot_be_sealed_is_refused_and_changes_nothing(tmp_path):
    (tmp_path / "fleet.key").write_text("no key")
    with running(vault=Vault(file=tmp_path / "fleet.key")) as state:
        state.runtime.set_agent("s", "build").get(timeout=PATIENCE)
        call = state.runtime.set_provider_config("s", {"api_key": "sk-1"})
        assert closing(lambda: call.get(timeout=PATIENCE)).reason == "key_unreadable"
        assert state.runtime_reads.get_state("s") == {"agent": "build"}


def test_a_view_is_the_readers_own(state):
    state.runtime.register_session("s", {"agent": "a", "tools": [1]}).get(timeout=PATIENCE)
    state.runtime_reads.get_state("s")["tools"].append(2)
    state.runtime_reads.get_state("s")["agent"] = "b"
    assert state.runtime_reads.get_state("s") == {"agent": "a", "tools": [1]}
