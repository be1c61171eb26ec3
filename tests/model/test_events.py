"""`beam.model.events`: what the log keeps."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.errors import InvalidInput
from beam.model import events as module
from beam.model.encoding import encode
from beam.model.events import (
    EVENT_TYPES,
    SCHEMA_VERSION,
    Event,
    message_data,
    message_of,
)
from beam.model.messages import Message, ToolMessage
from tests.model.strategies import events, messages
from tests.names import shown


def event(**fields: Any) -> Event:
    return Event(
        **{"id": "evt_1", "type": "run_started", "session_id": "s", "timestamp": 5, **fields}
    )


@given(events)
def test_an_event_comes_back_from_its_json_as_it_was(made: Event) -> None:
    assert Event.from_json(made.to_json()) == made


@given(events)
def test_an_event_comes_back_from_its_body_and_columns(made: Event) -> None:
    columns = {
        "id": made.id,
        "type": made.type,
        "session_id": made.session_id,
        "timestamp": made.timestamp,
        "sequence": made.sequence,
    }
    assert Event.from_body(made.to_body(), **columns) == made


@given(events, st.integers(1, 2**50))
def test_an_event_gets_its_place_and_nothing_else_changes(made: Event, place: int) -> None:
    placed = made.in_order(place)
    assert placed.sequence == place
    assert placed.in_order(made.sequence) == made


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"type": "run_exploded"}, "type"),
        ({"id": ""}, "id"),
        ({"session_id": ""}, "session_id"),
        ({"sequence": -1}, "sequence"),
        ({"schema_version": 0}, "schema_version"),
        ({"schema_version": SCHEMA_VERSION + 1}, "schema_version"),
    ],
    ids=shown,
)
def test_an_impossible_event_is_refused_by_its_field(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        event(**fields)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"type": "run_exploded"}, "Event.type"),
        ({"schema_version": None}, "Event.schema_version"),
        ({"schema_version": 0}, "schema_version"),
        ({"schema_version": SCHEMA_VERSION + 1}, "schema_version"),
        ({"sequence": -1}, "sequence"),
        ({"timestamp": "today"}, "Event.timestamp"),
        ({"data": []}, "Event.data"),
        ({"id": 5}, "Event.id"),
        ({"colour": "red"}, "Event"),
    ],
    ids=shown,
)
def test_a_stored_event_that_is_damaged_is_refused_by_its_field(
    change: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        Event.from_record({**event().to_record(), **change})
    assert refused.value.field == field


@pytest.mark.parametrize("missing", ["id", "type", "session_id", "timestamp", "schema_version"])
def test_a_stored_event_without_a_needed_field_is_refused(missing: str) -> None:
    record = event().to_record()
    del record[missing]
    with pytest.raises(InvalidInput) as refused:
        Event.from_record(record)
    assert refused.value.field.endswith(missing)


@pytest.mark.parametrize("text", ["", "[]", "5", '"text"', "{}", "{"])
def test_a_text_that_is_no_event_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        Event.from_json(text)
    with pytest.raises(InvalidInput):
        Event.from_body(text, id="e", type="message", session_id="s", timestamp=5, sequence=1)


def test_the_json_of_an_event_is_the_same_for_the_same_event() -> None:
    assert event(data={"b": 1, "a": 2}).to_json() == event(data={"a": 2, "b": 1}).to_json()
    assert event().to_json() == (
        '{"id":"evt_1","schema_version":1,"sequence":0,"session_id":"s",'
        '"timestamp":5,"type":"run_started"}'
    )


def test_data_that_json_does_not_have_is_refused_when_it_is_written() -> None:
    with pytest.raises(InvalidInput):
        event(data={"what": object()}).to_json()


def test_every_type_is_in_the_table_of_the_docstring() -> None:
    table = module.__doc__ or ""
    assert [name for name in EVENT_TYPES if f"| `{name}` |" not in table] == []
    assert table.count("\n| `") == len(EVENT_TYPES)


@given(messages())
def test_a_message_travels_in_an_event(message: Message) -> None:
    carried = event(type="message", data=message_data(message))
    read = message_of(Event.from_json(carried.to_json()))
    assert read == (message if message.uuid is not None else replace(message, uuid=carried.id))


def test_a_message_in_an_event_has_no_secrets() -> None:
    message = ToolMessage(
        "tool_use",
        tool_input={"api_key": "sk-1", "path": "a"},
        raw={"input": {"api_key": "sk-1"}},
    )
    data = message_data(message)
    assert "sk-1" not in encode(data)
    assert message_of(event(type="message", data=data)).type == "tool_use"


def test_only_a_message_event_has_a_message() -> None:
    with pytest.raises(InvalidInput, match="'message'"):
        message_of(event())
    with pytest.raises(InvalidInput, match="type"):
        message_of(event(type="message"))
