"""Attachments that are no text: they reach the model, or the query is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from beam.errors import RunFailed
from tests.agents.acp_sessions import answer, opened
from tests.agents.test_codex import DOT
from tests.sessions.scripted import failure

if TYPE_CHECKING:
    from pathlib import Path

    from tests.agents.fake_model import FakeModel

pytestmark = pytest.mark.timeout(300)

NOISE = "UklGRgAAAABXQVZF/w=="


@pytest.mark.parametrize("name", ["claude", "codex", "gemini", "opencode", "copilot"])
def test_a_picture_reaches_the_model_as_a_picture(
    fleet_of: Any, tmp_path: Path, model: FakeModel, name: str
) -> None:
    picture = {"type": "image", "data": DOT, "mime_type": "image/png", "name": "dot.png"}
    session = opened(fleet_of(name), tmp_path / "work")
    assert answer(session, "[[say seen]]", params={"attachments": [picture]}) == "seen"
    assert any(DOT in json.dumps(call.body) for call in model.calls)


@pytest.mark.parametrize("name", ["claude", "opencode", "copilot"])
def test_a_sound_is_refused_where_an_agent_takes_none_and_the_session_goes_on(
    fleet_of: Any, tmp_path: Path, name: str
) -> None:
    sound = {"type": "audio", "data": NOISE, "mime_type": "audio/wav"}
    session = opened(fleet_of(name), tmp_path / "work")
    assert answer(session, "[[say ready]]") == "ready"  # Some take longer to start than a failure.
    error = failure(session.submit("[[say heard]]", params={"attachments": [sound]}))
    assert isinstance(error, RunFailed)
    assert error.reason == "invalid_request"
    assert "attachments[0]" in str(error)
    assert answer(session, "[[say on]]") == "on"


# OpenCode takes a whole file, and fails the turn, naming it, if its model does not.
@pytest.mark.parametrize("name", ["gemini", "copilot"])
def test_a_file_of_an_agent_that_takes_whole_files_does_not_fail_its_turn(
    fleet_of: Any, tmp_path: Path, name: str
) -> None:
    packed = {"type": "file", "data": "UEsDBAAA/w==", "name": "a.zip"}
    session = opened(fleet_of(name), tmp_path / "work")
    assert answer(session, "[[say taken]]", params={"attachments": [packed]}) == "taken"
