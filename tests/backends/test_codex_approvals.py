"""What Codex asks its host, and what it is answered (`codex_approvals`)."""

from __future__ import annotations

from typing import Any

import pytest

from beam.backends.codex_approvals import Question, question, tool_answer
from beam.model.permissions import Allow, Decision, Deny

COMMAND = {"itemId": "c1", "command": "rm -r .", "cwd": "/home/ada", "reason": "to be sure"}
CHANGES = [{"path": "/home/ada/a.py", "kind": {"type": "add"}, "diff": "x\n"}]
USES = {
    "f1": {"type": "fileChange", "id": "f1", "changes": CHANGES},
    "m1": {"type": "mcpToolCall", "id": "m1", "server": "calc", "tool": "double",
           "arguments": {"n": 21}},
}  # fmt: skip
MCP = {
    "serverName": "calc",
    "message": "Allow it?",
    "_meta": {"codex_approval_kind": "mcp_tool_call", "tool_params": {"n": 21}},
}


def asked(method: str, params: dict[str, Any]) -> Question:
    found = question(method, params, USES)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("decision", "word"),
    [
        (Allow(), "accept"),
        (Allow(for_session=True), "acceptForSession"),
        (Allow({"command": "rm -r .", "cwd": "/home/ada"}), "accept"),
        (Allow({"command": "ls"}), "decline"),
        (Deny("no"), "decline"),
        (Deny("no", interrupt=True), "cancel"),
        (None, "cancel"),
    ],
)
def test_a_command_runs_as_it_was_asked_for_or_not_at_all(
    decision: Decision | None, word: str
) -> None:
    command = asked("item/commandExecution/requestApproval", COMMAND)
    assert command.tool_name == "exec_command"
    assert command.options == {"itemId": "c1", "reason": "to be sure"}
    assert command.answer(decision) == {"decision": word}


def test_a_patch_is_shown_with_its_changes() -> None:
    patch = asked("item/fileChange/requestApproval", {"itemId": "f1"})
    assert (patch.tool_name, patch.tool_input) == ("apply_patch", {"changes": CHANGES})
    assert patch.answer(Allow()) == {"decision": "accept"}
    assert patch.answer(Deny()) == {"decision": "decline"}


@pytest.mark.parametrize(
    ("decision", "answer"),
    [
        (Allow(), {"action": "accept", "content": {}}),
        (
            Allow(for_session=True),
            {"action": "accept", "content": {}, "_meta": {"persist": "session"}},
        ),
        (Allow({"n": 22}), {"action": "decline"}),
        (Deny(), {"action": "decline"}),
        (None, {"action": "cancel"}),
    ],
)
def test_a_call_of_an_mcp_server_is_asked_for_by_its_tool(
    decision: Decision | None, answer: dict[str, Any]
) -> None:
    call = asked("mcpServer/elicitation/request", MCP)
    assert (call.tool_name, call.tool_input) == ("mcp__calc__double", {"n": 21})
    assert call.answer(decision) == answer


def test_a_form_of_an_mcp_server_is_filled_in_or_declined() -> None:
    form = asked("mcpServer/elicitation/request", {"serverName": "calc", "message": "How many?"})
    assert form.tool_name == "mcp_elicitation"
    given = Allow({"content": {"n": 3}})
    assert form.answer(given) == {"action": "accept", "content": {"n": 3}}
    assert form.answer(Deny()) == {"action": "decline"}
    assert form.answer(None) == {"action": "cancel"}


def test_more_permissions_are_granted_as_asked_or_not_at_all() -> None:
    wanted = {"network": {"enabled": True}}
    more = asked("item/permissions/requestApproval", {"permissions": wanted})
    assert more.answer(Allow()) == {"permissions": wanted, "scope": "turn"}
    assert more.answer(Allow({"permissions": {}})) == {"permissions": {}, "scope": "turn"}
    assert more.answer(Deny()) == {"permissions": {}, "scope": "turn"}
    assert more.answer(None) == {"permissions": {}, "scope": "turn"}


def test_questions_to_the_user_are_answered_with_what_was_allowed() -> None:
    questions = asked("item/tool/requestUserInput", {"questions": [{"id": "q1"}]})
    assert questions.tool_name == "request_user_input"
    given = Allow({"answers": {"q1": "blue", "q2": ["a", "b"], "q3": 3}})
    told = {"q1": {"answers": ["blue"]}, "q2": {"answers": ["a", "b"]}}
    assert questions.answer(given) == {"answers": told}
    assert questions.answer(Deny()) == questions.answer(None) == {"answers": {}}


def test_what_nobody_decides_is_no_question() -> None:
    assert question("account/chatgptAuthTokens/refresh", {}, {}) is None
    assert question("execCommandApproval", {}, {}) is None


def test_a_tools_failure_is_its_answer() -> None:
    text = [{"type": "inputText", "text": "no"}]
    assert tool_answer("no", is_error=True) == {"contentItems": text, "success": False}
