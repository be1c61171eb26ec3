"""How turns of ACP agents end (`acp_endings`, `copilot_journal`, `acp_watch`), from recordings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from beam.backends.acp_endings import (
    exit_of_answer,
    exit_of_error,
    exit_of_stop,
    has_system_error,
    of_prefix,
    usage_of,
)
from beam.backends.acp_watch import may_load
from beam.backends.copilot_journal import CopilotJournal, failure_in, tells_of_an_end
from beam.backends.gemini_journal import GeminiJournal, is_unanswered
from tests.backends.acp_recorded import AGENTS, read


def journal(*events: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


START = {"type": "assistant.turn_start", "data": {"turnId": "0"}}
SAID = {"type": "assistant.message", "data": {"content": "first"}}
END = {"type": "assistant.turn_end", "data": {"turnId": "0"}}


def error(word: str, status: int | None, said: str = "no") -> dict[str, Any]:
    return {
        "type": "session.error",
        "data": {"errorType": word, "message": said, "statusCode": status},
    }


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("cancelled", "interrupted"),
        ("refusal", "refused"),
        ("max_tokens", "truncated"),
        ("max_turn_requests", "max_turns"),
        ("a_word_of_2027", "agent_error"),
        (None, "agent_error"),
    ],
)
def test_only_the_end_of_a_turn_is_an_answer(word: str | None, kind: str) -> None:
    found = exit_of_stop(word)
    assert found is not None
    assert found.kind == kind
    assert exit_of_stop("end_turn") is None


@pytest.mark.parametrize(
    ("code", "message", "data", "kind"),
    [
        (400, '{"error":{"code":400,"message":"scripted failure"}}', None, "invalid_request"),
        (401, "wrong key", None, "auth"),
        (429, "slow down", None, "throttled"),
        (500, "models/nope is not found for API version v1beta", None, "invalid_request"),
        (500, "Incomplete JSON segment at the end", None, "overloaded"),
        (-32000, "Authentication required.", None, "auth"),
        (-32002, "Resource not found: Session x not found", {"uri": "x"}, "session_lost"),
        (-32602, "Invalid params", None, "invalid_request"),
        (-32603, "Internal error: scripted failure", {"errorName": "APIError"}, "agent_error"),
        (-32603, "Internal error", {"errorName": "ProviderAuthError"}, "auth"),
        (-32603, "Internal error", {"statusCode": 529}, "overloaded"),
        (-32603, "Internal error", {"errorName": "MessageOutputLengthError"}, "truncated"),
        (-32603, "Internal error", {"details": "No previous sessions found"}, "session_lost"),
        (-32603, "Internal error", {"details": "prompt is too long"}, "context_full"),
    ],
)
def test_an_error_of_the_protocol_is_a_reason_of_the_closed_set(
    code: int, message: str, data: Any, kind: str
) -> None:
    assert exit_of_error(code, message, data).kind == kind


def status(word: Any) -> dict[str, Any]:
    return {"_meta": {"codex": {"threadStatus": word}}}


@pytest.mark.parametrize("word", ["systemError", {"type": "systemError"}])
def test_a_thread_in_error_is_one_in_whichever_shape_it_is_told(word: Any) -> None:
    assert has_system_error({}, status(word), before=False)
    assert has_system_error(status("idle"), before=has_system_error(status(word), before=False))


@pytest.mark.parametrize(
    "told", [{}, {"_meta": None}, {"_meta": {"codex": None}}, status("idle"), status({"type": 1})]
)
def test_a_thread_that_is_not_said_to_be_in_error_is_in_none(told: dict[str, Any]) -> None:
    assert not has_system_error(told, before=False)


def test_a_thread_that_works_again_is_in_error_no_more() -> None:
    assert not has_system_error(status({"type": "active"}), before=True)


def test_the_words_of_a_thread_in_error_are_read() -> None:
    for text, kind in (("unexpected status 401 Unauthorized", "auth"), ("", "agent_error")):
        found = exit_of_answer({"stopReason": "end_turn"}, text, broken=True)
        assert found is not None
        assert found.kind == kind


def test_when_it_may_be_tried_again_is_read_in_an_errors_data() -> None:
    data = {"details": "slow down", "retryAfter": 7}
    assert exit_of_error(429, "no", data).retry_after == 7.0
    assert exit_of_error(-32603, "529 overloaded", data).retry_after == 7.0


def test_what_an_error_says_in_its_data_is_in_the_reason() -> None:
    found = exit_of_error(-32603, "Internal error", {"details": "the disk is full"})
    assert found.detail == "Internal error: the disk is full"


@pytest.mark.parametrize("agent", AGENTS)
def test_tokens_are_in_buckets(agent: str) -> None:
    _, _, answer = read(agent, "basic", "one two three")
    told = {"input_tokens": 10, "output_tokens": 5}
    others = dict.fromkeys(("cache_read_tokens", "cache_write_tokens", "reasoning_tokens"), 0)
    # Gemini does not say what was cached, nor what was thought.
    assert usage_of(answer) == (told if agent == "gemini" else told | others)


@pytest.mark.parametrize(
    ("total", "sent", "got"), [(160, 40, 50), (170, 40, 60), (230, 100, 60), (220, 100, 50)]
)
def test_the_total_says_whether_the_buckets_overlap(total: int, sent: int, got: int) -> None:
    counts = {"inputTokens": 100, "cachedReadTokens": 60, "outputTokens": 60, "thoughtTokens": 10}
    found = usage_of({"usage": counts | {"totalTokens": total}})
    assert found is not None
    assert (found["input_tokens"], found["output_tokens"]) == (sent, got)
    assert (found["cache_read_tokens"], found["reasoning_tokens"]) == (60, 10)


def test_an_agent_that_tells_no_tokens_has_no_usage() -> None:
    assert usage_of({"stopReason": "end_turn"}) is None


def test_a_failed_turn_of_copilot_looks_like_a_good_one_on_the_wire() -> None:
    reader, _, answer = read("copilot", "errors", "400")
    assert exit_of_stop(answer["stopReason"]) is None
    assert reader.last() == "Error: 400 scripted failure"


@pytest.mark.parametrize(
    ("word", "status", "kind"),
    [
        ("query", 400, "invalid_request"),
        ("authentication", 401, "auth"),
        ("rate_limit", 429, "throttled"),
        ("query", 529, "overloaded"),
        ("quota", None, "quota"),
        ("news", None, "agent_error"),
    ],
)
def test_the_journal_of_copilot_tells_of_a_failure(
    word: str, status: int | None, kind: str
) -> None:
    found = failure_in(journal(START, END, error(word, status)))
    assert found is not None
    assert (found.kind, found.status) == (kind, status)


def test_a_failure_after_a_tool_counts_and_one_that_copilot_went_on_from_does_not() -> None:
    assert failure_in(journal(START, SAID, error("query", 500), END)) is not None
    assert failure_in(journal(START, error("query", 500), SAID, END)) is None
    assert failure_in(journal(START, SAID, END)) is None


def test_the_failure_of_an_agent_that_copilot_has_sent_out_is_not_its_own() -> None:
    assert failure_in(journal(START, error("query", 500) | {"agentId": "a1"}, SAID, END)) is None


def test_a_journal_is_read_from_where_the_turn_began(tmp_path: Path) -> None:
    file = tmp_path / "session-state" / "s1" / "events.jsonl"
    mine = CopilotJournal(tmp_path, "s1")
    mine.begin()
    assert mine.turn() is None
    file.parent.mkdir(parents=True)
    file.write_bytes(journal(START, END, error("query", 400)))
    mine.begin()
    with file.open("ab") as more:
        more.write(journal(START, SAID) + b'{"type": "assis')
    turn = mine.turn()
    assert turn is not None
    assert failure_in(turn) is None
    assert not tells_of_an_end(turn)


def test_without_a_journal_a_turn_counts_as_failed_if_it_looks_so() -> None:
    assert of_prefix("Error: 400 scripted failure", "Error: ", used_tokens=True) is not None
    assert of_prefix("first", "Error: ", used_tokens=False) is not None
    assert of_prefix("first", "Error: ", used_tokens=True) is None


def test_gemini_takes_a_conversation_up_once_and_not_in_a_minute_of_its_files() -> None:
    one, other = "session-2026-11-28T10-49-5dfa71ef.jsonl", "session-2026-11-28T10-50-5dfa71ef.json"
    assert may_load([one], "2026-11-28T10-50")
    assert not may_load([one], "2026-11-28T10-49")
    assert not may_load([one, other], "2026-11-28T10-51")
    assert not may_load([], "2026-11-28T10-51")


@pytest.mark.parametrize(
    ("by", "kind"), [("unattended_fallback", "crashed"), ("user", None), (None, None)]
)
def test_a_question_that_copilot_answers_itself_has_no_answer(
    by: str | None, kind: str | None
) -> None:
    data = {"result": {"kind": "denied-interactively-by-user"}, "decisionSource": by}
    found = failure_in(journal(SAID, {"type": "permission.completed", "data": data}, END))
    assert (found.kind if found is not None else None) == kind


ASKED, TOLD = {"type": "user", "content": []}, {"type": "gemini", "content": "", "toolCalls": []}
OTHERS = ({"$set": {"lastUpdated": "2026"}}, {"type": "info", "content": "a note"})


@pytest.mark.parametrize(
    ("records", "unanswered"),
    [
        ([], False),
        ([*OTHERS], False),
        ([ASKED, *OTHERS], True),
        ([ASKED, *OTHERS, TOLD, *OTHERS], False),
        ([ASKED, TOLD, ASKED, TOLD], False),
        ([ASKED, TOLD, ASKED, *OTHERS], True),
    ],
)
def test_gemini_has_answered_what_it_has_kept_an_answer_to(
    records: list[dict[str, Any]], unanswered: bool
) -> None:
    assert is_unanswered(b"half a line\n[1]\n" + journal(*records)) is unanswered


def test_of_geminis_files_only_what_is_of_the_turn_counts(tmp_path: Path) -> None:
    chats = tmp_path / ".gemini" / "tmp" / "work" / "chats"
    chats.mkdir(parents=True)
    old = chats / "session-2026-11-28T10-49-5dfa71ef.jsonl"
    old.write_bytes(journal(ASKED))
    kept = GeminiJournal(tmp_path, "5dfa71ef-b591-4ea8-8dad-fd2bb0c582cf")
    kept.begin()
    assert kept.turn() == b""
    with old.open("ab") as file:
        file.write(journal(TOLD))
    (chats / "session-2026-11-28T10-50-5dfa71ef.jsonl").write_bytes(journal(ASKED))
    assert sorted(kept.turn().splitlines()) == sorted(journal(TOLD, ASKED).splitlines())
