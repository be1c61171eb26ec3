"""The part of `fleet.control` with the callback broker: who decides for a session, and asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.facades.part import SessionLike, id_of
from beam.facades.reads import ControlReading
from beam.state.control_rows import CONTROL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beam.model.permissions import Decision
    from beam.state.permission import Approval

__all__ = ["CallbackFunctions"]


class CallbackFunctions(ControlReading):
    """Handlers of each session, and what is asked of them. No answer is a no (G14)."""

    __slots__ = ()

    def register_session_callbacks(self, session_id: SessionLike, opts: Mapping[str, Any]) -> None:
        """Register the session's handlers, in place of those that it had.

        Args:
            session_id: the session.
            opts: `permission_handler`, `approval_handler`, `user_input_handler`,
                `permission_default` and `permission_timeout` (seconds); other keys are left.
        """
        self._ask(CONTROL, "register_session_callbacks", id_of(session_id), opts)

    def clear_session_callbacks(self, session_id: SessionLike) -> None:
        """Forget the session's handlers, so that everything is denied; those at work go on."""
        self._ask(CONTROL, "clear_session_callbacks", id_of(session_id))

    def request_permission(
        self,
        session_id: SessionLike,
        method: str,
        params: Mapping[str, Any],
        context: Mapping[str, Any],
    ) -> Decision:
        """Ask whether the session's agent may do something, and wait for the decision.

        Args:
            session_id: the session.
            method: what it wants to do.
            params: with what; JSON data.
            context: what else is known: `request_id` names the request, which asked again is asked
                once; `run_id` and `tool_use_id` are noted in the log.
        """
        answer: Decision = self._ask_patiently(
            CONTROL, "request_permission", id_of(session_id), method, params, context
        )
        return answer

    def request_approval(
        self,
        session_id: SessionLike,
        method: str,
        params: Mapping[str, Any],
        context: Mapping[str, Any],
    ) -> Approval:
        """Ask for an approval, as for a permission: `accept`, `decline`, ..."""
        answer: Approval = self._ask_patiently(
            CONTROL, "request_approval", id_of(session_id), method, params, context
        )
        return answer

    def request_user_input(
        self, session_id: SessionLike, request: Mapping[str, Any], context: Mapping[str, Any]
    ) -> Any:
        """Ask the user something; answered with the answer, or with `PendingInput`.

        Args:
            session_id: the session.
            request: what is asked; JSON data.
            context: what else is known, as for a permission.
        """
        return self._ask_patiently(
            CONTROL, "request_user_input", id_of(session_id), request, context
        )
