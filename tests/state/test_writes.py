"""`beam.state.writes`: changes in turn, each in the log before it takes effect."""

import pytest

from beam.errors import InvalidInput, NotFound, QueueFull, StoreClosed
from beam.log import MemoryStore
from beam.otp import Node
from beam.state.journal import Journal
from beam.state.writes import Step, Write, Writes


class Desk:
    """An owner without a process: its mail is handed on when the test says so."""

    def __init__(self, store, bound):
        self.journal = Journal(store, Node())
        self.mail = []
        self.failed = []
        self.rows = {}
        self.writes = Writes(self.journal, self.mail.append, bound)

    def add(self, key, item, events=1):
        """Add an item to the row of a key, by a change with so many events."""

        def change():
            row = (*self.rows.get(key, ()), item)
            told = [self.journal.event("feedback_submitted", key, said=item)] * events

            def take(stored):
                assert len(stored) == events
                self.rows[key] = row

            return Step(tuple(told), take)

        self.submit(key, change)

    def submit(self, key, change):
        self.writes.submit(key, Write(change, self.failed.append))

    def deliver(self):
        while self.mail:
            self.writes.stored(self.mail.pop(0))


@pytest.fixture
def store():
    return MemoryStore()


@pytest.fixture
def desk(store):
    return Desk(store, bound=3)


def test_a_change_takes_effect_when_it_is_stored(desk, store):
    desk.add("s", 1)
    assert desk.rows == {}
    assert store.last_sequence("s") == 1
    desk.deliver()
    assert desk.rows == {"s": (1,)}


def test_a_change_without_events_takes_effect_at_once(desk):
    desk.add("s", 1, events=0)
    assert desk.rows == {"s": (1,)}


def test_changes_of_one_key_see_each_other(desk):
    for item in range(4):
        desk.add("s", item)
    desk.add("other", 9)
    desk.deliver()
    assert desk.rows == {"s": (0, 1, 2, 3), "other": (9,)}


def test_one_without_events_waits_for_those_before_it(desk):
    desk.add("s", 1)
    desk.add("s", 2, events=0)
    assert desk.rows == {}
    desk.deliver()
    assert desk.rows == {"s": (1, 2)}


def test_one_that_is_made_while_another_takes_effect_comes_after_it(desk):
    def change():
        def take(_):
            desk.add("s", 2, events=0)
            desk.rows["s"] = (1,)

        return Step((), take)

    desk.submit("s", change)
    assert desk.rows == {"s": (1, 2)}


def test_different_keys_wait_for_nobody(desk, store):
    desk.add("a", 1)
    desk.add("b", 2)
    assert set(store.streams()) == {"a", "b"}


def test_one_more_than_may_wait_is_refused(desk):
    for item in range(5):
        desk.add("s", item)
    [refused] = desk.failed
    assert isinstance(refused, QueueFull)
    assert refused.bound == 3
    desk.deliver()
    assert desk.rows == {"s": (0, 1, 2, 3)}


@pytest.mark.parametrize(
    "error", [NotFound(), InvalidInput("n", 1, "2")], ids=["refused", "invalid"]
)
def test_one_that_cannot_be_worked_out_changes_nothing(desk, error):
    def change():
        raise error

    desk.add("s", 1)
    desk.submit("s", change)
    desk.add("s", 2)
    desk.deliver()
    assert desk.failed == [error]
    assert desk.rows == {"s": (1, 2)}


def test_one_that_the_log_cannot_keep_changes_nothing(desk):
    desk.submit("s", lambda: Step((desk.journal.event("message", "s", what=object()),), print))
    [refused] = desk.failed
    assert isinstance(refused, InvalidInput)
    desk.add("s", 1, events=0)
    assert desk.rows == {"s": (1,)}


def test_one_that_the_log_does_not_take_changes_nothing(desk, store):
    desk.add("s", 1)
    desk.deliver()
    store.close()
    desk.add("s", 2)
    [refused] = desk.failed
    assert isinstance(refused, StoreClosed)
    assert desk.rows == {"s": (1,)}
