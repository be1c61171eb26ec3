"""`fleet.router`: sessions, from their start to their end."""

from __future__ import annotations

import asyncio

import pytest

from beam.backends.backend import Query
from beam.errors import (
    CallTimeout,
    InvalidInput,
    NotFound,
    RoutingRefused,
    RunFailed,
    SessionClosed,
    SessionRefused,
)
from beam.otp import Supervisor, exit
from tests.otp.actors import eventually
from tests.sessions.scripted import PATIENCE, kill


def test_a_session_is_started_on_the_backend_that_it_names_or_that_is_chosen(fleet):
    [name] = fleet.router._grounds.backends
    named = fleet.router.start_session({"backend": name})
    chosen = fleet.router.start_session({"routing": {"policy": "round_robin"}})
    any_one = fleet.router.start_session({"backend": "auto"})
    assert {fleet.router.backend(one) for one in (named, chosen, any_one)} == {name}
    selected = fleet.journal().read("fleet", types=("routing_selected",))
    assert [one.data["decision"]["policy"] for one in selected] == [
        "explicit",
        "round_robin",
        "preferred_then_fallback",
    ]


def test_without_a_backend_or_routing_none_is_started(fleet):
    with pytest.raises(RoutingRefused) as refused:
        fleet.router.start_session({"cwd": "/tmp"})
    assert (refused.value.reason, refused.value.option) == ("missing_option", "backend")
    assert fleet.sessions() == []


def test_a_session_that_cannot_be_routed_says_why(fleet):
    with pytest.raises(RoutingRefused) as refused:
        fleet.router.start_session({"backend": "nobody"})
    assert refused.value.reason == "unknown_backend"


@pytest.mark.parametrize("opts", [None, [("backend", "x")], {"nonsense": 1}])
def test_bad_options_are_refused_by_name(fleet, opts):
    with pytest.raises(InvalidInput):
        fleet.router.start_session(opts)


def test_a_query_returns_all_that_was_said_the_result_last(shouting):
    session = shouting.start_session()
    said = shouting.router.query(session.id, "hello", params={"max_turns": 3})
    assert (said[-1].type, said[-1].content) == ("result", "HELLO")


def test_a_query_that_takes_too_long_is_ended_and_the_session_is_ready(fleet, backend):
    session = fleet.start_session()
    with pytest.raises(RunFailed) as late:
        fleet.router.query(session, "hello", params={"timeout": 0.01})
    assert late.value.reason == "timeout"
    assert fleet.router.health(session) == "ready"


def test_messages_are_received_one_by_one_each_once(fleet, backend):
    session = fleet.start_session()
    run = fleet.router.send_query(session, "hello", {}, 60.0)
    agent = backend.agent()
    query = agent.hear(Query)
    assert query.timeout == 60.0
    with pytest.raises(CallTimeout):
        fleet.router.receive_message(session, run, 0.01)
    agent.text(query, "one", "two")
    said = [fleet.router.receive_message(session, run, PATIENCE).content for _ in range(2)]
    assert said == ["one", "two"]
    agent.complete(query)
    assert fleet.router.receive_message(session, run, PATIENCE).type == "result"
    for _ in range(2):
        with pytest.raises(SessionRefused) as end:
            fleet.router.receive_message(session, run, PATIENCE)
        assert end.value.reason == "complete"


def test_how_a_run_failed_is_said_once_and_then_that_it_is_complete(fleet, backend):
    session = fleet.start_session()
    run = fleet.router.send_query(session, "hello", {}, None)
    backend.agent().hear(Query)
    fleet.router.interrupt(session)
    reasons = []
    for _ in range(3):
        with pytest.raises(SessionRefused) as end:
            fleet.router.receive_message(session, run, PATIENCE)
        reasons.append(end.value.reason)
    assert reasons == ["interrupted", "complete", "complete"]


def test_messages_can_be_received_across_a_restart_of_the_session(fleet, backend):
    session = fleet.start_session(on_crash="retry")
    run = fleet.router.send_query(session, "hello", {}, None)
    agent = backend.agent()
    agent.text(agent.hear(Query), "one")
    assert fleet.router.receive_message(session, run, PATIENCE).content == "one"
    kill(fleet, session.id)
    agent = backend.agent()
    agent.complete(agent.hear(Query))
    assert fleet.router.receive_message(session, run, PATIENCE).type == "result"


