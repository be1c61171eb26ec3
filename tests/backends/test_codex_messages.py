"""Recorded turns of Codex as unified messages and ends (`codex_messages`, `codex_endings`).

`codex_turns.jsonl` has the notifications and requests of twelve turns of an app-server 0.163.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from beam.backends.codex_approvals import question
from beam.backends.codex_endings import exit_of, outcome_of
from beam.backends.codex_family import CodexFamily
from beam.backends.codex_messages import CodexReader, Usage, shows_work
from beam.backends.effects import Completed, Failed
from beam.model.messages import Message, RateLimitMessage, ResultMessage, ToolMessage

RECORDED = [
    json.loads(line)
    for line in (Path(__file__).parent / "codex_turns.jsonl").read_text("utf-8").splitlines()
]


def lines_of(turn: str) -> list[dict[str, Any]]:
    return [each["line"] for each in RECORDED if each["turn"] == turn]


def read(turn: str) -> tuple[CodexReader, list[Message]]:
    reader = CodexReader()
    reader.begin(fresh=True)
    said = [one for line in lines_of(turn) if "id" not in line for one in reader.take(line)]
    return reader, said


def ended(turn: str) -> Completed | Failed:
    family = CodexFamily("id-1")
    family.begin(fresh=True)
    for line in lines_of(turn):
        family.take(line)
    last = lines_of(turn)[-1]
    assert last["method"] == "turn/completed"
    return outcome_of("q-1", last["params"]["turn"], family, model="fake", timestamp=5)


def tools(turn: str) -> list[tuple[str, str, str, bool | None]]:
    _, said = read(turn)
    return [
        (one.type, one.tool_name, one.content, one.is_error)
        for one in said
        if isinstance(one, ToolMessage)
    ]


def test_deltas_are_text_and_the_whole_message_is_not_said_again() -> None:
    _, said = read("say")
    texts = [one for one in said if one.type == "text"]
    assert [one.content for one in texts] == ["one ", "two ", "three"]
    assert {one.message_id for one in texts} == {"msg_1"}


def test_a_completed_turn_is_a_result_with_its_answer_and_its_own_cost() -> None:
    end = ended("say")
    assert isinstance(end, Completed)
    assert isinstance(end.message, ResultMessage)
    assert (end.message.content, end.message.is_error) == ("one two three", False)
    assert end.message.usage == Usage(input_tokens=10, output_tokens=5).facts()
    assert end.message.duration_ms is not None


def test_every_line_of_every_turn_says_something_known_or_nothing() -> None:
    for turn in {each["turn"] for each in RECORDED}:
        _, said = read(turn)
        assert "raw" not in {one.type for one in said}


def test_a_command_is_a_tool_use_and_its_output_the_result() -> None:
    assert tools("command_allowed") == [
        ("tool_use", "exec_command", "", None),
        ("tool_result", "exec_command", "done\n", False),
    ]


@pytest.mark.parametrize("turn", ["command_declined", "command_cancelled"])
def test_a_command_that_was_not_allowed_is_an_error(turn: str) -> None:
    assert tools(turn)[-1] == ("tool_result", "exec_command", "declined", True)


def test_a_command_that_failed_is_an_error_with_its_output() -> None:
    assert tools("command_failed")[-1] == ("tool_result", "exec_command", "plain\n", True)


def test_a_patch_is_a_tool_use_with_its_changes() -> None:
    _, said = read("patch_allowed")
    use, result = (one for one in said if isinstance(one, ToolMessage))
    assert use.tool_name == "apply_patch"
    assert use.tool_input["changes"][0]["diff"] == "hello\n"
    assert use.tool_use_id == result.tool_use_id
    assert (result.content, result.is_error) == ("add /home/ada/repo/new.txt", False)
    assert tools("patch_declined")[-1][2:] == ("declined", True)


def test_a_patch_that_grows_is_shown_as_it_is_when_it_is_asked_for() -> None:
    reader = CodexReader()
    reader.begin()
    grown = [{"path": "/home/ada/a.py", "kind": {"type": "delete"}, "diff": "x\n"}]
    item = {"type": "fileChange", "id": "f1", "changes": []}
    reader.take({"method": "item/started", "params": {"item": item}})
    changed = {"itemId": "f1", "changes": grown}
    (said,) = reader.take({"method": "item/fileChange/patchUpdated", "params": changed})
    assert (said.type, said.subtype) == ("stream_event", "item_file_change_patch_updated")
    asked = question("item/fileChange/requestApproval", {"itemId": "f1"}, reader.uses)
    assert asked is not None
    assert asked.tool_input == {"changes": grown}


def test_a_call_of_an_mcp_server_is_named_after_server_and_tool() -> None:
    assert tools("mcp_allowed") == [
        ("tool_use", "mcp__calc__double", "", None),
        ("tool_result", "mcp__calc__double", "42", False),
    ]
    assert tools("mcp_declined")[-1][2:] == ("user rejected MCP tool call", True)


def test_the_sessions_own_tools_are_left_to_who_runs_them() -> None:
    assert tools("dynamic") == []


def test_other_notifications_are_system_or_stream_events_by_their_names() -> None:
    _, said = read("patch_allowed")
    subtypes = {(one.type, one.subtype) for one in said if one.subtype}
    assert ("system", "turn_started") in subtypes
    assert ("stream_event", "turn_diff_updated") in subtypes


def test_what_codex_is_told_in_a_turn_is_a_replay_but_not_its_prompt() -> None:
    reader = CodexReader()
    reader.begin()

    def told(text: str) -> list[Message]:
        item = {"type": "userMessage", "id": "u", "content": [{"type": "text", "text": text}]}
        return reader.take({"method": "item/completed", "params": {"item": item}})

    assert told("Fix it.") == []
    (steered,) = told("Not like that.")
    assert (steered.type, steered.content) == ("user", "Not like that.")


def test_a_message_has_the_whole_line_that_it_was() -> None:
    _, said = read("say")
    assert all(one.raw in lines_of("say") for one in said)


def test_an_interrupted_turn_failed_as_interrupted() -> None:
    end = ended("interrupted")
    assert isinstance(end, Failed)
    assert end.exit is not None
    assert (end.reason, end.exit.kind, end.retryable) == ("interrupted", "interrupted", False)


def test_an_http_error_of_the_provider_is_its_reason() -> None:
    end = ended("throttled")
    assert isinstance(end, Failed)
    assert end.exit is not None
    assert (end.reason, end.exit.status, end.retryable) == ("throttled", 429, True)
    assert end.message.type == "error"


@pytest.mark.parametrize(
    ("info", "kind"),
    [
        ("contextWindowExceeded", "context_full"),
        ("sessionBudgetExceeded", "budget"),
        ("usageLimitExceeded", "quota"),
        ("rateLimitExceeded", "throttled"),
        ("serverOverloaded", "overloaded"),
        ("internalServerError", "overloaded"),
        ("cyberPolicy", "refused"),
        ("unauthorized", "auth"),
        ("badRequest", "invalid_request"),
        ("sandboxError", "agent_error"),
        ("somethingNew", "agent_error"),
        (None, "agent_error"),
        ({"httpConnectionFailed": {"httpStatusCode": None}}, "overloaded"),
        ({"responseStreamDisconnected": {"httpStatusCode": 503}}, "overloaded"),
        ({"responseStreamConnectionFailed": {"httpStatusCode": 401}}, "auth"),
    ],
)
def test_a_word_of_codex_is_one_of_the_closed_set(info: Any, kind: str) -> None:
    assert exit_of({"message": "it failed", "codexErrorInfo": info}, {}).kind == kind


def test_an_answer_that_was_cut_is_told_from_a_stream_that_was() -> None:
    info = {"responseStreamDisconnected": {"httpStatusCode": None}}
    said = "stream disconnected: Incomplete response returned, reason: max_output_tokens"
    assert exit_of({"message": said, "codexErrorInfo": info}, {}).kind == "truncated"


def test_a_used_up_quota_says_when_it_is_there_again() -> None:
    limits = {
        "primary": {"usedPercent": 40, "resetsAt": 100},
        "secondary": {"usedPercent": 100, "resetsAt": 900},
    }
    error = {"message": "usage limit", "codexErrorInfo": "usageLimitExceeded"}
    assert exit_of(error, limits).resets_at == 900.0


def test_a_turn_whose_status_is_not_known_has_failed() -> None:
    end = outcome_of("q-1", {"status": "paused"}, CodexFamily("t"), model="", timestamp=0)
    assert isinstance(end, Failed)
    assert "paused" in end.message.content


def test_tokens_are_counted_once() -> None:
    breakdown = {
        "inputTokens": 100,
        "cachedInputTokens": 60,
        "cacheWriteInputTokens": 10,
        "outputTokens": 30,
        "reasoningOutputTokens": 20,
        "totalTokens": 130,
    }
    usage = Usage.of(breakdown)
    assert usage == Usage(30, 60, 10, 10, 20)
    assert sum(usage.facts().values()) == breakdown["totalTokens"]


def tokens(total: int, last: int, turn: str) -> dict[str, Any]:
    usage = {"total": {"inputTokens": total}, "last": {"inputTokens": last}}
    return {
        "method": "thread/tokenUsage/updated",
        "params": {"threadId": "t", "turnId": turn, "tokenUsage": usage},
    }


def started(turn: str) -> dict[str, Any]:
    return {"method": "turn/started", "params": {"threadId": "t", "turn": {"id": turn}}}


@pytest.mark.parametrize("status", ["failed", "interrupted"])
def test_a_turn_that_fails_tells_its_tokens_all_the_same(status: str) -> None:
    family = CodexFamily("t")
    family.begin(fresh=True)
    for line in (started("new"), tokens(15, 15, "new")):
        family.take(line)
    end = outcome_of("q-1", {"status": status}, family, model="", timestamp=0)
    assert isinstance(end, Failed)
    assert end.usage is not None
    assert end.usage["input_tokens"] == 15


def test_what_a_resumed_thread_had_cost_before_is_not_of_this_turn() -> None:
    reader = CodexReader()
    reader.begin()
    for line in (tokens(150, 15, "old"), started("new"), tokens(165, 15, "new")):
        reader.take(line)
    assert reader.usage() == Usage(input_tokens=15)


def test_a_resumed_thread_that_says_nothing_of_its_costs_is_not_charged_twice() -> None:
    reader = CodexReader()
    reader.begin()
    for line in (started("new"), tokens(165, 15, "new"), tokens(180, 15, "new")):
        reader.take(line)
    assert reader.usage() == Usage(input_tokens=30)


def test_costs_that_are_said_again_are_not_added() -> None:
    reader = CodexReader()
    reader.begin(fresh=True)
    for line in (started("a"), tokens(15, 15, "a")):
        reader.take(line)
    reader.begin()
    for line in (started("b"), tokens(15, 15, "b")):
        reader.take(line)
    assert reader.usage() == Usage()


def test_thoughts_are_thinking_as_deltas_or_whole() -> None:
    reader = CodexReader()
    delta = {"method": "item/reasoning/summaryTextDelta", "params": {"itemId": "r1", "delta": "Hm"}}
    assert [(one.type, one.content) for one in reader.take(delta)] == [("thinking", "Hm")]

    def completed(name: str) -> dict[str, Any]:
        item = {"type": "reasoning", "id": name, "summary": ["Hm", "So"], "content": []}
        return {"method": "item/completed", "params": {"item": item}}

    assert reader.take(completed("r1")) == []
    (whole,) = reader.take(completed("r2"))
    assert (whole.type, whole.content) == ("thinking", "Hm\n\nSo")


def test_an_error_that_codex_goes_on_from_ends_nothing() -> None:
    reader = CodexReader()
    error = {"error": {"message": "stream lost"}, "willRetry": True}
    (said,) = reader.take({"method": "error", "params": error})
    assert (said.type, said.is_error) == ("error", False)  # type: ignore[attr-defined]
    assert reader.error is None


def test_a_limit_of_the_account_is_told_and_none_is_not() -> None:
    reader = CodexReader()
    method = "account/rateLimits/updated"
    empty = {"rateLimits": {"limitId": "codex", "primary": None, "secondary": None}}
    assert reader.take({"method": method, "params": empty}) == []
    window = {"usedPercent": 80, "resetsAt": 900, "windowDurationMins": 300}
    full = {"rateLimits": {"limitId": "codex", "primary": window}}
    (said,) = reader.take({"method": method, "params": full})
    assert isinstance(said, RateLimitMessage)
    assert (said.utilization, said.resets_at) == (80.0, 900.0)


@pytest.mark.parametrize(
    "line",
    [
        {},
        {"method": "never/heard"},
        {"method": "item/completed", "params": {"item": {"type": "hologram", "id": "h"}}},
        {"method": "item/completed", "params": {"item": None}},
        {"method": "item/started", "params": []},
        {"method": "item/completed", "params": {"item": {"type": "fileChange", "changes": 3}}},
        {"method": "item/completed", "params": {"item": {"type": "mcpToolCall", "result": 3}}},
        {"method": "item/completed", "params": {"item": {"type": "userMessage", "content": 3}}},
        {"method": "thread/tokenUsage/updated", "params": {"tokenUsage": 3}},
        {"method": "error", "params": {"error": 3, "willRetry": True}},
        {"method": "account/rateLimits/updated", "params": {"rateLimits": 3}},
        {"method": "turn/started", "params": {"turn": 3}},
    ],
)
def test_what_is_not_understood_is_kept_and_breaks_nothing(line: dict[str, Any]) -> None:
    reader = CodexReader()
    assert all(one.raw is line for one in reader.take(line))


# Spawned agents


def test_a_spawned_agent_is_told_of_as_of_the_tool_use_that_spawned_it() -> None:
    family = CodexFamily("id-1")
    family.begin(fresh=True)
    said = [one for line in lines_of("spawned") for one in family.take(line)]
    (spawn,) = (one for one in said if one.type == "tool_use")
    assert isinstance(spawn, ToolMessage)
    of_kids = [one for one in said if one.parent_tool_use_id]
    assert [(one.type, one.content) for one in of_kids] == [("text", "ok")]
    assert {one.parent_tool_use_id for one in of_kids} == {spawn.tool_use_id}


def test_what_a_spawned_agent_says_is_no_part_of_the_answer_but_costs() -> None:
    family = CodexFamily("id-1")
    family.begin(fresh=True)
    for line in lines_of("spawned"):
        family.take(line)
    assert family.main.text().startswith("tool said:")
    assert family.usage() == Usage(input_tokens=30, output_tokens=15)
    family.begin()
    assert family.usage() == Usage()


def test_an_answer_that_was_asked_for_as_data_is_data() -> None:
    def answered(text: str) -> Any:
        family = CodexFamily("t")
        family.begin(fresh=True)
        item = {"type": "agentMessage", "id": "m", "text": text}
        family.take({"method": "item/completed", "params": {"threadId": "t", "item": item}})
        turn = {"status": "completed"}
        end = outcome_of("q", turn, family, model="", timestamp=0, structured=True)
        assert isinstance(end.message, ResultMessage)
        return end.message.structured_output

    assert answered('{"a": 1}') == {"a": 1}
    assert answered("no data") is None


def test_a_wait_that_codex_tells_in_words_is_read() -> None:
    told = "Rate limit reached. Please try again in 1.5s."
    found = exit_of({"message": told, "codexErrorInfo": "rateLimitExceeded"}, {})
    assert (found.kind, found.retry_after) == ("throttled", 1.5)


@pytest.mark.parametrize(
    ("method", "more", "works"),
    [
        ("turn/started", {}, False),
        ("warning", {"message": "no metadata"}, False),
        ("item/completed", {"item": {"type": "userMessage"}}, False),
        ("item/completed", {"item": {"type": "agentMessage"}}, True),
        ("item/agentMessage/delta", {}, True),
    ],
)
def test_what_the_program_tells_of_itself_is_no_sign_of_work(
    method: str, more: dict[str, Any], works: bool
) -> None:
    assert shows_work(method, {"threadId": "t", **more}) is works
