"""`beam.state.session_history`: what is kept of sessions, through its doors and its process."""

from __future__ import annotations

from dataclasses import replace

import pytest

from beam.errors import AlreadyExists, InvalidInput, NotFound, StateRefused
from beam.log import SqliteStore
from beam.model.messages import AssistantMessage, ResultMessage, SystemMessage, UserMessage
from beam.state.session_history import SessionHistory
from tests.state.running import PATIENCE, running


@pytest.fixture
def state():
    with running() as state:
        yield state


@pytest.fixture
def history(state):
    return SessionHistory(state.node)


def say(history, *words, session_id="s"):
    history.record_messages(
        session_id, [UserMessage(content=word, uuid=f"u-{word}") for word in words]
    )


def heard(history, session_id="s", **opts):
    return [one.content for one in history.get_session_messages(session_id, opts)]


def heard_at(state, session_id, at):
    """Record a message of a time, in Unix milliseconds."""
    said = state.journal.event("message", session_id, message={"type": "user", "content": "hi"})
    state.journal.append_wait([replace(said, timestamp=at)])


class TestMetadata:
    def test_recording_enters_a_session_and_counts_from_the_first_message_on(self, history):
        say(history, "one")
        assert history.get_session("s").message_count == 1
        assert history.message_count("s") == 1

    def test_an_unknown_session_has_no_messages_and_is_not_found(self, history):
        assert history.message_count("s") == 0
        for read in (history.get_session, history.get_session_messages):
            with pytest.raises(NotFound):
                read("s")

    def test_the_model_is_the_one_that_spoke_last(self, history):
        history.record_message("s", SystemMessage(system_info={"model": "opus"}))
        assert history.get_session("s").model == "opus"
        history.record_message("s", AssistantMessage(content="hi", model="haiku"))
        assert history.get_session("s").model == "haiku"
        say(history, "one")
        assert history.get_session("s").model == "haiku"

    def test_an_update_is_shallow_and_enters_who_is_not_known(self, history):
        history.update_session("s", {"cwd": "/a", "extra": {"a": 1, "b": {"c": 1}}})
        history.update_session("s", {"adapter": "claude", "extra": {"b": 2}})
        meta = history.get_session("s")
        assert (meta.adapter, meta.cwd, meta.extra) == ("claude", "/a", {"a": 1, "b": 2})

    @pytest.mark.parametrize(
        ("meta", "field"),
        [
            ({"colour": "red"}, "meta"),
            ({"adapter": 1}, "meta.adapter"),
            ({"extra": {"view": {}}}, "extra"),
            ({"created_at": -1}, "meta.created_at"),
            ([], "meta"),
        ],
    )
    def test_what_is_no_metadata_is_refused_by_name(self, history, meta, field):
        with pytest.raises(InvalidInput) as raised:
            history.register_session("s", meta)
        assert raised.value.field == field

    def test_what_is_no_json_is_refused_and_the_process_lives(self, history, state):
        store = state.node.whereis("store")
        with pytest.raises(InvalidInput):
            history.register_session("s", {"extra": {"a": object()}})
        assert state.node.whereis("store") is store


class TestListing:
    def test_the_one_that_changed_last_comes_first(self, history, state):
        for at, name in enumerate(("a", "b", "c", "a"), start=1):
            heard_at(state, name, at)
        assert [one.session_id for one in history.list_sessions()] == ["a", "c", "b"]
        assert history.session_count() == 3

    def test_filters_are_exact_and_unknown_ones_say_nothing(self, history):
        history.register_session("a", {"adapter": "claude", "cwd": "/a"})
        history.register_session("b", {"adapter": "claude", "cwd": "/b"})
        history.register_session("c", {"adapter": "codex", "cwd": "/a"})
        found = history.list_sessions({"adapter": "claude", "cwd": "/a", "colour": "red"})
        assert [one.session_id for one in found] == ["a"]

    def test_a_limit_counts_from_the_newest(self, history):
        for name in ("a", "b"):
            say(history, "hi", session_id=name)
        assert len(history.list_sessions({"limit": 1})) == 1

    @pytest.mark.parametrize("limit", [0, -1, "2", True])
    def test_a_limit_that_is_none_is_refused(self, history, limit):
        with pytest.raises(InvalidInput) as raised:
            history.list_sessions({"limit": limit})
        assert raised.value.field == "limit"


