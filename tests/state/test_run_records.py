"""Run records: what survives, how many are kept, and the runs of tasks."""

import pytest

from beam.errors import AlreadyExists, NotFound, QueueFull
from beam.log import SqliteStore
from beam.otp import Down, Mailbox, exit, monitor, spawn
from beam.otp import receive as receive_mail
from beam.state.run_reads import RunRecordReads
from tests.state.running import PATIENCE, closing, running
from tests.volume import scaled


@pytest.fixture
def state():
    with running() as one:
        yield one


def get(future):
    return future.get(timeout=PATIENCE)


def reads(state):
    return RunRecordReads(state.node)


def of_tasks(state, session_id="s"):
    return [reads(state).get_run(task.run_id) for task in state.reads.list_tasks(session_id)]


def end_and_wait(process):
    with Mailbox() as me:
        monitor(process)
        exit(process, "gone")
        assert isinstance(me.receive(timeout=PATIENCE), Down)


class TestSurviving:
    def book(self, state):
        found = reads(state)
        runs = found.list_runs()
        return [(run, found.list_steps(run.run_id)) for run in runs]

    def fill(self, state):
        run = get(state.control.start_run("s", run_id="run_a", kind="report"))
        get(state.control.start_step("run_a", step_id="one", input=[1]))
        get(state.control.start_step("run_a", step_id="two"))
        get(state.control.complete_step("one", {"n": 1}))
        get(state.control.start_run({"parent_run_id": "run_a"}, run_id="run_b"))
        get(state.control.fail_run("run_b", "no paper"))
        return run

    def test_they_are_there_again_when_the_program_starts_again(self, tmp_path):
        def open_store():
            return SqliteStore.open(tmp_path / "fleet.db")

        with running(open_store) as state:
            self.fill(state)
            before = self.book(state)
        with running(open_store) as state:
            assert self.book(state) == before
            assert reads(state).get_step("two").status == "running"
            assert get(state.control.complete_step("two")).status == "completed"

    def test_a_kill_of_the_process_loses_none(self, state):
        known = []
        for number in range(scaled(200)):
            future = state.control.start_run("s", run_id=f"run_{number}")
            if number % 5 == 4:
                state.kill("control")
            error = closing_or_none(future)
            known += [f"run_{number}"] if error is None else []
        kept = {run.run_id for run in reads(state).list_runs()}
        assert set(known) <= kept
        logged = {data["record"]["run_id"] for _, data in state.events("s")}
        assert kept == logged

    def test_a_name_is_used_once(self, state):
        get(state.control.start_run(run_id="run_a"))
        get(state.control.start_step("run_a", step_id="one"))
        get(state.control.start_run(run_id="run_b"))
        again = closing(lambda: get(state.control.start_run(run_id="run_a")))
        assert isinstance(again, AlreadyExists)
        again = closing(lambda: get(state.control.start_step("run_b", step_id="one")))
        assert isinstance(again, AlreadyExists)

    def test_changes_of_one_run_at_once_are_all_kept(self, state):
        get(state.control.start_run(run_id="run_a"))
        count = scaled(400)
        futures = [state.control.start_step("run_a") for _ in range(count)]
        for future in futures:
            get(future)
        assert len(reads(state).list_steps("run_a")) == count

    def test_what_is_not_there_is_not_found(self, state):
        for call in (
            lambda: get(state.control.complete_run("no")),
            lambda: get(state.control.start_step("no")),
            lambda: get(state.control.fail_step("no")),
            lambda: reads(state).get_run("no"),
            lambda: reads(state).get_step("no"),
            lambda: reads(state).list_steps("no"),
        ):
            assert isinstance(closing(call), NotFound)


def closing_or_none(future):
    try:
        get(future)
    except Exception as error:  # noqa: BLE001 - the test looks at it
        return error
    return None


