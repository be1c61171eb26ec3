"""What a session is started with, checked before anything is started.

>>> SessionOptions.of({"on_crash": "retry"}).on_crash
'retry'
>>> SessionOptions.of({"on_crsh": "retry"})
Traceback (most recent call last):
    ...
beam.errors.InvalidInput: option: expected one of backend, ..., got 'on_crsh'
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from beam.backends.checking import check_servers
from beam.errors import InvalidInput
from beam.model.attachments import ATTACHMENT_LIMIT
from beam.model.encoding import encode
from beam.model.runs import LONGEST, OnCrash, parse_on_crash
from beam.otp import Backoff, Restarts
from beam.policy import Hook, HookChain, HookRegistry
from beam.sessions.recording import checked_path

__all__ = ["SessionOptions", "check_count", "check_json", "check_seconds"]

# The longest name of a session, in characters; it is told to agents.
MAX_ID = 200

_DEFAULTS = ("provider_id", "agent", "mode", "system")
_HANDLERS = ("permission_handler", "approval_handler", "user_input_handler")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """The options of `Fleet.start_session`; all times are in seconds.

    Attributes:
        backend: the name of the backend; `None` lets the router choose.
        routing: what the router is asked with, if there is no `backend` (see `beam.routing`).
        session_id: the session's name; made up unless given.
        cwd: the folder that the agent works in; empty for the fleet's own.
        model, permission_mode: chosen for the agent, where its backend knows such.
        provider_id, provider, agent, mode, system: what the session's queries start from, beside
            the model, until `fleet.runtime` is told otherwise; `provider` is its configuration.
        permission_handler: `(method, params, context) -> allow(...) | deny(...)`, asked when the
            agent wants permission; run on a thread of its own.
        approval_handler: the same for approvals, in the words accept and decline.
        user_input_handler: `(request, context) -> answer`, asked when the agent wants input.
        permission_default: `"allow"` or `"deny"`: what counts where no handler is registered.
        permission_timeout: how long a handler may take; then the answer is no (G14).
        tools: functions that the agent may call; their signatures say with what.
        mcp_servers: the MCP servers that the agent is to use, by name: each a mapping with
            `command`, `args` and `env`, or with `type` (`http`, `sse`), `url` and `headers`.
        hooks: what is called before and after what it does; see `beam.policy.hooks`.
        on_crash: what becomes of a run whose session crashes: `"interrupt"` or `"retry"`.
        retries: how many crashes a retried run survives; `None` for any number.
        timeout: how long a run may take once it is at work; `None` for ever.
        queue_max: how many submitted runs may wait.
        attachment_limit: the most bytes of one attachment that is sent along; 512 KiB.
        connect_timeout, init_timeout: how long the agent may take to start, and to be ready; the
            latter is the backend's own affair unless given.
        reconnects: how many transports may end, and within what time, before it is quarantined.
        backoff: how long it waits before it connects again.
        record: the path of a file into which the session's events are written as they are
            stored, for `beam.testing.scripted` to play; see `beam.sessions.recording`.
        metadata: the caller's own notes, JSON data.
        options: what else the backend understands.
    """

    backend: str | None = None
    routing: Mapping[str, Any] | None = None
    session_id: str | None = None
    cwd: str = ""
    model: str | None = None
    permission_mode: str | None = None
    provider_id: str | None = None
    provider: Mapping[str, Any] | None = None
    agent: str | None = None
    mode: str | None = None
    system: str | None = None
    permission_handler: Callable[..., Any] | None = None
    approval_handler: Callable[..., Any] | None = None
    user_input_handler: Callable[..., Any] | None = None
    permission_default: str = "deny"
    permission_timeout: float = 300.0
    tools: Sequence[Callable[..., Any]] = ()
    # Their environments and headers may hold secrets.
    mcp_servers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    hooks: Sequence[Hook] | HookChain = ()
    on_crash: OnCrash = "interrupt"
    retries: int | None = None
    timeout: float | None = 120.0
    queue_max: int = 1000
    attachment_limit: int = ATTACHMENT_LIMIT
    connect_timeout: float = 15.0
    init_timeout: float | None = None
    reconnects: Restarts = field(default_factory=lambda: Restarts(5, per=60.0))
    backoff: Backoff = field(default_factory=lambda: Backoff(0.1, 30.0, jitter=0.2))
    record: str | os.PathLike[str] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> SessionOptions:
        """Return the options that `given` names.

        Raises:
            InvalidInput: an option is unknown, or its value is not what it must be.
        """
        known = [one.name for one in fields(cls)]
        for name in given:
            if name not in known:
                raise InvalidInput("option", name, f"one of {', '.join(known)}")
        return cls(**given)

    def __post_init__(self) -> None:
        parse_on_crash(self.on_crash)
        for name in ("backend", "session_id", "permission_mode", "model", *_DEFAULTS):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str) or not value):
                raise InvalidInput(name, value, "a non-empty text, or None")
        if self.session_id is not None and len(self.session_id) > MAX_ID:
            raise InvalidInput("session_id", self.session_id, f"at most {MAX_ID} characters")
        if not isinstance(self.cwd, str):
            raise InvalidInput("cwd", self.cwd, "the path of a folder, as text")
        if self.permission_default not in ("allow", "deny"):
            raise InvalidInput("permission_default", self.permission_default, "'allow' or 'deny'")
        for name in _HANDLERS:
            if getattr(self, name) is not None and not callable(getattr(self, name)):
                raise InvalidInput(name, getattr(self, name), "a function, or None")
        if not isinstance(self.tools, (list, tuple)):
            raise InvalidInput("tools", self.tools, "a list or a tuple of functions")
        self._check_hooks()
        check_servers(self.mcp_servers)
        self._check_limits()
        checked_path(self.record)
        check_json("metadata", self.metadata)
        for name in ("routing", "provider", "options"):
            value = getattr(self, name)
            if not isinstance(value, Mapping) and not (name != "options" and value is None):
                raise InvalidInput(name, value, "a mapping")

    def _check_hooks(self) -> None:
        if isinstance(self.hooks, HookChain):
            return
        right = isinstance(self.hooks, (list, tuple))
        if not right or not all(isinstance(one, Hook) for one in self.hooks):
            raise InvalidInput("hooks", self.hooks, "a list or a tuple of hook(...)")

    def chain(self, registry: HookRegistry | None = None) -> HookChain:
        """Return its hooks, behind those of the fleet's registry if one is given."""
        if isinstance(self.hooks, HookChain):
            return self.hooks
        return HookChain(registry, self.hooks)

    def _check_limits(self) -> None:
        for name in ("permission_timeout", "connect_timeout"):
            check_seconds(name, getattr(self, name))
        for name in ("timeout", "init_timeout"):
            if getattr(self, name) is not None:
                check_seconds(name, getattr(self, name))
        check_count("queue_max", self.queue_max, at_least=1)
        check_count("attachment_limit", self.attachment_limit, at_least=0)
        if self.retries is not None:
            check_count("retries", self.retries, at_least=0)
        if not isinstance(self.reconnects, Restarts):
            raise InvalidInput("reconnects", self.reconnects, "Restarts(most, per=seconds)")
        if not isinstance(self.backoff, Backoff):
            raise InvalidInput("backoff", self.backoff, "Backoff(first, longest, jitter=...)")

    def defaults(self) -> dict[str, Any]:
        """Return what the runtime is told of them: what queries start from."""
        named = {"model_id": self.model, "provider": self.provider}
        named |= {name: getattr(self, name) for name in _DEFAULTS}
        return {name: value for name, value in named.items() if value is not None}

    def callbacks(self) -> dict[str, Any]:
        """Return what the callback broker is told of them."""
        given = {name: getattr(self, name) for name in _HANDLERS}
        known = {name: handler for name, handler in given.items() if handler is not None}
        return {
            **known,
            "permission_default": self.permission_default,
            "permission_timeout": self.permission_timeout,
        }


def check_seconds(name: str, value: Any) -> None:
    """Refuse what is no positive number of seconds.

    Raises:
        InvalidInput: naming `name`.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < LONGEST:
        raise InvalidInput(name, value, "a number of seconds above 0")


def check_count(name: str, value: Any, *, at_least: int) -> None:
    """Refuse what is no whole number of `at_least` or more.

    Raises:
        InvalidInput: naming `name`.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
        raise InvalidInput(name, value, f"a whole number, {at_least} or more")


def check_json(name: str, value: Any) -> None:
    """Refuse what is no mapping of JSON data.

    Raises:
        InvalidInput: naming `name`.
    """
    if not isinstance(value, Mapping):
        raise InvalidInput(name, value, "a mapping of JSON data")
    try:
        encode(dict(value))
    except InvalidInput as error:
        raise InvalidInput(name, value, f"JSON data ({error})") from error
