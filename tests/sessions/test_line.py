"""`beam.sessions.line`: transports that end, and what becomes of the session and its callers."""

from __future__ import annotations

import threading

import pytest

from beam.backends.backend import Query
from beam.errors import (
    Interrupted,
    NotFound,
    RunFailed,
    SessionQuarantined,
    SessionRestarting,
    StartError,
)
from beam.otp import Backoff, Restarts, exit, sys
from beam.sessions.directory import DIRECTORY
from beam.sessions.line import Line
from beam.sessions.options import SessionOptions
from tests.sessions.scripted import (
    AT_ONCE,
    NOT_NOW,
    OFTEN,
    PATIENCE,
    Scripted,
    end,
    failure,
    kill,
    shout,
    types,
    wait_for,
)


def test_a_waiting_consumer_hears_of_the_end_and_the_handle_serves_the_next_agent(fleets):
    backend = Scripted()
    session = fleets(backend).start_session(backoff=Backoff(0.05, 0.05))
    first = backend.agent()
    stream = session.stream("hello")
    first.text(first.hear(Query), "word")
    assert next(stream).content == "word"
    first.end(3)
    with pytest.raises(Interrupted) as cut:
        next(stream)
    assert (cut.value.reason, cut.value.status) == ("cli_exit", 3)
    assert session.health() == "error"
    second = backend.agent()
    assert backend.states == ["connecting", "connecting"]
    run = session.query("again")
    second.complete(second.hear(Query))
    assert run.get(timeout=PATIENCE) == "done"
    assert session.info().restarts == 0
    [changed] = session.history(types=["state_changed"])
    assert (changed.data["to_state"], changed.data["reason"]) == ("error", "cli_exit")


def test_a_run_that_is_to_be_retried_goes_to_the_next_agent(fleets):
    backend = Scripted()
    session = fleets(backend).start_session(backoff=AT_ONCE)
    run = session.query("hello", on_crash="retry", retries=1)
    first = backend.agent()
    first.hear(Query)
    first.end()
    second = backend.agent()
    query = second.hear(Query)
    assert (query.prompt, query.attempt) == ("hello", 2)
    second.complete(query)
    assert run.get(timeout=PATIENCE) == "done"


def test_retries_are_counted_over_ends_of_the_agent_too(fleets):
    backend = Scripted()
    session = fleets(backend).start_session(backoff=AT_ONCE, reconnects=OFTEN)
    run = session.query("hello", on_crash="retry", retries=2)
    for _ in range(3):
        agent = backend.agent()
        agent.hear(Query)
        agent.end()
    failed = failure(run)
    assert (failed.reason, failed.cause, failed.attempts) == ("retries_exhausted", "cli_exit", 3)


def test_an_agent_that_ends_while_nothing_is_asked_is_replaced(fleets):
    backend = Scripted(shout)
    session = fleets(backend).start_session(backoff=AT_ONCE)
    backend.agent().end()
    assert session.query("hello").get(timeout=PATIENCE) == "HELLO"


def test_an_agent_that_says_it_is_of_no_more_use_is_replaced(fleets):
    backend = Scripted(shout)
    session = fleets(backend).start_session(backoff=AT_ONCE)
    first = backend.agent()
    first.give_up("out_of_order")
    backend.agent()
    assert first.gone.wait(PATIENCE)
    [changed] = session.history(types=["state_changed"])
    assert changed.data["reason"] == "out_of_order"


@pytest.mark.parametrize("reason", ["cli_exit", "protocol_error"])
def test_a_query_that_fails_with_its_agent_ends_the_transport(fleets, reason):
    backend = Scripted()
    session = fleets(backend).start_session(backoff=AT_ONCE)
    run = session.query("hello")
    first = backend.agent()
    first.fail(first.hear(Query), reason)
    assert failure(run).reason == reason
    assert first.gone.wait(PATIENCE)
    backend.agent()


