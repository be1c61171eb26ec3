"""What happens to sessions, as structlog events; the fields are documented in `docs/otp.md`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.logger import Logger

if TYPE_CHECKING:
    from beam.backends.effects import ProtocolViolation

__all__ = ["session_report", "violation_report"]

_log = Logger("beam.sessions")


def session_report(event: str, session_id: str, **fields: Any) -> None:
    """Emit one event of a session, at warning level."""
    _log.warning(event, session_id=session_id, **fields)


def violation_report(session_id: str, violation: ProtocolViolation) -> None:
    """Report that the agent of a session broke the protocol."""
    session_report(
        "protocol_violation",
        session_id,
        reason=violation.reason,
        detail=violation.detail,
        excerpt=violation.excerpt,
        fatal=violation.fatal,
    )
