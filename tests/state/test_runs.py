"""`beam.state.runs`: who waits for a run is told how it ended, whatever dies meanwhile."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.errors import Interrupted, InvalidInput, NotFound, RunFailed, StartError
from beam.log import MemoryStore, SqliteStore
from beam.model import Event
from beam.otp import Future, Node
from beam.state import Runs, TableKeeper
from beam.state.run_events import RUN_TYPES, after, outcome_of
from tests.state.rebuilding import as_bytes, rebuilt, without_snapshots
from tests.state.running import PATIENCE, closing, running
from tests.volume import scaled


@pytest.fixture
def state():
    with running() as state:
        yield state


def write(state, kind, run_id="r", session_id="s", **data):
    event = state.journal.event(kind, session_id, run_id=run_id, **data)
    state.journal.append_wait([event])


def expect(state, run_id="r", session_id="s"):
    future = Future()
    state.waiting.expect(run_id, session_id, future)
    return future


class TestWhoWaits:
    def test_a_completed_run_is_its_output(self, state):
        future = expect(state)
        write(state, "run_submitted", prompt="Hello")
        write(state, "run_completed", output={"answer": [1, 2]})
        assert future.get(timeout=PATIENCE) == {"answer": [1, 2]}

    def test_a_failed_run_raises_its_reason_and_facts(self, state):
        future = expect(state)
        write(state, "run_failed", reason="timeout", after=9.5)
        error = closing(lambda: future.get(timeout=PATIENCE))
        assert type(error) is RunFailed
        assert (error.reason, error.after, error.run_id, error.session_id) == (
            "timeout",
            9.5,
            "r",
            "s",
        )

    def test_an_interrupted_run_raises_that(self, state):
        future = expect(state)
        write(state, "run_interrupted", reason="killed")
        error = closing(lambda: future.get(timeout=PATIENCE))
        assert isinstance(error, Interrupted)
        assert error.reason == "killed"

    def test_everybody_who_waits_is_told(self, state):
        futures = [expect(state) for _ in range(3)]
        write(state, "run_completed", output="Hi")
        assert [future.get(timeout=PATIENCE) for future in futures] == ["Hi"] * 3
        assert len(state.waiting) == 0

    def test_who_has_given_up_is_not_told_and_not_kept(self, state):
        gone, stays = expect(state), expect(state)
        state.waiting.forget("r", gone)
        write(state, "run_completed", output="Hi")
        assert stays.get(timeout=PATIENCE) == "Hi"
        assert not gone.done
        state.waiting.forget("r", gone)
        assert len(state.waiting) == 0

    def test_other_runs_and_other_events_are_not_ends(self, state):
        future = expect(state)
        write(state, "run_completed", "other", output="no")
        write(state, "run_started", attempt=1)
        write(state, "message", message={})
        write(state, "run_completed", output="yes")
        assert future.get(timeout=PATIENCE) == "yes"

    def test_many_runs_of_many_sessions_at_once_are_each_told_their_own(self, state):
        count = scaled(4_000)
        futures = [expect(state, f"r{n}", f"s{n % 7}") for n in range(count)]

        def finish(part):
            for n in range(part, count, 4):
                write(state, "run_completed", f"r{n}", f"s{n % 7}", output=n)

        threads = [threading.Thread(target=finish, args=(part,)) for part in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [future.get(timeout=PATIENCE) for future in futures] == list(range(count))


class TestAKill:
    def test_who_waits_is_told_after_it(self, state):
        future = expect(state)
        state.kill("runs")
        write(state, "run_completed", output="Hi")
        assert future.get(timeout=PATIENCE) == "Hi"

    def test_an_end_that_nobody_heard_is_found_in_the_log(self, state):
        future = expect(state)
        state.tree.terminate_child("runs")
        write(state, "run_submitted", prompt="Hello")
        write(state, "run_completed", output="Hi")
        assert not future.done
        state.tree.restart_child("runs")
        assert future.get(timeout=PATIENCE) == "Hi"
        assert state.runs_reads.get("r").status == "completed"

    def test_nobody_is_forgotten_whenever_it_comes(self, state):
        count = scaled(2_000)
        futures = [expect(state, f"r{n}") for n in range(count)]
        done = threading.Event()

        def finish():
            for n in range(count):
                write(state, "run_submitted", f"r{n}", prompt="Hello")
                write(state, "run_completed", f"r{n}", output=n)
            done.set()

        threading.Thread(target=finish).start()
        while not done.is_set():
            state.kill("runs")
        assert [future.get(timeout=PATIENCE) for future in futures] == list(range(count))
        state.kill("runs")
        assert {state.runs_reads.get(f"r{n}").status for n in range(count)} == {"completed"}

    def test_listeners_of_the_dead_leave_the_log(self, state):
        for _ in range(5):
            state.kill("runs")
        write(state, "run_submitted", prompt="Hello")
        listening = state.journal.store._listeners._listeners
        assert len(listening) == 3  # The log's own, the store's, and that of who lives.


class TestHowARunStands:
    def test_each_step_is_seen(self, state):
        future = expect(state)
        write(state, "run_submitted", prompt="Hello", on_crash="retry", metadata={"n": 1})
        write(state, "run_started", attempt=1)
        write(state, "run_retried", reason="killed")
        write(state, "run_started", attempt=2)
        write(state, "run_completed", output="Hi")
        future.get(timeout=PATIENCE)
        run = state.runs_reads.get("r")
        assert (run.prompt, run.on_crash, run.metadata) == ("Hello", "retry", {"n": 1})
        assert (run.status, run.attempts, run.output) == ("completed", 2, "Hi")

    def test_an_unknown_run_is_not_found(self, state):
        with pytest.raises(NotFound):
            state.runs_reads.get("r")
        with pytest.raises(NotFound):
            state.runs_reads.get("r", "s")

    def test_the_newest_are_in_the_table_and_the_others_in_the_log(self):
        with running(runs_kept=3) as state:
            for n in range(10):
                future = expect(state, f"r{n}")
                write(state, "run_submitted", f"r{n}", prompt=str(n))
                write(state, "run_completed", f"r{n}", output=n)
                future.get(timeout=PATIENCE)
            table = state.node.tables["runs"]
            rows = [row[0] for row in table.tab2list() if isinstance(row[0], str)]
            assert rows == ["r7", "r8", "r9"]
            assert state.runs_reads.get("r0").prompt == "0"
            assert state.runs_reads.get("r0", "s").output == 0

    def test_the_bound_holds_across_kills(self):
        with running(runs_kept=3) as state:
            for n in range(6):
                write(state, "run_submitted", f"r{n}", prompt=str(n))
                state.kill("runs")
            table = state.node.tables["runs"]
            assert len([row for row in table.tab2list() if isinstance(row[0], str)]) == 3

    def test_it_is_known_after_a_restart_of_the_program(self, tmp_path):
        def open_store():
            return SqliteStore.open(tmp_path / "fleet.db")

        with running(open_store) as state:
            write(state, "run_submitted", prompt="Hello")
            write(state, "run_failed", reason="timeout")
        with running(open_store) as state:
            assert state.node.tables["runs"].member("r")
            assert state.runs_reads.get("r").reason == "timeout"

    def test_only_so_much_of_a_long_log_is_read_and_the_rest_is_found_when_asked(self, monkeypatch):
        monkeypatch.setattr("beam.state.runs.WINDOW", 4)
        store = MemoryStore()
        with running(lambda: store, runs_kept=4) as state:
            for n in range(10):
                write(state, "run_submitted", f"r{n}", prompt=str(n))
            state.tree.terminate_child("runs")
            state.tree.terminate_child("keeper")
            state.tree.restart_child("keeper")
            state.tree.restart_child("runs")
            assert not state.node.tables["runs"].member("r0")
            assert state.node.tables["runs"].member("r9")
            assert state.node.tables["runs"].member("r6")
            assert state.runs_reads.get("r0").prompt == "0"


@pytest.mark.parametrize("bare", [False, True])
def test_the_table_is_the_same_from_a_checkpoint_and_from_the_bare_log(tmp_path, monkeypatch, bare):
    monkeypatch.setattr("beam.state.checkpoints.EVERY", 10)
    monkeypatch.setattr("beam.state.checkpoints.FOR_EACH_ROW", 0)

    def open_store():
        return SqliteStore.open(tmp_path / "fleet.db")

    with running(open_store, runs_kept=5) as state:
        for n in range(9):
            write(state, "run_submitted", f"r{n}", prompt=str(n), metadata={"n": n})
            write(state, "run_started", f"r{n}", attempt=1)
            write(state, "run_completed", f"r{n}", output="done")
        state.tree.stop(timeout=PATIENCE)
    assert (tmp_path / "fleet.db-snapshots" / "runs.json").exists()
    if bare:
        without_snapshots(tmp_path / "fleet.db")
    with running(open_store, runs_kept=5) as state:
        runs = [row for row in state.node.tables["runs"].tab2list() if row[0] != ("position",)]
        assert sorted(run_id for run_id, _ in runs) == [f"r{n}" for n in range(4, 9)]
        assert {(run.status, run.output) for _, run in runs} == {("completed", "done")}
        assert rebuilt(state, "runs", runs_kept=5) == as_bytes(state, "runs")


def event(kind, at, run_id="r", **data):
    return Event(id=f"e{at}", type=kind, session_id="s", run_id=run_id, timestamp=at, data=data)


@given(st.lists(st.sampled_from(RUN_TYPES), max_size=8))
def test_any_order_of_events_folds_and_ends_once(kinds):
    run, ended = None, None
    for at, kind in enumerate(kinds):
        run = after(run, event(kind, at, reason="r", output="o"))
        if run is not None and run.ended_at is not None:
            ended = ended if ended is not None else run
            assert run == ended


def test_a_reason_may_use_any_words():
    error = outcome_of(event("run_failed", 1, reason=["http", 500], self="x", run_id_="y"))
    assert error.reason == ["http", 500]
    assert error.facts == {"session_id": "s", "run_id": "r", "self": "x", "run_id_": "y"}


def test_without_who_waits_it_does_not_start():
    with Node():
        TableKeeper.start(name="keeper")
        with pytest.raises(StartError) as refused:
            Runs.start(None)
        assert isinstance(refused.value.reason.exception, InvalidInput)
