"""`beam.state.control`: permissions and approvals, through the process (G14)."""

import asyncio
import contextvars
import threading

import pytest
import structlog.testing

from beam.errors import CallExit, CallFailed, InvalidInput, StoreFull
from beam.log import MemoryStore, SqliteStore
from beam.model.permissions import Allow, Deny, allow, deny
from beam.otp import Down, Mailbox, monitor
from beam.state import handlers
from tests.state.running import PATIENCE, closing, running
from tests.volume import scaled


class Gate:
    """A handler that says when it was asked, and answers when it may."""

    def __init__(self, answer="allow"):
        self.answer = answer
        self.asked = threading.Event()
        self.opened = threading.Event()
        self.runs = 0

    def __call__(self, *_arguments):
        self.runs += 1
        self.asked.set()
        assert self.opened.wait(PATIENCE)
        return self.answer

    def wait(self):
        assert self.asked.wait(PATIENCE)


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.opened.set()


@pytest.fixture
def state():
    with running() as state:
        yield state


class TestWhatAHandlerDecides:
    def test_an_allowed_permission_is_answered_with_the_decision(self, state):
        state.handle(lambda method, params, context: allow())
        assert state.ask().get(timeout=PATIENCE) == Allow()

    def test_a_handler_is_asked_with_method_params_and_context(self, state):
        seen = []
        state.handle(lambda *asked: seen.append(asked) or "allow")
        state.ask(method="write", params={"path": "b.py"}, run_id="r").get(timeout=PATIENCE)
        assert seen == [("write", {"path": "b.py"}, {"run_id": "r"})]

    def test_rewritten_params_come_back_unchanged(self, state):
        params = {"path": ("a", "b"), "token": "secret"}
        state.handle(lambda *_: allow(params))
        assert state.ask().get(timeout=PATIENCE) == Allow(params)

    def test_without_a_handler_the_default_denies(self, state):
        assert state.ask().get(timeout=PATIENCE) == Deny()

    def test_without_a_handler_the_default_may_allow(self, state):
        options = {"permission_default": "allow"}
        state.control.register_session_callbacks("s", options).get(timeout=PATIENCE)
        assert state.ask().get(timeout=PATIENCE) == Allow()

    def test_the_handlers_of_one_session_are_not_those_of_another(self, state):
        state.handle(lambda *_: allow())
        assert state.ask("other").get(timeout=PATIENCE) == Deny()

    def test_cleared_callbacks_deny(self, state):
        state.handle(lambda *_: allow())
        state.control.clear_session_callbacks("s").get(timeout=PATIENCE)
        assert state.ask().get(timeout=PATIENCE) == Deny()

    def test_an_approval_is_answered_with_a_word(self, state):
        options = {"approval_handler": lambda *_: "accept_for_session"}
        state.control.register_session_callbacks("s", options).get(timeout=PATIENCE)
        approval = state.control.request_approval("s", "run", {}, {})
        assert approval.get(timeout=PATIENCE) == "accept_for_session"

    def test_an_approval_handler_that_raises_declines(self, state):
        options = {"approval_handler": lambda *_: 1 / 0, "permission_default": "allow"}
        state.control.register_session_callbacks("s", options).get(timeout=PATIENCE)
        assert state.control.request_approval("s", "run", {}, {}).get(timeout=PATIENCE) == "decline"

    def test_a_coroutine_handler_runs_on_a_loop_of_its_own(self, state):
        async def handler(method, params, context):
            await asyncio.sleep(0)
            return allow({"path": f"{method}.py"})

        state.handle(handler)
        assert state.ask().get(timeout=PATIENCE) == Allow({"path": "write.py"})

    def test_a_handler_runs_with_the_context_of_who_asked(self, state):
        variable = contextvars.ContextVar("variable", default="unset")
        seen = []
        state.handle(lambda *_: seen.append(variable.get()) or "allow")
        variable.set("asker's")
        state.ask().get(timeout=PATIENCE)
        assert seen == ["asker's"]


