"""`beam.sessions.recovery`: a session's process is killed, in any state, and nothing is lost."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam.backends.backend import PermissionAnswer, Query
from beam.errors import Interrupted, RunFailed
from beam.otp import Future, exit
from tests.sessions.scripted import (
    NOT_NOW,
    PATIENCE,
    Scripted,
    failure,
    fleet_of,
    kill,
    shout,
    types,
    wait_for,
)


@pytest.fixture
def fleet(fleets, backend, store):
    """Over the fixture of the room: on both stores."""
    return fleets(backend, store)


def back(session):
    """Wait until the session's process is there again, and return its info."""
    return session.info()


def test_a_session_killed_while_it_connects_connects_again(fleets, store):
    backend = Scripted(shout)
    backend.gate = Future()
    fleet = fleets(backend, store)
    session = fleet.start_session(session_id="here")
    assert backend.at_gate.wait(PATIENCE)
    run = session.submit("hello")
    kill(fleet, "here")
    backend.gate.set()
    assert run.get(timeout=PATIENCE) == "HELLO"
    assert back(session).restarts == 1
    assert set(backend.states) == {"connecting"}
    assert types(session)[0] == "session_started"


def test_a_session_killed_before_its_agent_is_ready_keeps_what_waits(fleets, store):
    backend = Scripted(shout, ready=False)
    fleet = fleets(backend, store)
    session = fleet.start_session()
    first = backend.agent()
    runs = [session.submit(word) for word in ("one", "two", "three")]
    wait_for(session, "run_submitted", count=3)
    kill(fleet, session.id)
    assert first.gone.wait(PATIENCE)
    backend.agent().ready()
    assert [run.get(timeout=PATIENCE) for run in runs] == ["ONE", "TWO", "THREE"]
    assert types(session).count("run_submitted") == 3


def test_a_session_killed_while_it_is_idle_keeps_its_id_name_and_conversation(fleets, store):
    histories = []

    def answer(agent, query):
        histories.append([turn.content for turn in query.history])
        shout(agent, query)

    fleet = fleets(Scripted(answer), store)
    session = fleet.start_session(model="large")
    session.query("hello").get(timeout=PATIENCE)
    session.set_permission_mode("plan")
    before = session.messages()
    old = fleet.whereis(session.id)
    kill(fleet, session.id)
    info = back(session)
    assert fleet.whereis(session.id) not in (None, old)
    assert (info.session_id, info.restarts, info.permission_mode) == (session.id, 1, "plan")
    [started] = session.history(types=["session_started"])
    assert info.created_at == started.timestamp
    assert session.messages() == before
    assert session.query("again").get(timeout=PATIENCE) == "AGAIN"
    assert histories[-1] == ["hello", "HELLO"]


@pytest.mark.parametrize("said", [0, 1])
def test_a_run_that_was_at_work_is_interrupted_by_a_crash(fleet, backend, said):
    session = fleet.start_session()
    run = session.query("hello")
    agent = backend.agent()
    agent.text(agent.hear(Query), *("word",) * said)
    wait_for(session, ("message" if said else "run_started"))
    kill(fleet, session.id)
    cut = failure(run)
    assert isinstance(cut, Interrupted)
    assert (cut.reason, cut.cause, cut.run_id) == ("interrupted", "session_crashed", run.run_id)
    assert len(session.messages(run)) == said
    assert agent.gone.wait(PATIENCE)
    again = session.query("again")
    agent = backend.agent()
    agent.complete(agent.hear(Query))
    assert again.get(timeout=PATIENCE) == "done"


@pytest.mark.parametrize("said", [0, 1])
def test_a_run_that_is_to_be_retried_keeps_its_waiter(fleet, backend, said):
    session = fleet.start_session()
    run = session.query("hello", on_crash="retry")
    agent = backend.agent()
    agent.text(agent.hear(Query), *("word",) * said)
    wait_for(session, ("message" if said else "run_started"))
    kill(fleet, session.id)
    agent = backend.agent()
    query = agent.hear(Query)
    assert (query.prompt, query.attempt) == ("hello", 2)
    agent.complete(query)
    assert run.get(timeout=PATIENCE) == "done"
    assert types(session).count("run_submitted") == 1
    assert types(session).count("run_completed") == 1
    [retried] = session.history(types=["run_retried"])
    assert retried.data["cause"] == "session_crashed"


