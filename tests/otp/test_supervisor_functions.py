"""What a supervisor's ref offers: starting, ending, restarting and listing its children."""

from __future__ import annotations

import asyncio
import threading
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from beam.errors import CallCycle, CallExit, CallTimeout, StartError, SupervisorRefused
from beam.otp import ChildSpec, Crash, Server, Supervisor, child, supervisor, whereis
from beam.otp.supervision import ChildInfo
from tests.names import shown
from tests.otp.kids import TIMEOUT, Diary, Kid, kid, kill

if TYPE_CHECKING:
    pass

# It holds threads up, or starts some.
on_threads = pytest.mark.schedulers("pool")


def refused(function: Any, *args: Any) -> Any:
    """Call a function that must refuse; return OTP's term for why."""
    with pytest.raises(SupervisorRefused) as caught:
        function(*args)
    return caught.value.reason


# start_child


def test_a_child_started_later_is_the_last(diary: Diary) -> None:
    tree = Supervisor.start([kid(diary, "a")])
    ref = tree.start_child(kid(diary, "b"))
    assert tree.which_children()[0] == ChildInfo("b", ref, "worker", (Kid,))
    tree.stop()
    assert diary.rest()[-2:] == [("stop", "b", "shutdown"), ("stop", "a", "shutdown")]


def test_a_child_started_later_is_restarted_too(diary: Diary) -> None:
    tree = Supervisor.start()
    tree.start_child(kid(diary, "a"))
    diary.take(1)
    kill(diary.refs["a"])
    assert diary.take(1) == [("start", "a")]


def test_an_id_is_there_once(diary: Diary) -> None:
    tree = Supervisor.start([kid(diary, "a"), kid(diary, "b", ["ignore"])])
    assert refused(tree.start_child, kid(diary, "a")) == (
        "already_started",
        tree.which_children()[1].process,
    )
    assert refused(tree.start_child, kid(diary, "b")) == "already_present"


def test_a_child_that_does_not_start_is_not_there(diary: Diary) -> None:
    tree = Supervisor.start()
    spec = kid(diary, "a", ["refuse"])
    assert refused(tree.start_child, spec) == ("not_today", spec)
    crashing = kid(diary, "a", ["crash"])
    reason, known = refused(tree.start_child, crashing)
    assert isinstance(reason, Crash)
    assert known is crashing
    assert tree.which_children() == []


def test_a_name_that_is_taken_is_why_a_child_does_not_start(diary: Diary) -> None:
    tree = Supervisor.start([kid(diary, "a", name="kid")])
    reason, _ = refused(tree.start_child, kid(diary, "b", name="kid"))
    assert reason == ("already_started", whereis("kid"))


def test_a_temporary_child_that_has_nothing_to_do_is_forgotten(diary: Diary) -> None:
    tree = Supervisor.start()
    assert tree.start_child(kid(diary, "a", ["ignore"])) is None
    assert tree.start_child(kid(diary, "b", ["ignore"], restart="temporary")) is None
    assert [line.id for line in tree.which_children()] == ["a"]


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        ((17,), ("invalid_child_spec", 17)),
        ((), ("invalid_child_spec", ())),
        (({"start": Kid},), "missing_id"),
        (({"id": "a"},), "missing_start"),
        (({"id": "a", "start": Kid, "shutdown": "soon"},), ("invalid_shutdown", "soon")),
        (
            ({"id": "a", "start": Kid, "significant": True},),
            ("bad_combination", [("auto_shutdown", "never"), ("significant", True)]),
        ),
    ],
    ids=["no spec", "nothing", "no id", "no start", "bad shutdown", "bad combination"],
)
def test_what_is_no_specification_is_refused(args: Any, reason: Any) -> None:
    with Supervisor.start() as tree:
        assert refused(tree.start_child, *args) == reason
        assert tree.is_alive()


# terminate_child, restart_child, delete_child


def test_a_child_that_was_ended_stays_and_can_be_restarted(diary: Diary) -> None:
    tree = Supervisor.start([kid(diary, "a"), kid(diary, "b")])
    tree.terminate_child("a")
    assert diary.rest()[2:] == [("stop", "a", "shutdown")]
    assert [(line.id, line.process) for line in tree.which_children()][1] == ("a", None)
    ref = tree.restart_child("a")
    assert tree.which_children()[1].process is ref


def test_ending_a_child_that_does_not_run_is_no_fault(diary: Diary) -> None:
    tree = Supervisor.start([kid(diary, "a")])
    tree.terminate_child("a")
    tree.terminate_child("a")


def test_a_temporary_child_is_forgotten_when_it_is_ended(diary: Diary) -> None:
    tree = Supervisor.start([kid(diary, "a", restart="temporary")])
    tree.terminate_child("a")
    assert tree.which_children() == []


def test_a_child_that_does_not_run_can_be_deleted_and_another_take_its_id(diary: Diary) -> None:
    tree = Supervisor.start([kid(diary, "a")])
    tree.terminate_child("a")
    tree.delete_child("a")
    assert tree.which_children() == []
    assert tree.start_child(kid(diary, "a")).is_alive()


