"""The options of an agent loop, checked before anything begins.

>>> try:
...     LoopOptions.of({"handler": print, "max_turns": 0})
... except InvalidOption as error:
...     error.reason
('invalid_opts', 'max_turns')
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from beam.backends.line_limits import whole_characters
from beam.errors import InvalidInput, InvalidOption
from beam.otp import Ref
from beam.providers.pace import Pace
from beam.providers.provider import OpenOptions
from beam.providers.values import Handle, Outcome
from beam.sessions.loop_handler import Handling
from beam.sessions.loop_rules import Rules
from beam.sessions.options import check_count, check_seconds

if TYPE_CHECKING:
    from beam.providers.provider import Provider

__all__ = ["LoopOptions"]


@dataclass(frozen=True, slots=True)
class LoopOptions:
    """What a user wants of an agent loop.

    Attributes:
        handler: who runs the tools (`beam.sessions.loop_handler`); None if `tools` do.
        context: handed to the handler as it is.
        tools: what the model is offered: `Tool`s, and typed functions that run themselves.
        prompt: the request; a new conversation without one begins with "Begin.".
        outcome: what is to be reached, in the prompt's place; not every provider can.
        system, model: the system prompt and the model.
        history: the conversation before, in the provider's own form.
        timeout: the seconds that a run may take, tools and reconnects included; None for ever.
        tool_timeout: the seconds that a tool may take; None for ever.
        max_turns: how many turns a request may have.
        turn_guard: is asked after each turn, with a `Progress`; returns None to go on, or
            `("halt", reason)`. What it raises halts, too.
        require_terminal_tool, terminal_tool, max_reprompts: a model that ends without having
            called that tool is told to, so often.
        session_id: the conversation to go on with.
        agent, environment: what was provisioned; `agent_id` and `environment_id` count more.
        model_config: for the provider (api_key, base_url, ...); its `metadata` is told as well.
        telemetry_metadata: is in every telemetry event.
        notify: hears how each request ended: a function, or a process, which gets a cast.
        pace: the time to go by, for tests.
        extra: what else the provider understands.
    """

    handler: Any = None
    context: Any = None
    tools: tuple[Any, ...] | list[Any] = ()
    prompt: str | None = None
    outcome: Outcome | None = None
    system: str = ""
    model: str | None = None
    history: tuple[Mapping[str, Any], ...] | list[Mapping[str, Any]] = ()
    timeout: float | None = 600.0
    tool_timeout: float | None = 300.0
    max_turns: int = 50
    turn_guard: Callable[[Any], Any] | None = None
    require_terminal_tool: bool = False
    terminal_tool: str | None = None
    max_reprompts: int = 2
    session_id: str | None = None
    agent: Handle | None = None
    environment: Handle | None = None
    agent_id: str | None = None
    environment_id: str | None = None
    model_config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    telemetry_metadata: Mapping[str, Any] = field(default_factory=dict)
    notify: Any = None
    pace: Pace = field(default_factory=Pace, repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> LoopOptions:
        """Return the options that `given` names; the others are the provider's (`extra`).

        Raises:
            InvalidOption: a value is not what it must be.
        """
        known = {one.name for one in fields(cls)} - {"extra"}
        ours = {name: value for name, value in given.items() if name in known}
        extra = {name: value for name, value in given.items() if name not in known}
        return cls(**ours, extra=extra)

    def __post_init__(self) -> None:
        try:
            self._check()
        except InvalidOption:
            raise
        except InvalidInput as error:
            raise InvalidOption(error.field, error.value, error.expected) from error

    def _check(self) -> None:
        for name in ("prompt", "model", "session_id", "agent_id", "environment_id"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str) or not value):
                raise InvalidOption(name, value, "a non-empty text, or None")
        if not isinstance(self.system, str):
            raise InvalidOption("system", self.system, "text")
        for name in ("tools", "history"):
            if not isinstance(getattr(self, name), list | tuple):
                raise InvalidOption(name, getattr(self, name), "a list or a tuple")
        for name in ("timeout", "tool_timeout"):
            if getattr(self, name) is not None:
                check_seconds(name, getattr(self, name))
        check_count("max_turns", self.max_turns, at_least=1)
        check_count("max_reprompts", self.max_reprompts, at_least=0)
        self._check_kinds()
        self._check_guard()
        self._check_terminal_tool()

    def _check_kinds(self) -> None:
        for name in ("model_config", "telemetry_metadata"):
            if not isinstance(getattr(self, name), Mapping):
                raise InvalidOption(name, getattr(self, name), "a mapping")
        kinds = {"pace": Pace, "outcome": Outcome, "agent": Handle, "environment": Handle}
        for name, kind in kinds.items():
            value = getattr(self, name)
            if value is not None and not isinstance(value, kind):
                raise InvalidOption(name, value, f"a {kind.__name__}")
        notify = self.notify
        if not (notify is None or callable(notify) or isinstance(notify, Ref)):
            raise InvalidOption("notify", notify, "a function, or a process")

    def _check_guard(self) -> None:
        guard = self.turn_guard
        if guard is None:
            return
        try:
            inspect.signature(guard).bind(None)
        except (TypeError, ValueError) as error:
            reason = ("invalid_turn_guard", guard)
            raise InvalidOption(
                "turn_guard", guard, "a function of one argument", reason
            ) from error

    def _check_terminal_tool(self) -> None:
        name: Any = self.terminal_tool
        required: Any = self.require_terminal_tool
        if not isinstance(required, bool):
            raise InvalidOption("require_terminal_tool", required, "True or False")
        wrong = name is not None and (not isinstance(name, str) or not name)
        if wrong or (required and name is None):
            reason = ("invalid_opts", "terminal_tool_required")
            raise InvalidOption("terminal_tool", name, "the name of a tool", reason)

    def handling(self) -> Handling:
        """Return the handler, understood.

        Raises:
            InvalidOption: it is none, or a tool is.
        """
        return Handling.of(self.handler, self.context, self.tools)

    def metadata(self) -> dict[str, Any]:
        """Return what telemetry and handlers are told besides."""
        told = self.model_config.get("metadata", {})
        if not isinstance(told, Mapping):
            raise InvalidOption("model_config", told, "a mapping as its metadata")
        return {**self.telemetry_metadata, **told}

    def rules(self, *, live: bool, kickoff: bool = True) -> Rules:
        """Return what holds for every request."""
        return Rules(
            max_turns=self.max_turns,
            guarded=self.turn_guard is not None,
            require_terminal_tool=self.require_terminal_tool,
            terminal_tool=self.terminal_tool,
            max_reprompts=self.max_reprompts,
            live=live,
            kickoff=kickoff,
        )

    def opening(self, provider: Provider, handling: Handling) -> OpenOptions:
        """Return what the provider opens the conversation with, which it has checked.

        Raises:
            InvalidOption: it cannot work.
            InvalidInput: likewise, in the provider's words.
        """
        if self.outcome is not None and not provider.supports_outcomes:
            expected = f"nothing: {provider.name} knows no outcomes"
            raise InvalidOption("outcome", self.outcome, expected, "outcome_unsupported")
        agent, environment = self.agent, self.environment or self.agent
        options = OpenOptions(
            prompt=whole_characters(self.prompt),
            outcome=self.outcome,
            session_id=self.session_id,
            agent_id=self.agent_id or (agent.agent_id if agent else None),
            environment_id=self.environment_id
            or (environment.environment_id if environment else None),
            system=whole_characters(self.system),
            model=self.model,
            tools=handling.offers,
            max_turns=self.max_turns,
            terminal_tool=self.terminal_tool,
            history=tuple(self.history),
            model_config=self.model_config,
            metadata=self.metadata(),
            pace=self.pace,
            extra=self.extra,
        )
        provider.check(options)
        return options
