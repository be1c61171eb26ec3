"""What becomes of whatever a program that speaks ACP may say: with a program of our own."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from beam import Fleet, allow, deny
from beam.backends import TurnLimits, acp
from beam.backends.agent_objects import MAX_NOISE
from beam.errors import Interrupted, InvalidInput, RunFailed
from beam.otp import Restarts
from tests.agents.acp_sessions import answer, begun, last, messages, opened
from tests.agents.conftest import FleetWith
from tests.agents.kills import continued, killed, program_of
from tests.sessions.scripted import failure

PROGRAM = Path(__file__).with_name("acp_program.py")
LARGE = 20 * 1024 * 1024


@pytest.fixture
def fleet(fleet_with: FleetWith) -> Fleet:
    return fleet_with(acp([sys.executable, str(PROGRAM)]))


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path / "work"


def exit_kind(error: BaseException) -> str:
    assert isinstance(error, RunFailed)
    return str(error.reason)


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("refusal", "refused"),
        ("max_tokens", "truncated"),
        ("max_turn_requests", "max_turns"),
        ("a_word_of_2027", "agent_error"),
    ],
)
def test_a_turn_that_stops_for_another_reason_than_its_end_has_failed(
    fleet: Fleet, work: Path, word: str, kind: str
) -> None:
    session = opened(fleet, work)
    assert exit_kind(failure(session.submit(f"stop {word}"))) == kind
    assert last(session, "run_failed").data["usage"]["output_tokens"] == 5
    assert answer(session, "hello") == "hello"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("429 slow down", "throttled"),
        ("400 bad request", "invalid_request"),
        ("-32000 log in", "auth"),
        ("-32603 Internal error: out of credits", "quota"),
        ("-32603 Internal error", "agent_error"),
    ],
)
def test_an_error_in_an_answers_place_has_a_reason(
    fleet: Fleet, work: Path, error: str, kind: str
) -> None:
    session = opened(fleet, work)
    assert exit_kind(failure(session.submit(f"error {error}"))) == kind
    assert answer(session, "hello") == "hello"


@pytest.mark.parametrize("order", ["hush", "chatter"])
def test_what_says_nothing_of_its_turn_is_stalled_in_the_first_turn_as_well(
    fleet_with: FleetWith, work: Path, order: str
) -> None:
    turn = TurnLimits(first_byte=0.5, idle=60.0, interrupt_grace=0.2)
    session = opened(fleet_with(acp([sys.executable, str(PROGRAM)], turn=turn)), work)
    error = failure(session.submit(order))
    assert exit_kind(error) == "stalled"
    assert "first_byte" in str(error)
    assert answer(session, "hello") == "hello"


def test_a_failure_is_told_without_the_keys_of_the_program(
    fleet_with: FleetWith, work: Path
) -> None:
    key = "sk-hunter2-hunter2"
    backend = acp([sys.executable, str(PROGRAM)], env={"MY_API_KEY": key})
    session = opened(fleet_with(backend), work)
    error = failure(session.submit("betray MY_API_KEY"))
    assert "refused the key redacted" in str(error)
    assert key not in repr([event.data for event in session.history()]) + repr(error)


def test_a_line_of_many_megabytes_comes_through(fleet: Fleet, work: Path) -> None:
    assert len(answer(opened(fleet, work), f"large {LARGE}")) == LARGE


def test_what_is_no_message_or_of_a_kind_that_is_not_known_harms_nothing(
    fleet: Fleet, work: Path
) -> None:
    assert answer(opened(fleet, work), "noise") == "after the noise"


def test_what_is_said_of_another_conversation_is_not_of_this_one(fleet: Fleet, work: Path) -> None:
    assert answer(opened(fleet, work), "other") == "mine"


def test_an_agent_that_breaks_the_protocol_is_started_anew(fleet: Fleet, work: Path) -> None:
    session = opened(fleet, work, on_crash="interrupt")
    assert isinstance(failure(session.submit(f"broken {MAX_NOISE + 1}")), Interrupted)
    assert answer(session, "hello").endswith("hello")
    assert last(session, "run_interrupted").data["reason"] == "protocol_error"


def test_a_turn_bears_as_many_lines_that_are_no_messages_as_the_one_before(
    fleet: Fleet, work: Path
) -> None:
    session = opened(fleet, work, on_crash="interrupt")
    for _ in range(2):
        assert answer(session, f"broken {MAX_NOISE}") == "after all that"


@pytest.mark.parametrize(
    ("handler", "kinds", "chosen"),
    [
        (allow(), "allow_always,allow_once,reject_once", "the allow_once"),
        (allow(for_session=True), "allow_once,allow_always,reject_once", "the allow_always"),
        (deny("no"), "allow_once,reject_once", "the reject_once"),
        (deny("no"), "allow_always,allow_once", None),
        (allow({"command": "ls"}), "allow_once,reject_once", "the reject_once"),
        (None, "allow_once,reject_once", "the reject_once"),
    ],
)
def test_a_permission_is_answered_by_the_kind_of_its_options(
    fleet: Fleet, work: Path, handler: Any, kinds: str, chosen: str | None
) -> None:
    asked: list[Any] = []

    def decide(method: str, params: Any, context: Any) -> Any:
        asked.append((method, dict(params)))
        return handler

    options = {} if handler is None else {"permission_handler": decide}
    outcome = json.loads(answer(opened(fleet, work, **options), f"permission {kinds}"))
    assert outcome.get("optionId") == chosen
    assert outcome["outcome"] == ("cancelled" if chosen is None else "selected")
    assert asked == ([] if handler is None else [("execute", {"command": "rm -r ."})])


@pytest.mark.parametrize("title", ["beam_add", "mcp__beam__add: x", "add (beam MCP Server)"])
def test_an_agent_is_not_allowed_anything_for_the_title_of_its_call(
    fleet: Fleet, work: Path, title: str
) -> None:
    def add(a: int, b: int) -> int:
        return a + b

    session = opened(fleet, work, tools=[add])
    for given in ({"command": "rm -rf ."}, {"a": 1, "b": 2}):
        call = {"title": title, "kind": "other", "rawInput": given}
        outcome = json.loads(answer(session, f"asks {json.dumps(call)}"))
        assert outcome["optionId"] == "the reject_once"


def test_a_no_that_ends_the_run_cancels_the_turn(fleet: Fleet, work: Path) -> None:
    session = opened(fleet, work, permission_handler=lambda *_: deny("no", interrupt=True))
    assert isinstance(failure(session.submit("permission allow_once")), Interrupted)
    assert answer(session, "hello") == "hello"


@pytest.mark.parametrize("word", ["cancelled", "end_turn"])
def test_a_turn_that_was_interrupted_is_no_answer_whatever_the_agent_calls_it(
    fleet: Fleet, work: Path, word: str
) -> None:
    session = opened(fleet, work)
    run = session.submit(f"wait {word}")
    begun(session, run)
    session.interrupt()
    assert isinstance(failure(run), Interrupted)
    assert answer(session, "hello") == "hello"


def test_what_the_client_does_not_offer_is_refused(fleet: Fleet, work: Path) -> None:
    assert answer(opened(fleet, work), "file") == "-32601"


@pytest.mark.parametrize("loads", [[], ["--loads", "1"]])
def test_a_conversation_that_is_not_known_any_more_is_told_again(
    fleet_with: FleetWith, work: Path, loads: list[str]
) -> None:
    fleet = fleet_with(acp([sys.executable, str(PROGRAM), *loads]))
    session = opened(fleet, work, on_crash="retry")
    answer(session, "hello")
    killed(program_of(fleet, session))
    assert '<turn role="user">\nhello\n</turn>' in answer(session, "again")
    assert continued(session) == ["transcript"]


@pytest.mark.parametrize("refusal", ["529 overloaded", "Rate limit reached, retry in 10ms"])
def test_a_conversation_that_cannot_be_resumed_just_now_is_resumed_later(
    fleet_with: FleetWith, work: Path, tmp_path: Path, refusal: str
) -> None:
    fleet = fleet_with(acp([sys.executable, str(PROGRAM), "--busy", str(tmp_path)]))
    session = opened(fleet, work, on_crash="retry")
    answer(session, "hello")
    (tmp_path / "refusal").write_text(refusal)
    killed(program_of(fleet, session))
    assert answer(session, "again") == "again"
    assert (tmp_path / "refused").exists()
    assert continued(session) == ["resumed"]


def test_a_conversation_without_a_name_is_none(fleet_with: FleetWith, work: Path) -> None:
    fleet = fleet_with(acp([sys.executable, str(PROGRAM), "--nameless", "1"]))
    session = opened(fleet, work, on_crash="interrupt", reconnects=Restarts(0, per=60.0))
    failure(session.submit("hello"))
    assert last(session, "session_quarantined").data["reason"] == "protocol"


def test_an_agent_logs_in_as_it_was_told_to(fleet_with: FleetWith, work: Path) -> None:
    backend = acp([sys.executable, str(PROGRAM), "--login", "key"], auth_method="key")
    assert answer(opened(fleet_with(backend), work), "hello") == "hello"


@pytest.mark.parametrize(
    ("method", "reason", "told"),
    [
        (None, "auth", "name an auth_method: 'key'"),
        ("other", "invalid_request", "auth_method: expected one that acp knows: 'key'"),
    ],
)
def test_an_agent_that_is_not_logged_in_says_how_it_can_be(
    fleet_with: FleetWith, work: Path, method: str | None, reason: str, told: str
) -> None:
    backend = acp([sys.executable, str(PROGRAM), "--login", "key"], auth_method=method)
    session = opened(fleet_with(backend), work)
    failure(session.submit("hello"))
    end = last(session, "session_quarantined").data
    assert end["reason"] == reason
    assert told in end["detail"]


@pytest.mark.parametrize("mode", ["plan", "dont_ask", "a mode of 2027"])
def test_a_turn_is_refused_in_a_mode_that_would_hold_the_agent_back_and_that_it_lacks(
    fleet: Fleet, work: Path, mode: str
) -> None:
    session = opened(fleet, work)
    error = failure(session.submit("hello", params={"permission_mode": mode}))
    assert exit_kind(error) == "invalid_request"
    assert "permission_mode" in str(error)
    assert answer(session, "hello") == "hello"


def test_what_an_agent_cannot_change_is_told_once(fleet: Fleet, work: Path) -> None:
    def look() -> str:
        """Look around."""
        return "nothing"

    chosen = {"model": "large", "permission_mode": "accept_edits", "tools": [look]}
    session = opened(fleet, work, **chosen)
    assert [answer(session, text) for text in ("one", "two")] == ["one", "two"]
    notices = [each.content for each in messages(session, "system") if each.subtype == "notice"]
    assert notices == [
        "acp takes no http server: it has none of our tools",
        "acp changes no model, so not to 'large': it runs on its own",
        "acp has no mode for 'accept_edits': it asks as before",
    ]


@pytest.mark.parametrize("where", ["update", "answer"])
def test_an_error_of_the_agents_thread_is_no_answer(fleet: Fleet, work: Path, where: str) -> None:
    session = opened(fleet, work)
    run = session.submit(f"broken_thread {where} unexpected status 401 Unauthorized")
    assert exit_kind(failure(run)) == "auth"
    assert answer(session, "hello") == "hello"


def test_a_turn_that_ends_with_nothing_said_has_an_empty_answer(fleet: Fleet, work: Path) -> None:
    assert answer(opened(fleet, work), "silent") == ""


def test_an_agent_of_another_version_of_the_protocol_is_given_up(
    fleet_with: FleetWith, work: Path
) -> None:
    fleet = fleet_with(acp([sys.executable, str(PROGRAM), "--version", "2"]))
    session = opened(fleet, work, on_crash="interrupt")
    assert failure(session.submit("hello")) is not None


def test_a_fork_that_an_agent_cannot_make_is_refused(fleet: Fleet, work: Path) -> None:
    session = opened(fleet, work, on_crash="interrupt", options={"fork": "s-0"})
    assert failure(session.submit("hello")) is not None


def test_a_program_that_is_not_there_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="a program that can be run"):
        Fleet(tmp_path / "fleet.db", backends={"agent": acp("no-such-agent --acp")})
