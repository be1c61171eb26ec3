"""MCP servers that cannot be reached: told once and by name, and nothing is started in vain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from beam.model.messages import SystemMessage
from tests.agents.acp_sessions import answer, last, messages, opened
from tests.sessions.scripted import wait_for

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.timeout(300)

NOWHERE = {"command": "/nowhere/at/all"}
UNHEARD = {"type": "http", "url": "http://127.0.0.1:1/a-secret"}


def told(session: Any) -> list[str]:
    """Return what the session says of servers that it has lost."""
    said = [each for each in messages(session, "system") if isinstance(each, SystemMessage)]
    return [each.content for each in said if each.subtype == "mcp_server_failed"]


def starts(session: Any) -> int:
    """Return how often the agent has ended before it was ready."""
    changes = [event.data for event in session.history() if event.type == "state_changed"]
    return sum(1 for data in changes if data.get("to_state") == "error")


@pytest.mark.parametrize("name", ["claude", "codex", "gemini", "opencode"])
def test_a_server_whose_program_is_not_there_is_told_once_and_the_agent_goes_on(
    fleet_of: Any, tmp_path: Path, name: str
) -> None:
    session = opened(fleet_of(name), tmp_path / "work", mcp_servers={"calc": NOWHERE})
    assert [answer(session, "[[say on]]"), answer(session, "[[say and on]]")] == ["on", "and on"]
    (said,) = told(session)
    assert said.startswith("the MCP server 'calc' cannot be used: ")
    assert starts(session) == 0


@pytest.mark.parametrize("name", ["claude", "codex", "gemini", "opencode", "copilot"])
def test_a_server_that_nobody_serves_is_told_once_without_its_path_and_the_agent_goes_on(
    fleet_of: Any, tmp_path: Path, name: str
) -> None:
    session = opened(fleet_of(name), tmp_path / "work", mcp_servers={"docs": UNHEARD})
    assert [answer(session, "[[say on]]"), answer(session, "[[say and on]]")] == ["on", "and on"]
    (said,) = told(session)
    assert said.startswith("the MCP server 'docs' cannot be used: ")
    assert starts(session) == 0


@pytest.mark.parametrize(
    ("name", "servers", "field"),
    [
        ("codex", {"docs": {"type": "sse", "url": "http://127.0.0.1:1/"}}, "mcp_servers['docs']"),
        ("codex", {"calc": {**NOWHERE, "env": {"A": 5}}}, "mcp_servers.calc.env.A"),
        ("claude", {"beam": NOWHERE}, "mcp_servers"),
        ("copilot", {"calc": NOWHERE}, "mcp_servers['calc']"),
    ],
)
def test_a_server_that_an_agent_cannot_have_ends_its_session_at_once(
    fleet_of: Any, tmp_path: Path, name: str, servers: Any, field: str
) -> None:
    session = opened(fleet_of(name), tmp_path / "work", mcp_servers=servers)
    wait_for(session, "session_quarantined")
    quarantined = last(session, "session_quarantined").data
    assert quarantined["reason"] == "invalid_request"
    assert field in quarantined["detail"]
    assert starts(session) == 1


def test_claude_tells_of_a_server_whose_configuration_it_leaves_out(
    fleet_of: Any, tmp_path: Path
) -> None:
    servers = {"calc": {**NOWHERE, "env": {"A": 5}}}
    session = opened(fleet_of("claude"), tmp_path / "work", mcp_servers=servers)
    assert answer(session, "[[say on]]") == "on"
    assert len(told(session)) == 1
