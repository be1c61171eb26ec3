"""Whom a session asks: its handlers for permissions, approvals and questions to the user.

    >>> callbacks = Callbacks.from_options({"permission_handler": print, "cwd": "/tmp"})
    >>> callbacks.permission_default, callbacks.approval_handler
    ('deny', None)

Handlers are callables of this process. They are no data: the log does not keep them, and after a
restart of the whole process they have to be registered again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from beam.errors import InvalidInput

__all__ = ["Callbacks", "Handler", "PermissionDefault"]

Handler = Callable[..., Any]
"""A handler; what it is called with and what it may return is said where it is asked."""

PermissionDefault = Literal["allow", "deny"]
"""The decision where no handler is registered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Callbacks:
    """The handlers of one session; a session that registered none has the empty value.

    Attributes:
        permission_handler: called with method, params and context.
        approval_handler: called with method, params and context.
        user_input_handler: called with request and context.
        permission_default: counts only where there is no handler to ask (G14).
    """

    permission_handler: Handler | None = None
    approval_handler: Handler | None = None
    user_input_handler: Handler | None = None
    permission_default: PermissionDefault = "deny"

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Callbacks:
        """Return the handlers among a session's start options; other keys are left.

        Raises:
            InvalidInput: a handler cannot be called, or the default is neither allow nor deny.
        """
        return cls(
            permission_handler=_handler(options, "permission_handler"),
            approval_handler=_handler(options, "approval_handler"),
            user_input_handler=_handler(options, "user_input_handler"),
            permission_default=_default(options),
        )


def _handler(options: Mapping[str, Any], key: str) -> Handler | None:
    handler: Handler | None = options.get(key)
    if handler is not None and not callable(handler):
        raise InvalidInput(key, handler, "a callable")
    return handler


def _default(options: Mapping[str, Any]) -> PermissionDefault:
    match options.get("permission_default"):
        case None | "deny":
            return "deny"
        case "allow":
            return "allow"
        case other:
            raise InvalidInput("permission_default", other, "'allow' or 'deny'")
