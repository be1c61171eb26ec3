"""`beam.facades`: what holds for every function of the three facades."""

from __future__ import annotations

import asyncio

import pytest

from beam.errors import InvalidInput, NotFound, SessionClosed
from beam.otp import context, unregister
from beam.otp.context import BlockingCallWarning
from beam.sessions import delivery
from tests.sessions.scripted import PATIENCE, kill


def test_a_session_may_be_given_as_handle_or_as_id_in_any_place(fleet):
    session = fleet.start_session()
    fleet.control.submit_feedback(session, {"text": "one"})
    fleet.control.submit_feedback(session.id, {"text": "two"})
    fleet.control.submit_feedback(session_id=session, feedback={"text": "three"})
    said = [one["text"] for one in fleet.control.get_feedback(session)]
    assert said == ["one", "two", "three"]
    fleet.runtime.set_provider(session, "anthropic")
    assert fleet.runtime.get_state(session)["provider_id"] == "anthropic"


def test_its_names_are_its_functions(fleet):
    assert {"list_pending_requests", "set_config"} <= set(fleet.control.functions())
    assert "set_provider" in fleet.runtime.functions()
    assert set(fleet.control.functions()) == set(dir(fleet.control.aio))
    with pytest.raises(AttributeError):
        fleet.control.nonsense  # noqa: B018 - that it is not there is the test


def test_bad_input_is_an_exception_and_the_process_lives(fleet):
    control = fleet.whereis("control")
    with pytest.raises(InvalidInput):
        fleet.control.submit_feedback("", {})
    with pytest.raises(InvalidInput):
        fleet.control.set_config("s", 7, 1)
    assert fleet.whereis("control") is control
    assert control.is_alive()


def test_a_process_that_is_being_restarted_is_waited_for(fleet):
    session = fleet.start_session()
    fleet.control.submit_feedback(session, {"text": "one"})
    kill(fleet, "control")
    assert [one["text"] for one in fleet.control.get_feedback(session)] == ["one"]


def test_a_process_that_does_not_come_is_not_waited_for_without_end(fleet, monkeypatch):
    monkeypatch.setattr(delivery, "PATIENCE", 0.02)
    with fleet.node.entered():
        unregister("control")
    with pytest.raises(NotFound) as missing:
        fleet.control.set_config("s", "k", 1)
    assert (missing.value.reason, missing.value.name) == ("restarting", "control")


def test_a_facade_that_is_held_says_that_its_fleet_is_closed(fleet):
    control = fleet.control
    fleet.close()
    with pytest.raises(SessionClosed) as refused:
        control.set_config("s", "k", 1)
    assert refused.value.reason == "fleet_closed"


def test_each_function_has_a_coroutine_twin(fleet):
    session = fleet.start_session()

    async def main():
        await fleet.control.aio.submit_feedback(session, {"text": "one"})
        return await fleet.control.aio.get_feedback(session)

    assert [one["text"] for one in asyncio.run(asyncio.wait_for(main(), PATIENCE))] == ["one"]


def test_on_the_loop_it_works_and_warns_once_naming_its_twin(fleet, monkeypatch):
    monkeypatch.setattr(context, "_warned", set())

    async def main():
        for _ in range(2):
            fleet.control.set_config("s", "k", 1)

    with pytest.warns(BlockingCallWarning, match=r"fleet\.control\.aio\.set_config") as warned:
        asyncio.run(main())
    assert len(warned) == 1


def test_who_reads_waits_for_a_table_that_was_lost_until_it_is_read_back(fleet):
    session = fleet.start_session()
    fleet.control.set_config(session, "colour", "red")
    fleet.runtime.set_agent(session, "planner")
    for _ in range(20):
        for name in ("keeper", "control", "runtime"):
            kill(fleet, name)  # Without a keeper what they have is lost.
        assert fleet.control.get_config(session, "colour") == "red"
        assert fleet.runtime.current_agent(session) == "planner"
        assert fleet.control.get_all_config(session) == {"colour": "red"}
