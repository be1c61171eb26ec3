"""What Codex asks of its host in the middle of a turn, and what it is answered.

    >>> asked = question("item/commandExecution/requestApproval",
    ...                  {"itemId": "c1", "command": "rm -r .", "cwd": "/home/ada"}, {})
    >>> asked.tool_name, asked.tool_input
    ('exec_command', {'command': 'rm -r .', 'cwd': '/home/ada'})
    >>> asked.answer(Allow()), asked.answer(Deny()), asked.answer(None)
    ({'decision': 'accept'}, {'decision': 'decline'}, {'decision': 'cancel'})

Only what is allowed is accepted; no decision, because the turn is over, cancels (G14). Codex runs
what it has asked for and nothing else, so a decision that allows something else is a no. It is not
told why something was denied, for it has no place for that. Pure functions of the wire's JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from beam.backends.codex_items import Item, text_field, use_of
from beam.model.permissions import Allow, Decision, Deny

__all__ = ["Question", "question", "tool_answer"]

Wire = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """Something that Codex asks its host.

    Attributes:
        tool_name: what it wants to use.
        tool_input: with what.
        options: what else it says for whoever decides.
        words: the function from a decision to the answer.
    """

    tool_name: str
    tool_input: Mapping[str, Any]
    options: Mapping[str, Any]
    words: Callable[[Wire, Decision | None], dict[str, Any]] = field(repr=False)
    params: Wire = field(repr=False)

    def answer(self, decision: Decision | None) -> dict[str, Any]:
        """Return what Codex is told; None if the turn was ended before anybody has decided."""
        return self.words(self.params, decision)


def question(method: str, params: Wire, uses: Mapping[str, Item]) -> Question | None:
    """Return what a request of the server asks; None if it is nothing that a user decides.

    Args:
        method: the request's.
        params: likewise.
        uses: the tool uses that are under way, by their ids: a request may only refer to one.
    """
    match method:
        case "item/commandExecution/requestApproval":
            return _command(params)
        case "item/fileChange/requestApproval":
            return _patch(params, uses)
        case "item/permissions/requestApproval":
            asked = {"permissions": params.get("permissions") or {}}
            return _of("request_permissions", asked, _granted, params)
        case "item/tool/requestUserInput":
            asked = {"questions": params.get("questions") or []}
            return _of("request_user_input", asked, _answers, params)
        case "mcpServer/elicitation/request":
            return _elicited(params, uses)
    return None


def tool_answer(content: str, *, is_error: bool) -> dict[str, Any]:
    """Return the answer to a call of one of the session's own tools."""
    return {"contentItems": [{"type": "inputText", "text": content}], "success": not is_error}


_OPTIONS = (
    "itemId", "reason", "kind", "grantRoot", "networkApprovalContext", "additionalPermissions",
    "proposedExecpolicyAmendment", "availableDecisions", "message", "serverName",
)  # fmt: skip


def _of(
    name: str,
    arguments: Mapping[str, Any],
    words: Callable[[Wire, Decision | None], dict[str, Any]],
    params: Wire,
) -> Question:
    options = {key: params[key] for key in _OPTIONS if params.get(key) is not None}
    return Question(name, arguments, options, words, params)


def _command(params: Wire) -> Question:
    arguments = {"command": text_field(params, "command"), "cwd": text_field(params, "cwd")}
    return _of("exec_command", arguments, _decided(arguments), params)


def _patch(params: Wire, uses: Mapping[str, Item]) -> Question:
    use = use_of(uses.get(text_field(params, "itemId"), {}))
    arguments = use.input if use is not None else {"changes": []}
    return _of("apply_patch", arguments, _decided(arguments), params)


def _decided(
    arguments: Mapping[str, Any],
) -> Callable[[Wire, Decision | None], dict[str, Any]]:
    def words(params: Wire, decision: Decision | None) -> dict[str, Any]:
        match decision:
            case Allow() if _as_asked(decision, arguments):
                return {"decision": "acceptForSession" if decision.for_session else "accept"}
            case None | Deny(interrupt=True):
                return {"decision": "cancel"}
        return {"decision": "decline"}

    return words


def _as_asked(decision: Allow, arguments: Mapping[str, Any]) -> bool:
    return decision.params is None or dict(decision.params) == dict(arguments)


def _granted(params: Wire, decision: Decision | None) -> dict[str, Any]:
    if isinstance(decision, Allow):
        asked = params.get("permissions") or {}
        given = asked if decision.params is None else decision.params.get("permissions", asked)
        if given == asked:
            return {"permissions": given, "scope": "session" if decision.for_session else "turn"}
    return {"permissions": {}, "scope": "turn"}


def _answers(params: Wire, decision: Decision | None) -> dict[str, Any]:
    """Return the user's answers: `Allow({"answers": {id: text or texts}})`."""
    given = (decision.params or {}).get("answers") if isinstance(decision, Allow) else None
    given = given if isinstance(given, Mapping) else {}
    return {
        "answers": {
            str(name): {"answers": [value] if isinstance(value, str) else list(value)}
            for name, value in given.items()
            if isinstance(value, str | list | tuple)
        }
    }


def _elicited(params: Wire, uses: Mapping[str, Item]) -> Question:
    server, meta = text_field(params, "serverName"), params.get("_meta")
    meta = meta if isinstance(meta, Mapping) else {}
    if meta.get("codex_approval_kind") == "mcp_tool_call":
        arguments = meta.get("tool_params")
        arguments = arguments if isinstance(arguments, Mapping) else {}
        name = _mcp_tool(server, arguments, uses)
        return _of(name, arguments, _tool_allowed(arguments), params)
    asked = {"server": server, "message": text_field(params, "message")}
    asked |= {key: params[key] for key in ("requestedSchema", "url") if key in params}
    return _of("mcp_elicitation", asked, _filled_in, params)


def _mcp_tool(server: str, arguments: Mapping[str, Any], uses: Mapping[str, Item]) -> str:
    """Return the tool that is asked about: the request itself names only its server."""
    running = [
        use.name
        for item in uses.values()
        if text_field(item, "server") == server and (use := use_of(item)) and use.input == arguments
    ]
    return running[-1] if running else f"mcp__{server}"


def _tool_allowed(
    arguments: Mapping[str, Any],
) -> Callable[[Wire, Decision | None], dict[str, Any]]:
    def words(params: Wire, decision: Decision | None) -> dict[str, Any]:
        match decision:
            case Allow() if _as_asked(decision, arguments):
                kept = {"_meta": {"persist": "session"}} if decision.for_session else {}
                return {"action": "accept", "content": {}, **kept}
            case None | Deny(interrupt=True):
                return {"action": "cancel"}
        return {"action": "decline"}

    return words


def _filled_in(params: Wire, decision: Decision | None) -> dict[str, Any]:
    """Return what the user has filled in: `Allow({"content": {...}})`."""
    match decision:
        case Allow(params=given):
            content = (given or {}).get("content")
            return {"action": "accept", "content": content if content is not None else {}}
        case None:
            return {"action": "cancel"}
    return {"action": "decline"}
