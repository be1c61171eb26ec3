"""Claude Code, the real program, as it ends: killed, resumed, forked; and nothing is left of it."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from beam import allow
from beam.backends.claude_conversation import Conversation, conversation_for
from beam.errors import Interrupted
from tests.agents.claude_sessions import (
    OFTEN,
    PATIENCE,
    answer,
    backend,
    bash,
    begun,
    fleet,
    fleet_of,
    opened,
    work,
)
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

if TYPE_CHECKING:
    from pathlib import Path

    from beam import Fleet
    from tests.agents.fake_model import FakeModel

__all__ = ["fleet", "work"]

OF_KILLS = pytest.mark.timeout(120 + 20 * KILLS)


@pytest.fixture
def pipe(tmp_path: Path) -> Pipe:
    return Pipe(tmp_path / "pipe")


@OF_KILLS
def test_a_program_that_is_killed_in_a_turn_is_told_at_once_and_back_with_its_conversation(
    fleet: Fleet, work: Path
) -> None:
    session = opened(fleet, work, on_crash="interrupt", reconnects=OFTEN)
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
        assert session.submit("[[history]]").get(timeout=PATIENCE) == "red"
        assert gone(processes)
    assert continued(session) == ["resumed"] * KILLS


def test_a_run_that_was_cut_by_a_kill_is_asked_again_if_its_user_wants_that(
    fleet: Fleet, work: Path
) -> None:
    session = opened(fleet, work, on_crash="retry")
    answer(session, "[[say red]]")
    run = session.submit("[[slow 4]]")
    begun(session, run)
    killed(program_of(fleet, session))
    assert run.get(timeout=PATIENCE) == "0 1 2 3 "
    assert answer(session, "[[history]]") == "red"


def test_a_command_does_not_outlive_its_program(fleet: Fleet, work: Path, pipe: Pipe) -> None:
    session = opened(fleet, work, permission_handler=lambda *_: allow())
    answer(session, "[[say red]]")
    run = session.submit(bash(pipe.command))
    processes = [pipe.process(), *tree(program_of(fleet, session))]
    killed(program_of(fleet, session))
    assert isinstance(failure(run), Interrupted)
    assert gone(processes)
    assert session.submit("[[history]]").get(timeout=PATIENCE) == "red"


def test_a_conversation_that_is_lost_is_told_again(
    fleet: Fleet, work: Path, tmp_path: Path
) -> None:
    session = opened(fleet, work, on_crash="retry")
    answer(session, "[[say red]]")
    shutil.rmtree(tmp_path / "home" / "config" / "projects")
    killed(program_of(fleet, session))
    assert session.submit("[[history]]").get(timeout=PATIENCE) == "red"
    assert continued(session) == ["transcript"]


def test_a_conversation_that_the_program_refuses_is_told_again(
    fleet: Fleet, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = opened(fleet, work, on_crash="retry")
    answer(session, "[[say red]]")
    unknown = Conversation("71d7b8ff-a7d9-45c0-bf82-14f56ebcae63", resumes=True)

    def wrong(folder: Path, *, resume: str, fork: str) -> Conversation:
        return unknown if resume else conversation_for(folder, resume=resume, fork=fork)

    monkeypatch.setattr(sys.modules["beam.backends.claude"], "conversation_for", wrong)
    killed(program_of(fleet, session))
    assert session.submit("[[history]]").get(timeout=PATIENCE) == "red"
    assert continued(session) == ["transcript"]


def test_a_session_goes_on_in_its_conversation_when_its_fleet_is_started_again(
    model: FakeModel, work: Path, tmp_path: Path
) -> None:
    store = tmp_path / "fleet.db"
    with fleet_of(backend(model, tmp_path / "home"), store) as fleet:
        session = opened(fleet, work)
        answer(session, "[[say red]]")
    with fleet_of(backend(model, tmp_path / "home"), store) as fleet:
        again = opened(fleet, work, session_id=session.id)
        assert again.submit("[[history]]").get(timeout=PATIENCE) == "red"
        assert continued(again) == ["resumed"]


def test_the_conversations_are_listed_and_one_can_be_forked(fleet: Fleet, work: Path) -> None:
    first = opened(fleet, work)
    answer(first, "[[say red]]")
    [kept] = first.conversations(str(work))
    assert (kept["title"], kept["cwd"]) == ("[[say red]]", str(work))
    fork = opened(fleet, work, options={"fork": kept["id"]})
    answer(fork, "[[say blue]]")
    assert answer(fork, "[[history]]") == "red|blue"
    assert answer(first, "[[history]]") == "red"
    assert continued(fork) == ["forked"]
    assert len(first.conversations()) == 2
