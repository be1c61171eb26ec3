"""Telemetry of sessions: their states, and the span of each query."""

from __future__ import annotations

import queue

import pytest

from beam import telemetry
from beam.backends.backend import Query
from beam.errors import RunFailed
from tests.sessions.scripted import AT_ONCE, PATIENCE, kill


class Heard:
    """What was told, in order."""

    def __init__(self):
        self._events = queue.SimpleQueue()

    def __call__(self, event, measured, about):
        self._events.put((event, measured, about))

    def next(self):
        return self._events.get(timeout=PATIENCE)

    def until(self, *event):
        """Return what was told up to an event, and that."""
        told = [self.next()]
        while told[-1][0] != event:
            told.append(self.next())
        return told


@pytest.fixture
def listen():
    ends = []

    def attach(*prefix):
        heard = Heard()
        ends.append(telemetry.attach(prefix, heard))
        return heard

    yield attach
    for end in ends:
        end()


def test_a_session_tells_its_states_from_the_first_to_the_last(fleet, backend, listen):
    heard = listen("session")
    session = fleet.start_session()
    run = session.query("Hello")
    agent = backend.agent()
    agent.complete(agent.hear(Query))
    run.get(timeout=PATIENCE)
    told = [heard.next()[2] for _ in range(5)]
    assert [(one["from_state"], one["to_state"]) for one in told] == [
        (None, "connecting"),
        ("connecting", "initializing"),
        ("initializing", "ready"),
        ("ready", "active_query"),
        ("active_query", "ready"),
    ]
    assert {one["session_id"] for one in told} == {session.id}
    assert {one["agent"] for one in told} == set(fleet.router._grounds.backends)


def test_a_query_that_is_answered_starts_and_stops(fleet, backend, listen):
    heard = listen("agent")
    session = fleet.start_session()
    run = session.query("Hello")
    agent = backend.agent()
    agent.complete(agent.hear(Query))
    start, stop = heard.until("agent", "query", "stop")
    assert start[0] == ("agent", "query", "start")
    assert set(start[1]) == {"system_time"}
    assert (start[2]["prompt_length"], start[2]["run_id"]) == (5, run.run_id)
    assert stop[1]["duration"] >= 0
    assert (stop[2]["how"], stop[2]["run_id"]) == ("completed", run.run_id)


def test_no_event_has_the_prompt(fleet, backend, listen):
    heard = listen()
    session = fleet.start_session()
    session.query("Very private")
    agent = backend.agent()
    agent.complete(agent.hear(Query))
    assert "private" not in repr(heard.until("agent", "query", "stop"))


def test_a_query_that_is_interrupted_or_too_late_stops(fleet, backend, listen):
    heard = listen("agent")
    session = fleet.start_session()
    session.query("Hello")
    backend.agent().hear(Query)
    session.interrupt()
    assert heard.until("agent", "query", "stop")[-1][2]["how"] == "interrupted"
    with pytest.raises(RunFailed):
        session.query("Hello", timeout=0.01).get(timeout=PATIENCE)
    assert heard.until("agent", "query", "stop")[-1][2]["how"] == "failed"


def test_a_query_that_loses_its_agent_is_an_exception(fleets, backend, listen):
    heard = listen("agent")
    session = fleets(backend).start_session(backoff=AT_ONCE)
    run = session.query("Hello")
    agent = backend.agent()
    agent.hear(Query)
    agent.end(3)
    _, measured, about = heard.until("agent", "query", "exception")[-1]
    assert (about["reason"], about["run_id"]) == ("cli_exit", run.run_id)
    assert set(measured) == {"system_time"}


def test_a_query_whose_session_is_killed_is_an_exception_and_its_retry_a_span(
    fleet, backend, listen
):
    heard = listen("agent")
    session = fleet.start_session(on_crash="retry")
    session.query("Hello")
    backend.agent().hear(Query)
    kill(fleet, session.id)
    agent = backend.agent()
    agent.complete(agent.hear(Query))
    told = heard.until("agent", "query", "stop")
    assert [event[-1] for event, _, _ in told] == ["start", "exception", "start", "stop"]
    assert told[1][2]["reason"] == "session_crashed"


def test_a_query_whose_session_is_stopped_stops(fleet, backend, listen):
    heard = listen("agent")
    session = fleet.start_session()
    session.query("Hello")
    backend.agent().hear(Query)
    session.stop()
    assert heard.until("agent", "query", "stop")[-1][2]["how"] == "interrupted"


def test_who_comes_in_the_middle_of_a_query_hears_no_end_without_a_beginning(
    fleet, backend, listen
):
    session = fleet.start_session()
    run = session.query("Hello")
    agent = backend.agent()
    query = agent.hear(Query)
    heard = listen("agent")
    agent.complete(query)
    run.get(timeout=PATIENCE)
    session.query("Again")
    agent.complete(agent.hear(Query))
    assert [event[-1] for event, _, _ in heard.until("agent", "query", "stop")] == ["start", "stop"]


def test_a_listener_that_raises_harms_no_session(fleet, backend, listen):
    def broken(*_):
        raise RuntimeError("mine")

    detach = telemetry.attach((), broken)
    session = fleet.start_session()
    run = session.query("Hello")
    agent = backend.agent()
    agent.complete(agent.hear(Query))
    run.get(timeout=PATIENCE)
    detach()
    assert session.health() == "ready"