def test_a_retried_run_goes_before_those_that_wait(fleet, backend):
    session = fleet.start_session(on_crash="retry")
    for word in ("one", "two", "three"):
        session.submit(word)
    backend.agent().hear(Query)
    kill(fleet, session.id)
    agent = backend.agent()
    asked = []
    for _ in range(3):
        query = agent.hear(Query)
        asked.append(query.prompt)
        agent.complete(query)
    assert asked == ["one", "two", "three"]


def test_a_run_without_retries_left_fails_by_that_name(fleet, backend):
    session = fleet.start_session()
    run = session.query("hello", on_crash="retry", retries=1)
    backend.agent().hear(Query)
    kill(fleet, session.id)
    backend.agent().hear(Query)
    kill(fleet, session.id)
    failed = failure(run)
    assert isinstance(failed, RunFailed)
    assert (failed.reason, failed.attempts, failed.crashes) == ("retries_exhausted", 2, 2)


def test_faults_that_an_experiment_injects_use_up_no_retries(fleet, backend):
    session = fleet.start_session()
    run = session.query("hello", on_crash="retry", retries=0)
    for _ in range(3):
        backend.agent().hear(Query)
        journal = fleet.journal()
        fault = journal.event(
            "fault_injected", session.id, run_id=run.run_id, fault="kill", target="session"
        )
        journal.append_wait([fault])
        kill(fleet, session.id)
    agent = backend.agent()
    query = agent.hear(Query)
    assert query.attempt == 4
    agent.complete(query)
    assert run.get(timeout=PATIENCE) == "done"


def test_a_fault_that_has_shown_excuses_no_later_crash(fleet, backend):
    session = fleet.start_session()
    backend.agent()
    journal = fleet.journal()
    journal.append_wait([journal.event("fault_injected", session.id, fault="kill")])
    kill(fleet, session.id)
    back(session)
    run = session.query("hello", on_crash="retry", retries=0)
    backend.agent().hear(Query)
    kill(fleet, session.id)
    assert failure(run).reason == "retries_exhausted"


def test_a_tool_that_was_running_has_an_unknown_outcome_after_a_crash(fleet, backend):
    begun, let_go = threading.Event(), threading.Event()

    def read(path: str) -> str:
        begun.set()
        let_go.wait(PATIENCE)
        return f"what is in {path}"

    session = fleet.start_session(tools=[read], on_crash="retry")
    run = session.query("hello")
    agent = backend.agent()
    agent.tool(agent.hear(Query), "use-1", "read", path="a.py")
    assert begun.wait(PATIENCE)
    kill(fleet, session.id)
    let_go.set()
    agent = backend.agent()
    agent.complete(agent.hear(Query))
    assert run.get(timeout=PATIENCE) == "done"
    [unknown] = session.history(types=["tool_call_unknown"])
    assert (unknown.data["tool_use_id"], unknown.run_id) == ("use-1", run.run_id)
    assert "tool_call_completed" not in types(session)
    kill(fleet, session.id)
    back(session)
    assert types(session).count("tool_call_unknown") == 1


def test_a_pending_permission_survives_the_session_that_asked(fleet, backend):
    asked, answer = threading.Event(), threading.Event()

    def decide(method, params, context):
        asked.set()
        answer.wait(PATIENCE)
        return "allow"

    session = fleet.start_session(permission_handler=decide, on_crash="retry")
    session.query("hello")
    agent = backend.agent()
    agent.permission(agent.hear(Query), "p-1", path="a.py")
    assert asked.wait(PATIENCE)
    [before] = fleet.control.list_pending_requests(session)
    kill(fleet, session.id)
    backend.agent().hear(Query)
    [after] = fleet.control.list_pending_requests(session)
    assert after == before
    assert after["status"] == "pending"
    answer.set()
    wait_for(session, "permission_resolved")


def test_a_session_killed_in_the_error_state_connects_again(fleets, store):
    backend = Scripted(shout)
    fleet = fleets(backend, store)
    session = fleet.start_session(backoff=NOT_NOW)
    backend.agent().end()
    wait_for(session, "state_changed")
    assert session.health() == "error"
    run = session.submit("hello")
    wait_for(session, "run_submitted")
    kill(fleet, session.id)
    assert run.get(timeout=PATIENCE) == "HELLO"


