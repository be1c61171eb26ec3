"""Stopping a whole tree within a time, and the report of who would not stop."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.errors import CallCycle, InvalidInput
from beam.otp import (
    DynamicSupervisor,
    Node,
    PartitionSupervisor,
    Ref,
    Server,
    Supervisor,
    Tasks,
    child,
    exit,
    receive,
    supervisor,
    whereis,
)
from beam.otp.stopping import StopReport, Straggler, part
from beam.testing import node_on
from tests.otp.actors import SOON, death_of, eventually, hold_up
from tests.volume import scaled

pytestmark = pytest.mark.usefixtures("node")


def on_threads(test: Any) -> Any:
    """Run the test where there are threads: it holds them up."""
    return pytest.mark.schedulers("pool", "thread")(test)


def in_simulation(test: Any) -> Any:
    """Run the test on virtual time: it says how long things take."""
    return pytest.mark.schedulers("simulation")(test)


# More than any budget here, and what killed processes may take on top of it.
LONG = 10_000.0
ABOVE = 0.3


class Child(Server):
    """Takes its time to clean up, and says that it did."""

    trap_exit = True

    def init(self, ends: list[Any], called: Any, seconds: float = 0.0) -> None:
        self.ends, self.called, self.seconds = ends, called, seconds

    def handle_cast(self, message: Any) -> None:
        message[1]()

    def handle_call(self, message: Any, caller: Any) -> Any:
        return message()

    def terminate(self, reason: Any) -> None:
        if self.seconds:
            self.sleep(self.seconds)
        self.ends.append(self.called)


class OnItsOwnThread(Child):
    blocking = True


class Plain(Server):
    """Does not trap exits."""

    def handle_cast(self, message: Any) -> None:
        message[1]()

    def handle_call(self, message: Any, caller: Any) -> Any:
        return message()


# How time is parted


@given(
    st.lists(st.floats(0.0, 1000.0), min_size=1, max_size=50),
    st.floats(0.0, 100.0),
)
def test_what_hanging_siblings_take_does_not_add_up(wants: list[float], seconds: float) -> None:
    left, others = seconds, sum(wants)
    for want in wants:
        others = max(0.0, others - want)
        taken = part(left, want, others)
        assert 0.0 <= taken <= want
        assert taken <= left or taken == pytest.approx(left)
        left = max(0.0, left - taken)


@given(st.lists(st.floats(0.0, 10.0), min_size=1, max_size=20), st.floats(0.0, 100.0))
def test_each_has_what_it_wants_if_there_is_enough(wants: list[float], more: float) -> None:
    left, others = sum(wants) + more + 1e-6, sum(wants)
    for want in wants:
        others -= want
        assert part(left, want, others) == want
        left -= want


def test_one_of_many_has_a_moment_all_the_same() -> None:
    assert part(8.0, 5.0, 5_000.0) == 1.0
    assert part(8.0, 0.5, 5_000.0) == 0.5


# A tree that stops


def test_a_tree_stops_in_otps_order_and_the_report_counts_it() -> None:
    ends: list[Any] = []
    tree = Supervisor.start(
        [
            child(Child, ends, "a", id="a"),
            supervisor([child(Child, ends, n, id=n) for n in range(3)], id="inner"),
            child(Child, ends, "z", id="z"),
        ],
        name="trunk",
    )
    members = [one.process for one in tree.tree().walk()]
    report = tree.stop_within(SOON)
    assert ends == ["z", 2, 1, 0, "a"]
    assert report.clean
    assert (report.within, report.ended, report.killed, report.given_up) == (SOON, 7, (), ())
    assert not any(one.is_alive() for one in members if one is not None)
    assert tree.exit_reason == "shutdown"
    assert whereis("trunk") is None


def test_every_supervisor_can_be_stopped_within_a_time() -> None:
    ends: list[Any] = []
    dynamic = DynamicSupervisor.start()
    dynamic.start_child(child(Child, ends, "job"))
    partitions = PartitionSupervisor.start(child(Child, ends, "part"), partitions=2)
    tasks = Tasks.start()
    task = tasks.run_nolink(receive, SOON)
    assert [one.stop_within(SOON).ended for one in (dynamic, partitions, tasks)] == [2, 3, 2]
    assert sorted(ends) == ["job", "part", "part"]
    assert task.failed


def test_one_that_has_stopped_has_nothing_to_report() -> None:
    tree = Supervisor.start([child(Plain)])
    tree.stop(reason="shutdown")
    report = tree.stop_within(1.0)
    assert (report.ended, report.clean) == (0, True)


def test_nothing_is_restarted_while_a_tree_stops() -> None:
    ends: list[Any] = []
    tree = Supervisor.start(
        [child(Child, ends, n, 0.02, id=n) for n in range(3)], strategy="one_for_all"
    )
    report = tree.stop_within(SOON)
    assert ends == [2, 1, 0]
    assert report.clean


def test_a_child_that_is_killed_by_its_specification_is_no_straggler() -> None:
    tree = Supervisor.start([child(Plain, id="brutal", shutdown="brutal")])
    assert tree.stop_within(SOON).clean


def test_a_process_may_stop_another_tree_than_its_own() -> None:
    tree, outside = Supervisor.start([child(Plain, id="leaf")]), Plain.start()
    report: StopReport = outside.ask(lambda: tree.stop_within(SOON), timeout=SOON)
    assert report.clean
    assert report.ended == 2


def test_a_process_of_the_tree_cannot_wait_for_its_own_end() -> None:
    tree = Supervisor.start([child(Plain, id="leaf", name="leaf")])
    leaf: Any = whereis("leaf")

    def stop() -> Any:
        with pytest.raises(CallCycle) as ring:
            tree.stop_within(SOON)
        return ring.value.path

    assert leaf.ask(stop) == (leaf, tree, leaf)
    assert tree.tree().children[0].process is leaf


@pytest.mark.parametrize("seconds", [-1, float("inf"), float("nan"), "1", None, True])
def test_g20_what_is_no_number_of_seconds_is_refused_and_nothing_stops(
    seconds: Any, node: Node
) -> None:
    tree = Supervisor.start([child(Plain)])
    with pytest.raises(InvalidInput) as refused:
        tree.stop_within(seconds)
    assert refused.value.field == "seconds"
    for option in ("timeout", "within"):
        if option == "within" and seconds is None:
            continue
        with pytest.raises(InvalidInput) as refused:
            node.stop(**{option: seconds})
        assert refused.value.field == option
    assert tree.count_children().active == 1


# Those that would not stop, on virtual time


@in_simulation
def test_a_child_that_takes_too_long_is_killed_after_its_part(node: Node) -> None:
    ends: list[Any] = []
    tree = Supervisor.start(
        [
            child(Child, ends, "before", id="before"),
            child(Child, ends, "slow", LONG, id="slow", name="slow"),
            child(Child, ends, "after", id="after"),
        ]
    )
    slow = whereis("slow")
    begun = node.clock.now()
    report = tree.stop_within(3.0)
    assert node.clock.now() - begun <= 3.0
    assert ends == ["after", "before"]
    [straggler] = report.killed
    assert straggler.process is slow
    assert 0.5 < straggler.granted < 3.0
    assert (report.ended, report.given_up, report.clean) == (3, (), False)
    assert dict(report.slowest)[tree] == pytest.approx(report.took)


@in_simulation
@pytest.mark.parametrize("shutdown", [5.0, None])
def test_hanging_siblings_do_not_add_up(node: Node, shutdown: Any) -> None:
    count = scaled(2_000)
    tree = Supervisor.start(
        [child(Child, [], n, LONG, id=n, shutdown=shutdown) for n in range(count)]
    )
    report = tree.stop_within(2.0)
    assert report.took <= 2.0 + ABOVE
    assert report.ended + len(report.killed) == count + 1
    assert len(report.killed) >= count


@in_simulation
def test_one_of_many_that_needs_a_moment_has_it(node: Node) -> None:
    ends: list[Any] = []
    children = [child(Child, ends, n, id=n) for n in range(scaled(4_000))]
    slow = child(Child, ends, "slow", 0.2, id="slow")
    tree = Supervisor.start([*children, slow, *[replace(one) for one in children]])
    report = tree.stop_within(2.0)
    assert report.clean
    assert "slow" in ends
    assert report.took == pytest.approx(0.2)


def replace(spec: Any) -> Any:
    """Return the specification with another id."""
    return child(spec.start, *spec.args, id=("again", spec.id))


@in_simulation
def test_what_one_does_not_use_is_left_for_the_others(node: Node) -> None:
    ends: list[Any] = []
    naps = [child(Child, ends, n, 0.9, id=n) for n in range(5)]
    tree = Supervisor.start(
        [*naps, *[child(Child, ends, ("quick", n), id=n + 5) for n in range(5)]]
    )
    assert tree.stop_within(5.0).clean
    assert len(ends) == 10


@in_simulation
def test_the_children_of_a_supervisor_below_have_their_part_too(node: Node) -> None:
    ends: list[Any] = []
    tree = Supervisor.start(
        [
            child(Child, ends, "first", 0.1, id="first"),
            supervisor(
                [
                    child(Child, ends, "inside", 0.1, id="inside"),
                    supervisor([child(Child, ends, "hangs", LONG, id="hangs")], id="deep"),
                ],
                id="middle",
            ),
            child(Child, ends, "last", 0.1, id="last"),
        ]
    )
    report = tree.stop_within(4.0)
    assert ends == ["last", "inside", "first"]
    assert len(report.killed) == 1
    assert report.took <= 4.0


@in_simulation
def test_children_of_a_dynamic_supervisor_end_at_once(node: Node) -> None:
    ends: list[Any] = []
    pool = DynamicSupervisor.start()
    for number in range(20):
        seconds = LONG if number % 2 else 0.8
        pool.start_child(child(Child, ends, number, seconds, id=number))
    report = pool.stop_within(2.0)
    assert sorted(ends) == list(range(0, 20, 2))
    assert len(report.killed) == 10
    assert report.took <= 2.0


@in_simulation
def test_without_any_time_all_is_killed(node: Node) -> None:
    ends: list[Any] = []
    tree = Supervisor.start([child(Child, ends, n, 1.0, id=n) for n in range(5)])
    report = tree.stop_within(0.0)
    assert ends == []
    assert report.took <= ABOVE
    assert not any(isinstance(one.process, Ref) and one.process.is_alive() for one in report.killed)


class SlowToStart(Server):
    blocking = True

    def init(self) -> None:
        self.sleep(LONG)


@in_simulation
def test_a_supervisor_that_hangs_itself_is_killed_and_its_children_with_it(node: Node) -> None:
    ends: list[Any] = []
    tree = Supervisor.start([child(Child, ends, n, id=n) for n in range(3)])
    Tasks.start().run_nolink(tree.start_child, child(SlowToStart))
    node.sleep(1.0)
    report = tree.stop_within(2.0)
    assert report.took <= 2.0 + ABOVE
    assert tree in [one.process for one in report.killed]
    assert sorted(ends) == [0, 1, 2]  # They end with it.
    assert tree.exit_reason == "killed"


@in_simulation
def test_what_is_started_linked_to_a_child_belongs_to_the_tree(node: Node) -> None:
    ends: list[Any] = []
    tree = Supervisor.start([child(Plain, id="worker", name="worker")])
    worker: Any = whereis("worker")
    linked = worker.ask(lambda: Child.start_link(ends, "linked", 0.5))
    hanging = worker.ask(lambda: Child.start_link(ends, "hanging", LONG))
    alone = worker.ask(lambda: Child.start(ends, "alone"))
    report = tree.stop_within(2.0)
    assert ends == ["linked"]
    assert [one.process for one in report.killed] == [hanging]
    assert not linked.is_alive()
    assert alone.is_alive()
    assert report.ended == 3


@in_simulation
def test_a_cleanup_sees_its_part_of_the_time(node: Node) -> None:
    told: list[Any] = []

    class Curious(Server):
        trap_exit = True

        def terminate(self, reason: Any) -> None:
            told.append(self.time_left())

    tree = Supervisor.start([child(Curious, id=n, shutdown=60.0) for n in range(2)])
    assert tree.stop_within(6.0).clean
    assert all(0.0 < left < 6.0 for left in told)
    assert len(told) == 2


kinds = st.sampled_from(["idle", "nap", "hang", "plain", "brutal"])
trees = st.recursive(
    kinds,
    lambda inner: st.tuples(
        st.sampled_from(["static", "dynamic"]), st.lists(inner, min_size=1, max_size=4)
    ),
    max_leaves=12,
)


def _spec(shape: Any, ends: list[Any], path: tuple[int, ...]) -> Any:
    if isinstance(shape, tuple):
        how, below = shape
        if how == "dynamic":
            return child(DynamicSupervisor, id=path)  # Filled later.
        return supervisor([_spec(one, ends, (*path, n)) for n, one in enumerate(below)], id=path)
    if shape == "plain":
        return child(Plain, id=path)
    seconds = {"idle": 0.0, "nap": 0.01, "hang": LONG, "brutal": 0.0}[shape]
    shutdown: Any = "brutal" if shape == "brutal" else 5.0
    return child(Child, ends, (shape, path), seconds, id=path, shutdown=shutdown)


def _fill(tree: Any, shape: Any, ends: list[Any], path: tuple[int, ...]) -> None:
    """Start the children of the dynamic supervisors in this part of the tree."""
    if not isinstance(shape, tuple):
        return
    how, below = shape
    if how == "dynamic":
        [pool] = [one.process for one in tree.tree().walk() if one.id == path]
        for number, one in enumerate(below):
            pool.start_child(_spec(one, ends, (*path, number)))
    for number, one in enumerate(below):
        _fill(tree, one, ends, (*path, number))


@in_simulation
@given(shape=st.lists(trees, max_size=4), seconds=st.sampled_from([0.0, 0.05, 1.0, 10.0]))
def test_whatever_the_tree_it_stops_in_time_and_everybody_is_accounted_for(
    shape: list[Any], seconds: float
) -> None:
    with node_on("simulation") as node:
        ends: list[Any] = []
        tree = Supervisor.start([_spec(one, ends, (n,)) for n, one in enumerate(shape)])
        for number, one in enumerate(shape):
            _fill(tree, one, ends, (number,))
        members = [one.process for one in tree.tree().walk() if one.process is not None]
        report = tree.stop_within(seconds)
        assert not any(one.is_alive() for one in members)
        assert node.processes() == []
        assert report.took <= seconds + ABOVE
        assert report.ended + len(report.killed) + len(report.given_up) == len(members)
        hanging = str(shape).count("'hang'")
        if seconds == 10.0:
            assert len(report.killed) == hanging
            assert not report.given_up
        if not any(isinstance(one, tuple) for one in shape):
            order = [path for _, path in ends]
            assert order == sorted(order, reverse=True)


# Those that would not stop, on threads


@on_threads
def test_g9_who_is_given_up_is_reported_with_where_it_stands(node: Node) -> None:
    tree = Supervisor.start(
        [
            child(Child, [], "good", id="good"),
            child(Child, [], "held up", id="held up", name="held up"),
        ]
    )
    held_up: Any = whereis("held up")
    gate = hold_up(held_up)
    report = tree.stop_within(0.5)
    assert (report.ended, report.killed) == (2, ())
    [straggler] = report.given_up
    assert straggler.process is held_up
    assert 0.0 < straggler.granted <= 0.5
    assert any("handle_cast: message[1]()" in line for line in straggler.stack)
    assert not any("beam/otp/turn.py" in line for line in straggler.stack)
    assert list(node.given_up.values()) == [held_up]
    gate.open()
    eventually(lambda: not node.given_up)


@on_threads
def test_g9_many_that_hang_are_all_given_up_and_all_named(node: Node) -> None:
    count = 30
    tree = Supervisor.start([child(OnItsOwnThread, [], n, id=n) for n in range(count)])
    gates = [hold_up(one.process) for one in tree.which_children()]
    report = tree.stop_within(0.3)
    assert len(report.given_up) == count
    assert all(one.stack for one in report.given_up)
    for gate in gates:
        gate.open()
    eventually(lambda: not node.given_up)


@on_threads
def test_a_killed_process_that_comes_out_of_its_handler_is_killed_and_not_given_up(
    node: Node,
) -> None:
    tree = Supervisor.start([child(Child, [], "slow", LONG, id="slow")])
    report = tree.stop_within(0.2)
    assert [one.granted < 0.2 for one in report.killed] == [True]
    assert report.given_up == ()
    assert node.given_up == {}


@on_threads
def test_a_tree_can_be_stopped_within_a_time_in_an_event_loop() -> None:
    async def use() -> Any:
        tree = await Supervisor.aio.start([child(Plain)])
        return await tree.aio.stop_within(SOON)

    assert asyncio.run(use()).ended == 2


# A node


def test_a_node_reports_how_it_stopped(node: Node) -> None:
    ends: list[Any] = []
    Supervisor.start([child(Child, ends, n, id=n) for n in range(3)])
    Plain.start()
    report = node.stop()
    assert (report.within, report.ended, report.clean) == (None, 5, True)
    assert ends == [2, 1, 0]
    assert node.stop().ended == 0


@in_simulation
def test_a_node_stops_within_a_time_whoever_hangs_in_it(node: Node) -> None:
    ends: list[Any] = []
    for number in range(50):
        Child.start(ends, number, LONG)
    Supervisor.start([child(Child, ends, "in a tree", id="leaf")])
    report = node.stop(within=2.0)
    assert report.took <= 2.0 + ABOVE
    assert ends == ["in a tree"]
    assert (report.ended, len(report.killed)) == (2, 50)


@in_simulation
def test_without_a_limit_each_process_of_a_node_has_its_own_time(node: Node) -> None:
    ends: list[Any] = []
    for number in range(5):
        Child.start(ends, number, 2.0)
    Child.start(ends, "hangs", LONG)
    report = node.stop(timeout=3.0)
    assert ends == [4, 3, 2, 1, 0]
    assert [one.granted for one in report.killed] == [3.0]
    assert report.took == pytest.approx(13.0, abs=ABOVE)


@in_simulation
def test_what_nobody_is_to_end_is_killed_with_its_node(node: Node) -> None:
    ends: list[Any] = []
    root = Plain.start()
    alone = root.ask(lambda: Child.start(ends, "alone", 0.5))
    assert node.stop(within=5.0).clean
    assert not alone.is_alive()
    assert ends == []


def test_what_a_cleanup_starts_is_counted_out_too(node: Node) -> None:
    class Late(Server):
        trap_exit = True

        def terminate(self, reason: Any) -> None:
            Plain.start()

    Late.start()
    node.stop(within=SOON)
    assert node.processes() == []


# As text


def test_the_report_prints_what_one_wants_to_know() -> None:
    one, other = Plain.start(), Plain.start()
    report = StopReport(
        *(5.0, 5.123, 41),
        killed=(Straggler(one, 2.5),),
        given_up=(Straggler(other, 1.0, ("app.py:3 in work: lock.acquire()",)),),
    )
    assert str(report).splitlines() == [
        "stopped in 5.1 of 5 s: 41 ended, 1 killed, 1 given up",
        f"killed after 2.5 s: {one}",
        f"given up after 1.0 s: {other}",
        "    app.py:3 in work: lock.acquire()",
    ]
    assert str(StopReport(None, 0.0, 3)) == "stopped in 0.0 s: 3 ended, 0 killed, 0 given up"


@on_threads
def test_trees_stop_while_others_kill_and_start_in_them(node: Node) -> None:
    for _ in range(scaled(200)):
        tree = Supervisor.start(
            [child(Plain, id=n) for n in range(5)], strategy="one_for_all", max_restarts=1_000_000
        )
        over = threading.Event()

        def disturb(tree: Any = tree, over: Any = over) -> None:
            while not over.is_set():
                for one in tree.tree().children:
                    if one.process is not None:
                        exit(one.process, "bad luck")

        disturbing = threading.Thread(target=disturb)
        disturbing.start()
        report = tree.stop_within(SOON)
        over.set()
        disturbing.join(SOON)
        assert report.clean
        assert death_of(tree) in ("shutdown", "killed")
    eventually(lambda: node.processes() == [])
