"""`beam.state.control_event`: what is told of a change."""

from beam.state import ControlEvent


def test_fact_34_an_event_is_a_system_message_of_universal_source_and_control_class():
    event = ControlEvent("task_stopped", "session_1", 1000, {"task_id": "t1"})
    assert event.as_message() == {
        "type": "system",
        "subtype": "task_stopped",
        "session_id": "session_1",
        "source": "universal",
        "event_class": "control",
        "timestamp": 1000,
        "task_id": "t1",
    }


def test_its_facts_are_told_without_secrets():
    event = ControlEvent("x", "session_1", 1000, {"request": {"password": "p"}})
    assert event.as_message()["request"] == {"password": "redacted"}


def test_no_fact_can_pass_for_a_field_of_the_message():
    event = ControlEvent("x", "session_1", 1000, {"type": "result", "session_id": "session_2"})
    message = event.as_message()
    assert (message["type"], message["session_id"]) == ("system", "session_1")
