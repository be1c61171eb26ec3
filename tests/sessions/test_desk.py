"""`beam.sessions.desk`: what a session writes, and what it does when that is in the log."""

from __future__ import annotations

import queue

import pytest

from beam.errors import InvalidInput, QueueFull, StoreClosed, StoreFull
from beam.log import MemoryStore
from beam.model.messages import Message
from beam.otp import Node, Server
from beam.sessions.desk import Desk
from beam.sessions.messages import Logged
from beam.state.journal import Journal
from tests.sessions.scripted import PATIENCE


class Process(Server):
    """Stands in for a session's process."""

    def init(self, heard):
        self.heard = heard

    def handle_cast(self, message):
        self.heard.put(message)


class Writing:
    def __init__(self, node, store):
        self.store = store
        self.heard = queue.SimpleQueue()
        self.desk = Desk(Journal(store, node), "s", Process.start(self.heard))

    def hear(self):
        return self.heard.get(timeout=PATIENCE)


@pytest.fixture
def writing():
    with Node() as node, MemoryStore() as store:
        yield Writing(node, store)


def test_what_waits_for_an_append_is_done_when_it_is_stored(writing):
    done = []
    writing.desk.log([writing.desk.event("session_started")], lambda: done.append("stored"))
    assert writing.store.last_sequence("s") == 1
    logged = writing.hear()
    assert logged == Logged(1, None)
    assert done == []
    writing.desk.logged(logged)
    writing.desk.logged(logged)
    assert done == ["stored"]


def test_nobody_is_told_of_an_append_that_nobody_waits_for(writing):
    writing.desk.log([writing.desk.event("session_started")])
    writing.desk.log([])
    writing.desk.log([writing.desk.event("session_stopped")], list)
    assert writing.hear().token == 2


def test_a_message_is_written_with_its_session_its_run_and_its_time(writing):
    writing.desk.log([writing.desk.message(Message("text", "hello"), "run_1")])
    [event] = writing.desk.journal.read("s")
    assert (event.type, event.run_id) == ("message", "run_1")
    assert event.data["message"]["session_id"] == "s"
    assert event.data["message"]["timestamp"] > 0


def test_the_desk_knows_when_it_last_wrote(writing):
    event = writing.desk.event("session_started")
    writing.desk.log_wait([event])
    assert writing.desk.changed_at == event.timestamp


def test_an_event_that_is_none_changes_nothing(writing):
    before = writing.desk.changed_at
    odd = writing.desk.event("state_changed", settings=object())
    with pytest.raises(InvalidInput):
        writing.desk.log([odd], list)
    assert writing.desk.changed_at == before
    assert writing.store.last_sequence("s") == 0
    assert writing.desk._then == {}


def test_a_failed_append_is_raised_where_it_is_heard(writing):
    writing.desk.log([writing.desk.event("session_started")], list)
    with pytest.raises(StoreFull):
        writing.desk.logged(Logged(writing.hear().token, StoreFull("no room")))


@pytest.mark.parametrize("error", [QueueFull("log.append"), StoreClosed("closed")], ids=repr)
def test_a_log_that_takes_nothing_is_a_crash_and_no_answer(writing, monkeypatch, error):
    def refuse(*_):
        raise error

    monkeypatch.setattr(writing.store, "append", refuse)
    with pytest.raises((StoreFull, StoreClosed)):
        writing.desk.log([writing.desk.event("session_started")], list)
