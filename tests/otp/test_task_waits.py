"""Waiting for tasks, for one and for several; shutting them down; running them again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from beam.errors import (
    CallExit,
    CallTimeout,
    InvalidInput,
    InvalidSpec,
    Refused,
)
from beam.otp import (
    Exit,
    Mailbox,
    Node,
    Server,
    Tasks,
    current_node,
    current_process,
    exit,
    receive,
    whereis,
)
from beam.otp.tasks import TasksRef
from beam.testing import settle
from tests.otp.actors import SOON, death_of, eventually

pytestmark = pytest.mark.usefixtures("node")


def nap(seconds: float) -> float:
    node = current_node()
    node.sleep(seconds)
    return seconds


def on_threads(test: Any) -> Any:
    """Run the test where there are threads: event loops are none of the simulation's."""
    return pytest.mark.schedulers("pool", "thread")(test)


# One task: wait, Elixir's yield


def test_a_wait_ends_with_its_time_and_leaves_the_task(tasks: TasksRef) -> None:
    task = tasks.run(receive, SOON)
    assert task.wait(0.01) is False
    assert task.wait(0.0) is False
    task.process.tell("done")
    assert task.wait(SOON) is True
    assert task.wait(0.0) is True
    assert task.get() == "done"


def test_a_wait_without_a_time_is_until_the_end(tasks: TasksRef) -> None:
    assert tasks.run(nap, 0.01).wait() is True


def test_a_wait_does_not_raise_what_the_task_failed_with(tasks: TasksRef) -> None:
    crashed, ended, late = (
        tasks.run(int, "seven"),
        tasks.run(exit, "normal"),
        tasks.run(receive, timeout=0.01),
    )
    assert all(task.wait(SOON) for task in (crashed, ended, late))
    assert (crashed.failed, ended.failed, late.failed) == (True, True, True)
    assert (crashed.is_late, ended.is_late, late.is_late) == (False, False, True)
    with pytest.raises(CallExit) as failed:
        ended.get()
    assert failed.value.reason == "normal"


def test_a_task_at_work_has_not_failed(tasks: TasksRef) -> None:
    task = tasks.run(receive, SOON)
    assert (task.done, task.failed, task.is_late) == (False, False, False)
    task.process.tell(None)
    assert task.wait(SOON)
    assert (task.done, task.failed) == (True, False)


class Waiter(Server):
    def wait(self, tasks: TasksRef, how: str) -> Any:
        task = tasks.run_nolink(receive, SOON)
        match how:
            case "wait":
                return task.wait(10.0)
            case "get_many":
                return tasks.get_many([task], timeout=10.0)
            case _:
                return tasks.wait_many([task], timeout=10.0)


@pytest.mark.parametrize("how", ["wait", "get_many", "wait_many"])
def test_g6_the_deadline_of_the_caller_ends_a_wait(tasks: TasksRef, how: str) -> None:
    waiter = Waiter.start()
    with pytest.raises(CallTimeout):
        waiter.proxy().wait(tasks, how).get(timeout=0.01)
    settle()  # It has seen that nobody waits, and waits no more.
    assert waiter.is_alive()


# Several: get_many, Elixir's await_many


def test_the_values_of_several_tasks_come_in_their_order(tasks: TasksRef) -> None:
    several = [tasks.run(nap, seconds) for seconds in (0.03, 0.01, 0.02)]
    assert tasks.get_many(several) == [0.03, 0.01, 0.02]
    assert tasks.get_many([several[1], several[1]]) == [0.01, 0.01]
    assert tasks.get_many([]) == []


def test_tasks_of_several_supervisors_may_be_waited_for_together(tasks: TasksRef) -> None:
    other = Tasks.start()
    assert tasks.get_many([tasks.run(abs, -1), other.run(abs, -2)]) == [1, 2]


def test_the_time_is_for_all_together_and_the_tasks_go_on(tasks: TasksRef) -> None:
    several = [tasks.run(receive, SOON) for _ in range(3)]
    several[0].process.tell("here")
    with pytest.raises(CallTimeout) as late:
        tasks.get_many(several, timeout=0.05)
    assert (late.value.process, late.value.timeout) == (several[1].process, 0.05)
    assert all(task.process.is_alive() for task in several[1:])
    for task in several[1:]:
        task.process.tell("here")
    assert tasks.get_many(several, timeout=SOON) == ["here"] * 3


@pytest.mark.parametrize(
    ("function", "argument", "error"),
    [(exit, "normal", CallExit), (int, "seven", CallExit), (lambda _: _refuse(), 0, Refused)],
)
def test_the_first_failure_is_raised_at_once(
    tasks: TasksRef, function: Any, argument: Any, error: type[Exception]
) -> None:
    several = [tasks.run_nolink(receive, SOON), tasks.run_nolink(function, argument)]
    with pytest.raises(error):
        tasks.get_many(several)
    assert several[0].process.is_alive()
    several[0].shutdown()


def _refuse() -> None:
    raise Refused("no")


