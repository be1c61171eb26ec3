"""What is peculiar to Gemini, OpenCode and Copilot, beside what every backend must do."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from beam import Fleet, allow
from beam.errors import Interrupted, RunFailed
from beam.model.messages import ResultMessage
from tests.agents.acp_agents import AGENTS
from tests.agents.acp_sessions import OFTEN, PATIENCE, answer, messages, opened
from tests.agents.conftest import FleetWith
from tests.agents.fake_model import FakeModel
from tests.agents.kills import continued, killed, program_of
from tests.agents.late_yes import LateYes
from tests.sessions.scripted import failure

PROGRAM = Path(__file__).with_name("mcp_program.py")

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path / "work"


@pytest.fixture
def fleet_of(model: FakeModel, tmp_path: Path, fleet_with: FleetWith) -> Any:
    def start(name: str, **options: Any) -> Fleet:
        backend = AGENTS[name].backend(model.url, tmp_path / "agents", **options)
        return fleet_with(backend, **OFTEN)

    return start


def usages(session: Any) -> list[Any]:
    return [each.usage for each in messages(session, "result") if isinstance(each, ResultMessage)]


def model_of(call: Any) -> str:
    return str(call.body.get("model") or call.path.split("/models/")[-1].split(":")[0])


def test_the_tokens_of_a_turn_are_its_own_though_copilot_counts_all(
    fleet_of: Any, work: Path
) -> None:
    session = opened(fleet_of("copilot"), work)
    for _ in range(3):
        answer(session, "[[say red]]")
    assert [usage["input_tokens"] for usage in usages(session)] == [10, 10, 10]


def test_a_turn_of_copilot_that_fails_after_good_ones_has_failed(fleet_of: Any, work: Path) -> None:
    session = opened(fleet_of("copilot"), work)
    answer(session, "[[say red]]")
    error = failure(session.submit("[[fail 400]]"))
    assert isinstance(error, RunFailed)
    assert error.reason == "invalid_request"
    assert answer(session, "[[say Error: all is well]]") == "Error: all is well"


def test_a_turn_that_copilot_ends_for_a_signal_while_it_asks_has_no_answer(
    fleet_of: Any, work: Path
) -> None:
    handler = LateYes()
    fleet = fleet_of("copilot")
    session = opened(fleet, work, permission_handler=handler)
    run = session.submit(AGENTS["copilot"].runs("echo made > made.txt"))
    assert handler.asked.wait(PATIENCE)
    program_of(fleet, session).terminate()
    assert isinstance(failure(run), Interrupted)
    handler.over.set()
    assert answer(session, "[[say on]]") == "on"


@pytest.mark.parametrize(
    ("name", "kind"), [("gemini", "auth"), ("opencode", "agent_error"), ("copilot", "auth")]
)
def test_a_key_that_is_refused_has_its_reason_where_the_agent_tells(
    fleet_of: Any, work: Path, name: str, kind: str
) -> None:
    error = failure(opened(fleet_of(name), work).submit("[[fail 401]]"))
    assert isinstance(error, RunFailed)
    assert error.reason == kind


@pytest.mark.parametrize(
    ("name", "wanted"), [("gemini", "gemini-2.5-pro"), ("opencode", "local/fake-small")]
)
def test_the_model_is_changed_between_turns(
    fleet_of: Any, work: Path, model: FakeModel, name: str, wanted: str
) -> None:
    session = opened(fleet_of(name), work)
    answer(session, "[[say red]]")
    session.set_model(wanted)
    answer(session, "[[say blue]]")
    assert model_of(model.calls[-1]) == wanted.rsplit("/", 1)[-1]
    assert answer(session, "[[history]]") == "red|blue"


def test_a_mode_of_geminis_lets_it_go_on_without_asking(fleet_of: Any, work: Path) -> None:
    session = opened(fleet_of("gemini"), work)
    answer(session, AGENTS["gemini"].runs("echo made > asked.txt"))
    session.set_permission_mode("bypass_permissions")
    answer(session, AGENTS["gemini"].runs("echo made > unasked.txt"))
    assert [path.name for path in work.glob("*.txt")] == ["unasked.txt"]


@pytest.mark.parametrize(
    ("name", "tool"), [("gemini", "mcp_calc_double"), ("opencode", "calc_double")]
)
def test_mcp_servers_are_handed_through(fleet_of: Any, work: Path, name: str, tool: str) -> None:
    servers = {"calc": {"command": sys.executable, "args": [str(PROGRAM)]}}
    options = {"mcp_servers": servers, "permission_handler": lambda *_: allow()}
    session = opened(fleet_of(name), work, **options)
    assert "twice that is 42" in answer(session, f'[[tool {tool} {{"n": 21}}]]')


def test_a_server_that_copilot_would_leave_out_is_refused(fleet_of: Any, work: Path) -> None:
    servers = {"calc": {"command": sys.executable, "args": [str(PROGRAM)]}}
    session = opened(fleet_of("copilot"), work, mcp_servers=servers, on_crash="interrupt")
    assert failure(session.submit("[[say red]]")) is not None
    assert "mcp_servers['calc']" in str([event.data for event in session.history()])


def test_a_conversation_of_opencode_can_be_forked(
    fleet_of: Any, work: Path, tmp_path: Path
) -> None:
    fleet = fleet_of("opencode")
    first = opened(fleet, work, session_id="session-one")
    answer(first, "[[say red]]")
    origin = first.info().details["agent_session"]
    first.stop()
    # A conversation is in the folder of its session.
    (tmp_path / "agents" / "session-two").symlink_to(tmp_path / "agents" / "session-one")
    second = opened(fleet, work, session_id="session-two", options={"fork": origin})
    assert answer(second, "[[history]]") == "red"
    assert continued(second) == ["forked"]


@pytest.mark.parametrize("name", ["opencode", "copilot"])
def test_the_conversations_that_an_agent_has_kept_are_listed(
    fleet_of: Any, work: Path, name: str
) -> None:
    session = opened(fleet_of(name), work)
    answer(session, "[[say red]]")
    [found] = session.conversations(str(work))
    assert found["id"] == session.info().details["agent_session"]
    assert found["cwd"] == str(work)


@pytest.mark.parametrize("name", ["opencode", "copilot"])
def test_a_conversation_that_is_lost_is_told_again(
    fleet_of: Any, work: Path, tmp_path: Path, name: str
) -> None:
    fleet = fleet_of(name)
    session = opened(fleet, work, on_crash="retry")
    answer(session, "[[say red]]")
    (tmp_path / "agents" / session.id).rename(tmp_path / "elsewhere")
    killed(program_of(fleet, session))
    assert answer(session, "[[history]]") == "red"
    assert continued(session) == ["transcript"]


def test_gemini_takes_a_conversation_of_an_earlier_minute_up_by_itself(
    fleet_of: Any, work: Path, tmp_path: Path
) -> None:
    fleet = fleet_of("gemini")
    session = opened(fleet, work, on_crash="retry")
    answer(session, "[[say red]]")
    name = session.info().details["agent_session"][:8]
    [file] = (tmp_path / "agents").rglob(f"chats/session-*-{name}.jsonl")
    # The minute is the one in the file's name.
    file.rename(file.with_name(f"session-2026-01-02T03-04-{name}.jsonl"))
    killed(program_of(fleet, session))
    assert answer(session, "[[history]]") == "red"
    assert continued(session) == ["resumed"]
