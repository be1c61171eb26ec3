"""The part of `fleet.router` with what a session's agent says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.facades.part import Part, SessionLike
from beam.model.catalogue import account, entries

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CatalogueFunctions"]


class CatalogueFunctions(Part):
    """What the agent told when it began; what it did not tell is empty.

    A bare name is an entry with that `id` and `name`. Every function may raise:

    Raises:
        NotFound: there is no such session.
        SessionRestarting, SessionQuarantined, SessionClosed: its process is not there.
    """

    __slots__ = ()

    def supported_commands(self, session: SessionLike) -> list[dict[str, Any]]:
        """Return the commands that the session's agent understands."""
        return entries(self._told(session, "supported_commands"), "slash_commands")

    def supported_models(self, session: SessionLike) -> list[dict[str, Any]]:
        """Return the models that the session's agent can use."""
        return entries(self._told(session, "supported_models"), "models")

    def supported_agents(self, session: SessionLike) -> list[dict[str, Any]]:
        """Return the agents that the session's agent can be."""
        return entries(self._told(session, "supported_agents"), "agents")

    def account_info(self, session: SessionLike) -> dict[str, Any]:
        """Return whose account the session's agent uses, as far as it told."""
        return account(self._told(session, "account_info"))

    def server_health(self, session: SessionLike) -> dict[str, Any]:
        """Return how the session is: its `health`, and the name of its backend as `adapter`."""
        handle = self._handle(session)
        with self._blocking("server_health"):
            info = handle.info()
        return {"health": info.health, "adapter": info.backend}

    def _told(self, session: SessionLike, function: str) -> Mapping[str, Any]:
        handle = self._handle(session)
        with self._blocking(function):
            told: Mapping[str, Any] = handle.info().details.get("system_info") or {}
        return told
