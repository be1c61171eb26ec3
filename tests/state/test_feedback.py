"""`beam.state.feedback`: numbered, in order, bounded."""

import pytest

from beam.errors import InvalidInput
from beam.state import Feedback


def submitted(feedback, *ratings):
    for at, rating in enumerate(ratings):
        feedback, _ = feedback.submitted({"rating": rating}, at=at)
    return feedback


def test_fact_29_it_comes_back_in_the_order_in_which_it_was_submitted():
    views = submitted(Feedback("session_1"), 3, 1, 2).views()
    assert [view["rating"] for view in views] == [3, 1, 2]
    assert [view["seq"] for view in views] == [1, 2, 3]


def test_what_the_fleet_knows_stands_over_what_the_caller_says():
    feedback, event = Feedback("session_1").submitted(
        {"seq": 99, "session_id": "session_2", "submitted_at": 0, "text": "good"}, at=1000
    )
    assert feedback.views() == [
        {"seq": 1, "session_id": "session_1", "submitted_at": 1000, "text": "good"}
    ]
    assert event.as_message()["subtype"] == "feedback_submitted"


def test_a_number_is_never_given_twice_also_after_clearing():
    feedback = submitted(submitted(Feedback("session_1"), 1, 2).cleared(), 3)
    assert [view["seq"] for view in feedback.views()] == [3]


def test_the_oldest_makes_room_and_is_counted():
    feedback = submitted(Feedback("session_1", bound=2), 1, 2, 3, 4)
    assert [view["rating"] for view in feedback.views()] == [3, 4]
    assert feedback.dropped == 2


def test_it_is_shown_without_secrets():
    feedback, _ = Feedback("session_1").submitted({"password": "p"}, at=1000)
    assert feedback.views()[0]["password"] == "redacted"


@pytest.mark.parametrize("feedback", [None, "good", ["good"]])
def test_it_is_a_mapping(feedback):
    with pytest.raises(InvalidInput, match="feedback"):
        Feedback("session_1").submitted(feedback, at=1000)
