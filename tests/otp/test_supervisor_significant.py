"""`auto_shutdown`: a supervisor that ends with its significant children, as in OTP 24 and later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from beam.errors import InvalidSpec
from beam.otp import Supervisor, child, supervisor
from tests.otp.kids import Diary, Kid, kid, kill

if TYPE_CHECKING:
    pass


def leave(diary: Diary, name: str, reason: Any = "normal") -> None:
    """Have a child end by itself."""
    diary.refs[name].proxy().leave(reason)
    assert diary.next() == ("stop", name, reason)


def significant(diary: Diary, name: str, **options: Any) -> Any:
    return kid(diary, name, significant=True, **{"restart": "transient", **options})


def test_any_significant_child_that_ends_for_good_ends_the_supervisor(diary: Diary) -> None:
    children = [kid(diary, "a"), significant(diary, "b"), significant(diary, "c")]
    tree = Supervisor.start(children, auto_shutdown="any_significant")
    diary.watch("tree", tree)
    diary.take(3)
    leave(diary, "b")
    assert diary.take(3) == [
        ("stop", "c", "shutdown"),
        ("stop", "a", "shutdown"),
        ("end", "tree", "shutdown"),
    ]
    assert [each["child"] for each in diary.logged("auto_shutdown")] == ["b"]


def test_all_significant_waits_for_the_last_of_them(diary: Diary) -> None:
    children = [kid(diary, "a"), significant(diary, "b"), significant(diary, "c")]
    tree = Supervisor.start(children, auto_shutdown="all_significant")
    diary.watch("tree", tree)
    diary.take(3)
    leave(diary, "b")
    assert tree.count_children().active == 2
    leave(diary, "c")
    assert diary.take(2) == [("stop", "a", "shutdown"), ("end", "tree", "shutdown")]


def test_a_restart_is_no_end_for_good(diary: Diary) -> None:
    tree = Supervisor.start([significant(diary, "a")], auto_shutdown="any_significant")
    diary.take(1)
    kill(diary.refs["a"])
    assert diary.next() == ("start", "a")
    assert tree.is_alive()


def test_a_temporary_significant_child_ends_the_supervisor_by_a_crash_too(diary: Diary) -> None:
    spec = significant(diary, "a", restart="temporary")
    tree = Supervisor.start([spec], auto_shutdown="any_significant")
    diary.watch("tree", tree)
    diary.take(1)
    kill(diary.refs["a"])
    assert diary.next() == ("end", "tree", "shutdown")


def test_an_insignificant_child_ends_nobody(diary: Diary) -> None:
    children = [kid(diary, "a", restart="transient"), significant(diary, "b")]
    tree = Supervisor.start(children, auto_shutdown="any_significant")
    diary.take(2)
    leave(diary, "a")
    assert tree.count_children().active == 1


def test_a_child_ended_by_hand_ends_nobody(diary: Diary) -> None:
    tree = Supervisor.start([significant(diary, "a")], auto_shutdown="any_significant")
    tree.terminate_child("a")
    assert tree.is_alive()


def test_a_supervisor_that_ended_so_ends_the_one_above_if_it_matters_there(diary: Diary) -> None:
    inner = supervisor(
        [significant(diary, "leaf")],
        id="inner",
        auto_shutdown="any_significant",
        restart="transient",
        significant=True,
    )
    tree = Supervisor.start([inner], auto_shutdown="all_significant")
    diary.watch("tree", tree)
    diary.take(1)
    leave(diary, "leaf")
    assert diary.next() == ("end", "tree", "shutdown")


def test_a_significant_child_needs_a_supervisor_that_minds() -> None:
    spec = child(Kid, restart="transient", significant=True)
    with pytest.raises(InvalidSpec) as caught:
        Supervisor.start([spec])
    assert caught.value.reason[1][0] == "bad_combination"


@pytest.mark.parametrize(("flag", "ends"), [("any_significant", 1), ("all_significant", 2)])
def test_it_counts_for_dynamic_children_as_well(diary: Diary, flag: Any, ends: int) -> None:
    template = child(Kid, diary.ref, restart="temporary", significant=True)
    tree = Supervisor.start([template], strategy="simple_one_for_one", auto_shutdown=flag)
    diary.watch("tree", tree)
    for name in "ab":
        tree.start_child(name)
    diary.take(2)
    for name in "ab"[:ends]:
        assert tree.is_alive()
        leave(diary, name)
    events = diary.take(3 - ends)
    assert events[-1] == ("end", "tree", "shutdown")
