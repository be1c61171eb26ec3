"""What a provider and the agent loop say to each other: frozen values.

    >>> (Usage(10, 2) + Usage(5, 1, cache_read_tokens=7)).input_tokens
    15
    >>> TurnResult("end_turn", "stop", "Hello").custom_tool_uses
    ()

The mappings in them are shared with whoever made them and must not be changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "Artifact",
    "Handle",
    "Outcome",
    "SessionInfo",
    "SessionResult",
    "Terminal",
    "Tool",
    "ToolResult",
    "ToolUse",
    "TurnResult",
    "Usage",
]

Terminal = Literal["end_turn", "requires_action", "terminated"]
"""How a turn ends: there are no other ways."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the model may ask us to run.

    Attributes:
        name: the name to call it by.
        description: what it does, in words for a model.
        input_schema: the JSON schema of its input.
    """

    name: str
    description: str = ""
    input_schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "object"})


@dataclass(frozen=True, slots=True)
class ToolUse:
    """The model asks for a tool.

    Attributes:
        id: what ties the result to it; unique in a conversation.
        name: the tool.
        input: what it is called with, JSON data.
    """

    id: str
    name: str
    input: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What came of a tool use."""

    tool_use_id: str
    text: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, in buckets that do not overlap, so that their sum is the total.

    Attributes:
        input_tokens: read, without those of the cache.
        output_tokens: written, without those of reasoning.
        cache_read_tokens: read from the provider's cache.
        cache_write_tokens: read, and written to the provider's cache.
        reasoning_tokens: written before the answer.
        raw: what the provider said, frame by frame.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    raw: tuple[Mapping[str, Any], ...] = ()

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.raw + other.raw,
        )

    def as_data(self) -> dict[str, int]:
        """Return the buckets as JSON data, under the names of `ResultMessage.usage`."""
        return {
            "input_tokens": self.input_tokens,
            "cache_read_tokens": self.cache_read_tokens,
            "cache_write_tokens": self.cache_write_tokens,
            "output_tokens": self.output_tokens,
            "reasoning_tokens": self.reasoning_tokens,
        }


@dataclass(frozen=True, slots=True)
class TurnResult:
    """A turn's events, understood.

    Attributes:
        terminal: how it ended.
        stop_reason: the provider's own word for that.
        text: what the model said, joined.
        custom_tool_uses: the tools that we are to run, in the order of the model's asking.
        server_tool_uses: the tools that the provider ran itself; never run here.
        usage: what the turn cost; None if the provider did not say.
        answered: how many tool uses the provider has answered itself. A turn that requires
            action, has no `uses` and some `answered` goes on by `Provider.continue_input`.
    """

    terminal: Terminal
    stop_reason: str = ""
    text: str = ""
    custom_tool_uses: tuple[ToolUse, ...] = ()
    server_tool_uses: tuple[ToolUse, ...] = ()
    usage: Usage | None = None
    answered: int = 0


@dataclass(frozen=True, slots=True)
class SessionResult:
    """What came of a request: a prompt or an outcome, through all of its turns.

    Attributes:
        terminal: how the last turn ended.
        stop_reason: the provider's own word, or `no_terminal_tool`.
        session_id: the conversation, to go on with.
        text: what the model said in the last turn.
        custom_tool_uses: every tool use of the request, each id once.
        server_tool_uses: every tool that the provider ran.
        usage: the sum over the turns; None if the provider never said.
        turns: how many there were.
        events: the provider's events, in order.
        transcript: the conversation as the provider keeps it on this side; None if it does not.
    """

    terminal: Terminal
    stop_reason: str
    session_id: str
    text: str = ""
    custom_tool_uses: tuple[ToolUse, ...] = ()
    server_tool_uses: tuple[ToolUse, ...] = ()
    usage: Usage | None = None
    turns: int = 0
    events: tuple[Any, ...] = ()
    transcript: tuple[Mapping[str, Any], ...] | None = None


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """Which conversation this is; handed to handlers, made anew for each call.

    Attributes:
        session_id: the provider's name for it.
        provider: the provider's name.
        metadata: the caller's own notes.
    """

    session_id: str
    provider: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the agent is to reach, and how that is judged; some providers work towards it alone.

    Attributes:
        description: what is wanted.
        rubric: what an evaluator looks at.
        max_iterations: how often it may be tried; None for the provider's own bound.
    """

    description: str
    rubric: str = ""
    max_iterations: int | None = None


@dataclass(frozen=True, slots=True)
class Handle:
    """What was provisioned, to be used by any number of conversations.

    Attributes:
        provider: the provider's name.
        agent_id: the agent there.
        environment_id: what it runs in; None if the provider has no such thing.
        details: what else the provider needs to find it again, JSON data.
    """

    provider: str
    agent_id: str
    environment_id: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file that an agent made or was given.

    Attributes:
        name: its name.
        size: its bytes.
        ref: what the provider fetches it by.
        raw: all that the provider said of it.
    """

    name: str
    size: int
    ref: str
    raw: Mapping[str, Any] = field(default_factory=dict)
