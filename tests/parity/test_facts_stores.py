"""Facts 40 to 47, 67 and 69: what the stores of sessions and of threads keep."""

from __future__ import annotations

from dataclasses import replace

import pytest

from beam.errors import NotFound
from beam.model.messages import UserMessage
from beam.state import SessionHistory, ThreadHistory


@pytest.fixture
def sessions(fleet):
    return SessionHistory(fleet.node)


@pytest.fixture
def threads(fleet):
    return ThreadHistory(fleet.node)


@pytest.fixture
def three(sessions):
    """A stored session of three messages, with the uuids u1, u2 and u3."""
    said = [UserMessage(content=f"{n}", uuid=f"u{n}") for n in (1, 2, 3)]
    sessions.record_messages("s", said)
    return "s"


def shown(fleet, session_id, **opts):
    return [one.content for one in fleet.router.get_session_messages(session_id, opts=opts)]


def test_fact_40_a_revert_by_uuid_shows_up_to_that_message_and_can_be_taken_back(fleet, three):
    fleet.router.revert_session(three, {"uuid": "u2"})
    assert shown(fleet, three) == ["1", "2"]
    assert shown(fleet, three, include_hidden=True) == ["1", "2", "3"]
    fleet.router.unrevert_session(three)
    assert shown(fleet, three) == ["1", "2", "3"]


def test_fact_41_a_revoked_share_is_kept_as_revoked(fleet, sessions, three):
    share = fleet.router.share_session(three)
    assert share["status"] == "active"
    assert fleet.router.unshare_session(three) is None
    kept = sessions.get_share(three)
    assert (kept["share_id"], kept["status"]) == (share["share_id"], "revoked")


def test_fact_42_a_fork_names_its_parent_and_has_all_messages(fleet, three):
    fork = fleet.router.fork_session(three, {})
    assert fork.extra["fork"]["parent_session_id"] == three
    assert shown(fleet, fork.session_id) == ["1", "2", "3"]


def test_fact_43_a_session_that_is_registered_twice_stays_as_it_was(fleet, sessions):
    sessions.register_session("s", {"adapter": "claude"})
    sessions.register_session("s", {"adapter": "codex", "cwd": "/repo"})
    meta = fleet.router.get_session("s")
    assert (meta.adapter, meta.cwd, meta.message_count) == ("claude", None, 0)


def test_fact_44_since_is_then_or_later(fleet):
    journal = fleet.journal()
    for name, at in (("old", 999), ("now", 1000), ("new", 1001)):
        said = journal.event("message", name, message={"type": "user", "content": "hi"})
        journal.append_wait([replace(said, timestamp=at)])
    found = fleet.router.list_sessions(opts={"since": 1000})
    assert [one.session_id for one in found] == ["new", "now"]


def test_fact_45_a_thread_rolled_back_by_one_of_three_shows_two(fleet, threads):
    session = fleet.start_session()
    thread = fleet.router.thread_start(session, {})
    for n in range(3):
        threads.record_thread_message(session.id, thread.thread_id, UserMessage(content=f"{n}"))
    rolled = fleet.router.thread_rollback(session, thread.thread_id, {"count": 1})
    assert rolled.visible_message_count == 2
    read = fleet.router.thread_read(session, thread.thread_id, opts={"include_messages": True})
    assert [one.content for one in read["messages"]] == ["0", "1"]


def test_fact_46_recording_to_a_thread_that_is_not_there_is_no_error(fleet, threads):
    assert threads.record_thread_message("s", "nobody", UserMessage(content="hi")) is None
    assert [one.thread_id for one in fleet.router.get_session_messages("s")] == ["nobody"]


def test_fact_47_deleting_a_thread_that_is_not_active_leaves_the_active_one(threads):
    first = threads.start_thread("s")
    second = threads.start_thread("s")
    threads.delete_thread("s", first.thread_id)
    assert threads.active_thread("s") == second.thread_id


def test_fact_67_compacting_one_of_two_leaves_one_visible(threads):
    thread = threads.start_thread("s")
    for word in ("one", "two"):
        threads.record_thread_message("s", thread.thread_id, UserMessage(content=word))
    assert threads.compact_thread("s", {"count": 1}).visible_message_count == 1


def test_fact_69_a_deleted_session_is_not_found(fleet, three):
    fleet.router.delete_session(three)
    with pytest.raises(NotFound) as raised:
        fleet.router.get_session(three)
    assert raised.value.reason == "not_found"
