"""`beam.tracing`: what becomes of telemetry in the names of OpenTelemetry."""

from __future__ import annotations

import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam import tracing
from beam.errors import InvalidInput

ABOUT = {"session_id": "s-1", "provider": "messages", "request_id": "request_1"}


def test_a_request_is_an_agent_that_is_invoked():
    event = ("loop", "request", "start")
    about = {**ABOUT, "model": "claude-sonnet-4-5", "agent_id": None}
    assert tracing.span_name(event, about) == "invoke_agent"
    assert tracing.attributes(event, {"system_time": 1.0}, about) == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.conversation.id": "s-1",
        "gen_ai.request.model": "claude-sonnet-4-5",
    }


def test_a_turn_is_a_chat_with_the_cache_in_its_input_and_reasoning_in_its_output():
    event = ("loop", "turn", "stop")
    tokens = {
        "input_tokens": 10,
        "cache_read_tokens": 20,
        "cache_write_tokens": 3,
        "output_tokens": 5,
        "reasoning_tokens": 4,
    }
    about = {**ABOUT, "turn": 2, "terminal": "end_turn", "stop_reason": "stop"}
    assert tracing.attributes(event, {"duration": 0.5, **tokens}, about) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.conversation.id": "s-1",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 33,
        "gen_ai.usage.output_tokens": 9,
        "gen_ai.usage.cache_read.input_tokens": 20,
        "gen_ai.usage.cache_creation.input_tokens": 3,
        "gen_ai.usage.reasoning.output_tokens": 4,
        "beam.terminal": "end_turn",
        "beam.turn": 2,
    }


@pytest.mark.parametrize("provider", ["managed_agents", "agentcore"])
def test_a_turn_of_an_agent_on_a_server_is_an_invocation(provider):
    event = ("loop", "turn", "start")
    about = {**ABOUT, "provider": provider, "agent_id": "agent_1"}
    assert tracing.span_name(event, about) == "invoke_agent"
    assert tracing.attributes(event, {}, about)["gen_ai.agent.id"] == "agent_1"


def test_a_tool_has_its_name_and_its_call():
    event = ("loop", "tool", "stop")
    about = {**ABOUT, "tool": "add", "tool_use_id": "call_1", "is_error": True}
    assert tracing.span_name(event, about) == "execute_tool add"
    assert tracing.attributes(event, {"duration": 0.5}, about) == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.conversation.id": "s-1",
        "gen_ai.tool.name": "add",
        "gen_ai.tool.call.id": "call_1",
        "gen_ai.tool.type": "function",
        "error.type": "tool_error",
    }


def test_a_query_of_a_fleet_is_named_after_its_backend():
    event = ("agent", "query", "start")
    about = {"agent": "codex", "session_id": "s-1", "run_id": "run_1"}
    assert tracing.span_name(event, about) == "invoke_agent codex"
    assert tracing.attributes(event, {}, about)["gen_ai.agent.name"] == "codex"


def test_what_is_provisioned_is_an_agent_that_is_created():
    event = ("provider", "provision", "stop")
    about = {"provider": "agentcore", "name": "adder", "digest": "9f86d081", "agent_id": "arn:1"}
    assert tracing.span_name(event, about) == "create_agent adder"
    assert tracing.attributes(event, {"duration": 1.0}, about) == {
        "gen_ai.operation.name": "create_agent",
        "gen_ai.provider.name": "aws.bedrock",
        "gen_ai.agent.name": "adder",
        "gen_ai.agent.id": "arn:1",
    }


@pytest.mark.parametrize(
    ("reason", "told"), [("status_503", "503"), ("timeout", "timeout"), ("a sentence", "_OTHER")]
)
def test_a_failure_has_a_word_or_a_status(reason, told):
    found = tracing.attributes(("loop", "request", "exception"), {}, {**ABOUT, "reason": reason})
    assert found["error.type"] == told


def test_a_callers_note_does_not_pass_for_a_field_of_another_event():
    noted = {**ABOUT, "model": "mine", "tool": "mine", "agent": "mine", "how": "mine"}
    found = tracing.attributes(("loop", "tool", "stop"), {}, {**noted, "tool": "add"})
    assert "mine" not in found.values()
    assert tracing.span_name(("loop", "request", "start"), noted) == "invoke_agent"


EVENTS = st.sampled_from(
    [
        *[
            ("loop", part, how)
            for part in ("request", "turn", "tool")
            for how in ("start", "stop", "exception")
        ],
        *[("agent", "query", how) for how in ("start", "stop", "exception")],
        *[("provider", "provision", how) for how in ("start", "poll", "stop", "exception")],
        ("loop", "reconnect"),
        ("loop", "stream", "error"),
    ]
)
FIELDS = ("session_id", "provider", "model", "agent_id", "agent", "tool", "tool_use_id", "turn")
FIELDS += (
    "terminal",
    "how",
    "run_id",
    "request_id",
    "type",
    "reason",
    "stop_reason",
    "text",
    "name",
)


@given(EVENTS, st.dictionaries(st.sampled_from(FIELDS), st.text() | st.integers() | st.none()))
def test_whatever_stands_in_an_event_an_attribute_is_a_number_or_a_word(event, about):
    told = [tracing.span_name(event, about).partition(" ")[2] or "none"]
    for value in tracing.attributes(event, about, about).values():
        told += value if isinstance(value, tuple) else [value]
    for value in told:
        assert isinstance(value, int) or re.fullmatch(r"[A-Za-z0-9._:/@+-]{1,128}", value)


def test_without_the_package_its_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", None)
    with pytest.raises(InvalidInput) as caught:
        tracing.attach()
    assert "opentelemetry" in str(caught.value)


@pytest.mark.parametrize("also", [["a b"], [1], "", [""]])
def test_what_is_no_name_is_refused(also):
    with pytest.raises(InvalidInput) as caught:
        tracing.attach(also=also)
    assert caught.value.field == "also"
