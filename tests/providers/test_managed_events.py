"""`beam.providers.managed_events`: section 7, by the numbers of its acceptance checks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.providers import Outcome, ToolResult, ToolUse, Usage
from beam.providers import managed_events as events
from beam.providers.managed_provision import bare_model


def idle(word="end_turn", **more):
    return {"type": "session.status_idle", "id": "idle_1", "stop_reason": {"type": word, **more}}


def custom(use_id, name="add", **given):
    return {"type": "agent.custom_tool_use", "id": use_id, "name": name, "input": given}


def said(*texts):
    return {"type": "agent.message", "content": [{"type": "text", "text": one} for one in texts]}


def answered(use_id):
    return {"type": "user.custom_tool_result", "custom_tool_use_id": use_id}


def span(read, written, **more):
    usage = {"input_tokens": read, "output_tokens": written, **more}
    return {"type": "span.model_request_end", "model_usage": usage}


@pytest.mark.parametrize(
    ("event", "word", "terminal"),
    [
        (idle("end_turn"), "end_turn", "end_turn"),
        (idle("requires_action", event_ids=["u1"]), "requires_action", "requires_action"),
        (idle("retries_exhausted"), "retries_exhausted", "terminated"),
        (idle("satisfied"), "satisfied", "end_turn"),
        (idle("max_iterations_reached"), "max_iterations_reached", "end_turn"),
        (idle("failed"), "failed", "terminated"),
        (idle("budget_reached"), "budget_reached", "terminated"),
        (idle("refusal"), "refusal", "terminated"),
        (idle("of tomorrow"), "unknown_idle", "terminated"),
        ({"type": "session.status_idle"}, "unknown_idle", "terminated"),
        ({"type": "session.status_terminated"}, "terminated", "terminated"),
        ({"type": "session.error", "error": {"type": "billing_error"}}, "error", "terminated"),
    ],
)
def test_check_60_each_stop_reason_has_its_class(event, word, terminal):
    assert events.classify(event) == word
    assert events.is_boundary(event)
    assert events.normalize([said("so far"), event]).terminal == terminal


@pytest.mark.parametrize(
    "event",
    [
        {"type": "session.status_running"},
        {"type": "session.status_rescheduled"},
        {"type": "span.outcome_evaluation_end", "result": "needs_revision"},
        {"type": "session.error", "error": {"retry_status": {"type": "retrying"}}},
        custom("u1"),
        said("hello"),
        {"type": "event of tomorrow"},
        {},
        None,
        "text",
    ],
)
def test_check_60_anything_else_ends_no_turn(event):
    assert not events.is_boundary(event)


def test_the_word_of_an_error_is_its_type():
    failed = {"type": "session.error", "error": {"type": "model_overloaded_error"}}
    assert events.normalize([failed]).stop_reason == "model_overloaded_error"
    assert events.normalize([idle("of tomorrow")]).stop_reason == "of tomorrow"


def test_check_61_uses_are_those_that_are_named_in_that_order():
    stale = idle("requires_action", event_ids=["u1"])
    turn = events.normalize([
        custom("u1", a=1), stale, custom("u2"), custom("u3"), custom("u4"),
        idle("requires_action", event_ids=["u4", "u2", "nobody", "u4"]),
    ])  # fmt: skip
    assert [use.id for use in turn.custom_tool_uses] == ["u4", "u2"]
    assert turn.terminal == "requires_action"


def test_check_61_unknown_ids_leave_a_turn_that_requires_action_with_nothing_to_do():
    turn = events.normalize([idle("requires_action", event_ids=["gone"])])
    assert (turn.terminal, turn.custom_tool_uses) == ("requires_action", ())


@pytest.mark.parametrize("reason", [None, "end_turn", 7, [], {}, {"type": None}])
def test_check_62_a_stop_reason_that_is_none_is_no_crash(reason):
    turn = events.normalize([{"type": "session.status_idle", "stop_reason": reason}])
    assert turn.terminal == "terminated"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "id", "name", "input", "stop_reason", "event_ids", "content", "text",
                 "error", "retry_status", "model_usage", "input_tokens", "custom_tool_use_id"]
            ),
            inner
            | st.sampled_from(
                ["session.status_idle", "requires_action", "agent.message", "session.error",
                 "agent.custom_tool_use", "span.model_request_end", "text", "retrying"]
            ),
        )
    ),
    max_leaves=12,
)  # fmt: skip


@given(st.lists(json_values, max_size=6))
def test_check_62_nothing_that_may_come_is_a_crash(heard):
    turn = events.normalize(heard)
    assert turn.terminal in ("end_turn", "requires_action", "terminated")
    events.pending(heard)
    assert all(isinstance(events.text_of(one), str | None) for one in heard)


def test_check_63_what_the_server_ran_is_not_ours():
    theirs = {"type": "agent.tool_use", "id": "t1", "name": "bash", "input": {"command": "ls"}}
    mcp = {"type": "agent.mcp_tool_use", "id": "t2", "name": "search", "input": {}}
    turn = events.normalize(
        [theirs, mcp, custom("u1"), idle("requires_action", event_ids=["t1", "u1"])]
    )
    assert turn.server_tool_uses == (
        ToolUse("t1", "bash", {"command": "ls"}),
        ToolUse("t2", "search"),
    )
    assert [use.id for use in turn.custom_tool_uses] == ["u1"]


def test_check_64_without_a_span_nothing_is_said_of_usage():
    assert events.normalize([said("hello"), idle()]).usage is None
    assert events.normalize([{"type": "span.model_request_end"}, idle()]).usage is None


def test_usage_is_the_sum_over_the_requests_in_buckets_that_do_not_overlap():
    first = span(10, 2, cache_read_input_tokens=7, cache_creation_input_tokens=3)
    usage = events.normalize([first, span(5, 1, cache_read_input_tokens=None), idle()]).usage
    assert usage == Usage(15, 3, 7, 3, 0, (first["model_usage"], usage.raw[1]))


def test_check_55_unanswered_is_a_use_without_a_result():
    history = [custom("u1"), custom("u2"), answered("u1"), custom("u3", "sub"), answered("nobody")]
    assert [use.id for use in events.pending(history)] == ["u2", "u3"]
    assert events.pending([*history, answered("u2"), answered("u3")]) == ()


def test_text_is_that_of_all_messages_line_by_line():
    assert events.normalize([said("one", "two"), said(), said("three"), idle()]).text == (
        "one\ntwo\nthree"
    )


def test_what_is_said_has_the_form_of_the_wire():
    assert events.message("Hi") == {
        "type": "user.message",
        "content": [{"type": "text", "text": "Hi"}],
    }
    assert events.outcome(Outcome("A report", "It is short", 3)) == {
        "type": "user.define_outcome",
        "description": "A report",
        "rubric": {"type": "text", "content": "It is short"},
        "max_iterations": 3,
    }
    assert set(events.outcome(Outcome("A report"))) == {"type", "description"}
    assert events.tool_result(ToolResult("u1", "no", True)) == {
        "type": "user.custom_tool_result",
        "custom_tool_use_id": "u1",
        "content": [{"type": "text", "text": "no"}],
        "is_error": True,
    }


@pytest.mark.parametrize(
    "model",
    [
        "claude-sonnet-4-5",
        "anthropic/claude-sonnet-4-5",
        "anthropic:claude-sonnet-4-5",
        "us.anthropic.claude-sonnet-4-5",
    ],
)
def test_check_88_a_qualified_model_is_bare_on_this_wire(model):
    assert bare_model(model) == "claude-sonnet-4-5"
