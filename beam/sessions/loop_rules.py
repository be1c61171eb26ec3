"""What holds for every request to an agent loop, and the words for how one has failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from beam.errors import LoopFailed, ProviderFailed

if TYPE_CHECKING:
    from beam.providers.values import SessionResult

__all__ = ["Rules", "failure", "word_of"]

CORRECTION = (
    "You ended your turn without calling the tool {name!r}. The work is not done until you have "
    "called it: call {name!r} now."
)


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for every request.

    Attributes:
        max_turns: how many turns one may have.
        guarded: whether there is a turn guard.
        require_terminal_tool: whether the model must call `terminal_tool` before it ends.
        terminal_tool: that tool.
        max_reprompts: how often it is told so.
        live: whether the session goes on after a request, and reconnects after a drop.
        kickoff: whether a new conversation begins with a request.
    """

    max_turns: int = 50
    guarded: bool = False
    require_terminal_tool: bool = False
    terminal_tool: str | None = None
    max_reprompts: int = 2
    live: bool = False
    kickoff: bool = True

    @property
    def correction(self) -> str:
        """What a model is told that has ended without its terminal tool."""
        return CORRECTION.format(name=self.terminal_tool)


def word_of(cause: Any, raised_as: str) -> str:
    """Return the stop reason of a request that failed for `cause`; see `failure`."""
    if isinstance(cause, BaseException):
        return raised_as
    return cause if isinstance(cause, str) else str(cause[0])


def failure(cause: Any, raised_as: str, result: SessionResult) -> LoopFailed | ProviderFailed:
    """Return the exception for a request that failed.

    Args:
        cause: the reason, or the exception that somebody else raised; what a provider says of its
            own accord is the answer as it is.
        raised_as: the reason's first word, for any other exception.
        result: what there was until then.
    """
    if isinstance(cause, ProviderFailed | LoopFailed):
        return cause
    if isinstance(cause, BaseException):
        failed = LoopFailed((raised_as, cause), result)
        failed.__cause__ = cause
        return failed
    return LoopFailed(cause, result)
