"""The part of `fleet.runtime` with what is done to a live session, and asked of it."""

from __future__ import annotations

import platform
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from beam.errors import InvalidInput, NotFound
from beam.facades.live_changes import LiveChanges
from beam.facades.part import SessionLike, id_of
from beam.facades.reads import RuntimeReading
from beam.state.control_rows import CONTROL
from beam.state.providers import status_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beam.sessions.handle import SessionHandle

__all__ = ["LiveFunctions"]

SOURCE = "universal"
"""Who answers: the fleet itself, for every backend alike."""


class LiveFunctions(RuntimeReading, LiveChanges):
    """Live sessions.

    Every function that needs its session's process may raise:

    Raises:
        NotFound: there is no such session.
        SessionRestarting, SessionQuarantined, SessionClosed: its process is not there.
    """

    __slots__ = ()

    def set_max_thinking_tokens(self, session: SessionLike, max_tokens: int) -> dict[str, Any]:
        """Set the session's budget for thinking, above 0; return when that is in the log.

        Returns:
            `max_thinking_tokens`, `source` and `backend`.
        """
        self._ask(CONTROL, "set_max_thinking_tokens", id_of(session), max_tokens)
        return {"max_thinking_tokens": max_tokens, **self._answered_by(session)}

    def stop_task(self, session: SessionLike, task_id: str) -> dict[str, Any]:
        """Stop one task of the session, and no other.

        Returns:
            `status` (`stopped`), `task_id`, `source` and `backend`.

        Raises:
            NotFound: there is no such task.
        """
        self._ask(CONTROL, "stop_task", id_of(session), task_id)
        return {"status": "stopped", "task_id": task_id, **self._answered_by(session)}

    # Questions

    def get_status(self, session: SessionLike) -> dict[str, Any]:
        """Return where the session stands: the fields of its `SessionInfo`, and its `health`."""
        handle = self._handle(session)
        with self._blocking("get_status"):
            info = handle.info()
        return {**asdict(info), "health": info.health, "source": SOURCE}

    def get_auth_status(self, session: SessionLike) -> dict[str, Any]:
        """Return how the session stands with its provider, without secrets; see `provider_status`.

        Without a provider its `provider_id` is `None`.
        """
        defaults = self._reads.defaults(id_of(session))
        return {**status_of(defaults, defaults.provider_id), **self._answered_by(session)}

    def get_last_session_id(self, session: SessionLike) -> str:
        """Return the agent's own name for the session, if it told one, else the session's id.

        Raises:
            NotFound: there is no such session.
        """
        handle = self._handle(session)
        with self._blocking("get_last_session_id"):
            told = handle.info().details.get("session_id")
        return told if isinstance(told, str) and told else handle.id

    def windows_sandbox_setup_start(
        self, session: SessionLike, opts: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Say that there is no Windows sandbox to set up: no backend of ours has one.

        Args:
            session: the session.
            opts: what the set-up would be told.

        Returns:
            `status` (`not_applicable`), `reason`, `platform`, `source` and `backend`.
        """
        if not hasattr(opts, "keys"):
            raise InvalidInput("opts", type(opts).__name__, "a mapping")
        self._handle(session)
        return {
            "status": "not_applicable",
            "reason": "no backend of this fleet has a Windows sandbox",
            "platform": platform.system().lower(),
            **self._answered_by(session),
        }

    def _answered_by(self, session: SessionLike) -> dict[str, Any]:
        """Return `source`, and `backend` of a session that there is."""
        try:
            handle: SessionHandle = self._handle(session)
        except NotFound:
            return {"source": SOURCE}
        backend = self._grounds.commons.roster.backend(handle.id)
        return {"source": SOURCE} if backend is None else {"source": SOURCE, "backend": backend}
