"""`beam.state.journal`: events into the log, and back."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.errors import InvalidInput, NotFound, StoreClosed
from beam.log import Log, MemoryStore, Record, Shelf, SqliteStore
from beam.model.events import EVENT_TYPES, Event
from beam.model.redaction import REDACTED
from beam.otp import Node
from beam.otp.clock import SystemClock
from beam.state.journal import Journal, event_of, record_of


@pytest.fixture
def journal():
    with Node() as node, MemoryStore() as store:
        yield Journal(store, node)


def words(events):
    return [event.data["message"] for event in events]


def write(journal, *said):
    journal.append_wait([journal.event("message", "s", message=word) for word in said])


DATA = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    kind=st.sampled_from(EVENT_TYPES),
    run_id=st.none() | st.just("run_1"),
    data=st.dictionaries(st.text(), DATA, max_size=4),
)
def test_an_event_comes_back_as_it_was(kind, run_id, data):
    event = Event(id="e", type=kind, session_id="s", timestamp=7, run_id=run_id, data=data)
    with MemoryStore() as store:
        [stored] = store.append_wait([record_of(event)])
        assert event_of(stored) == event.in_order(1)


def test_an_event_is_named_and_dated_by_the_node():
    with Node(clock=SystemClock(seed=7)) as node, MemoryStore() as store:
        journal, again = Journal(store, node), Journal(store, node)
        first = journal.event("session_started", "s")
        assert first.id != again.event("session_started", "s").id
        assert abs(first.timestamp - journal.now()) < 60_000
        assert journal.new_id("run").startswith("run_")
    with Node(clock=SystemClock(seed=7)) as node:
        assert Journal(store, node).event("session_started", "s").id == first.id


def test_secrets_never_reach_the_log(journal):
    journal.append_wait([journal.event("feedback_submitted", "s", api_key="sk-1", text="ok")])
    [record] = journal.store.read("s")
    assert "sk-1" not in record.body
    assert journal.read("s")[0].data == {"api_key": REDACTED, "text": "ok"}


def test_events_are_appended_all_or_none(journal):
    good = journal.event("session_started", "s")
    bad = journal.event("session_stopped", "s", reason=object())
    for append in (journal.append_wait, lambda events: journal.append(events, print)):
        with pytest.raises(InvalidInput):
            append([good, bad])
    assert journal.read("s") == []


def test_an_append_is_answered_once(journal):
    answers = []
    journal.append([journal.event("session_started", "s")], answers.append)
    [[stored]] = answers
    assert stored.sequence == 1


def test_what_is_read_can_be_chosen(journal):
    write(journal, "one", "two", "three")
    journal.append_wait([journal.event("session_stopped", "s")])
    write(journal, "four")
    assert words(journal.read("s", after=1, limit=2)) == ["two", "three"]
    assert words(journal.read("s", types=["message"])) == ["one", "two", "three", "four"]
    assert journal.read("another") == []


@pytest.mark.parametrize("page", [1, 2, 3, 500])
def test_a_replay_gives_everything_in_order_a_page_at_a_time(journal, page, monkeypatch):
    write(journal, *(str(number) for number in range(10)))
    journal.append_wait([journal.event("session_stopped", "s")])
    sizes = []
    read = journal.store.read

    def watched(*arguments, **options):
        found = read(*arguments, **options)
        sizes.append(len(found))
        return found

    monkeypatch.setattr(journal.store, "read", watched)
    replayed = list(journal.replay("s", page=page))
    assert [event.sequence for event in replayed] == list(range(1, 12))
    assert max(sizes) <= page
    said = journal.replay("s", after=3, types=["message"], page=page)
    assert words(said) == [str(number) for number in range(3, 10)]


def test_a_replay_meets_what_is_written_while_it_is_read(journal):
    write(journal, "one", "two")
    replay = journal.replay("s", page=1)
    assert words([next(replay)]) == ["one"]
    write(journal, "three")
    assert words(replay) == ["two", "three"]


def test_settling_waits_for_what_was_handed_over_before(tmp_path):
    with Node() as node, SqliteStore.open(tmp_path / "log.db") as store:
        journal, held, go_on = Journal(store, node), threading.Event(), threading.Event()

        def hold(records):
            held.set()
            go_on.wait(30.0)

        listener = store.on_append(hold)
        journal.append([journal.event("session_started", "s")], lambda _: None)
        assert held.wait(30.0)
        journal.append([journal.event("session_stopped", "s")], lambda _: None)
        threading.Timer(0.0, go_on.set).start()
        journal.settle(30.0)
        assert [event.type for event in journal.read("s")] == ["session_started", "session_stopped"]
        listener.cancel()


def test_a_record_that_is_no_event_is_refused():
    with MemoryStore() as store:
        [stored] = store.append_wait([Record("e", "s", "something else", 0, "{}")])
        with pytest.raises(InvalidInput):
            event_of(stored)


def test_it_finds_the_log_that_runs_in_a_node():
    with Node() as node:
        with pytest.raises(NotFound):
            Journal.of(node)
        Log.start(Shelf(MemoryStore), name="log")
        journal = Journal.of(node)
        write(journal, "one")
    with pytest.raises(StoreClosed):
        write(journal, "two")
