"""`beam.sessions.feed`: what comes after a sequence, a batch at a time."""

from __future__ import annotations

import asyncio

import pytest

from beam.errors import CallTimeout, DeadlineExpired, InvalidInput
from beam.log import Log, MemoryStore, Shelf
from beam.otp import Future, Node, exit
from beam.sessions.feed import Batch, Feed, time_is_up
from beam.state.journal import Journal
from tests.sessions.scripted import PATIENCE, end


@pytest.fixture
def node():
    with Node() as node:
        yield node


def running(node, store=None):
    store = store or MemoryStore()
    log = Log.start(Shelf(MemoryStore, store, lasting=True), name="log")
    return log, Journal(store, node)


def write(journal, *words):
    journal.append_wait([journal.event("message", "s", message=word) for word in words])


def test_a_batch_is_there_at_once_if_there_are_events(node):
    _, journal = running(node)
    write(journal, "one", "two")
    feed = Feed(node, "s", 0)
    batch = feed.next_batch()
    batch.get(timeout=PATIENCE)
    assert [event.data["message"] for event in feed.take(batch)] == ["one", "two"]
    assert feed.after == 2


def test_a_batch_comes_when_there_are_events(node):
    _, journal = running(node)
    feed = Feed(node, "s", 0)
    batch = feed.next_batch()
    journal.append_wait([journal.event("message", "another", message="not mine")])
    assert feed.take(feed.next_batch(timeout=0.0)) == []
    write(journal, "one")
    batch.get(timeout=PATIENCE)
    assert len(feed.take(batch)) == 1


def test_another_future_may_end_the_wait(node):
    running(node)
    feed, other = Feed(node, "s", 0), Future()
    batch = feed.next_batch(other)
    other.set("over")
    batch.get(timeout=PATIENCE)
    assert feed.take(batch) == []
    assert feed.next_batch(other).done


def test_a_wait_ends_at_its_deadline(node):
    running(node)
    batch = Feed(node, "s", 0).next_batch(timeout=0.01)
    with pytest.raises(CallTimeout):
        batch.get()

    async def main():
        await Feed(node, "s", 0).next_batch(timeout=0.01)

    with pytest.raises(CallTimeout):
        asyncio.run(main())


def test_without_a_log_a_batch_is_empty_and_the_next_one_finds_it(node):
    feed = Feed(node, "s", 0)
    batch = feed.next_batch()
    batch.get(timeout=PATIENCE)
    assert feed.take(batch) == []
    _, journal = running(node)
    write(journal, "one")
    batch = feed.next_batch()
    batch.get(timeout=PATIENCE)
    assert len(feed.take(batch)) == 1


def test_a_log_that_dies_under_the_wait_ends_it_and_nothing_is_lost(node):
    store = MemoryStore()
    log, journal = running(node, store)
    feed = Feed(node, "s", 0)
    batch = feed.next_batch()
    end(node, log, lambda: exit(log, "kill"))
    batch.get(timeout=PATIENCE)
    assert feed.take(batch) == []
    write(journal, "one")
    running(node, store)
    batch = feed.next_batch()
    batch.get(timeout=PATIENCE)
    assert len(feed.take(batch)) == 1


def test_what_cannot_be_followed_is_an_error_of_the_reader_alone(node):
    log, _ = running(node)
    feed = Feed(node, "s", -1)
    batch = feed.next_batch()
    batch.get(timeout=PATIENCE)
    with pytest.raises(InvalidInput):
        feed.take(batch)
    assert log.is_alive()


def test_a_batch_that_was_taken_waits_for_nobody(node):
    running(node)
    other = Future()
    batch = Batch(node, Future(), other, 1.0)
    assert len(other.waiters) == 1
    batch.let_go()
    assert len(other.waiters) == 0


def test_only_the_batch_s_own_time_may_be_over():
    with time_is_up():
        raise CallTimeout(None, 1.0)
    with pytest.raises(DeadlineExpired), time_is_up():
        raise DeadlineExpired(None, 1.0)