def test_a_connection_that_crashes_is_an_end_of_the_transport(fleets):
    backend = Scripted(shout)
    fleet = fleets(backend)
    session = fleet.start_session(backoff=AT_ONCE)
    first = backend.agent()
    end(fleet.node, first.connection, lambda: exit(first.connection, "kill"))
    backend.agent()
    [changed] = session.history(types=["state_changed"])
    assert changed.data["reason"] == "cli_exit"
    assert session.info().restarts == 0


def test_an_agent_that_is_not_ready_in_time_is_replaced(fleets):
    backend = Scripted(shout, ready=False)
    session = fleets(backend).start_session(
        connect_timeout=0.01, init_timeout=0.01, backoff=AT_ONCE, reconnects=OFTEN
    )
    run = session.submit("hello")
    first = backend.agent()
    assert first.gone.wait(PATIENCE)
    assert wait_for(session, "state_changed").data["reason"] == "init_timeout"
    backend.ready = True
    assert run.get(timeout=PATIENCE) == "HELLO"


def test_a_connection_that_cannot_be_made_is_tried_again(fleets):
    backend = Scripted(shout)
    backend.refusals.extend([StartError("ENOENT"), StartError("ENOENT")])
    session = fleets(backend).start_session(backoff=AT_ONCE)
    assert session.query("hello").get(timeout=PATIENCE) == "HELLO"
    reasons = [event.data["reason"] for event in session.history(types=["state_changed"])]
    assert reasons == ["transport_start_failed"] * 2


def test_a_session_whose_agents_end_too_often_is_put_into_quarantine(fleets):
    backend = Scripted()
    fleet = fleets(backend)
    session = fleet.start_session(backoff=AT_ONCE, reconnects=Restarts(1, per=60.0))
    runs = [session.submit(word, on_crash="retry") for word in ("one", "two")]
    process = fleet.whereis(session.id)

    def end_twice():
        for _ in range(2):
            agent = backend.agent()
            agent.hear(Query)
            agent.end()

    assert end(fleet.node, process, end_twice) == ("shutdown", ("quarantine", "cli_exit"))
    for run in runs:
        failed = failure(run)
        assert isinstance(failed, RunFailed)
        assert (failed.reason, failed.cause) == ("session_quarantined", "cli_exit")
    with pytest.raises(SessionQuarantined):
        session.info()
    assert isinstance(failure(session.query("more")), SessionQuarantined)
    with pytest.raises(SessionQuarantined):
        list(session.stream("more"))
    assert session.status() == session.health() == "quarantined"
    assert types(session).count("session_quarantined") == 1
    assert len(fleet.sessions()) == 1


def test_a_released_session_has_a_new_budget_and_all_that_it_had(fleets):
    backend = Scripted(shout)
    fleet = fleets(backend)
    session = fleet.start_session(backoff=AT_ONCE, reconnects=Restarts(0, per=60.0))
    session.query("hello").get(timeout=PATIENCE)
    process = fleet.whereis(session.id)
    end(fleet.node, process, backend.agent().end)
    wait_for(session, "session_quarantined")
    assert isinstance(failure(session.query("more")), SessionQuarantined)
    released = fleet.release(session)
    assert released == session
    assert session.query("again").get(timeout=PATIENCE) == "AGAIN"
    assert [message.content for message in session.messages()][:2] == ["hello", "HELLO"]
    assert "session_released" in types(session)
    with pytest.raises(NotFound) as refused:
        fleet.release(session.id)
    assert refused.value.reason == "not_quarantined"


def test_a_directory_that_hears_late_of_a_session_knows_that_it_is_in_quarantine(fleets):
    backend = Scripted(shout)
    fleet = fleets(backend)
    directory = fleet.whereis(DIRECTORY)
    sys.suspend(directory)
    session = fleet.start_session(backoff=AT_ONCE, reconnects=Restarts(0, per=60.0))
    session.query("hello").get(timeout=PATIENCE)
    end(fleet.node, fleet.whereis(session.id), backend.agent().end)
    wait_for(session, "session_quarantined")
    run = session.query("more")
    sys.resume(directory)
    assert isinstance(failure(run), SessionQuarantined)
    assert session.status() == "quarantined"
    fleet.release(session)
    assert session.query("again").get(timeout=PATIENCE) == "AGAIN"


