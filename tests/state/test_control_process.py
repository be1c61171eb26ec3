"""`beam.state.control`: configuration, tasks, feedback, pending requests, through the process."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.errors import CallExit, InvalidInput, NotFound, QueueFull, Refused, StateRefused
from beam.log import SqliteStore, replay
from beam.otp import Down, Mailbox, Server, exit, monitor, spawn
from beam.otp import receive as receive_mail
from beam.state import PendingInput
from beam.state.control_past import CONTROL_TYPES, Past, read_past
from tests.state.running import PATIENCE, closing, running
from tests.volume import scaled


@pytest.fixture
def state():
    with running() as state:
        yield state


@pytest.fixture
def open_store(tmp_path):
    return lambda: SqliteStore.open(tmp_path / "fleet.db")


def sleeper():
    """Do the work of a task until somebody ends it."""
    receive_mail()


class Stubborn(Server):
    """A process that does not end for being told to."""

    trap_exit = True

    def handle_info(self, message):
        pass


class TestConfiguration:
    def test_a_value_is_there_for_everybody_once_it_is_set(self, state):
        state.control.set_config("s", "colour", "red").get(timeout=PATIENCE)
        assert state.reads.get_config("s", "colour") == "red"
        assert state.control.get_config("s", "colour").get(timeout=PATIENCE) == "red"

    def test_that_of_one_session_survives_the_clearing_of_another(self, state):
        for session_id in ("a", "b"):
            state.control.set_config(session_id, "n", session_id).get(timeout=PATIENCE)
        state.control.clear_config("a").get(timeout=PATIENCE)
        assert state.reads.get_all_config("a") == {}
        assert state.reads.get_all_config("b") == {"n": "b"}

    def test_a_value_that_is_not_set_is_refused_and_the_process_lives(self, state):
        control = state.node.whereis("control")
        error = closing(lambda: state.control.get_config("s", "colour").get(timeout=PATIENCE))
        assert isinstance(error, NotFound)
        assert error.reason == "not_set"
        assert state.node.whereis("control") is control

    def test_permission_mode_and_thinking_tokens_have_functions_of_their_own(self, state):
        state.control.set_permission_mode("s", "plan").get(timeout=PATIENCE)
        state.control.set_max_thinking_tokens("s", 100).get(timeout=PATIENCE)
        assert state.reads.get_permission_mode("s") == "plan"
        assert state.reads.get_max_thinking_tokens("s") == 100

    @pytest.mark.parametrize(
        ("call", "field"),
        [
            (lambda control: control.set_config("s", "", 1), "key"),
            (lambda control: control.set_config("", "n", 1), "session_id"),
            (lambda control: control.set_max_thinking_tokens("s", 0), "max_thinking_tokens"),
            (lambda control: control.set_permission_mode("s", ""), "permission_mode"),
            (lambda control: control.set_config("s"), "arguments"),
        ],
    )
    def test_bad_input_is_answered_by_name(self, state, call, field):
        error = closing(lambda: call(state.control).get(timeout=PATIENCE))
        assert isinstance(error, InvalidInput)
        assert error.field == field

    def test_concurrent_changes_of_one_session_are_all_kept(self, state):
        count = scaled(2_000)
        futures = [state.control.set_config("s", f"k{n}", n) for n in range(count)]
        for future in futures:
            future.get(timeout=PATIENCE)
        assert state.reads.get_all_config("s") == {f"k{n}": n for n in range(count)}

    def test_a_kill_of_the_process_loses_nothing(self, state):
        state.control.set_config("s", "token", "sk-1").get(timeout=PATIENCE)
        state.kill("control")
        assert state.reads.get_config("s", "token") == "sk-1"
        state.control.set_config("s", "n", 1).get(timeout=PATIENCE)
        assert state.reads.get_all_config("s") == {"token": "sk-1", "n": 1}

    def test_it_can_be_read_while_no_process_owns_it(self, state):
        state.control.set_config("s", "n", 1).get(timeout=PATIENCE)
        state.tree.terminate_child("control")
        assert state.node.whereis("control") is None
        assert state.reads.get_config("s", "n") == 1

    def test_a_reader_waits_while_control_reads_the_log_back(self, state, monkeypatch):
        state.control.set_config("s", "n", 1).get(timeout=PATIENCE)
        for name in ("control", "keeper"):
            state.tree.terminate_child(name)
        state.tree.restart_child("keeper")
        reading, go_on = threading.Event(), threading.Event()

        def slow_put_into(past, rows):
            reading.set()
            assert go_on.wait(PATIENCE)
            put_into(past, rows)

        put_into = Past.put_into
        monkeypatch.setattr(Past, "put_into", slow_put_into)
        looks, pause = threading.Event(), state.node.sleep

        def seen_pause(seconds):
            looks.set()
            pause(seconds)

        monkeypatch.setattr(state.node, "sleep", seen_pause)
        with ThreadPoolExecutor(2) as pool:
            restart = pool.submit(state.tree.restart_child, "control")
            assert reading.wait(PATIENCE)
            read = pool.submit(state.reads.get_config, "s", "n")
            read.add_done_callback(lambda _: looks.set())
            assert looks.wait(PATIENCE)
            go_on.set()
            restart.result(PATIENCE)
            assert read.result(PATIENCE) == 1


class TestFeedback:
    def test_it_comes_back_in_the_order_of_submission(self, state):
        for rating in range(3):
            state.control.submit_feedback("s", {"rating": rating}).get(timeout=PATIENCE)
        told = state.reads.get_feedback("s")
        assert [(entry["seq"], entry["rating"]) for entry in told] == [(1, 0), (2, 1), (3, 2)]

    def test_numbers_go_on_after_clearing(self, state):
        state.control.submit_feedback("s", {"rating": 1}).get(timeout=PATIENCE)
        state.control.clear_feedback("s").get(timeout=PATIENCE)
        assert state.reads.get_feedback("s") == []
        state.control.submit_feedback("s", {"rating": 2}).get(timeout=PATIENCE)
        assert [entry["seq"] for entry in state.reads.get_feedback("s")] == [2]

    def test_what_somebody_says_may_use_any_words(self, state):
        said = {"run_id": "r", "kind": "k", "session_id": "x", "token": "sk-1"}
        state.control.submit_feedback("s", said).get(timeout=PATIENCE)
        [(kind, data)] = state.events()
        assert kind == "feedback_submitted"
        assert (data["run_id"], data["session_id"], data["token"]) == ("r", "s", "redacted")

    def test_what_is_no_mapping_or_no_json_is_refused_and_not_numbered(self, state):
        for wrong in ("five stars", {"when": object()}):
            future = state.control.submit_feedback("s", wrong)
            assert isinstance(closing(lambda one=future: one.get(timeout=PATIENCE)), InvalidInput)
        state.control.submit_feedback("s", {}).get(timeout=PATIENCE)
        assert [entry["seq"] for entry in state.reads.get_feedback("s")] == [1]

    def test_it_survives_a_restart_of_the_program_and_so_do_the_numbers(self, open_store):
        with running(open_store) as state:
            state.control.submit_feedback("s", {"rating": 1}).get(timeout=PATIENCE)
            state.control.clear_feedback("s").get(timeout=PATIENCE)
            state.control.submit_feedback("s", {"rating": 2}).get(timeout=PATIENCE)
        with running(open_store) as state:
            [entry] = state.reads.get_feedback("s")
            assert (entry["seq"], entry["rating"]) == (2, 2)


class TestTasks:
    def test_a_registered_task_is_listed_with_its_process(self, state):
        process = spawn(sleeper)
        state.control.register_task("s", "t", process).get(timeout=PATIENCE)
        [task] = state.reads.list_tasks("s")
        assert (task.task_id, task.process, task.status) == ("t", process, "running")
        assert state.types() == ["task_registered", "record_run_started"]

    def test_a_stopped_one_has_its_process_ended(self, state):
        process = spawn(sleeper)
        with Mailbox() as me:
            monitor(process)
            state.control.register_task("s", "t", process).get(timeout=PATIENCE)
            state.control.stop_task("s", "t").get(timeout=PATIENCE)
            down = me.receive(timeout=PATIENCE)
        assert (down.process, down.reason) == (process, "shutdown")
        assert [task.status for task in state.reads.list_tasks("s")] == ["stopped"]

    def test_one_that_does_not_end_is_killed(self, state, monkeypatch):
        monkeypatch.setattr("beam.state.tasks.STOPPING", 0.01)
        process = Stubborn.start()
        with Mailbox() as me:
            monitor(process)
            state.control.register_task("s", "t", process).get(timeout=PATIENCE)
            state.control.stop_task("s", "t").get(timeout=PATIENCE)
            assert me.receive(timeout=PATIENCE).reason == "killed"

    def test_stopping_twice_and_stopping_a_dead_one_is_no_error(self, state):
        process = spawn(sleeper)
        state.control.register_task("s", "t", process).get(timeout=PATIENCE)
        state.control.stop_task("s", "t").get(timeout=PATIENCE)
        state.control.stop_task("s", "t").get(timeout=PATIENCE)
        assert state.types() == [
            "task_registered",
            "record_run_started",
            "task_stopped",
            "record_run_cancelled",
        ]

    def test_an_unknown_one_cannot_be_stopped_but_be_forgotten(self, state):
        with pytest.raises(NotFound):
            state.control.stop_task("s", "t").get(timeout=PATIENCE)
        state.control.unregister_task("s", "t").get(timeout=PATIENCE)
        assert state.types() == []

    def test_one_whose_process_dies_has_died(self, state):
        process = spawn(sleeper)
        state.control.register_task("s", "t", process).get(timeout=PATIENCE)
        end_and_wait(process)
        # Behind the Down, which Control got before we did ours.
        state.control.get_all_config("s").get(timeout=PATIENCE)
        [task] = state.reads.list_tasks("s")
        assert (task.status, task.exit_reason) == ("died", "gone")
        assert state.types("s")[2] == "task_died"

    def test_one_that_is_dead_when_it_is_registered_has_died(self, state):
        process = spawn(sleeper)
        end_and_wait(process)
        state.control.register_task("s", "t", process).get(timeout=PATIENCE)
        state.control.get_all_config("s").get(timeout=PATIENCE)
        assert [task.status for task in state.reads.list_tasks("s")] == ["died"]

    def test_a_process_is_a_ref(self, state):
        error = closing(lambda: state.control.register_task("s", "t", 7).get(timeout=PATIENCE))
        assert isinstance(error, InvalidInput)
        assert error.field == "process"

    def test_after_a_kill_of_control_tasks_are_there_and_still_watched(self, state):
        process = spawn(sleeper)
        state.control.register_task("s", "t", process).get(timeout=PATIENCE)
        state.kill("control")
        assert [task.status for task in state.reads.list_tasks("s")] == ["running"]
        end_and_wait(process)
        state.control.get_all_config("s").get(timeout=PATIENCE)
        assert [task.status for task in state.reads.list_tasks("s")] == ["died"]


def end_and_wait(process):
    with Mailbox() as me:
        monitor(process)
        exit(process, "gone")
        assert isinstance(me.receive(timeout=PATIENCE), Down)


class TestPendingRequests:
    def test_one_is_stored_listed_resolved_and_read(self, state):
        state.control.store_pending_request("s", "q", {"token": "sk-1"}).get(timeout=PATIENCE)
        [entry] = state.reads.list_pending_requests("s")
        assert (entry["status"], entry["request"]["token"]) == ("pending", "redacted")
        assert closing(lambda: state.reads.get_pending_response("s", "q")).reason == "pending"
        state.control.resolve_pending_request("s", "q", {"token": "t"}).get(timeout=PATIENCE)
        assert state.reads.get_pending_response("s", "q") == {"token": "t"}

    def test_it_is_told_without_secrets(self, state):
        state.control.store_pending_request("s", "q", {"token": "sk-1"}).get(timeout=PATIENCE)
        state.control.resolve_pending_request("s", "q", {"token": "t"}).get(timeout=PATIENCE)
        (kind, stored), (other, resolved) = state.events()
        assert (kind, other) == ("pending_request_stored", "pending_request_resolved")
        assert stored["request"]["token"] == resolved["response"]["token"] == "redacted"
        assert stored["request"]["source"] == "universal"

    def test_it_is_resolved_once(self, state):
        state.control.store_pending_request("s", "q", {}).get(timeout=PATIENCE)
        futures = [
            state.control.resolve_pending_request("s", "q", {"n": n}) for n in range(scaled(200))
        ]
        errors = [error_of(future) for future in futures]
        assert errors.count(None) == 1
        assert {error.reason for error in errors if error} == {"already_resolved"}
        assert state.types().count("pending_request_resolved") == 1

    def test_an_unknown_one_is_not_found(self, state):
        with pytest.raises(NotFound):
            state.control.resolve_pending_request("s", "q", {}).get(timeout=PATIENCE)

    def test_one_more_than_the_bound_is_refused(self, state):
        futures = [state.control.store_pending_request("s", f"q{n}", {}) for n in range(1_001)]
        errors = [error_of(future) for future in futures]
        assert errors[:1_000] == [None] * 1_000
        assert isinstance(errors[1_000], QueueFull)

    def test_one_that_a_handler_is_at_work_on_is_not_replaced(self, state):
        go = threading.Event()
        state.handle(lambda *_: go.wait(PATIENCE) and "allow")
        future = state.ask(request_id="q")
        error = error_of(state.control.store_pending_request("s", "q", {}))
        assert isinstance(error, StateRefused)
        assert error.reason == "being_asked"
        go.set()
        future.get(timeout=PATIENCE)

    def test_a_kill_of_the_process_loses_nothing(self, state):
        state.control.store_pending_request("s", "q", {"token": "sk-1"}).get(timeout=PATIENCE)
        state.kill("control")
        state.control.resolve_pending_request("s", "q", {"response": "a"}).get(timeout=PATIENCE)
        assert state.reads.get_pending_response("s", "q") == {"response": "a"}

    def test_what_was_stored_is_open_whenever_the_process_is_killed(self, state):
        known = []
        for number in range(scaled(400)):
            future = state.control.store_pending_request("s", f"q{number}", {"n": number})
            state.kill("control")
            error = error_of(future)
            assert error is None or isinstance(error, CallExit)
            known += [f"q{number}"] if error is None else []
        listed = [entry["request_id"] for entry in state.reads.list_pending_requests("s")]
        logged = [data["request_id"] for _, data in state.events()]
        assert listed == logged
        assert set(known) <= set(listed)

    def test_they_survive_a_restart_of_the_program(self, open_store):
        with running(open_store) as state:
            for name in ("a", "b"):
                state.control.store_pending_request("s", name, {"q": name}).get(timeout=PATIENCE)
            state.control.resolve_pending_request("s", "a", {}).get(timeout=PATIENCE)
        with running(open_store) as state:
            kept = state.reads.list_pending_requests("s")
            found = [(entry["request_id"], entry["status"]) for entry in kept]
            assert found == [("a", "resolved"), ("b", "pending")]
            state.control.resolve_pending_request("s", "b", {"response": 1}).get(timeout=PATIENCE)
            assert state.reads.get_pending_response("s", "b") == {"response": 1}


def error_of(future):
    try:
        future.get(timeout=PATIENCE)
    except (Refused, CallExit) as error:
        return error
    return None


class TestQuestionsToTheUser:
    def ask(self, state, **context):
        return state.control.request_user_input("s", {"question": "Which file?"}, context)

    def answer(self, state, handler, **options):
        options = {"user_input_handler": handler, **options}
        state.control.register_session_callbacks("s", options).get(timeout=PATIENCE)

    def test_without_a_handler_one_stays_pending_and_says_why(self, state):
        told = self.ask(state, request_id="q").get(timeout=PATIENCE)
        assert isinstance(told, PendingInput)
        assert (told.request_id, told.status, told.source) == ("q", "pending", "universal")
        assert told.reason == "awaiting_external_response"
        assert closing(lambda: state.reads.get_pending_response("s", "q")).reason == "pending"
        assert state.types() == ["pending_request_stored", "user_input_requested"]

    def test_a_handler_answers(self, state):
        self.answer(state, lambda request, context: request["question"] + "!")
        assert self.ask(state, request_id="q").get(timeout=PATIENCE) == "Which file?!"
        assert state.reads.get_pending_response("s", "q")["source"] == "callback"

    def test_a_coroutine_answers(self, state):
        async def handler(request, context):
            return {"file": "a.py"}

        self.answer(state, handler)
        assert self.ask(state).get(timeout=PATIENCE) == {"file": "a.py"}

    @pytest.mark.parametrize("answer", [object(), {1: 2}], ids=["object", "key"])
    def test_what_the_log_cannot_keep_is_no_answer(self, state, answer):
        self.answer(state, lambda request, context: answer)
        assert self.ask(state).get(timeout=PATIENCE).reason == "handler_failed"

    def test_a_handler_that_raises_leaves_it_pending(self, state):
        self.answer(state, lambda request, context: 1 / 0)
        told = self.ask(state, request_id="q").get(timeout=PATIENCE)
        assert (told.request_id, told.reason) == ("q", "handler_failed")

    def test_a_handler_that_hangs_leaves_it_pending(self, state):
        go = threading.Event()
        self.answer(state, lambda request, context: go.wait(PATIENCE), permission_timeout=0.05)
        assert self.ask(state).get(timeout=PATIENCE).reason == "handler_timeout"
        go.set()

    def test_it_can_be_answered_by_hand_while_the_handler_thinks(self, state):
        asked, go = threading.Event(), threading.Event()
        self.answer(state, lambda request, context: asked.set() or go.wait(PATIENCE))
        future = self.ask(state, request_id="q")
        assert asked.wait(PATIENCE)
        state.control.resolve_pending_request("s", "q", {"response": "b.py"}).get(timeout=PATIENCE)
        assert future.get(timeout=PATIENCE) == "b.py"
        go.set()

    def test_asked_again_it_is_answered_again_and_its_handler_run_once(self, state):
        runs = []
        self.answer(state, lambda request, context: runs.append(1) or "a.py")
        assert self.ask(state, request_id="q").get(timeout=PATIENCE) == "a.py"
        assert self.ask(state, request_id="q").get(timeout=PATIENCE) == "a.py"
        assert runs == [1]

    def test_a_handler_that_failed_is_not_asked_again(self, state):
        runs = []
        self.answer(state, lambda request, context: runs.append(1) or 1 / 0)
        for _ in range(2):
            assert self.ask(state, request_id="q").get(timeout=PATIENCE).reason == "handler_failed"
        assert runs == [1]

    def test_asked_again_when_there_is_a_handler_it_is_answered(self, state):
        self.ask(state, request_id="q").get(timeout=PATIENCE)
        self.answer(state, lambda request, context: "a.py")
        assert self.ask(state, request_id="q").get(timeout=PATIENCE) == "a.py"
        assert state.reads.get_pending_response("s", "q")["response"] == "a.py"

    def test_the_name_of_another_question_is_refused(self, state):
        self.ask(state, request_id="q").get(timeout=PATIENCE)
        other = state.control.request_user_input("s", {"question": "Why?"}, {"request_id": "q"})
        assert closing(lambda: other.get(timeout=PATIENCE)).reason == "request_id_in_use"

    def test_one_that_waits_survives_a_restart_of_the_program_with_its_reason(self, open_store):
        with running(open_store) as state:
            self.ask(state, request_id="q").get(timeout=PATIENCE)
        with running(open_store) as state:
            [entry] = state.reads.list_pending_requests("s")
            assert entry["reason"] == "awaiting_external_response"
            response = {"response": "a.py"}
            state.control.resolve_pending_request("s", "q", response).get(timeout=PATIENCE)
            assert self.ask(state, request_id="q").get(timeout=PATIENCE) == "a.py"

    def test_the_end_of_the_session_leaves_it_pending(self, state):
        self.ask(state, request_id="q").get(timeout=PATIENCE)
        state.control.forget_session("s").get(timeout=PATIENCE)
        assert [entry["request_id"] for entry in state.reads.list_pending_requests("s")] == ["q"]


names = st.sampled_from(["q1", "q2", "q3"])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("store"), names),
        st.tuples(st.just("resolve"), names),
        st.tuples(st.just("permission"), names),
        st.tuples(st.just("user_input"), names),
        st.tuples(st.just("handler"), st.sampled_from(["allow", "raise", "none"])),
        st.tuples(st.just("feedback"), st.just("")),
        st.tuples(st.just("clear"), st.just("")),
        st.tuples(st.just("kill"), st.just("")),
    ),
    max_size=12,
)


class TestRebuilding:
    @given(steps)
    def test_what_is_rebuilt_from_the_log_is_what_there_was(self, done):
        with running() as state:
            for step, argument in done:
                take(state, step, argument)
            records = replay(state.journal.store, types=CONTROL_TYPES)
            past = read_past(records, now=0.0, at=state.journal.now())
            rows = state.reads._rows_now()
            rebuilt = past.requests.get("s")
            assert views(rebuilt) == views(rows.requests("s"))
            assert past.feedback.get("s", rows.feedback("s")) == rows.feedback("s")


def views(requests):
    found = [] if requests is None else requests.pending.views()
    return sorted(found, key=lambda entry: (entry["created_at"], entry["request_id"]))


def take(state, step, argument):
    control = state.control
    match step:
        case "store":
            error_of(control.store_pending_request("s", argument, {"token": "sk-1"}))
        case "resolve":
            error_of(control.resolve_pending_request("s", argument, {"decision": "allow"}))
        case "permission":
            error_of(control.request_permission("s", "m", {}, {"request_id": argument}))
        case "user_input":
            error_of(control.request_user_input("s", {}, {"request_id": argument}))
        case "handler":
            control.register_session_callbacks("s", options_of(argument)).get(timeout=PATIENCE)
        case "feedback":
            control.submit_feedback("s", {"said": "something"}).get(timeout=PATIENCE)
        case "clear":
            control.clear_feedback("s").get(timeout=PATIENCE)
        case "kill":
            state.kill("control")


def options_of(how):
    def handler(*_):
        if how == "raise":
            raise ValueError
        return "allow"

    return {} if how == "none" else {"permission_handler": handler, "user_input_handler": handler}
