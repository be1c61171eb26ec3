"""`beam.state.keeper`: a table outlives its owner, and its owner's heir."""

import pytest

from beam.errors import NotFound, Refused, TableRefused
from beam.otp import Down, Mailbox, Node, Supervisor, child, exit, monitor
from beam.state import TableKeeper, TableOwner, table_of
from tests.state.running import PATIENCE, closing


class Notes(TableOwner):
    """An owner of a table with notes."""

    def init(self, called="notes"):
        self._table = self._take_table(called)

    def note(self, key, what):
        self._table.insert((key, what))


@pytest.fixture
def node():
    with Node() as node:
        yield node


@pytest.fixture
def tree(node):
    children = [
        child(TableKeeper, ("notes",), id="keeper", name="keeper"),
        child(Notes, id="notes", name="notes"),
    ]
    return Supervisor.start(children, max_restarts=100, max_seconds=1)


def kill(node, tree, name):
    with Mailbox() as me:
        monitor(node.whereis(name))
        exit(node.whereis(name), "kill")
        assert isinstance(me.receive(timeout=PATIENCE), Down)
    tree.which_children()


def note(node, key):
    node.whereis("notes").proxy().note(key, key.upper()).get(timeout=PATIENCE)


def test_a_new_owner_has_the_rows_of_the_old_one(node, tree):
    for key in "abc":
        note(node, key)
        kill(node, tree, "notes")
    assert table_of(node, "notes").tab2list() == [("a", "A"), ("b", "B"), ("c", "C")]


def test_the_table_is_the_same_one_for_those_who_read_it(node, tree):
    table = table_of(node, "notes")
    note(node, "a")
    kill(node, tree, "notes")
    note(node, "b")
    assert table_of(node, "notes") is table
    assert table.lookup("b") == [("b", "B")]


def test_only_the_owner_writes(node, tree):
    with pytest.raises(TableRefused):
        table_of(node, "notes").insert(("a", "A"))


def test_a_keeper_that_was_killed_is_followed_by_one_that_keeps(node, tree):
    for key in "abc":
        note(node, key)
        kill(node, tree, "keeper")
        note(node, key)  # Behind the offer of the new keeper.
        kill(node, tree, "notes")
    assert [key for key, _ in table_of(node, "notes").tab2list()] == ["a", "b", "c"]


def test_without_a_keeper_an_owner_does_not_start(node):
    with pytest.raises(NotFound) as refused:
        Notes.start()
    assert refused.value.reason == "no_keeper"


def test_there_is_no_table_where_nobody_has_made_one(node):
    with pytest.raises(NotFound) as refused:
        table_of(node, "notes")
    assert refused.value.reason == "no_table"


def test_the_keeper_answers_owners_only(node, tree):
    error = closing(lambda: node.whereis("keeper").ask("give me everything"))
    assert isinstance(error, Refused)
    assert error.reason == "unknown_request"


def test_each_owner_gets_its_own(node):
    children = [
        child(TableKeeper, id="keeper", name="keeper"),
        *(child(Notes, name, id=name, name=name) for name in ("a", "b")),
    ]
    tree = Supervisor.start(children, max_restarts=100, max_seconds=1)
    for name in ("a", "b"):
        node.whereis(name).proxy().note("name", name).get(timeout=PATIENCE)
    for name in ("a", "b", "a"):
        kill(node, tree, name)
    assert [table_of(node, name).lookup("name") for name in ("a", "b")] == [
        [("name", "a")],
        [("name", "b")],
    ]
