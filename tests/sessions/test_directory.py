"""`beam.sessions.directory`: who lives, and what becomes of those that do not."""

from __future__ import annotations

import pytest

from beam.backends.backend import Query
from beam.errors import Refused, SessionClosed, SessionQuarantined
from beam.otp import Future, Mailbox, Restarts, exit
from beam.otp.supervisor_ref import SupervisingRef
from beam.sessions.delivery import named
from beam.sessions.directory import Await
from tests.otp.actors import eventually
from tests.sessions.scripted import (
    NOT_NOW,
    PATIENCE,
    Scripted,
    end,
    failure,
    kill,
    shout,
    types,
    wait_for,
)


def directory_has_heard(fleet):
    """Wait until the directory has handled the mail that it has."""
    with pytest.raises(Refused):
        fleet.whereis("sessions").ask("what?", timeout=PATIENCE)


def test_what_is_submitted_while_a_session_restarts_is_done_in_its_order(fleets):
    backend = Scripted(shout)
    fleet = fleets(backend)
    session = fleet.start_session(on_crash="retry")
    session.query("hello").get(timeout=PATIENCE)
    for _ in range(5):
        runs = [session.submit("before")]
        exit(fleet.whereis(session.id), "kill")
        runs += [session.submit(f"number {n}") for n in range(20)]
        for run in runs:
            run.get(timeout=PATIENCE)
        started = [event.run_id for event in session.history(types=["run_completed"])]
        assert started[-20:] == [run.run_id for run in runs[1:]]


def test_an_interrupt_finds_what_was_submitted_before_it(fleets):
    backend = Scripted(ready=False)
    fleet = fleets(backend)
    session = fleet.start_session()
    for _ in range(10):
        kill(fleet, session.id)
        run = session.submit("hello")
        run.interrupt()
        assert failure(run).reason == "interrupted"


def test_a_session_is_waited_for(fleets):
    fleet = fleets(Scripted(shout))
    session = fleet.start_session()
    directory = fleet.whereis("sessions")
    assert directory.ask(Await(session.id)) is fleet.whereis(session.id)
    kill(fleet, session.id)
    back = directory.ask(Await(session.id), timeout=PATIENCE)
    assert back is fleet.whereis(session.id)
    session.stop()
    with pytest.raises(SessionClosed):
        directory.ask(Await(session.id))
    with pytest.raises(SessionClosed):
        directory.ask(Await("never there"))


@pytest.mark.parametrize("how", ["kill", "crash"])
def test_sessions_live_on_while_the_directory_is_restarted(fleets, how):
    backend = Scripted()
    fleet = fleets(backend)
    session = fleet.start_session()
    process = fleet.whereis(session.id)
    run = session.query("hello")
    if how == "kill":
        kill(fleet, "sessions")
    else:
        directory = fleet.whereis("sessions")
        end(fleet.node, directory, lambda: directory.tell("what?") or directory.stop(reason="bug"))
    agent = backend.agent()
    agent.complete(agent.hear(Query))
    assert run.get(timeout=PATIENCE) == "done"
    assert fleet.whereis(session.id) is process
    kill(fleet, session.id)
    assert session.info().restarts == 1


def test_a_session_that_waits_for_its_restart_is_not_started_twice(fleets):
    fleet = fleets(Scripted(shout), session_backoff=NOT_NOW)
    session = fleet.start_session()
    kill(fleet, session.id)
    for _ in range(3):
        kill(fleet, "sessions")
    directory_has_heard_of_all(fleet)
    assert session.status() == "restarting"
    assert fleet.whereis(session.id) is None
    [child] = fleet.whereis("session_supervisor").which_children()
    assert (child.id, child.process) == (session.id, "restarting")


def directory_has_heard_of_all(fleet):
    named(fleet.node, "sessions")
    directory_has_heard(fleet)


def test_a_directory_that_was_away_knows_who_went_into_quarantine_meanwhile(fleets):
    backend = Scripted()
    fleet = fleets(backend, session_budget=Restarts(0, per=60.0))
    session = fleet.start_session(on_crash="retry")
    run = session.submit("hello")
    backend.agent().hear(Query)
    supervisor = fleet.whereis("session_supervisor")
    # The directory dies before it can hear of the end of the session's budget.
    exit(fleet.whereis("sessions"), "kill")
    exit(fleet.whereis(session.id), "kill")
    assert failure(run).reason == "session_quarantined"
    wait_for(session, "session_quarantined")
    with pytest.raises(SessionQuarantined):
        session.info()
    assert supervisor.which_children()[0].process == "quarantined"