class TestAHandlerThatFails:
    @pytest.mark.parametrize(
        "failure", [ValueError("token sk-1"), SystemExit(3), KeyboardInterrupt(), GeneratorExit()]
    )
    def test_one_that_raises_denies_and_says_no_more_than_the_kind(self, state, failure):
        def handler(*_):
            raise failure

        state.handle(handler, permission_default="allow")
        decision = state.ask().get(timeout=PATIENCE)
        assert isinstance(decision, Deny)
        assert decision.reason == f"the permission handler failed ({type(failure).__name__})"

    @pytest.mark.parametrize(
        "nonsense", [None, True, 7, "perhaps", object(), ("allow",), {"decision": "allow", "x": 1}]
    )
    def test_nonsense_denies(self, state, nonsense):
        state.handle(lambda *_: nonsense, permission_default="allow")
        assert isinstance(state.ask().get(timeout=PATIENCE), Deny)

    @pytest.mark.parametrize(
        "params", [{"when": object()}, {1: 2}, {"many": float("nan")}], ids=["object", "key", "nan"]
    )
    def test_params_that_the_log_cannot_keep_deny(self, state, params):
        state.handle(lambda *_: allow(params))
        decision = state.ask().get(timeout=PATIENCE)
        assert decision == Deny("the permission handler failed (InvalidInput)")

    def test_params_that_break_when_looked_at_deny_and_harm_nobody(self, state):
        class Hostile(dict):
            def items(self):
                raise RuntimeError("do not look at me")

        state.handle(lambda *_: allow(Hostile(path="a.py")))
        control = state.node.whereis("control")
        assert isinstance(state.ask().get(timeout=PATIENCE), Deny)
        assert state.node.whereis("control") is control

    def test_one_that_hangs_denies_at_its_deadline(self, state, gate):
        state.handle(gate, permission_timeout=0.05, permission_default="allow")
        decision = state.ask().get(timeout=PATIENCE)
        assert decision == Deny("the permission handler did not answer within 0.05 s")

    def test_the_thread_of_one_that_hangs_is_given_up_counted_and_reported(
        self, state, gate, monkeypatch
    ):
        monkeypatch.setattr(handlers, "GRACE", 0.01)
        with structlog.testing.capture_logs() as logs, Mailbox() as me:
            state.handle(gate, permission_timeout=1.0)
            future = state.ask()
            gate.wait()
            [(_, row)] = state.handlers()
            monitor(row.begun.result())
            assert isinstance(me.receive(timeout=PATIENCE), Down)
            assert isinstance(future.get(timeout=PATIENCE), Deny)
            # Answered after the mail that the death has brought.
            assert state.control.handlers_given_up().get(timeout=PATIENCE) == 1
            assert state.handlers() == []
        assert "handler_given_up" in [entry["event"] for entry in logs]

    def test_a_coroutine_that_hangs_is_cancelled_and_no_thread_is_lost(self, state):
        cancelled = threading.Event()

        async def handler(*_):
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        state.handle(handler, permission_timeout=0.5)
        assert state.ask().get(timeout=PATIENCE) == Deny(
            "the permission handler did not answer within 0.5 s"
        )
        assert cancelled.wait(PATIENCE)
        assert state.control.handlers_given_up().get(timeout=PATIENCE) == 0

    def test_the_answer_of_one_that_was_too_late_counts_for_nothing(self, state, gate, monkeypatch):
        monkeypatch.setattr(handlers, "GRACE", PATIENCE)
        state.handle(gate, permission_timeout=0.5)
        assert isinstance(state.ask(request_id="q").get(timeout=PATIENCE), Deny)
        with Mailbox() as me:
            [(_, row)] = state.handlers()
            monitor(row.begun.result())
            gate.opened.set()
            assert isinstance(me.receive(timeout=PATIENCE), Down)
        assert isinstance(state.ask(request_id="q").get(timeout=PATIENCE), Deny)
        assert state.types() == ["permission_requested", "permission_resolved"]

    def test_more_handlers_than_may_run_wait_for_their_turn(self):
        gates = [Gate() for _ in range(5)]
        with running(handlers=2) as state:
            for number, each in enumerate(gates):
                state.handle(each, f"s{number}")
            futures = [state.ask(f"s{number}") for number in range(5)]
            for each in gates[:2]:
                each.wait()
            assert len(state.handlers()) == 2
            assert [each.runs for each in gates[2:]] == [0, 0, 0]
            for each in gates:
                each.opened.set()
            assert [future.get(timeout=PATIENCE) for future in futures] == [Allow()] * 5

    def test_one_that_never_gets_its_turn_is_denied_in_time_and_not_run(self, gate):
        with running(handlers=1) as state:
            state.handle(gate, "busy")
            waits = state.ask("busy")
            gate.wait()
            late = Gate()
            state.handle(late, "late", permission_timeout=0.05)
            assert isinstance(state.ask("late").get(timeout=PATIENCE), Deny)
            gate.opened.set()
            assert waits.get(timeout=PATIENCE) == Allow()
            assert late.runs == 0


