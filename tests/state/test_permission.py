"""`beam.state.permission`: the decision table, and nonsense of every kind (G14)."""

from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.model.permissions import Allow, Deny, allow, deny
from beam.state import (
    Answered,
    Callbacks,
    Failed,
    Question,
    TimedOut,
    approval_question,
    decide_approval,
    decide_permission,
    permission_question,
)
from beam.state.permission import APPROVALS

PARAMS = {"path": "a.py"}


def unused(method, params, context):
    """Stand for a handler that the test does not run."""


def permission(answer, *, asks="permission"):
    return decide_permission(Question(asks, unused, ("write", PARAMS, {})), as_outcome(answer))


def approval(answer, *, asks="approval"):
    return decide_approval(Question(asks, unused, ("write", PARAMS, {})), as_outcome(answer))


def as_outcome(answer):
    return answer if isinstance(answer, (Failed, TimedOut)) else Answered(answer)


class Hostile:
    """An answer whose every look at it fails."""

    @property
    def __class__(self):
        raise RuntimeError("do not look at me")

    def __eq__(self, other):
        raise RuntimeError("do not compare me")

    __hash__ = None


class Word(StrEnum):
    """A user's own enumeration of answers."""

    ACCEPT = "accept"


class TestWhoIsAsked:
    ASKED = ("write", PARAMS, {"run": 1})

    def test_a_permission_is_asked_of_the_permission_handler_first(self):
        callbacks = Callbacks(permission_handler=print, approval_handler=unused)
        assert permission_question(callbacks, *self.ASKED) == Question(
            "permission", print, self.ASKED
        )

    def test_a_permission_is_asked_of_the_approval_handler_where_there_is_no_other(self):
        callbacks = Callbacks(approval_handler=unused)
        assert permission_question(callbacks, *self.ASKED) == Question(
            "approval", unused, self.ASKED
        )

    def test_an_approval_is_asked_of_the_approval_handler_first(self):
        callbacks = Callbacks(permission_handler=print, approval_handler=unused)
        assert approval_question(callbacks, *self.ASKED) == Question("approval", unused, self.ASKED)

    def test_an_approval_is_asked_of_the_permission_handler_where_there_is_no_other(self):
        callbacks = Callbacks(permission_handler=print)
        assert approval_question(callbacks, *self.ASKED) == Question(
            "permission", print, self.ASKED
        )

    def test_without_a_handler_the_default_counts(self):
        callbacks = Callbacks(permission_default="allow")
        assert permission_question(callbacks, *self.ASKED) == allow()
        assert approval_question(callbacks, *self.ASKED) == "accept"

    def test_without_anything_registered_it_is_denied(self):
        assert permission_question(Callbacks(), *self.ASKED) == deny("denied")
        assert approval_question(Callbacks(), *self.ASKED) == "decline"

    def test_a_handler_is_asked_also_where_the_default_would_allow(self):
        callbacks = Callbacks(permission_handler=unused, permission_default="allow")
        assert isinstance(permission_question(callbacks, *self.ASKED), Question)
        assert isinstance(approval_question(callbacks, *self.ASKED), Question)


class TestPermissionByPermissionHandler:
    def test_fact_30_rewritten_params_come_back_as_they_are(self):
        rewritten = {"path": "b.py", "mode": "append"}
        assert permission(("allow", rewritten)) == Allow(rewritten)

    @pytest.mark.parametrize(
        ("answer", "decision"),
        [
            (allow(), Allow()),
            (allow({"path": "b.py"}, for_session=True), Allow({"path": "b.py"}, for_session=True)),
            (("allow", PARAMS, "allow"), Allow(PARAMS, for_session=True)),
            (deny("no"), Deny("no")),
            (("deny", "no"), Deny("no")),
            (("deny", "no", True), Deny("no", interrupt=True)),
        ],
    )
    def test_what_it_says_is_what_it_comes_to(self, answer, decision):
        assert permission(answer) == decision

    def test_a_failure_denies_and_tells_the_kind_without_the_text(self):
        decision = permission(Failed(ValueError("sk-secret")))
        assert decision == Deny("the permission handler failed (ValueError)")

    def test_a_hang_denies(self):
        assert permission(TimedOut(300.0)) == Deny(
            "the permission handler did not answer within 300.0 s"
        )


