"""What a session does about the failures of a real agent: wait, resume, begin anew, give up."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from beam import function
from beam.backends.effects import AgentFailed, Completed
from beam.backends.turn_limits import MemoryLimits, TurnLimits
from beam.errors import Interrupted, InvalidInput, NotSupported, RunFailed, SessionRefused
from beam.model.exit_reasons import KINDS, ExitReason, of_http, of_text, of_word, remedy
from beam.model.messages import ErrorMessage, ResultMessage
from beam.otp import Backoff
from beam.sessions.messages import GetConnection
from tests.backends.agents import Plain, PlainDriver, Wired
from tests.sessions.conftest import fleets, unlogged
from tests.sessions.scripted import end, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam import Fleet

__all__ = ["fleets", "unlogged"]

PATIENCE = 30.0
FAST = Backoff(0.01, 0.02)


class Forgetful(PlainDriver):
    """Fails as its script says, prompt after prompt; then answers with what it was asked."""

    script: list[ExitReason]
    opened: list[Any]

    async def open(self) -> Any:
        ready = await super().open()
        self.opened.append(self.talk.opening.resume)
        return ready

    async def ask(self, query: Any) -> Any:
        if self.script:
            return self.failed(query, self.script.pop(0))
        return Completed(query.query_id, ResultMessage(content=query.prompt))


@dataclass(frozen=True)
class Failing(Plain):
    driver_class: Any = None

    def driver(self, talk: Any, wire: Any) -> Any:
        return self.driver_class(talk, wire)


def failing(*reasons: ExitReason) -> tuple[Failing, list[Any]]:
    opened: list[Any] = []
    made = type("Made", (Forgetful,), {"script": list(reasons), "opened": opened})
    return Failing(driver_class=made), opened


def started(fleets: Callable[..., Fleet], backend: Any, **options: Any) -> tuple[Fleet, Any]:
    fleet = fleets(backend)
    return fleet, fleet.start_session(backend="agent", backoff=FAST, **options)


def facts(session: Any, kind: str) -> list[Any]:
    return [event.data for event in session.history() if event.type == kind]


def test_a_throttled_run_is_asked_again_after_the_time_that_was_said(
    fleets: Callable[..., Fleet],
) -> None:
    backend, opened = failing(ExitReason("throttled", retry_after=0.02))
    _, session = started(fleets, backend, on_crash="retry")
    assert session.query("hi").get(timeout=PATIENCE) == "hi"
    (retried,) = facts(session, "run_retried")
    assert (retried["reason"], retried["delay"]) == ("throttled", 0.02)
    assert retried["exit_reason"] == {"kind": "throttled", "retry_after": 0.02}
    assert opened == [""]


def test_a_throttled_run_fails_if_it_is_not_to_be_retried(fleets: Callable[..., Fleet]) -> None:
    backend, _ = failing(ExitReason("throttled", retry_after=0.02))
    _, session = started(fleets, backend)
    with pytest.raises(RunFailed) as failed:
        session.query("hi").get(timeout=PATIENCE)
    assert failed.value.reason == "throttled"
    assert session.query("ho").get(timeout=PATIENCE) == "ho"


def test_retries_have_an_end(fleets: Callable[..., Fleet]) -> None:
    throttled = ExitReason("throttled", retry_after=0.0)
    backend, _ = failing(throttled, throttled, throttled)
    _, session = started(fleets, backend, on_crash="retry", retries=2)
    with pytest.raises(RunFailed):
        session.query("hi").get(timeout=PATIENCE)
    assert len(facts(session, "run_retried")) == 2


@pytest.mark.parametrize("kind", ["auth", "quota", "refused", "invalid_request", "max_turns"])
def test_what_another_try_cannot_mend_is_given_up_at_once(
    fleets: Callable[..., Fleet], kind: Any
) -> None:
    backend, _ = failing(ExitReason(kind))
    _, session = started(fleets, backend, on_crash="retry")
    with pytest.raises(RunFailed) as failed:
        session.query("hi").get(timeout=PATIENCE)
    assert failed.value.reason == kind
    assert session.query("ho").get(timeout=PATIENCE) == "ho"


def test_a_stalled_agent_is_resumed_once_and_then_begun_anew(fleets: Callable[..., Fleet]) -> None:
    backend, opened = failing(ExitReason("stalled"), ExitReason("stalled"))
    _, session = started(fleets, backend, on_crash="retry")
    assert session.query("hi").get(timeout=PATIENCE) == "hi"
    assert opened == ["", "s-2", ""]


def test_after_an_answer_a_failure_counts_as_the_first_again(fleets: Callable[..., Fleet]) -> None:
    backend, opened = failing(ExitReason("stalled"))
    _, session = started(fleets, backend, on_crash="retry")
    assert session.query("hi").get(timeout=PATIENCE) == "hi"
    backend.driver_class.script.append(ExitReason("stalled"))
    assert session.query("ho").get(timeout=PATIENCE) == "ho"
    assert opened == ["", "s-2", "s-2"]


@pytest.mark.parametrize("kind", ["context_full", "session_lost"])
def test_a_conversation_of_no_more_use_is_begun_anew_for_the_next_run_too(
    fleets: Callable[..., Fleet], kind: Any
) -> None:
    backend, opened = failing(ExitReason(kind))
    _, session = started(fleets, backend)
    with pytest.raises(RunFailed):
        session.query("hi").get(timeout=PATIENCE)
    assert session.query("ho").get(timeout=PATIENCE) == "ho"
    assert opened == ["", ""]


def test_a_killed_agent_is_resumed_and_the_run_says_so(fleets: Callable[..., Fleet]) -> None:
    fleet, session = started(fleets, Wired(), on_crash="retry")
    assert session.query("one").get(timeout=PATIENCE) == "one"
    process = fleet.whereis(session.id)
    connection = process.ask(GetConnection())
    end(fleet.node, connection, partial(os.kill, connection.ask("os_process"), signal.SIGKILL))
    assert session.query("two").get(timeout=PATIENCE) == "resumed s-1|two"
    assert facts(session, "run_started")[-1]["continued"] == "resumed"


def test_a_recycled_agent_cuts_no_run_and_uses_up_no_budget(fleets: Callable[..., Fleet]) -> None:
    limits = MemoryLimits(soft=40 * 1024 * 1024, every=0.02)
    _, session = started(fleets, Wired(memory=limits))
    for number in range(8):
        assert session.query(f"eat {60 + number}").get(timeout=PATIENCE).endswith(str(60 + number))
    reasons = {event["reason"] for event in facts(session, "state_changed") if "reason" in event}
    assert reasons <= {"recycled"}


def test_the_agents_name_for_the_conversation_survives_its_session(
    fleets: Callable[..., Fleet], tmp_path: Any
) -> None:
    backend, opened = failing()
    fleet = fleets(backend, tmp_path / "fleet.db")
    session = fleet.start_session(backend="agent", session_id="s")
    assert session.query("hi").get(timeout=PATIENCE) == "hi"
    fleet.close()
    again = fleets(backend, tmp_path / "fleet.db")
    session = again.start_session(backend="agent", session_id="s")
    assert session.query("ho").get(timeout=PATIENCE) == "ho"
    assert opened == ["", "s-2"]


def test_a_run_whose_agent_ends_before_it_is_asked_waits_for_the_next_one(
    fleets: Callable[..., Fleet],
) -> None:
    _, session = started(fleets, Wired(turn=TurnLimits(interrupt_grace=0.1)))
    hung = session.submit("hang")
    wait_for(session, "run_started")
    session.interrupt()
    assert session.query("next").get(timeout=PATIENCE).endswith("next")
    with pytest.raises(Interrupted):
        hung.get(timeout=PATIENCE)
    (postponed,) = facts(session, "run_retried")
    assert (postponed["reason"], postponed["crashes"]) == ("interrupted", 0)


class Refusing(PlainDriver):
    """Says at once why it cannot work."""

    tries = 0

    async def open(self) -> Any:
        type(self).tries += 1
        error = ErrorMessage(content="log in first", error_type="auth")
        return AgentFailed("auth", error, False, ExitReason("auth"))


def test_an_agent_that_nobody_is_logged_in_to_is_not_tried_again(
    fleets: Callable[..., Fleet],
) -> None:
    made = type("Made", (Refusing,), {})
    _, session = started(fleets, Failing(driver_class=made))
    quarantined = wait_for(session, "session_quarantined")
    assert (quarantined.data["reason"], quarantined.data["detail"]) == ("auth", "log in first")
    assert made.tries == 1


# Steering


def test_an_agent_is_told_something_in_the_middle_of_its_turn(fleets: Callable[..., Fleet]) -> None:
    fleet, session = started(fleets, Plain())
    stream = session.stream("wait")
    wait_for(session, "run_started")
    told = fleet.control.turn_steer(session, "t", "u", [{"type": "text", "text": "left"}])
    assert (told["status"], told["source"]) == ("steered", "direct_backend")
    assert "steered: left" in [message.content for message in stream if message.type == "text"]


def test_with_nothing_at_work_nobody_is_steered(fleets: Callable[..., Fleet]) -> None:
    _, session = started(fleets, Plain())
    with pytest.raises(SessionRefused) as refused:
        session.steer("left")
    assert refused.value.reason == "no_active_query"


def test_an_agent_that_cannot_be_steered_is_not(fleets: Callable[..., Fleet]) -> None:
    fleet, session = started(fleets, Wired())
    session.submit("hang")
    wait_for(session, "run_started")
    with pytest.raises(NotSupported):
        fleet.control.turn_steer(session, "t", "u", "left")


# What the agent has kept


def test_an_agent_says_which_conversations_it_has_kept(fleets: Callable[..., Fleet]) -> None:
    _, session = started(fleets, Plain())
    assert session.query("hi").get(timeout=PATIENCE) == "hi"
    assert session.conversations("/here") == [{"id": "s-2", "cwd": "/here"}]


@pytest.mark.parametrize("backend", [Wired(), function(str.upper)])
def test_an_agent_that_cannot_say_is_not_supported(
    fleets: Callable[..., Fleet], backend: Any
) -> None:
    _, session = started(fleets, backend)
    assert session.query("hi").get(timeout=PATIENCE).lower() == "hi"
    with pytest.raises(NotSupported):
        session.conversations()


# The reasons themselves


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind"),
    [
        (429, {"retry-after": "3"}, "", "throttled"),
        (429, {}, '{"error":{"code":"insufficient_quota"}}', "quota"),
        (400, {}, "prompt is too long: 210000 tokens", "context_full"),
        (400, {}, "credit balance is too low", "quota"),
        (400, {}, "API key not valid. Please pass a valid API key.", "auth"),
        (401, {}, "", "auth"),
        (403, {}, "", "auth"),
        (529, {}, "", "overloaded"),
        (500, {}, "", "overloaded"),
        (503, {}, "", "overloaded"),
        (404, {}, "", "invalid_request"),
        (418, {}, "", "agent_error"),
    ],
)
def test_a_providers_error_has_a_word(
    status: int, headers: dict[str, str], body: str, kind: str
) -> None:
    assert of_http(status, headers, body).kind == kind


EXCEEDED = "You exceeded your current quota"


@pytest.mark.parametrize(
    ("headers", "body", "kind", "retry_after"),
    [
        ({}, f"{EXCEEDED}. Please retry in 12s", "throttled", 12),
        ({"retry-after": "30"}, EXCEEDED, "throttled", 30),
        ({"retry-after": "86400"}, EXCEEDED, "quota", 86400),
        ({"x-ratelimit-reset-requests": "20ms"}, EXCEEDED, "quota", 0.02),
        ({}, EXCEEDED, "quota", None),
        ({"x-ratelimit-reset-requests": "6m0s"}, "slow down", "throttled", 360),
    ],
)
def test_a_quota_that_is_there_again_within_minutes_is_a_limit_of_a_rate(
    headers: dict[str, str], body: str, kind: str, retry_after: float | None
) -> None:
    found = of_http(429, headers, body)
    assert (found.kind, found.retry_after) == (kind, retry_after)


def test_a_bill_that_is_not_paid_is_a_quota_however_soon_it_may_be_tried_again() -> None:
    assert of_http(402, {"retry-after": "1"}).kind == "quota"


def test_a_quota_has_the_time_of_its_reset_from_the_headers() -> None:
    found = of_http(429, {"anthropic-ratelimit-unified-reset": "1795860000"}, "usage limit")
    assert (found.kind, found.resets_at) == ("quota", 1795860000.0)


def test_an_http_date_is_no_number_of_seconds() -> None:
    assert of_http(429, {"Retry-After": "Fri, 27 Nov 2026 10:00:00 GMT"}).retry_after is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Rate limit reached, retry after 20s", "throttled"),
        ("You've hit your usage limit", "quota"),
        ("You've hit your session limit · resets 3pm", "quota"),
        ("5-hour limit reached ∙ resets 3pm", "quota"),
        ("Claude AI usage limit reached|1735689600", "quota"),
        ("Invalid API key · Please run /login", "auth"),
        ("No conversation found with session ID: x", "session_lost"),
        ("API Error: 500 Internal server error", "overloaded"),
        ("Claude's response exceeded the 32000 output token maximum.", "truncated"),
        ("Incomplete response returned, reason: max_output_tokens", "truncated"),
        ("max_tokens", "truncated"),
        ("length", "truncated"),
        ("the token budget of this session is spent", "budget"),
        ("context limit reached", "context_full"),
        ("fetch failed", "overloaded"),
        ("API Error: Connection error.", "overloaded"),
        ("connect ECONNREFUSED 127.0.0.1:443", "overloaded"),
        ("read ECONNRESET", "overloaded"),
        ("getaddrinfo ENOTFOUND api.example.com", "overloaded"),
        ("getaddrinfo EAI_AGAIN api.example.com", "overloaded"),
        ("connect ETIMEDOUT 192.0.2.1:443", "overloaded"),
        ("Request timed out", "overloaded"),
        ("socket hang up", "overloaded"),
        ("Unable to connect to API (ConnectionRefused)", "overloaded"),
        ("A network error occurred", "overloaded"),
        ("Connection refused (os error 111)", "overloaded"),
        ("Connection reset by peer", "overloaded"),
        ("Request exceeds the model's prompt budget (133694 tokens; limit 128000)", "context_full"),
        ("stream disconnected before completion: error sending request", "overloaded"),
        ("stream closed before response.completed", "overloaded"),
        ("API Error: API returned an empty or malformed response (HTTP 200)", "overloaded"),
        ("Failed to get response from the AI model; retried 5 times", "overloaded"),
        ("error decoding response body: error reading a body from connection", "overloaded"),
        ("models/nope is not found for API version v1beta", "invalid_request"),
        ("Model 'fake' not found on provider", "invalid_request"),
        ("The model `nope` does not exist", "invalid_request"),
        ("OAuth token has expired", "auth"),
        ("The token is invalid", "auth"),
        ("Refresh token has been revoked", "auth"),
        ("Your session has expired, sign in again", "auth"),
        ("API key expired. Please renew it.", "auth"),
        ("API key not valid. Please pass a valid API key.", "auth"),
        ('{"reason": "API_KEY_INVALID"}', "auth"),
    ],
)
def test_an_error_told_as_prose_has_a_word(text: str, kind: str) -> None:
    found = of_text(text)
    assert found is not None
    assert found.kind == kind


def test_the_time_of_a_new_allowance_is_read_where_it_is_told() -> None:
    found = of_text("Claude AI usage limit reached|1735689600")
    assert found is not None
    assert found.resets_at == 1735689600.0


def test_an_answer_that_was_cut_is_no_budget_and_is_not_asked_for_again() -> None:
    assert remedy(ExitReason("truncated")) == "give_up"


def test_prose_that_says_nothing_known_has_none() -> None:
    assert of_text("prices of some length") is None
    assert of_text("the cat sat on the mat") is None
    assert of_text("Unexpected token '<' at the start: no JSON") is None


@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_is_resumed_into_twice(kind: Any) -> None:
    reason = ExitReason(kind)
    assert remedy(reason, resumed_into=reason) != "resume"


def test_an_unknown_word_is_an_agents_error_and_an_unknown_kind_none_at_all() -> None:
    assert of_word("weird").kind == "agent_error"
    with pytest.raises(InvalidInput):
        ExitReason("weird")  # type: ignore[arg-type]
