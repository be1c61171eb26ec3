"""`beam.log.record`: what a record may be."""

import dataclasses

import pytest

from beam.errors import InvalidInput
from beam.log import Record
from beam.log.record import MAX_BODY, MAX_NAME

GOOD = {"id": "e1", "stream": "a", "type": "said", "timestamp": 1.5, "body": "{}"}

BAD = [
    *[(field, bad) for field in ("id", "stream", "type") for bad in ("", None, b"a", 7, "\udcff")],
    *[("timestamp", bad) for bad in (float("nan"), float("inf"), 2**63, -(2**63), True, "1", None)],
    *[("body", bad) for bad in (None, {}, bytearray(b"{}"), "\ud800", 7)],
]


@pytest.mark.parametrize(("field", "bad"), BAD, ids=ascii)
def test_a_bad_field_is_named_with_what_was_expected(field, bad):
    with pytest.raises(InvalidInput) as error:
        Record(**{**GOOD, field: bad})
    assert error.value.field == field
    assert error.value.value is bad
    assert error.value.expected


@pytest.mark.parametrize("field", ["id", "stream", "type"])
def test_a_name_has_a_greatest_length(field):
    assert getattr(Record(**{**GOOD, field: "é" * MAX_NAME}), field)
    with pytest.raises(InvalidInput, match=field):
        Record(**{**GOOD, field: "e" * (MAX_NAME + 1)})


@pytest.mark.parametrize("letter", ["x", "é", b"x"], ids=["ascii", "text", "bytes"])
def test_a_body_has_a_greatest_length_in_bytes(letter):
    width = len(letter.encode()) if isinstance(letter, str) else 1
    assert Record(**{**GOOD, "body": letter * (MAX_BODY // width)}).body
    with pytest.raises(InvalidInput, match="body") as error:
        Record(**{**GOOD, "body": letter * (MAX_BODY // width + 1)})
    assert len(str(error.value)) < 200


def test_a_record_does_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Record(**GOOD).id = "e2"
