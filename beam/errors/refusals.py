"""Answers: who was asked declined, and lives (G7)."""

from __future__ import annotations

from typing import Any, ClassVar

from beam.errors.root import BeamError

__all__ = [
    "AlreadyExists",
    "Interrupted",
    "NotFound",
    "NotSupported",
    "QueryInProgress",
    "QueueFull",
    "Refused",
    "RoutingRefused",
    "RunFailed",
    "SessionClosed",
    "SessionQuarantined",
    "SessionRefused",
    "SessionRestarting",
    "StateRefused",
    "SupervisorRefused",
    "TableRefused",
]


class Refused(BeamError):
    """An answer: the callee declined, and lives (G7).

    Raised by a process in a call (or in `init`), it is the answer; the facts travel with it.
    One that came back from another process's call and leaves the handler uncaught is a crash;
    `raise Refused(...) from error` passes it on.

    Attributes:
        reason: the word for why, first argument.
        facts: the keywords, each also an attribute.
        process: who refused, set on the caller's side; `None` where it was raised.
    """

    default_reason: ClassVar[str] = "refused"
    process: Any = None

    def __init__(self, reason: Any = None, /, **facts: Any) -> None:
        reason = self.default_reason if reason is None else reason
        details = ", ".join(f"{key}={value!r}" for key, value in facts.items())
        super().__init__(reason)
        self.reason = reason
        self.facts = facts
        self._text = f"{reason}: {details}" if details else f"{reason}"

    def __getattr__(self, name: str) -> Any:
        facts = self.__dict__.get("facts", {})
        if name in facts:
            return facts[name]
        raise AttributeError(f"{type(self).__name__} has no field {name!r}")

    def __str__(self) -> str:
        return self._text


class NotFound(Refused):
    """What was asked for is not there."""

    default_reason: ClassVar[str] = "not_found"


class AlreadyExists(Refused):
    """What was to be made is there already."""

    default_reason: ClassVar[str] = "already_exists"


class NotSupported(Refused):
    """The one asked cannot do this."""

    default_reason: ClassVar[str] = "not_supported"


class QueueFull(Refused):
    """A bounded queue is full; what was offered was not taken (G19)."""

    default_reason: ClassVar[str] = "queue_full"


class SupervisorRefused(Refused):
    """A supervisor's `{error, Reason}`: `already_present`, `running`, `not_found`, ..."""


class TableRefused(Refused):
    """A table's `badarg`: `no_table`, `no_access`, `name_taken`, `bad_key`, ..."""


class RoutingRefused(Refused):
    """The router's `{error, Reason}`: `no_backend_available`, `backend_not_eligible`, ..."""


class StateRefused(Refused):
    """A state table's `{error, Reason}`: `invalid_api_key`, `pending`, `already_resolved`, ..."""


class SessionRefused(Refused):
    """A session's `{error, Reason}`."""


class QueryInProgress(SessionRefused):
    """The session serves one query at a time, and is serving one."""

    default_reason: ClassVar[str] = "query_in_progress"


class SessionRestarting(SessionRefused):
    """The session's process was not back within the call's deadline."""

    default_reason: ClassVar[str] = "session_restarting"


class SessionQuarantined(SessionRefused):
    """The session used up its restart budget and waits to be released by an operator."""

    default_reason: ClassVar[str] = "session_quarantined"


class SessionClosed(SessionRefused):
    """The session has been stopped for good."""

    default_reason: ClassVar[str] = "session_closed"


class RunFailed(SessionRefused):
    """A run ended without a result; `reason` says why: `backend_error`, `timeout`, ..."""


class Interrupted(RunFailed):
    """The run was cut short: by its user, or by a crash with `on_crash="interrupt"` (G12)."""

    default_reason: ClassVar[str] = "interrupted"
