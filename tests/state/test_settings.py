"""`Control`: what is set for sessions, and that it is there again when the program starts again."""

import pytest

from beam.errors import InvalidInput, NotFound, StateRefused
from beam.log import SqliteStore
from beam.model.permissions import Allow, Deny, allow
from beam.otp import receive as receive_mail
from beam.otp import spawn
from beam.state.audit import audit_events
from beam.state.vault import Vault
from tests.state.running import PATIENCE, closing, running


@pytest.fixture
def state():
    with running() as one:
        yield one


@pytest.fixture
def open_store(tmp_path):
    return lambda: SqliteStore.open(tmp_path / "fleet.db")


def get(future):
    return future.get(timeout=PATIENCE)


class TestConfigurationInTheLog:
    def test_it_is_there_again_when_the_program_starts_again(self, open_store):
        with running(open_store) as state:
            get(state.control.set_config("a", "colour", "red"))
            get(state.control.set_config("a", "colour", "blue"))
            get(state.control.set_permission_mode("a", "plan"))
            get(state.control.set_config("b", "n", 1))
            get(state.control.clear_config("b"))
        with running(open_store) as state:
            assert state.reads.get_all_config("a") == {"colour": "blue", "permission_mode": "plan"}
            assert state.reads.get_all_config("b") == {}

    def test_a_secret_is_in_the_log_sealed_and_gone_if_the_key_is(self, open_store):
        config = {"api_key": "sk-1", "base_url": "http://a"}
        with running(open_store) as state:
            get(state.control.set_config("a", "token", "sk-1"))
            get(state.control.set_config("a", "provider", config))
            assert "sk-1" not in repr(state.events("a"))
            assert state.reads.get_config("a", "provider") == config
        # Of a key in memory the next program knows nothing.
        with running(open_store) as state:
            assert state.reads.get_all_config("a") == {"provider": {"base_url": "http://a"}}

    def test_a_secret_is_there_again_if_the_key_is(self, open_store):
        vault = Vault(key="a key of the user's own, of 32 letters or more")
        with running(open_store, vault=vault) as state:
            get(state.control.set_config("a", "token", "sk-1"))
            get(state.control.set_config("a", "token", "sk-2"))
            assert "sk-" not in repr(state.events("a"))
        with running(open_store, vault=vault) as state:
            assert state.reads.get_all_config("a") == {"token": "sk-2"}

    def test_a_value_that_is_no_json_data_is_refused_by_its_name(self, state):
        error = closing(lambda: get(state.control.set_config("s", "handler", print)))
        assert isinstance(error, InvalidInput)
        assert error.field == "handler"
        assert state.types() == []

    def test_clearing_what_is_empty_is_not_told(self, state):
        get(state.control.clear_config("s"))
        assert state.types() == []


class TestDispatch:
    @pytest.mark.parametrize(
        ("method", "params", "answer"),
        [
            ("setModel", {"model": "large"}, {"model": "large"}),
            ("setPermissionMode", {"permissionMode": "plan"}, {"permission_mode": "plan"}),
            ("setPermissionMode", {"permission_mode": "plan"}, {"permission_mode": "plan"}),
            ("setMaxThinkingTokens", {"maxThinkingTokens": 5}, {"max_thinking_tokens": 5}),
        ],
    )
    def test_it_sets_and_says_what(self, state, method, params, answer):
        assert get(state.control.dispatch("s", method, params)) == answer
        assert state.reads.get_all_config("s") == answer

    def test_it_is_told_and_audited(self, state):
        get(state.control.dispatch("s", "setModel", {"model": "large"}))
        assert state.types() == ["config_set", "model_updated"]
        [entry] = audit_events(state.journal)
        assert (entry.category, entry.action, entry.session_id) == ("control", "model_updated", "s")

    @pytest.mark.parametrize(
        ("method", "params", "reason", "fact"),
        [
            ("setModel", {}, "missing_param", "model"),
            ("setPermissionMode", {"permissionMode": None}, "missing_param", "permission_mode"),
            ("setMaxThinkingTokens", {}, "missing_param", "max_thinking_tokens"),
            ("stopTask", {}, "missing_param", "task_id"),
            ("setModel", {"model": 7}, "invalid_param", "model"),
        ],
    )
    def test_what_it_lacks_is_refused_by_name(self, state, method, params, reason, fact):
        error = closing(lambda: get(state.control.dispatch("s", method, params)))
        assert isinstance(error, StateRefused)
        assert (error.reason, error.param) == (reason, fact)
        assert state.types() == []

    def test_an_unknown_method_is_refused(self, state):
        error = closing(lambda: get(state.control.dispatch("s", "fly", {})))
        assert (error.reason, error.method) == ("unknown_method", "fly")

    def test_stopping_a_task_is_told_with_it(self, state):
        get(state.control.register_task("s", "t", spawn(receive_mail)))
        assert get(state.control.dispatch("s", "stopTask", {"taskId": "t"})) is None
        assert state.types()[2:4] == ["task_stopped", "task_stop_requested"]
        error = closing(lambda: get(state.control.dispatch("s", "stopTask", {"taskId": "x"})))
        assert isinstance(error, NotFound)


CAREFUL = {
    "profile_id": "careful",
    "rules": [
        {"action": "approval", "match": ["eq", "method", "write"], "reason": "read only"},
    ],
}