class TestMessages:
    def test_they_are_cut_by_types_then_offset_then_limit(self, history):
        say(history, "one", "two")
        history.record_message("s", ResultMessage(content="done"))
        say(history, "three", "four")
        assert heard(history, types=["user"], offset=1, limit=2) == ["two", "three"]

    def test_a_limit_or_offset_that_is_not_positive_is_none(self, history):
        say(history, "one", "two")
        assert heard(history, limit=0, offset=-1) == ["one", "two"]

    def test_all_of_many_are_read(self, history):
        for _ in range(3):
            history.record_messages("s", [UserMessage(content=str(n)) for n in range(400)])
        assert len(heard(history)) == 1200

    def test_types_that_are_not_known_are_refused(self, history):
        say(history, "one")
        with pytest.raises(InvalidInput) as raised:
            heard(history, types=["colour"])
        assert raised.value.field == "types"


class TestReverting:
    def test_what_is_recorded_after_it_is_visible_and_brings_nothing_back(self, history):
        say(history, "one", "two", "three")
        history.revert_session("s", {"visible_message_count": 1})
        say(history, "four", "five")
        assert heard(history) == ["one", "four", "five"]
        assert heard(history, include_hidden=True) == ["one", "two", "three", "four", "five"]

    def test_a_second_one_leaves_hidden_what_the_first_hid_before_its_boundary(self, history):
        say(history, "one", "two", "three")
        history.revert_session("s", {"uuid": "u-one"})
        say(history, "four", "five")
        history.revert_session("s", {"message_id": "u-four"})
        assert heard(history) == ["one", "four"]

    def test_one_to_a_hidden_message_shows_what_led_there(self, history):
        say(history, "one", "two", "three")
        history.revert_session("s", {"uuid": "u-one"})
        history.revert_session("s", {"uuid": "u-two"})
        assert heard(history) == ["one", "two"]

    def test_a_count_is_capped_at_all_messages(self, history):
        say(history, "one", "two")
        meta = history.revert_session("s", {"visible_message_count": 9})
        assert meta.extra["view"]["visible_message_count"] == 2

    def test_a_message_is_found_by_either_of_its_names(self, history):
        history.record_message("s", UserMessage(content="one", message_id="m-1"))
        say(history, "two")
        history.revert_session("s", {"uuid": "m-1"})
        assert heard(history) == ["one"]

    @pytest.mark.parametrize(
        "selector",
        [{}, {"uuid": "nobody"}, {"visible_message_count": -1}, {"visible_message_count": "1"}, 1],
    )
    def test_a_selector_that_selects_nothing_is_refused(self, history, selector):
        say(history, "one")
        with pytest.raises(StateRefused) as raised:
            history.revert_session("s", selector)
        assert raised.value.reason == "invalid_selector"

    def test_taking_it_back_needs_none_to_be_there(self, history):
        say(history, "one")
        assert "view" not in history.unrevert_session("s").extra

    def test_of_an_unknown_session_it_is_not_found(self, history):
        with pytest.raises(NotFound):
            history.revert_session("s", {"visible_message_count": 1})
        with pytest.raises(NotFound):
            history.unrevert_session("s")


class TestForking:
    def test_a_fork_of_a_reverted_and_shared_session_is_neither(self, history):
        say(history, "one", "two")
        history.update_session("s", {"extra": {"colour": "red"}})
        history.revert_session("s", {"visible_message_count": 1})
        history.share_session("s")
        history.summarize_session("s")
        fork = history.fork_session("s", {"session_id": "f"})
        assert set(fork.extra) == {"colour", "fork"}
        assert heard(history, "f") == ["one", "two"]

    def test_a_fork_of_the_visible_ones_has_no_others(self, history):
        say(history, "one", "two", "three")
        history.revert_session("s", {"visible_message_count": 1})
        say(history, "four")
        fork = history.fork_session("s", {"session_id": "f", "include_hidden": False})
        assert fork.message_count == 2
        assert heard(history, "f", include_hidden=True) == ["one", "four"]

    def test_it_goes_its_own_way(self, history):
        say(history, "one")
        history.fork_session("s", {"session_id": "f"})
        say(history, "two")
        say(history, "drei", session_id="f")
        assert (heard(history), heard(history, "f")) == (["one", "two"], ["one", "drei"])
        assert {one.session_id for one in history.get_session_messages("f")} == {"f"}

    def test_a_fork_of_a_fork_has_the_messages_of_both(self, history):
        say(history, "one")
        history.fork_session("s", {"session_id": "f"})
        say(history, "two", session_id="f")
        history.fork_session("f", {"session_id": "g"})
        say(history, "three", session_id="g")
        assert heard(history, "g") == ["one", "two", "three"]
        history.revert_session("g", {"visible_message_count": 2})
        fork = history.fork_session("g", {"session_id": "h", "include_hidden": False})
        assert (fork.message_count, heard(history, "h")) == (2, ["one", "two"])

    def test_it_keeps_its_messages_when_the_other_is_deleted(self, history):
        say(history, "one")
        history.fork_session("s", {"session_id": "f"})
        history.delete_session("s")
        assert heard(history, "f") == ["one"]

    def test_into_a_session_that_there_is_it_is_refused(self, history):
        say(history, "one")
        say(history, "other", session_id="f")
        with pytest.raises(AlreadyExists):
            history.fork_session("s", {"session_id": "f"})
        assert heard(history, "f") == ["other"]

    def test_its_own_notes_are_put_over_those_of_the_other(self, history):
        history.update_session("s", {"extra": {"a": 1, "b": 1}})
        fork = history.fork_session("s", {"extra": {"b": 2}})
        assert fork.session_id.startswith("sess_")
        assert (fork.extra["a"], fork.extra["b"]) == (1, 2)


