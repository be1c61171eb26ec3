"""Real agents whose programs print what is no message: it is left out, a stream of it ends them."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import pytest

from beam.backends.agent_objects import MAX_NOISE
from beam.otp import Restarts
from tests.agents import claude_sessions, codex_sessions
from tests.agents.acp_agents import AGENTS
from tests.agents.acp_sessions import OFTEN, PATIENCE, answer, last, opened
from tests.agents.programs import program
from tests.sessions.scripted import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from beam import Fleet
    from tests.agents.conftest import FleetWith
    from tests.agents.fake_model import FakeModel

pytestmark = pytest.mark.timeout(300)

NOTES = ("Loading...", '{"half of a', "[1, 2]", '{"level": "info", "message": "hello"}', "\\377")


def noisy(folder: Path, lines: str, words: Any) -> str:
    """Return a program that prints these lines, as printf has them, and is then another."""
    path = folder / "noisy"
    path.write_text(f'#!/bin/sh\n{lines}\nexec {shlex.join(words)} "$@"\n', "utf-8")
    path.chmod(0o700)
    return str(path)


@pytest.fixture
def fleet_of(model: FakeModel, tmp_path: Path, fleet_with: FleetWith) -> Any:
    def start(name: str, lines: str) -> Fleet:
        home = tmp_path / "home"
        if name == "claude":
            real = claude_sessions.backend(model, home).find()
            loud = noisy(tmp_path, lines, [real])
            return fleet_with(claude_sessions.backend(model, home, cli_path=loud), **OFTEN)
        if name == "codex":
            real = codex_sessions.backend(model, home).find()
            loud = noisy(tmp_path, lines, [real])
            return fleet_with(codex_sessions.backend(model, home, codex_bin=loud), **OFTEN)
        loud = noisy(tmp_path, lines, program(name).command())
        return fleet_with(AGENTS[name].backend(model.url, home, command=[loud]), **OFTEN)

    return start


@pytest.mark.parametrize("name", ["claude", "codex", "gemini", "opencode", "copilot"])
def test_a_banner_before_the_first_message_harms_nothing(
    fleet_of: Any, tmp_path: Path, name: str
) -> None:
    session = opened(fleet_of(name, "\n".join(f"printf '{note}\\n'" for note in NOTES)), tmp_path)
    assert answer(session, "[[say on]]") == "on"
    assert "error" not in [
        event.data.get("to_state") for event in session.history() if event.type == "state_changed"
    ]


@pytest.mark.parametrize("name", ["claude", "codex", "gemini"])
def test_a_program_that_prints_nothing_else_is_given_up(
    fleet_of: Any, tmp_path: Path, name: str
) -> None:
    lines = f"for i in $(seq {MAX_NOISE + 1}); do echo '{{'; done; sleep 300"
    few = Restarts(1, per=PATIENCE)
    session = opened(fleet_of(name, lines), tmp_path, reconnects=few)
    wait_for(session, "session_quarantined")
    assert last(session, "session_quarantined").data["reason"] == "protocol_error"
