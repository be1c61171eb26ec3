"""Lines to an agent program: one line of ASCII each, or the wrong field is named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.backends import host_lines
from beam.backends.agent_lines import MAX_LINE, whole_characters
from beam.backends.host_lines import HostTool, Turn
from beam.errors import InvalidInput

NOTHING: dict[str, Any] = {"history": (), "tools": (), "params": {}, "attempt": 1, "timeout": None}


@given(st.text(alphabet=st.characters()))
def test_any_text_goes_in_one_line_of_ascii(text: str) -> None:
    line = host_lines.query("q-1", text, **NOTHING)
    assert line.isascii()
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert json.loads(line)["prompt"] == whole_characters(text)


def test_a_query_says_all_that_it_was_given() -> None:
    line = host_lines.query(
        "q-1",
        "Go on",
        history=[Turn("user", "Hi"), Turn("assistant", "Hello")],
        tools=[HostTool("read_file", "Read.", {"type": "object", "required": ["path"]})],
        params={"model": "small"},
        attempt=2,
        timeout=1.5,
    )
    assert json.loads(line) == {
        "type": "query",
        "id": "q-1",
        "prompt": "Go on",
        "history": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello"},
        ],
        "tools": [
            {
                "name": "read_file",
                "description": "Read.",
                "input_schema": {"type": "object", "required": ["path"]},
            }
        ],
        "params": {"model": "small"},
        "attempt": 2,
        "timeout": 1.5,
    }


def test_the_type_stands_first() -> None:
    assert host_lines.hello("s", "/", {"name": "beam"}).startswith(b'{"type": "hello", ')


def test_a_lone_surrogate_becomes_a_replacement_character_and_a_pair_stays() -> None:
    line = host_lines.tool_result("q", "t", "\U0001f600 \ud83d", is_error=False)
    assert json.loads(line)["content"] == "\U0001f600 \ufffd"


def test_a_permission_says_the_input_only_where_it_was_amended() -> None:
    plain = host_lines.permission_response("q", "p", "allow", params=None, reason="")
    amended = host_lines.permission_response("q", "p", "allow", params={}, reason="")
    assert "params" not in json.loads(plain)
    assert json.loads(amended)["params"] == {}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"attempt": 0}, "attempt"),
        ({"params": {"model": object()}}, "params"),
        ({"params": {"budget": float("nan")}}, "params"),
        ({"timeout": float("inf")}, "timeout"),
        ({"tools": [HostTool("a"), HostTool("a")]}, "tools"),
        ({"tools": [HostTool("")]}, "tools"),
        ({"history": [Turn("nurse", "Hi")]}, "history"),  # type: ignore[arg-type] # on purpose
        ({"history": [Turn("user", b"Hi")]}, "history"),  # type: ignore[arg-type] # on purpose
    ],
)
def test_what_cannot_be_sent_is_refused_by_name(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        host_lines.query("q-1", "Hi", **{**NOTHING, **fields})
    assert refused.value.field == named


@pytest.mark.parametrize("query_id", ["", "q" * 201, None, 5])
def test_an_id_is_text_of_1_to_200_characters(query_id: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        host_lines.query(query_id, "Hi", **NOTHING)
    assert refused.value.field == "id"


def test_a_decision_is_yes_or_no() -> None:
    with pytest.raises(InvalidInput) as refused:
        host_lines.permission_response("q", "p", "maybe", params=None, reason="")  # type: ignore[arg-type] # on purpose
    assert refused.value.field == "decision"


def test_a_line_over_the_limit_is_refused_and_its_largest_field_named() -> None:
    with pytest.raises(InvalidInput) as refused:
        host_lines.tool_result("q", "t", "a" * MAX_LINE, is_error=False)
    assert refused.value.field == "content"


def test_a_tools_text_travels_as_it_is_and_all_else_as_json() -> None:
    assert host_lines.tool_content('"quoted"') == '"quoted"'
    assert host_lines.tool_content({"lines": [1, 2]}) == '{"lines":[1,2]}'
    assert host_lines.tool_content(None) == "null"


def test_a_tools_answer_that_json_cannot_say_is_refused() -> None:
    with pytest.raises(InvalidInput):
        host_lines.tool_content(b"bytes")
