"""`beam.model.encoding`: canonical JSON."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.errors import InvalidInput
from beam.model.encoding import decode, encode
from tests.model.strategies import json_values
from tests.names import shown


@given(json_values)
def test_decoding_gives_back_what_was_encoded(value: Any) -> None:
    assert decode(encode(value)) == value


@given(st.dictionaries(st.text(max_size=3), st.integers(), max_size=6), st.randoms())
def test_equal_objects_have_the_same_text_whatever_the_order_of_their_keys(
    value: dict[str, int], chance: Any
) -> None:
    shuffled = list(value.items())
    chance.shuffle(shuffled)
    assert encode(dict(shuffled)) == encode(value)


@given(json_values)
def test_the_text_is_one_line_that_utf8_can_write(value: Any) -> None:
    text = encode(value)
    assert text.encode()
    assert "\n" not in text


def test_the_text_is_compact_sorted_and_readable() -> None:
    assert encode({"b": [1, True, None], "a": "grün"}) == '{"a":"grün","b":[1,true,null]}'


def test_a_tuple_is_written_as_a_list() -> None:
    assert encode({"pair": (1, 2)}) == '{"pair":[1,2]}'


def test_a_lone_surrogate_is_written_as_its_escape() -> None:
    assert encode("ü\ud800") == '"\\u00fc\\ud800"'


@pytest.mark.parametrize("value", [{1: "a"}, [{None: 1}], {"a": ({2.5: 1},)}], ids=shown)
def test_a_key_that_is_not_text_is_refused(value: object) -> None:
    with pytest.raises(InvalidInput) as refused:
        encode(value)
    assert refused.value.field == "key"


@pytest.mark.parametrize(
    "value", [float("nan"), {"a": float("inf")}, {1, 2}, b"x", object(), [1j]], ids=shown
)
def test_what_json_does_not_have_is_refused(value: object) -> None:
    with pytest.raises(InvalidInput):
        encode(value)


def test_a_value_that_contains_itself_is_refused() -> None:
    ring: list[Any] = []
    ring.append(ring)
    with pytest.raises(InvalidInput):
        encode(ring)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1,]", "{'a': 1}", "NaN", "[-Infinity]", "1e999", "nul", b"\xff\xfe", "[" * 100_000],
    ids=lambda text: repr(text[:9]),
)
def test_what_is_not_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(InvalidInput) as refused:
        decode(text)
    assert refused.value.field == "JSON"


def test_a_refused_text_is_quoted_only_in_its_beginning() -> None:
    with pytest.raises(InvalidInput) as refused:
        decode("{" + "x" * 10_000)
    assert len(str(refused.value)) < 300


@given(json_values)
def test_bytes_and_other_spacing_are_read_too(value: Any) -> None:
    assert decode(json.dumps(value, indent=1).encode()) == value
