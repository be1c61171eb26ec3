"""Facts 18 to 34 of the specification: runs, tasks, configuration, feedback, permissions."""

import pytest

from beam.errors import InvalidInput, NotFound, StateRefused
from beam.model.permissions import Allow
from beam.otp import receive as receive_mail
from beam.otp import spawn
from beam.state import PendingInput
from tests.sessions.scripted import PATIENCE


def reason_of(function, *arguments):
    with pytest.raises(Exception) as refused:  # noqa: PT011 - its reason is the test
        function(*arguments)
    return refused.value.reason


@pytest.fixture
def runs(fleet):
    return fleet.runs


@pytest.fixture
def control(fleet):
    return fleet.control


def test_fact_18_run_ids_start_with_run_and_what_start_returns_is_what_get_returns(runs):
    run = runs.start_run("s", kind="report", input={"n": 1}, metadata={"by": "me"})
    assert run.run_id.startswith("run_")
    assert len(run.run_id) == len("run_") + 16
    assert runs.get_run(run.run_id) == run


def test_fact_19_a_child_inherits_session_and_thread(runs):
    parent = runs.start_run({"session_id": "s", "thread_id": "t"})
    child = runs.start_run({"parent_run_id": parent.run_id})
    assert (child.session_id, child.thread_id) == ("s", "t")
    other = {"parent_run_id": parent.run_id, "session_id": "other"}
    assert reason_of(runs.start_run, other) == "inconsistent_parent_scope"


def test_fact_20_a_cancelled_run_takes_no_steps(runs):
    run = runs.start_run()
    runs.cancel_run(run.run_id, "no")
    assert reason_of(runs.start_step, run.run_id) == "run_not_active"


def test_fact_21_a_run_with_a_running_step_cannot_be_completed(runs):
    run = runs.start_run()
    step = runs.start_step(run.run_id)
    assert reason_of(runs.complete_run, run.run_id) == "active_steps"
    runs.complete_step(step.step_id)
    assert runs.complete_run(run.run_id, {"n": 2}).output == {"n": 2}


@pytest.mark.parametrize(
    ("end", "status", "field"),
    [("fail_run", "failed", "error"), ("cancel_run", "cancelled", "cancel_reason")],
)
def test_fact_22_its_running_steps_end_with_the_same_word_and_value(runs, end, status, field):
    run = runs.start_run()
    done, open_one = (runs.start_step(run.run_id) for _ in range(2))
    runs.complete_step(done.step_id, 1)
    getattr(runs, end)(run.run_id, {"why": "so"})
    ended = runs.get_step(open_one.step_id)
    assert (ended.status, getattr(ended, field)) == (status, {"why": "so"})
    assert runs.get_step(done.step_id).status == "completed"
    assert getattr(runs.get_run(run.run_id), field) == {"why": "so"}


def test_fact_23_the_log_has_a_run_and_its_step_in_order(runs):
    run = runs.start_run("s")
    step = runs.start_step(run.run_id)
    runs.complete_step(step.step_id)
    runs.complete_run(run.run_id)
    assert [event.type.removeprefix("record_") for event in runs.events_of(run.run_id)] == [
        "run_started",
        "step_started",
        "step_completed",
        "run_completed",
    ]


def test_fact_24_a_task_has_a_run_that_stopping_it_cancels(fleet, control):
    control.register_task("s", "t", spawn(receive_mail))
    [task] = control.list_tasks("s")
    assert fleet.runs.get_run(task.run_id).status == "running"
    control.stop_task("s", "t")
    assert fleet.runs.get_run(task.run_id).status == "cancelled"


def test_fact_25_stopping_twice_or_a_task_whose_process_is_dead_is_no_error(control):
    process = spawn(lambda: None)
    assert process.actor_stopped.wait(PATIENCE)
    control.register_task("s", "t", process)
    control.stop_task("s", "t")
    control.stop_task("s", "t")


def test_fact_26_dispatch_stop_task_returns_nothing(control):
    control.register_task("s", "t", spawn(receive_mail))
    assert control.dispatch("s", "stopTask", {"taskId": "t"}) is None
    assert [task.status for task in control.list_tasks("s")] == ["stopped"]


