"""What the agent loop's core asks of whoever runs it: one frozen value for each thing to do.

`beam.sessions.loop` returns them, in the order in which they are to be done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from beam.errors import LoopFailed, ProviderFailed
from beam.providers.values import SessionResult, ToolUse, Usage

__all__ = [
    "AskGuard",
    "Cancel",
    "Connect",
    "Effect",
    "Emit",
    "Fail",
    "Finish",
    "InterruptServer",
    "Progress",
    "Reconnect",
    "RunTools",
    "Send",
    "Tell",
]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a request has come: what a turn guard is asked with.

    Attributes:
        usage: the sum over its turns; None if the provider never said.
        turns: how many there were, with the one that has just ended.
        session_id: the conversation.
    """

    usage: Usage | None
    turns: int
    session_id: str


@dataclass(frozen=True, slots=True)
class Connect:
    """Open the event stream; say `connected`, then each `event`, at last `dropped`."""


@dataclass(frozen=True, slots=True)
class Reconnect:
    """Take the conversation up again after so many seconds; say `reconnected` or `unreachable`."""

    delay: float


@dataclass(frozen=True, slots=True)
class Send:
    """Send an input: poll with it and say `polled`, or push it; say `unsent` if it fails."""

    given: Any


@dataclass(frozen=True, slots=True)
class AskGuard:
    """Ask the turn guard, and say `guarded`."""

    progress: Progress


@dataclass(frozen=True, slots=True)
class RunTools:
    """Run the tools, and say `tools_done` with the results in this order."""

    uses: tuple[ToolUse, ...]


@dataclass(frozen=True, slots=True)
class Tell:
    """Show the handler an event."""

    event: Any


@dataclass(frozen=True, slots=True)
class Emit:
    """Emit a telemetry event."""

    name: tuple[str, ...]
    measured: Mapping[str, Any] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cancel:
    """Give up the poll, the guard and the tools that are at work; nothing more is heard of them."""


@dataclass(frozen=True, slots=True)
class InterruptServer:
    """Have the provider tell its server to stop."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The request has its answer."""

    result: SessionResult


@dataclass(frozen=True, slots=True)
class Fail:
    """The request has ended without an answer."""

    error: LoopFailed | ProviderFailed
    result: SessionResult


Effect = (
    Connect
    | Reconnect
    | Send
    | AskGuard
    | RunTools
    | Tell
    | Emit
    | Cancel
    | InterruptServer
    | Finish
    | Fail
)
