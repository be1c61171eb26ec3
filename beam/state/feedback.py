"""What users say about a session, numbered in the order in which they said it.

    >>> feedback = Feedback("session_1")
    >>> feedback, _ = feedback.submitted({"rating": 5}, at=1000)
    >>> feedback, event = feedback.cleared().submitted({"rating": 1}, at=2000)
    >>> feedback.views()
    [{'rating': 1, 'submitted_at': 2000, 'session_id': 'session_1', 'seq': 2}]

A number is never given twice, also after `cleared`. At most 1,000 entries a session are kept,
unless said otherwise; the oldest makes room and is counted in `dropped` (G19).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from beam.errors import InvalidInput
from beam.model.redaction import redact
from beam.state.control_event import ControlEvent
from beam.state.plain import plain_copy

__all__ = ["Feedback"]


@dataclass(frozen=True, slots=True)
class Feedback:
    """The feedback on one session; each change returns the next value.

    Attributes:
        session_id: the session.
        entries: oldest first.
        last_seq: the number given last.
        dropped: how many entries made room for newer ones.
        bound: the most that are kept.
    """

    session_id: str
    entries: tuple[Mapping[str, Any], ...] = ()
    last_seq: int = 0
    dropped: int = 0
    bound: int = 1000

    def submitted(self, feedback: Mapping[str, Any], *, at: int) -> tuple[Feedback, ControlEvent]:
        """Keep what somebody said, with `submitted_at`, `session_id` and `seq` set over it.

        Raises:
            InvalidInput: it is no mapping.
        """
        if not isinstance(feedback, Mapping):
            raise InvalidInput("feedback", type(feedback).__name__, "a mapping")
        seq = self.last_seq + 1
        entry: dict[str, Any] = {
            **plain_copy("feedback", feedback),
            "submitted_at": at,
            "session_id": self.session_id,
            "seq": seq,
        }
        entries = (*self.entries, entry)
        over = max(0, len(entries) - self.bound)
        return (
            replace(self, entries=entries[over:], last_seq=seq, dropped=self.dropped + over),
            ControlEvent("feedback_submitted", self.session_id, at, entry),
        )

    def cleared(self) -> Feedback:
        """Forget the entries; the numbers go on."""
        return replace(self, entries=())

    def views(self) -> list[dict[str, Any]]:
        """Return the entries in the order of their numbers, without secrets."""
        shown: list[dict[str, Any]] = redact(list(self.entries))
        return shown