class TestPolicies:
    def test_one_is_put_read_listed_and_deleted(self, state):
        get(state.control.put_policy_profile(CAREFUL))
        get(state.control.put_policy_profile({"profile_id": "other"}))
        assert state.reads.get_policy_profile("careful").rules[0].reason == "read only"
        names = {one.profile_id for one in state.reads.list_policy_profiles()}
        assert names == {"careful", "other"}
        get(state.control.delete_policy_profile("other"))
        assert isinstance(closing(lambda: state.reads.get_policy_profile("other")), NotFound)
        again = closing(lambda: get(state.control.delete_policy_profile("other")))
        assert isinstance(again, NotFound)

    def test_it_is_there_again_when_the_program_starts_again(self, open_store):
        with running(open_store) as state:
            get(state.control.put_policy_profile(CAREFUL))
            get(state.control.put_policy_profile({"profile_id": "gone"}))
            get(state.control.delete_policy_profile("gone"))
            kept = state.reads.list_policy_profiles()
        with running(open_store) as state:
            assert state.reads.list_policy_profiles() == kept

    def test_what_it_denies_is_denied_without_asking_anybody(self, state):
        asked = []
        state.handle(lambda *arguments: asked.append(arguments) or allow())
        get(state.control.put_policy_profile(CAREFUL))
        get(state.control.set_config("s", "policy_profile_id", "careful"))
        assert get(state.ask(method="write")) == Deny("read only")
        assert asked == []
        assert get(state.ask(method="read")) == Allow()
        assert get(state.control.request_approval("s", "write", {}, {})) == "decline"
        assert get(state.control.request_approval("s", "read", {}, {})) == "accept"

    def test_one_that_is_named_and_not_there_denies_everything(self, state):
        state.handle(lambda *_: allow())
        get(state.control.set_config("s", "policy_profile_id", "gone"))
        assert isinstance(get(state.ask()), Deny)
        assert not state.reads.policy_verdict("s", "backend", {}).allowed
        assert state.reads.policy_verdict("other", "backend", {}).allowed

    def test_a_denial_is_audited_with_its_profile(self, state):
        get(state.control.put_policy_profile(CAREFUL))
        get(state.control.set_config("s", "policy_profile_id", "careful"))
        get(state.ask(method="write", params={"token": "sk-1"}, request_id="q"))
        [entry] = audit_events(state.journal, decision="deny", profile_id="careful")
        assert (entry.action, entry.session_id) == ("permission", "s")
        assert entry.details["reason"] == "read only"
        assert entry.details["params"] == {"token": "redacted"}


class TestTheAudit:
    def test_every_permission_is_in_it(self, state):
        state.handle(lambda method, *_: allow() if method == "read" else None)
        for method in ("read", "write"):
            get(state.ask(method=method))
        found = [
            (one.details["method"], one.details["decision"]) for one in audit_events(state.journal)
        ]
        assert found == [("read", "allow"), ("write", "deny")]

    def test_it_can_be_read_in_parts(self, state):
        for _ in range(3):
            get(state.ask())
        first, second, third = audit_events(state.journal, category="control")
        assert audit_events(state.journal, limit=1) == [first]
        assert audit_events(state.journal, after=first.sequence) == [second, third]
        assert audit_events(state.journal, session_id="other") == []


class TestClear:
    def fill(self, state, session_id):
        get(state.control.set_config(session_id, "n", 1))
        get(state.control.submit_feedback(session_id, {"text": "good"}))
        get(state.control.store_pending_request(session_id, "q", {}))
        get(state.control.register_task(session_id, "t", spawn(receive_mail)))

    def is_empty(self, reads, session_id):
        return not any(
            read(session_id)
            for read in (
                reads.get_all_config,
                reads.get_feedback,
                reads.list_pending_requests,
                reads.list_tasks,
            )
        )

    def test_it_forgets_all_of_all_sessions_and_no_policies(self, state):
        get(state.control.put_policy_profile(CAREFUL))
        for session_id in ("a", "b"):
            self.fill(state, session_id)
        get(state.control.clear())
        assert self.is_empty(state.reads, "a")
        assert self.is_empty(state.reads, "b")
        assert [one.profile_id for one in state.reads.list_policy_profiles()] == ["careful"]

    def test_what_comes_after_it_stays_also_over_a_restart(self, open_store):
        with running(open_store) as state:
            self.fill(state, "a")
            futures = [state.control.set_config("a", f"k{n}", n) for n in range(50)]
            cleared = state.control.clear()
            futures += [state.control.set_config("a", f"l{n}", n) for n in range(50)]
            for future in (*futures, cleared):
                get(future)
            kept = state.reads.get_all_config("a")
            assert kept == {f"l{n}": n for n in range(50)}
        with running(open_store) as state:
            assert state.reads.get_all_config("a") == kept
            assert state.reads.list_pending_requests("a") == []
            assert state.reads.get_feedback("a") == []

    def test_an_open_permission_is_denied_by_it(self, state):
        state.handle(lambda *_: receive_mail())
        future = state.ask(request_id="q")
        get(state.control.clear())
        assert isinstance(get(future), Deny)

    def test_the_numbers_of_feedback_go_on(self, open_store):
        with running(open_store) as state:
            self.fill(state, "a")
            get(state.control.clear())
        with running(open_store) as state:
            get(state.control.submit_feedback("a", {}))
            assert [one["seq"] for one in state.reads.get_feedback("a")] == [2]