class TestPermissionByApprovalHandler:
    @pytest.mark.parametrize(
        ("answer", "decision"),
        [
            ("accept", Allow()),
            ("allow", Allow()),
            ("accept_for_session", Allow(for_session=True)),
            ("decline", Deny("declined")),
            ("deny", Deny("declined")),
            ("cancel", Deny("cancelled", interrupt=True)),
            (Word.ACCEPT, Allow()),
        ],
    )
    def test_each_word_has_its_decision(self, answer, decision):
        assert permission(answer, asks="approval") == decision

    @pytest.mark.parametrize("answer", [Failed(ValueError()), TimedOut(1.0)])
    def test_a_failure_or_a_hang_denies(self, answer):
        decision = permission(answer, asks="approval")
        assert isinstance(decision, Deny)
        assert decision.reason.startswith("the approval handler")


class TestApprovalByApprovalHandler:
    @pytest.mark.parametrize("word", APPROVALS)
    def test_the_four_words_pass(self, word):
        assert approval(word) == word

    def test_allow_accepts_and_deny_declines(self):
        assert (approval("allow"), approval("deny")) == ("accept", "decline")

    @pytest.mark.parametrize("answer", [Failed(ValueError()), TimedOut(1.0)])
    def test_a_failure_or_a_hang_declines(self, answer):
        assert approval(answer) == "decline"


class TestApprovalByPermissionHandler:
    @pytest.mark.parametrize(
        ("answer", "word"),
        [
            (allow(), "accept"),
            (("allow", dict(PARAMS)), "accept"),
            (("allow", PARAMS, "allow"), "accept"),
            (("deny", "no"), "decline"),
            (("deny", "no", False), "decline"),
            (("deny", "no", True), "cancel"),
            (Failed(ValueError()), "decline"),
            (TimedOut(1.0), "decline"),
        ],
    )
    def test_each_decision_has_its_word(self, answer, word):
        assert approval(answer, asks="permission") == word

    @pytest.mark.parametrize("params", [{"path": "b.py"}, {}])
    def test_allowing_other_params_than_those_asked_about_declines(self, params):
        assert approval(("allow", params), asks="permission") == "decline"


class LyingMapping(dict):
    """A mapping that cannot be compared."""

    def __eq__(self, other):
        raise RuntimeError("do not compare me")

    __hash__ = None


nonsense = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.binary(),
    st.text().filter(lambda word: word not in (*APPROVALS, "allow", "deny")),
    st.sampled_from(["Allow", "ALLOW", "accept ", "yes", "ok", "allowed"]),
    st.lists(st.sampled_from(["allow", "deny", "accept"])),
    st.tuples(st.sampled_from(["allow", "accept", "ok"])),
    st.tuples(st.just("allow"), st.one_of(st.integers(), st.text(), st.lists(st.integers()))),
    st.tuples(st.just("allow"), st.just({}), st.one_of(st.none(), st.integers())),
    st.tuples(st.just("allow"), st.just({}), st.just("allow"), st.just("allow")),
    st.dictionaries(st.text(), st.text()).filter(lambda fields: "decision" not in fields),
    st.builds(object),
    st.builds(Allow, st.integers()),
    st.just(Allow),
    st.just(allow),
    st.builds(Failed, st.sampled_from([ValueError("x"), SystemExit(0), KeyboardInterrupt()])),
    st.builds(TimedOut, st.floats(min_value=0.0)),
)


@given(nonsense, st.sampled_from(["permission", "approval"]))
def test_g14_whatever_else_a_handler_does_is_a_denial(answer, asks):
    assert isinstance(permission(answer, asks=asks), Deny)
    assert approval(answer, asks=asks) in ("decline", "cancel")


@pytest.mark.parametrize("asks", ["permission", "approval"])
def test_g14_an_answer_that_fails_while_it_is_read_is_a_denial(asks):
    question, outcome = Question(asks, unused, ("write", PARAMS, {})), Answered(Hostile())
    assert isinstance(decide_permission(question, outcome), Deny)
    assert decide_approval(question, outcome) == "decline"


def test_g14_params_that_cannot_be_compared_are_not_accepted():
    answer = ("allow", LyingMapping(path="a.py"))
    assert approval(answer, asks="permission") == "decline"


@given(st.sampled_from(["decline", "cancel", "deny"]), st.sampled_from(["permission", "approval"]))
def test_a_decline_never_comes_out_as_an_allowance(word, asks):
    assert isinstance(permission(word, asks=asks), Deny)
    assert approval(word, asks=asks) in ("decline", "cancel")