@pytest.mark.parametrize("tokens", [0, -1, "many", True, 1.5])
def test_fact_27_a_budget_for_thinking_is_a_number_above_0(control, tokens):
    with pytest.raises(StateRefused) as refused:
        control.dispatch("s", "setMaxThinkingTokens", {"maxThinkingTokens": tokens})
    assert (refused.value.reason, refused.value.param) == ("invalid_param", "max_thinking_tokens")


def test_fact_28_the_configuration_of_one_session_survives_the_clearing_of_another(control):
    control.set_config("a", "n", 1)
    control.set_config("b", "n", 2)
    control.clear_config("a")
    assert (control.get_all_config("a"), control.get_all_config("b")) == ({}, {"n": 2})


def test_fact_29_feedback_comes_back_in_the_order_of_submission(control):
    for text in ("one", "two", "three"):
        control.submit_feedback("s", {"text": text})
    told = control.get_feedback("s")
    assert [(one["seq"], one["text"]) for one in told] == [(1, "one"), (2, "two"), (3, "three")]


def test_fact_30_a_permission_handler_may_rewrite_the_params(control):
    rewritten = {"path": "/tmp/a", "mode": 7}
    handler = {"permission_handler": lambda method, params, context: Allow(params=rewritten)}
    control.register_session_callbacks("s", handler)
    assert control.request_permission("s", "write", {"path": "/a"}, {}) == Allow(params=rewritten)


def test_fact_31_a_question_without_a_handler_is_pending(control):
    told = control.request_user_input("s", {"question": "Which?"}, {})
    assert isinstance(told, PendingInput)
    assert (told.source, told.reason) == ("universal", "awaiting_external_response")
    assert reason_of(control.get_pending_response, "s", told.request_id) == "pending"


def test_fact_32_a_crash_of_the_handler_leaves_the_question_pending(control):
    control.register_session_callbacks("s", {"user_input_handler": lambda *_: 1 / 0})
    told = control.request_user_input("s", {"question": "Which?"}, {"request_id": "mine"})
    assert (told.request_id, told.reason) == ("mine", "handler_failed")
    assert reason_of(control.get_pending_response, "s", "mine") == "pending"


def test_fact_33_a_request_is_resolved_once(control):
    control.store_pending_request("s", "q", {})
    control.resolve_pending_request("s", "q", {"response": 1})
    again = reason_of(control.resolve_pending_request, "s", "q", {"response": 2})
    assert again == "already_resolved"
    with pytest.raises(NotFound):
        control.resolve_pending_request("s", "other", {})


def test_what_has_ended_never_changes_again(runs):
    run = runs.start_run()
    runs.complete_run(run.run_id)
    for end in (runs.complete_run, runs.fail_run, runs.cancel_run):
        with pytest.raises(StateRefused) as refused:
            end(run.run_id)
        assert refused.value.reason == "invalid_status_transition"


def test_what_is_no_scope_or_option_is_refused_with_its_word(runs):
    assert reason_of(runs.start_run, {"colour": "red"}) == "unsupported_scope_key"
    assert reason_of(runs.start_run, {"session_id": 7}) == "invalid_scope"
    assert reason_of(runs.start_run, {"thread_id": "t"}) == "session_id_required_for_thread"
    assert reason_of(runs.start_run, {"parent_run_id": "no"}) == "parent_run_not_found"
    assert reason_of(lambda: runs.start_run(kind="")) == "invalid_run_opt"
    assert reason_of(lambda: runs.list_runs(status="odd")) == "invalid_filter"
    with pytest.raises(InvalidInput):
        runs.start_run(input=print)


def test_runs_are_listed_the_one_changed_last_first_and_by_filter(runs):
    one, two, three = (runs.start_run("s", kind=kind) for kind in ("a", "b", "a"))
    runs.complete_run(one.run_id)
    listed = {run.run_id for run in runs.list_runs(session_id="s", kind="a")}
    assert listed == {one.run_id, three.run_id}
    assert [run.run_id for run in runs.list_runs(status="completed")] == [one.run_id]
    assert len(runs.list_runs(limit=2)) == 2
    assert two in runs.list_runs(since=two.updated_at)
    changed = [run.updated_at for run in runs.list_runs()]
    assert changed == sorted(changed, reverse=True)
