"""Hooks: functions of yours that are called before and after what a session does.

    >>> chain = HookChain(HookRegistry(), [
    ...     hook("pre_tool_use", lambda context: {**context, "tool_input": {"path": "/srv/a"}}),
    ...     hook("pre_tool_use", lambda context: ("deny", "not there"), tool_name="^write"),
    ... ])
    >>> chain.fire("pre_tool_use", {"tool_name": "read", "tool_input": {}}).context["tool_input"]
    {'path': '/srv/a'}
    >>> chain.fire("pre_tool_use", {"tool_name": "write_file", "tool_input": {}}).reason
    'not there'

| event | fired | blocking |
|---|---|---|
| `user_prompt_submit` | before a prompt is submitted | yes |
| `pre_tool_use` | before a tool of the session's is run | yes |
| `post_tool_use` | after it was run | |
| `permission_request` | before a handler is asked for a permission | yes |
| `session_start` | when a session was started | |
| `session_end` | when it was stopped for good | |
| `stop` | when a run ended | |

A hook is called with the context, a mapping, and returns nothing, or the next context, which the
hook after it sees; or `("deny", reason)`, or `("ask", reason)`: somebody should be asked. The first
deny or ask of a blocking event is what counts, and no other hook is called. One that raises denies:
what might have said no has not said yes. For the other events nothing that a hook returns or raises
stops anybody.

The fleet's hooks come before the session's, each in the order of registration.
"""

from __future__ import annotations

import inspect
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from beam.errors import InvalidInput
from beam.model.permissions import Deny

__all__ = ["BLOCKING", "Fired", "Hook", "HookChain", "HookEvent", "HookRegistry", "hook"]

HookEvent = Literal[
    "user_prompt_submit",
    "pre_tool_use",
    "post_tool_use",
    "permission_request",
    "session_start",
    "session_end",
    "stop",
]
"""When hooks are fired."""

BLOCKING: frozenset[HookEvent] = frozenset(
    {"user_prompt_submit", "pre_tool_use", "permission_request"}
)
"""The events that a hook can stop."""

# Of a registry; one more is refused (G19).
MOST = 1000


@dataclass(frozen=True, slots=True)
class Hook:
    """One hook; made by `hook`.

    Attributes:
        event: when it is fired.
        function: what is called.
        tool_name: only for tools in whose names this is found.
    """

    event: HookEvent
    function: Callable[[Mapping[str, Any]], Any]
    tool_name: re.Pattern[str] | None = None

    def is_for(self, event: HookEvent, context: Mapping[str, Any]) -> bool:
        """Say whether it is to be called."""
        if self.event != event:
            return False
        name = context.get("tool_name", "")
        return self.tool_name is None or bool(self.tool_name.search(str(name)))


def hook(
    event: HookEvent, function: Callable[[Mapping[str, Any]], Any], *, tool_name: str | None = None
) -> Hook:
    """Return a hook.

    Args:
        event: when it is fired.
        function: called with the context; a plain function, on a thread that may block.
        tool_name: a regular expression, to be found anywhere in the tool's name.

    Raises:
        InvalidInput: the event is unknown, the function is none or a coroutine's, or the
            expression is none.
    """
    if event not in get_args(HookEvent):
        raise InvalidInput("event", event, f"one of {', '.join(get_args(HookEvent))}")
    if inspect.iscoroutinefunction(function) or not callable(function):
        raise InvalidInput("function", function, "a plain function")
    if tool_name is None:
        return Hook(event, function)
    try:
        return Hook(event, function, re.compile(tool_name))
    except (re.error, TypeError) as error:
        raise InvalidInput("tool_name", tool_name, f"a regular expression ({error})") from error


class HookRegistry:
    """The hooks of a fleet; for any thread. One is fired from when it is registered."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hooks: tuple[Hook, ...] = ()

    def register(self, one: Hook) -> None:
        """Register a hook behind the others; one that is registered already stays where it is.

        Raises:
            InvalidInput: it is no hook, or one more than 1,000.
        """
        if not isinstance(one, Hook):
            raise InvalidInput("hook", one, "a hook(...)")
        with self._lock:
            if one not in self._hooks:
                if len(self._hooks) >= MOST:
                    raise InvalidInput("hook", len(self._hooks) + 1, f"at most {MOST} hooks")
                self._hooks = (*self._hooks, one)

    def unregister(self, one: Hook) -> None:
        """Take a hook out, whether it is there or not."""
        with self._lock:
            self._hooks = tuple(kept for kept in self._hooks if kept != one)

    def hooks(self) -> tuple[Hook, ...]:
        """Return the hooks, in the order of registration."""
        return self._hooks


@dataclass(frozen=True, slots=True)
class Fired:
    """What firing an event came to.

    Attributes:
        decision: `allow`, also of every event that is not blocking.
        context: as the last hook left it.
        reason: why it is denied, or somebody should be asked.
    """

    decision: Literal["allow", "deny", "ask"]
    context: Mapping[str, Any] = field(default_factory=dict)
    reason: str | None = None


class HookChain:
    """The hooks of one session: the fleet's, then its own.

    Args:
        registry: the fleet's.
        own: the session's.
    """

    __slots__ = ("_own", "_registry")

    def __init__(self, registry: HookRegistry | None = None, own: Iterable[Hook] = ()) -> None:
        self._registry = registry
        self._own = tuple(own)

    def has(self, event: HookEvent) -> bool:
        """Say whether there is a hook for an event."""
        return any(one.event == event for one in self._all())

    def fire(self, event: HookEvent, context: Mapping[str, Any]) -> Fired:
        """Call the hooks of an event, on this thread; never raises.

        Args:
            event: what is about to happen, or has happened.
            context: what is known of it.
        """
        for one in self._all():
            if not one.is_for(event, context):
                continue
            try:
                said = one.function(dict(context))
            except Exception as error:  # noqa: BLE001 - the user's code: it has not allowed
                if event in BLOCKING:
                    why = f"a {event} hook failed ({type(error).__name__}: {error})"
                    return Fired("deny", context, why)
                continue
            stop = _stop_in(said)
            if stop is not None and event in BLOCKING:
                return Fired(stop[0], context, stop[1])
            context = _context_in(said, context)
        return Fired("allow", context)

    def _all(self) -> tuple[Hook, ...]:
        return self._own if self._registry is None else (*self._registry.hooks(), *self._own)


def _stop_in(said: Any) -> tuple[Literal["deny", "ask"], str] | None:
    if isinstance(said, Deny):
        return "deny", said.reason
    if isinstance(said, tuple) and said and said[0] in ("deny", "ask"):
        return said[0], str(said[1]) if len(said) > 1 else f"a hook said {said[0]}"
    if inspect.isawaitable(said):
        if inspect.iscoroutine(said):
            said.close()
        return "deny", "a hook is no plain function"
    return None


def _context_in(said: Any, context: Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(said, tuple) and len(said) == 2 and said[0] == "ok":
        said = said[1]
    return dict(said) if isinstance(said, Mapping) else context