class TestTheSameRequest:
    def test_asked_twice_at_once_it_is_answered_twice_and_its_handler_run_once(self, state, gate):
        state.handle(gate)
        futures = [state.ask(request_id="q") for _ in range(scaled(400))]
        gate.wait()
        gate.opened.set()
        assert {future.get(timeout=PATIENCE) for future in futures} == {Allow()}
        assert gate.runs == 1
        assert state.types() == ["permission_requested", "permission_resolved"]

    def test_asked_again_later_it_is_answered_from_memory(self, state):
        runs = []
        state.handle(lambda *_: runs.append(1) or allow({"token": "sk-1"}))
        first = state.ask(request_id="q").get(timeout=PATIENCE)
        assert state.ask(request_id="q").get(timeout=PATIENCE) == first == Allow({"token": "sk-1"})
        assert runs == [1]

    def test_under_the_name_of_another_question_it_is_denied(self, state):
        state.handle(lambda *_: allow())
        state.ask(request_id="q", method="read").get(timeout=PATIENCE)
        decision = state.ask(request_id="q", method="delete").get(timeout=PATIENCE)
        assert isinstance(decision, Deny)
        assert "request_id_in_use" in decision.reason

    def test_the_same_name_in_two_sessions_is_two_requests(self, state):
        state.handle(lambda *_: allow(), "a")
        state.handle(lambda *_: deny("no"), "b")
        answers = [state.ask(one, request_id="q").get(timeout=PATIENCE) for one in "ab"]
        assert answers == [Allow(), Deny("no")]

    def test_unnamed_requests_get_names_of_their_own(self, state):
        for _ in range(3):
            state.ask().get(timeout=PATIENCE)
        ids = [entry["request_id"] for entry in state.reads.list_pending_requests("s")]
        assert len(set(ids)) == 3
        assert all(name.startswith("req_") for name in ids)


class TestWhatOthersSee:
    def test_a_permission_that_waits_is_among_the_pending_requests(self, state, gate):
        state.handle(gate)
        future = state.ask(request_id="q", params={"token": "sk-1"})
        gate.wait()
        [entry] = state.reads.list_pending_requests("s")
        assert (entry["status"], entry["request"]["kind"]) == ("pending", "permission")
        assert entry["request"]["params"] == {"token": "redacted"}
        gate.opened.set()
        future.get(timeout=PATIENCE)
        [entry] = state.reads.list_pending_requests("s")
        assert entry["status"] == "resolved"
        assert entry["response"]["decision"]["decision"] == "allow"

    def test_somebody_may_answer_while_the_handler_thinks(self, state, gate):
        state.handle(gate)
        future = state.ask(request_id="q")
        gate.wait()
        response = {"decision": {"decision": "deny", "reason": "I say no"}}
        state.control.resolve_pending_request("s", "q", response).get(timeout=PATIENCE)
        assert future.get(timeout=PATIENCE) == Deny("I say no")

    def test_nonsense_from_somebody_denies_as_well(self, state, gate):
        state.handle(gate)
        future = state.ask(request_id="q")
        gate.wait()
        state.control.resolve_pending_request("s", "q", {"decision": "well"}).get(timeout=PATIENCE)
        assert isinstance(future.get(timeout=PATIENCE), Deny)

    def test_the_log_has_the_request_and_the_decision_without_secrets(self, state):
        state.handle(lambda *_: allow({"token": "sk-1"}))
        state.ask(request_id="q", params={"password": "p"}, run_id="r", tool_use_id="t").get(
            timeout=PATIENCE
        )
        (_, asked), (_, resolved) = state.events()
        assert asked["params"] == {"password": "redacted"}
        assert (asked["run_id"], asked["tool_use_id"], asked["timeout"]) == ("r", "t", 300.0)
        assert resolved["decision"]["params"] == {"token": "redacted"}
        assert {event.run_id for event in state.journal.read("s")} == {"r"}

    def test_the_answer_is_in_the_log_before_anybody_has_it(self, state):
        state.handle(lambda *_: allow())
        types = state.ask().map(lambda _: state.types()).get(timeout=PATIENCE)
        assert types == ["permission_requested", "permission_resolved"]


