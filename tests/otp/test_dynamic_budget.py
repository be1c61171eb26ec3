"""Budgets, backoff and quarantine: what a `DynamicSupervisor` does if it is asked to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from beam.errors import SupervisorRefused
from beam.otp import Backoff, DynamicSupervisor, Node, Restarts, Server
from beam.otp.clock import SystemClock
from beam.otp.reasons import Quarantined
from tests.otp.kids import Diary, family, kid, kill

if TYPE_CHECKING:
    from collections.abc import Iterator


class LaterClock(SystemClock):
    """A clock that can be put forward, with a seed."""

    def __init__(self) -> None:
        super().__init__(seed=1)
        machine, self.forward = self.now, 0.0
        self.now = lambda: machine() + self.forward


@pytest.fixture
def clock() -> LaterClock:
    return LaterClock()


@pytest.fixture
def diary(clock: LaterClock) -> Iterator[Diary]:
    with Node(clock=clock) as node, family(node) as diary:
        yield diary


def refused(function: Any, *args: Any) -> Any:
    with pytest.raises(SupervisorRefused) as caught:
        function(*args)
    return caught.value.reason


def crash_until_quarantine(diary: Diary, name: str, restarts: int) -> None:
    for _ in range(restarts):
        kill(diary.refs[name])
        assert diary.next() == ("start", name)
    diary.watch(name, diary.refs[name])
    kill(diary.refs[name])
    assert diary.next() == ("end", name, "killed")


def processes(pool: Any) -> list[Any]:
    return [line.process for line in pool.which_children()]


def test_a_child_that_has_spent_its_budget_goes_into_quarantine(diary: Diary) -> None:
    pool = DynamicSupervisor.start(budget=Restarts(2, per=60.0))
    pool.start_child(kid(diary, "a"))
    other = pool.start_child(kid(diary, "b"))
    diary.take(2)
    crash_until_quarantine(diary, "a", 2)
    assert processes(pool) == [other, "quarantined"] or processes(pool) == ["quarantined", other]
    assert pool.count_children() == (2, 1, 0, 2)
    assert [each["child"] for each in diary.logged("child_quarantined")] == ["a"]


def test_one_child_does_not_spend_the_budget_of_another(diary: Diary) -> None:
    pool = DynamicSupervisor.start(budget=Restarts(1, per=60.0), max_restarts=0)
    for name in "abc":
        pool.start_child(kid(diary, name))
    diary.take(3)
    for name in "abc":
        kill(diary.refs[name])
        assert diary.next() == ("start", name)
    assert pool.count_children().active == 3


def test_a_released_child_is_started_with_a_new_budget(diary: Diary) -> None:
    pool = DynamicSupervisor.start(budget=Restarts(1, per=60.0))
    pool.start_child(kid(diary, "a"))
    diary.take(1)
    crash_until_quarantine(diary, "a", 1)
    ref = pool.release("a")
    assert diary.next() == ("start", "a")
    assert processes(pool) == [ref]
    kill(ref)
    assert diary.next() == ("start", "a")


def test_a_child_that_does_not_start_stays_in_quarantine(diary: Diary) -> None:
    pool = DynamicSupervisor.start(budget=Restarts(0, per=60.0))
    pool.start_child(kid(diary, "a", ["ok", "refuse", "ok"]))
    diary.take(1)
    crash_until_quarantine(diary, "a", 0)
    assert refused(pool.release, "a") == "not_today"
    assert processes(pool) == ["quarantined"]
    assert pool.release("a").is_alive()


def test_a_process_can_be_told_of_a_quarantine(diary: Diary) -> None:
    class Ward(Server):
        def init(self, test: Any) -> None:
            self.test = test

        def handle_info(self, message: Any) -> None:
            assert isinstance(message, Quarantined)
            self.test.tell(("quarantined", message.id, None))

    Ward.start(diary.ref, name="ward")
    pool = DynamicSupervisor.start(budget=Restarts(0, per=60.0), told="ward")
    pool.start_child(kid(diary, "a"))
    diary.take(1)
    kill(diary.refs["a"])
    assert diary.next() == ("quarantined", "a")


def test_only_a_quarantined_child_can_be_released(diary: Diary) -> None:
    pool = DynamicSupervisor.start(budget=Restarts(1, per=60.0))
    pool.start_child(kid(diary, "a"))
    assert refused(pool.release, "a") == "running"
    assert refused(pool.release, "b") == "not_found"


def test_a_quarantined_child_can_be_ended_by_its_id_or_its_last_ref(diary: Diary) -> None:
    pool = DynamicSupervisor.start(budget=Restarts(0, per=60.0))
    for name in "ab":
        pool.start_child(kid(diary, name))
    diary.take(2)
    for name in "ab":
        crash_until_quarantine(diary, name, 0)
    pool.terminate_child("a")
    pool.terminate_child(diary.refs["b"])
    assert pool.which_children() == []


def test_a_quarantined_child_is_still_a_child(diary: Diary) -> None:
    pool = DynamicSupervisor.start(budget=Restarts(0, per=60.0), max_children=1)
    pool.start_child(kid(diary, "a"))
    diary.take(1)
    crash_until_quarantine(diary, "a", 0)
    assert refused(pool.start_child, kid(diary, "b")) == "max_children"


def test_restarts_long_past_cost_nothing(diary: Diary, clock: LaterClock) -> None:
    pool = DynamicSupervisor.start(budget=Restarts(1, per=60.0))
    pool.start_child(kid(diary, "a"))
    diary.take(1)
    for _ in range(3):
        kill(diary.refs["a"])
        assert diary.next() == ("start", "a")
        clock.forward += 61.0
    assert pool.count_children().active == 1


def test_without_backoff_a_failing_restart_spends_the_budget_at_once(diary: Diary) -> None:
    pool = DynamicSupervisor.start(budget=Restarts(3, per=60.0))
    pool.start_child(kid(diary, "a", ["ok", "crash", "refuse", "crash", "ok"]))
    diary.take(1)
    kill(diary.refs["a"])
    assert diary.take(3) == [("start", "a")] * 3
    assert pool.count_children().active == 0
    assert processes(pool) == ["quarantined"]


def test_a_crashed_child_waits_before_it_is_restarted(diary: Diary) -> None:
    pool = DynamicSupervisor.start(backoff=Backoff(3600.0, 3600.0))
    first = pool.start_child(kid(diary, "a"))
    diary.take(1)
    diary.watch("a", first)
    kill(first)
    diary.next()
    assert processes(pool) == ["restarting"]
    assert pool.count_children() == (1, 0, 0, 1)
    (report,) = diary.logged("restart_delayed")
    assert (report["delay"], report["attempt"]) == (3600.0, 1)


def test_it_is_restarted_when_its_time_has_come(diary: Diary) -> None:
    pool = DynamicSupervisor.start(backoff=Backoff(0.01, 0.01), max_restarts=10)
    pool.start_child(kid(diary, "a"))
    diary.take(1)
    for _ in range(3):
        kill(diary.refs["a"])
        assert diary.next() == ("start", "a")
    assert processes(pool) == [diary.refs["a"]]


def test_waits_grow_with_jitter_from_the_nodes_chance(diary: Diary) -> None:
    chance = SystemClock(seed=1).random
    backoff = Backoff(0.001, 0.01, jitter=0.5)
    pool = DynamicSupervisor.start(backoff=backoff, max_restarts=10)
    pool.start_child(kid(diary, "a", ["ok", "crash", "crash", "crash", "crash", "ok"]))
    diary.take(1)
    kill(diary.refs["a"])
    diary.take(5)
    assert pool.count_children().active == 1
    delays = [each["delay"] for each in diary.logged("restart_delayed")]
    assert delays == [backoff.delay(attempt, chance.random()) for attempt in range(1, 6)]


def test_a_child_that_has_lived_long_waits_as_at_first(diary: Diary, clock: LaterClock) -> None:
    pool = DynamicSupervisor.start(backoff=Backoff(0.001, 1.0), max_restarts=10)
    pool.start_child(kid(diary, "a"))
    diary.take(1)
    for forward in (0.0, 0.0, 1.1):
        clock.forward += forward
        kill(diary.refs["a"])
        assert diary.next() == ("start", "a")
    pool.which_children()
    attempts = [each["attempt"] for each in diary.logged("restart_delayed")]
    assert attempts == [1, 2, 1]


def test_a_waiting_child_can_be_ended(diary: Diary) -> None:
    pool = DynamicSupervisor.start(backoff=Backoff(3600.0, 3600.0))
    first = pool.start_child(kid(diary, "a"))
    diary.take(1)
    kill(first)
    pool.terminate_child("a")
    assert pool.which_children() == []


def test_a_waiting_child_is_forgotten_when_its_supervisor_ends(diary: Diary) -> None:
    pool = DynamicSupervisor.start(backoff=Backoff(0.05, 0.05))
    first = pool.start_child(kid(diary, "a"))
    diary.take(1)
    diary.watch("a", first)
    kill(first)
    diary.next()
    pool.stop(reason="shutdown")
    assert diary.rest() == []


def test_backoff_and_budget_go_together(diary: Diary) -> None:
    pool = DynamicSupervisor.start(
        budget=Restarts(2, per=60.0), backoff=Backoff(0.001, 0.002), max_restarts=0
    )
    pool.start_child(kid(diary, "a"))
    diary.take(1)
    crash_until_quarantine(diary, "a", 2)
    assert processes(pool) == ["quarantined"]


def test_without_a_budget_waits_do_not_save_the_supervisor_from_too_many_restarts(
    diary: Diary,
) -> None:
    pool = DynamicSupervisor.start(backoff=Backoff(0.001, 0.001), max_restarts=1)
    diary.watch("pool", pool)
    pool.start_child(kid(diary, "a"))
    diary.take(1)
    kill(diary.refs["a"])
    assert diary.next() == ("start", "a")
    kill(diary.refs["a"])
    assert diary.next() == ("end", "pool", "shutdown")
