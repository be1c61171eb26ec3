"""The three agents that speak ACP, each with the fake model as its provider."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beam.backends import TurnLimits, copilot, gemini, opencode
from tests.agents.programs import program

if TYPE_CHECKING:
    from beam.backends.acp import AcpBackend

__all__ = ["AGENTS", "Agent"]

KEY = "dummy-5d1f"
"""Every key that an agent has here; it must be in no log."""


@dataclass(frozen=True)
class Agent:
    """One of the three.

    Attributes:
        name: what it is called.
        shell: its tool that runs a command.
        tool: how its model calls a tool of the session's, `{}` for its name.
        resumes: whether it takes its conversation up again by itself, at any time.
    """

    name: str
    shell: str
    tool: str
    resumes: bool = True

    def backend(self, url: str, home: Path, **options: Any) -> AcpBackend:
        """Return its backend, with a folder of its own."""
        make = {"gemini": _gemini, "opencode": _opencode, "copilot": _copilot}[self.name]
        command = options.pop("command", None) or program(self.name).command()
        # Soon enough for another try within a test's patience.
        options.setdefault("turn", TurnLimits(first_byte=40.0))
        return make(url, command=command, home=home, **options)

    def runs(self, command: str) -> str:
        """Return a prompt that makes it run a command."""
        arguments = {"command": command, "description": "Do as the test says"}
        return f"[[tool {self.shell} {json.dumps(arguments)}]]"

    def __str__(self) -> str:
        return self.name


def _gemini(url: str, **options: Any) -> AcpBackend:
    env = {"GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": url}
    return gemini(env=env | options.pop("env", {}), model="gemini-2.5-flash", **options)


def _opencode(url: str, **options: Any) -> AcpBackend:
    models = {
        name: {
            "name": name,
            "tool_call": True,
            "attachment": True,
            "modalities": {"input": ["text", "image"], "output": ["text"]},
            "limit": {"context": 100_000, "output": 4000},
        }
        for name in ("fake", "fake-small")
    }
    local = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "Local",
        "options": {"baseURL": f"{url}/v1", "apiKey": KEY},
        "models": models,
    }
    config = {
        "model": "local/fake",
        "small_model": "local/fake-small",
        "autoupdate": False,
        "share": "disabled",
        "enabled_providers": ["local"],
        "permission": {"bash": "ask", "edit": "ask"},
        "provider": {"local": local},
    }
    env = {"OPENCODE_CONFIG_CONTENT": json.dumps(config)}
    return opencode(env=env | options.pop("env", {}), **options)


def _copilot(url: str, **options: Any) -> AcpBackend:
    env = {
        "COPILOT_OFFLINE": "true",
        "COPILOT_PROVIDER_BASE_URL": f"{url}/v1",
        "COPILOT_PROVIDER_TYPE": "openai",
        "COPILOT_PROVIDER_API_KEY": KEY,
    }
    return copilot(env=env | options.pop("env", {}), model="fake", **options)


AGENTS = {
    each.name: each
    for each in (
        Agent("gemini", "run_shell_command", "mcp_beam_{}", resumes=False),
        Agent("opencode", "bash", "beam_{}"),
        Agent("copilot", "bash", "beam-{}"),
    )
}
