"""The provider contract: what the agent loop asks of whoever answers its turns.

A provider is configured once and shared by conversations, so it holds no state of theirs: what
belongs to one is in its *conn*, an opaque value that `open` makes. A provider has one of two modes.

| mode | a turn is | besides the abstract ones it has |
|---|---|---|
| `request_response` | one `poll_turn`: input in, events out | `poll_turn` |
| `streaming` | what `stream` yields, up to a boundary | `stream`, `push_input`, `is_boundary` |

A smallest one, which answers what it is told:

    >>> class Echo(Provider):
    ...     name = "echo"
    ...     mode = "request_response"
    ...     async def open(self, options):
    ...         return "conversation-1"
    ...     def session_id(self, conn):
    ...         return conn
    ...     def user_input(self, text):
    ...         return text
    ...     def resume_input(self, uses, results):
    ...         return results[0].text
    ...     async def poll_turn(self, conn, given, forward):
    ...         return ({"type": "said", "text": given},), conn
    ...     def normalize(self, events):
    ...         return TurnResult("end_turn", "said", events[-1]["text"])
    >>> Echo().kickoff_input(OpenOptions(prompt="Hello"))
    'Hello'

Coroutines run on the event loop of the conversation, one at a time for each conn, and may be
cancelled at any `await`: a conn that `poll_turn` was given must then still be good, for the next
input is sent with it. The other functions are pure, and quick. An *event* is what the provider says
on its wire, a mapping if all is well; an *input* is whatever `poll_turn` or `push_input` take.

What a provider cannot do it says by `ProviderFailed`, which goes to the caller as it is; anything
else that it raises is told as `("provider_error", exception)`.
"""

from __future__ import annotations

import abc
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from beam.errors import NotSupported
from beam.providers.pace import Pace
from beam.providers.values import Handle, Outcome, Tool, ToolResult, ToolUse, TurnResult

__all__ = ["Event", "Forward", "Mode", "OpenOptions", "Provider"]

Mode = Literal["streaming", "request_response"]

Event = Any
"""What a provider says on its wire: a mapping, but the loop survives anything."""

Forward = Callable[[Event], Awaitable[None]]
"""Says an event before the turn is over; the turn's events must begin with all that were said.

To be awaited: whoever listens may be slower than the model (G19).
"""

BEGIN = "Begin."
"""What a fresh conversation is told if its caller had nothing to say."""


