"""What is told of a change in a session's control state: an event for subscribers and for the log.

>>> event = ControlEvent("task_stopped", "session_1", 1000, {"task_id": "t1", "token": "x"})
>>> event.as_message()["token"], event.as_message()["event_class"]
('redacted', 'control')
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from beam.model.redaction import redact

__all__ = ["SOURCE", "ControlEvent"]

SOURCE = "universal"
"""Where control events come from: the fleet itself, not a backend."""


@dataclass(frozen=True, slots=True)
class ControlEvent:
    """One thing that happened.

    Attributes:
        subtype: what, as `pending_request_stored`.
        session_id: to which session.
        timestamp: when, in Unix milliseconds.
        payload: the facts, secrets included; only `as_message` may leave the process.
    """

    subtype: str
    session_id: str
    timestamp: int
    payload: Mapping[str, Any]

    def as_message(self) -> dict[str, Any]:
        """Return the event as a message of type `system`, without secrets (G17)."""
        return {
            **redact(self.payload),
            "type": "system",
            "subtype": self.subtype,
            "session_id": self.session_id,
            "source": SOURCE,
            "event_class": "control",
            "timestamp": self.timestamp,
        }
