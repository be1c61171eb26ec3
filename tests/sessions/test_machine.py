"""`beam.sessions.machine`: what a session does in each state, and how it ends."""

from __future__ import annotations

import pytest

from beam.backends.backend import Abandon, Interrupt, Query
from beam.backends.effects import Deliver, ProtocolViolation
from beam.errors import (
    Interrupted,
    QueryInProgress,
    QueueFull,
    RunFailed,
    SessionRefused,
)
from beam.model.messages import Message
from tests.sessions.scripted import PATIENCE, Scripted, failure, shout, types, wait_for


def test_a_query_is_answered_and_the_whole_of_it_is_in_the_log(shouting):
    session = shouting.start_session()
    assert session.query("hello you").get(timeout=PATIENCE) == "HELLO YOU"
    assert types(session) == [
        "session_started",
        "run_submitted",
        "run_started",
        "message",
        "message",
        "message",
        "run_completed",
    ]
    assert [message.content for message in session.messages()] == ["hello", "you", "HELLO YOU"]


def test_a_run_that_begins_at_once_is_stored_with_its_start(shouting):
    session = shouting.start_session()
    session.query("first").get(timeout=PATIENCE)  # So that the agent is ready.
    appends = []
    store = shouting.journal().store
    store.on_append(lambda records: appends.append([one.type for one in records]))
    session.query("hello").get(timeout=PATIENCE)
    assert appends[0] == ["run_submitted", "run_started"]


def test_a_new_session_is_in_the_log_when_it_has_started(fleet):
    session = fleet.start_session(cwd="/srv", metadata={"of": "ada"}, model="large")
    [started] = session.history(types=["session_started"])
    assert started.type == "session_started"
    assert started.data["backend"] == "agent"
    assert (started.data["cwd"], started.data["model"]) == ("/srv", "large")
    assert started.data["metadata"] == {"of": "ada"}


def test_each_run_is_told_the_conversation_before_it(fleets):
    asked = []

    def answer(agent, query):
        asked.append([(turn.role, turn.content) for turn in query.history])
        shout(agent, query)

    session = fleets(Scripted(answer)).start_session()
    for prompt in ("one", "two", "three"):
        session.query(prompt).get(timeout=PATIENCE)
    assert asked[0] == []
    assert asked[2] == [
        ("user", "one"),
        ("assistant", "ONE"),
        ("user", "two"),
        ("assistant", "TWO"),
    ]


def test_what_is_asked_before_the_agent_is_ready_waits_for_it(fleets):
    backend = Scripted(shout, ready=False)
    session = fleets(backend).start_session()
    agent = backend.agent()
    run = session.query("hello")
    assert session.health() == "initializing"
    assert session.info().queued_runs == 1
    agent.ready()
    assert run.get(timeout=PATIENCE) == "HELLO"


def test_the_info_says_where_the_session_stands(fleet, backend):
    session = fleet.start_session(cwd="/srv", model="large", metadata={"of": "ada"})
    agent = backend.agent()
    run = session.query("hello")
    query = agent.hear(Query)
    session.submit("later")
    info = session.info()
    assert (info.session_id, info.backend, info.state) == (session.id, "agent", "active_query")
    assert (info.run_id, info.queued_runs, info.restarts) == (run.run_id, 1, 0)
    assert (info.cwd, info.model, info.metadata) == ("/srv", "large", {"of": "ada"})
    assert info.details == {"agent": "scripted", "version": "1"}
    assert info.created_at <= info.updated_at
    agent.complete(query)
    agent.hear(Query)
    assert session.health() == "active_query"


def test_query_and_stream_on_a_busy_session_are_refused_with_the_run_at_work(fleet, backend):
    session = fleet.start_session()
    run = session.query("one")
    backend.agent().hear(Query)
    refused = failure(session.query("two"))
    assert isinstance(refused, QueryInProgress)
    assert (refused.reason, refused.run_id) == ("query_in_progress", run.run_id)
    with pytest.raises(QueryInProgress):
        list(session.stream("three"))
    assert types(session).count("run_submitted") == 1


def test_a_query_is_refused_while_a_submitted_run_waits(fleets):
    backend = Scripted(ready=False)
    session = fleets(backend).start_session()
    waiting = session.submit("one")
    assert failure(session.query("two")).run_id == waiting.run_id


