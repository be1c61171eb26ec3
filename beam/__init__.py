"""OTP for AI agents: supervised fleets of agent sessions, in one Python process.

Two doors: `beam.Fleet` for people who run agents, `beam.otp` for people who build supervised
actors. What is behind a door is imported when it is first opened, so that who wants the actors
alone does not pay for the fleet. That holds for `beam.backends`, `beam.model`, `beam.providers`,
`beam.telemetry` and `beam.testing`, too: `import beam` is enough to use them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from beam._foreign import ForeignWarning, warn_if_foreign

if TYPE_CHECKING:
    from beam import backends as backends
    from beam import errors, otp
    from beam import model as model
    from beam import providers as providers
    from beam import telemetry as telemetry
    from beam import testing as testing
    from beam.backends import Backend, command, function
    from beam.fleet import Fleet
    from beam.model import Message, allow, deny
    from beam.otp import whereis
    from beam.sessions.loop_run import aio, run

__version__ = "0.1.0"

__all__ = [
    "Backend",
    "Fleet",
    "ForeignWarning",
    "Message",
    "aio",
    "allow",
    "command",
    "deny",
    "errors",
    "function",
    "otp",
    "run",
    "whereis",
]

_ROOMS = ("backends", "errors", "model", "otp", "providers", "telemetry", "testing")
"""What is reached as `beam.backends` and the like, without an import of its own."""

_HOMES = {
    "Backend": "beam.backends",
    "Fleet": "beam.fleet",
    "Message": "beam.model",
    "aio": "beam.sessions.loop_run",
    "allow": "beam.model",
    "command": "beam.backends",
    "deny": "beam.model",
    "function": "beam.backends",
    "run": "beam.sessions.loop_run",
    "whereis": "beam.otp",
}


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"beam.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'beam' has no attribute {name!r}")
    found = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_ROOMS})


warn_if_foreign()
