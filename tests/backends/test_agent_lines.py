"""Lines from an agent program: any bytes become a value, and what is let through is sound."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.backends.agent_lines import (
    MAX_DEPTH,
    MAX_ID,
    Bad,
    Decoded,
    ErrorLine,
    ReadyLine,
    TextLine,
    ToolUseLine,
    Unknown,
    decode,
    line_type,
)
from beam.model.encoding import encode
from tests.backends.garbage import json_lines


def line(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def bad(data: bytes) -> Bad:
    decoded = decode(data)
    assert isinstance(decoded, Bad)
    return decoded


@given(st.binary() | json_lines())
def test_any_bytes_are_decoded_without_an_exception(data: bytes) -> None:
    assert isinstance(decode(data), Decoded | Unknown | Bad)


@given(json_lines())
def test_what_is_decoded_can_be_written_to_the_log_and_to_a_terminal(data: bytes) -> None:
    decoded = decode(data)
    if isinstance(decoded, Decoded):
        encode(decoded.wire).encode("utf-8")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xff\xfe", "not_utf8"),
        (b"loading...", "not_json"),
        (b'\xef\xbb\xbf{"type": "ready"}', "not_json"),
        (b'{"type": "text"} {}', "not_json"),
        (b'{"type": "result", "cost": NaN}', "not_json"),
        (b'{"type": "result", "cost": 1e999}', "not_json"),
        (b'{"type": "result", "cost": ' + b"9" * 5000 + b"}", "not_json"),
        (b'{"type": "text", "a": ' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", "too_deep"),
        (b"[]", "not_an_object"),
        (b"null", "not_an_object"),
        (b"{}", "no_type"),
        (b'{"type": 5}', "no_type"),
    ],
)
def test_what_is_no_line_is_bad_for_a_named_reason(data: bytes, reason: str) -> None:
    assert (bad(data).reason, bad(data).known) == (reason, False)


def test_nesting_far_beyond_the_interpreters_own_limit_is_bad() -> None:
    depth = 200_000
    assert bad(b"[" * depth + b"]" * depth).reason in {"too_deep", "not_json"}


def test_nesting_up_to_the_limit_is_good() -> None:
    inner = MAX_DEPTH - 1
    data = b'{"type": "text", "query_id": "q", "a": ' + b"[" * inner + b"]" * inner + b"}"
    assert isinstance(decode(data), Decoded)


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (line(type="ready", protocol="1", name="x"), "ready.protocol"),
        (line(type="ready", protocol=True, name="x"), "ready.protocol"),
        (line(type="ready", protocol=1, name=""), "ready.name"),
        (line(type="ready", protocol=1, name="x" * (MAX_ID + 1)), "ready.name"),
        (line(type="ready", protocol=1, name="x", capabilities="memory"), "ready.capabilities"),
        (line(type="ready", protocol=1, name="x", capabilities=[1]), "ready.capabilities.0"),
        (line(type="text", content="hi"), "text.query_id"),
        (line(type="text", query_id=1), "text.query_id"),
        (line(type="text", query_id="q", content=["hi"]), "text.content"),
        (line(type="tool_use", query_id="q", tool_use_id="t"), "tool_use.tool_name"),
        (
            line(type="tool_use", query_id="q", tool_use_id="t", tool_name="x", host=1),
            "tool_use.host",
        ),
        (line(type="tool_result", query_id="q"), "tool_result.tool_use_id"),
        (line(type="permission_request", query_id="q", id="p"), "permission_request.tool_name"),
        (line(type="result", query_id="q"), "result.content"),
        (line(type="error", query_id="q", retryable="yes"), "error.retryable"),
    ],
)
def test_a_known_type_with_a_wrong_field_is_bad_and_the_field_is_named(
    data: bytes, field: str
) -> None:
    assert bad(data).known
    assert (bad(data).reason, bad(data).detail.partition(":")[0]) == ("bad_field", field)


def test_an_unknown_type_is_not_bad() -> None:
    assert decode(line(type="hologram", depth=3)) == Unknown("hologram")


def test_a_type_that_only_the_host_may_send_is_unknown_from_an_agent() -> None:
    assert decode(line(type="query", id="q", prompt="hi")) == Unknown("query")


def test_unknown_fields_are_kept_and_have_no_effect() -> None:
    decoded = decode(line(type="text", query_id="q", content="hi", mood="good"))
    assert isinstance(decoded, Decoded)
    assert decoded.line == TextLine(type="text", query_id="q", content="hi")
    assert decoded.wire["mood"] == "good"


def test_a_null_field_counts_as_absent() -> None:
    decoded = decode(line(type="error", query_id=None, reason=None, retryable=None))
    assert isinstance(decoded, Decoded)
    assert decoded.line == ErrorLine(type="error")


def test_what_is_left_out_has_the_documented_default() -> None:
    decoded = decode(line(type="tool_use", query_id="q", tool_use_id="t", tool_name="x"))
    assert isinstance(decoded, Decoded)
    assert isinstance(decoded.line, ToolUseLine)
    assert (decoded.line.tool_input, decoded.line.host) == ({}, False)


def test_a_lone_surrogate_becomes_a_replacement_character_and_a_pair_stays() -> None:
    data = rb'{"type": "text", "query_id": "q", "content": "\ud83d\ude00 \ud83d", "\udc00": [1]}'
    decoded = decode(data)
    assert isinstance(decoded, Decoded)
    assert decoded.line == TextLine(type="text", query_id="q", content="\U0001f600 \ufffd")
    assert decoded.wire["\ufffd"] == [1]


def test_a_carriage_return_before_the_newline_does_no_harm() -> None:
    decoded = decode(line(type="ready", protocol=1, name="x") + b"\r\n")
    assert isinstance(decoded, Decoded)
    assert isinstance(decoded.line, ReadyLine)


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (b'{"type": "text", "content": "aaa', "text"),
        (b'\t{ "type":"result"', "result"),
        (b'{"content": "aaa', ""),
        (b"\xff", ""),
        (b"", ""),
    ],
)
def test_the_type_is_read_from_the_beginning_of_a_line(head: bytes, found: str) -> None:
    assert line_type(head) == found