def test_submitted_runs_are_done_in_their_order(fleets):
    backend = Scripted(shout, ready=False)
    session = fleets(backend).start_session()
    runs = [session.submit(f"number {n}") for n in range(50)]
    backend.agent().ready()
    assert [run.get(timeout=PATIENCE) for run in runs] == [f"NUMBER {n}" for n in range(50)]
    started = [event.run_id for event in session.history(types=["run_started"])]
    assert started == [run.run_id for run in runs]


def test_a_full_queue_refuses_and_says_its_limit(fleet, backend):
    session = fleet.start_session(queue_max=2)
    agent = backend.agent()
    first = session.submit("at work")
    query = agent.hear(Query)
    waiting = [session.submit("waits"), session.submit("waits")]
    refused = failure(session.submit("too many"))
    assert isinstance(refused, QueueFull)
    assert (refused.reason, refused.limit) == ("queue_full", 2)
    agent.complete(query)
    assert first.get(timeout=PATIENCE) == "done"
    for run in waiting:
        agent.complete(agent.hear(Query))
        assert run.get(timeout=PATIENCE) == "done"


def test_the_queue_has_room_for_a_thousand_unless_said_otherwise(fleet, backend):
    session = fleet.start_session()
    session.submit("at work")
    backend.agent().hear(Query)
    runs = [session.submit("waits") for _ in range(1001)]
    assert isinstance(failure(runs[-1]), QueueFull)
    assert session.info().queued_runs == 1000


def test_an_interrupt_ends_the_run_at_work_and_tells_the_agent(fleet, backend):
    session = fleet.start_session()
    agent = backend.agent()
    run = session.query("hello")
    query = agent.hear(Query)
    run.interrupt()
    assert isinstance(failure(run), Interrupted)
    assert failure(run).reason == "interrupted"
    assert agent.hear(Interrupt).query_id == query.query_id
    assert agent.hear(Abandon).query_id == query.query_id
    assert types(session)[-1] == "run_interrupted"


def test_an_interrupt_without_a_name_ends_what_is_at_work(fleet, backend):
    session = fleet.start_session()
    agent = backend.agent()
    first, second = session.submit("one"), session.submit("two")
    agent.hear(Query)
    session.interrupt()
    assert isinstance(failure(first), Interrupted)
    agent.hear(Interrupt)
    agent.hear(Abandon)
    agent.complete(agent.hear(Query))
    assert second.get(timeout=PATIENCE) == "done"


def test_an_interrupted_run_that_waits_is_never_asked(fleet, backend):
    session = fleet.start_session()
    agent = backend.agent()
    first, second, third = (session.submit(word) for word in ("one", "two", "three"))
    query = agent.hear(Query)
    session.interrupt(second.run_id)
    assert isinstance(failure(second), Interrupted)
    agent.complete(query)
    assert agent.hear(Query).prompt == "three"
    assert first.get(timeout=PATIENCE) == "done"
    assert not third.done


def test_there_must_be_something_to_interrupt(shouting):
    session = shouting.start_session()
    run = session.query("hello")
    run.get(timeout=PATIENCE)
    for what in (None, run, "run_unknown"):
        with pytest.raises(SessionRefused) as refused:
            session.interrupt(what)
        assert refused.value.reason == "no_active_query"


def test_what_the_agent_says_after_an_interrupt_is_not_heard(fleet, backend):
    session = fleet.start_session()
    agent = backend.agent()
    run = session.query("hello")
    query = agent.hear(Query)
    run.interrupt()
    agent.text(query, "late")
    agent.complete(query, "too late")
    assert session.health() == "ready"
    assert isinstance(failure(run), Interrupted)
    assert session.messages() == []


def test_a_run_that_takes_too_long_fails_and_the_session_goes_on(fleet, backend):
    session = fleet.start_session()
    agent = backend.agent()
    run = session.query("hello", timeout=0.01)
    agent.hear(Query)
    late = failure(run)
    assert isinstance(late, RunFailed)
    assert late.reason == "timeout"
    agent.hear(Interrupt)
    agent.hear(Abandon)
    again = session.query("again")
    agent.complete(agent.hear(Query))
    assert again.get(timeout=PATIENCE) == "done"


def test_the_timeout_counts_from_the_start_of_the_run_not_from_its_submission(fleet, backend):
    session = fleet.start_session()
    agent = backend.agent()
    session.submit("long", timeout=None)
    waiting = session.submit("short", timeout=0.01)
    query = agent.hear(Query)
    assert query.timeout is None
    wait_for(session, "run_submitted", count=2)
    assert not waiting.done
    agent.complete(query)
    assert failure(waiting).reason == "timeout"


