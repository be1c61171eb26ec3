"""`beam.state.ask`, `beam.state.requests`: the life of a request, without a process."""

import pytest

from beam.errors import NotFound, StateRefused
from beam.model.permissions import Allow, Deny, allow, deny
from beam.state import Answered, Callbacks, Failed, TimedOut
from beam.state.ask import Ask, Asked, as_data, denial, spoken
from beam.state.requests import Requests

TOLD = {"kind": "permission", "method": "write", "params": {"path": "a.py", "token": "x"}}
ASKED = Asked("s", "q", "permission", TOLD)
TIMES = {"timeout": 10.0, "now": 5.0, "at": 1000}


def handler(method, params, context):
    return allow({"path": "b.py"})


def opened(callbacks=None, asked=ASKED):
    callbacks = callbacks or Callbacks(permission_handler=handler)
    return Requests.of("s").opened(asked, callbacks, **TIMES)


class TestWords:
    @pytest.mark.parametrize(
        ("said", "decision"),
        [
            (allow({"n": 1}), Allow({"n": 1})),
            ({"decision": "deny", "reason": "no"}, Deny("no")),
            ("allow", Allow()),
            ("accept_for_session", Allow(for_session=True)),
            ("decline", Deny("declined")),
        ],
    )
    def test_a_permission_can_be_said_in_many_forms(self, said, decision):
        assert spoken("permission", said) == decision

    @pytest.mark.parametrize(
        ("said", "word"),
        [
            ("accept_for_session", "accept_for_session"),
            ("allow", "accept"),
            (allow(), "accept"),
            (allow({"n": 1}), "decline"),
            (deny("no", interrupt=True), "cancel"),
            ("perhaps", "decline"),
            (None, "decline"),
        ],
    )
    def test_an_approval_is_a_word_and_never_has_other_params(self, said, word):
        assert spoken("approval", said) == word

    @pytest.mark.parametrize(
        "decision", [allow(), allow({"n": 1}, for_session=True), deny("no", interrupt=True)]
    )
    def test_a_decision_comes_back_from_its_data(self, decision):
        assert spoken("permission", as_data(decision)) == decision

    def test_a_denial_is_one_of_either_kind(self):
        assert denial("permission", "why") == Deny("why")
        assert denial("approval", "why") == "decline"


class TestTheSameQuestion:
    def test_it_is_known_by_what_is_asked_without_its_secrets(self):
        known = {**TOLD, "params": {"path": "a.py", "token": "redacted"}, "source": "universal"}
        assert ASKED.is_the_same_as(known)

    @pytest.mark.parametrize("change", [{"method": "read"}, {"kind": "approval"}, {"params": {}}])
    def test_any_difference_makes_it_another(self, change):
        assert not ASKED.is_the_same_as({**TOLD, **change})


class TestALife:
    def test_a_new_question_is_told_and_somebody_is_to_be_asked(self):
        change = opened()
        assert [event.subtype for event in change.told] == ["permission_requested"]
        assert (change.ask.deadline, change.ask.timeout) == (15.0, 10.0)
        assert change.ask.call.run() == Allow({"path": "b.py"})

    def test_where_nobody_can_be_asked_it_is_answered_at_once(self):
        change = opened(Callbacks(permission_default="allow"))
        kinds = [event.subtype for event in change.told]
        assert kinds == ["permission_requested", "permission_resolved"]
        assert (change.ask, change.answer) == (None, Allow())

    @pytest.mark.parametrize(
        ("outcome", "answer"),
        [
            (Answered(Allow()), Allow()),
            (Failed(ValueError()), Deny("the permission handler failed (ValueError)")),
            (TimedOut(0.1), Deny("the permission handler did not answer within 10.0 s")),
        ],
    )
    def test_it_ends_with_what_became_of_the_handler(self, outcome, answer):
        change = opened().requests.concluded("q", outcome, at=2000)
        assert change.answer == answer
        assert change.requests.asks == {}
        assert change.requests.pending.response("q") == {"decision": as_data(answer)}

    def test_it_is_answered_once(self):
        requests = opened().requests.resolved("q", {"decision": "allow"}, at=2000).requests
        with pytest.raises(StateRefused):
            requests.resolved("q", {"decision": "deny"}, at=3000)

    def test_an_unknown_one_cannot_be_answered(self):
        with pytest.raises(NotFound):
            Requests.of("s").resolved("q", {}, at=1000)

    def test_one_that_is_forfeited_is_denied_whatever_the_handler_says(self):
        requests = opened().requests.forfeited("q")
        answer = requests.concluded("q", Answered(Allow()), at=2000).answer
        assert answer == Deny("nobody answered within 10.0 s")

    def test_asked_again_after_a_restart_it_has_the_time_that_it_had_left(self):
        requests = opened().requests.with_ask("q", Ask("permission", 7.0, 10.0))
        callbacks = Callbacks(permission_handler=handler)
        change = requests.asked_again(ASKED, callbacks, timeout=99.0, now=6.0, at=2000)
        assert (change.ask.deadline, change.ask.timeout, change.told) == (7.0, 10.0, ())