class TestTheBound:
    def test_the_one_that_ended_first_makes_room(self, state, monkeypatch):
        ledger = _ledger_of(monkeypatch, state, 2)
        for name in ("a", "b"):
            get(state.control.start_run(run_id=name))
        get(state.control.start_step("b", step_id="b1"))
        get(state.control.fail_run("b"))
        get(state.control.start_run(run_id="c"))
        assert {run.run_id for run in ledger.list_runs()} == {"a", "c"}
        assert isinstance(closing(lambda: ledger.get_step("b1")), NotFound)

    def test_it_holds_also_for_what_is_read_back(self, tmp_path, monkeypatch):
        def open_store():
            return SqliteStore.open(tmp_path / "fleet.db")

        with running(open_store) as state:
            for name in ("a", "b", "c"):
                get(state.control.start_run(run_id=name))
                get(state.control.complete_run(name))
        monkeypatch.setattr("beam.state.control.KEPT_RUNS", 2)
        with running(open_store) as state:
            get(state.control.start_run(run_id="d"))
            kept = {run.run_id for run in reads(state).list_runs()}
            assert len(kept) == 2
            assert "d" in kept

    def test_if_all_run_one_more_is_refused(self, state, monkeypatch):
        _ledger_of(monkeypatch, state, 1)
        get(state.control.start_run(run_id="a"))
        error = closing(lambda: get(state.control.start_run(run_id="b")))
        assert isinstance(error, QueueFull)
        error = closing(lambda: get(state.control.register_task("s", "t", spawn(receive_mail))))
        assert isinstance(error, QueueFull)
        assert state.reads.list_tasks("s") == []


def _ledger_of(monkeypatch, state, bound):
    monkeypatch.setattr("beam.state.control.KEPT_RUNS", bound)
    state.kill("control")
    return reads(state)


class TestTheRunsOfTasks:
    def test_registering_anew_cancels_the_old_one(self, state):
        for _ in range(2):
            get(state.control.register_task("s", "t", spawn(receive_mail)))
        old, new = sorted(reads(state).list_runs(), key=lambda run: run.status)
        assert (old.status, new.status) == ("cancelled", "running")
        assert old.cancel_reason["reason"] == "re-registered"
        assert of_tasks(state) == [new]

    def test_taking_it_off_the_list_completes_it(self, state):
        get(state.control.register_task("s", "t", spawn(receive_mail)))
        get(state.control.unregister_task("s", "t"))
        [run] = reads(state).list_runs()
        assert run.status == "completed"
        assert run.output == {"source": "control_task", "task_id": "t", "status": "completed"}

    def test_taking_it_off_while_a_step_runs_cancels_it(self, state):
        get(state.control.register_task("s", "t", spawn(receive_mail)))
        [run] = of_tasks(state)
        get(state.control.start_step(run.run_id))
        get(state.control.unregister_task("s", "t"))
        assert reads(state).get_run(run.run_id).status == "cancelled"

    def test_the_death_of_its_process_fails_it(self, state):
        process = spawn(receive_mail)
        get(state.control.register_task("s", "t", process))
        [run] = of_tasks(state)
        end_and_wait(process)
        get(state.control.unregister_task("s", "t"))  # Behind the Down, which Control got before.
        run = reads(state).get_run(run.run_id)
        assert (run.status, run.error["reason"]) == ("failed", "died")

    def test_one_whose_program_has_ended_has_ended(self, tmp_path):
        def open_store():
            return SqliteStore.open(tmp_path / "fleet.db")

        with running(open_store) as state:
            get(state.control.register_task("s", "t", spawn(receive_mail)))
            get(state.control.start_run(run_id="other"))
        with running(open_store) as state:
            get(state.control.start_run(run_id="behind"))
            found = {run.kind: run.status for run in reads(state).list_runs()}
            assert found["task"] in {"cancelled", "failed"}
            assert reads(state).get_run("other").status == "running"

    def test_what_is_cleared_is_cancelled(self, state):
        get(state.control.register_task("s", "t", spawn(receive_mail)))
        [run] = of_tasks(state)
        get(state.control.clear())
        get(state.control.start_step(get(state.control.start_run()).run_id))
        assert reads(state).get_run(run.run_id).status == "cancelled"
