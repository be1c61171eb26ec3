"""The part of `fleet.control` with what people said about sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.facades.part import SessionLike, id_of
from beam.facades.reads import ControlReading
from beam.state.control_rows import CONTROL

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FeedbackFunctions"]


class FeedbackFunctions(ControlReading):
    """Feedback, numbered; a number is used once."""

    __slots__ = ()

    def submit_feedback(self, session_id: SessionLike, feedback: Mapping[str, Any]) -> None:
        """Keep what somebody said about the session, with the next number."""
        self._ask(CONTROL, "submit_feedback", id_of(session_id), feedback)

    def get_feedback(self, session_id: SessionLike) -> list[dict[str, Any]]:
        """Return the feedback on the session in order, without secrets."""
        return self._reads.get_feedback(id_of(session_id))

    def clear_feedback(self, session_id: SessionLike) -> None:
        """Forget the feedback; the numbers go on."""
        self._ask(CONTROL, "clear_feedback", id_of(session_id))
