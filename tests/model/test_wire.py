"""`beam.model.wire`: what agents send becomes messages."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.model.blocks import RawBlock, TextBlock, ToolResultBlock, ToolUseBlock
from beam.model.events import message_data
from beam.model.messages import MESSAGE_TYPES, is_terminal
from beam.model.wire import normalize
from tests.model.strategies import json_values
from tests.names import shown

TABLE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"type": "text", "content": "a"}, {"content": "a"}),
    ({"type": "text"}, {"content": ""}),
    ({"type": "text", "content": None}, {"content": ""}),
    (
        {"type": "tool_use", "tool_name": "read", "tool_input": {"a": 1}, "tool_use_id": "t"},
        {"tool_name": "read", "tool_input": {"a": 1}, "tool_use_id": "t"},
    ),
    (
        {"type": "tool_use", "name": "read", "input": {"a": 1}, "id": "t"},
        {"tool_name": "read", "tool_input": {"a": 1}, "tool_use_id": "t"},
    ),
    ({"type": "tool_use"}, {"tool_name": "", "tool_input": {}}),
    (
        {"type": "tool_result", "tool_name": "read", "content": "c", "is_error": True},
        {"tool_name": "read", "content": "c", "is_error": True},
    ),
    ({"type": "tool_result"}, {"tool_name": "", "content": ""}),
    ({"type": "tool_progress", "content": "5 %", "tool_name": "read"}, {"tool_name": "read"}),
    ({"type": "tool_use_summary", "content": "two files"}, {"content": "two files"}),
    ({"type": "thinking", "thinking": "hm", "content": "other"}, {"content": "hm"}),
    ({"type": "thinking", "content": "hm"}, {"content": "hm"}),
    ({"type": "result", "result": "r", "content": "c"}, {"content": "r"}),
    ({"type": "result", "result": None, "content": "c"}, {"content": "c"}),
    ({"type": "result"}, {"content": "", "is_error": None, "errors": ()}),
    (
        {
            "type": "result", "duration_ms": 12, "duration_api_ms": 3.5, "num_turns": 2,
            "session_id": "s", "stop_reason": "tool_use", "usage": {"input_tokens": 1},
            "total_cost_usd": 0.25, "is_error": False, "subtype": "success",
            "modelUsage": {"m": {"out": 1}}, "permission_denials": [{"tool_name": "rm"}],
            "errors": ["e"], "structured_output": [1], "fast_mode_state": "off",
        },
        {
            "duration_ms": 12, "duration_api_ms": 3.5, "num_turns": 2, "session_id": "s",
            "stop_reason": "tool_use", "stop_reason_kind": "tool_use_stop",
            "usage": {"input_tokens": 1}, "total_cost_usd": 0.25, "is_error": False,
            "subtype": "success", "model_usage": {"m": {"out": 1}},
            "permission_denials": ({"tool_name": "rm"},), "errors": ("e",),
            "structured_output": [1], "fast_mode_state": "off",
        },
    ),
    (
        {"type": "error", "content": "no", "is_error": False, "error_type": "tool_error"},
        {"content": "no", "is_error": False, "error_type": "tool_error"},
    ),
    (
        {"type": "user", "content": "u", "isReplay": True, "parent_tool_use_id": "p"},
        {"content": "u", "is_replay": True, "parent_tool_use_id": "p"},
    ),
    ({"type": "user", "isReplay": "yes"}, {"is_replay": None}),
    ({"type": "user", "message": {"role": "user", "content": "u"}}, {"content": "u"}),
    (
        {"type": "control_request", "request_id": "r", "request": {"subtype": "interrupt"}},
        {"request_id": "r", "request": {"subtype": "interrupt"}},
    ),
    (
        {"type": "control_response", "request_id": "r", "response": {"ok": 1}},
        {"request_id": "r", "response": {"ok": 1}},
    ),
    ({"type": "control", "anything": 1}, {"content": ""}),
    (
        {"type": "stream_event", "subtype": "delta", "content": "x", "parent_tool_use_id": "p"},
        {"subtype": "delta", "content": "x", "parent_tool_use_id": "p"},
    ),
    (
        {
            "type": "rate_limit_event", "status": "allowed", "resetsAt": 5, "utilization": 0.5,
            "rateLimitType": "five_hour", "overageStatus": "off", "overageResetsAt": 6,
            "overageDisabledReason": "no", "isUsingOverage": False, "surpassedThreshold": 0.9,
        },
        {
            "rate_limit_status": "allowed", "resets_at": 5, "utilization": 0.5,
            "rate_limit_type": "five_hour", "overage_status": "off", "overage_resets_at": 6,
            "overage_disabled_reason": "no", "is_using_overage": False,
            "surpassed_threshold": 0.9,
        },
    ),
    (
        {"type": "rate_limit_event", "rate_limit_info": {"status": "allowed", "resetsAt": 5}},
        {"rate_limit_status": "allowed", "resets_at": 5},
    ),
    ({"type": "auth_status", "content": "in"}, {"content": "in"}),
    ({"type": "prompt_suggestion", "content": "try"}, {"content": "try"}),
    ({"type": "system", "content": "s", "subtype": "note"}, {"content": "s", "subtype": "note"}),
    (
        {
            "type": "system", "subtype": "init", "tools": ["a"], "model": "m", "cwd": "here",
            "permissionMode": "plan", "claude_code_version": "1", "unheard_of": 1,
            "mcp_servers": [], "slash_commands": None,
        },
        {
            "system_info": {
                "tools": ["a"], "model": "m", "cwd": "here", "permission_mode": "plan",
                "claude_code_version": "1", "mcp_servers": [],
            },
        },
    ),
    (
        {
            "type": "system", "subtype": "task_started", "task_id": "k", "tool_use_id": "t",
            "description": "d", "task_type": "shell",
        },
        {"task_id": "k", "tool_use_id": "t", "description": "d", "task_type": "shell"},
    ),
    (
        {
            "type": "system", "subtype": "task_progress", "task_id": "k", "usage": {"n": 1},
            "last_tool_name": "read",
        },
        {"task_id": "k", "usage": {"n": 1}, "last_tool_name": "read"},
    ),
    (
        {
            "type": "system", "subtype": "task_notification", "task_id": "k", "status": "done",
            "output_file": "o", "summary": "s",
        },
        {"task_status": "done", "output_file": "o", "summary": "s", "system_info": None},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("wire", "fields"), TABLE, ids=[str(wire)[:50] for wire, _ in TABLE])
def test_a_wire_object_becomes_the_message_that_it_says_it_is(
    wire: dict[str, Any], fields: dict[str, Any]
) -> None:
    message = normalize(wire, timestamp=77)
    assert message.type == wire["type"]
    assert {name: getattr(message, name) for name in fields} == fields


@pytest.mark.parametrize("kind", MESSAGE_TYPES)
def test_every_message_has_its_time_its_wire_object_and_the_common_fields(kind: str) -> None:
    wire = {"type": kind, "uuid": "u", "session_id": "s", "thread_id": "t", "event_type": "e"}
    message = normalize(wire, timestamp=77)
    assert (message.type, message.timestamp, message.raw) == (kind, 77, wire)
    if kind != "raw":
        assert (message.uuid, message.session_id) == ("u", "s")
        assert (message.thread_id, message.event_type) == ("t", "e")


def test_an_assistants_blocks_and_facts_come_from_the_nested_message() -> None:
    wire = {
        "type": "assistant",
        "parent_tool_use_id": "p",
        "error": "rate_limit",
        "message": {
            "id": "m1",
            "model": "m",
            "usage": {"input_tokens": 1},
            "stop_reason": "tool_use",
            "content": [
                {"type": "text", "text": "Let me look."},
                {"type": "tool_use", "id": "t", "name": "read", "input": {}},
            ],
        },
    }
    message: Any = normalize(wire, timestamp=1)
    assert message.content == "Let me look."
    assert message.content_blocks == (TextBlock("Let me look."), ToolUseBlock("t", "read", {}))
    assert (message.message_id, message.model, message.usage) == ("m1", "m", {"input_tokens": 1})
    assert (message.stop_reason_kind, message.error_info) == ("tool_use_stop", "rate_limit")
    assert message.parent_tool_use_id == "p"


def test_an_assistants_own_content_goes_before_the_nested_one() -> None:
    wire = {
        "type": "assistant",
        "content": [{"type": "text", "text": "own"}],
        "message": {"content": [{"type": "text", "text": "nested"}]},
    }
    assert normalize(wire, timestamp=1).content == "own"


@pytest.mark.parametrize("inner", [None, "text", [], {}, {"content": None}], ids=shown)
def test_an_assistant_without_content_has_no_blocks(inner: object) -> None:
    message = normalize({"type": "assistant", "message": inner}, timestamp=1)
    assert (message.type, message.content, message.content_blocks) == ("assistant", "", ())


def test_a_content_in_blocks_is_kept_and_its_text_is_the_content() -> None:
    wire = {
        "type": "user",
        "message": {
            "content": [
                {"type": "tool_result", "tool_use_id": "t", "content": "c"},
                {"type": "text", "text": "now"},
                "loose",
            ]
        },
    }
    message = normalize(wire, timestamp=1)
    assert message.content == "now"
    assert message.content_blocks == (
        ToolResultBlock("t", "c"),
        TextBlock("now"),
        RawBlock("loose"),
    )


@pytest.mark.parametrize(
    "wire",
    [
        {},
        {"type": None},
        {"type": 5},
        {"type": ["text"]},
        {"type": "Text"},
        {"type": "hologram", "content": "a"},
        {"type": "raw", "content": "a"},
        {"type": "text", "content": 5},
        {"type": "assistant", "content": {"text": "a"}},
        {"type": "tool_use", "tool_name": 5},
        {"type": "tool_use", "tool_name": "rm", "tool_input": "{}"},
        {"type": "tool_result", "tool_use_id": 5},
        {"type": "control_request", "request_id": 5},
        {"type": "control_request", "request_id": "r", "request": "interrupt"},
    ],
    ids=shown,
)
def test_an_object_that_is_not_understood_becomes_raw_and_whole(wire: dict[str, Any]) -> None:
    message = normalize(wire, timestamp=5)
    assert (message.type, message.raw, message.timestamp) == ("raw", wire, 5)


@pytest.mark.parametrize("wire", ["text", 5, None, [{"type": "text"}]], ids=shown)
def test_what_is_no_object_becomes_raw_under_value(wire: object) -> None:
    message = normalize(wire, timestamp=5)
    assert (message.type, message.raw) == ("raw", {"value": wire})


def test_a_malformed_detail_is_left_out_and_the_rest_stays() -> None:
    wire = {"type": "text", "content": "a", "uuid": 5, "session_id": "s"}
    message = normalize(wire, timestamp=5)
    assert (message.type, message.uuid, message.session_id) == ("text", None, "s")
    assert message.raw == wire


@pytest.mark.parametrize("kind", ["result", "error"])
@given(st.dictionaries(st.sampled_from(
    ["content", "result", "is_error", "usage", "errors", "num_turns", "subtype", "modelUsage"]
), json_values))  # fmt: skip
def test_the_end_of_a_query_is_never_lost_over_a_detail(kind: str, details: dict[str, Any]) -> None:
    message = normalize({**details, "type": kind}, timestamp=5)
    assert message.type == kind
    assert is_terminal(message) or details["is_error"] is False


def test_a_result_in_data_has_its_json_for_content() -> None:
    message = normalize({"type": "result", "result": {"b": 1, "a": [2]}}, timestamp=5)
    assert message.content == '{"a":[2],"b":1}'


def nested(depth: int) -> list[Any]:
    content: list[Any] = []
    for _ in range(depth):
        content = [{"type": "tool_result", "tool_use_id": "t", "content": content}]
    return content


@pytest.mark.parametrize("kind", MESSAGE_TYPES)
def test_what_is_nested_deep_is_not_taken_apart(kind: str) -> None:
    wire = {"type": kind, "content": nested(5_000)}
    message = normalize(wire, timestamp=5)
    assert message.type == kind
    assert message.raw is wire
    assert len(message_data(message)) == 1


def test_a_result_that_json_does_not_have_still_ends_the_query() -> None:
    message = normalize({"type": "result", "result": {"cost": float("nan")}}, timestamp=5)
    assert (message.type, message.content) == ("result", "")


WIRE_NAMES = sorted({name for wire, _ in TABLE for name in wire} | {"message", "error", "id"})


@given(
    st.dictionaries(st.sampled_from(WIRE_NAMES), json_values),
    st.sampled_from([*MESSAGE_TYPES, "hologram"]),
)
def test_nothing_that_an_agent_sends_raises(fields: dict[str, Any], kind: str) -> None:
    wire = {**fields, "type": kind}
    message = normalize(wire, timestamp=5)
    assert message.raw == wire
    assert message.type in {kind, "raw"}
