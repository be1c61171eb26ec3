"""The part of `fleet.control` with each session's configuration."""

from __future__ import annotations

from typing import Any

from beam.facades.part import SessionLike, id_of
from beam.facades.reads import ControlReading
from beam.state.control_rows import CONTROL

__all__ = ["ConfigFunctions"]


class ConfigFunctions(ControlReading):
    """Configuration: values by key, of each session."""

    __slots__ = ()

    def get_config(self, session_id: SessionLike, key: str) -> Any:
        """Return one value of the session's configuration.

        Raises:
            NotFound: `not_set`.
        """
        return self._reads.get_config(id_of(session_id), key)

    def set_config(self, session_id: SessionLike, key: str, value: Any) -> None:
        """Set one value of the session's configuration, in place of what it had."""
        self._ask(CONTROL, "set_config", id_of(session_id), key, value)

    def get_all_config(self, session_id: SessionLike) -> dict[str, Any]:
        """Return the session's configuration."""
        return self._reads.get_all_config(id_of(session_id))

    def clear_config(self, session_id: SessionLike) -> None:
        """Forget the session's configuration, and no other's."""
        self._ask(CONTROL, "clear_config", id_of(session_id))

    def set_permission_mode(self, session_id: SessionLike, mode: str) -> None:
        """Set how far the session's agent may go without asking."""
        self._ask(CONTROL, "set_permission_mode", id_of(session_id), mode)

    def get_permission_mode(self, session_id: SessionLike) -> Any:
        """Return the session's permission mode.

        Raises:
            NotFound: `not_set`.
        """
        return self._reads.get_permission_mode(id_of(session_id))

    def set_max_thinking_tokens(self, session_id: SessionLike, tokens: int) -> None:
        """Set the session's budget for thinking, above 0."""
        self._ask(CONTROL, "set_max_thinking_tokens", id_of(session_id), tokens)

    def get_max_thinking_tokens(self, session_id: SessionLike) -> int:
        """Return the session's budget for thinking.

        Raises:
            NotFound: `not_set`.
        """
        return self._reads.get_max_thinking_tokens(id_of(session_id))
