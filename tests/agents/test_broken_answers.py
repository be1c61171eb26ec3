"""All five programs, and a model whose answer breaks off: what was said of it is no answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from beam.errors import RunFailed
from tests.agents.acp_sessions import answer, opened
from tests.sessions.scripted import failure

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from beam import Fleet
    from tests.agents.fake_model import FakeModel

MOST_ASKED = 30
"""How often a model may be asked for one answer: OpenCode would go on for ever."""

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("name", ["claude", "codex", "gemini", "opencode", "copilot"])
def test_an_answer_that_breaks_off_is_a_failure_that_may_be_tried_again(
    fleet_of: Callable[[str], Fleet], model: FakeModel, tmp_path: Path, name: str
) -> None:
    session = opened(fleet_of(name), tmp_path / "work", on_crash="interrupt")
    answer(session, "[[say red]]")
    error = failure(session.submit("[[break blue and green]]"))
    assert isinstance(error, RunFailed)
    assert error.reason == "overloaded"
    assert len([call for call in model.calls if "[[break" in str(call.body)]) < MOST_ASKED
    assert answer(session, "[[history]]") == "red"


def test_an_empty_answer_of_geminis_model_is_a_failure(
    fleet_of: Callable[[str], Fleet], tmp_path: Path
) -> None:
    session = opened(fleet_of("gemini"), tmp_path / "work", on_crash="interrupt")
    error = failure(session.submit("[[break]]"))
    assert isinstance(error, RunFailed)
    assert error.reason == "agent_error"
    assert answer(session, "[[say on]]") == "on"
