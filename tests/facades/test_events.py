"""`fleet.events`: subscriptions, what they get, and how they end."""

import threading

import pytest

from beam.backends.backend import Query
from beam.errors import CallTimeout, InvalidInput, QueueFull, StateRefused
from beam.otp import exit, spawn
from beam.otp import receive as receive_mail
from beam.state.bus import EventBus
from tests.otp.actors import eventually
from tests.sessions.scripted import PATIENCE, kill
from tests.volume import scaled


def reason_of(function, *arguments, **named):
    with pytest.raises(StateRefused) as refused:
        function(*arguments, **named)
    return refused.value.reason


def get(fleet, ref):
    return fleet.events.receive_event(ref, timeout=PATIENCE)


def test_what_the_log_stores_of_a_session_is_told_in_order(fleet):
    ref = fleet.events.subscribe("s")
    for number in range(3):
        fleet.control.set_config("s", "n", number)
        fleet.control.set_config("other", "n", number)
    told = [get(fleet, ref) for _ in range(3)]
    assert [event.data["config"]["shown"]["n"] for event in told] == [0, 1, 2]
    assert told == fleet.journal().read("s")


def test_fact_34_pending_requests_are_told_as_control_events(fleet):
    ref = fleet.events.subscribe("s")
    fleet.control.store_pending_request("s", "q", {"token": "sk-1"})
    fleet.control.resolve_pending_request("s", "q", {"response": 1})
    stored, resolved = get(fleet, ref), get(fleet, ref)
    assert (stored.type, resolved.type) == ("pending_request_stored", "pending_request_resolved")
    assert stored.data["request"]["source"] == "universal"
    assert stored.data["request"]["token"] == "redacted"


def test_only_the_types_asked_for_are_told(fleet):
    ref = fleet.events.subscribe("s", types=["feedback_submitted"])
    fleet.control.set_config("s", "n", 1)
    fleet.control.submit_feedback("s", {})
    assert get(fleet, ref).type == "feedback_submitted"


def test_the_end_of_a_run_completes_and_the_subscription_stays(fleet, backend):
    session = fleet.start_session()
    ref = fleet.events.subscribe(session, types=["message"])
    agent = backend.agent()
    for _ in range(2):
        session.query("Hello")
        agent.complete(agent.hear(Query))
        assert get(fleet, ref).type == "message"
        assert reason_of(fleet.events.receive_event, ref, timeout=PATIENCE) == "complete"


def test_fact_48_unsubscribe_complete_and_a_dead_subscriber(fleet):
    events = fleet.events
    ref = events.subscribe("s")
    events.complete("s")
    assert reason_of(events.receive_event, ref) == "complete"
    events.unsubscribe(ref)
    assert reason_of(events.unsubscribe, ref) == "bad_ref"
    assert reason_of(events.receive_event, ref) == "bad_ref"
    events.publish("s", {"type": "note"})


def test_fact_49_the_death_of_a_subscriber_ends_its_subscriptions_and_no_others(fleet):
    stays, told = fleet.events.subscribe("s"), []
    subscribed = threading.Event()

    def subscriber():
        told.extend(fleet.events.subscribe("s") for _ in range(2))
        subscribed.set()
        receive_mail()

    with fleet.node.entered():
        process = spawn(subscriber)
    assert subscribed.wait(PATIENCE)
    exit(process, "kill")
    for ref in told:
        # Whoever waits for an event hears that the subscription has ended.
        assert reason_of(fleet.events.receive_event, ref, timeout=PATIENCE) == "bad_ref"
    fleet.events.publish("s", {"type": "note"})
    assert get(fleet, stays) == {"type": "note"}


def test_a_slow_subscriber_loses_the_oldest_and_is_told_how_many(fleet):
    ref = fleet.events.subscribe("s", room=2)
    for number in range(5):
        fleet.events.publish("s", {"n": number})
    assert (ref.dropped, get(fleet, ref), get(fleet, ref)) == (3, {"n": 3}, {"n": 4})


def test_a_wait_ends_with_its_time(fleet):
    ref = fleet.events.subscribe("s")
    with pytest.raises(CallTimeout):
        fleet.events.receive_event(ref, timeout=0.01)
    fleet.events.publish("s", {"n": 1})
    assert get(fleet, ref) == {"n": 1}


def test_kills_of_the_bus_and_of_the_log_lose_nothing_and_tell_nothing_twice(fleet):
    ref = fleet.events.subscribe("s", room=10_000)
    count = scaled(400)
    for number in range(count):
        fleet.control.set_config("s", "n", number)
        if number % 10 == 5:
            kill(fleet, "bus")
        if number % 20 == 15:
            before = fleet.whereis("control")
            kill(fleet, "log")
            # Its end takes control along, which is not asked in between: a call might die with it.
            eventually(lambda: fleet.whereis("control") not in (None, before))  # noqa: B023
    told = [get(fleet, ref) for _ in range(count)]
    assert [event.data["config"]["shown"]["n"] for event in told] == list(range(count))


def test_many_threads_share_what_comes(fleet):
    ref, got = fleet.events.subscribe("s"), []
    threads = [threading.Thread(target=lambda: got.append(get(fleet, ref))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for number in range(8):
        fleet.events.publish("s", {"n": number})
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(one["n"] for one in got) == list(range(8))


def test_bad_input_is_refused(fleet, monkeypatch):
    for arguments in ({"types": ["lunch"]}, {"room": 0}, {"room": True}):
        with pytest.raises(InvalidInput):
            fleet.events.subscribe("s", **arguments)
    with pytest.raises(InvalidInput):
        fleet.events.publish("s", 7)
    monkeypatch.setattr("beam.state.bus.MOST", 1)
    bus = EventBus()
    bus.subscribe("s")
    with pytest.raises(QueueFull):
        bus.subscribe("s")
