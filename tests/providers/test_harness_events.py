"""`beam.providers.harness_events`: section 8.1, by the numbers of its acceptance checks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.providers import ToolResult, ToolUse, Usage
from beam.providers import harness_events as events


def start(index, use_id, name="add", **more):
    use = {"toolUseId": use_id, "name": name, **more}
    return {"contentBlockStart": {"contentBlockIndex": index, "start": {"toolUse": use}}}


def piece(index, text):
    delta = {"toolUse": {"input": text}}
    return {"contentBlockDelta": {"contentBlockIndex": index, "delta": delta}}


def text(said, index=0):
    return {"contentBlockDelta": {"contentBlockIndex": index, "delta": {"text": said}}}


def answered(index, use_id):
    result = {"toolUseId": use_id, "status": "success"}
    return {"contentBlockStart": {"contentBlockIndex": index, "start": {"toolResult": result}}}


def stop(reason="end_turn"):
    return {"messageStop": {"stopReason": reason}}


def block_stop(index):
    return {"contentBlockStop": {"contentBlockIndex": index}}


@pytest.mark.parametrize(
    ("reason", "terminal"),
    [
        ("end_turn", "end_turn"),
        ("stop_sequence", "end_turn"),
        ("tool_use", "requires_action"),
        *(
            (word, "terminated")
            for word in ("max_tokens", "content_filtered", "interrupted", "timeout_exceeded", "new")
        ),
    ],
)
def test_each_stop_reason_has_its_terminal(reason, terminal):
    turn = events.normalize([text("so far"), stop(reason)])
    assert (turn.terminal, turn.stop_reason, turn.text) == (terminal, reason, "so far")


def test_an_answer_without_a_stop_was_cut_off():
    assert events.normalize([text("half")]).stop_reason == "early_termination"
    assert not events.is_whole([text("half")])
    assert events.is_whole([text("all"), stop()])


def test_check_80_an_index_that_is_used_again_keeps_both_tools():
    turn = events.normalize([
        start(0, "u1"), piece(0, '{"a": '), piece(0, "1}"), block_stop(0),
        start(0, "u2", "sub"), piece(0, '{"b": 2}'), block_stop(0),
        stop("tool_use"),
    ])  # fmt: skip
    assert turn.custom_tool_uses == (ToolUse("u1", "add", {"a": 1}), ToolUse("u2", "sub", {"b": 2}))


def test_check_80_tools_whose_pieces_come_mixed_keep_their_own():
    turn = events.normalize([
        start(0, "u1"), start(1, "u2"), piece(1, '{"b"'), piece(0, '{"a"'), piece(1, ": 2}"),
        piece(0, ": 1}"), piece(7, "nobody's"), stop("tool_use"),
    ])  # fmt: skip
    assert [dict(use.input) for use in turn.custom_tool_uses] == [{"a": 1}, {"b": 2}]


def test_what_the_harness_ran_is_not_ours():
    turn = events.normalize([
        start(0, "s1", "browser", type="server_tool_use"), start(1, "m1", "search",
        type="mcp_tool_use"), start(2, "r1"), answered(3, "r1"), stop("tool_use"),
        start(0, "u1", type="tool_use"), stop("tool_use"),
    ])  # fmt: skip
    assert [use.id for use in turn.custom_tool_uses] == ["u1"]
    assert [use.id for use in turn.server_tool_uses] == ["s1", "m1", "r1"]


def test_a_tool_without_input_has_an_empty_one_and_nonsense_ends_the_turn():
    assert events.normalize([start(0, "u1"), stop("tool_use")]).custom_tool_uses == (
        ToolUse("u1", "add"),
    )
    for nonsense in ('{"a":', "7", "[" * 100_000):
        turn = events.normalize([start(0, "u1"), piece(0, nonsense), stop("tool_use")])
        assert (turn.terminal, turn.stop_reason) == ("terminated", "malformed_tool_input")
        assert turn.custom_tool_uses == ()


def test_only_the_last_try_counts():
    begun_anew = {"type": events.ATTEMPT, "number": 2}
    turn = events.normalize([text("ha"), start(0, "u1"), begun_anew, text("half"), stop()])
    assert (turn.text, turn.server_tool_uses, turn.terminal) == ("half", (), "end_turn")


def test_usage_is_in_buckets_that_do_not_overlap():
    said = {"inputTokens": 10, "outputTokens": 2, "totalTokens": 19, "cacheReadInputTokens": 7}
    turn = events.normalize([stop(), {"metadata": {"usage": said}}])
    assert turn.usage == Usage(10, 2, cache_read_tokens=7, raw=(said,))
    assert events.normalize([stop(), {"metadata": {"usage": None}}]).usage is None


def test_what_is_said_has_the_form_of_the_wire():
    assert events.user_messages("Hi") == [{"role": "user", "content": [{"text": "Hi"}]}]
    uses = [ToolUse("u1", "add", {"a": 1}), ToolUse("u2", "sub")]
    results = [ToolResult("u1", "1"), ToolResult("u2", "no", True)]
    asked, told = events.results_messages(uses, results)
    assert asked == {
        "role": "assistant",
        "content": [
            {"toolUse": {"toolUseId": "u1", "name": "add", "input": {"a": 1}}},
            {"toolUse": {"toolUseId": "u2", "name": "sub", "input": {}}},
        ],
    }
    assert [block["toolResult"]["status"] for block in told["content"]] == ["success", "error"]
    assert told["role"] == "user"


KEYS = ["contentBlockStart", "contentBlockDelta", "contentBlockIndex", "start", "delta", "toolUse",
        "toolResult", "toolUseId", "name", "input", "text", "messageStop", "stopReason", "metadata",
        "usage", "inputTokens", "reasoningContent", "type"]  # fmt: skip


@given(
    st.lists(
        st.recursive(
            st.none() | st.integers() | st.sampled_from(["tool_use", "u1", "{}", events.ATTEMPT]),
            lambda inner: (
                st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner)
            ),
            max_leaves=10,
        ),
        max_size=6,
    )
)
def test_nothing_that_may_come_is_a_crash(heard):
    turn = events.normalize(heard)
    assert turn.terminal in ("end_turn", "requires_action", "terminated")
    assert all(isinstance(events.thinking_delta(one), str | None) for one in heard)
