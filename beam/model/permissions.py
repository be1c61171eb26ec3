"""Permissions: what an agent asks to do, and what it is told.

    >>> parse_decision(allow({"path": "a.py"}))
    Allow(params={'path': 'a.py'}, for_session=False)
    >>> parse_decision(("deny", "not on a Friday"))
    Deny(reason='not on a Friday', interrupt=False)
    >>> parse_decision(True)
    Deny(reason="the permission handler's answer was no decision but a bool", interrupt=False)

Only what says `allow` in one of the forms below allows; everything else denies (G14). `True` does
not: a handler that returns the truth of something has often said more than it meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "Allow",
    "Decision",
    "Deny",
    "PermissionMode",
    "PermissionRequest",
    "allow",
    "decision_to_wire",
    "deny",
    "parse_decision",
    "parse_permission_mode",
]

PermissionMode = Literal["default", "accept_edits", "bypass_permissions", "plan", "dont_ask"]
"""How far an agent may go without asking."""

_MODES: Mapping[str, PermissionMode] = {
    "acceptEdits": "accept_edits",
    "accept_edits": "accept_edits",
    "bypassPermissions": "bypass_permissions",
    "bypass_permissions": "bypass_permissions",
    "plan": "plan",
    "dontAsk": "dont_ask",
    "dont_ask": "dont_ask",
}


def parse_permission_mode(word: object) -> PermissionMode:
    """Return the mode that a wire word, or our own, stands for; `default` for anything else."""
    return _MODES.get(word, "default") if isinstance(word, str) else "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionRequest:
    """What an agent asks to do.

    Attributes:
        request_id: its name.
        session_id: the session whose agent asks.
        method: what it wants to do: a tool's name, or the agent's word for the action.
        params: with what.
        context: what else the agent said about it.
        created_at: when, Unix milliseconds.
        run_id: in which run.
        tool_use_id: the tool use that waits for the answer.
    """

    request_id: str
    session_id: str
    method: str
    params: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    created_at: int
    run_id: str | None = None
    tool_use_id: str | None = None


@dataclass(frozen=True, slots=True)
class Allow:
    """The agent may go on.

    Attributes:
        params: with these parameters; None for those that it asked with.
        for_session: and need not ask for the like again in this session.
    """

    params: Mapping[str, Any] | None = None
    for_session: bool = False


@dataclass(frozen=True, slots=True)
class Deny:
    """The agent may not.

    Attributes:
        reason: why, in words that the agent is told.
        interrupt: whether its run ends with this.
    """

    reason: str = "denied"
    interrupt: bool = False


Decision = Allow | Deny
"""What an agent is told."""

_WORDS: Mapping[str, Decision] = {
    "allow": Allow(),
    "accept": Allow(),
    "accept_for_session": Allow(for_session=True),
    "deny": Deny(),
    "decline": Deny("declined"),
    "cancel": Deny("cancelled", interrupt=True),
}


def allow(params: Mapping[str, Any] | None = None, *, for_session: bool = False) -> Allow:
    """Return the decision that lets the agent go on.

    Args:
        params: what to do it with instead; None for what it asked with.
        for_session: whether it need not ask for the like again in this session.
    """
    return Allow(params, for_session)


def deny(reason: str = "denied", *, interrupt: bool = False) -> Deny:
    """Return the decision that stops the agent here.

    Args:
        reason: why, in words that the agent is told.
        interrupt: whether to end its run as well.
    """
    return Deny(reason, interrupt)


def parse_decision(result: object) -> Decision:
    """Return what a permission handler's result means. Never raises; denies what it cannot read.

    Args:
        result: a decision; or one as a tuple, `("allow", params)`, `("allow", params, "allow")`
            for the whole session, `("deny", reason)`, `("deny", reason, interrupt)`; or one of the
            words allow, accept, accept_for_session, deny, decline, cancel; or a mapping as
            `decision_to_wire` makes it.
    """
    match result:
        case Allow(params=None | Mapping(), for_session=bool()):
            return result
        case Deny(reason=str(), interrupt=bool()):
            return result
        case str() if result in _WORDS:
            return _WORDS[result]
        case tuple():
            decision = _parse_tuple(result)
        case {"decision": str() as word, **fields}:
            decision = _parse_fields(word, fields)
        case _:
            decision = None
    return decision or Deny(
        f"the permission handler's answer was no decision but a {type(result).__name__}"
    )


def decision_to_wire(decision: Decision) -> dict[str, Any]:
    """Return a decision as JSON data, for the log; `parse_decision` reads it."""
    match decision:
        case Allow(params=params, for_session=for_session):
            changed = {} if params is None else {"params": params}
            return {"decision": "allow", "for_session": for_session, **changed}
        case Deny(reason=reason, interrupt=interrupt):
            return {"decision": "deny", "reason": reason, "interrupt": interrupt}


def _parse_tuple(result: tuple[object, ...]) -> Decision | None:
    match result:
        case ("allow", None | Mapping() as params):
            return Allow(params)
        case ("allow", None | Mapping() as params, "allow"):
            return Allow(params, for_session=True)
        case ("deny", str(reason)):
            return Deny(reason)
        case ("deny", str(reason), bool(interrupt)):
            return Deny(reason, interrupt)
    return None


def _parse_fields(word: str, fields: Mapping[object, object]) -> Decision | None:
    known = {"allow": {"params", "for_session"}, "deny": {"reason", "interrupt"}}
    if not known.get(word, set()).issuperset(fields):
        return None
    match word, fields.get("params"), fields.get("for_session", False):
        case "allow", None | Mapping() as params, bool(for_session):
            return Allow(params, for_session)
    match word, fields.get("reason", "denied"), fields.get("interrupt", False):
        case "deny", str(reason), bool(interrupt):
            return Deny(reason, interrupt)
    return None
