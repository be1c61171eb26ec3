"""Sessions of the real Claude Code for tests: against a model of our own, nothing of the user's."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from beam import Fleet
from beam.backends import claude
from beam.backends.claude import ClaudeBackend
from beam.model.events import message_of
from beam.otp import Backoff, Restarts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.agents.fake_model import FakeModel

PATIENCE = 60.0
SOON = Backoff(0.01, 0.02)
OFTEN = Restarts(1000, per=60.0)
KEY = "sk-ant-dummy-credential"


def backend(model: FakeModel, home: Path, **options: Any) -> ClaudeBackend:
    """Return Claude Code as the tests run it.

    Args:
        model: what it talks to.
        home: its home, with its configuration.
        options: more of `claude`.
    """
    home.mkdir(exist_ok=True)
    env = {
        "HOME": str(home),
        "ANTHROPIC_BASE_URL": model.url,
        "ANTHROPIC_API_KEY": KEY,
        # The tests may run as root, whom the program lets bypass permissions only in a sandbox.
        "IS_SANDBOX": "1",
        **options.pop("env", {}),
    }
    given = {"model": "claude-sonnet-4-5", "retries": 0, "config_dir": home / "config"}
    return claude(env=env, **{**given, **options})


@contextlib.contextmanager
def fleet_of(backend: Any, store: Any = None, **options: Any) -> Iterator[Fleet]:
    """A fleet of Claude Codes; with its end no process is left."""
    patient = {"session_backoff": SOON, "session_budget": OFTEN}
    with Fleet(store, backends={"claude": backend}, **{**patient, **options}) as fleet:
        yield fleet
    assert psutil.Process().children(recursive=True) == []


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def fleet(model: FakeModel, tmp_path: Path) -> Iterator[Fleet]:
    with fleet_of(backend(model, tmp_path / "home")) as fleet:
        yield fleet


def opened(fleet: Fleet, work: Path, **options: Any) -> Any:
    """Start a session that works in a folder."""
    return fleet.start_session(backend="claude", cwd=str(work), backoff=SOON, **options)


def answer(session: Any, prompt: str, **terms: Any) -> str:
    """Return the answer to a prompt."""
    text: str = session.query(prompt, **terms).get(timeout=PATIENCE)
    return text


def begun(session: Any, run: Any) -> None:
    """Wait until the model speaks in this run."""
    for event in session.events(types=["message"], timeout=PATIENCE):
        if event.run_id == run.run_id and message_of(event).type == "stream_event":
            return


def tool(name: str, **arguments: Any) -> str:
    """Return a prompt that has the model use a tool."""
    return f"[[tool {name} {json.dumps(arguments)}]]"


def bash(command: str) -> str:
    """Return a prompt that has the model run a command."""
    return tool("Bash", command=command, description="for a test")
