"""Agents and model providers as backends: one module, or a few, for each kind.

A backend turns what one agent speaks into the unified messages of `beam.model`. It knows nothing
of supervision or storage: those are above and below. `function(callable)` and `command(line)` make
the simple ones; `docs/command-agents.md` says what a command agent speaks. Those of real agents
need an extra of the package each, and import its client when the fleet is made: `codex()`.
"""

from beam.backends.acp import acp
from beam.backends.acp_presets import copilot, gemini, opencode
from beam.backends.backend import Backend
from beam.backends.claude import claude
from beam.backends.codex import codex
from beam.backends.command import command
from beam.backends.function import function
from beam.backends.turn_limits import GIB, MemoryLimits, TurnLimits

__all__ = [
    "GIB",
    "Backend",
    "MemoryLimits",
    "TurnLimits",
    "acp",
    "claude",
    "codex",
    "command",
    "copilot",
    "function",
    "gemini",
    "opencode",
]
