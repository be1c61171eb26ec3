"""What routing and runtime both do to a live session, under the same names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.facades.part import Part, SessionLike, id_of
from beam.state.control_rows import CONTROL

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LiveChanges"]


class LiveChanges(Part):
    """Changes of a live session, which two facades have under the same names."""

    __slots__ = ()

    def interrupt(self, session: SessionLike) -> None:
        """Cut the run at work short; return when that is in the log.

        Raises:
            SessionRefused: `no_active_query`.
        """
        with self._blocking("interrupt"):
            self._handle(session).interrupt()

    def abort(self, session: SessionLike) -> None:
        """Cut the run at work short, as `interrupt`: no backend of ours knows another way."""
        with self._blocking("abort"):
            self._handle(session).interrupt()

    def set_model(self, session: SessionLike, model: str) -> str:
        """Choose the model for the runs to come; return it when that is in the log."""
        with self._blocking("set_model"):
            return self._handle(session).set_model(model)

    def set_permission_mode(self, session: SessionLike, mode: str) -> str:
        """Choose how far the agent may go without asking; return it when that is in the log."""
        with self._blocking("set_permission_mode"):
            return self._handle(session).set_permission_mode(mode)

    def send_control(self, session: SessionLike, method: str, params: Mapping[str, Any]) -> Any:
        """Run a control method by its name: `setModel`, `stopTask`, ...; see `control.dispatch`.

        Raises:
            StateRefused: `unknown_method`, `missing_param`, `invalid_param`.
            NotFound: `stopTask` of a task that there is not.
        """
        return self._ask(CONTROL, "dispatch", id_of(session), method, params)
