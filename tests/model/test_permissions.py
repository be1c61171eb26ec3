"""`beam.model.permissions`: what an agent is told, denied unless allowed (G14)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.model.encoding import decode, encode
from beam.model.permissions import (
    Allow,
    Decision,
    Deny,
    PermissionRequest,
    allow,
    decision_to_wire,
    deny,
    parse_decision,
    parse_permission_mode,
)
from beam.model.records import from_record, to_record
from tests.model.strategies import decisions, json_values
from tests.names import shown

ANSWERS: list[tuple[object, Decision]] = [
    (allow(), Allow()),
    (allow({"a": 1}, for_session=True), Allow({"a": 1}, for_session=True)),
    (deny("no"), Deny("no")),
    (deny("stop", interrupt=True), Deny("stop", interrupt=True)),
    (("allow", {"a": 1}), Allow({"a": 1})),
    (("allow", None), Allow()),
    (("allow", {"a": 1}, "allow"), Allow({"a": 1}, for_session=True)),
    (("deny", "no"), Deny("no")),
    (("deny", "no", True), Deny("no", interrupt=True)),
    ("allow", Allow()),
    ("accept", Allow()),
    ("accept_for_session", Allow(for_session=True)),
    ("deny", Deny("denied")),
    ("decline", Deny("declined")),
    ("cancel", Deny("cancelled", interrupt=True)),
    ({"decision": "allow"}, Allow()),
    ({"decision": "allow", "params": {"a": 1}}, Allow({"a": 1})),
    ({"decision": "deny"}, Deny("denied")),
    ({"decision": "deny", "reason": "no", "interrupt": True}, Deny("no", interrupt=True)),
]


class Thing:
    """Something that is no decision; shown alike in every process, for the tests' names."""

    def __repr__(self) -> str:
        return "a thing"


ANYTHING: Any = Thing()

NONSENSE: list[object] = [
    None, True, False, 1, 0, "", "yes", "ok", "ALLOW", b"allow", [], ["allow", {}], {}, Thing(),
    ("allow",), ("allow", "params"), ("allow", {}, "deny"), ("allow", {}, True, 1), ("deny",),
    ("deny", 5), ("deny", "no", "yes"), ("maybe", {}), ("allow", {}, {"rule": 1}), Allow, Deny,
    Allow(ANYTHING), Allow({}, ANYTHING), Deny(ANYTHING),
    {"decision": "allow", "params": 5}, {"decision": "allow", "for_session": "yes"},
    {"decision": "allow", "behavior": "deny"}, {"decision": "allow", "reason": "no"},
    {"decision": ["allow"]}, {"decision": "maybe"}, {"behavior": "allow"},
    {"decision": "deny", "reason": 5},
]  # fmt: skip


@pytest.mark.parametrize(("result", "decision"), ANSWERS, ids=[repr(each) for each, _ in ANSWERS])
def test_an_answer_in_a_known_form_is_taken(result: object, decision: Decision) -> None:
    assert parse_decision(result) == decision


@pytest.mark.parametrize("result", NONSENSE, ids=shown)
def test_an_answer_that_cannot_be_read_denies(result: object) -> None:
    decision = parse_decision(result)
    assert isinstance(decision, Deny)
    assert decision.interrupt is False


@given(json_values | st.tuples(json_values, json_values) | st.binary() | st.floats())
def test_no_data_at_all_allows_by_accident(result: Any) -> None:
    said_so = {"allow", "accept", "accept_for_session"}
    decision = parse_decision(result)
    if isinstance(decision, Allow):
        word = result[0] if isinstance(result, tuple) else result
        assert word in said_so or word["decision"] == "allow"


def test_the_denial_of_nonsense_names_its_type_and_not_its_contents() -> None:
    decision = parse_decision({"password": "hunter2"})
    assert isinstance(decision, Deny)
    assert "dict" in decision.reason
    assert "hunter2" not in decision.reason


@given(decisions)
def test_a_decision_comes_back_from_the_log_as_it_was(decision: Decision) -> None:
    assert parse_decision(decode(encode(decision_to_wire(decision)))) == decision


def test_a_request_comes_back_from_its_record_as_it_was() -> None:
    request = PermissionRequest(
        request_id="req_1_0",
        session_id="s",
        method="write",
        params={"path": "a.py"},
        created_at=5,
        tool_use_id="t",
    )
    assert from_record(PermissionRequest, to_record(request)) == request


@pytest.mark.parametrize(
    ("word", "mode"),
    [
        ("default", "default"),
        ("acceptEdits", "accept_edits"),
        ("accept_edits", "accept_edits"),
        ("bypassPermissions", "bypass_permissions"),
        ("bypass_permissions", "bypass_permissions"),
        ("plan", "plan"),
        ("dontAsk", "dont_ask"),
        ("dont_ask", "dont_ask"),
        ("ACCEPTEDITS", "default"),
        ("yolo", "default"),
        (None, "default"),
        (["plan"], "default"),
    ],
)
def test_a_word_stands_for_one_mode(word: object, mode: str) -> None:
    assert parse_permission_mode(word) == mode
