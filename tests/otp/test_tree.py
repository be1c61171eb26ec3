"""`beam.otp.tree`: a supervision tree as data, and as text."""

from __future__ import annotations

import threading

from beam.otp import DynamicSupervisor, Server, Supervisor, child, supervisor
from beam.otp.tree import Branch, branch_of


class Leaf(Server):
    def init(self, gate=None):
        self.gate = gate

    def handle_call(self, message, caller):
        return message

    def handle_cast(self, message):
        self.gate.wait(30.0)


def shape(branch):
    return (branch.id, branch.kind, branch.state, [shape(one) for one in branch.children])


def test_the_tree_is_shown_from_the_root_down_in_the_order_of_its_starts(node):
    tree = Supervisor.start(
        [
            child(Leaf, id="first"),
            supervisor([child(Leaf, id=n) for n in range(3)], id="middle"),
            child(Leaf, id="last", name="leaf"),
        ],
        name="trunk",
    )
    branch = branch_of("trunk", tree)
    assert shape(branch) == (
        "trunk",
        "supervisor",
        "running",
        [
            ("first", "worker", "running", []),
            (
                "middle",
                "supervisor",
                "running",
                [(n, "worker", "running", []) for n in range(3)],
            ),
            ("last", "worker", "running", []),
        ],
    )
    assert branch.process is tree
    assert branch.children[2].process is node.whereis("leaf")


def test_children_of_a_dynamic_supervisor_are_shown_oldest_first(node):
    pool = DynamicSupervisor.start(name="pool")
    for number in range(3):
        pool.start_child(child(Leaf, id=number))
    assert [one.id for one in branch_of("pool", pool).children] == [0, 1, 2]


def test_a_child_that_does_not_run_is_shown_with_what_its_supervisor_says(node):
    tree = Supervisor.start([child(Leaf, id="leaf")])
    tree.terminate_child("leaf")
    [leaf] = branch_of("trunk", tree).children
    assert (leaf.process, leaf.kind, leaf.mailbox) == (None, "worker", 0)
    assert leaf.state != "running"
    assert str(leaf) == f"leaf  ({leaf.state})"


def test_one_that_has_ended_is_shown_without_children(node):
    tree = Supervisor.start([child(Leaf, id="leaf")])
    tree.stop(reason="shutdown")
    branch = branch_of("trunk", tree)
    assert (branch.state, branch.children) == ("ended", ())


def test_the_text_draws_the_branches(node):
    tree = Supervisor.start(
        [supervisor([child(Leaf, id="a"), child(Leaf, id="b")], id="one"), child(Leaf, id="two")],
        name="trunk",
    )
    lines = [line.partition("  (")[0] for line in str(branch_of("trunk", tree)).splitlines()]
    assert lines == ["trunk", "├── one", "│   ├── a", "│   └── b", "└── two"]


def test_the_text_says_how_much_waits():
    branch = Branch("pool", "supervisor", None, "restarting", 0, ())
    assert str(branch) == "pool  (restarting)"
    busy = Branch("leaf", "worker", None, "running", 3, ())
    assert str(busy) == "leaf  (running, 3 waiting)"


def test_the_mail_that_waits_is_counted(node):
    gate = threading.Event()
    tree = Supervisor.start([child(Leaf, gate, id="leaf", name="leaf")])
    leaf = node.whereis("leaf")
    for _ in range(4):
        leaf.cast("wait")
    busy = branch_of("trunk", tree).children[0].mailbox
    gate.set()
    assert 3 <= busy <= 4
    assert leaf.ask("empty now") == "empty now"
    assert branch_of("trunk", tree).children[0].mailbox == 0
