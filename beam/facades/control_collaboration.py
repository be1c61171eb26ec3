"""The part of `fleet.control` with reviews and realtime exchanges, by session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from beam.errors import InvalidInput
from beam.facades.histories import Histories
from beam.facades.part import SessionLike, id_of
from beam.facades.reads import ControlReading
from beam.state.collaboration_offers import experimental_features, modes
from beam.state.control_rows import CONTROL
from beam.state.store_rows import active_thread

if TYPE_CHECKING:
    from beam.state.realtime import Realtime
    from beam.state.review import Review

__all__ = ["CollaborationFunctions"]


class CollaborationFunctions(ControlReading, Histories):
    """Reviews and realtime exchanges; each change is told in the thread that it is about.

    The thread is the one that is named, which is not checked; else the active one; else a new one
    with the name of the feature.
    """

    __slots__ = ()

    def collaboration_modes(self, session_id: SessionLike) -> dict[str, Any]:
        """Return in which ways one can work together in the session."""
        return modes(id_of(session_id))

    def experimental_features(
        self, session_id: SessionLike, opts: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """Return the features that may still change.

        Args:
            session_id: the session.
            opts: `features`: only those of these names; `enabled`: only those that are, or are not.

        Raises:
            InvalidInput: an option is unknown, or not what it must be.
        """
        id_of(session_id)
        return experimental_features(opts)

    # Reviews

    def start_review(self, session_id: SessionLike, params: Mapping[str, Any]) -> Review:
        """Begin a review.

        Args:
            session_id: the session.
            params: JSON data. `thread_id`, `review_id`, `backend`, `mode`, `source`, `target`,
                `stage`, and the lists `participants`, `comments`, `issues`, `resolutions`, if
                given; what is no list counts as none.

        Raises:
            QueueFull: 1,000 reviews of the session are open.
        """
        name = id_of(session_id)
        thread_id = self._thread(name, params, "review")
        review: Review = self._ask(CONTROL, "start_review", name, thread_id, params)
        return review

    def list_reviews(self, session_id: SessionLike) -> list[Review]:
        """Return the session's reviews, the oldest first."""
        return self._reads.list_reviews(id_of(session_id))

    def advance_review(
        self,
        session_id: SessionLike,
        review_id: str,
        stage: str,
        *,
        more: Mapping[str, Any] | None = None,
    ) -> Review:
        """Bring a review to a later stage, or more into the same.

        Args:
            session_id: the session.
            review_id: the review.
            stage: `requested` or `active`.
            more: what was said: any of the lists of `start_review`.

        Raises:
            NotFound: there is no such review.
            StateRefused: `invalid_status_transition`: it is closed, or past that stage.
        """
        arguments = (id_of(session_id), review_id, stage, more or {})
        review: Review = self._ask(CONTROL, "advance_review", *arguments)
        return review

    def close_review(
        self, session_id: SessionLike, review_id: str, *, more: Mapping[str, Any] | None = None
    ) -> Review:
        """End a review: its stage is `resolved`.

        Args:
            session_id: the session.
            review_id: the review.
            more: what was said at last: any of the lists of `start_review`.

        Raises:
            NotFound: there is no such review.
            StateRefused: `invalid_status_transition`: it is closed already.
        """
        review: Review = self._ask(
            CONTROL, "close_review", id_of(session_id), review_id, more or {}
        )
        return review

    # Realtime

    def start_realtime(self, session_id: SessionLike, params: Mapping[str, Any]) -> Realtime:
        """Begin a realtime exchange in a thread, in place of any there.

        Args:
            session_id: the session.
            params: JSON data. `thread_id`, `realtime_id`, `backend`, `transport`, `mode`, `codec`,
                `sample_rate`, `sample_rate_hz`, `channels`, `language`, `transport_metadata`, if
                given.

        Raises:
            QueueFull: 1,000 exchanges of the session are active.
        """
        name = id_of(session_id)
        thread_id = self._thread(name, params, "realtime")
        exchange: Realtime = self._ask(CONTROL, "start_realtime", name, thread_id, params)
        return exchange

    def list_realtime(self, session_id: SessionLike) -> list[Realtime]:
        """Return the session's realtime exchanges, the oldest first."""
        return self._reads.list_realtime(id_of(session_id))

    def append_realtime_text(
        self, session_id: SessionLike, thread_id: str, params: Mapping[str, Any]
    ) -> Realtime:
        """Send a text into the exchange of a thread.

        Args:
            session_id: the session.
            thread_id: the thread.
            params: the `text`, or `content`; an empty one unless given.

        Raises:
            NotFound: there is no exchange in the thread.
            StateRefused: `not_active`: it has been stopped.
        """
        said = _mapping("params", params).get("text", params.get("content", ""))
        exchange: Realtime = self._ask(
            CONTROL, "append_realtime_text", id_of(session_id), thread_id, said
        )
        return exchange

    def append_realtime_audio(
        self, session_id: SessionLike, thread_id: str, params: Mapping[str, Any]
    ) -> Realtime:
        """Send a piece of audio into the exchange of a thread.

        Args:
            session_id: the session.
            thread_id: the thread.
            params: its `mime`, `path` and `size`; the sound itself stays where it is.

        Raises:
            NotFound: there is no exchange in the thread.
            StateRefused: `not_active`: it has been stopped.
        """
        exchange: Realtime = self._ask(
            CONTROL, "append_realtime_audio", id_of(session_id), thread_id, params
        )
        return exchange

    def stop_realtime(self, session_id: SessionLike, thread_id: str) -> Realtime:
        """End the exchange of a thread, and keep what it was; again changes nothing.

        Raises:
            NotFound: there is no exchange in the thread.
        """
        exchange: Realtime = self._ask(CONTROL, "stop_realtime", id_of(session_id), thread_id)
        return exchange

    def clear_collaboration(self) -> None:
        """Forget the reviews and exchanges of all sessions."""
        self._ask(CONTROL, "clear_collaboration")

    def _thread(self, session_id: str, params: Mapping[str, Any], feature: str) -> str:
        given = _mapping("params", params)
        named = given.get("thread_id", given.get("threadId"))
        if named is not None:
            if not (isinstance(named, str) and named):
                raise InvalidInput("thread_id", named, "a non-empty text")
            return named
        active = active_thread(self._grounds.node, session_id)
        if active is not None:
            return active
        return self._threads.start_thread(session_id, {"name": feature}).thread_id


def _mapping(field: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidInput(field, value, "a mapping")
    return value