@dataclass(frozen=True, slots=True)
class OpenOptions:
    """What a conversation is opened with.

    Attributes:
        prompt: the first request; None for none.
        outcome: what is to be reached, in the prompt's place.
        session_id: the conversation to go on with; None for a new one.
        agent_id, environment_id: what was provisioned for it.
        system: the system prompt.
        model: the model; None for the provider's own choice.
        tools: what we run for the model.
        max_turns: how many turns a request may have.
        terminal_tool: the tool whose call ends the work.
        history: the conversation before this one, in the provider's own form; empty for none.
        model_config: how to reach the model (api_key, base_url), and what else it takes.
        metadata: the caller's own notes.
        pace: the time to go by.
        extra: the options that the loop does not know.
    """

    prompt: str | None = None
    outcome: Outcome | None = None
    session_id: str | None = None
    agent_id: str | None = None
    environment_id: str | None = None
    system: str = ""
    model: str | None = None
    tools: tuple[Tool, ...] = ()
    max_turns: int = 50
    terminal_tool: str | None = None
    history: tuple[Mapping[str, Any], ...] = ()
    # Not in the repr: it may hold a key.
    model_config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    pace: Pace = field(default_factory=Pace, repr=False, compare=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


class Provider(abc.ABC):
    """Whoever answers the turns of a conversation; see the module.

    Attributes:
        name: what it is called in telemetry and in `SessionInfo`.
        mode: which of the two ways its turns go.
        supports_outcomes: whether `kickoff_input` understands an `Outcome`.
        remembers: whether a conversation is kept at the provider, so that one can be gone on with
            by its `session_id`, after this program has died.
    """

    name: ClassVar[str]
    mode: ClassVar[Mode]
    supports_outcomes: ClassVar[bool] = False
    remembers: ClassVar[bool] = False

    def check(self, options: OpenOptions) -> None:  # noqa: B027 - there may be nothing to check
        """Refuse what cannot work, before anything is opened; without any I/O.

        Raises:
            InvalidInput: naming the option that is wrong, or the extra that is not installed.
        """

    # Every provider

    @abc.abstractmethod
    async def open(self, options: OpenOptions) -> Any:
        """Begin a conversation, or find the one that `options.session_id` names.

        Returns:
            Its conn. The event stream is not open yet: see `stream`.

        Raises:
            ProviderFailed: it could not; the caller gets this very exception.
        """

    @abc.abstractmethod
    def session_id(self, conn: Any) -> str:
        """Return the provider's name for the conversation."""

    def resumed(self, conn: Any) -> bool:
        """Say whether `open` found a conversation that was there before."""
        return False

    def kickoff_input(self, options: OpenOptions) -> Any:
        """Return the first input of a new conversation: the outcome, or the prompt."""
        return self.user_input(options.prompt or BEGIN)

    @abc.abstractmethod
    def user_input(self, text: str) -> Any:
        """Return the input that says `text` for the user."""

    @abc.abstractmethod
    def resume_input(self, uses: Sequence[ToolUse], results: Sequence[ToolResult]) -> Any:
        """Return the input that answers tool uses; both in the same order, never empty."""

    @abc.abstractmethod
    def normalize(self, events: Sequence[Event]) -> TurnResult:
        """Return what the events of a turn come to.

        Total: whatever the events are, it returns; what makes no sense is `terminated`.
        """

    async def close(self, conn: Any) -> None:  # noqa: B027 - there may be nothing to close
        """Let go of the connection, not of the conversation. Called once, when all else ended."""

    # Request and response

    async def poll_turn(
        self, conn: Any, given: Any, forward: Forward
    ) -> tuple[Sequence[Event], Any]:
        """Send an input and return the events of the turn, and the conn that counts from now on.

        Args:
            conn: as the last turn left it; must stay good if this one is cancelled or fails.
            given: the input.
            forward: may be told of events as they come; await it.
        """
        raise NotSupported("poll_turn", provider=self.name)

    # Streaming

    def stream(self, conn: Any) -> AsyncIterator[Event]:
        """Return the conversation's events, from now on, as an async generator.

        Its first item is None, once: connected, so that what is pushed now is answered here.
        It ends when the server ends it, and raises what went wrong; either is a drop, after which
        the loop reconnects. Closing the generator closes the connection under it.
        """
        raise NotSupported("stream", provider=self.name)

    async def push_input(self, conn: Any, given: Any) -> None:
        """Send an input; what it leads to comes by `stream`.

        Args:
            conn: as it is; it does not change by this.
            given: an input, or one event that the user of a live session sends as it is.
        """
        raise NotSupported("push_input", provider=self.name)

    def is_boundary(self, event: Event) -> bool:
        """Say whether the event ends a turn. Total, as `normalize`."""
        return False

    def event_id(self, event: Event) -> str | None:
        """Return what an event is known by, so that none counts twice; None for none."""
        found = event.get("id") if isinstance(event, Mapping) else None
        return found if isinstance(found, str) else None

    # Optional

    async def reconnect(self, conn: Any) -> Any:
        """Take the conversation up again, after a drop or when it is resumed.

        Returns:
            The conn that counts from now on. Then, if it is streaming, the loop opens its
            `stream`, and when that is connected asks for its `history`: in this order, so that
            no event is between the two.

        Raises:
            ProviderFailed: it could not; a live session tries again later.
        """
        return conn

    async def history(self, conn: Any) -> Sequence[Event]:
        """Return every event of the conversation, all pages, oldest first, after a reconnect.

        The loop marks their ids as seen, takes up those that it has missed, and runs the tool
        uses that nobody has answered. Empty if the provider does not keep them.

        Raises:
            ProviderFailed: it could not; a live session reconnects again later.
        """
        return ()

    def pending_tool_uses(self, events: Sequence[Event]) -> tuple[ToolUse, ...]:
        """Return the tool uses among the events that no event among them answers."""
        return ()

    def continue_input(self) -> Any:
        """Return the input after a turn whose tool uses the provider has answered all by itself."""
        raise NotSupported("continue_input", provider=self.name)

    async def interrupt(self, conn: Any) -> None:  # noqa: B027 - many servers need not be told
        """Ask the server to stop working; the poll is cancelled by the loop, before this."""

    def transcript(self, conn: Any) -> tuple[Mapping[str, Any], ...] | None:
        """Return the conversation as it is kept on this side; None if it is not."""
        return None

    def from_turns(self, turns: Sequence[tuple[str, str]]) -> tuple[Mapping[str, Any], ...] | None:
        """Return what was said before as a `history` to open with; None if there is none.

        Args:
            turns: who spoke, `user` or `assistant`, and the text; oldest first.
        """
        return None

    def text_delta(self, event: Event) -> str | None:
        """Return the piece of the answer's text that the event brings; None for none. Total."""
        return None

    def thinking_delta(self, event: Event) -> str | None:
        """Return the piece of the model's reasoning that the event brings; None for none. Total."""
        return None

    # Provisioning

    async def provision(self, spec: Any, options: Mapping[str, Any]) -> Handle:
        """Make what conversations need at the provider, and return how to find it again.

        Raises:
            NotSupported: there is nothing to make.
        """
        raise NotSupported("provision", provider=self.name)

    async def teardown(self, handle: Handle, options: Mapping[str, Any]) -> None:
        """Remove what `provision` made.

        Raises:
            NotSupported: there is nothing to remove.
        """
        raise NotSupported("teardown", provider=self.name)
