"""What a session's process is told, and what it answers: frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.backends.effects import AskPermission
    from beam.otp import Call, Future, Ref
    from beam.sessions.past import Work

__all__ = [
    "Decided",
    "GetConnection",
    "GetInfo",
    "InterruptRun",
    "Logged",
    "Overdue",
    "PermissionAsked",
    "Set",
    "SteerRun",
    "Steered",
    "Submit",
    "ToolDone",
]


@dataclass(frozen=True, slots=True)
class Submit:
    """Call: run this; answered when it is in the log. The same run twice is the same run.

    Attributes:
        work: what to run.
        exclusive: refuse with `query_in_progress` if anything else is at work or waits.
    """

    work: Work
    exclusive: bool


@dataclass(frozen=True, slots=True)
class InterruptRun:
    """Call: cut the run short, `None` for the one at work; answered when that is in the log."""

    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class SteerRun:
    """Call: tell the agent this in the middle of its run; answered when it is in the log."""

    text: str


@dataclass(frozen=True, slots=True)
class Steered:
    """Cast when the agent has been told, or could not be.

    Attributes:
        text: what it was told.
        run_id: in which run.
        taken: whether the agent takes it.
        caller: who wanted it.
    """

    text: str
    run_id: str | None
    taken: Future[bool]
    caller: Call


@dataclass(frozen=True, slots=True)
class GetInfo:
    """Call: answered with the `SessionInfo`."""


@dataclass(frozen=True, slots=True)
class GetConnection:
    """Call: answered with the ref of the connection to the agent, `None` if there is none."""


@dataclass(frozen=True, slots=True)
class Set:
    """Call: choose a model or a permission mode; answered when that is in the log."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Logged:
    """Cast by the log: what was to be appended is, or could not be.

    Attributes:
        token: which append.
        error: why not; `None` if it is.
    """

    token: int
    error: BaseException | None


@dataclass(frozen=True, slots=True)
class Overdue:
    """A timer's mail: a connection that was told to end has had its time."""

    connection: Ref[Any]


@dataclass(frozen=True, slots=True)
class ToolDone:
    """Cast by a tool's task: its outcome."""

    run_id: str
    query_id: str
    tool_use_id: str
    content: str
    is_error: bool


@dataclass(frozen=True, slots=True)
class PermissionAsked:
    """A permission that is being asked for; as a timer's mail: once more, the broker having died.

    Attributes:
        asked: what the agent wants.
        run_id: in which run.
        until: when nobody waits for the answer any more, on the node's clock.
        took: tells the connection that the effect is taken.
    """

    asked: AskPermission
    run_id: str
    until: float
    took: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Decided:
    """Cast when the callback broker has answered, or has died."""

    question: PermissionAsked
    future: Future[Any]
