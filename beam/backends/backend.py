"""The port of the backends: what a session asks of an agent, and what it hears from it.

A backend is a user's choice, made before the fleet starts: `function(review)`, `command("...")`.
It knows how to connect: to start a process, linked to the session that asks, which is that
session's connection to one agent. From then on the two talk by casts:

- the session casts what it wants: `Query`, `ToolResult`, `PermissionAnswer`, `Interrupt`,
  `Abandon`, `Took`;
- the connection casts `Heard(connection, effect)`, with the effects of `beam.backends.effects`:
  first `Ready`; in a query `Deliver`, `RunTool`, `AskPermission`; at its end one `Completed` or
  `Failed`; `AgentFailed` when the agent is of no more use, before the connection ends.

Each query ends by exactly one `Completed` or `Failed`, unless it was abandoned. One query is open
at a time; a `Query` that comes before `Ready`, or while an abandoned one is still being ended,
waits for that (one such, a second is refused with `query_in_progress`). A query's messages wait
for the session: after `WINDOW` effects of which it has not said `Took`, a connection reads no more
from its agent (G19); after the first message of a real agent's query it waits for one `Took`.

A connection that ends, with whatever reason, is a transport that ended: the session hears of it by
the link, after all that was said. One whose agent ended first ends with
`("shutdown", (reason, detail))`:

| reason, as of the `AgentFailed` before it | detail | |
|---|---|---|
| `cli_exit` | the exit status, None if it is not known | the program ended by itself |
| `interrupted` | the exit status | it was ended, as it did not end a query in time: no crash |
| `protocol_error` | the exit status | it was ended, as it broke the protocol |
| `spawn_failed` | the word for why (`ENOENT`, `too_many_ports`) | it could not be started |
| a word of the agent's own | the exit status | it said that it cannot work |

A connection ends when its session does, by the same link; it has ended only when no OS process of
its agent is left (G16), which takes at most `Backend.ends_within`. One that is killed ends at once,
and `Ports` ends what it had. To look inside: every connection answers the call `"os_process"` with
the pid of the agent's program, None if there is none.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from beam.backends.host_lines import HostTool, Turn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from beam.backends.effects import Effect
    from beam.model.permissions import Decision
    from beam.otp import ChildSpec, Future, Ref

__all__ = [
    "WINDOW",
    "Abandon",
    "Backend",
    "Heard",
    "Interrupt",
    "ListConversations",
    "Opening",
    "PermissionAnswer",
    "Query",
    "Steer",
    "Took",
    "ToolResult",
]

WINDOW = 256
"""The most effects that a connection may be ahead of its session."""


@dataclass(frozen=True, slots=True)
class Query:
    """Ask the agent; one query at a time.

    Attributes:
        query_id: new for each query and each attempt.
        prompt: what is asked.
        history: the conversation before it, oldest first.
        tools: what the host runs for the agent.
        params: the query's options (model, max_turns, ...).
        attempt: 1, or more if the prompt was run before and may have had effects (G12).
        timeout: the seconds until the session gives up.
    """

    query_id: str
    prompt: str
    history: tuple[Turn, ...] = ()
    tools: tuple[HostTool, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    attempt: int = 1
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class ToolResult:
    """Answer a `RunTool`."""

    query_id: str
    tool_use_id: str
    content: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class PermissionAnswer:
    """Answer an `AskPermission`."""

    query_id: str
    request_id: str
    decision: Decision


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Ask the agent to end the query: by `Failed(reason="interrupted")`, if it is not too late."""

    query_id: str


@dataclass(frozen=True, slots=True)
class Abandon:
    """Forget the query: the session wants nothing more of it.

    A connection whose agent cannot be brought to end it ends itself, and the agent with it.
    """

    query_id: str


@dataclass(frozen=True, slots=True)
class Steer:
    """Tell the agent something in the middle of its query, where it can be told.

    Attributes:
        query_id: the query.
        text: what to say.
        answer: settled with whether the agent takes it.
    """

    query_id: str
    text: str
    answer: Future[bool]


@dataclass(frozen=True, slots=True)
class ListConversations:
    """Ask which conversations the agent has kept, where it can say.

    Attributes:
        cwd: only those of this folder; None for all.
        answer: settled with a list of mappings, or None if the agent cannot say.
    """

    cwd: str | None
    answer: Future[Any]


@dataclass(frozen=True, slots=True)
class Took:
    """The session has taken `count` more effects, and they are in the log."""

    count: int


@dataclass(frozen=True, slots=True)
class Heard:
    """What the connection says to its session."""

    connection: Ref[Any]
    effect: Effect


@dataclass(frozen=True, slots=True)
class Opening:
    """What a connection is told when it is made.

    Attributes:
        session: the session's process, to cast to; it is also the one that calls `connect`.
        session_id: its name.
        cwd: the folder that the agent works in; empty for the fleet's own.
        options: the session's options that are the backend's business.
        model, permission_mode: chosen for the agent; None for its own. Each query says them again.
        resume: the agent's own name for the conversation that is to go on; empty for a new one.
        tools: what the host runs for the agent. Each query says them again.
        mcp_servers: the MCP servers that the agent is to use, by name: a mapping with `command`,
            `args` and `env`, or with `type` (`http` or `sse`), `url` and `headers`.
    """

    session: Ref[Any]
    session_id: str
    cwd: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    model: str | None = None
    permission_mode: str | None = None
    resume: str = ""
    tools: tuple[HostTool, ...] = ()
    # Their environments and headers may hold secrets.
    mcp_servers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)


class Backend(abc.ABC):
    """A kind of agent, configured; made by the user, shared by all its sessions."""

    kind: ClassVar[str]
    """The row of the capability table that it has (`beam.model.capabilities`)."""

    ready_within: ClassVar[float] = 15.0
    """The seconds that an agent may take to be ready, where its session does not say."""

    steers: ClassVar[bool] = False
    """Whether its connections take `Steer`; an agent may still refuse."""

    @property
    def ends_within(self) -> float:
        """The seconds that a connection may take to end, when it is told to."""
        return 1.0

    @abc.abstractmethod
    def check(self) -> None:
        """Refuse what cannot work, when the fleet is made and nothing has started.

        Raises:
            InvalidInput: naming what is wrong.
        """

    def children(self, name: str) -> Sequence[ChildSpec]:
        """Return the processes that all its connections share, to be supervised by the fleet.

        Args:
            name: the name of this backend in the fleet; part of the children's ids and names.
        """
        return ()

    @abc.abstractmethod
    def connect(self, name: str, opening: Opening) -> Ref[Any]:
        """Start a connection, linked to the calling session, and return its ref.

        Args:
            name: the name of this backend in the fleet.
            opening: for whom.

        Raises:
            StartError: it could not be started, with the reason.
        """
