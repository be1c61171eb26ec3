"""The part of `fleet.router` that chooses a backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.facades.part import Part
from beam.model.sessions import SessionInfo
from beam.routing.defaults import defaults_of_handle
from beam.routing.router import ROUTER
from beam.sessions.handle import SessionHandle
from beam.state.store_rows import StoreReads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beam.routing.decision import Decision

__all__ = ["SelectionFunctions"]


class SelectionFunctions(Part):
    """Selection by policy, with sticky bindings and cursors."""

    __slots__ = ()

    def ensure_tables(self) -> None:
        """Do nothing: the fleet made its tables when it started. Safe to repeat.

        Raises:
            SessionClosed: the fleet does not run.
        """
        self._grounds.running()

    def clear(self) -> None:
        """Forget every sticky binding and every cursor; return when that is in the log."""
        self._ask(ROUTER, "clear")

    def select_backend(
        self,
        request: Mapping[str, Any],
        *,
        session: SessionHandle | SessionInfo | str | Mapping[str, Any] | None = None,
    ) -> Decision:
        """Choose a backend.

        It returns before the choice is in the log, unless it binds a new sticky key.

        Args:
            request: the fields of a `RouteRequest`.
            session: what the request starts from, each of its fields counting more: start options
                (`backend`, `routing`); a session's handle or info: away from its backend; a
                session's id: the same, and bound to the id.

        Raises:
            RoutingRefused: why no backend was chosen: `no_backend_available`,
                `backend_not_eligible`, `no_backend_supports_capabilities`, `policy_denied`, or
                what is wrong with the request (`invalid_policy`, `unknown_backend`, ...).
            QueueFull: the log had no room for a new binding.
        """
        if session is None:
            return self._decision(request)
        if isinstance(session, SessionHandle):
            defaults = defaults_of_handle(self._known_backend(session.id))
            return self._decision({**defaults, **request})
        if isinstance(session, str):
            return self._decision(request, session, self._known_backend(session))
        return self._decision(request, session)

    def _decision(self, *args: Any) -> Decision:
        decision: Decision = self._ask(ROUTER, "select_backend", *args)
        return decision

    def _known_backend(self, session_id: str) -> str | None:
        """Return the backend of a session that lives, or that the log knows; `None` for neither."""
        name = self._grounds.commons.roster.backend(session_id)
        if name is None:
            stored = StoreReads(self._grounds.node).state(session_id).session
            name = stored.meta.adapter if stored is not None else None
        return name if name in self._grounds.backends else None
