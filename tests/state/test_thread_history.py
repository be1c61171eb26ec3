"""`beam.state.thread_history`: what is kept of threads, through its doors and its process."""

from __future__ import annotations

import pytest

from beam.errors import AlreadyExists, InvalidInput, NotFound, StateRefused
from beam.model.messages import UserMessage
from beam.state.session_history import SessionHistory
from beam.state.store_rows import active_thread
from beam.state.thread_history import ThreadHistory
from tests.state.running import running


@pytest.fixture
def state():
    with running() as state:
        yield state


@pytest.fixture
def sessions(state):
    return SessionHistory(state.node)


@pytest.fixture
def threads(state):
    threads = ThreadHistory(state.node)
    threads.start_thread("s", {"thread_id": "t"})
    return threads


def say(threads, *words, thread_id="t"):
    for word in words:
        message = UserMessage(content=word, uuid=f"u-{word}")
        threads.record_thread_message("s", thread_id, message)


def heard(threads, thread_id="t", **opts):
    return [one.content for one in threads.get_thread_messages("s", thread_id, opts)]


class TestStarting:
    def test_a_new_one_is_active_and_called_by_its_id(self, threads):
        thread = threads.start_thread("s")
        assert thread.thread_id.startswith("thread_")
        assert (thread.name, thread.status, thread.message_count) == (thread.thread_id, "active", 0)
        assert threads.active_thread("s") == thread.thread_id

    def test_one_in_place_of_another_begins_empty(self, threads):
        say(threads, "one")
        threads.start_thread("s", {"thread_id": "t", "name": "Again"})
        assert (heard(threads), threads.thread_count("s")) == ([], 1)
        say(threads, "two")
        assert heard(threads) == ["two"]

    @pytest.mark.parametrize(
        ("opts", "field"),
        [({"thread_id": ""}, "thread_id"), ({"metadata": 1}, "metadata"), ([], "opts")],
    )
    def test_bad_options_are_refused_by_name(self, threads, opts, field):
        with pytest.raises(InvalidInput) as raised:
            threads.start_thread("s", opts)
        assert raised.value.field == field


class TestRollingBack:
    def test_what_is_recorded_after_it_is_visible_and_brings_nothing_back(self, threads):
        say(threads, "one", "two", "three")
        threads.rollback_thread("s", "t", {"count": 2})
        say(threads, "four")
        assert heard(threads) == ["one", "four"]
        assert heard(threads, include_hidden=True) == ["one", "two", "three", "four"]
        thread = threads.get_thread("s", "t")
        assert (thread.message_count, thread.visible_message_count) == (4, 2)

    def test_a_second_one_counts_what_is_visible(self, threads):
        say(threads, "one", "two", "three")
        threads.rollback_thread("s", "t", {"count": 1})
        say(threads, "four")
        threads.rollback_thread("s", "t", {"count": 2})
        assert heard(threads) == ["one"]

    @pytest.mark.parametrize(
        ("selector", "left"),
        [
            ({"count": 9}, []),
            ({"count": 0}, ["one", "two", "three"]),
            ({"visible_message_count": 2}, ["one", "two"]),
            ({"visible_message_count": 9}, ["one", "two", "three"]),
            ({"uuid": "u-two"}, ["one", "two"]),
            ({"count": 1, "visible_message_count": 1}, ["one", "two"]),
        ],
    )
    def test_the_first_key_that_is_there_selects(self, threads, selector, left):
        say(threads, "one", "two", "three")
        threads.rollback_thread("s", "t", selector)
        assert heard(threads) == left

    def test_a_hidden_message_cannot_be_selected(self, threads):
        say(threads, "one", "two")
        threads.rollback_thread("s", "t", {"count": 1})
        with pytest.raises(StateRefused) as raised:
            threads.rollback_thread("s", "t", {"uuid": "u-two"})
        assert raised.value.reason == "invalid_selector"

    @pytest.mark.parametrize("selector", [{}, {"count": -1}, {"count": "1"}, {"uuid": "nobody"}, 1])
    def test_a_selector_that_selects_nothing_is_refused(self, threads, selector):
        say(threads, "one")
        with pytest.raises(StateRefused) as raised:
            threads.rollback_thread("s", "t", selector)
        assert raised.value.reason == "invalid_selector"

    def test_compacting_rolls_the_active_one_back(self, threads):
        say(threads, "one", "two")
        assert threads.compact_thread("s", {"count": 1}).visible_message_count == 1
        selector = {"visible_message_count": 0}
        thread = threads.compact_thread("s", {"thread_id": "t", "selector": selector})
        assert thread.visible_message_count == 0

    def test_a_revert_of_the_session_hides_here_as_well(self, threads, sessions):
        say(threads, "one", "two")
        sessions.revert_session("s", {"uuid": "u-one"})
        assert heard(threads) == ["one"]