def test_what_a_dying_process_has_handed_to_the_log_counts(fleets, tmp_path):
    # The answer is on its way into the log when the process is killed: it has been given, and the
    # next process must not say that it was interrupted.
    backend = Scripted()
    fleet = fleets(backend, tmp_path / "fleet.db")
    session = fleet.start_session()
    held, go_on = threading.Event(), threading.Event()

    def hold(records):
        if any(record.type == "run_started" for record in records):
            held.set()
            go_on.wait(PATIENCE)

    store = fleet.journal().store
    run = session.submit("hello")
    agent = backend.agent()
    query = agent.hear(Query)
    listener = store.on_append(hold)
    # A second run's start holds the log's thread up; what is written now waits behind it.
    agent.complete(query)
    waiting = session.submit("again")
    assert held.wait(PATIENCE)
    session.info()
    kill(fleet, session.id)
    go_on.set()
    listener.cancel()
    assert run.get(timeout=PATIENCE) == "done"
    assert isinstance(failure(waiting), Interrupted)
    ends = [one for one in types(session) if one in ("run_completed", "run_interrupted")]
    assert ends == ["run_completed", "run_interrupted"]


def test_a_session_survives_many_kills_at_any_moment(fleets, store):
    backend = Scripted(shout)
    fleet = fleets(backend, store)
    session = fleet.start_session(on_crash="retry")
    runs = []
    for number in range(30):
        runs.append(session.submit(f"number {number}"))
        process = fleet.whereis(session.id)
        if process is not None:
            exit(process, "kill")
    assert [run.get(timeout=PATIENCE) for run in runs] == [f"NUMBER {n}" for n in range(30)]
    events = session.history()
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    for kind in ("run_submitted", "run_completed"):
        ended = [event.run_id for event in events if event.type == kind]
        assert sorted(ended) == sorted(run.run_id for run in runs)


def test_a_session_of_an_earlier_fleet_is_taken_up_with_all_that_it_had(tmp_path):
    backend, path = Scripted(), tmp_path / "fleet.db"
    with fleet_of(backend, path) as fleet:
        session = fleet.start_session(session_id="ada", on_crash="retry")
        agent = backend.agent()
        first = session.query("one")
        agent.complete(agent.hear(Query), "ONE")
        first.get(timeout=PATIENCE)
        session.set_model("large")
        cut = session.submit("two")
        waiting = session.submit("three")
        agent.hear(Query)
        wait_for(session, "run_started", count=2)
    assert failure(cut).reason == "fleet_closed"
    assert failure(waiting).reason == "fleet_closed"
    backend = Scripted(shout)
    with fleet_of(backend, path) as fleet:
        session = fleet.start_session(session_id="ada")
        completed = wait_for(session, "run_completed", count=3)
        assert completed.data["output"] == "THREE"
        info = session.info()
        assert (info.restarts, info.model) == (1, "large")
        said = [event.data["output"] for event in session.history(types=["run_completed"])]
        assert said == ["ONE", "TWO", "THREE"]


@settings(max_examples=10)
@given(plan=st.lists(st.sampled_from(["submit", "kill", "answer"]), max_size=12))
def test_whatever_happens_each_run_ends_once(plan):
    backend = Scripted()
    with fleet_of(backend) as fleet:
        session = fleet.start_session(on_crash="retry")
        runs = []
        for step in plan:
            if step == "submit":
                runs.append(session.submit(f"number {len(runs)}"))
            elif step == "kill":
                kill(fleet, session.id)
                session.info()
            else:
                backend.answer = shout
        backend.answer = shout
        kill(fleet, session.id)
        assert [run.get(timeout=PATIENCE) for run in runs] == [
            f"NUMBER {n}" for n in range(len(runs))
        ]
        completed = [event.run_id for event in session.history(types=["run_completed"])]
        assert completed == [run.run_id for run in runs]


def test_a_permission_of_a_process_that_was_killed_is_answered_to_nobody(fleet, backend):
    answer = threading.Event()

    def decide(method, params, context):
        answer.wait(PATIENCE)
        return "allow"

    session = fleet.start_session(permission_handler=decide, on_crash="retry")
    session.query("hello")
    agent = backend.agent()
    agent.permission(agent.hear(Query), "p-1")
    wait_for(session, "permission_requested")
    kill(fleet, session.id)
    agent = backend.agent()
    query = agent.hear(Query)
    answer.set()
    wait_for(session, "permission_resolved")
    agent.permission(query, "p-1")
    assert isinstance(agent.hear(), PermissionAnswer)
    requests = session.history(types=["permission_requested"])
    assert len({event.data["request_id"] for event in requests}) == 2
