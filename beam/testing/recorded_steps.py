"""The steps of a recorded query: what its agent did, and what it waited for.

    >>> from beam.model import Message
    >>> attempt = Attempt(5, (Said(6, Message("text", "hm")),), Waiting(9))
    >>> [type(step).__name__ for step in (*attempt.steps, attempt.end)]
    ['Said', 'Waiting']

Plain values. `beam.testing.recording` reads them out of a file, `beam.testing.recorded` plays them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from beam.model.exit_reasons import ExitReason
from beam.model.messages import Message
from beam.model.permissions import Decision

__all__ = [
    "Answered",
    "Asked",
    "Attempt",
    "Called",
    "Decided",
    "Done",
    "GaveUp",
    "Gone",
    "RecordedRun",
    "Said",
    "Step",
    "Waiting",
]


@dataclass(frozen=True, slots=True)
class Said:
    """The agent said something."""

    at: int
    message: Message


@dataclass(frozen=True, slots=True)
class Called:
    """The agent had its host run a tool."""

    at: int
    tool_use_id: str
    name: str
    given: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answered:
    """The tool's outcome was there; no content if it was not said."""

    at: int
    tool_use_id: str
    content: str | None
    is_error: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """The agent asked for permission."""

    at: int
    request_id: str
    name: str
    given: Mapping[str, Any]
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Decided:
    """The permission was given, or not; `redacted` if what was said is not all kept."""

    at: int
    request_id: str
    decision: Decision
    redacted: bool


@dataclass(frozen=True, slots=True)
class Done:
    """The agent answered; its last message."""

    at: int
    message: Message


@dataclass(frozen=True, slots=True)
class GaveUp:
    """The agent failed the query; as of `beam.backends.effects.Failed`."""

    at: int
    reason: str
    message: Message
    retryable: bool
    exit: ExitReason | None = None


@dataclass(frozen=True, slots=True)
class Gone:
    """The agent ended in the middle of the query.

    Attributes:
        reason: the transport's word.
        detail: what was said of it.
        number: the exit status, or the size at which it was recycled, where there was one.
        exit: the reason as a word of the closed set, where there was one.
    """

    at: int
    reason: str
    detail: str
    number: Any = None
    exit: ExitReason | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """The agent had not ended when its user interrupted it, its time was over, or so."""

    at: int


Step = Said | Called | Answered | Asked | Decided | Done | GaveUp | Gone | Waiting
"""What happened in a query: by the agent, or what it waited for. `at` is Unix milliseconds."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One query.

    Attributes:
        started_at: when it was asked, Unix milliseconds.
        steps: what happened, in order, its end not included.
        end: how it ended.
        agent_session: the agent's name for the conversation at that time.
        continued: how the conversation went on from the one before.
    """

    started_at: int
    steps: tuple[Step, ...]
    end: Step
    agent_session: str = ""
    continued: Any = "new"


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """One run: what was asked, and what became of it at each attempt."""

    prompt: str
    attempts: tuple[Attempt, ...]