class TestBadInput:
    @pytest.mark.parametrize(
        ("arguments", "field"),
        [
            (("", "write", {}, {}), "session_id"),
            (("s", "", {}, {}), "method"),
            (("s", "write", [], {}), "params"),
            (("s", "write", {}, None), "context"),
            (("s", "write", {}, {"request_id": 7}), "request_id"),
            (("s", "write", {"when": object()}, {}), "value"),
            (("s", "write"), "arguments"),
        ],
    )
    def test_it_is_answered_and_nothing_has_changed(self, state, arguments, field):
        control = state.node.whereis("control")
        error = closing(lambda: state.control.request_permission(*arguments).get(timeout=PATIENCE))
        assert isinstance(error, InvalidInput)
        assert error.field == field
        assert state.node.whereis("control") is control
        assert state.types() == []

    @pytest.mark.parametrize(
        ("options", "field"),
        [
            ({"permission_handler": "allow"}, "permission_handler"),
            ({"permission_timeout": 0}, "permission_timeout"),
            ({"permission_timeout": "soon"}, "permission_timeout"),
            (None, "options"),
        ],
    )
    def test_wrong_callbacks_are_refused_by_name(self, state, options, field):
        future = state.control.register_session_callbacks("s", options)
        assert closing(lambda: future.get(timeout=PATIENCE)).field == field

    def test_a_cast_with_wrong_arguments_is_reported_and_harms_nobody(self, state):
        control = state.node.whereis("control")
        with structlog.testing.capture_logs() as logs:
            state.control.set_config.defer("s")
            state.control.get_all_config("s").get(timeout=PATIENCE)
        assert "cast_refused" in [entry["event"] for entry in logs]
        assert state.node.whereis("control") is control


class TestAfterAKillOfTheProcess:
    def test_who_asked_hears_of_it_and_asks_again_without_another_run(self, state, gate):
        state.handle(gate)
        first = state.ask(request_id="q")
        gate.wait()
        state.kill("control")
        assert isinstance(closing(lambda: first.get(timeout=PATIENCE)), CallExit)
        [entry] = state.reads.list_pending_requests("s")
        assert entry["status"] == "pending"
        again = state.ask(request_id="q")
        gate.opened.set()
        assert again.get(timeout=PATIENCE) == Allow()
        assert gate.runs == 1

    def test_what_the_handler_said_meanwhile_is_not_lost(self, state, gate):
        state.handle(gate)
        state.ask(request_id="q")
        gate.wait()
        [(_, row)] = state.handlers()
        with Mailbox() as me:
            monitor(row.begun.result())
            state.kill("control")
            gate.opened.set()
            assert isinstance(me.receive(timeout=PATIENCE), Down)
        assert state.ask(request_id="q").get(timeout=PATIENCE) == Allow()
        assert gate.runs == 1

    def test_the_deadline_goes_on(self, state, gate):
        state.handle(gate, permission_timeout=1.0)
        state.ask(request_id="q")
        gate.wait()
        state.kill("control")
        assert isinstance(state.ask(request_id="q").get(timeout=PATIENCE), Deny)
        assert gate.runs == 1

    def test_handlers_and_answers_are_there(self, state):
        state.handle(lambda *_: allow({"token": "sk-1"}))
        state.ask(request_id="old").get(timeout=PATIENCE)
        state.kill("control")
        assert state.ask(request_id="old").get(timeout=PATIENCE) == Allow({"token": "sk-1"})
        assert state.ask(request_id="new").get(timeout=PATIENCE) == Allow({"token": "sk-1"})

    def test_a_kill_of_the_keeper_before_changes_nothing(self, state):
        state.handle(lambda *_: allow())
        state.kill("keeper")
        # Behind the offer of the new keeper.
        state.control.get_all_config("s").get(timeout=PATIENCE)
        state.kill("control")
        assert state.ask().get(timeout=PATIENCE) == Allow()

    def test_no_request_is_answered_twice_or_forgotten_whatever_the_moments(self, state):
        decided = []
        state.handle(lambda method, params, context: decided.append(params["n"]) or allow())
        for number in range(scaled(200)):
            futures = [state.ask(request_id=f"q{number}", params={"n": number}) for _ in range(2)]
            state.kill("control")
            answer = state.ask(request_id=f"q{number}", params={"n": number}).get(timeout=PATIENCE)
            assert answer == Allow()
            for future in futures:
                assert future.done
        assert sorted(decided) == sorted(set(decided))
        resolved = [data["request_id"] for _, data in state.events("s", "permission_resolved")]
        assert len(resolved) == len(set(resolved)) == scaled(200)


