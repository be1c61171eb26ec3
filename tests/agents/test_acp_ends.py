"""Gemini, OpenCode and Copilot as they end: killed, and back with their conversation."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam import Fleet, allow
from beam.errors import Interrupted
from tests.agents.acp_agents import AGENTS, Agent
from tests.agents.acp_sessions import OFTEN, answer, begun, opened
from tests.agents.conftest import FleetWith
from tests.agents.fake_model import FakeModel
from tests.agents.kills import (
    KILLS,
    TOLD_WITHIN,
    Pipe,
    continued,
    gone,
    killed,
    program_of,
    told_after,
    tree,
)
from tests.sessions.scripted import failure


@pytest.fixture(params=AGENTS)
def agent(request: pytest.FixtureRequest) -> Agent:
    return AGENTS[request.param]


@pytest.fixture
def fleet(agent: Agent, model: FakeModel, tmp_path: Path, fleet_with: FleetWith) -> Fleet:
    return fleet_with(agent.backend(model.url, tmp_path / "agents"), **OFTEN)


@pytest.mark.timeout(120 + KILLS * 30)
def test_a_program_that_is_killed_in_a_turn_is_told_at_once_and_back_with_its_conversation(
    agent: Agent, fleet: Fleet, tmp_path: Path
) -> None:
    session = opened(fleet, tmp_path / "work", on_crash="interrupt")
    answer(session, "[[say red]]")
    for _ in range(KILLS):
        run = session.submit("[[slow 100]]")
        begun(session, run)
        program = program_of(fleet, session)
        processes = tree(program)
        when = killed(program)
        assert isinstance(failure(run), Interrupted)
        told = told_after(session, when, "run_interrupted")
        assert told < TOLD_WITHIN, f"told after {told:.2f} s"
        # An agent that hangs when it is back is ended for that, and asked again.
        assert answer(session, "[[history]]", on_crash="retry").startswith("red")
        assert gone(processes)
    ways = continued(session)
    assert len(ways) >= KILLS
    # Gemini is asked to take its conversation up only where that does not destroy it.
    assert set(ways) <= ({"resumed"} if agent.resumes else {"resumed", "transcript"})


@pytest.mark.timeout(300)
def test_a_command_does_not_outlive_its_program(agent: Agent, fleet: Fleet, tmp_path: Path) -> None:
    pipe = Pipe(tmp_path / "pipe")
    session = opened(fleet, tmp_path / "work", permission_handler=lambda *_: allow())
    answer(session, "[[say red]]")
    run = session.submit(agent.runs(pipe.command))
    program = program_of(fleet, session)
    processes = [pipe.process(), *tree(program)]
    killed(program)
    assert isinstance(failure(run), Interrupted)
    assert gone(processes)
    assert answer(session, "[[history]]") == "red"
