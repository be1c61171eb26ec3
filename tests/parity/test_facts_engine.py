"""Facts 1 to 9 and 62: what a live session does, whatever its backend."""

from __future__ import annotations

import pytest

from beam.backends.backend import Query
from beam.errors import Interrupted, QueryInProgress, SessionRefused, StateRefused
from tests.otp.actors import eventually
from tests.sessions.scripted import NOT_NOW, PATIENCE, Scripted


def test_fact_1_a_session_without_an_id_gets_one_and_a_given_one_is_kept(fleet):
    assert fleet.start_session().id.startswith("session_")
    assert fleet.start_session(session_id="mine").id == "mine"


def test_fact_2_a_model_is_chosen_without_help_of_the_backend_and_shows_in_the_info(fleet):
    session = fleet.start_session()
    assert fleet.router.set_model(session, "large") == "large"
    assert fleet.router.session_info(session).model == "large"


def test_fact_3_after_the_result_the_session_is_ready_again(shouting):
    session = shouting.start_session()
    assert [one.type for one in shouting.router.query(session, "hello")][-1] == "result"
    assert shouting.router.health(session) == "ready"


def test_fact_4_a_second_query_is_refused_while_the_first_is_at_work(fleet, backend):
    session = fleet.start_session()
    fleet.router.send_query(session, "one", {}, None)
    backend.agent().hear(Query)
    with pytest.raises(QueryInProgress) as refused:
        fleet.router.send_query(session, "two", {}, None)
    assert refused.value.reason == "query_in_progress"


def test_fact_5_a_wrong_reference_is_refused(fleet, backend):
    session, other = fleet.start_session(), fleet.start_session()
    fleet.router.send_query(session, "one", {}, None)
    of_another = fleet.router.send_query(other, "one", {}, None)
    for wrong in (of_another, "run_of_nobody", None):
        with pytest.raises(SessionRefused) as refused:
            fleet.router.receive_message(session, wrong, 1.0)
        assert refused.value.reason == "bad_ref"


def test_fact_6_a_run_is_cut_short_without_help_of_the_backend(fleet, backend):
    session = fleet.start_session()
    run = fleet.router.send_query(session, "one", {}, None)
    backend.agent().hear(Query)
    fleet.router.abort(session)  # The agent says nothing to it.
    assert fleet.router.health(session) == "ready"
    with pytest.raises(Interrupted):
        run.get(timeout=PATIENCE)


def test_fact_7_a_control_method_that_nobody_knows_is_refused(fleet):
    session = fleet.start_session()
    with pytest.raises(StateRefused) as refused:
        fleet.router.send_control(session, "makeCoffee", {})
    assert refused.value.reason == "unknown_method"


def test_fact_7_there_is_nothing_to_interrupt_in_a_session_that_is_ready(fleet):
    session = fleet.start_session()
    with pytest.raises(SessionRefused) as refused:
        fleet.router.interrupt(session)
    assert refused.value.reason == "no_active_query"


def test_fact_8_in_error_it_answers_and_a_query_waits_for_the_next_connection(fleets):
    backend = Scripted()
    fleet = fleets(backend)
    session = fleet.start_session(backoff=NOT_NOW)
    backend.agent().end()
    eventually(lambda: fleet.router.health(session) == "error")
    assert fleet.router.session_info(session).state == "error"
    run = fleet.router.send_query(session, "one", {}, None)
    assert not run.done


def test_fact_9_a_transport_that_ends_in_ready_leads_to_error(fleets):
    backend = Scripted()
    fleet = fleets(backend)
    session = fleet.start_session(backoff=NOT_NOW)
    agent = backend.agent()
    eventually(lambda: fleet.router.health(session) == "ready")
    agent.end()
    eventually(lambda: fleet.router.health(session) == "error")


def test_fact_62_the_info_is_there_before_it_is_ready_and_during_a_query(fleets):
    backend = Scripted(ready=False)
    fleet = fleets(backend)
    session = fleet.start_session()
    agent = backend.agent()
    assert fleet.router.session_info(session).state in ("connecting", "initializing")
    agent.ready()
    fleet.router.send_query(session, "one", {}, None)
    agent.hear(Query)
    assert fleet.router.session_info(session).state == "active_query"