@pytest.mark.parametrize("function", ["restart_child", "delete_child"])
def test_a_child_that_runs_is_neither_restarted_nor_deleted(diary: Diary, function: str) -> None:
    tree = Supervisor.start([kid(diary, "a")])
    assert refused(getattr(tree, function), "a") == "running"


@pytest.mark.parametrize(
    "function", ["terminate_child", "restart_child", "delete_child", "get_childspec"]
)
@pytest.mark.parametrize("child_id", ["x", ["unhashable"]], ids=shown)
def test_a_child_that_is_not_there_is_not_found(function: str, child_id: Any) -> None:
    with Supervisor.start() as tree:
        assert refused(getattr(tree, function), child_id) == "not_found"


def test_a_restart_by_hand_may_fail_or_be_ignored(diary: Diary) -> None:
    tree = Supervisor.start([kid(diary, "a", ["ok", "refuse", "ignore"])])
    tree.terminate_child("a")
    assert refused(tree.restart_child, "a") == "not_today"
    assert tree.restart_child("a") is None
    assert tree.which_children()[0].process is None


class SlowToRestart(Kid):
    """Fails its second start, after the test has said so."""

    def init(self, diary: Any, called: Any, gate: Any, failing: list[str]) -> Any:
        super().init(diary, called)
        if failing.pop(0) == "fail":
            gate.wait(TIMEOUT)
            raise LookupError("second start")


@on_threads
@pytest.mark.parametrize(
    ("function", "answer"),
    [
        ("restart_child", "restarting"),
        ("delete_child", "restarting"),
        ("start_child", "already_present"),
    ],
)
def test_a_child_whose_restart_failed_is_restarting_until_that_is_tried_again(
    diary: Diary, function: str, answer: str
) -> None:
    gate = threading.Event()
    spec = kid(diary, "a", gate, ["ok", "fail", "ok"], kind=SlowToRestart)
    tree = Supervisor.start([spec], max_restarts=5)
    diary.take(1)
    kill(diary.refs["a"])
    assert diary.next() == ("start", "a")
    # The supervisor is in its child's init: what it is asked now comes before its own retry.
    asking = Asker.start().proxy()
    first = asking.ask(tree, function, spec if function == "start_child" else "a")
    second = asking.ask(tree, "which_children")
    wait_for_mail(tree, 1)
    gate.set()
    assert first.get() == answer
    assert diary.next() == ("start", "a")
    assert second.get()[0].process is diary.refs["a"]


@on_threads
def test_ending_a_child_that_is_restarting_calls_the_restart_off(diary: Diary) -> None:
    gate = threading.Event()
    spec = kid(diary, "a", gate, ["ok", "fail", "ok"], kind=SlowToRestart)
    tree = Supervisor.start([spec], max_restarts=5)
    diary.take(1)
    kill(diary.refs["a"])
    diary.next()
    asking = Asker.start().proxy()
    first = asking.ask(tree, "terminate_child", "a")
    wait_for_mail(tree, 1)
    gate.set()
    assert first.get() is None
    assert tree.which_children()[0].process is None
    assert diary.rest() == []


@on_threads
def test_a_child_is_shown_as_restarting_while_it_is(diary: Diary) -> None:
    gate = threading.Event()
    spec = kid(diary, "a", gate, ["ok", "fail", "ok"], kind=SlowToRestart)
    tree = Supervisor.start([spec], max_restarts=5)
    diary.take(1)
    kill(diary.refs["a"])
    diary.next()
    first = Asker.start().proxy().ask(tree, "which_children")
    wait_for_mail(tree, 1)
    gate.set()
    assert first.get()[0].process == "restarting"


# get_childspec, which_children, count_children


def test_a_specification_can_be_read_back(diary: Diary) -> None:
    spec = kid(diary, "a", restart="transient", shutdown="brutal")
    with Supervisor.start([spec]) as tree:
        assert tree.get_childspec("a") is spec


def test_children_are_counted_by_what_they_are_and_whether_they_run(diary: Diary) -> None:
    tree = Supervisor.start([kid(diary, "a"), kid(diary, "b"), supervisor([], id="s")])
    tree.terminate_child("a")
    counts = tree.count_children()
    assert counts._asdict() == {"specs": 3, "active": 2, "supervisors": 1, "workers": 2}


# Calls


def test_a_dead_supervisor_answers_nobody() -> None:
    with Supervisor.start() as tree:
        pass
    with pytest.raises(CallExit) as caught:
        tree.which_children()
    assert caught.value.reason == "noproc"


@on_threads
def test_a_question_has_a_deadline_of_its_own(diary: Diary) -> None:
    gate = threading.Event()
    spec = kid(diary, "a", gate, ["ok", "fail", "ok"], kind=SlowToRestart)
    tree = Supervisor.start([spec], max_restarts=5)
    diary.take(1)
    kill(diary.refs["a"])
    diary.next()
    with pytest.raises(CallTimeout):
        tree.count_children(timeout=0.01)
    gate.set()


