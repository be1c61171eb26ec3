"""How a supervisor ends its children: in time, by force, or by giving them up (G9)."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from beam.errors import AlreadyStarted, CallExit, StartError
from beam.otp import Server, Supervisor, child_process, exit, supervisor, unlink, whereis
from beam.otp.supervisor_ref import Request
from beam.testing import settle
from tests.otp.actors import eventually
from tests.otp.kids import Deaf, Diary, Kid, Stubborn, crash, kid, kill, wait_in_vain

if TYPE_CHECKING:
    from collections.abc import Iterator

# It holds threads up, or starts some.
on_threads = pytest.mark.schedulers("pool")


@pytest.fixture
def let_go() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


class Plain(Kid):
    """Does not trap exits: a signal ends it before its next message."""

    trap_exit = False


class Odd(Kid):
    """Ends with a reason of its own when it is told to end."""

    def terminate(self, reason: Any) -> None:
        super().terminate(reason)
        exit("my own")


def test_a_child_that_traps_exits_cleans_up(diary: Diary) -> None:
    tree = Supervisor.start([kid(diary, "a")])
    diary.watch("a", tree.which_children()[0].process)
    tree.terminate_child("a")
    assert diary.rest()[1:] == [("stop", "a", "shutdown"), ("end", "a", "shutdown")]


def test_a_child_that_does_not_trap_exits_just_ends(diary: Diary) -> None:
    tree = Supervisor.start([kid(diary, "a", kind=Plain)])
    diary.watch("a", tree.which_children()[0].process)
    tree.terminate_child("a")
    assert diary.rest()[1:] == [("end", "a", "shutdown")]


@on_threads
def test_a_brutal_shutdown_kills_at_once(diary: Diary) -> None:
    tree = Supervisor.start([kid(diary, "a", shutdown="brutal")])
    diary.watch("a", tree.which_children()[0].process)
    tree.terminate_child("a")
    assert diary.rest()[1:] == [("end", "a", "killed")]
    assert not diary.logged("shutdown_failed")


def test_a_child_that_takes_too_long_is_killed(diary: Diary) -> None:
    tree = Supervisor.start([kid(diary, "a", kind=Deaf, shutdown=0.02)])
    diary.watch("a", tree.which_children()[0].process)
    tree.terminate_child("a")
    assert diary.rest()[1:] == [("stop", "a", "shutdown"), ("end", "a", "killed")]
    assert [each["reason"] for each in diary.logged("shutdown_failed")] == ["'killed'"]


def test_no_time_at_all_still_asks_before_it_kills(diary: Diary) -> None:
    tree = Supervisor.start([kid(diary, "a", kind=Plain, shutdown=0)])
    diary.watch("a", tree.which_children()[0].process)
    tree.terminate_child("a")
    assert diary.rest()[1:] == [("end", "a", "shutdown")]


def test_each_child_has_its_own_time_one_after_the_other(diary: Diary) -> None:
    children = [
        kid(diary, "a"),
        kid(diary, "b", kind=Deaf, shutdown=0.02),
        kid(diary, "c", kind=Deaf, shutdown=0.02),
    ]
    with Supervisor.start(children):
        diary.take(3)
    assert diary.rest() == [("stop", name, "shutdown") for name in "cba"]


def test_an_end_with_another_reason_is_reported(diary: Diary) -> None:
    tree = Supervisor.start([kid(diary, "a", kind=Odd)])
    tree.terminate_child("a")
    (report,) = diary.logged("shutdown_failed")
    assert (report["child"], report["reason"]) == ("a", "'my own'")


@pytest.mark.parametrize(("restart", "reports"), [("permanent", 1), ("transient", 0)])
def test_a_child_that_ended_normally_meanwhile_is_reported_only_if_permanent(
    diary: Diary, restart: Any, reports: int
) -> None:
    children = [kid(diary, "a", restart=restart), kid(diary, "b", kind=Leaver, restart=restart)]
    Supervisor.start(children, strategy="one_for_all")
    diary.take(2)
    # b's own end is in the supervisor's mailbox when it comes to end b.
    diary.refs["b"].proxy().take_along(diary.refs["a"]).get()
    events = diary.take(3)
    assert [event[:2] for event in events] == [("stop", "b"), ("start", "a"), ("start", "b")]
    assert len(diary.logged("shutdown_failed")) == reports


class Leaver(Kid):
    def take_along(self, other: Any) -> None:
        kill(other)
        self.stop("normal")


class Naughty(Kid):
    """Unlinks the supervisor that it was given, when it is told to."""

    def handle_cast(self, message: Any) -> None:
        if isinstance(message, Exception):
            raise message
        unlink(message)


def naughty(diary: Diary) -> tuple[Any, Any]:
    """Return a supervisor, and its child that has unlinked it."""
    tree = Supervisor.start([kid(diary, "a", kind=Naughty)])
    process = tree.which_children()[0].process
    process.cast(tree)
    settle()
    return tree, process


def test_a_child_that_has_unlinked_its_supervisor_is_ended_all_the_same(diary: Diary) -> None:
    tree, process = naughty(diary)
    tree.terminate_child("a")
    assert process.exit_reason == "shutdown"
    assert tree.which_children()[0].process is None


def test_a_child_that_has_unlinked_its_supervisor_ends_without_being_noticed(diary: Diary) -> None:
    tree, process = naughty(diary)
    crash(process)
    settle()
    assert not process.is_alive()
    assert tree.which_children()[0].process is process  # As OTP's says.
    tree.terminate_child("a")
    tree.restart_child("a")
    assert tree.count_children().active == 1


@on_threads
def test_a_child_whose_handler_does_not_end_is_given_up(
    diary: Diary, let_go: threading.Event
) -> None:
    tree = Supervisor.start([kid(diary, "a", let_go, kind=Stubborn, shutdown=0.02, name="a")])
    diary.take(1)
    diary.refs["a"].cast("work")
    assert diary.next() == ("busy", "a")
    stubborn = diary.refs["a"]
    tree.terminate_child("a")
    assert not stubborn.is_alive()
    assert stubborn.exit_reason == "killed"
    assert [each["child"] for each in diary.logged("child_given_up")] == ["a"]
    replacement = tree.restart_child("a")
    assert replacement.is_alive()


@on_threads
def test_a_tree_ends_although_a_child_does_not(diary: Diary, let_go: threading.Event) -> None:
    inner = supervisor([kid(diary, "a", let_go, kind=Stubborn, shutdown=0.02)], id="inner")
    with Supervisor.start([kid(diary, "b"), inner]):
        diary.take(2)
        diary.refs["a"].cast("work")
        diary.next()
    assert diary.rest() == [("stop", "b", "shutdown")]


def test_a_supervisor_that_waits_for_a_child_can_be_killed(diary: Diary) -> None:
    tree = Supervisor.start([kid(diary, "a", kind=Deaf, shutdown=None)])
    diary.watch("tree", tree)
    diary.take(1)
    stopping = tree.stop(block=False, reason="shutdown")
    assert diary.next() == ("stop", "a", "shutdown")
    kill(tree)
    assert diary.next() == ("end", "tree", "killed")
    assert stopping.get(timeout=5.0) in (True, False)
    kill(diary.refs["a"])


class Lingering(Kid):
    """Takes its time to clean up."""

    def terminate(self, reason: Any) -> None:
        super().terminate(reason)
        wait_in_vain(0.02)


def test_a_restart_waits_for_the_orphans_that_still_hold_the_names(diary: Diary) -> None:
    inner = supervisor([kid(diary, "a", kind=Lingering, name="a")], id="inner", name="inner")
    tree = Supervisor.start([inner], max_restarts=1)
    diary.take(1)
    kill(tree.which_children()[0].process)
    assert sorted(diary.take(2)) == [("start", "a"), ("stop", "a", "killed")]
    assert tree.count_children().active == 1
    assert whereis("a") is diary.refs["a"]
    assert not diary.logged("restart_failed")


@pytest.mark.schedulers("pool", "thread")
def test_an_orphan_that_has_just_ended_is_in_nobodys_way(
    diary: Diary, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch = child_process.launch

    def late(*args: Any, **kwargs: Any) -> Any:
        try:
            return launch(*args, **kwargs)
        except AlreadyStarted as taken:
            holder = taken.process
            eventually(lambda: not holder.is_alive())
            raise

    monkeypatch.setattr(child_process, "launch", late)
    inner = supervisor([kid(diary, "a", kind=Lingering, name="a")], id="inner", name="inner")
    tree = Supervisor.start([inner], max_restarts=1)
    diary.take(1)
    kill(tree.which_children()[0].process)
    assert sorted(diary.take(2)) == [("start", "a"), ("stop", "a", "killed")]
    assert not diary.logged("restart_failed")


def test_a_process_that_outlived_its_starter_keeps_its_name(diary: Diary) -> None:
    class Starter(Server):
        def init(self) -> None:
            Server.start_link(name="a")

    Starter.start().stop(reason="normal")
    holder = whereis("a")
    with pytest.raises(StartError) as caught:
        Supervisor.start([kid(diary, "a", name="a")])
    assert caught.value.reason[1][2] == ("already_started", holder)
    assert holder is not None
    assert holder.is_alive()


class Sleeper(Plain):
    """Takes its time to start."""

    def init(self, *args: Any) -> Any:
        super().init(*args)
        wait_in_vain()


def test_a_supervisor_that_is_starting_a_child_can_be_killed(diary: Diary) -> None:
    tree = Supervisor.start([supervisor([kid(diary, "a")], id="inner")])
    diary.take(1)
    inner: Any = tree.which_children()[0].process
    starting = inner.ask(
        Request("start_child", (kid(diary, "b", kind=Sleeper),), {}), block=False, timeout=None
    )
    assert diary.next() == ("start", "b")
    diary.watch("b", diary.refs["b"])
    diary.watch("inner", inner)
    kill(inner)
    assert sorted(diary.take(4)) == [
        ("end", "b", "killed"),
        ("end", "inner", "killed"),
        ("start", "a"),
        ("stop", "a", "killed"),
    ]
    with pytest.raises(CallExit):
        starting.get()
