"""`beam.sessions.roster`: which sessions there should be, whatever dies."""

from __future__ import annotations

import threading

import pytest

from beam.sessions import roster as roster_module
from beam.sessions.roster import Roster


@pytest.fixture
def roster():
    roster = Roster()
    roster.enter("s", "spec")
    return roster


def test_an_id_is_entered_once(roster):
    assert not roster.enter("s", "another spec")
    assert roster.spec("s") == "spec"
    assert (roster.spec("t"), roster.status("t")) == (None, None)


def test_what_is_struck_off_is_closed_and_may_come_again(roster):
    assert roster.strike("s") == []
    assert (roster.status("s"), roster.spec("s"), roster.sessions()) == ("closed", None, {})
    assert roster.strike("never there") == []
    assert roster.status("never there") is None
    assert roster.enter("s", "spec")
    assert roster.status("s") == "starting"


def test_what_is_withdrawn_was_never_there(roster):
    roster.leave("s", "submission")
    assert roster.withdraw("s") == ["submission"]
    assert roster.status("s") is None
    assert roster.withdraw("s") == []


def test_a_status_may_depend_on_the_one_before(roster):
    roster.set_status("s", "live", only="starting")
    roster.set_status("s", "restarting", only="quarantined")
    assert roster.status("s") == "live"
    roster.set_status("unknown", "live")
    assert roster.sessions() == {"s": "live"}


def test_what_is_left_is_handed_over_in_its_order(roster):
    for number in range(3):
        assert roster.leave("s", number)
    handed = []
    roster.hand_over("s", lambda one: handed.append(one) is None)
    assert handed == [0, 1, 2]
    assert not roster.has_left("s")
    roster.hand_over("unknown", handed.append)
    assert handed == [0, 1, 2]


def test_what_cannot_be_delivered_stays(roster):
    for number in range(3):
        roster.leave("s", number)
    roster.hand_over("s", lambda one: one == 0)
    assert roster.has_left("s")
    assert roster.collect("s") == [1, 2]
    assert roster.collect("s") == roster.collect("unknown") == []


def test_what_comes_while_something_is_handed_over_comes_after_it(roster):
    roster.leave("s", 0)
    handed = []

    def deliver(one):
        if one == 0:
            assert roster.has_left("s")
            roster.leave("s", 1)
        handed.append(one)
        return True

    roster.hand_over("s", deliver)
    assert handed == [0, 1]


def test_there_is_room_for_so_much_and_no_more(roster, monkeypatch):
    monkeypatch.setattr(roster_module, "UNDELIVERED", 2)
    assert [roster.leave("s", number) for number in range(3)] == [True, True, False]
    assert not roster.leave("unknown", 1)


def test_only_the_newest_of_those_that_were_closed_are_remembered(monkeypatch):
    monkeypatch.setattr(roster_module, "CLOSED", 2)
    roster = Roster()
    for name in ("a", "b", "c"):
        roster.enter(name, "spec")
        roster.strike(name)
    assert [roster.status(name) for name in ("a", "b", "c")] == [None, "closed", "closed"]


def test_when_the_fleet_is_over_every_session_is_closed(roster):
    roster.end("fleet_failed")
    roster.end("fleet_closed")
    assert (roster.status("s"), roster.ended) == ("closed", "fleet_failed")
    assert not roster.leave("s", "too late")
    assert roster.status("never there") is None


def test_of_many_who_enter_one_id_at_once_one_may():
    roster, begin, entered = Roster(), threading.Barrier(16), []

    def enter():
        begin.wait()
        entered.append(roster.enter("s", "spec"))

    threads = [threading.Thread(target=enter) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert entered.count(True) == 1