def test_what_the_runtime_knows_goes_to_the_agent_and_not_into_the_log(fleet, backend):
    session = fleet.start_session(
        model="small", provider={"id": "openai", "api_key": "sk-very-secret"}, agent="planner"
    )
    fleet.runtime.set_agent(session, "coder")
    fleet.router.send_query(session, "hello", {"mode": "fast"}, None)
    params = backend.agent().hear(Query).params
    assert (params["model"], params["agent"], params["mode"]) == ("small", "coder", "fast")
    assert params["provider"]["api_key"] == "sk-very-secret"
    assert "sk-very-secret" not in repr(session.history())


def test_a_stopped_session_is_stopped_again_and_tells_so(fleet):
    session = fleet.start_session()
    fleet.router.stop(session)
    fleet.router.stop(session)
    fleet.router.stop("never_was")
    with pytest.raises(SessionClosed):
        fleet.router.health(session)
    with pytest.raises(NotFound) as missing:
        fleet.router.backend(session)
    assert missing.value.reason == "backend_not_present"


def test_an_unknown_session_is_not_found_and_what_is_none_is_refused(fleet):
    with pytest.raises(NotFound):
        fleet.router.health("never_was")
    for wrong in (None, 7, ""):
        with pytest.raises(InvalidInput):
            fleet.router.health(wrong)


def test_the_adapter_is_the_backend_that_the_fleet_was_given(fleet, backend):
    assert fleet.router.adapter_module(fleet.start_session()) is backend


def test_the_permission_mode_is_chosen(fleet):
    session = fleet.start_session()
    assert fleet.router.set_permission_mode(session, "plan") == "plan"
    assert fleet.router.session_info(session).permission_mode == "plan"


def test_every_function_of_sessions_has_its_coroutine_twin(shouting):
    async def main():
        router = shouting.router.aio
        session = await router.start_session({"backend": "auto"})
        said = await router.query(session, "hello")
        await router.stop(session)
        return said[-1].content

    assert asyncio.run(asyncio.wait_for(main(), PATIENCE)) == "HELLO"


# In a supervisor of the user's


@pytest.fixture
def mine(shouting):
    """A supervisor of the user's own, in the fleet's node."""
    with shouting.node.entered():
        tree = Supervisor.start([])
    yield tree
    tree.stop()


def test_a_child_of_another_supervisor_is_a_session_that_ends_with_it(shouting, mine):
    spec = shouting.router.child_spec({"backend": "auto", "session_id": "mine"})
    assert (spec.restart, spec.shutdown, spec.type) == ("transient", 10.0, "worker")
    mine.start_child(spec)
    assert shouting.session("mine").query("hello").get(timeout=PATIENCE) == "HELLO"
    mine.terminate_child(spec.id)
    assert shouting.session("mine").status() == "closed"


def test_a_session_that_is_stopped_ends_its_child_and_is_not_restarted(shouting, mine):
    spec = shouting.router.child_spec({"backend": "auto"})
    process = mine.start_child(spec)
    [session] = shouting.sessions()
    session.stop()
    eventually(lambda: not process.is_alive())
    assert [one.process for one in mine.which_children()] == [None]


def test_a_child_that_crashes_is_restarted_and_the_session_goes_on(shouting, mine):
    process = mine.start_child(shouting.router.child_spec({"backend": "auto"}))
    [session] = shouting.sessions()
    incarnation = shouting.whereis(session.id)
    with shouting.node.entered():
        exit(process, "kill")
    eventually(lambda: mine.which_children()[0].process not in (None, process))
    assert shouting.whereis(session.id) is incarnation
    assert session.query("hello").get(timeout=PATIENCE) == "HELLO"


def test_a_child_that_cannot_be_routed_is_no_child(shouting):
    with pytest.raises(RoutingRefused) as refused:
        shouting.router.child_spec({"backend": "nobody"})
    assert (refused.value.reason, refused.value.cause) == ("routing_failed", "unknown_backend")
