"""`fleet.router`: what is kept of sessions and threads, of those that live and of others."""

from __future__ import annotations

import asyncio

import pytest

from beam.errors import InvalidInput, NotFound
from beam.model.messages import UserMessage
from beam.otp import exit
from beam.state import SessionHistory
from tests.sessions.scripted import PATIENCE, Scripted, shout


def test_a_live_session_is_stored_with_what_its_agent_has_said(shouting):
    session = shouting.start_session(cwd="/repo", model="large")
    said = shouting.router.query(session, "hello")
    meta = shouting.router.get_session(session)
    assert (meta.cwd, meta.model, meta.message_count) == ("/repo", "large", len(said))
    stored = shouting.router.get_session_messages(session.id)
    assert [one.content for one in stored] == [one.content for one in said]


def test_the_list_can_be_of_one_backend_and_an_unknown_one_says_nothing(shouting):
    [name] = shouting.router._grounds.backends
    session = shouting.start_session()
    SessionHistory(shouting.node).register_session("s", {"adapter": "other"})
    found = shouting.router.list_sessions(opts={"backend": name})
    assert [one.session_id for one in found] == [session.id]
    assert len(shouting.router.list_sessions(opts={"backend": "nobody"})) == 2
    assert len(shouting.router.list_sessions()) == 2


def test_what_the_agent_says_belongs_to_the_active_thread(shouting):
    session = shouting.start_session()
    shouting.router.query(session, "before")
    thread = shouting.router.thread_start(session, {"name": "Work"})
    said = shouting.router.query(session, "during")
    read = shouting.router.thread_read(session, thread.thread_id, opts={"include_messages": True})
    assert (read["thread"].name, read["thread"].message_count) == ("Work", len(said))
    assert {one.thread_id for one in read["messages"]} == {thread.thread_id}
    assert [one.content for one in read["messages"]] == [one.content for one in said]


def test_a_live_session_can_be_reverted_and_goes_on_visibly(shouting):
    session = shouting.start_session()
    shouting.router.query(session, "one")
    shouting.router.revert_session(session, {"visible_message_count": 0})
    assert shouting.router.get_session_messages(session) == []
    said = shouting.router.query(session, "two")
    assert len(shouting.router.get_session_messages(session)) == len(said)
    shown = shouting.router.summarize_session(session)
    assert "TWO" in shown["content"]
    assert "ONE" not in shown["content"]


def test_a_live_session_that_is_deleted_is_stopped_first(shouting):
    session = shouting.start_session()
    shouting.router.query(session, "hello")
    shouting.router.delete_session(session)
    assert session.status() == "closed"
    with pytest.raises(NotFound):
        shouting.router.get_session(session)


def test_threads_begin_in_sessions_that_live_or_are_stored_and_in_no_others(shouting):
    with pytest.raises(NotFound) as raised:
        shouting.router.thread_start("nobody", {})
    assert raised.value.reason == "not_found"
    SessionHistory(shouting.node).record_message("s", UserMessage(content="hi"))
    thread = shouting.router.thread_start("s", {"thread_id": "t"})
    assert shouting.router.thread_list("s") == [thread]


def test_a_thread_is_forked_archived_and_resumed(shouting):
    session = shouting.start_session()
    shouting.router.thread_start(session, {"thread_id": "t"})
    said = shouting.router.query(session, "hello")
    fork = shouting.router.thread_fork(session, "t", opts={"thread_id": "f"})
    assert (fork.parent_thread_id, fork.message_count) == ("t", len(said))
    assert shouting.router.thread_archive(session, "t").archived
    assert not shouting.router.thread_unarchive(session, "t").archived
    assert shouting.router.thread_archive(session, "t").archived
    assert not shouting.router.thread_resume(session, "t").archived


def test_a_call_waits_for_the_store_while_it_is_restarted(shouting):
    session = shouting.start_session()
    shouting.router.query(session, "hello")
    for _ in range(3):
        exit(shouting.whereis("store"), "kill")
        assert shouting.router.share_session(session)["status"] == "active"


def test_everything_is_there_for_the_next_fleet_on_the_same_store(fleets, tmp_path):
    first = fleets(Scripted(shout), tmp_path / "fleet.db")
    session = first.start_session()
    first.router.query(session, "hello")
    first.router.thread_start(session, {"thread_id": "t"})
    first.router.query(session, "again")
    before = first.router.get_session(session), first.router.thread_list(session)
    first.close()
    second = fleets(Scripted(shout), tmp_path / "fleet.db")
    after = second.router.get_session(session.id), second.router.thread_list(session.id)
    assert after == before


def test_each_has_a_coroutine_twin(shouting):
    async def twins():
        session = await shouting.aio.start_session()
        await shouting.router.aio.query(session, "hello")
        return await shouting.router.aio.fork_session(session, {}), session

    fork, session = asyncio.run(asyncio.wait_for(twins(), PATIENCE))
    assert fork.extra["fork"]["parent_session_id"] == session.id


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda router: router.list_sessions(opts=[]), "opts"),
        (lambda router: router.get_session(1), "session"),
        (lambda router: router.fork_session("s", {"include_hidden": 1}), "include_hidden"),
        (lambda router: router.share_session("s", opts={"share_id": ""}), "share_id"),
        (lambda router: router.summarize_session("s", opts={"content": 1}), "content"),
    ],
)
def test_bad_input_is_refused_by_name(shouting, call, field):
    with pytest.raises(InvalidInput) as raised:
        call(shouting.router)
    assert raised.value.field == field


def test_a_message_that_its_agent_gave_no_uuid_is_called_by_its_event(shouting):
    session = shouting.start_session()
    said = [shouting.router.query(session, prompt)[-1] for prompt in ("one", "two", "three")]
    ids = [one.uuid for one in said]
    assert ids == [event.id for event in session.history(types=["message"])][1::2]
    shouting.router.revert_session(session, {"uuid": ids[1]})
    shown = shouting.router.get_session_messages(session.id)
    assert [one.uuid for one in shown if one.type == "result"] == ids[:2]
