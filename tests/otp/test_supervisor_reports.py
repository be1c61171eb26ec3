"""What supervisors say in the log, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from beam.errors import StartError
from beam.otp import DynamicSupervisor, Restarts, Supervisor
from tests.otp.kids import Diary, crash, kid, kill

if TYPE_CHECKING:
    pass


def events(diary: Diary) -> list[str]:
    return [each["event"] for each in diary.logs if each["event"] != "process_started"]


def test_a_crash_is_told_with_its_restart_and_in_order(diary: Diary) -> None:
    tree = Supervisor.start([kid(diary, "a")], name="tree")
    diary.take(1)
    first = diary.refs["a"]
    crash(first)
    diary.take(2)
    tree.count_children()
    assert events(diary) == ["process_crashed", "child_terminated", "child_restarted"]
    terminated, restarted = diary.logs[-2:]
    assert terminated == {
        "event": "child_terminated",
        "log_level": "error",
        "supervisor": str(tree),
        "child": "a",
        "process": str(first),
        "reason": "Crash(LookupError('told to'))",
        "restart": "permanent",
    }
    assert restarted == {
        "event": "child_restarted",
        "log_level": "info",
        "supervisor": str(tree),
        "child": "a",
        "process": str(diary.refs["a"]),
        "previous": str(first),
        "siblings": 0,
    }


def test_a_group_restart_says_how_many_came_along(diary: Diary) -> None:
    tree = Supervisor.start([kid(diary, name) for name in "abc"], strategy="one_for_all")
    diary.take(3)
    kill(diary.refs["a"])
    diary.take(5)
    tree.count_children()
    assert [each["siblings"] for each in diary.logged("child_restarted")] == [2]


@pytest.mark.parametrize(("restart", "told"), [("permanent", 1), ("transient", 0)])
def test_a_normal_end_is_worth_a_report_only_of_a_permanent_child(
    diary: Diary, restart: str, told: int
) -> None:
    tree = Supervisor.start([kid(diary, "a", restart=restart)])
    diary.take(1)
    diary.refs["a"].proxy().leave("normal").get()
    diary.next()
    tree.count_children()
    assert len(diary.logged("child_terminated")) == told


def test_a_failed_restart_and_the_end_of_patience_are_told(diary: Diary) -> None:
    tree = Supervisor.start([kid(diary, "a", ["ok", "refuse"])], max_restarts=1)
    diary.watch("tree", tree)
    diary.take(1)
    kill(diary.refs["a"])
    diary.take(2)
    assert events(diary) == ["child_terminated", "restart_failed", "intensity_reached"]
    (failed,) = diary.logged("restart_failed")
    (reached,) = diary.logged("intensity_reached")
    assert failed["reason"] == "'not_today'"
    assert (reached["max_restarts"], reached["max_seconds"]) == (1, 5)


def test_a_failed_start_is_told(diary: Diary) -> None:
    with pytest.raises(StartError):
        Supervisor.start([kid(diary, "a", ["refuse"])])
    (failed,) = diary.logged("child_start_failed")
    assert (failed["child"], failed["reason"]) == ("a", "'not_today'")


def test_a_crash_report_is_not_lost_when_the_supervisor_is_dead(diary: Diary) -> None:
    tree = Supervisor.start([kid(diary, "a")])
    diary.take(1)
    diary.watch("a", diary.refs["a"])
    kill(tree)
    crash(diary.refs["a"])
    assert diary.take(2) == [("stop", "a", "killed"), ("end", "a", "killed")]
    assert not diary.logged("child_terminated")


def test_a_release_is_told(diary: Diary) -> None:
    pool = DynamicSupervisor.start(budget=Restarts(0, per=60.0))
    pool.start_child(kid(diary, ("a", 1)))
    diary.take(1)
    diary.watch("a", diary.refs["a", 1])
    kill(diary.refs["a", 1])
    diary.next()
    pool.release(("a", 1))
    assert [each["child"] for each in diary.logged("child_released")] == ["('a', 1)"]