class TestSharing:
    def test_a_share_has_a_name_and_another_takes_its_place(self, history):
        say(history, "one")
        first = history.share_session("s")
        assert first["share_id"].startswith("share_")
        assert first["status"] == "active"
        history.share_session("s", {"share_id": "mine"})
        assert history.get_share("s")["share_id"] == "mine"

    def test_revoking_twice_is_no_error_and_without_a_share_not_found(self, history):
        say(history, "one")
        with pytest.raises(NotFound):
            history.unshare_session("s")
        history.share_session("s")
        history.unshare_session("s")
        history.unshare_session("s")
        assert "revoked_at" in history.get_share("s")


class TestSummaries:
    def test_it_is_made_of_the_first_question_and_the_last_answer(self, history):
        say(history, "Why?")
        history.record_message("s", ResultMessage(content="Because."))
        history.record_message("s", AssistantMessage())
        summary = history.summarize_session("s")
        assert all(part in summary["content"] for part in ("3 messages", "Why?", "Because."))
        assert summary["message_count"] == 3
        assert summary["generated_by"] == "beam_agent_core"
        assert history.get_summary("s") == summary

    def test_a_long_text_is_cut_between_characters(self, history):
        say(history, "ü" * 200)
        content = history.summarize_session("s")["content"]
        assert content.endswith("ü...")
        assert "\ufffd" not in content

    def test_it_may_be_given(self, history):
        say(history, "one")
        given = history.summarize_session("s", {"summary": "Mine.", "generated_by": "me"})
        assert (given["content"], given["generated_by"]) == ("Mine.", "me")

    def test_it_is_of_the_visible_messages(self, history):
        say(history, "one", "two")
        history.revert_session("s", {"visible_message_count": 1})
        assert history.summarize_session("s")["message_count"] == 1

    def test_without_one_it_is_not_found(self, history):
        say(history, "one")
        with pytest.raises(NotFound):
            history.get_summary("s")


class TestDeleting:
    def test_the_messages_go_with_it_and_a_new_one_begins_empty(self, history):
        say(history, "one", "two")
        history.delete_session("s")
        say(history, "three")
        assert heard(history, include_hidden=True) == ["three"]
        assert history.get_session("s").message_count == 1

    def test_an_unknown_one_is_deleted_already(self, history):
        history.delete_session("s")


class TestDurability:
    def test_it_can_be_read_while_no_process_owns_it(self, history, state):
        say(history, "one")
        state.tree.terminate_child("store")
        state.journal.append_wait(
            [state.journal.event("message", "s", message={"type": "user", "content": "two"})]
        )
        assert heard(history) == ["one", "two"]
        assert history.list_sessions()[0].message_count == 2

    def test_a_kill_of_the_process_loses_nothing(self, history, state):
        say(history, "one", "two")
        history.revert_session("s", {"visible_message_count": 1})
        state.kill("store")
        assert heard(history) == ["one"]
        say(history, "three")
        assert history.get_session("s").message_count == 3

    def test_the_next_program_on_the_same_log_knows_all_of_it(self, tmp_path):
        def open_store():
            return SqliteStore.open(tmp_path / "fleet.db")

        with running(open_store) as state:
            history = SessionHistory(state.node)
            say(history, "one", "two")
            history.revert_session("s", {"visible_message_count": 1})
            before = history.get_session("s")
            state.tree.stop(timeout=PATIENCE)
        with running(open_store) as state:
            history = SessionHistory(state.node)
            assert history.get_session("s") == before
            assert heard(history) == ["one"]
