"""The three agents that speak ACP do what every backend must do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from beam.backends import Backend
from beam.testing import BackendConformance
from tests.agents.acp_agents import AGENTS, KEY
from tests.agents.fake_model import DISTINCT, FakeModel

# OpenCode takes long to start where others are at work on the same cores.
pytestmark = pytest.mark.timeout(300)


class _Acp(BackendConformance):
    name = ""
    patience = 100.0
    secrets = (KEY,)
    charges = DISTINCT.buckets()
    silence = 4.0

    def setup_method(self) -> None:
        self.model = FakeModel(tokens=DISTINCT)
        self.model.__enter__()
        super().setup_method()

    def teardown_method(self) -> None:
        super().teardown_method()
        self.model.__exit__()

    def backend(self) -> Backend:
        return AGENTS[self.name].backend(self.model.url, self.folder / "agents")

    def writes(self, path: Path) -> str:
        return AGENTS[self.name].runs(f"echo made > {path}")

    def calls(self, tool: str, arguments: Mapping[str, Any]) -> str:
        return f"[[tool {AGENTS[self.name].tool.format(tool)} {json.dumps(arguments)}]]"


class TestGemini(_Acp):
    name = "gemini"
    # It tells all that the model was sent as one count, and nothing of what it thought.
    charges: ClassVar = {
        "input_tokens": DISTINCT.gemini()["promptTokenCount"],
        "output_tokens": DISTINCT.output,
    }


class TestOpenCode(_Acp):
    name = "opencode"
    # Its client of this API knows no writing to a cache: that is input to it.
    charges: ClassVar = {
        **DISTINCT.buckets(),
        "input_tokens": DISTINCT.input + DISTINCT.cache_write,
        "cache_write_tokens": 0,
    }
    lacks: ClassVar = {"turn_usage": "it tells the tokens of its last call of the model only"}


class TestCopilot(_Acp):
    name = "copilot"


del _Acp, BackendConformance
