"""`fleet.control`: reviews, realtime exchanges, turns, and the sessions of a backend."""

import pytest

from beam.backends.backend import Query
from beam.errors import (
    InvalidInput,
    NotFound,
    NotSupported,
    QueueFull,
    SessionRefused,
    StateRefused,
)
from tests.sessions.scripted import kill

PARTICIPANTS = [{"name": "ada"}, "bob"]


def reason_of(function, *arguments, **named):
    with pytest.raises(Exception) as refused:  # noqa: PT011 - its reason is the test
        function(*arguments, **named)
    return refused.value.reason


class TestReviews:
    def test_fact_76_start_fills_history_and_metrics(self, fleet):
        review = fleet.control.start_review(
            "s", {"thread_id": "t", "participants": PARTICIPANTS, "issues": ["a typo"]}
        )
        assert [one["stage"] for one in review.stage_history] == ["requested"]
        assert review.review_metrics == {
            "participant_count": 2,
            "comment_count": 0,
            "issue_count": 1,
            "resolution_count": 0,
        }
        ada, bob = review.participants
        assert (ada["name"], ada["presence"], bob["value"]) == ("ada", "online", "bob")

    def test_one_can_be_brought_on_and_closed_once(self, fleet):
        control = fleet.control
        name = control.start_review("s", {"thread_id": "t"}).review_id
        control.advance_review("s", name, "active", more={"comments": ["looking"]})
        closed = control.close_review("s", name, more={"resolutions": ["mended"]})
        assert (closed.status, closed.stage) == ("closed", "resolved")
        assert [one["stage"] for one in closed.stage_history] == ["requested", "active", "resolved"]
        assert control.list_reviews("s") == [closed]
        assert reason_of(control.close_review, "s", name) == "invalid_status_transition"
        assert reason_of(control.advance_review, "s", name, "active") == "invalid_status_transition"
        assert reason_of(control.close_review, "s", "other") == "not_found"

    def test_what_is_not_what_it_must_be_is_refused(self, fleet):
        for params in ({"mode": 7}, {"stage": ""}, {"thread_id": 7}, [], {"target": print}):
            with pytest.raises(InvalidInput):
                fleet.control.start_review("s", params)
        assert fleet.control.list_reviews("s") == []

    def test_its_thread_is_the_named_the_active_or_a_new_one(self, fleet):
        control, router = fleet.control, fleet.router
        new = control.start_review("s", {})
        assert [one.name for one in router.thread_list("s")] == ["review"]
        assert control.start_review("s", {}).thread_id == new.thread_id
        assert control.start_review("s", {"threadId": "other"}).thread_id == "other"

    def test_it_is_told_in_the_thread(self, fleet):
        review = fleet.control.start_review("s", {})
        opts = {"include_messages": True}
        [message] = fleet.router.thread_read("s", review.thread_id, opts=opts)["messages"]
        assert (message.type, message.subtype) == ("system", "review_started")
        assert message.system_info["review_id"] == review.review_id

    def test_more_that_are_open_than_the_bound_are_refused(self, fleet, monkeypatch):
        monkeypatch.setattr("beam.state.control_collaboration.MOST", 1)
        one = fleet.control.start_review("s", {"thread_id": "t"})
        with pytest.raises(QueueFull):
            fleet.control.start_review("s", {"thread_id": "t"})
        fleet.control.close_review("s", one.review_id)
        two = fleet.control.start_review("s", {"thread_id": "t"})
        assert fleet.control.list_reviews("s") == [two]


class TestRealtime:
    def test_fact_76_the_count_of_events_follows_them(self, fleet):
        control = fleet.control
        started = control.start_realtime("s", {"thread_id": "t", "codec": "opus"})
        assert (started.event_count, len(started.output_events)) == (1, 1)
        control.append_realtime_text("s", "t", {"text": "Hello"})
        control.append_realtime_text("s", "t", {"content": "again"})
        told = control.append_realtime_audio("s", "t", {"mime": "audio/wav", "bytes": "AAAA"})
        assert (told.event_count, len(told.output_events)) == (4, 4)
        assert told.input_summary == {"text_chunks": 2, "audio_chunks": 1}
        assert [one["payload"] for one in told.inputs[:2]] == ["Hello", "again"]
        assert told.last_audio == {"mime": "audio/wav"}
        assert told.transport_metadata == {"codec": "opus"}

    def test_what_is_stopped_takes_nothing_more(self, fleet):
        control = fleet.control
        control.start_realtime("s", {"thread_id": "t", "mode": "voice"})
        stopped = control.stop_realtime("s", "t")
        assert (stopped.status, stopped.voice_enabled) == ("stopped", True)
        assert control.stop_realtime("s", "t") == stopped
        for append in (control.append_realtime_text, control.append_realtime_audio):
            with pytest.raises(StateRefused) as refused:
                append("s", "t", {})
            assert refused.value.reason == "not_active"

    def test_where_there_is_none_nothing_can_be_sent(self, fleet):
        with pytest.raises(NotFound):
            fleet.control.append_realtime_text("s", "t", {"text": "Hello"})
        with pytest.raises(NotFound):
            fleet.control.stop_realtime("s", "t")

    def test_one_takes_the_place_of_another_in_its_thread(self, fleet):
        fleet.control.start_realtime("s", {"thread_id": "t"})
        again = fleet.control.start_realtime("s", {"thread_id": "t"})
        assert fleet.control.list_realtime("s") == [again]

    def test_the_newest_inputs_are_kept_and_all_are_counted(self, fleet, monkeypatch):
        monkeypatch.setattr("beam.state.realtime.KEPT", 2)
        fleet.control.start_realtime("s", {"thread_id": "t"})
        for word in ("one", "two", "three"):
            told = fleet.control.append_realtime_text("s", "t", {"text": word})
        assert [one["payload"] for one in told.inputs] == ["two", "three"]
        assert (told.input_summary["text_chunks"], told.event_count) == (3, 4)


