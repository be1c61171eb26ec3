"""`provider_backend`: any model provider as a backend of a fleet.

    from beam.providers.chat import chat
    from beam.sessions.loop_backend import provider_backend

    local = provider_backend(chat("llama3.2", base_url="http://localhost:11434/v1"))
    with beam.Fleet(backends={"local": local}) as fleet:
        session = fleet.start_session(backend="local", tools=[add])
        session.query("Add 2 and 3.").get()

The session's own functions are the model's tools: each call is in the log before it is run (G12),
and asked for first if `ask_permission` says so. The rest is the agent loop's.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from beam.backends.agent_backend import AgentBackend
from beam.backends.turn_limits import TurnLimits
from beam.errors import InvalidInput
from beam.providers.provider import Provider
from beam.sessions.loop_driver import LoopDriver
from beam.sessions.loop_handler import Handling
from beam.sessions.loop_options import LoopOptions

if TYPE_CHECKING:
    from beam.backends.agent_wire import Wire
    from beam.backends.backend import Opening
    from beam.backends.driver import Driver
    from beam.backends.talk import Talk
    from beam.ports.spec import PortSpec

__all__ = ["ProviderBackend", "provider_backend"]

OPTIONS = (
    "system", "model", "model_config", "max_turns", "tool_timeout", "turn_guard",
    "require_terminal_tool", "terminal_tool", "max_reprompts", "agent", "environment", "agent_id",
    "environment_id", "telemetry_metadata", "pace",
)  # fmt: skip
"""The options of the loop that a backend takes; the others are the session's, or a run's."""

THE_SESSIONS_OWN = ("handler", "context", "tools", "prompt", "outcome", "history", "timeout",
                    "session_id", "notify")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ProviderBackend(AgentBackend):
    """A model provider; `provider_backend` makes it.

    Attributes:
        provider: who answers.
        options: of the agent loop.
        ask_permission: whether the session is asked before a tool runs; or the tools of which.
    """

    kind: ClassVar[str] = "provider"

    provider: Provider
    options: LoopOptions
    ask_permission: bool | frozenset[str] = False

    def check(self) -> None:
        """Refuse what cannot work, such as a provider whose extra is not installed.

        Raises:
            InvalidInput: naming what is wrong.
        """
        self.options.opening(self.provider, Handling.of(lambda name, given, context: None))

    def program(self, opening: Opening) -> PortSpec | None:
        """Return None: a provider is a server elsewhere."""
        return None

    def driver(self, talk: Talk, wire: Wire | None) -> Driver:
        """Return a session's conversation."""
        return LoopDriver(self, talk)

    def asks(self, tool: str) -> bool:
        """Say whether the session is asked before this tool runs."""
        asked = self.ask_permission
        return asked if isinstance(asked, bool) else tool in asked


def provider_backend(
    provider: Provider,
    *,
    ask_permission: bool | Collection[str] = False,
    turn: TurnLimits | None = None,
    **options: Any,
) -> ProviderBackend:
    """Return a backend whose agents are the one agent loop over a model provider.

    Args:
        provider: who answers, such as `chat(...)`.
        ask_permission: ask the session before a tool runs; or the names of the tools to ask for.
            Nobody is asked unless this is said: the tools are the session's own functions.
        turn: how long it may be silent.
        options: those of `beam.run` that are no session's or run's own: `system`, `model`,
            `model_config`, `max_turns`, `tool_timeout`, `turn_guard`, `terminal_tool` and the like.

    Raises:
        InvalidInput: an option is not what it must be, or belongs to the session.
    """
    if not isinstance(provider, Provider):
        raise InvalidInput("provider", provider, "a Provider")
    for name in options:
        if name in THE_SESSIONS_OWN:
            expected = f"this of the session; a backend takes {', '.join(OPTIONS)}"
            raise InvalidInput("option", name, expected)
    wanted = LoopOptions.of({**options, "timeout": None})
    asked: Any = ask_permission
    if not isinstance(asked, bool):
        if isinstance(asked, str) or not isinstance(asked, Collection):
            raise InvalidInput("ask_permission", asked, "True, False, or names of tools")
        asked = frozenset(asked)
    return ProviderBackend(
        provider=provider, options=wanted, ask_permission=asked, turn=turn or TurnLimits()
    )
