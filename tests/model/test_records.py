"""`beam.model.records`: frozen values as plain data."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from beam.errors import InvalidInput
from beam.model.records import from_record, set_fields, to_record
from tests.names import shown


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    label: str = ""
    tags: tuple[str, ...] = ()
    notes: dict[str, Any] = field(default_factory=dict)


def test_a_record_has_the_fields_that_differ_from_their_defaults() -> None:
    assert to_record(Point(0)) == {"x": 0}
    assert to_record(Point(1, tags=("a",))) == {"x": 1, "tags": ["a"]}


def test_the_set_fields_are_as_they_are() -> None:
    assert set_fields(Point(1, tags=("a",), notes={"b": 2})) == {
        "x": 1,
        "tags": ("a",),
        "notes": {"b": 2},
    }


def test_a_record_becomes_the_value_that_it_was() -> None:
    point = Point(1, "a", ("b",), {"c": [None]})
    assert from_record(Point, to_record(point)) == point


@pytest.mark.parametrize(
    ("record", "field_name", "value"),
    [
        ({"x": "far"}, "Point.x", "far"),
        ({"x": 1, "tags": ["a", 5]}, "Point.tags.1", 5),
        ({}, "Point.x", "nothing"),
        ({"x": 1, "colour": "red"}, "Point", "colour"),
        ([], "Point", "list"),
    ],
    ids=shown,
)
def test_a_record_of_something_else_is_refused_by_its_field(
    record: Any, field_name: str, value: object
) -> None:
    with pytest.raises(InvalidInput) as refused:
        from_record(Point, record)
    assert (refused.value.field, refused.value.value) == (field_name, value)


def test_a_refusal_shows_no_secrets() -> None:
    with pytest.raises(InvalidInput) as refused:
        from_record(Point, {"x": {"token": "sk-1"}})
    assert refused.value.value == {"token": "redacted"}
