"""The part of `fleet.router` that chooses a backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.facades.part import Part
from beam.routing.router import ROUTER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beam.routing.decision import Decision
    from beam.routing.router import Session

__all__ = ["SelectionFunctions"]


class SelectionFunctions(Part):
    """Selection by policy, with sticky bindings and cursors."""

    __slots__ = ()

    def ensure_tables(self) -> None:
        """Do nothing: the fleet made its tables when it started. Safe to repeat."""
        self._grounds.running()

    def clear(self) -> None:
        """Forget every sticky binding and every cursor; return when that is in the log."""
        self._ask(ROUTER, "clear")

    def select_backend(
        self, request: Mapping[str, Any], *, session: Session | None = None
    ) -> Decision:
        """Choose a backend.

        It returns before the choice is in the log, unless it binds a new sticky key.

        Args:
            request: the fields of a `RouteRequest`.
            session: what the request starts from: start options, a session's info, or its id.

        Raises:
            RoutingRefused: why no backend was chosen.
            QueueFull: the log had no room for a new binding.
        """
        decision: Decision = self._ask(ROUTER, "select_backend", request, session)
        return decision