def test_a_session_whose_process_crashes_too_often_is_put_into_quarantine(fleets):
    backend = Scripted()
    fleet = fleets(backend, session_budget=Restarts(1, per=60.0))
    session = fleet.start_session(on_crash="retry")
    runs = [session.submit(word) for word in ("one", "two")]
    for _ in range(2):
        backend.agent().hear(Query)
        kill(fleet, session.id)
    assert [failure(run).reason for run in runs] == ["session_quarantined"] * 2
    with pytest.raises(SessionQuarantined):
        session.info()
    wait_for(session, "session_quarantined")
    backend.answer = shout
    fleet.release(session.id)
    assert session.query("again").get(timeout=PATIENCE) == "AGAIN"


def test_a_session_that_cannot_be_released_stays_in_quarantine(fleets, monkeypatch):
    backend = Scripted()
    fleet = fleets(backend, session_budget=Restarts(0, per=60.0))
    session = fleet.start_session()
    kill(fleet, session.id)
    wait_for(session, "session_quarantined")
    monkeypatch.setattr(
        "beam.sessions.machine.recall", lambda *_: (_ for _ in ()).throw(OSError("no disk"))
    )
    with pytest.raises(StartError):
        fleet.release(session)
    assert session.status() == "quarantined"
    monkeypatch.undo()
    fleet.release(session)
    assert session.health() != "quarantined"


def test_who_asks_a_session_that_is_restarting_waits_no_longer_than_he_said(fleets):
    backend = Scripted()
    fleet = fleets(backend, session_backoff=NOT_NOW)
    session = fleet.start_session(on_crash="retry")
    at_work = session.submit("one")
    backend.agent().hear(Query)
    kill(fleet, session.id)
    submitted = session.submit("two")
    for run in (at_work, submitted, session.query("three")):
        with pytest.raises(SessionRestarting):
            run.get(timeout=0.01)
        assert not run.done
    assert session.status() == session.health() == "restarting"


def test_a_blocking_question_to_a_session_that_is_restarting_has_its_deadline(fleets, monkeypatch):
    monkeypatch.setattr("beam.sessions.handle.PATIENCE", 0.05)
    fleet = fleets(Scripted(), session_backoff=NOT_NOW)
    session = fleet.start_session()
    kill(fleet, session.id)
    with pytest.raises(SessionRestarting):
        session.info()
    with pytest.raises(SessionRestarting):
        session.interrupt()


def test_a_connection_that_will_not_end_is_killed(fleets):
    stuck, let_go = threading.Event(), threading.Event()

    def hang(agent, query):
        stuck.set()
        agent.fail(query, "cli_exit")
        let_go.wait(PATIENCE)

    backend = Scripted(hang)
    fleet = fleets(backend)
    session = fleet.start_session(backoff=AT_ONCE)
    agent = backend.agent()
    run = session.query("hello")
    assert stuck.wait(PATIENCE)
    assert failure(run).reason == "cli_exit"
    backend.answer = shout
    backend.agent()

    def come_back():
        let_go.set()

    reason = end(fleet.node, agent.connection, come_back)
    assert reason in ("killed", ("shutdown", "cli_exit"))
    assert session.query("again").get(timeout=PATIENCE) == "AGAIN"


def test_an_agent_ends_with_its_session(fleets):
    backend = Scripted()
    fleet = fleets(backend)
    session = fleet.start_session()
    agent = backend.agent()
    session.stop()
    assert agent.gone.wait(PATIENCE)
    assert not agent.connection.is_alive()


def test_the_backoff_grows_until_a_run_is_answered(fleets):
    fleet = fleets(Scripted())
    options = SessionOptions(backoff=Backoff(1.0, 8.0))
    line = Line(fleet.node, "agent", Scripted(), options)
    assert [line.delay() for _ in range(5)] == [1.0, 2.0, 4.0, 8.0, 8.0]
    line.worked()
    assert line.delay() == 1.0