@pytest.mark.parametrize("reason", ["kill", "bug", "shutdown", "normal"])
def test_sessions_come_back_when_their_supervisor_is_restarted(fleets, reason):
    backend = Scripted(shout)
    fleet = fleets(backend)
    sessions = [fleet.start_session(on_crash="retry") for _ in range(10)]
    for session in sessions:
        session.query("hello").get(timeout=PATIENCE)
    supervisor = fleet.whereis("session_supervisor")
    backend.answer = None
    at_work = sessions[0].submit("cut")
    if reason == "kill":
        kill(fleet, "session_supervisor")
    else:
        end(fleet.node, supervisor, lambda: supervisor.stop(reason=reason))
    backend.answer = shout
    for session in sessions[1:]:
        assert session.query("again").get(timeout=PATIENCE) == "AGAIN"
    kill(fleet, sessions[0].id)
    assert at_work.get(timeout=PATIENCE) == "CUT"
    assert [one.id for one in fleet.sessions()] == [one.id for one in sessions]


def test_a_session_that_ends_by_itself_is_closed(fleet, backend):
    session = fleet.start_session()
    run = session.submit("hello")
    backend.agent().hear(Query)
    process = fleet.whereis(session.id)
    end(fleet.node, process, lambda: process.stop(reason="normal"))
    assert failure(run).reason == "session_closed"
    assert wait_for(session, "session_stopped").data["reason"] == "ended"
    assert session.status() == "closed"
    with pytest.raises(SessionClosed):
        session.info()


def test_a_session_that_cannot_be_brought_back_goes_into_quarantine(fleets, monkeypatch):
    fleet = fleets(Scripted(shout))
    session = fleet.start_session()
    monkeypatch.setattr("beam.sessions.directory.ATTEMPTS", 3)
    monkeypatch.setattr(
        "beam.sessions.machine.recall", lambda *_: (_ for _ in ()).throw(OSError("no disk"))
    )
    kill(fleet, "session_supervisor")
    wait_for(session, "session_quarantined")
    monkeypatch.undo()
    with pytest.raises(SessionQuarantined):
        session.info()
    fleet.release(session)
    assert session.query("hello").get(timeout=PATIENCE) == "HELLO"


def test_a_session_that_outlives_its_supervisor_for_a_while_is_brought_back_as_well(fleets):
    backend = Scripted(shout)
    backend.gate = Future()
    fleet = fleets(backend)
    session = fleet.start_session()
    assert backend.at_gate.wait(PATIENCE)  # It is busy, and cannot end yet.
    process = fleet.whereis(session.id)
    kill(fleet, "session_supervisor")
    eventually(lambda: fleet.whereis("session_supervisor"))
    directory_has_heard(fleet)
    assert fleet.whereis(session.id) is process
    backend.gate.set(None)
    assert session.query("hello").get(timeout=PATIENCE) == "HELLO"
    assert fleet.whereis(session.id) is not process


def test_a_submission_that_meets_the_quarantine_is_refused_and_not_kept(fleets):
    fleet = fleets(Scripted(), session_budget=Restarts(0, per=60.0))
    session = fleet.start_session()
    exit(fleet.whereis(session.id), "kill")
    # Whatever the directory has heard by now, each of these is answered.
    for run in [session.submit("hello") for _ in range(20)]:
        assert failure(run).reason == "session_quarantined"


def test_it_refuses_what_it_does_not_know(fleet):
    directory_has_heard(fleet)
    with fleet.node.entered(), Mailbox():
        fleet.whereis("sessions").tell("what?")
        fleet.whereis("sessions").cast("what?")
    directory_has_heard(fleet)
    assert types(fleet.start_session()) == ["session_started"]


def test_a_session_that_began_after_its_supervisor_was_asked_is_not_brought_back(
    fleets, monkeypatch
):
    fleet = fleets(Scripted(), session_backoff=NOT_NOW)
    directory_has_heard(fleet)
    asked, go_on, which_children = Future(), Future(), SupervisingRef.which_children

    def slowly(supervisor):
        children = which_children(supervisor)
        if not asked.done:
            asked.set(None)
            go_on.get(timeout=PATIENCE)
        return children

    monkeypatch.setattr(SupervisingRef, "which_children", slowly)
    kill(fleet, "sessions")
    asked.get(timeout=PATIENCE)
    session = fleet.start_session()
    kill(fleet, session.id)
    go_on.set(None)
    eventually(lambda: session.status() == "restarting")
    directory_has_heard(fleet)
    assert fleet.whereis(session.id) is None