def test_an_agent_that_gives_a_query_up_fails_the_run_with_its_reason(fleet, backend):
    session = fleet.start_session()
    agent = backend.agent()
    run = session.query("hello")
    agent.fail(agent.hear(Query), "quota", retryable=True)
    failed = failure(run)
    assert isinstance(failed, RunFailed)
    assert not isinstance(failed, Interrupted)
    assert (failed.reason, failed.retryable, failed.detail) == ("quota", True, "it failed: quota")
    assert session.health() == "ready"


def test_an_agent_may_say_that_it_was_interrupted(fleet, backend):
    session = fleet.start_session()
    agent = backend.agent()
    run = session.query("hello")
    agent.fail(agent.hear(Query), "interrupted")
    assert isinstance(failure(run), Interrupted)


def test_a_structured_answer_is_the_value_of_the_run(fleet, backend):
    session = fleet.start_session()
    agent = backend.agent()
    run = session.query("hello")
    agent.complete(
        agent.hear(Query),
        '{"lines":3}',
        structured_output={"lines": 3},
        usage={"input_tokens": 1},
    )
    assert run.get(timeout=PATIENCE) == {"lines": 3}
    [completed] = session.history(types=["run_completed"])
    assert completed.data["usage"]["input_tokens"] == 1


def test_settings_count_for_the_runs_to_come_and_for_those_after_a_restart(fleet, backend):
    session = fleet.start_session(model="small", permission_mode="ask")
    agent = backend.agent()
    assert session.set_model("large") == "large"
    assert session.set_permission_mode("plan") == "plan"
    session.query("hello", params={"max_turns": 3, "model": "this once"})
    assert agent.hear(Query).params == {
        "model": "this once",
        "permission_mode": "plan",
        "max_turns": 3,
    }
    assert (session.info().model, session.info().permission_mode) == ("large", "plan")


def test_a_violation_of_the_protocol_that_is_not_fatal_changes_nothing(fleet, backend):
    session = fleet.start_session()
    agent = backend.agent()
    run = session.query("hello")
    query = agent.hear(Query)
    agent.say(ProtocolViolation("not_json", "expected an object", "{", fatal=False))
    agent.complete(query)
    assert run.get(timeout=PATIENCE) == "done"


def test_a_message_that_the_log_cannot_hold_fails_its_run_and_nothing_else(fleet, backend):
    session = fleet.start_session()
    agent = backend.agent()
    run = session.query("hello")
    query = agent.hear(Query)
    agent.say(Deliver(query.query_id, Message("text", "x" * (65 * 1024 * 1024))))
    failed = failure(run)
    assert (failed.reason, failed.attempts) == ("protocol_error", 1)
    assert session.info().restarts == 0
    agent.hear(Interrupt)
    agent.hear(Abandon)
    again = session.query("again")
    agent.complete(agent.hear(Query))
    assert again.get(timeout=PATIENCE) == "done"


def test_an_answer_that_the_log_cannot_hold_fails_its_run_and_nothing_else(fleet, backend):
    session = fleet.start_session()
    agent = backend.agent()
    run = session.query("hello")
    agent.complete(agent.hear(Query), "x" * (65 * 1024 * 1024))
    assert failure(run).reason == "protocol_error"
    assert (session.info().restarts, session.health()) == (0, "ready")


def test_each_effect_is_taken_once_so_that_the_connection_may_go_on(fleet, backend):
    session = fleet.start_session()
    agent = backend.agent()
    run = session.query("hello")
    query = agent.hear(Query)
    agent.text(query, *("word",) * 500)
    agent.complete(query)
    assert run.get(timeout=PATIENCE) == "done"
    session.info()
    agent.connection.ask("anything", timeout=PATIENCE)
    assert agent.taken == 502  # The words, the answer, and that it was ready.


def test_a_session_that_is_asked_something_odd_refuses_it_and_lives(shouting):
    session = shouting.start_session()
    process = shouting.whereis(session.id)
    with pytest.raises(SessionRefused) as refused:
        process.ask("what?", timeout=PATIENCE)
    assert refused.value.reason == "unsupported"
    process.tell("what?")
    process.cast("what?")
    assert session.query("hello").get(timeout=PATIENCE) == "HELLO"
    assert session.info().restarts == 0
