"""How a turn of Claude Code's program ends: from its result lines as recorded, made shorter."""

from __future__ import annotations

from typing import Any

import pytest

from beam.backends.claude_turn import ClaudeTurn

PROMPT, MORE = "7c577218-7b51-441f-b129-74591dc63ac3", "c3f1584f-e539-4005-87c7-5df048caac09"
ONE_MODEL = {
    "inputTokens": 10,
    "outputTokens": 5,
    "cacheReadInputTokens": 0,
    "cacheCreationInputTokens": 0,
    "webSearchRequests": 0,
    "costUSD": 0.000105,
    "contextWindow": 200000,
    "maxOutputTokens": 32000,
    "thinkingTokens": 0,
}
INTERRUPTED = {
    "subtype": "error_during_execution",
    "is_error": True,
    "terminal_reason": "aborted_streaming",
    "errors": ["[ede_diagnostic] result_type=user last_content_type=n/a stop_reason=null"],
}


def result(**more: Any) -> dict[str, Any]:
    return {
        "type": "result",
        "subtype": "success",
        "is_error": False,
        "stop_reason": "end_turn",
        "session_id": "d0bf4f37-8c66-48ce-b0f0-e073acf2a04c",
        "total_cost_usd": 0.00021,
        "usage": {"input_tokens": 10, "output_tokens": 5},
        "modelUsage": {"claude-sonnet-4-5": {"inputTokens": 20, "outputTokens": 10}},
        "model_usage_since_last_result": {"claude-sonnet-4-5": ONE_MODEL},
        "terminal_reason": "completed",
        "num_turns": 1,
        "duration_ms": 262,
        "result": "hi there",
        "user_message_uuids": [PROMPT],
        **more,
    }


def api_error(status: int, words: str, **more: Any) -> dict[str, Any]:
    return result(
        is_error=True,
        api_error_status=status,
        terminal_reason="api_error",
        result=words,
        stop_reason="stop_sequence",
        **more,
    )


def lifecycle(uuid: str, state: str) -> dict[str, Any]:
    return {"type": "command_lifecycle", "command_uuid": uuid, "state": state}


def round_begun(**more: Any) -> dict[str, Any]:
    return {"type": "stream_event", "event": {"type": "message_start"}, **more}


def ended(*lines: dict[str, Any]) -> ClaudeTurn:
    turn = ClaudeTurn("q-1", PROMPT)
    for line in lines:
        turn.take(line)
    assert turn.over
    return turn


def kind(*lines: dict[str, Any]) -> str | None:
    reason = ended(*lines).exit
    return None if reason is None else reason.kind


def test_a_result_is_the_answer_and_ends_the_query() -> None:
    turn = ended(result())
    message = turn.end.message(timestamp=5)
    assert (turn.exit, message.content, message.num_turns) == (None, "hi there", 1)
    assert (message.session_id, message.timestamp) == (None, 5)


def test_tokens_are_those_of_this_query_in_buckets_that_share_nothing() -> None:
    models = {
        "big": {**ONE_MODEL, "outputTokens": 50, "thinkingTokens": 20, "cacheReadInputTokens": 7},
        "small": {**ONE_MODEL, "cacheCreationInputTokens": 3},
    }
    message = ended(result(model_usage_since_last_result=models)).end.message(timestamp=5)
    assert message.usage == {
        "input_tokens": 20,
        "cache_read_tokens": 7,
        "cache_write_tokens": 3,
        "output_tokens": 35,
        "reasoning_tokens": 20,
    }
    assert message.total_cost_usd == pytest.approx(0.00021)
    assert message.model_usage is not None
    assert message.model_usage["big"]["maxOutputTokens"] == 32000


def test_tokens_and_cost_of_a_program_that_knows_only_totals() -> None:
    turn = ClaudeTurn("q-1", PROMPT)
    usage = {
        "input_tokens": 10,
        "cache_read_input_tokens": 2,
        "cache_creation_input_tokens": 1,
        "output_tokens": 5,
        "output_tokens_details": {"thinking_tokens": 4},
    }
    line = result(usage=usage, model_usage_since_last_result=None)
    turn.take(line, total_before=0.0002)
    message = turn.end.message(timestamp=5)
    assert message.usage == {
        "input_tokens": 10,
        "cache_read_tokens": 2,
        "cache_write_tokens": 1,
        "output_tokens": 1,
        "reasoning_tokens": 4,
    }
    assert message.total_cost_usd == pytest.approx(0.00001)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (api_error(400, "API Error: 400 scripted failure"), "invalid_request"),
        (api_error(401, "Failed to authenticate. API Error: 401"), "auth"),
        (api_error(404, "There's an issue with the selected model"), "invalid_request"),
        (api_error(429, "API Error: Request rejected (429)"), "throttled"),
        (api_error(500, "API Error: 500 scripted failure."), "overloaded"),
        (api_error(529, "API Error: 529 scripted failure."), "overloaded"),
        (result(is_error=True, result="Not logged in · Please run /login"), "auth"),
        (result(is_error=True, result="Something else"), "agent_error"),
        (result(is_error=True, stop_reason="refusal", result="It will not."), "refused"),
        (result(is_error=True, terminal_reason="prompt_too_long"), "context_full"),
        (
            result(
                is_error=True,
                subtype="error_max_turns",
                terminal_reason="max_turns",
                errors=["Reached maximum number of turns (1)"],
            ),
            "max_turns",
        ),
        (
            result(
                is_error=True,
                subtype="error_max_budget_usd",
                terminal_reason="budget_exhausted",
                errors=["Reached maximum budget ($0.0001)"],
            ),
            "budget",
        ),
        (
            result(
                is_error=True,
                subtype="error_during_execution",
                errors=["No conversation found with session ID: 71d7b8ff"],
                result=None,
                terminal_reason=None,
                user_message_uuids=None,
            ),
            "session_lost",
        ),
        (result(**INTERRUPTED, result=None), "interrupted"),
    ],
)
def test_why_a_turn_failed_is_one_word_of_the_closed_set(line: dict[str, Any], reason: str) -> None:
    assert kind(line) == reason