class TestSurviving:
    def fill(self, control):
        control.start_realtime("s", {"thread_id": "t"})
        control.append_realtime_text("s", "t", {"text": "Hello"})
        control.append_realtime_audio("s", "t", {"path": "/a.wav"})
        review = control.start_review("s", {"thread_id": "t", "issues": ["one"]})
        control.advance_review("s", review.review_id, "active")
        control.start_realtime("s", {"thread_id": "u"})
        control.stop_realtime("s", "u")

    def book(self, control):
        return control.list_reviews("s"), control.list_realtime("s")

    def test_they_are_there_again_when_the_program_starts_again(self, fleets, backend, tmp_path):
        one = fleets(backend, tmp_path / "fleet.db")
        self.fill(one.control)
        before = self.book(one.control)
        one.close()
        assert self.book(fleets(backend, tmp_path / "fleet.db").control) == before

    def test_what_was_cleared_is_not(self, fleets, backend, tmp_path):
        one = fleets(backend, tmp_path / "fleet.db")
        self.fill(one.control)
        one.control.clear_collaboration()
        assert self.book(one.control) == ([], [])
        one.control.start_review("s", {"thread_id": "t"})
        before = self.book(one.control)
        one.close()
        assert self.book(fleets(backend, tmp_path / "fleet.db").control) == before

    def test_a_kill_of_control_loses_nothing(self, fleet):
        self.fill(fleet.control)
        before = self.book(fleet.control)
        kill(fleet, "control")
        assert self.book(fleet.control) == before
        fleet.control.append_realtime_text("s", "t", {"text": "on"})


class TestLiveSessions:
    def test_fact_66_turn_interrupt_says_exactly_this(self, fleet, backend):
        session = fleet.start_session()
        session.query("Hello")
        backend.agent().hear(Query)
        told = fleet.control.turn_interrupt(session, "thread", "turn")
        assert told == {
            "thread_id": "thread",
            "turn_id": "turn",
            "status": "interrupted",
            "source": "universal",
            "backend": fleet.router.backend(session),
        }

    def test_where_nothing_is_at_work_there_is_nothing_to_interrupt(self, fleet):
        session = fleet.start_session()
        with pytest.raises(SessionRefused) as refused:
            fleet.control.turn_interrupt(session, "thread", "turn")
        assert refused.value.reason == "no_active_query"

    def test_no_turn_can_be_steered_and_it_says_so(self, fleet):
        session = fleet.start_session()
        with pytest.raises(NotSupported) as refused:
            fleet.control.turn_steer(session, "thread", "turn", "left", opts={"now": True})
        assert refused.value.backend == fleet.router.backend(session)
        with pytest.raises(NotFound):
            fleet.control.turn_steer("nobody", "thread", "turn", "left")

    def test_the_functions_for_handles_are_those_for_ids_with_the_backend(self, fleet):
        control, session = fleet.control, fleet.start_session()
        name = fleet.router.backend(session)
        assert control.review_start(session, {"thread_id": "t"}).backend == name
        assert control.thread_realtime_start(session, {"thread_id": "t"}).backend == name
        control.thread_realtime_append_text(session, "t", {"text": "Hello"})
        control.thread_realtime_append_audio(session, "t", {"size": 1})
        told = control.thread_realtime_stop(session, "t")
        assert control.list_realtime(session.id) == [told]

    def test_modes_and_features_are_listed(self, fleet):
        control = fleet.control
        modes = control.collaboration_mode_list("s")["modes"]
        assert [one["name"] for one in modes] == ["solo", "review", "realtime"]
        every = control.experimental_feature_list("s")
        assert len(every) == 3
        [one] = control.experimental_features("s", {"features": ["universal_review"]})
        assert one in every
        assert control.experimental_feature_list("s", opts={"enabled": False}) == []
        with pytest.raises(InvalidInput):
            control.experimental_features("s", {"colour": "red"})

    def test_the_health_of_a_server_is_never_an_error(self, fleet):
        session = fleet.start_session()
        told = fleet.control.server_health(session)
        assert (told["status"], told["session_id"]) == ("healthy", session.id)
        assert told["uptime_ms"] >= 0
        assert fleet.control.server_health("nobody") == {
            "status": "unknown",
            "reason": "session_not_found",
            "source": "universal",
        }

    def test_the_sessions_of_a_server_are_those_of_its_backend(self, fleet):
        control, session, other = fleet.control, fleet.start_session(), fleet.start_session()
        listed = {one.session_id for one in control.list_server_sessions(session)}
        assert listed == {session.id, other.id}
        assert control.get_server_session(session, other.id).session_id == other.id
        for deleted in (True, False):
            assert control.delete_server_session(session, other.id) == {
                "session_id": other.id,
                "deleted": deleted,
            }
        with pytest.raises(NotFound):
            control.get_server_session(session, other.id)


def test_the_agents_of_a_session_are_what_its_agent_told(fleet):
    session = fleet.start_session()
    listed = fleet.control.list_server_agents(session)
    assert listed == fleet.router.supported_agents(session)
