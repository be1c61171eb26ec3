"""The part of `control` with what people said about sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.state.control_events import event_of_told
from beam.state.control_part import ControlPart

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beam.model.events import Event
    from beam.state.feedback import Feedback

__all__ = ["FeedbackCalls"]


class FeedbackCalls(ControlPart):
    """Feedback, numbered; a number is used once."""

    def submit_feedback(self, session_id: str, feedback: Mapping[str, Any]) -> Any:
        """Keep what somebody said about the session, with the next number."""

        def change() -> tuple[Feedback, tuple[Event, ...]]:
            kept, told = self._rows.feedback(session_id).submitted(feedback, at=self._journal.now())
            return kept, (event_of_told(self._journal, told),)

        return self._change("feedback", session_id, change)

    def clear_feedback(self, session_id: str) -> Any:
        """Forget the feedback; the numbers go on."""

        def change() -> tuple[Feedback, tuple[Event, ...]]:
            kept = self._rows.feedback(session_id).cleared()
            return kept, (self._journal.event("feedback_cleared", session_id, seq=kept.last_seq),)

        return self._change("feedback", session_id, change)
