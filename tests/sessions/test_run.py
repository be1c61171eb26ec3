"""`beam.sessions.run`: a run as the future that its caller holds."""

from __future__ import annotations

import threading

import pytest

from beam.backends.backend import Query
from beam.errors import CallTimeout, Refused, RunFailed, SessionRestarting
from tests.sessions.scripted import NOT_NOW, PATIENCE, Scripted, failure, kill


def test_a_run_shows_its_name_and_whether_it_has_ended(fleet, backend):
    session = fleet.start_session(session_id="ada")
    run = session.query("hello")
    assert repr(run) == f"<Run {run.run_id} of ada: open>"
    assert run.session == session
    agent = backend.agent()
    agent.complete(agent.hear(Query))
    assert run.get(timeout=PATIENCE) == "done"
    assert repr(run) == f"<Run {run.run_id} of ada: ended>"


def test_the_error_of_a_run_can_be_looked_at_without_raising(fleet, backend):
    session = fleet.start_session()
    agent = backend.agent()
    good, bad = session.submit("one"), session.submit("two")
    assert good.error() is None
    agent.complete(agent.hear(Query))
    agent.fail(agent.hear(Query), "quota")
    failure(bad)
    assert good.error() is None
    assert isinstance(bad.error(), RunFailed)
    assert bad.error().reason == "quota"


def test_a_query_waits_as_long_as_its_run_may_take_and_a_submission_as_long_as_it_takes(fleet):
    session = fleet.start_session(timeout=60.0)
    now = fleet.node.clock.now()
    query = session.query("hello", timeout=20.0)
    assert 20.0 < query.deadline - now < 30.0
    submitted, endless = session.submit("hello"), fleet.start_session().query("x", timeout=None)
    assert submitted.deadline is endless.deadline is None


def test_a_wait_that_is_over_says_whether_the_session_is_there(fleets):
    backend = Scripted()
    fleet = fleets(backend, session_backoff=NOT_NOW)
    session = fleet.start_session(on_crash="retry")
    run = session.query("hello")
    backend.agent().hear(Query)
    with pytest.raises(CallTimeout):
        run.get(timeout=0.01)
    kill(fleet, session.id)
    with pytest.raises(Refused):
        fleet.whereis("sessions").ask("what?")  # Now it has heard of the death.
    with pytest.raises(SessionRestarting) as restarting:
        run.get(timeout=0.01)
    assert restarting.value.run_id == run.run_id


def test_one_caller_s_deadline_is_not_another_s(fleet, backend):
    session = fleet.start_session()
    run = session.submit("hello")
    agent = backend.agent()
    query = agent.hear(Query)
    answers, waiting = [], threading.Event()

    def wait():
        waiting.set()
        answers.append(run.get())

    patient = threading.Thread(target=wait)
    patient.start()
    assert waiting.wait(PATIENCE)
    for _ in range(3):
        with pytest.raises(CallTimeout):
            run.get(timeout=0.01)
    assert len(run.waiters) <= 1
    agent.complete(query)
    patient.join(PATIENCE)
    assert answers == [run.get()] == ["done"]


def test_every_get_raises_an_exception_of_its_own(fleet, backend):
    session = fleet.start_session()
    run = session.query("hello")
    agent = backend.agent()
    agent.fail(agent.hear(Query), "quota")
    one, other = failure(run), failure(run)
    assert one is not other
    assert (one.reason, one.facts) == (other.reason, other.facts)
