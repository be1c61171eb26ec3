"""`Supervisor`: starting, restarting, and ending children."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from beam.errors import InvalidSpec, StartError
from beam.otp import (
    Crash,
    DynamicSupervisor,
    Exited,
    Node,
    Ref,
    Server,
    Supervisor,
    child,
    exit,
    ignore,
    link,
    supervisor,
    whereis,
)
from beam.otp.clock import SystemClock
from tests.otp.kids import Diary, Kid, crash, family, kid, kill, wait_in_vain

if TYPE_CHECKING:
    pass

# It holds threads up, or starts some.
on_threads = pytest.mark.schedulers("pool")


def starts(*names: Any) -> list[tuple[str, Any]]:
    return [("start", name) for name in names]


def stops(*names: Any, reason: Any = "shutdown") -> list[tuple[str, Any, Any]]:
    return [("stop", name, reason) for name in names]


def running(tree: Any) -> dict[Any, Any]:
    return {line.id: line.process for line in tree.which_children()}


# Starting


def test_children_start_in_order_and_before_start_returns(diary: Diary) -> None:
    tree = Supervisor.start([kid(diary, name) for name in "abc"])
    assert diary.rest() == starts("a", "b", "c")
    assert [line.id for line in tree.which_children()] == ["c", "b", "a"]


def test_leaving_a_with_block_ends_the_children_in_reverse_order(diary: Diary) -> None:
    with Supervisor.start([kid(diary, name) for name in "abc"]) as tree:
        diary.take(3)
    assert diary.rest() == stops("c", "b", "a")
    assert (tree.is_alive(), tree.exit_reason) == (False, "shutdown")


def test_a_child_that_does_not_start_ends_those_that_did_and_the_start(diary: Diary) -> None:
    children = [kid(diary, "a"), kid(diary, "b"), kid(diary, "c", ["refuse"]), kid(diary, "d")]
    with pytest.raises(StartError) as caught:
        Supervisor.start(children)
    assert caught.value.reason == ("shutdown", ("failed_to_start_child", "c", "not_today"))
    assert diary.rest() == [*starts("a", "b", "c"), *stops("b", "a")]


def test_why_a_child_did_not_start_is_told_through_all_levels(diary: Diary) -> None:
    inner = supervisor([kid(diary, "leaf", ["crash"])], id="inner")
    with pytest.raises(StartError) as caught:
        Supervisor.start([inner])
    word, (_, child_id, reason) = caught.value.reason
    assert (word, child_id) == ("shutdown", "inner")
    assert reason[1][:2] == ("failed_to_start_child", "leaf")
    assert isinstance(reason[1][2], Crash)
    assert isinstance(reason[1][2].exception, LookupError)
    assert isinstance(caught.value.__cause__, StartError)


def test_a_child_that_ignores_its_start_stays_without_a_process(diary: Diary) -> None:
    tree = Supervisor.start(
        [
            kid(diary, "a", ["ignore"]),
            kid(diary, "b", ["ignore"], restart="temporary"),
            kid(diary, "c"),
        ]
    )
    assert running(tree) == {"a": None, "c": diary.refs.get("c") or tree.which_children()[0][1]}
    assert tree.count_children() == (2, 1, 0, 2)


def test_a_supervisor_can_be_monitored_from_its_start(diary: Diary) -> None:
    tree, watch = Supervisor.start_monitor([kid(diary, "a")])
    diary.take(1)
    diary.refs["tree"] = tree
    tree.stop(reason="shutdown")
    assert diary.take(2)[1] == ("end", "tree", "shutdown")
    assert watch.process is tree


def test_a_supervisor_has_a_name_and_its_children_too(diary: Diary) -> None:
    tree = Supervisor.start([kid(diary, "a", name="kid a")], name="tree")
    assert whereis("tree") is tree
    assert whereis("kid a") is running(tree)["a"]


def test_children_may_come_from_a_generator(diary: Diary) -> None:
    tree = Supervisor.start(kid(diary, number) for number in range(3))
    assert tree.count_children().active == 3


def test_a_supervisor_may_have_no_children() -> None:
    with Supervisor.start() as tree:
        assert tree.which_children() == []


def test_children_live_on_a_thread_of_their_own_if_they_say_so(diary: Diary) -> None:
    class Blocking(Kid):
        blocking = True

    tree = Supervisor.start([kid(diary, "a", kind=Blocking), kid(diary, "b")])
    diary.take(2)
    crash(diary.refs["a"])
    assert diary.take(2)[1] == ("start", "a")
    tree.stop(reason="shutdown")
    assert diary.rest() == stops("b", "a")


def test_an_init_that_takes_longer_than_its_timeout_fails_the_start() -> None:
    class Slow(Server):
        def init(self) -> None:
            wait_in_vain()

    with pytest.raises(StartError) as caught:
        Supervisor.start([child(Slow, timeout=0.01)])
    assert caught.value.reason == ("shutdown", ("failed_to_start_child", "Slow", "timeout"))


# Start functions


def test_a_start_function_is_called_in_the_supervisor_and_returns_a_ref(diary: Diary) -> None:
    def start(name: str) -> Ref[Kid]:
        return Kid.start_link(diary.ref, name)

    tree = Supervisor.start([child(start, "a")])
    assert running(tree) == {"start": diary.refs["a"] if diary.rest() else None}
    crash(diary.refs["a"])
    assert diary.take(2)[1] == ("start", "a")


def test_a_start_function_may_return_more_than_the_ref(diary: Diary) -> None:
    def start() -> tuple[Ref[Kid], str]:
        return Kid.start_link(diary.ref, "a"), "more"

    tree = Supervisor.start([])
    ref, info = tree.start_child(child(start))
    assert (running(tree), info) == ({"start": ref}, "more")


@pytest.mark.parametrize("nothing", [None, ignore], ids=["None", "ignore"])
def test_a_start_function_may_have_nothing_to_start(nothing: Any) -> None:
    with Supervisor.start([child(lambda: nothing, id="a")]) as tree:
        assert running(tree) == {"a": None}


def test_what_else_a_start_function_does_is_why_the_start_failed() -> None:
    def returns() -> Any:
        return "garbage"

    def raises() -> Any:
        raise LookupError

    def leaves() -> Any:
        raise Exited("gone")

    reasons = []
    for start in (returns, leaves, raises):
        with pytest.raises(StartError) as caught:
            Supervisor.start([child(start)])
        reasons.append(caught.value.reason[1][2])
    assert reasons[:2] == ["garbage", ("EXIT", "gone")]
    assert isinstance(reasons[2][1], Crash)


# Classes of one's own


def test_a_class_of_ones_own_says_in_init_what_to_supervise(diary: Diary) -> None:
    class App(Supervisor):
        def init(self, names: str) -> Any:
            children = [kid(diary, name) for name in names]
            return super().init(children, strategy="one_for_all")

    App.start("ab")
    assert diary.take(2) == starts("a", "b")
    crash(diary.refs["a"])
    assert sorted(diary.take(4)[2:]) == starts("a", "b")


def test_a_list_of_children_will_do(diary: Diary) -> None:
    class App(Supervisor):
        def init(self) -> Any:
            return [kid(diary, "a")]

    assert App.start().count_children().active == 1


def test_a_supervisor_may_have_nothing_to_do() -> None:
    class Nothing(Supervisor):
        def init(self) -> Any:
            return ignore

    assert Nothing.start() is None


@pytest.mark.parametrize(
    ("returned", "reason"),
    [
        (lambda: None, "bad_return"),
        (lambda: "garbage", "bad_return"),
        (lambda: [17], "start_spec"),
        (lambda: [child(Kid, restart="never")], "start_spec"),
        (lambda: [child(Kid), child(Kid)], "start_spec"),
        (lambda: Supervisor.init(Supervisor(), max_restarts=-1), "supervisor_data"),
        (lambda: Supervisor.init(Supervisor(), strategy="simple_one_for_one"), "bad_start_spec"),
    ],
    ids=["none", "garbage", "no spec", "bad spec", "same ids", "bad flags", "no template"],
)
def test_an_init_that_goes_wrong_fails_the_start_with_otps_reason(
    diary: Diary, returned: Any, reason: str
) -> None:
    class Wrong(Supervisor):
        def init(self) -> Any:
            return returned()

    with pytest.raises(StartError) as caught:
        Wrong.start()
    assert caught.value.reason[0] == reason
    assert not diary.logged("process_crashed")


def test_what_is_wrong_in_the_arguments_of_start_is_refused_before_anything_starts(
    diary: Diary,
) -> None:
    with pytest.raises(InvalidSpec):
        Supervisor.start([kid(diary, "a"), kid(diary, "a")])
    assert diary.rest() == []


@pytest.mark.parametrize("name", ["handle_call", "handle_info", "terminate"])
def test_a_supervisor_does_nothing_but_supervise(name: str) -> None:
    with pytest.raises(TypeError, match=name):
        type("Busy", (Supervisor,), {name: lambda self, *args: None})


# Restarting


@pytest.mark.parametrize(
    ("restart", "reason", "again"),
    [
        ("permanent", "normal", True),
        ("permanent", "shutdown", True),
        ("permanent", ("shutdown", "tired"), True),
        ("permanent", "boom", True),
        ("transient", "normal", False),
        ("transient", "shutdown", False),
        ("transient", ("shutdown", "tired"), False),
        ("transient", "boom", True),
        ("temporary", "normal", False),
        ("temporary", "shutdown", False),
        ("temporary", ("shutdown", "tired"), False),
        ("temporary", "boom", False),
    ],
)
def test_a_child_that_ends_is_restarted_as_its_restart_says(
    diary: Diary, restart: Any, reason: Any, again: bool
) -> None:
    tree = Supervisor.start([kid(diary, "a", restart=restart)])
    diary.take(1)
    first = diary.refs["a"]
    first.proxy().leave(reason).get()
    assert diary.next() == ("stop", "a", reason)
    lines = running(tree)
    if again:
        assert diary.rest() == starts("a")
        assert lines == {"a": diary.refs["a"]}
        assert lines["a"] is not first
    else:
        assert lines == ({} if restart == "temporary" else {"a": None})


def test_one_for_one_restarts_the_one_that_crashed(diary: Diary) -> None:
    tree = Supervisor.start([kid(diary, name) for name in "abc"])
    diary.take(3)
    before = running(tree)
    kill(diary.refs["b"])
    assert diary.next() == ("start", "b")
    after = running(tree)
    assert list(after) == ["c", "b", "a"]
    assert {name for name in "abc" if before[name] is not after[name]} == {"b"}


def test_one_for_all_ends_the_others_and_starts_all_again(diary: Diary) -> None:
    Supervisor.start([kid(diary, name) for name in "abc"], strategy="one_for_all")
    diary.take(3)
    kill(diary.refs["b"])
    assert diary.take(5) == [*stops("c", "a"), *starts("a", "b", "c")]


def test_rest_for_one_ends_and_starts_those_started_after_it(diary: Diary) -> None:
    Supervisor.start([kid(diary, name) for name in "abcd"], strategy="rest_for_one")
    diary.take(4)
    kill(diary.refs["b"])
    assert diary.take(5) == [*stops("d", "c"), *starts("b", "c", "d")]


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
def test_temporary_siblings_are_ended_and_forgotten(diary: Diary, strategy: Any) -> None:
    children = [kid(diary, "a"), kid(diary, "b", restart="temporary"), kid(diary, "c")]
    tree = Supervisor.start(children, strategy=strategy)
    diary.take(3)
    kill(diary.refs["a"])
    assert diary.take(4) == [*stops("c", "b"), *starts("a", "c")]
    assert list(running(tree)) == ["c", "a"]


def test_a_restarted_child_keeps_its_name(diary: Diary) -> None:
    Supervisor.start([kid(diary, "a", name="a")])
    diary.take(1)
    kill(diary.refs["a"])
    assert diary.take(1) == starts("a")
    assert whereis("a") is diary.refs["a"]


def test_a_restart_that_fails_is_tried_again_until_it_works(diary: Diary) -> None:
    plan = ["ok", "crash", "refuse", "ok"]
    tree = Supervisor.start([kid(diary, "a", plan)], max_restarts=3)
    diary.take(1)
    kill(diary.refs["a"])
    assert diary.take(3) == starts("a", "a", "a")
    assert running(tree) == {"a": diary.refs["a"]}


def test_every_try_of_a_restart_counts(diary: Diary) -> None:
    plan = ["ok", "crash", "refuse", "ok"]
    tree = Supervisor.start([kid(diary, "a", plan)], max_restarts=2)
    diary.watch("tree", tree)
    diary.take(1)
    kill(diary.refs["a"])
    assert diary.take(3) == [*starts("a", "a"), ("end", "tree", "shutdown")]


def test_a_group_restart_that_fails_half_way_is_tried_again_as_a_whole(diary: Diary) -> None:
    children = [kid(diary, "a"), kid(diary, "b", ["ok", "refuse", "ok"]), kid(diary, "c")]
    Supervisor.start(children, strategy="one_for_all", max_restarts=2)
    diary.take(3)
    kill(diary.refs["c"])
    assert diary.take(4) == [*stops("b", "a"), *starts("a", "b")]
    assert diary.take(4) == [*stops("a"), *starts("a", "b", "c")]


def test_a_restart_may_be_ignored(diary: Diary) -> None:
    tree = Supervisor.start([kid(diary, "a", ["ok", "ignore"])])
    diary.take(1)
    kill(diary.refs["a"])
    assert diary.next() == ("start", "a")
    assert running(tree) == {"a": None}


def test_too_many_restarts_end_the_supervisor_and_its_children(diary: Diary) -> None:
    tree = Supervisor.start([kid(diary, "a"), kid(diary, "b")], max_restarts=1)
    diary.watch("tree", tree)
    diary.take(2)
    kill(diary.refs["a"])
    assert diary.next() == ("start", "a")
    kill(diary.refs["a"])
    assert diary.take(2) == [*stops("b"), ("end", "tree", "shutdown")]


class LaterClock(SystemClock):
    """A clock that can be put forward."""

    def __init__(self) -> None:
        super().__init__()
        machine, self.forward = self.now, 0.0
        self.now = lambda: machine() + self.forward


def test_restarts_long_past_do_not_count() -> None:
    clock = LaterClock()
    with Node(clock=clock) as node, family(node) as diary:
        tree = Supervisor.start([kid(diary, "a")], max_restarts=1, max_seconds=5)
        diary.take(1)
        for _ in range(5):
            kill(diary.refs["a"])
            assert diary.next() == ("start", "a")
            clock.forward += 7.0
        assert tree.is_alive()


def test_the_supervisor_above_restarts_one_that_has_given_up(diary: Diary) -> None:
    inner = supervisor([kid(diary, "leaf")], id="inner", max_restarts=0)
    tree = Supervisor.start([inner, kid(diary, "other")])
    diary.take(2)
    first = running(tree)["inner"]
    kill(diary.refs["leaf"])
    assert diary.next() == ("start", "leaf")
    assert running(tree)["inner"] is not first


@on_threads
def test_ten_thousand_siblings_do_not_slow_a_restart_down(diary: Diary) -> None:
    tree = Supervisor.start([child(Kid, diary.ref, n, id=n) for n in range(10_000)])
    diary.take(10_000)
    kill(diary.refs[5000])
    assert diary.next() == ("start", 5000)
    assert tree.count_children().active == 10_000


# Ending


def test_a_supervisor_asked_to_stop_ends_its_children_and_then_with_that_reason(
    diary: Diary,
) -> None:
    tree = Supervisor.start([kid(diary, "a"), kid(diary, "b")])
    diary.take(2)
    assert tree.stop(reason="enough") is True
    assert diary.rest() == stops("b", "a")
    assert tree.exit_reason == "enough"


def test_children_of_a_killed_supervisor_follow_it(diary: Diary) -> None:
    tree = Supervisor.start([kid(diary, "a")])
    diary.take(1)
    kill(tree)
    assert diary.next() == ("stop", "a", "killed")


def test_a_supervisor_ends_with_its_parent(diary: Diary) -> None:
    class Parent(Server):
        def init(self) -> None:
            Supervisor.start_link([kid(diary, "a")], name="tree")

    parent = Parent.start()
    diary.take(1)
    exit(parent, "over")
    assert diary.next() == ("stop", "a", "shutdown")


def test_an_exit_signal_from_a_stranger_is_ignored(diary: Diary) -> None:
    class Stranger(Server):
        def signal(self, whom: Ref[Any]) -> None:
            exit(whom, "boom")

    tree = Supervisor.start([kid(diary, "a")])
    Stranger.start().proxy().signal(tree).get()
    assert tree.count_children().active == 1


def test_a_stranger_that_was_linked_ends_without_being_noticed(diary: Diary) -> None:
    class Stranger(Server):
        def link_with(self, other: Ref[Any]) -> None:
            link(other)
            exit("boom")

    tree = Supervisor.start([kid(diary, "a")])
    simple = Supervisor.start([child(Server)], strategy="simple_one_for_one")
    pool = DynamicSupervisor.start()
    for each in (tree, simple, pool):
        Stranger.start().proxy().link_with(each)
        assert each.count_children().active in (0, 1)
        assert each.is_alive()


def test_strange_mail_is_reported_and_dropped(diary: Diary) -> None:
    tree = Supervisor.start([kid(diary, "a")])
    tree.tell("hello")
    tree.cast("hello")
    assert tree.count_children().active == 1
    assert len(diary.logged("unexpected_message")) == 2


def test_a_linked_parent_hears_of_the_end(diary: Diary) -> None:
    tree = Supervisor.start_link([kid(diary, "a")], max_restarts=0)
    diary.take(1)
    kill(diary.refs["a"])
    assert diary.next() == ("exit", tree, "shutdown")


def test_outside_any_process_a_tree_works_as_well() -> None:
    with Node():
        tree = Supervisor.start([child(Server)])
        assert tree.count_children() == (1, 1, 0, 1)
        assert tree.stop(reason="shutdown") is True


def test_a_crash_while_others_restart_is_seen_to_after_that(diary: Diary) -> None:
    tree = Supervisor.start([kid(diary, name) for name in "ab"], max_restarts=10)
    diary.take(2)
    for _ in range(3):
        crash(diary.refs["a"])
        kill(diary.refs["b"])
        events = diary.take(3)
        assert sorted(event[:2] for event in events) == [
            ("start", "a"),
            ("start", "b"),
            ("stop", "a"),
        ]
    assert running(tree) == {"a": diary.refs["a"], "b": diary.refs["b"]}
