"""What Claude Code's program asks before it uses a tool, and what it is told.

| decided | the program |
|---|---|
| allow | uses the tool, with the changed input if there is one |
| allow for the session | likewise, and does not ask for the like again, as it suggests itself |
| deny | does not, and the model is told why; the turn ends if it interrupts |
| nothing, for the turn was ended | does not, and the turn ends |
| anything else: nobody could be asked | does not (G14) |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from claude_agent_sdk import PermissionResultAllow, PermissionResultDeny, PermissionUpdate
from claude_agent_sdk.types import PermissionRuleValue

from beam.backends.claude_messages import HOST_PREFIX
from beam.model.permissions import Allow

if TYPE_CHECKING:
    from claude_agent_sdk import ToolPermissionContext

    from beam.backends.talk import Talk

__all__ = ["ClaudePermissions"]


class ClaudePermissions:
    """Has the session decide; runs on the loop's thread."""

    def __init__(self, talk: Talk) -> None:
        """Make one.

        Args:
            talk: the way to the session.
        """
        self._talk = talk
        self._own = frozenset(f"{HOST_PREFIX}{tool.name}" for tool in talk.opening.tools)

    async def may_use(
        self, name: str, tool_input: dict[str, Any], context: ToolPermissionContext
    ) -> PermissionResultAllow | PermissionResultDeny:
        """Return what was decided; a tool of the session itself needs no decision.

        Args:
            name: the tool.
            tool_input: what it is to be used with.
            context: what else the program says of it.
        """
        if name in self._own:
            return PermissionResultAllow()
        try:
            decision = await self._talk.permission(name, tool_input, _details(context))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is no yes
            return PermissionResultDeny(message=f"nobody could be asked: {type(error).__name__}")
        if decision is None:
            return PermissionResultDeny(message="cancelled", interrupt=True)
        if not isinstance(decision, Allow):
            return PermissionResultDeny(message=decision.reason, interrupt=decision.interrupt)
        changed = None if decision.params is None else dict(decision.params)
        rules = _for_session(name, context) if decision.for_session else None
        return PermissionResultAllow(updated_input=changed, updated_permissions=rules)


def _details(context: ToolPermissionContext) -> dict[str, Any]:
    """Return what the program adds for whoever decides."""
    names = ("tool_use_id", "agent_id", "title", "description", "blocked_path", "decision_reason")
    known = {name: getattr(context, name, None) for name in names}
    return {name: value for name, value in known.items() if value is not None}


def _for_session(name: str, context: ToolPermissionContext) -> list[PermissionUpdate]:
    """Return the rules that let the like of this go on unasked, as long as the session lasts."""
    rules = [
        rule
        for update in context.suggestions
        if update.type == "addRules" and update.behavior == "allow"
        for rule in update.rules or ()
    ]
    return [
        PermissionUpdate(
            type="addRules",
            rules=rules or [PermissionRuleValue(name)],
            behavior="allow",
            destination="session",
        )
    ]