def test_a_wait_for_several_leaves_other_messages_alone(tasks: TasksRef) -> None:
    with Mailbox() as me:
        me.ref.tell("first")
        assert tasks.get_many([tasks.run_nolink(abs, -1)]) == [1]
        me.ref.tell("second")
        assert me.messages() == ["first", "second"]


# Several: wait_many, Elixir's yield_many


def test_those_that_have_ended_are_told_from_those_that_have_not(tasks: TasksRef) -> None:
    good, slow, bad = (
        tasks.run_nolink(abs, -1),
        tasks.run_nolink(receive, SOON),
        tasks.run_nolink(exit, "normal"),
    )
    assert tasks.get_many([good]) == [1]
    assert bad.wait(SOON)
    assert tasks.wait_many([good, slow, bad], timeout=0.01) == ([good, bad], [slow])
    assert slow.process.is_alive()
    slow.process.tell("here")
    assert tasks.wait_many([good, slow, bad]) == ([good, slow, bad], [])
    assert tasks.wait_many([]) == ([], [])


def test_those_whose_time_is_over_are_killed_if_that_is_asked_for(tasks: TasksRef) -> None:
    with Mailbox(trap_exit=True) as me:
        several = [tasks.run(receive, SOON) for _ in range(3)]
        waited = tasks.wait_many(several, timeout=0.01, on_timeout="kill_task")
        assert waited == ([], several)
        assert [death_of(task.process) for task in several] == ["killed"] * 3
        assert me.messages() == []


def test_those_whose_time_is_over_are_ignored_if_that_is_asked_for(tasks: TasksRef) -> None:
    with Mailbox(trap_exit=True) as me:
        task = tasks.run(receive, SOON)
        assert tasks.wait_many([task], timeout=0.01, on_timeout="ignore").not_done == [task]
        assert task.process.is_alive()
        task.process.tell("late")
        assert task.get() == "late"
        assert me.messages() == []


def test_no_more_than_the_limit_is_waited_for_and_that_is_no_timeout(tasks: TasksRef) -> None:
    slow, quick = tasks.run(receive, SOON), tasks.run(abs, -1)
    waited = tasks.wait_many([slow, quick], limit=1, on_timeout="kill_task")
    assert waited == ([quick], [slow])
    assert slow.process.is_alive()
    assert tasks.wait_many([slow], limit=1, timeout=0.01, on_timeout="kill_task").done == []
    assert not slow.process.is_alive()


def test_a_limit_above_their_number_is_all_of_them(tasks: TasksRef) -> None:
    task = tasks.run(abs, -1)
    assert tasks.wait_many([task], limit=2).done == [task]


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (([1],), "tasks"),
        ((7,), "tasks"),
        (([],), "limit"),
        (([],), "on_timeout"),
    ],
)
def test_g20_bad_arguments_are_refused_by_name(tasks: TasksRef, arguments: Any, field: str) -> None:
    options: Any = {"limit": {"limit": 0}, "on_timeout": {"on_timeout": "explode"}}.get(field, {})
    with pytest.raises(InvalidInput) as refused:
        tasks.wait_many(*arguments, **options)
    assert refused.value.field == field


@on_threads
def test_several_can_be_waited_for_in_an_event_loop(tasks: TasksRef) -> None:
    async def use() -> Any:
        several = [await tasks.aio.run(abs, -n) for n in range(3)]
        values = await tasks.aio.get_many(several)
        slow = await tasks.aio.run(receive, SOON)
        waited = await tasks.aio.wait_many([slow], timeout=0.01)
        short = await slow.aio.wait(0.01)
        slow.process.tell("here")
        return values, len(waited.not_done), short, await slow

    assert asyncio.run(use()) == ([0, 1, 2], 1, False, "here")


# Shutting down


def test_shutting_down_returns_the_value_if_there_is_one(tasks: TasksRef) -> None:
    task = tasks.run(abs, -7)
    assert task.wait(SOON)
    assert task.shutdown() == 7
    assert task.shutdown("brutal") == 7


def test_shutting_down_a_task_at_work_returns_nothing_or_what_is_asked_for(
    tasks: TasksRef,
) -> None:
    assert tasks.run(receive, SOON).shutdown() is None
    missing = object()
    assert tasks.run(receive, SOON).shutdown(default=missing) is missing
    assert tasks.run(receive, SOON).shutdown("brutal", default=missing) is missing
    assert tasks.run(lambda: None).shutdown(default=missing) in (None, missing)


def test_shutting_down_a_task_that_has_failed_does_not_raise(tasks: TasksRef) -> None:
    task = tasks.run_nolink(int, "seven")
    assert task.wait(SOON)
    assert task.shutdown(default="none") == "none"
    with pytest.raises(CallExit):
        task.get()


def test_shutting_down_leaves_nothing_in_the_mailbox_of_the_owner(tasks: TasksRef) -> None:
    with Mailbox(trap_exit=True) as me:
        tasks.run(receive, SOON).shutdown()
        tasks.run(receive, SOON).shutdown("brutal")
        assert me.messages() == []


# Ignoring


class Owner(Server):
    def run(self, tasks: TasksRef, function: Any, *args: Any) -> Any:
        task = tasks.run(function, *args)
        task.ignore()
        return task