def until_answered(state, session_id, n):
    """Ask, again and again under one name, until the process lives long enough to answer."""
    while True:
        try:
            future = state.ask(session_id, params={"n": n}, request_id=f"q{n}")
            return future.get(timeout=PATIENCE)
        except (CallFailed, AttributeError):
            continue  # Killed, or between two lives.


class TestAfterARestartOfTheProgram:
    @pytest.fixture
    def open_store(self, tmp_path):
        return lambda: SqliteStore.open(tmp_path / "fleet.db")

    def test_an_open_request_is_listed_without_its_secrets(self, open_store, gate):
        with running(open_store) as state:
            state.handle(gate)
            state.ask(request_id="q", params={"token": "sk-1"})
            gate.wait()
        with running(open_store) as state:
            [entry] = state.reads.list_pending_requests("s")
            assert entry["request_id"] == "q"
            assert entry["request"]["params"] == {"token": "redacted"}

    def test_many_who_ask_while_the_process_is_killed_get_one_answer_each(self, open_store):
        count, runs, answers = 2 * scaled(500), [], {}

        def handler(method, params, context):
            runs.append(params["n"])
            return allow({"n": params["n"]})

        def ask(state, session_id, numbers):
            for n in numbers:
                answers[n] = until_answered(state, session_id, n)

        with running(open_store) as state:
            askers = []
            for part in range(4):
                session_id = f"s{part % 2}"
                state.handle(handler, session_id)
                arguments = (state, session_id, range(part, count, 4))
                askers.append(threading.Thread(target=ask, args=arguments))
            for asker in askers:
                asker.start()
            while any(asker.is_alive() for asker in askers):
                state.kill("control")
            assert answers == {n: Allow({"n": n}) for n in range(count)}
            assert sorted(runs) == list(range(count))
            for session_id in ("s0", "s1"):
                for kind in ("permission_requested", "permission_resolved"):
                    names = [data["request_id"] for _, data in state.events(session_id, kind)]
                    assert len(names) == len(set(names)) == count // 2

    def test_asked_again_its_handler_is_run(self, open_store, gate):
        with running(open_store) as state:
            state.handle(gate)
            state.ask(request_id="q")
            gate.wait()
        with running(open_store) as state:
            state.handle(lambda *_: allow({"path": "b.py"}))
            assert state.ask(request_id="q").get(timeout=PATIENCE) == Allow({"path": "b.py"})
            assert state.types() == ["permission_requested", "permission_resolved"]

    def test_asked_again_where_nobody_can_be_asked_it_is_denied(self, open_store, gate):
        with running(open_store) as state:
            state.handle(gate)
            state.ask(request_id="q")
            gate.wait()
        with running(open_store) as state:
            assert state.ask(request_id="q").get(timeout=PATIENCE) == Deny()

    def test_nobody_asks_again_so_it_is_denied_at_its_deadline(self, open_store, gate):
        heard = threading.Event()
        with running(open_store) as state:
            state.handle(gate, permission_timeout=0.05)
            state.journal.store.on_append(lambda _: heard.set())
            state.ask(request_id="q")
            assert heard.wait(PATIENCE)
        resolved = threading.Event()

        def opened():
            store = open_store()
            store.on_append(
                lambda records: [resolved.set() for one in records if "resolved" in one.type]
            )
            return store

        with running(opened) as state:
            if "permission_resolved" not in state.types():
                assert resolved.wait(PATIENCE)
            [(_, data)] = state.events("s", "permission_resolved")
            assert data["decision"]["decision"] == "deny"

    def test_one_that_was_answered_is_answered_from_the_log(self, open_store):
        with running(open_store) as state:
            state.handle(lambda *_: allow({"path": "b.py"}))
            state.ask(request_id="q").get(timeout=PATIENCE)
        with running(open_store) as state:
            state.handle(lambda *_: deny("asked again"))
            assert state.ask(request_id="q").get(timeout=PATIENCE) == Allow({"path": "b.py"})
            assert state.types() == ["permission_requested", "permission_resolved"]

    def test_one_that_was_allowed_with_secrets_is_denied(self, open_store):
        with running(open_store) as state:
            state.handle(lambda *_: allow({"token": "sk-1"}))
            state.ask(request_id="q").get(timeout=PATIENCE)
        with running(open_store) as state:
            decision = state.ask(request_id="q").get(timeout=PATIENCE)
            assert "not kept" in decision.reason

    def test_the_name_of_another_question_is_denied_from_the_log_too(self, open_store):
        with running(open_store) as state:
            state.handle(lambda *_: allow())
            state.ask(request_id="q", method="read").get(timeout=PATIENCE)
        with running(open_store) as state:
            decision = state.ask(request_id="q", method="delete").get(timeout=PATIENCE)
            assert "request_id_in_use" in decision.reason

    def test_an_approval_is_recalled_as_a_word(self, open_store):
        for _ in range(2):
            with running(open_store) as state:
                options = {"approval_handler": lambda *_: "accept_for_session"}
                state.control.register_session_callbacks("s", options).get(timeout=PATIENCE)
                asked = state.control.request_approval("s", "run", {}, {"request_id": "q"})
                assert asked.get(timeout=PATIENCE) == "accept_for_session"
                assert state.types() == ["permission_requested", "permission_resolved"]


