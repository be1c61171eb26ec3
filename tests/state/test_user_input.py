"""`beam.state.user_input`: questions that are answered, and those that wait."""

import pytest

from beam.errors import InvalidInput, NotFound, QueueFull, StateRefused
from beam.state import (
    Answered,
    Failed,
    PendingInput,
    PendingRequests,
    TimedOut,
    concluded,
    opened,
)

QUESTION = {"question": "Which file?", "token": "t"}


def ask(outcome, context=None, pending=None):
    """Ask the question with a handler that ends so, and return what it came to."""
    pending = pending or PendingRequests("session_1")
    pending, request_id, _ = opened(pending, "req_new", QUESTION, context or {}, at=1000)
    return concluded(pending, request_id, outcome, at=1001)


def test_the_question_is_stored_before_anybody_is_asked():
    context = {"run_id": "run_1"}
    pending, request_id, event = opened(
        PendingRequests("session_1"), "req_new", QUESTION, context, at=1000
    )
    request = pending.get(request_id).request
    assert (request["question"], request["source"]) == ("Which file?", "universal")
    assert (request["request_id"], request["context"]) == ("req_new", context)
    assert event.subtype == "pending_request_stored"


def test_the_id_is_that_of_the_context_where_it_has_one():
    _, request_id, _ = opened(
        PendingRequests("session_1"), "req_new", QUESTION, {"request_id": "mine"}, at=1000
    )
    assert request_id == "mine"


def test_fact_31_without_a_handler_it_waits_for_an_answer_from_outside():
    pending, result, event = ask(None)
    assert result == PendingInput(
        request_id="req_new",
        request={**pending.views()[0]["request"]},
        reason="awaiting_external_response",
        status="pending",
        source="universal",
    )
    assert result.request["token"] == "redacted"
    assert event.subtype == "user_input_requested"
    with pytest.raises(StateRefused, match="pending"):
        pending.response("req_new")


def test_fact_32_a_handler_that_raises_leaves_it_pending_with_the_reason_under_the_callers_id():
    pending, result, event = ask(Failed(ValueError("x")), {"request_id": "mine"})
    assert (result.request_id, result.status, result.reason) == (
        "mine",
        "pending",
        "handler_failed",
    )
    assert pending.get("mine").reason == "handler_failed"
    assert event.as_message()["reason"] == "handler_failed"


def test_a_handler_that_hangs_leaves_it_pending_with_the_reason():
    pending, result, _ = ask(TimedOut(300.0))
    assert result.reason == "handler_timeout"
    assert pending.get("req_new").reason == "handler_timeout"


@pytest.mark.parametrize("value", ["setup.py", None, False, {"file": "setup.py"}, ("ok", 1)])
def test_every_value_is_an_answer(value):
    pending, result, event = ask(Answered(value))
    assert result == value
    assert pending.response("req_new") == {"response": value, "source": "callback"}
    assert event.subtype == "pending_request_resolved"


def test_a_question_that_waits_can_be_answered_later():
    pending, _, _ = ask(Failed(ValueError("x")))
    pending, _ = pending.resolved("req_new", {"response": "setup.py"}, at=2000)
    assert pending.response("req_new") == {"response": "setup.py"}


@pytest.mark.parametrize("outcome", [None, Answered("late"), Failed(ValueError()), TimedOut(1.0)])
def test_an_answer_from_elsewhere_stands_over_what_the_handler_came_to(outcome):
    pending, request_id, _ = opened(PendingRequests("session_1"), "req_1", QUESTION, {}, at=1000)
    pending, _ = pending.resolved(request_id, {"response": "setup.py"}, at=1001)
    assert concluded(pending, request_id, outcome, at=1002) == (pending, "setup.py", None)


def test_an_unknown_question_is_not_found():
    with pytest.raises(NotFound):
        concluded(PendingRequests("session_1"), "req_1", None, at=1000)


def test_a_question_too_many_is_refused_before_anybody_is_asked():
    pending, _, _ = opened(PendingRequests("session_1", bound=1), "req_1", QUESTION, {}, at=1000)
    with pytest.raises(QueueFull):
        opened(pending, "req_2", QUESTION, {}, at=1001)


@pytest.mark.parametrize(
    ("request_", "context", "field"),
    [("Which?", {}, "request"), ({}, "here", "context"), ({}, {"request_id": 7}, "request_id")],
)
def test_bad_input_is_refused_by_name(request_, context, field):
    with pytest.raises(InvalidInput) as refused:
        opened(PendingRequests("session_1"), "req_1", request_, context, at=1000)
    assert refused.value.field == field
