"""The part of `fleet.control` with the requests that wait for somebody to answer them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.facades.part import SessionLike, id_of
from beam.facades.reads import ControlReading
from beam.state.control_rows import CONTROL

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RequestFunctions"]


class RequestFunctions(ControlReading):
    """Pending requests, each answered once."""

    __slots__ = ()

    def store_pending_request(
        self, session_id: SessionLike, request_id: str, request: Mapping[str, Any]
    ) -> None:
        """Store a request that somebody is to answer, in place of any with this id.

        Raises:
            QueueFull: so many requests of the session wait already.
            StateRefused: `being_asked`: a handler is at work on one with this id.
        """
        self._ask(CONTROL, "store_pending_request", id_of(session_id), request_id, request)

    def resolve_pending_request(
        self, session_id: SessionLike, request_id: str, response: Mapping[str, Any]
    ) -> None:
        """Answer a request, once; who waits for it is answered, too.

        A permission or an approval is answered by `response["decision"]`, in any form that its
        handler may use; what cannot be read denies (G14).

        Raises:
            NotFound: there is no such request.
            StateRefused: `already_resolved`.
        """
        self._ask(CONTROL, "resolve_pending_request", id_of(session_id), request_id, response)

    def get_pending_response(self, session_id: SessionLike, request_id: str) -> dict[str, Any]:
        """Return the answer to a request, secrets included.

        Raises:
            NotFound: there is no such request.
            StateRefused: `pending`, nobody has answered yet.
        """
        return self._reads.get_pending_response(id_of(session_id), request_id)

    def list_pending_requests(self, session_id: SessionLike) -> list[dict[str, Any]]:
        """Return every request of the session, the oldest first, without secrets."""
        return self._reads.list_pending_requests(id_of(session_id))
