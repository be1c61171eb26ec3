"""`beam.state.pending_requests`: stored, answered once, listed, bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.errors import InvalidInput, NotFound, QueueFull, StateRefused
from beam.state import PendingRequests


@pytest.fixture
def pending():
    return PendingRequests("session_1")


def stored(pending, *request_ids, at=1000):
    for offset, request_id in enumerate(request_ids):
        pending, _ = pending.stored(request_id, {"question": request_id}, at=at + offset)
    return pending


class TestStoring:
    def test_a_request_is_brought_into_form(self, pending):
        pending, _ = pending.stored("req_1", {"question": "Which?"}, at=1000)
        assert pending.get("req_1").request == {
            "question": "Which?",
            "request_id": "req_1",
            "kind": "user_input",
            "source": "universal",
            "schema_version": "beam_agent.control.request.v1",
        }

    @pytest.mark.parametrize(
        ("request_", "kind"),
        [
            ({"kind": "a", "type": "b", "subtype": "c"}, "a"),
            ({"type": "b", "subtype": "c"}, "b"),
            ({"subtype": "c"}, "c"),
            ({}, "user_input"),
        ],
    )
    def test_its_kind_is_the_first_that_it_tells(self, pending, request_, kind):
        pending, _ = pending.stored("req_1", request_, at=1000)
        assert pending.get("req_1").request["kind"] == kind

    def test_what_the_caller_says_wins(self, pending):
        pending, _ = pending.stored(
            "req_1", {"source": "gemini", "request_id": "native", "schema_version": "v9"}, at=1000
        )
        request = pending.get("req_1").request
        assert (request["source"], request["request_id"], request["schema_version"]) == (
            "gemini",
            "native",
            "v9",
        )

    def test_fact_34_it_is_told_without_secrets(self, pending):
        _, event = pending.stored("req_1", {"question": "Which?", "token": "t"}, at=1000)
        message = event.as_message()
        assert message["subtype"] == "pending_request_stored"
        assert (message["source"], message["event_class"]) == ("universal", "control")
        assert (message["request_id"], message["request"]["token"]) == ("req_1", "redacted")

    def test_it_takes_the_place_of_one_with_its_id_also_of_an_answered_one(self, pending):
        pending, _ = stored(pending, "req_1").resolved("req_1", {"response": 1}, at=1100)
        pending, _ = pending.stored("req_1", {"question": "again"}, at=2000)
        entry = pending.get("req_1")
        assert (entry.status, entry.created_at) == ("pending", 2000)
        assert entry.response is None

    @pytest.mark.parametrize("request_id", ["", None, 7])
    def test_it_has_an_id(self, pending, request_id):
        with pytest.raises(InvalidInput, match="request_id"):
            pending.stored(request_id, {}, at=1000)

    @pytest.mark.parametrize("request_", [None, "Which?", ["Which?"]])
    def test_it_is_a_mapping(self, pending, request_):
        with pytest.raises(InvalidInput, match="request: expected a mapping"):
            pending.stored("req_1", request_, at=1000)

    def test_it_does_not_change_with_what_was_given(self, pending):
        request = {"options": ["a"]}
        pending, _ = pending.stored("req_1", request, at=1000)
        request["options"].append("b")
        assert pending.get("req_1").request["options"] == ["a"]


class TestResolving:
    def test_the_answer_is_there_with_its_secrets(self, pending):
        pending, _ = stored(pending, "req_1").resolved("req_1", {"token": "t"}, at=2000)
        assert pending.response("req_1") == {"token": "t"}
        assert pending.get("req_1").resolved_at == 2000

    def test_fact_34_it_is_told_without_secrets(self, pending):
        _, event = stored(pending, "req_1").resolved("req_1", {"token": "t"}, at=2000)
        message = event.as_message()
        assert message["subtype"] == "pending_request_resolved"
        assert message["response"] == {"token": "redacted"}

    def test_fact_33_resolving_twice_is_refused_and_the_first_answer_stands(self, pending):
        pending, _ = stored(pending, "req_1").resolved("req_1", {"response": 1}, at=2000)
        with pytest.raises(StateRefused) as refused:
            pending.resolved("req_1", {"response": 2}, at=3000)
        assert (refused.value.reason, refused.value.request_id) == ("already_resolved", "req_1")
        assert pending.response("req_1") == {"response": 1}

    def test_fact_33_an_unknown_request_is_not_found(self, pending):
        with pytest.raises(NotFound) as refused:
            pending.resolved("req_1", {}, at=2000)
        assert (refused.value.reason, refused.value.request_id) == ("not_found", "req_1")

    def test_an_empty_answer_is_an_answer(self, pending):
        pending, _ = stored(pending, "req_1").resolved("req_1", {}, at=2000)
        assert pending.response("req_1") == {}

    @pytest.mark.parametrize("response", [None, "yes", ["yes"]])
    def test_an_answer_is_a_mapping(self, pending, response):
        with pytest.raises(InvalidInput, match="response"):
            stored(pending, "req_1").resolved("req_1", response, at=2000)


class TestReading:
    def test_an_unanswered_request_is_pending(self, pending):
        with pytest.raises(StateRefused) as refused:
            stored(pending, "req_1").response("req_1")
        assert refused.value.reason == "pending"

    def test_an_unknown_request_is_not_found(self, pending):
        with pytest.raises(NotFound, match="not_found"):
            pending.response("req_1")

    def test_the_reason_for_waiting_is_told(self, pending):
        pending = stored(pending, "req_1").waiting("req_1", "handler_failed")
        assert pending.views()[0]["reason"] == "handler_failed"
        with pytest.raises(StateRefused, match="handler_failed"):
            pending.response("req_1")

    def test_an_answered_request_waits_for_no_reason(self, pending):
        pending = stored(pending, "req_1").waiting("req_1", "handler_failed")
        pending, _ = pending.resolved("req_1", {}, at=2000)
        assert pending.waiting("req_1", "late") == pending
        assert "reason" not in pending.views()[0]

    def test_the_views_have_no_secrets(self, pending):
        pending, _ = pending.stored("req_1", {"token": "t", "question": "Which?"}, at=1000)
        pending, _ = pending.resolved("req_1", {"password": "p"}, at=2000)
        assert pending.views() == [
            {
                "request_id": "req_1",
                "session_id": "session_1",
                "request": {
                    "token": "redacted",
                    "question": "Which?",
                    "request_id": "req_1",
                    "kind": "user_input",
                    "source": "universal",
                    "schema_version": "beam_agent.control.request.v1",
                },
                "status": "resolved",
                "created_at": 1000,
                "response": {"password": "redacted"},
                "resolved_at": 2000,
            }
        ]

    def test_the_oldest_comes_first_and_answered_ones_are_listed(self, pending):
        pending, _ = stored(pending, "b", "a", "c").resolved("a", {}, at=2000)
        pending = stored(pending, "b", at=3000)
        assert [view["request_id"] for view in pending.views()] == ["a", "c", "b"]


class TestBound:
    def test_the_one_answered_first_makes_room(self):
        pending = stored(PendingRequests("session_1", bound=3), "a", "b", "c")
        pending, _ = pending.resolved("c", {}, at=2000)
        pending, _ = pending.resolved("a", {}, at=2001)
        pending = stored(pending, "d")
        assert list(pending.entries) == ["a", "b", "d"]

    def test_unanswered_requests_are_never_dropped_but_new_ones_refused(self):
        pending = stored(PendingRequests("session_1", bound=2), "a", "b")
        with pytest.raises(QueueFull) as refused:
            pending.stored("c", {}, at=2000)
        assert (refused.value.reason, refused.value.bound) == ("queue_full", 2)

    def test_one_that_takes_the_place_of_another_needs_no_room(self):
        pending = stored(PendingRequests("session_1", bound=2), "a", "b")
        assert list(stored(pending, "a", at=2000).entries) == ["b", "a"]


@given(
    st.lists(
        st.tuples(st.sampled_from(["store", "resolve"]), st.sampled_from("abcde")), max_size=40
    ),
    st.integers(1, 4),
)
def test_on_any_history_it_is_what_a_plain_model_says(history, bound):
    pending = PendingRequests("session_1", bound=bound)
    waiting: dict[str, int] = {}
    answered: dict[str, int] = {}
    for at, (action, request_id) in enumerate(history):
        if action == "store":
            waiting_others = {key for key in waiting if key != request_id}
            full = len(waiting_others) >= bound
            try:
                pending, _ = pending.stored(request_id, {}, at=at)
            except QueueFull:
                assert full
                continue
            assert not full
            answered.pop(request_id, None)
            waiting.pop(request_id, None)
            waiting[request_id] = at
            if len(waiting) + len(answered) > bound:
                del answered[min(answered, key=answered.get)]
        else:
            try:
                pending, _ = pending.resolved(request_id, {"at": at}, at=at)
            except NotFound:
                assert request_id not in waiting
                assert request_id not in answered
            except StateRefused:
                assert request_id in answered
            else:
                del waiting[request_id]
                answered[request_id] = at
    assert len(pending.entries) <= bound
    assert {key for key, entry in pending.entries.items() if entry.status == "pending"} == set(
        waiting
    )
    assert {
        key: pending.response(key)["at"]
        for key, entry in pending.entries.items()
        if entry.status == "resolved"
    } == answered
    created = [view["created_at"] for view in pending.views()]
    assert created == sorted(created)
