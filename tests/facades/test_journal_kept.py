"""`fleet.journal`: what must hold of entries across restarts, deaths and callers at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beam.errors import AlreadyExists, InvalidInput, NotFound
from beam.log import store_of
from tests.otp.actors import eventually
from tests.sessions.scripted import PATIENCE, Scripted, fleet_of, kill
from tests.volume import scaled


def ids(entries: Any) -> list[str]:
    return [entry.event_id for entry in entries]


def test_what_is_returned_is_what_the_log_has(fleet):
    payload = {"pair": (1, 2), "list": [1]}
    entry = fleet.journal.append("note", {"payload": payload})
    payload["list"].append(2)
    assert entry.payload == {"pair": [1, 2], "list": [1]}
    assert fleet.journal.get(entry.event_id) == entry


def test_neither_append_nor_get_nor_ack_reads_through_the_log(fleet, monkeypatch):
    store = fleet.journal().store
    for name in ("read", "read_all"):
        monkeypatch.setattr(store, name, lambda *_, **__: pytest.fail("read through"))
    entry = fleet.journal.append("note", {"event_id": "e"})
    fleet.journal.ack("me", "e")
    assert fleet.journal.get("e") == entry


def test_an_event_that_is_no_entry_is_not_found(fleet):
    event = fleet.journal().event("config_cleared", "s")
    fleet.journal().append_wait([event])
    with pytest.raises(NotFound):
        fleet.journal.get(event.id)


def test_an_id_that_the_fleet_has_given_is_taken(fleet):
    fleet.policies.record_audit("c", "a", {}, {})
    for taken in (fleet.journal.append("note").event_id, fleet.policies.audit()[0].event_id):
        with pytest.raises(AlreadyExists):
            fleet.journal.append("note", {"event_id": taken})


def test_names_that_read_alike_together_are_two_acknowledgements(fleet):
    for event_id in ("a", "a\nb"):
        fleet.journal.append("note", {"event_id": event_id})
    fleet.journal.ack("b\nc", "a")
    fleet.journal.ack("c", "a\nb")
    assert list(fleet.journal.acks("a")) == ["b\nc"]
    assert list(fleet.journal.acks("a\nb")) == ["c"]


def test_no_entry_can_be_in_the_way_of_an_acknowledgement(fleet):
    with pytest.raises(InvalidInput) as refused:
        fleet.journal.append("note", {"event_id": "ack_1"})
    assert (refused.value.reason, refused.value.field) == ("invalid_event", "event_id")


def test_no_entry_passes_for_a_record_of_the_audit(fleet):
    with pytest.raises(InvalidInput) as refused:
        fleet.journal.append("audit", {})
    assert refused.value.reason == "invalid_event_type"


def test_what_json_does_not_have_is_no_payload(fleet):
    endless: list[Any] = []
    endless += [endless, endless]
    for bad in ({1: 2}, {"x": object()}, {"x": float("nan")}, {"x": endless}):
        with pytest.raises(InvalidInput) as refused:
            fleet.journal.append("note", {"payload": bad})
        assert (refused.value.reason, refused.value.field) == ("invalid_event", "payload")
    assert fleet.journal.list() == []


def test_numbers_that_the_log_cannot_keep_are_refused_by_their_word(fleet):
    with pytest.raises(InvalidInput) as refused:
        fleet.journal.append("note", {"timestamp": 2**63})
    assert refused.value.reason == "invalid_event"
    with pytest.raises(InvalidInput) as refused:
        fleet.journal.stream_from(2**63)
    assert refused.value.reason == "invalid_cursor"


def test_of_appends_of_one_id_at_once_one_wins(fleets, store):
    fleet = fleets(Scripted(), store).start()
    callers, rounds = 8, scaled(200)
    together = threading.Barrier(callers)

    def append(_: int) -> list[Any]:
        mine = []
        for event_id in map(str, range(rounds)):
            together.wait(PATIENCE)
            try:
                mine.append(fleet.journal.append("note", {"event_id": event_id, "timestamp": 7}))
            except AlreadyExists:
                continue
        return mine

    with ThreadPoolExecutor(callers) as pool:
        won = [entry for entries in pool.map(append, range(callers)) for entry in entries]
    assert sorted(won, key=lambda entry: entry.sequence) == fleet.journal.list()
    assert ids(fleet.journal.list()) == [str(number) for number in range(rounds)]


def test_all_of_it_is_there_when_the_store_is_opened_again(fleets, tmp_path):
    with fleet_of(Scripted(), tmp_path / "fleet.db") as first:
        first.journal.append("note", {"event_id": "e", "tags": ["x"]})
        first.policies.record_audit("c", "a", {}, {})
        first.journal.ack("me", "e")
        before, acknowledged = first.journal.list(), first.journal.acks("e")
    fleet = fleets(Scripted(), tmp_path / "fleet.db")
    assert fleet.journal.list() == before
    with pytest.raises(AlreadyExists):
        fleet.journal.append("note", {"event_id": "e"})
    fleet.journal.ack("me", "e")
    assert fleet.journal.acks("e") == acknowledged
    assert fleet.journal.append("note").sequence > before[-1].sequence


@pytest.mark.parametrize("victim", ["log", "control"])
def test_the_death_of_a_process_loses_nothing(fleets, store, victim):
    fleet = fleets(Scripted(), store)
    kept = []
    for event_id in map(str, range(scaled(40))):
        kept.append(fleet.journal.append("note", {"event_id": event_id}))
        process = fleet.whereis(victim)
        kill(fleet, victim)
        eventually(lambda old=process: fleet.whereis(victim) not in (None, old))
        store_of(fleet.node)  # Answers when the log has opened it anew.
        assert fleet.journal.list() == kept
        with pytest.raises(AlreadyExists):
            fleet.journal.append("note", {"event_id": event_id})


NAMES = st.sampled_from(["a", "b", "c"])
IDS = st.sampled_from([str(number) for number in range(8)])
SCOPE = {"event_id": IDS, "session_id": NAMES, "run_id": NAMES}
TAGS = st.lists(NAMES, max_size=3)
EVENTS = st.fixed_dictionaries({}, optional={**SCOPE, "timestamp": st.integers(0, 5), "tags": TAGS})
FILTERS = st.fixed_dictionaries(
    {},
    optional={**SCOPE, "tag": NAMES, "since": st.integers(0, 5), "limit": st.integers(1, 4)},
)


def modelled(entries: list[Any], cursor: int, wanted: dict[str, Any]) -> list[Any]:
    found = [entry for entry in entries if entry.sequence > cursor]
    for key, value in wanted.items():
        if key == "tag":
            found = [entry for entry in found if value in entry.tags]
        elif key == "since":
            found = [entry for entry in found if entry.timestamp >= value]
        elif key != "limit":
            found = [entry for entry in found if getattr(entry, key) == value]
    return found[: wanted.get("limit", len(found))]


@given(
    events=st.lists(EVENTS, max_size=12),
    reads=st.lists(st.tuples(st.integers(0, 12), FILTERS), max_size=6),
)
@settings(max_examples=scaled(200), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_they_are_as_a_plain_list_of_them_is(events, reads):
    with fleet_of(Scripted()) as fleet:
        kept: list[Any] = []
        for event in events:
            if event.get("event_id") in ids(kept):
                with pytest.raises(AlreadyExists):
                    fleet.journal.append("note", event)
            else:
                kept.append(fleet.journal.append("note", event))
        for cursor, wanted in reads:
            assert fleet.journal.stream_from(cursor, **wanted) == modelled(kept, cursor, wanted)
