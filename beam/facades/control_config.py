"""The part of `fleet.control` with each session's configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.facades.part import SessionLike, id_of
from beam.facades.reads import ControlReading
from beam.state.control_rows import CONTROL
from beam.state.session_config import PERMISSION_MODE

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ConfigFunctions"]


class ConfigFunctions(ControlReading):
    """Configuration: values by key, of each session."""

    __slots__ = ()

    def ensure_tables(self) -> None:
        """Do nothing: the tables are there as long as the fleet runs.

        Raises:
            NotFound: `restarting`: control was not back within 5 s.
        """
        self._ask(CONTROL, "handlers_given_up")

    def clear(self) -> None:
        """Forget configuration, tasks, feedback, handlers and requests of all sessions.

        What is open of permissions is denied. The numbers of feedback go on; runs, collaboration,
        policies and the log stay.
        """
        self._ask(CONTROL, "clear")

    def dispatch(self, session_id: SessionLike, method: str, params: Mapping[str, Any]) -> Any:
        """Do what a client asks for by name, and have it told and audited.

        | method | param | answer |
        |---|---|---|
        | `setModel` | `model` | `{"model": ...}` |
        | `setPermissionMode` | `permissionMode` | `{"permission_mode": ...}` |
        | `setMaxThinkingTokens` | `maxThinkingTokens` | `{"max_thinking_tokens": ...}` |
        | `stopTask` | `taskId` | nothing |

        Args:
            session_id: the session.
            method: one of the table.
            params: with the param; it may be written with underscores as well.

        Raises:
            StateRefused: `unknown_method` with `method`; `missing_param` or `invalid_param` with
                `param`.
            NotFound: `stopTask`: there is no such task.
        """
        return self._ask(CONTROL, "dispatch", id_of(session_id), method, params)

    def get_config(self, session_id: SessionLike, key: str) -> Any:
        """Return one value of the session's configuration.

        Raises:
            NotFound: `not_set`.
        """
        return self._reads.get_config(id_of(session_id), key)

    def set_config(self, session_id: SessionLike, key: str, value: Any) -> None:
        """Set one value of the session's configuration, in place of what it had.

        It is there again when the program starts again, secrets too: they are in the log sealed.

        Args:
            session_id: the session.
            key: the name.
            value: JSON data.

        Raises:
            StateRefused: `key_unreadable`: it has a secret, and the vault cannot seal it.
        """
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
        return self._reads.get_config(id_of(session_id), PERMISSION_MODE)

    def set_max_thinking_tokens(self, session_id: SessionLike, tokens: int) -> None:
        """Set the session's budget for thinking, above 0."""
        self._ask(CONTROL, "set_max_thinking_tokens", id_of(session_id), tokens)

    def get_max_thinking_tokens(self, session_id: SessionLike) -> int:
        """Return the session's budget for thinking.

        Raises:
            NotFound: `not_set`.
        """
        return self._reads.get_max_thinking_tokens(id_of(session_id))