class TestForking:
    def test_a_fork_begins_with_the_visible_messages_and_is_active(self, threads, sessions):
        say(threads, "one", "two", "three")
        threads.rollback_thread("s", "t", {"count": 1})
        fork = threads.fork_thread("s", "t", {"thread_id": "f", "name": "Fork"})
        assert (fork.parent_thread_id, fork.name, fork.message_count) == ("t", "Fork", 2)
        assert threads.active_thread("s") == "f"
        say(threads, "four", thread_id="f")
        assert (heard(threads, "f"), heard(threads)) == (["one", "two", "four"], ["one", "two"])
        assert {one.thread_id for one in threads.get_thread_messages("s", "f")} == {"f"}
        assert sessions.message_count("s") == 4

    def test_it_has_no_messages_of_others_that_came_between(self, threads):
        threads.start_thread("s", {"thread_id": "other"})
        for word in ("one", "two"):
            say(threads, word)
            say(threads, f"not {word}", thread_id="other")
        threads.fork_thread("s", "t", {"thread_id": "f"})
        assert heard(threads, "f") == ["one", "two"]

    def test_a_fork_of_a_fork_can_be_rolled_back(self, threads):
        say(threads, "one")
        threads.fork_thread("s", "t", {"thread_id": "f"})
        say(threads, "two", thread_id="f")
        threads.fork_thread("s", "f", {"thread_id": "g", "parent_thread_id": "t"})
        say(threads, "three", thread_id="g")
        assert heard(threads, "g") == ["one", "two", "three"]
        threads.rollback_thread("s", "g", {"uuid": "u-one"})
        assert heard(threads, "g") == ["one"]
        assert threads.get_thread("s", "g").parent_thread_id == "t"

    def test_into_a_thread_that_there_is_it_is_refused(self, threads):
        threads.start_thread("s", {"thread_id": "f"})
        with pytest.raises(AlreadyExists):
            threads.fork_thread("s", "t", {"thread_id": "f"})


class TestArchiving:
    def test_it_is_marked_and_takes_messages_all_the_same(self, threads):
        thread = threads.archive_thread("s", "t")
        assert (thread.status, thread.archived) == ("archived", True)
        assert thread.archived_at is not None
        assert threads.active_thread("s") == "t"
        say(threads, "one")
        assert heard(threads) == ["one"]

    def test_taking_it_back_leaves_the_time(self, threads):
        at = threads.archive_thread("s", "t").archived_at
        thread = threads.unarchive_thread("s", "t")
        assert (thread.status, thread.archived, thread.archived_at) == ("active", False, at)

    def test_a_resumed_one_is_archived_no_more_and_active(self, threads):
        threads.archive_thread("s", "t")
        threads.start_thread("s", {"thread_id": "other"})
        thread = threads.resume_thread("s", "t")
        assert (thread.status, thread.archived) == ("active", False)
        assert threads.active_thread("s") == "t"


class TestTelling:
    def test_a_name_and_notes_can_be_changed(self, threads):
        assert threads.rename_thread("s", "t", "New").name == "New"
        threads.update_thread_metadata("s", "t", {"a": 1, "b": 1})
        assert threads.update_thread_metadata("s", "t", {"b": 2}).metadata == {"a": 1, "b": 2}

    def test_the_list_has_what_it_is_asked_for(self, threads):
        threads.start_thread("s", {"thread_id": "u"})
        threads.archive_thread("s", "t")
        found = [one.thread_id for one in threads.list_threads("s", {"include_archived": False})]
        assert found == ["u"]
        assert [one.thread_id for one in threads.list_threads("s", {"status": "archived"})] == ["t"]
        assert len(threads.list_threads("s", {"limit": 1})) == 1

    def test_one_can_be_read_with_its_messages(self, threads):
        say(threads, "one")
        assert set(threads.read_thread("s", "t")) == {"thread"}
        read = threads.read_thread("s", "t", {"include_messages": True})
        assert [one.content for one in read["messages"]] == ["one"]

    @pytest.mark.parametrize(
        "function",
        ["get_thread", "resume_thread", "archive_thread", "fork_thread", "get_thread_messages"],
    )
    def test_an_unknown_one_is_not_found(self, threads, function):
        with pytest.raises(NotFound) as raised:
            getattr(threads, function)("s", "nobody")
        assert raised.value.reason == "not_found"


class TestTheActiveOne:
    def test_there_may_be_none(self, threads, state):
        threads.clear_active_thread("s")
        with pytest.raises(NotFound) as raised:
            threads.active_thread("s")
        assert raised.value.reason == "none"
        assert active_thread(state.node, "s") is None

    def test_that_it_is_there_is_not_checked(self, threads):
        threads.set_active_thread("s", "nobody")
        assert threads.active_thread("s") == "nobody"

    def test_deleting_it_leaves_none_and_its_messages_in_the_session(self, threads, sessions):
        say(threads, "one")
        threads.delete_thread("s", "t")
        with pytest.raises(NotFound):
            threads.active_thread("s")
        assert sessions.message_count("s") == 1

    def test_a_kill_of_the_process_changes_nothing(self, threads, state):
        say(threads, "one", "two")
        threads.rollback_thread("s", "t", {"count": 1})
        before = threads.get_thread("s", "t")
        state.kill("store")
        assert threads.get_thread("s", "t") == before
        assert threads.active_thread("s") == "t"


def test_a_deleted_session_leaves_its_threads_without_their_messages(threads, sessions):
    say(threads, "one", "two")
    sessions.delete_session("s")
    assert threads.get_thread("s", "t").message_count == 0
    say(threads, "three")
    assert heard(threads) == ["three"]
