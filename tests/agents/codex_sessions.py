"""Sessions of the real Codex for tests: against a model of our own, with nothing of the user's."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import psutil

from beam import Fleet
from beam.backends import codex
from beam.backends.codex import CodexBackend
from beam.otp import Backoff, Restarts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.agents.fake_model import FakeModel

PATIENCE = 60.0
SOON = Backoff(0.01, 0.02)
OFTEN = Restarts(1000, per=60.0)


def backend(model: FakeModel, home: Path, **options: Any) -> CodexBackend:
    """Return Codex as the tests run it.

    Args:
        model: what it talks to.
        home: its own folder.
        options: more of `codex`.
    """
    home.mkdir(exist_ok=True)
    provider = {
        "name": "local",
        "base_url": f"{model.url}/v1",
        "wire_api": "responses",
        "env_key": "LOCAL_KEY",
        "request_max_retries": 0,
        "stream_max_retries": 0,
        "supports_websockets": False,
    }
    overrides = {
        "model": "fake",
        "model_provider": "local",
        "model_providers.local": provider,
        "web_search": "disabled",
    }
    env = {"LOCAL_KEY": "dummy-credential", "HOME": str(home)}
    return codex(home=home, env=env, config_overrides=overrides, **options)


@contextlib.contextmanager
def fleet_of(backend: Any, store: Any = None, **options: Any) -> Iterator[Fleet]:
    """A fleet of Codexes; with its end no process is left."""
    patient = {"session_backoff": SOON, "session_budget": OFTEN}
    with Fleet(store, backends={"codex": backend}, **{**patient, **options}) as fleet:
        yield fleet
    assert psutil.Process().children(recursive=True) == []


def escalated(command: str) -> str:
    """Return a prompt for a command that has to be asked for."""
    call = {
        "cmd": command,
        "sandbox_permissions": "require_escalated",
        "justification": "for a test",
    }
    return f"[[tool exec_command {json.dumps(call)}]]"


def patched(path: str, text: str) -> str:
    """Return a prompt for a change of a file."""
    patch = f"*** Begin Patch\n*** Add File: {path}\n+{text}\n*** End Patch\n"
    call = {"cmd": f"apply_patch <<'EOF'\n{patch}EOF\n"}
    return f"[[tool exec_command {json.dumps(call)}]]"


def plain(command: str) -> str:
    """Return a prompt for a command that may run in the sandbox."""
    return f"[[tool exec_command {json.dumps({'cmd': command})}]]"