def test_what_a_supervisor_does_not_know_is_refused() -> None:
    with Supervisor.start() as tree:
        with pytest.raises(SupervisorRefused) as caught:
            tree.ask("hello")
        assert caught.value.reason == "unknown_request"
        assert tree.is_alive()


@on_threads
def test_a_child_that_calls_its_supervisor_from_init_is_refused_at_once(diary: Diary) -> None:
    class Nosy(Server):
        def init(self) -> None:
            supervisor = whereis("tree")
            assert supervisor is not None
            supervisor.which_children()  # type: ignore[attr-defined]  # a supervisor's ref

    tree = Supervisor.start(name="tree")
    reason, _ = refused(tree.start_child, child(Nosy))
    assert isinstance(reason.exception, CallCycle)
    assert reason.exception.path[1] is tree


def test_a_child_that_asks_to_be_ended_itself_does_not_stop_its_supervisor(diary: Diary) -> None:
    tree = Supervisor.start([kid(diary, "a", shutdown=None), kid(diary, "b")])
    diary.take(2)
    with pytest.raises(CallExit) as caught:
        diary.refs["a"].proxy().ask_supervisor(tree, "terminate_child", "a").get()
    assert isinstance(caught.value.reason.exception, CallCycle)
    assert tree.which_children()[1].process is None
    assert tree.is_alive()


def test_a_supervisor_that_ends_a_child_which_calls_it_goes_on(diary: Diary) -> None:
    children = [kid(diary, "a", shutdown=None), kid(diary, "b")]
    tree = Supervisor.start(children, strategy="one_for_all")
    diary.take(2)
    # Its call comes after the crash of its sibling, and the supervisor is ending it by then.
    kill(diary.refs["b"])
    diary.refs["a"].proxy().ask_supervisor(tree, "count_children")
    events = diary.take(3)
    assert [event[:2] for event in events] == [("stop", "a"), ("start", "a"), ("start", "b")]


class Gated(Kid):
    """Starts when the test says so."""

    def init(self, diary: Any, called: Any, gate: threading.Event) -> None:
        super().init(diary, called)
        gate.wait(TIMEOUT)


class Grandchild(Server):
    def init(self, tree: Any) -> None:
        tree.count_children(timeout=None)


class Founder(Kid):
    def found(self, tree: Any) -> None:
        Grandchild.start(tree)


@on_threads
def test_a_child_whose_own_child_calls_its_supervisor_can_be_ended(diary: Diary) -> None:
    gate = threading.Event()
    tree = Supervisor.start([kid(diary, "a", kind=Founder, shutdown=None)])
    diary.take(1)
    Asker.start().proxy().ask(tree, "start_child", kid(diary, "b", gate, kind=Gated))
    diary.take(1)
    ended = Asker.start().proxy().ask(tree, "terminate_child", "a")
    wait_for_mail(tree, 1)
    founded = diary.refs["a"].proxy().found(tree)
    wait_for_mail(tree, 2)
    gate.set()
    assert ended.get() is None
    with pytest.raises(CallExit) as caught:
        founded.get()
    assert isinstance(caught.value.reason.exception, StartError)


@on_threads
def test_start_child_of_a_dynamic_child_runs_where_it_is_asked(diary: Diary) -> None:
    class Where(Server):
        def init(self) -> None:
            self.thread = threading.get_ident()

    tree = Supervisor.start([child(Where)], strategy="simple_one_for_one")
    assert tree.start_child().proxy().thread.get() == threading.get_ident()


# asyncio


def test_the_functions_can_be_awaited() -> None:
    async def main() -> list[Any]:
        async with await Supervisor.aio.start([child(Server, id="a")]) as tree:
            await tree.aio.start_child(child(Server, id="b"))
            await tree.aio.terminate_child("a")
            await tree.aio.delete_child("a")
            return [line.id for line in await tree.aio.which_children()]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert asyncio.run(main()) == ["b"]


def test_a_blocking_function_on_an_event_loop_names_its_twin() -> None:
    async def main(tree: Any) -> None:
        tree.get_childspec("a")

    with (
        Supervisor.start([child(Server, id="a")]) as tree,
        pytest.warns(RuntimeWarning, match="aio.get_childspec"),
    ):
        asyncio.run(main(tree))


# What these tests need


class Asker(Server):
    """Calls a supervisor, for a test that goes on meanwhile."""

    def ask(self, tree: Any, function: str, *args: Any) -> Any:
        try:
            return getattr(tree, function)(*args)
        except SupervisorRefused as refusal:
            return refusal.reason


def wait_for_mail(ref: Any, count: int) -> None:
    """Wait until so much mail waits for a process that is busy."""
    while ref.control.count() < count:
        threading.Event().wait(0.001)


def test_specs_of_started_children_are_what_was_given() -> None:
    with Supervisor.start() as tree:
        tree.start_child({"id": "a", "start": Server, "shutdown": 1.0})
        assert tree.get_childspec("a") == ChildSpec("a", Server, shutdown=1.0)
