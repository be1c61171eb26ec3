"""What happens to sessions, as structlog events; the fields are documented in `docs/otp.md`."""

from __future__ import annotations

from typing import Any

import structlog

__all__ = ["session_report"]

_log: Any = structlog.get_logger("beam.sessions")


def session_report(event: str, session_id: str, **fields: Any) -> None:
    """Emit one event of a session, at warning level."""
    _log.warning(event, session_id=session_id, **fields)
