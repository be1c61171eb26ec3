"""`fleet.journal`: entries of one's own, under the names of section 6.6."""

from __future__ import annotations

import asyncio

import pytest

from beam.errors import AlreadyExists, InvalidInput, NotFound
from beam.state.journal import Journal


def words(entries):
    return [one.event_type for one in entries]


def test_an_entry_is_there_as_it_was_given(fleet):
    given = {
        "event_id": "deploy-7",
        "session_id": "s",
        "thread_id": "t",
        "run_id": "r",
        "timestamp": 17,
        "tags": ["ops", "night"],
        "payload": {"version": 7, "api_key": "sk-1"},
    }
    entry = fleet.journal.append("deployed", given)
    assert entry == fleet.journal.get("deploy-7")
    assert (entry.event_type, entry.timestamp, entry.tags) == ("deployed", 17, ("ops", "night"))
    assert (entry.session_id, entry.thread_id, entry.run_id) == ("s", "t", "r")
    assert entry.payload["version"] == 7
    assert "sk-1" not in str(entry)


def test_sequences_grow_and_a_cursor_goes_on_after_one(fleet):
    first, second, third = (fleet.journal.append(word) for word in ("a", "b", "c"))
    assert first.sequence < second.sequence < third.sequence
    assert words(fleet.journal.stream_from(0)) == ["a", "b", "c"]
    assert fleet.journal.stream_from(first.sequence) == [second, third]
    assert fleet.journal.stream_from(third.sequence) == []


def test_a_list_has_the_oldest_of_those_that_match(fleet):
    for n in range(6):
        tags = ["even"] if n % 2 == 0 else []
        scope = {"session_id": f"s{n % 3}", "thread_id": "t", "run_id": f"r{n}"}
        fleet.journal.append(f"e{n}", {"tags": tags, "timestamp": n, **scope})
    journal = fleet.journal
    assert words(journal.list(limit=2)) == ["e0", "e1"]
    assert words(journal.list(tag="even", limit=2)) == ["e0", "e2"]
    assert words(journal.list(since=4)) == ["e4", "e5"]
    assert words(journal.list(session_id="s1")) == ["e1", "e4"]
    assert words(journal.list(session_id="s1", thread_id="t", run_id="r4")) == ["e4"]
    assert words(journal.list(event_type="e3")) == ["e3"]
    assert words(journal.list(event_id=journal.list()[2].event_id)) == ["e2"]


def test_an_id_can_be_used_once(fleet):
    fleet.journal.append("a", {"event_id": "one"})
    for again in ("a", "b"):
        with pytest.raises(AlreadyExists) as refused:
            fleet.journal.append(again, {"event_id": "one"})
        assert refused.value.reason == "already_exists"
    assert words(fleet.journal.list()) == ["a"]


def test_an_entry_that_is_not_there_is_not_found(fleet):
    for look in (fleet.journal.get, lambda known: fleet.journal.ack("pager", known)):
        with pytest.raises(NotFound):
            look("nothing")


def test_an_acknowledgement_is_a_mark_that_stays_as_it_was(fleet):
    entry = fleet.journal.append("a")
    fleet.journal.ack("pager", entry.event_id)
    first = fleet.journal.acks(entry.event_id)
    fleet.journal.ack("pager", entry.event_id)
    assert fleet.journal.acks(entry.event_id) == first
    fleet.journal.ack("mail", entry.event_id)
    assert list(fleet.journal.acks(entry.event_id)) == ["pager", "mail"]
    assert words(fleet.journal.stream_from(0)) == ["a"]


def test_the_audit_is_among_them(fleet):
    fleet.policies.record_audit("ops", "deploy", {"session_id": "s"}, {"decision": "allow"})
    (entry,) = fleet.journal.list(tag="ops")
    assert (entry.event_type, entry.tags, entry.session_id) == ("audit", ("audit", "ops"), "s")
    assert (entry.payload["action"], entry.payload["decision"]) == ("deploy", "allow")
    assert fleet.journal.get(entry.event_id) == entry


@pytest.mark.parametrize(
    ("word", "event", "reason", "field"),
    [
        ("", {}, "invalid_event_type", "event_type"),
        (7, {}, "invalid_event_type", "event_type"),
        ("a", {"colour": "red"}, "unsupported_event_key", "colour"),
        ("a", {"thread_id": "t"}, "session_id_required_for_thread", "session_id"),
        ("a", {"session_id": 7}, "invalid_event", "session_id"),
        ("a", {"event_id": ""}, "invalid_event", "event_id"),
        ("a", {"tags": "ops"}, "invalid_event", "tags"),
        ("a", {"payload": "text"}, "invalid_event", "payload"),
        ("a", {"timestamp": 1.5}, "invalid_event", "timestamp"),
        ("a", [], "invalid_event", "event"),
    ],
)
def test_what_cannot_be_an_entry_is_refused_by_its_name(fleet, word, event, reason, field):
    with pytest.raises(InvalidInput) as refused:
        fleet.journal.append(word, event)
    assert (refused.value.reason, refused.value.field) == (reason, field)
    assert fleet.journal.list() == []


def test_what_cannot_be_asked_for_is_refused(fleet):
    for cursor in (-1, "0", None, True, 1.0):
        with pytest.raises(InvalidInput) as refused:
            fleet.journal.stream_from(cursor)
        assert refused.value.reason == "invalid_cursor"
    with pytest.raises(InvalidInput) as refused:
        fleet.journal.list(thread_id="t")
    assert refused.value.reason == "session_id_required_for_thread"
    for wanted in ({"limit": 0}, {"since": -1}, {"limit": "1"}, {"colour": "red"}):
        with pytest.raises(InvalidInput):
            fleet.journal.list(**wanted)


def test_called_it_is_a_journal_on_the_whole_log(fleet):
    assert isinstance(fleet.journal(), Journal)
    session = fleet.start_session()
    types = [event.type for event in fleet.journal().read(session.id)]
    assert types[0] == "session_started"


def test_its_functions_have_coroutine_twins(fleet):
    async def write():
        return await fleet.journal.aio.append("a")

    assert asyncio.run(write()) == fleet.journal.list()[0]
