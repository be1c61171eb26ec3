"""What the command protocol asks of its host: one frozen value for each thing to do or to know.

    >>> Failed("q-1", "cli_exit", ErrorMessage(content="exit status 1"), retryable=True).reason
    'cli_exit'

`CommandProtocol` returns them, in the order in which the host is to act on them. In particular a
`RunTool` comes right after the `Deliver` of its tool use: what is delivered first is in the log
before the tool runs (G12).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from beam.model.exit_reasons import ExitReason
from beam.model.messages import ErrorMessage, Message, ResultMessage

__all__ = [
    "AgentFailed",
    "AskPermission",
    "Completed",
    "Continued",
    "Deliver",
    "Effect",
    "Failed",
    "Ignored",
    "ProtocolViolation",
    "Ready",
    "RunTool",
    "error_message",
    "failed_for",
]


Continued = Literal["new", "resumed", "transcript", "forked"]
"""How a conversation goes on from the one that its agent had before it ended."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The handshake is done, queries are welcome.

    Attributes:
        name: what the agent calls itself.
        version: its own version, empty if it did not say.
        capabilities: what it said it can do, in its order; `memory` and `interrupt` mean
            something to the protocol, others only to those who look for them.
        agent_session: the agent's own name for the conversation, by which it can be resumed;
            empty if it has none.
        continued: how the conversation goes on from the one before: `new` for not at all,
            `resumed` by the agent itself, `transcript` if the agent is told it anew, `forked`.
    """

    name: str
    version: str
    capabilities: tuple[str, ...]
    agent_session: str = ""
    continued: Continued = "new"


@dataclass(frozen=True, slots=True)
class Deliver:
    """A message of the query, for the log and the stream."""

    query_id: str
    message: Message


@dataclass(frozen=True, slots=True)
class RunTool:
    """Run a tool, and answer with `CommandProtocol.tool_result`.

    The tool may be one that was not offered: the answer to that is an error, as of any tool.
    """

    query_id: str
    tool_use_id: str
    tool_name: str
    tool_input: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AskPermission:
    """Ask for a decision, and answer with `CommandProtocol.permission`; no answer is a no (G14).

    Attributes:
        options: what the agent adds for whoever decides; the host hands it on.
    """

    query_id: str
    request_id: str
    tool_name: str
    tool_input: Mapping[str, Any]
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Completed:
    """The query has its answer. The message is the last of the stream, not delivered before."""

    query_id: str
    message: Message


@dataclass(frozen=True, slots=True)
class Failed:
    """The query has ended without an answer.

    Attributes:
        reason: the agent's word, or `interrupted`, `cli_exit`, `protocol_error`.
        message: the last of the stream, not delivered before.
        retryable: whether the same prompt may do better on another try.
        exit: the reason as a word of the closed set, with its facts, where that is known.
        unasked: whether the agent ended before it was asked: nothing has been done.
        usage: the tokens that it has cost all the same, in the buckets of `ResultMessage.usage`;
            None if the agent does not say, or its message does.
    """

    query_id: str
    reason: str
    message: Message
    retryable: bool
    exit: ExitReason | None = None
    unasked: bool = False
    usage: Mapping[str, int] | None = None

    @property
    def spent(self) -> Mapping[str, int] | None:
        """The tokens that the query has cost, whoever says so; None if nobody does."""
        if self.usage is None and isinstance(self.message, ResultMessage):
            return self.message.usage
        return self.usage


@dataclass(frozen=True, slots=True)
class AgentFailed:
    """The agent as a whole is of no more use: end the program if it has not ended.

    Attributes:
        reason, message, retryable, exit: as of `Failed`; retryable is for another start.
    """

    reason: str
    message: ErrorMessage
    retryable: bool
    exit: ExitReason | None = None


@dataclass(frozen=True, slots=True)
class ProtocolViolation:
    """The agent typed what it must not.

    Attributes:
        reason: one of the words in the specification's table.
        detail: where and why, in words.
        excerpt: the beginning of the line.
        fatal: whether the agent is given up; then the effects that end it follow.
    """

    reason: str
    detail: str
    excerpt: str
    fatal: bool


@dataclass(frozen=True, slots=True)
class Ignored:
    """A line without consequence.

    Attributes:
        reason: its type is unknown; its query is not open; it asks for something after the
            interrupt.
        type: its type.
    """

    reason: Literal["unknown_type", "late", "interrupted"]
    type: str


Effect = (
    Ready
    | Deliver
    | RunTool
    | AskPermission
    | Completed
    | Failed
    | AgentFailed
    | ProtocolViolation
    | Ignored
)


def error_message(
    reason: str, content: str, timestamp: int, wire: Mapping[str, Any] | None = None
) -> ErrorMessage:
    """Return the message that ends a stream without an answer."""
    return ErrorMessage(
        content=content, error_type=reason, is_error=True, timestamp=timestamp, raw=wire
    )


def failed_for(
    query_id: str,
    reason: ExitReason,
    timestamp: int,
    usage: Mapping[str, int] | None = None,
    *,
    content: str | None = None,
) -> Failed:
    """Return the end of a query that has no answer, for this reason of the closed set.

    Args:
        query_id: the query.
        reason: why.
        timestamp: now, Unix milliseconds.
        usage: as of `Failed`.
        content: what people are told; None for the reason's detail.
    """
    message = error_message(reason.kind, content or reason.detail or reason.kind, timestamp)
    return Failed(query_id, reason.kind, message, reason.retryable, reason, usage=usage)
