"""What the tests of real agents stand on: a model of our own, a home of their own, nothing left."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

import beam
from beam.backends.credentials import is_credential
from tests.agents import claude_sessions, codex_sessions
from tests.agents.acp_agents import AGENTS
from tests.agents.acp_sessions import OFTEN
from tests.agents.fake_model import FakeModel
from tests.agents.saying_server import Start, servers

if TYPE_CHECKING:
    from beam.backends import Backend

FleetWith = Callable[..., beam.Fleet]
KEPT = ("PATH", "LANG", "TMPDIR", "VIRTUAL_ENV", "BEAM_AGENTS_CACHE", "BEAM_STRESS")


@pytest.fixture
def model() -> Iterator[FakeModel]:
    """A scripted model on loopback; its `url` goes into an agent's configuration."""
    with FakeModel() as fake:
        yield fake


@pytest.fixture
def start() -> Iterator[Start]:
    """What starts a server that answers with given bytes; see `saying_server`."""
    with servers() as begin:
        yield begin


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Take the user's environment away: no credentials, no configuration; return the home."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if is_credential(name) or (name not in KEPT and not name.startswith(("PYTEST", "BEAM_"))):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    return home


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """See that no process is left of a test, of whatever tree it was."""
    before = _children()
    yield
    left = [_shown(pid) for pid in _children() - before]
    assert not left, f"processes that are left: {left}"


@pytest.fixture
def fleet_with(tmp_path: Path) -> Iterator[FleetWith]:
    """Return a function that starts a fleet with a backend named `agent`; closed at the end."""
    with contextlib.ExitStack() as open_fleets:

        def start(backend: Backend, **options: Any) -> beam.Fleet:
            store = options.pop("store", tmp_path / "fleet.db")
            fleet = beam.Fleet(store, backends={"agent": backend}, **options)
            return open_fleets.enter_context(fleet)

        yield start


@pytest.fixture
def fleet_of(
    model: FakeModel, tmp_path: Path, fleet_with: FleetWith
) -> Callable[[str], beam.Fleet]:
    """Return a function that starts a fleet with one of the five agents, by its name."""

    def start(name: str) -> beam.Fleet:
        if name == "claude":
            return fleet_with(claude_sessions.backend(model, tmp_path / "home"), **OFTEN)
        if name == "codex":
            return fleet_with(codex_sessions.backend(model, tmp_path / "home"), **OFTEN)
        return fleet_with(AGENTS[name].backend(model.url, tmp_path / "agents"), **OFTEN)

    return start


def _children() -> set[int]:
    """Return the processes below this one, without those that wait to be reaped."""
    found = set()
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.status() != psutil.STATUS_ZOMBIE:
                found.add(child.pid)
    return found


def _shown(pid: int) -> str:
    with contextlib.suppress(psutil.Error):
        return f"{pid} {' '.join(psutil.Process(pid).cmdline())[:80]}"
    return str(pid)