class TestALogThatTakesNothing:
    class Broken(MemoryStore):
        """A store whose appends fail from some time on."""

        def __init__(self):
            super().__init__()
            self.types = ()

        def append(self, records, done, timeout=0.0):
            records = tuple(records)
            if any(record.type in self.types for record in records):
                done(StoreFull("no room"))
            else:
                super().append(records, done, timeout)

    def test_a_request_that_it_does_not_take_is_denied(self):
        store = self.Broken()
        with running(lambda: store) as state:
            state.handle(lambda *_: allow())
            store.types = ("permission_requested",)
            assert isinstance(state.ask(request_id="q").get(timeout=PATIENCE), Deny)
            store.types = ()
            assert state.ask(request_id="q").get(timeout=PATIENCE) == Allow()

    def test_an_answer_that_it_does_not_take_is_no_and_stays_no(self, monkeypatch):
        monkeypatch.setattr("beam.state.broker.AGAIN", 0.01)
        store = self.Broken()
        with running(lambda: store) as state:
            state.handle(lambda *_: allow())
            store.types = ("permission_resolved",)
            assert isinstance(state.ask(request_id="q").get(timeout=PATIENCE), Deny)
            resolved = threading.Event()
            store.on_append(lambda _: resolved.set())
            store.types = ()
            assert resolved.wait(PATIENCE)
            assert isinstance(state.ask(request_id="q").get(timeout=PATIENCE), Deny)
            [(_, data)] = state.events("s", "permission_resolved")
            assert data["decision"]["decision"] == "deny"


class TestTheEndOfASession:
    def test_what_it_asked_is_denied_and_its_configuration_stays(self, state, gate):
        state.handle(gate)
        state.control.set_config("s", "colour", "red").get(timeout=PATIENCE)
        future = state.ask(request_id="q")
        gate.wait()
        state.control.forget_session("s").get(timeout=PATIENCE)
        assert isinstance(future.get(timeout=PATIENCE), Deny)
        assert state.reads.get_all_config("s") == {"colour": "red"}
        [entry] = state.reads.list_pending_requests("s")
        assert entry["status"] == "resolved"
        assert state.types() == ["config_set", "permission_requested", "permission_resolved"]
