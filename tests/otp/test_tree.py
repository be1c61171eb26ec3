"""`tree()` of a supervisor: the supervision tree as data, and as text."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import pytest

from beam.errors import StartError
from beam.otp import (
    Backoff,
    DynamicSupervisor,
    Node,
    PartitionSupervisor,
    Restarts,
    Server,
    Supervisor,
    Tasks,
    child,
    exit,
    noreply,
    receive,
    supervisor,
    whereis,
)
from beam.otp import sys as otp_sys
from beam.otp.supervision import Window
from beam.otp.tree import Branch, branch_of
from beam.otp.waits import Wait
from beam.testing import settle
from tests.otp.actors import SOON, at_once, death_of, eventually, hold_up
from tests.volume import scaled

pytestmark = pytest.mark.usefixtures("node")


def on_threads(test: Any) -> Any:
    """Run the test where there are threads: it holds them up."""
    return pytest.mark.schedulers("pool", "thread")(test)


class Leaf(Server):
    def handle_call(self, message: Any, caller: Any) -> Any:
        return message() if callable(message) else noreply

    def handle_cast(self, message: Any) -> None:
        match message:
            case ("do", function):
                function()
            case ("ask", other, timeout):
                other.ask("never", timeout=timeout)
            case ("nap", seconds):
                self.sleep(seconds)


def shape(branch: Branch) -> Any:
    return (branch.id, branch.kind, branch.state, [shape(one) for one in branch.children])


def seen(tree: Any, child_id: Any) -> Branch:
    """Return the branch of one child of a supervisor."""
    [branch] = [one for one in tree.tree().children if one.id == child_id]
    return branch


def until(node: Node, condition: Callable[[], Any]) -> None:
    """Wait until the condition holds; others go on meanwhile, on every scheduler."""

    def looked() -> Any:
        node.sleep(0.001)
        return condition()

    eventually(looked)


# What is where


def test_the_tree_is_shown_from_the_root_down_in_the_order_of_its_starts() -> None:
    tree = Supervisor.start(
        [
            child(Leaf, id="first"),
            supervisor([child(Leaf, id=n) for n in range(3)], id="middle"),
            child(Leaf, id="last", name="leaf"),
        ],
        name="trunk",
    )
    branch = tree.tree()
    leaves = [(n, "worker", "running", []) for n in range(3)]
    assert shape(branch) == (
        "trunk",
        "supervisor",
        "running",
        [
            ("first", "worker", "running", []),
            ("middle", "supervisor", "running", leaves),
            ("last", "worker", "running", []),
        ],
    )
    assert branch.process is tree
    assert branch.children[2].process is whereis("leaf")
    assert [one.id for one in branch.walk()] == ["trunk", "first", "middle", 0, 1, 2, "last"]


def test_every_supervisor_has_a_tree(node: Node) -> None:
    dynamic = DynamicSupervisor.start()
    template = Supervisor.start([child(Leaf)], strategy="simple_one_for_one")
    partitions = PartitionSupervisor.start(child(Leaf), partitions=3)
    tasks = Tasks.start()
    for number in range(3):
        dynamic.start_child(child(Leaf, id=number))
        template.start_child()
        tasks.start_child(receive, SOON)
    found = {
        branch.strategy: [one.id for one in branch.children]
        for branch in (dynamic.tree(), template.tree(), partitions.tree())
    }
    assert found == {
        "dynamic": [0, 1, 2],
        "simple_one_for_one": [None] * 3,
        "one_for_one": [0, 1, 2],
    }
    assert [one.id for one in tasks.tree().children] == ["receive"] * 3
    assert tasks.tree().id == "Tasks"


def test_a_root_may_be_given_a_name_and_need_not_be_a_supervisor() -> None:
    tree = Supervisor.start([child(Leaf, id="leaf")])
    assert branch_of("mine", tree).id == "mine"
    [leaf] = tree.tree().children
    assert leaf.process is not None
    assert shape(branch_of("one", leaf.process)) == ("one", "worker", "running", [])


# States


def test_a_child_that_was_ended_is_shown_as_that() -> None:
    tree = Supervisor.start([child(Leaf, id="leaf")])
    tree.terminate_child("leaf")
    [leaf] = tree.tree().children
    assert (leaf.process, leaf.kind, leaf.state, leaf.mailbox, leaf.waits) == (
        *(None, "worker", "ended", 0, None),
    )
    assert not leaf.busy


def test_a_supervisor_that_has_ended_is_shown_without_children() -> None:
    tree = Supervisor.start([child(Leaf, id="leaf")])
    tree.stop(reason="shutdown")
    branch = tree.tree()
    assert (branch.state, branch.children, branch.strategy) == ("ended", (), None)


class Moody(Server):
    """Starts only if the mood is good."""

    def init(self, mood: list[bool]) -> None:
        if not mood[0]:
            raise StartError("bad mood", "moody")


@on_threads  # Trying again at once, for ever, takes no virtual time.
def test_a_child_whose_restart_is_tried_again_is_shown_as_restarting(node: Node) -> None:
    mood = [True]
    tree = Supervisor.start([child(Moody, mood, id="moody")], max_restarts=1_000_000)
    process = seen(tree, "moody").process
    assert process is not None
    mood[0] = False
    states: set[str] = set()
    exit(process, "bad luck")

    def restarting() -> bool:
        states.add(seen(tree, "moody").state)
        return "restarting" in states

    until(node, restarting)
    mood[0] = True
    until(node, lambda: seen(tree, "moody").state == "running")
    assert states <= {"running", "ended", "restarting"}


def test_a_child_that_waits_for_its_restart_is_shown_with_the_seconds_left(node: Node) -> None:
    pool = DynamicSupervisor.start(budget=Restarts(3, per=60.0), backoff=Backoff(20.0, 30.0))
    process = pool.start_child(child(Leaf, id="job"))
    exit(process, "bad luck")
    assert death_of(process) == "bad luck"
    until(node, lambda: seen(pool, "job").state == "waiting")
    job = seen(pool, "job")
    assert job.left is not None
    assert 0 < job.left <= 20.0
    assert job.process is process
    assert job.budget == Window(used=1, allowed=3, seconds=60.0)
    assert pool.tree().restarts is None


def test_a_child_in_quarantine_is_shown_as_that(node: Node) -> None:
    pool = DynamicSupervisor.start(budget=Restarts(0, per=60.0))
    exit(pool.start_child(child(Leaf, id="job")), "bad luck")
    until(node, lambda: seen(pool, "job").state == "quarantined")
    assert seen(pool, "job").left is None


def test_a_suspended_process_is_shown_as_that(node: Node) -> None:
    tree = Supervisor.start([child(Leaf, id="leaf", name="leaf")])
    otp_sys.suspend("leaf")
    assert seen(tree, "leaf").state == "suspended"
    otp_sys.resume("leaf")
    assert seen(tree, "leaf").state == "running"


def test_a_child_that_its_supervisor_has_not_missed_yet_is_shown_as_ended() -> None:
    tree = Supervisor.start([child(Leaf, id="leaf")])
    otp_sys.suspend(tree)
    leaf = seen(tree, "leaf").process
    assert leaf is not None
    exit(leaf, "bad luck")
    assert death_of(leaf) == "bad luck"
    assert (seen(tree, "leaf").state, seen(tree, "leaf").process) == ("ended", leaf)
    otp_sys.resume(tree)


class SlowToStart(Server):
    blocking = True

    def init(self, door: Any) -> None:
        door.ask("never", timeout=SOON)


def test_a_process_in_its_init_is_shown_as_starting(node: Node) -> None:
    door = Leaf.start()
    slow: list[Any] = []
    helper = Tasks.start()
    helper.start_child(lambda: slow.append(helper.run_nolink(SlowToStart.start, door)))
    until(node, lambda: any(_is_slow(one) for one in node.processes()))
    [process] = [one for one in node.processes() if _is_slow(one)]
    assert branch_of("slow", process).state == "starting"


def _is_slow(process: Any) -> bool:
    return process.actor_class is SlowToStart


# Restarts


def test_the_restarts_that_count_are_shown_with_how_many_may(node: Node) -> None:
    tree = Supervisor.start(
        [child(Leaf, id="leaf")], strategy="rest_for_one", max_restarts=3, max_seconds=10
    )
    assert (tree.tree().strategy, tree.tree().restarts) == ("rest_for_one", Window(0, 3, 10))
    for used in (1, 2):
        leaf = seen(tree, "leaf").process
        assert leaf is not None
        exit(leaf, "bad luck")
        assert death_of(leaf) == "bad luck"
        # The restart counts before the replacement is there.
        until(node, lambda: seen(tree, "leaf").process not in (None, leaf))  # noqa: B023
        assert tree.tree().restarts == Window(used, 3, 10)


@pytest.mark.schedulers("simulation")
def test_restarts_that_count_no_more_are_not_shown(node: Node) -> None:
    tree = Supervisor.start([child(Leaf, id="leaf")], max_restarts=3, max_seconds=10)
    pool = DynamicSupervisor.start(budget=Restarts(3, per=60.0))
    pool.start_child(child(Leaf, id="job"))
    for each in (seen(tree, "leaf"), seen(pool, "job")):
        assert each.process is not None
        exit(each.process, "bad luck")
    node.sleep(1.0)
    assert (tree.tree().restarts, seen(pool, "job").budget) == (
        *(Window(1, 3, 10), Window(1, 3, 60.0)),
    )
    node.sleep(59.5)
    assert (tree.tree().restarts, seen(pool, "job").budget) == (
        *(Window(0, 3, 10), Window(0, 3, 60.0)),
    )


# Mail and waits


def test_what_a_process_waits_for_is_shown(node: Node) -> None:
    tree = Supervisor.start([child(Leaf, id=name, name=name) for name in ("a", "b", "c", "d")])
    a, b, c = (whereis(name) for name in ("a", "b", "c"))
    assert a is not None
    assert b is not None
    assert c is not None
    a.cast(("ask", b, SOON))
    c.cast(("nap", SOON))
    until(node, lambda: all(not one.busy for one in tree.tree().children))
    until(node, lambda: _kinds(tree) == ["call", "mail", "sleep", "mail"])
    node.sleep(0.01)
    calls, idle, sleeps, _ = (one.waits for one in tree.tree().children)
    assert calls is not None
    assert sleeps is not None
    assert calls.process is b
    assert idle == Wait("mail")
    for wait in (calls, sleeps):
        assert wait.since is not None
        assert wait.left is not None
        assert wait.since >= 0.01
        assert wait.since + wait.left == pytest.approx(SOON)


def _kinds(tree: Any) -> list[str | None]:
    return [one.waits.kind if one.waits is not None else None for one in tree.tree().children]


def test_a_call_without_a_deadline_is_shown_without_times(node: Node) -> None:
    tree = Supervisor.start([child(Leaf, id="a"), child(Leaf, id="b")])
    a, b = (one.process for one in tree.tree().children)
    assert a is not None
    a.cast(("ask", b, None))
    until(node, lambda: _kinds(tree)[0] == "call")
    assert seen(tree, "a").waits == Wait("call", b)
    exit(a, "kill")


def test_a_wait_for_a_task_is_shown(node: Node) -> None:
    tasks = Tasks.start()
    slow = tasks.run_nolink(receive, SOON)
    tasks.start_child(slow.get, timeout=None)
    tasks.start_child(lambda: tasks.get_many([slow, tasks.run_nolink(receive, SOON)]))
    until(node, lambda: _kinds(tasks) == ["mail", "task", "task", "mail"])
    one, other = (branch.waits for branch in tasks.tree().children[1:3])
    assert (one, other) == (Wait("task", slow.process), Wait("task"))


def test_a_supervisor_that_ends_a_child_is_shown_waiting_for_that(node: Node) -> None:
    tree = Supervisor.start([child(Stubborn, id="stubborn", shutdown=SOON)])
    stubborn = seen(tree, "stubborn").process
    ending = Tasks.start().run_nolink(tree.terminate_child, "stubborn")
    until(node, lambda: (tree.tree().waits or Wait("mail")).kind == "end")
    waits = tree.tree().waits
    assert waits is not None
    assert waits.process is stubborn
    assert waits.left is not None
    assert 1.0 < waits.left <= SOON
    assert stubborn is not None
    exit(stubborn, "kill")
    ending.wait(SOON)


class Stubborn(Server):
    """Does not end when it is told to."""

    trap_exit = True

    def terminate(self, reason: Any) -> None:
        self.sleep(SOON * 2)


def test_a_supervisor_that_starts_a_child_is_shown_waiting_for_that(node: Node) -> None:
    tree, door = Supervisor.start([]), Leaf.start()
    Tasks.start().run_nolink(tree.start_child, child(SlowToStart, door))
    until(node, lambda: (tree.tree().waits or Wait("mail")).kind == "start")
    waits = tree.tree().waits
    assert waits is not None
    assert waits.process is not None
    assert waits.process.actor_class is SlowToStart


@on_threads
def test_a_process_at_work_is_shown_as_busy_with_the_mail_that_waits() -> None:
    tree = Supervisor.start([child(Leaf, id="leaf", name="leaf")])
    leaf: Any = whereis("leaf")
    gate = hold_up(leaf)
    for _ in range(3):
        leaf.cast("wait")
    branch = seen(tree, "leaf")
    assert (branch.busy, branch.waits, branch.mailbox) == (True, None, 3)
    gate.open()
    settle()
    branch = seen(tree, "leaf")
    assert (branch.busy, branch.waits, branch.mailbox) == (False, Wait("mail"), 0)


# It asks nobody


@on_threads
def test_the_tree_of_a_supervisor_that_hangs_is_there_at_once_and_disturbs_nobody() -> None:
    begun, door = threading.Event(), threading.Event()

    class Hanging(Server):
        def init(self) -> None:
            begun.set()
            assert door.wait(SOON)

    tree = Supervisor.start([child(Leaf, id="leaf")], name="trunk")
    starting = Tasks.start().run_nolink(tree.start_child, child(Hanging))
    try:
        assert begun.wait(SOON)
        for _ in range(3):
            branch = tree.tree()
            assert branch.waits != Wait("mail")  # It is at work, or waits for the start.
            assert branch.mailbox == 0
            assert shape(branch)[3] == [("leaf", "worker", "running", [])]
    finally:
        door.set()
    starting.get(timeout=SOON)
    assert [one.id for one in tree.tree().children] == ["leaf", "Hanging"]


@on_threads
def test_trees_can_be_read_while_everything_in_them_changes() -> None:
    pool = DynamicSupervisor.start(max_restarts=1_000_000)
    tree = Supervisor.start(
        [child(Leaf, id=n) for n in range(5)], strategy="one_for_all", max_restarts=1_000_000
    )
    over = threading.Event()

    def churn() -> None:
        chance = random.Random(1)
        for number in range(scaled(1_000)):
            started = pool.start_child(child(Leaf, id=number, restart="transient"))
            if chance.random() < 0.5:
                exit(started, "bad luck")
            else:
                pool.terminate_child(started)
            if number % 10 == 0:
                some = chance.choice(tree.tree().children).process
                if some is not None:
                    exit(some, "bad luck")
        over.set()

    def look() -> None:
        while not over.is_set():
            for each in (pool, tree):
                branch = each.tree()
                assert str(branch)
                assert all(one.kind == "worker" for one in branch.children)

    at_once(churn, look)


# Those given up


@on_threads
def test_g9_what_was_given_up_is_shown_at_the_root_and_only_there(node: Node) -> None:
    tree = Supervisor.start([supervisor([child(Leaf, id="leaf", shutdown="brutal")], id="inner")])
    [inner] = tree.tree().children
    [leaf] = inner.children
    assert leaf.process is not None
    gate = hold_up(leaf.process)
    assert inner.process is not None
    inner.process.terminate_child("leaf")
    assert tree.tree().given_up == (leaf.process,)
    assert tree.tree().children[0].given_up == ()
    assert str(tree.tree()).splitlines()[-1] == f"given up, and still running: {leaf.process}"
    gate.open()
    eventually(lambda: not tree.tree().given_up)


# As text


def test_the_text_draws_the_branches() -> None:
    tree = Supervisor.start(
        [supervisor([child(Leaf, id="a"), child(Leaf, id="b")], id="one"), child(Leaf, id="two")],
        name="trunk",
    )
    lines = [line.partition("  (")[0] for line in str(tree.tree()).splitlines()]
    assert lines == ["trunk", "├── one", "│   ├── a", "│   └── b", "└── two"]


def test_the_text_says_what_is_worth_saying() -> None:
    leaf = Leaf.start(name="leaf")
    number = leaf.control.serial
    idle: Any = {"waits": Wait("mail")}
    said = {
        f"leaf  (Leaf #{number})": Branch("leaf", "worker", leaf, "running", 0, **idle),
        f"one  (Leaf 'leaf' #{number})": Branch("one", "worker", leaf, "running", 0, **idle),
        f"(Leaf 'leaf' #{number}, 1 message)": Branch(
            *(None, "worker", leaf, "running", 1), **idle
        ),
        f"one  (Leaf 'leaf' #{number}, busy, 3 messages)": Branch(
            *("one", "worker", leaf, "running", 3)
        ),
        f"one  (Leaf 'leaf' #{number}, starting)": Branch("one", "worker", leaf, "starting", 0),
        f"one  (Leaf 'leaf' #{number}, ended)": Branch("one", "worker", leaf, "ended", 0),
        "one  (ended)": Branch("one", "worker", None, "ended", 0),
        "one  (restarts in 1.2 s, 1 of 2 restarts in 60 s)": Branch(
            *("one", "worker", leaf, "waiting", 0), left=1.24, budget=Window(1, 2, 60.0)
        ),
        f"one  (Leaf 'leaf' #{number}, rest_for_one, 3 of 10 restarts in 5 s)": Branch(
            *("one", "supervisor", leaf, "running", 0),
            strategy="rest_for_one",
            restarts=Window(3, 10, 5),
            **idle,
        ),
        f"one  (Leaf 'leaf' #{number}, sleeps: 1.0 s so far, 2 min left)": Branch(
            *("one", "worker", leaf, "running", 0), waits=Wait("sleep", None, 1.0, 119.0)
        ),
    }
    assert {str(branch): branch for branch in said.values()} == said


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("call", "calls {}"),
        ("end", "waits for the end of {}"),
        ("start", "waits for the start of {}"),
        ("task", "waits for {}"),
    ],
)
def test_a_wait_says_whom_it_is_for(kind: Any, said: str) -> None:
    leaf = Leaf.start()
    assert str(Wait(kind, leaf)) == said.format(leaf)
    assert str(Wait("task")) == "waits for any of several"
    assert str(Wait("value")) == "waits for a future"