def test_a_turn_has_failed_if_either_of_its_two_words_says_so() -> None:
    assert kind(result(subtype="error_during_execution", is_error=False)) == "agent_error"
    assert kind(result(subtype="error_max_turns", is_error=False, result=None)) == "max_turns"
    assert kind(api_error(500, "no")) == "overloaded"
    assert kind(result(subtype="success", is_error=False)) is None


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("refusal", "refused"),
        ("max_tokens", "truncated"),
        ("model_context_window_exceeded", "context_full"),
        ("end_turn", None),
        ("stop_sequence", None),
        (None, None),
    ],
)
def test_an_answer_that_the_model_declined_or_that_was_cut_is_none(
    word: str | None, reason: str | None
) -> None:
    assert kind(result(stop_reason=word)) == reason


@pytest.mark.parametrize("words", ["usage limit reached", "You've hit your weekly limit"])
def test_a_quota_that_is_told_in_words_has_the_time_that_was_told_apart(words: str) -> None:
    turn = ClaudeTurn("q-1", PROMPT)
    turn.end.resets_at = 1_760_000_000
    turn.take(result(is_error=True, result=words))
    assert turn.exit is not None
    assert (turn.exit.kind, turn.exit.resets_at) == ("quota", 1_760_000_000)


def test_a_429_of_an_allowance_that_is_used_up_is_a_quota_with_its_time() -> None:
    turn = ClaudeTurn("q-1", PROMPT)
    turn.end.resets_at = 1_760_000_000
    turn.take(api_error(429, "You've hit your limit"))
    assert turn.exit is not None
    assert (turn.exit.kind, turn.exit.resets_at) == ("quota", 1_760_000_000)


def test_what_a_failed_query_has_used_up_is_told_as_well() -> None:
    amounts = ended(api_error(500, "no")).end.amounts()
    assert (amounts["usage"]["input_tokens"], amounts["num_turns"]) == (10, 1)
    assert amounts["total_cost_usd"] == pytest.approx(0.000105)


def test_what_is_said_meanwhile_and_taken_in_is_answered_by_the_same_result() -> None:
    turn = ClaudeTurn("q-1", PROMPT)
    turn.steered(MORE)
    turn.take(result(user_message_uuids=[PROMPT, MORE]))
    assert turn.over


def test_what_is_said_meanwhile_and_gets_its_own_turn_is_waited_for() -> None:
    turn = ClaudeTurn("q-1", PROMPT)
    turn.steered(MORE)
    turn.take(result(result="One."))
    assert not turn.over
    turn.take(result(result="Two.", user_message_uuids=[MORE]))
    message = turn.end.message(timestamp=5)
    assert (turn.over, message.content, message.num_turns) == (True, "Two.", 2)
    assert message.usage is not None
    assert message.usage["input_tokens"] == 20


def test_what_the_program_throws_away_is_not_waited_for() -> None:
    turn = ClaudeTurn("q-1", PROMPT)
    turn.steered(MORE)
    turn.take(result())
    turn.take(lifecycle(MORE, "cancelled"))
    assert turn.over


def test_the_end_of_a_prompt_without_its_result_ends_nothing() -> None:
    turn = ClaudeTurn("q-1", PROMPT)
    turn.take(lifecycle(PROMPT, "cancelled"))
    assert not turn.over


@pytest.mark.parametrize(
    "line",
    [
        result(user_message_uuids=["somebody-elses"]),
        result(user_message_uuids=None, origin={"kind": "task-notification"}),
    ],
)
def test_a_result_that_nobody_has_asked_for_is_not_of_this_query(line: dict[str, Any]) -> None:
    turn = ClaudeTurn("q-1", PROMPT)
    turn.take(line)
    assert not turn.over


def test_an_interrupt_that_came_before_the_turn_began_is_sent_again_when_it_begins() -> None:
    turn = ClaudeTurn("q-1", PROMPT)
    begins = {"type": "system", "subtype": "init"}
    assert turn.take(begins) is None
    turn.interrupted = True
    assert turn.take(begins) == "interrupt"


def test_a_query_that_was_cut_short_stays_so_whatever_is_still_answered() -> None:
    turn = ClaudeTurn("q-1", PROMPT)
    turn.steered(MORE)
    turn.interrupted = True
    turn.take(result(**INTERRUPTED))
    turn.take(result(user_message_uuids=[MORE]))
    assert turn.over
    assert turn.exit is not None
    assert turn.exit.kind == "interrupted"


def test_an_interrupt_that_came_too_late_takes_no_answer_away() -> None:
    turn = ClaudeTurn("q-1", PROMPT)
    turn.interrupted = True
    turn.take(result())
    assert turn.exit is None


def test_a_query_with_a_limit_is_ended_when_the_model_is_asked_once_more() -> None:
    turn = ClaudeTurn("q-1", PROMPT, max_turns=1)
    assert turn.take(round_begun()) is None
    assert turn.take(round_begun(parent_tool_use_id="toolu_1")) is None
    assert turn.take(round_begun()) == "interrupt"
    turn.take(result(**INTERRUPTED))
    assert turn.exit is not None
    assert turn.exit.kind == "max_turns"
