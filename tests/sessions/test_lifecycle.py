"""`beam.sessions.lifecycle`: how sessions begin and end."""

from __future__ import annotations

import threading

import pytest

from beam import Fleet, function
from beam.errors import (
    AlreadyExists,
    InvalidInput,
    NotFound,
    RoutingRefused,
    SessionClosed,
    StartError,
)
from tests.sessions.scripted import PATIENCE, Scripted, failure, kill, shout, types


def test_an_id_is_taken_by_one_session_at_a_time(fleet):
    session = fleet.start_session(session_id="ada")
    with pytest.raises(AlreadyExists) as refused:
        fleet.start_session(session_id="ada")
    assert (refused.value.reason, refused.value.session_id) == ("session_exists", "ada")
    assert session.status() == "live"
    assert types(session) == ["session_started"]


@pytest.mark.parametrize(
    "name",
    ["fleet", "log", "ports", "keeper", "runtime", "control", "runs", "router", "sessions",
     "session_supervisor"],
)  # fmt: skip
def test_the_names_of_the_fleet_s_own_parts_are_refused(fleet, name):
    part = fleet.whereis(name)
    with pytest.raises(InvalidInput) as refused:
        fleet.start_session(session_id=name)
    assert refused.value.field == "session_id"
    assert fleet.whereis(name) is part
    with pytest.raises(NotFound):
        fleet.session(name)


def test_a_session_that_does_not_start_leaves_nothing_behind(fleet, monkeypatch):
    monkeypatch.setattr(
        "beam.sessions.machine.recall", lambda *_: (_ for _ in ()).throw(OSError("no disk"))
    )
    with pytest.raises(StartError):
        fleet.start_session(session_id="ada")
    assert fleet.sessions() == []
    with pytest.raises(NotFound):
        fleet.session("ada")
    monkeypatch.undo()
    assert fleet.start_session(session_id="ada").status() == "live"


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"colour": "red"}, "option"),
        ({"timeout": -1}, "timeout"),
        ({"tools": [3]}, "tools"),
        ({"metadata": {"x": object()}}, "metadata"),
        ({"backend": "nobody"}, "backend"),
    ],
    ids=["unknown", "value", "tool", "data", "backend"],
)
def test_bad_options_are_refused_by_name_before_anything_has_changed(fleet, options, field):
    with pytest.raises((InvalidInput, RoutingRefused)) as refused:
        fleet.start_session(**options)
    assert refused.value.field == field
    assert fleet.sessions() == []
    assert list(fleet.journal().store.streams()) == []


def test_a_backend_must_be_named_where_there_are_several():
    def one(prompt):
        return f"one: {prompt}"

    def two(prompt):
        return f"two: {prompt}"

    with Fleet(backends={"one": function(one), "two": function(two)}) as fleet:
        with pytest.raises(InvalidInput, match="one, two"):
            fleet.start_session()
        assert fleet.start_session(backend="two").query("x").get(timeout=PATIENCE) == "two: x"
        routing = {"policy": "failover", "preferred_backends": ["two", "one"]}
        for backend in (None, "auto"):
            session = fleet.start_session(backend=backend, routing=routing)
            assert session.info().backend == "two"
        with pytest.raises(RoutingRefused):
            fleet.start_session(routing={"policy": "explicit", "backend": "three"})


def test_a_session_starts_while_the_router_and_the_supervisor_are_restarted(fleets):
    fleet = fleets(Scripted(shout))
    kill(fleet, "router")
    session = fleet.start_session(routing={"policy": "round_robin"})
    kill(fleet, "session_supervisor")
    other = fleet.start_session()
    kill(fleet, "control")
    third = fleet.start_session()
    for one in (session, other, third):
        assert one.query("hello").get(timeout=PATIENCE) == "HELLO"


def test_a_session_that_was_stopped_is_taken_up_with_new_options(fleets):
    backend = Scripted(shout)
    fleet = fleets(backend)
    session = fleet.start_session(session_id="ada", permission_default="deny")
    session.query("hello").get(timeout=PATIENCE)
    session.stop()
    assert isinstance(failure(session.query("too late")), SessionClosed)
    again = fleet.start_session(session_id="ada", permission_default="allow", cwd="/srv")
    assert again == session
    assert session.query("again").get(timeout=PATIENCE) == "AGAIN"
    assert session.info().cwd == "/srv"
    assert [message.content for message in session.messages()][:2] == ["hello", "HELLO"]


def test_only_a_session_in_quarantine_can_be_released(fleet):
    session = fleet.start_session()
    for what in (session, "never there"):
        with pytest.raises(NotFound):
            fleet.release(what)


def test_many_stop_the_same_session_at_once(fleet):
    session = fleet.start_session()
    threads = [threading.Thread(target=session.stop) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert types(session) == ["session_started", "session_stopped"]


def test_sessions_are_stopped_in_the_middle_of_crashes(fleets):
    fleet = fleets(Scripted(shout))
    for _ in range(20):
        session = fleet.start_session()
        kill(fleet, session.id)
        session.stop()
        assert fleet.whereis(session.id) is None
    assert fleet.sessions() == []
    assert fleet.whereis("session_supervisor").count_children().specs == 0