def test_an_ignored_task_outlives_its_owner(tasks: TasksRef) -> None:
    owner = Owner.start()
    task = owner.proxy().run(tasks, receive, SOON).get()
    exit(owner, "gone")
    assert death_of(owner) == "gone"
    task.process.tell("still here")
    assert task.get() == "still here"


def test_the_failure_of_an_ignored_task_does_not_reach_its_owner(tasks: TasksRef) -> None:
    owner = Owner.start()
    task = owner.proxy().run(tasks, lambda: exit(receive(SOON))).get()
    task.process.tell("bad luck")
    assert death_of(task.process) == "bad luck"
    settle()
    assert owner.is_alive()


# Time


def test_a_task_sees_how_much_is_left_of_its_time(tasks: TasksRef) -> None:
    left = tasks.run(lambda: current_process().time_left(), timeout=60.0).get()  # type: ignore[union-attr]
    assert left is not None
    assert 1.0 < left <= 60.0
    assert tasks.run(lambda: current_process().time_left()).get() is None  # type: ignore[union-attr]


def test_the_failure_of_a_late_task_is_there_when_its_process_has_ended(tasks: TasksRef) -> None:
    few = Tasks.start(max_children=1)
    task = few.run(receive, timeout=0.01)
    with pytest.raises(CallTimeout):
        task.get()
    assert not task.process.is_alive()
    assert few.run(abs, -1).get() == 1  # Its place is free.


# Options of one task, and tasks that are run again


def stubborn(told: Any) -> None:
    """Do not end when asked to."""
    me = current_process()
    assert me is not None
    me.trap_exit = True
    told.tell("ready")
    while True:
        receive()


def test_a_task_may_have_a_shutdown_time_of_its_own(tasks: TasksRef) -> None:
    with Mailbox() as me:
        for start in (tasks.run_nolink, tasks.start_child):
            started = start(stubborn, me.ref, shutdown="brutal")
            assert me.receive(timeout=SOON) == "ready"
            process = getattr(started, "process", started)
            tasks.terminate_child(process)
            assert process.exit_reason == "killed"


def test_a_child_may_be_run_again_when_it_has_ended(node: Node) -> None:
    tasks = Tasks.start(max_restarts=10)
    with Mailbox() as me:
        tasks.start_child(me.ref.tell, "again", restart="permanent")
        for _ in range(5):
            assert me.receive(timeout=SOON) == "again"
    assert death_of(tasks) == "shutdown"  # It ended too often.


def test_a_transient_child_is_run_again_when_it_crashed(node: Node) -> None:
    tasks = Tasks.start()
    with Mailbox() as me:

        def work() -> None:
            me.ref.tell(current_process())
            exit(receive(SOON))

        process = tasks.start_child(work, restart="transient")
        assert me.receive(timeout=SOON) is process
        process.tell("bad luck")
        again = me.receive(timeout=SOON)
        assert again is not process
        again.tell("normal")
        assert death_of(again) == "normal"
        eventually(lambda: tasks.count_children().specs == 0)


def test_g7_a_transient_child_that_refuses_has_ended_well(tasks: TasksRef) -> None:
    process = tasks.start_child(_refuse, restart="transient")
    assert death_of(process) == "normal"
    assert tasks.count_children().specs == 0


def test_g20_bad_options_of_a_child_are_refused_before_anything_starts(tasks: TasksRef) -> None:
    wrong: Any = "sometimes"
    with pytest.raises(InvalidSpec) as refused:
        tasks.start_child(abs, -1, restart=wrong)
    assert refused.value.field == "restart"
    for start in (tasks.run, tasks.run_nolink, tasks.start_child):
        with pytest.raises(InvalidSpec) as refused:
            start(abs, -1, shutdown=wrong)
        assert refused.value.field == "shutdown"
    with pytest.raises(InvalidInput) as late:
        tasks.start_child(abs, -1, restart="permanent", timeout=1.0)
    assert late.value.field == "timeout"
    with pytest.raises(InvalidInput):
        tasks.start_child("abs", restart="permanent")
    assert tasks.count_children().specs == 0
    assert whereis("abs") is None


def test_g20_bad_restart_limits_are_refused() -> None:
    with pytest.raises(InvalidSpec) as refused:
        Tasks.start(max_restarts=-1)
    assert refused.value.field == "max_restarts"


def test_a_linked_failure_still_reaches_the_owner(tasks: TasksRef) -> None:
    with Mailbox(trap_exit=True) as me:
        task = tasks.run(exit, "bad luck")
        assert me.receive(timeout=SOON) == Exit(task.process, "bad luck")


@on_threads
def test_a_task_that_is_run_in_an_event_loop_inside_a_process_is_linked_to_it(
    tasks: TasksRef,
) -> None:
    class Looping(Server):
        def loop(self) -> Any:
            async def use() -> Any:
                return await tasks.aio.run(receive, SOON)

            return asyncio.run(use())

    looping = Looping.start()
    task = looping.proxy().loop().get(timeout=SOON)
    eventually(lambda: task.process in looping.links())
    exit(looping, "gone")
    assert death_of(task.process) == "gone"
