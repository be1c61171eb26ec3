"""The part of `fleet.control` with what is done with a live session and its threads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from beam.errors import InvalidInput, NotFound, SessionRefused
from beam.facades.control_collaboration import CollaborationFunctions
from beam.facades.part import SessionLike, id_of
from beam.facades.routing import RoutingFacade

if TYPE_CHECKING:
    from beam.state.realtime import Realtime
    from beam.state.review import Review
    from beam.state.stored_session import SessionMeta

__all__ = ["LiveFunctions"]

_SOURCE = "universal"


class LiveFunctions(CollaborationFunctions):
    """Turns, realtime, reviews, and the sessions of a session's backend.

    Where a session must live, it may raise what its handle does: `SessionRestarting`,
    `SessionQuarantined`, `SessionClosed`; and `NotFound` if there is none.
    """

    __slots__ = ()

    # Turns

    def turn_steer(
        self,
        session: SessionLike,
        thread_id: str,
        turn_id: str,
        input: Any,  # noqa: A002 - the specification's word
        *,
        opts: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Tell the agent something in the middle of its turn; return when that is in the log.

        Args:
            session: the session.
            thread_id: the thread, for the answer.
            turn_id: the turn, likewise: a session is at work on one at a time.
            input: what it is told: a text, or a list of mappings with `text`.
            opts: the backend's own options; none of ours has any.

        Returns:
            `thread_id`, `turn_id`, `status` (`steered`), `source` (`direct_backend`), `backend`.

        Raises:
            InvalidInput: the input has no text.
            NotSupported: with `backend`: its agents cannot be told now, and nobody was.
            SessionRefused: `no_active_query`.
        """
        _texts(thread_id=thread_id, turn_id=turn_id)
        if opts is not None and not isinstance(opts, Mapping):
            raise InvalidInput("opts", opts, "a mapping")
        text = _told(input)
        handle = self._handle(session)
        with self._blocking("turn_steer"):
            handle.steer(text)
        return {
            "thread_id": thread_id,
            "turn_id": turn_id,
            "status": "steered",
            "source": "direct_backend",
            "backend": self._router.backend(session),
        }

    def turn_interrupt(self, session: SessionLike, thread_id: str, turn_id: str) -> dict[str, str]:
        """Cut the turn at work short; return when that is in the log.

        Args:
            session: the session.
            thread_id: the thread, for the answer.
            turn_id: the turn, likewise: a session is at work on one at a time.

        Returns:
            `thread_id`, `turn_id`, `status` (`interrupted`), `source` and `backend`.

        Raises:
            SessionRefused: `no_active_query`.
        """
        _texts(thread_id=thread_id, turn_id=turn_id)
        backend = self._router.backend(session)
        self._router.interrupt(session)
        return {
            "thread_id": thread_id,
            "turn_id": turn_id,
            "status": "interrupted",
            "source": _SOURCE,
            "backend": backend,
        }

    # Realtime and reviews

    def thread_realtime_start(self, session: SessionLike, opts: Mapping[str, Any]) -> Realtime:
        """Begin a realtime exchange, as `start_realtime`, with the session's backend."""
        return self.start_realtime(session, self._with_backend(session, opts))

    def thread_realtime_append_audio(
        self, session: SessionLike, thread_id: str, opts: Mapping[str, Any]
    ) -> Realtime:
        """Send a piece of audio into the exchange of a thread, as `append_realtime_audio`."""
        return self.append_realtime_audio(session, thread_id, opts)

    def thread_realtime_append_text(
        self, session: SessionLike, thread_id: str, opts: Mapping[str, Any]
    ) -> Realtime:
        """Send a text into the exchange of a thread, as `append_realtime_text`."""
        return self.append_realtime_text(session, thread_id, opts)

    def thread_realtime_stop(self, session: SessionLike, thread_id: str) -> Realtime:
        """End the exchange of a thread, as `stop_realtime`."""
        return self.stop_realtime(session, thread_id)

    def review_start(self, session: SessionLike, opts: Mapping[str, Any]) -> Review:
        """Begin a review, as `start_review`, with the session's backend."""
        return self.start_review(session, self._with_backend(session, opts))

    def collaboration_mode_list(self, session: SessionLike) -> dict[str, Any]:
        """Return in which ways one can work together in the session."""
        return self.collaboration_modes(session)

    def experimental_feature_list(
        self, session: SessionLike, *, opts: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Return the features that may still change, as `experimental_features`."""
        return self.experimental_features(session, opts or {})

    def _with_backend(self, session: SessionLike, opts: Any) -> dict[str, Any]:
        if not isinstance(opts, Mapping):
            raise InvalidInput("opts", opts, "a mapping")
        try:
            return {**opts, "backend": self._router.backend(session)}
        except NotFound:
            return dict(opts)

    # The backend's sessions

    def server_health(self, session: SessionLike) -> dict[str, Any]:
        """Return how the session's backend is, as far as the session tells; never an error of it.

        Returns:
            `status` `healthy`, with `backend`, `session_id` and `uptime_ms` since the session was
            started first; or `unknown` with `reason`. Always `source`.
        """
        name = id_of(session)
        try:
            info = self._router.session_info(session)
        except (NotFound, SessionRefused) as error:
            return {"status": "unknown", "reason": error.reason, "source": _SOURCE}
        now = self._grounds.commons.journal().now()
        return {
            "status": "healthy",
            "backend": info.backend,
            "session_id": name,
            "uptime_ms": max(0, now - info.created_at) if info.created_at else 0,
            "source": _SOURCE,
        }

    def list_server_sessions(self, session: SessionLike) -> list[SessionMeta]:
        """Return the stored sessions of the session's backend, the one changed last first."""
        return self._router.list_sessions(opts={"backend": self._router.backend(session)})

    def get_server_session(self, session: SessionLike, session_id: str) -> SessionMeta:
        """Return what is told of a stored session.

        Raises:
            NotFound: there is none of this id.
        """
        id_of(session)
        return self._router.get_session(session_id)

    def delete_server_session(self, session: SessionLike, session_id: str) -> dict[str, Any]:
        """Forget a stored session; one that lives is stopped first.

        Returns:
            `session_id`, and `deleted`: whether there was one.
        """
        id_of(session)
        try:
            self._router.get_session(session_id)
        except NotFound:
            return {"session_id": session_id, "deleted": False}
        self._router.delete_session(session_id)
        return {"session_id": session_id, "deleted": True}

    def list_server_agents(self, session: SessionLike) -> list[dict[str, Any]]:
        """Return the agents that the session's agent can be, as `router.supported_agents`."""
        return self._router.supported_agents(session)

    @property
    def _router(self) -> RoutingFacade:
        return RoutingFacade(self._grounds)


def _texts(**named: object) -> None:
    for field, value in named.items():
        if not (isinstance(value, str) and value):
            raise InvalidInput(field, value, "a non-empty text")


def _told(given: Any) -> str:
    """Return the text of what an agent is to be told."""
    parts = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    texts: list[Any] = [one.get("text") if isinstance(one, Mapping) else one for one in parts]
    if not texts or not all(isinstance(text, str) and text for text in texts):
        raise InvalidInput("input", given, "a text, or a list of mappings with text")
    return "\n".join(texts)
