"""`beam.state.task_records`: registered, stopped, died, forgotten."""

import pytest

from beam.errors import InvalidInput, NotFound, QueueFull
from beam.state import TaskRecords


@pytest.fixture
def tasks():
    return TaskRecords("session_1")


def registered(tasks, *task_ids, process="p", at=1000):
    for task_id in task_ids:
        tasks, _ = tasks.registered(task_id, process, at=at)
    return tasks


class TestRegistering:
    def test_a_task_is_running_from_then_on(self, tasks):
        tasks, event = tasks.registered("t1", "p", at=1000)
        task = tasks.get("t1")
        assert (task.status, task.process, task.started_at) == ("running", "p", 1000)
        assert event.subtype == "task_registered"
        assert event.payload == {"task_id": "t1", "replaced": False}

    def test_it_takes_the_place_of_one_with_its_id(self, tasks):
        tasks, _ = registered(tasks, "t1").stopped("t1", at=1500)
        tasks, event = tasks.registered("t1", "q", at=2000)
        assert (tasks.get("t1").process, tasks.get("t1").status) == ("q", "running")
        assert event.payload["replaced"] is True

    @pytest.mark.parametrize("task_id", ["", None, 7])
    def test_it_has_an_id(self, tasks, task_id):
        with pytest.raises(InvalidInput, match="task_id"):
            tasks.registered(task_id, "p", at=1000)

    def test_they_are_listed_in_the_order_of_registering(self, tasks):
        assert [task.task_id for task in registered(tasks, "b", "a").all()] == ["b", "a"]


class TestStopping:
    def test_a_stopped_task_is_marked_and_told(self, tasks):
        tasks, event = registered(tasks, "t1").stopped("t1", at=2000)
        assert (tasks.get("t1").status, tasks.get("t1").stopped_at) == ("stopped", 2000)
        assert event.subtype == "task_stopped"

    def test_fact_25_stopping_twice_is_no_error_and_changes_nothing(self, tasks):
        stopped, _ = registered(tasks, "t1").stopped("t1", at=2000)
        assert stopped.stopped("t1", at=3000) == (stopped, None)

    def test_fact_25_stopping_a_task_whose_process_is_dead_is_no_error(self, tasks):
        died, _ = registered(tasks, "t1").ended("p", "killed", at=2000)
        assert died.stopped("t1", at=3000) == (died, None)

    def test_an_unknown_task_is_not_found(self, tasks):
        with pytest.raises(NotFound) as refused:
            tasks.stopped("t1", at=2000)
        assert (refused.value.reason, refused.value.task_id) == ("not_found", "t1")

    def test_it_stops_that_task_and_no_other(self, tasks):
        tasks, _ = registered(tasks, "t1", "t2").stopped("t1", at=2000)
        assert tasks.get("t2").status == "running"


class TestDying:
    def test_every_running_task_of_a_dead_process_is_marked(self, tasks):
        tasks = registered(registered(tasks, "t1", "t2"), "t3", process="q")
        tasks, events = tasks.ended("p", "killed", at=2000)
        assert [task.status for task in tasks.all()] == ["died", "died", "running"]
        assert tasks.get("t1").exit_reason == "killed"
        assert [event.subtype for event in events] == ["task_died", "task_died"]

    def test_a_stopped_task_stays_stopped_when_its_process_ends(self, tasks):
        tasks, _ = registered(tasks, "t1").stopped("t1", at=2000)
        assert tasks.ended("p", "shutdown", at=2001) == (tasks, ())


class TestUnregistering:
    def test_a_task_is_forgotten(self, tasks):
        tasks, event = registered(tasks, "t1").unregistered("t1", at=2000)
        assert tasks.all() == []
        assert event.subtype == "task_unregistered"
        assert event.payload == {"task_id": "t1", "status": "running"}

    def test_of_an_unknown_one_nothing_is_told(self, tasks):
        assert tasks.unregistered("t1", at=2000) == (tasks, None)


class TestBound:
    def test_the_oldest_that_does_not_run_makes_room(self):
        tasks = registered(TaskRecords("session_1", bound=3), "a", "b", "c")
        for task_id in ("c", "b"):
            tasks, _ = tasks.stopped(task_id, at=2000)
        assert list(registered(tasks, "d").entries) == ["a", "c", "d"]

    def test_running_tasks_are_never_dropped_but_new_ones_refused(self):
        tasks = registered(TaskRecords("session_1", bound=2), "a", "b")
        with pytest.raises(QueueFull) as refused:
            tasks.registered("c", "p", at=2000)
        assert refused.value.bound == 2
