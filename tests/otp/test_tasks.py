"""Tasks: functions in processes of their own, their values, and how they end."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import math
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from beam.errors import (
    BeamError,
    CallCycle,
    CallExit,
    CallTimeout,
    InvalidInput,
    InvalidSpec,
    QueueFull,
    Refused,
    StartError,
    SupervisorRefused,
)
from beam.otp import (
    Crash,
    Exit,
    Mailbox,
    Node,
    Server,
    Supervisor,
    Tasks,
    child,
    current_process,
    exit,
    ignore,
    receive,
    whereis,
)
from beam.otp.context import here
from beam.otp.tasks import TasksRef
from beam.testing import Probe
from tests.otp.actors import SOON, Gate, at_once, death_of, eventually
from tests.volume import scaled

pytestmark = pytest.mark.usefixtures("node")


@pytest.fixture
def logs(node: Node) -> Iterator[list[Any]]:
    structlog.reset_defaults()
    with capture_logs() as logs:
        yield logs


class Owner(Server):
    """Runs tasks for whoever asks."""

    def run(self, tasks: TasksRef, function: Any, *args: Any, **options: Any) -> Any:
        self.task = tasks.run(function, *args, **options)
        return self.task

    def wait_for(self, task: Any) -> Any:
        return task.get()

    def get(self, tasks: TasksRef, function: Any, *args: Any) -> Any:
        return tasks.run(function, *args).get()


class TrappingOwner(Owner):
    trap_exit = True

    def init(self) -> None:
        self.heard: list[Any] = []

    def handle_info(self, message: Any) -> None:
        self.heard.append(message)


class Stuck:
    """A function that no signal reaches, until it is let go."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self.begun = gate.reached
        self.let_go = gate.open

    def __call__(self) -> str:
        self._gate()
        return "late"


@pytest.fixture
def stuck(node: Node, wall: type[Gate]) -> Iterator[Stuck]:
    stuck = Stuck(wall())
    yield stuck
    stuck.let_go()


def waits(probe: Probe | None = None) -> Any:
    """Wait where a signal is heard."""
    if probe is not None:
        probe.note("begun")
    return receive()


# Values


def test_a_task_has_the_value_of_its_function(tasks: TasksRef) -> None:
    assert tasks.run(pow, 2, 10).get() == 1024
    assert tasks.run_nolink(int, "ff", base=16).get() == 255
    assert tasks.run(dict, a=1).get() == {"a": 1}


def test_tasks_run_beside_each_other(tasks: TasksRef) -> None:
    probe = Probe()

    def meet(number: int) -> int:
        probe.note("here", number)
        return probe.wait("here", 10)[number]

    together = [tasks.run(meet, number) for number in range(10)]
    assert sorted(task.get(timeout=SOON) for task in together) == list(range(10))


def test_the_process_is_gone_and_its_place_free_when_the_value_is_there() -> None:
    tasks = Tasks.start(max_children=1)
    for number in range(scaled(4000)):
        task = tasks.run(abs, -number)
        assert task.get(timeout=SOON) == number
        assert not task.process.is_alive()
    assert tasks.refused == 0


def test_a_task_may_take_messages(tasks: TasksRef) -> None:
    task = tasks.run(receive, SOON)
    task.process.tell("hello")
    assert task.get() == "hello"


def test_a_value_that_nobody_wants_is_dropped(tasks: TasksRef) -> None:
    probe = Probe()
    process = tasks.start_child(probe.note, "heard")
    probe.wait("heard")
    assert death_of(process) == "normal"


def test_a_task_has_a_value_and_can_be_asked_for_it_again_and_by_many(
    tasks: TasksRef, stuck: Stuck
) -> None:
    task = tasks.run(stuck)
    askers = [Owner.start().proxy() for _ in range(4)]
    got = [asker.wait_for(task) for asker in askers]
    with pytest.raises(CallTimeout) as late:
        task.get(timeout=0.01)
    assert (late.value.process, late.value.timeout) == (task.process, 0.01)
    stuck.let_go()
    assert [each.get() for each in [*got, task]] == ["late"] * 5
    assert task.get(timeout=0.01) == "late"


def test_a_task_maps_and_joins_as_every_future(tasks: TasksRef) -> None:
    two, three = tasks.run(int, "2"), tasks.run(int, "3")
    assert two.map(lambda n: n * 10).get() == 20
    assert two.join(three).get() == [2, 3]


request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="none")


@pytest.mark.parametrize("how", ["run", "run_nolink"])
def test_context_variables_travel_into_the_function(how: str, tasks: TasksRef) -> None:
    request_id.set("mine")
    assert getattr(tasks, how)(request_id.get).get() == "mine"


# Failures


def test_a_failure_is_the_crash_of_its_process(tasks: TasksRef) -> None:
    task = tasks.run(int, "seven")
    with pytest.raises(CallExit) as failed:
        task.get()
    assert isinstance(failed.value.reason, Crash)
    assert isinstance(failed.value.reason.exception, ValueError)
    assert failed.value.process is task.process
    assert task.process.exit_reason is failed.value.reason


def test_g8_system_exit_in_a_task_is_its_crash(tasks: TasksRef) -> None:
    def leaves() -> None:
        raise SystemExit(3)

    with pytest.raises(CallExit) as failed:
        tasks.run(leaves).get()
    assert isinstance(failed.value.reason.exception, SystemExit)
    assert tasks.run(int).get() == 0


def test_a_task_that_exits_fails_with_its_reason(tasks: TasksRef) -> None:
    for reason in ("normal", "gone"):
        with pytest.raises(CallExit) as failed:
            tasks.run(exit, reason).get()
        assert failed.value.reason == reason


def test_g7_a_refusal_is_an_answer_and_no_crash(tasks: TasksRef, logs: list[Any]) -> None:
    def refuses() -> None:
        raise Refused("not_today", day="sunday")

    task = tasks.run(refuses)
    with pytest.raises(Refused) as refused:
        task.get()
    assert (refused.value.reason, refused.value.day) == ("not_today", "sunday")
    assert refused.value.process is task.process
    assert death_of(task.process) == "normal"
    assert [entry for entry in logs if entry["log_level"] != "debug"] == []


def test_a_crash_is_reported_with_the_name_of_its_function(
    tasks: TasksRef, logs: list[Any]
) -> None:
    task = tasks.run(int, "seven")
    with pytest.raises(CallExit):
        task.get()
    assert tasks.count_children().specs == 0  # So the supervisor has said what it has to say.
    said = {entry["event"]: entry for entry in logs}
    assert said["process_crashed"]["process"] == str(task.process)
    assert said["child_terminated"]["child"] == "int"


def test_g7_a_refusal_of_somebody_else_is_a_crash(tasks: TasksRef) -> None:
    class Proud(Server):
        def beg(self) -> None:
            raise Refused("never")

    with pytest.raises(CallExit) as failed:
        tasks.run(lambda: Proud.start().proxy().beg().get()).get()
    assert isinstance(failed.value.reason.exception, Refused)


# Owners


def test_a_failure_ends_the_owner_of_a_linked_task(tasks: TasksRef) -> None:
    owner = Owner.start()
    owner.proxy().run.defer(tasks, int, "seven")
    reason = death_of(owner)
    assert isinstance(reason.exception, ValueError)


def test_an_owner_that_traps_exits_hears_of_its_tasks(tasks: TasksRef) -> None:
    owner = TrappingOwner.start()
    proxy = owner.proxy()
    good, bad = (proxy.run(tasks, int, text).get() for text in ("7", "seven"))
    assert death_of(bad.process)
    assert death_of(good.process) == "normal"
    heard = {message.process: message for message in proxy.heard.get()}
    assert heard[good.process] == Exit(good.process, "normal")
    assert isinstance(heard[bad.process].reason.exception, ValueError)


def test_the_end_of_the_owner_ends_its_linked_tasks(tasks: TasksRef) -> None:
    probe = Probe()
    owner = Owner.start()
    task = owner.proxy().run(tasks, waits, probe).get()
    probe.wait("begun")
    exit(owner, "gone")
    with pytest.raises(CallExit) as failed:
        task.get(timeout=SOON)
    assert failed.value.reason == "gone"


def test_no_failure_of_a_task_that_is_not_linked_reaches_the_process_that_ran_it(
    tasks: TasksRef,
) -> None:
    with Mailbox() as me:
        task = tasks.run_nolink(int, "seven")
        with pytest.raises(CallExit):
            task.get()
        probe = Probe()
        living = tasks.run_nolink(waits, probe)
        probe.wait("begun")
        assert me.messages() == []
    living.process.tell("still here")
    assert living.get(timeout=SOON) == "still here"


def test_a_task_is_a_process_of_its_own(tasks: TasksRef) -> None:
    task = tasks.run(current_process)
    assert task.get() is task.process


def test_g6_a_task_that_calls_the_process_that_waits_for_it_is_refused(tasks: TasksRef) -> None:
    owner = TrappingOwner.start()

    def calls_back() -> str:
        # Its own process is what the owner waits for.
        eventually(lambda: owner.control.waits_for() is here.control)
        with pytest.raises(CallCycle) as ring:
            owner.ask("x")
        return str(len(ring.value.path))

    assert owner.proxy().get(tasks, calls_back).get() == "3"


def test_g6_an_owner_survives_a_caller_who_did_not_wait_for_its_task(
    tasks: TasksRef, stuck: Stuck
) -> None:
    owner = TrappingOwner.start()
    impatient = owner.proxy().get(tasks, stuck)
    with pytest.raises(CallTimeout):
        impatient.get(timeout=0.05)
    stuck.let_go()
    assert owner.proxy().heard.get(timeout=SOON) is not None


# Bounds


def test_g19_one_task_too_many_is_refused_and_counted(stuck: Stuck) -> None:
    tasks = Tasks.start(max_children=2)
    running = [tasks.run(stuck) for _ in range(2)]
    for number, start in enumerate((tasks.run, tasks.run_nolink, tasks.start_child)):
        with pytest.raises(QueueFull) as full:
            start(int)
        assert (full.value.reason, full.value.max_children) == ("queue_full", 2)
        assert tasks.refused == number + 1
    stuck.let_go()
    assert [task.get() for task in running] == ["late"] * 2
    assert tasks.run(int).get() == 0


def test_there_may_be_no_bound_if_that_is_asked_for(stuck: Stuck) -> None:
    tasks = Tasks.start(max_children=None)
    running = [tasks.run(stuck) for _ in range(300)]
    assert tasks.count_children().active == 300
    stuck.let_go()
    assert [task.get(timeout=SOON) for task in running] == ["late"] * 300


# Time


def test_a_task_whose_time_is_over_is_killed_where_it_waits_and_its_owner_lives(
    tasks: TasksRef,
) -> None:
    owner = Owner.start()
    task = owner.proxy().run(tasks, waits, timeout=0.02).get()
    with pytest.raises(CallTimeout) as late:
        task.get()
    assert (late.value.process, late.value.timeout) == (task.process, 0.02)
    assert death_of(task.process) == "killed"
    assert owner.is_alive()


def test_g9_a_task_that_does_not_come_out_in_time_is_given_up_and_counted(
    tasks: TasksRef, node: Node, stuck: Stuck
) -> None:
    task = tasks.run(stuck, timeout=0.02)
    with pytest.raises(CallTimeout):
        task.get()
    assert death_of(task.process) == "killed"
    assert node.given_up == {task.process.control.serial: task.process}
    assert tasks.count_children().active == 0
    stuck.let_go()
    eventually(lambda: not node.given_up)
    with pytest.raises(CallTimeout):
        task.get()


def test_a_task_in_time_is_not_disturbed_later(tasks: TasksRef, node: Node) -> None:
    in_time = [tasks.run(int, "7", timeout=0.05) for _ in range(20)]
    assert {task.get() for task in in_time} == {7}
    with pytest.raises(CallTimeout):
        tasks.run(waits, timeout=0.1).get()
    assert {task.get() for task in in_time} == {7}
    assert node.given_up == {}


# Shutting down


def test_a_task_that_is_shut_down_ends_where_it_waits_and_its_owner_lives(
    tasks: TasksRef,
) -> None:
    probe = Probe()
    owner = Owner.start()
    task = owner.proxy().run(tasks, waits, probe).get()
    probe.wait("begun")
    task.shutdown()
    with pytest.raises(CallExit) as failed:
        task.get(timeout=0.0)
    assert failed.value.reason == "shutdown"
    assert owner.is_alive()


def test_g9_a_task_that_will_not_end_is_given_up_when_it_is_shut_down(
    tasks: TasksRef, node: Node, stuck: Stuck
) -> None:
    task = tasks.run(stuck)
    stuck.begun()
    task.shutdown(0.01)
    with pytest.raises(CallExit) as failed:
        task.get(timeout=0.0)
    assert failed.value.reason == "killed"
    assert list(node.given_up.values()) == [task.process]
    stuck.let_go()
    eventually(lambda: not node.given_up)


def test_a_task_can_be_killed_at_once(tasks: TasksRef) -> None:
    probe = Probe()
    task = tasks.run(waits, probe)
    probe.wait("begun")
    task.shutdown("brutal")
    with pytest.raises(CallExit) as failed:
        task.get()
    assert failed.value.reason == "killed"


def test_a_task_that_has_ended_keeps_its_value_when_it_is_shut_down(tasks: TasksRef) -> None:
    task = tasks.run(int, "7")
    assert task.get() == 7
    task.shutdown()
    assert task.get() == 7


def test_a_value_that_comes_while_the_task_is_shut_down_is_not_lost(
    tasks: TasksRef, stuck: Stuck
) -> None:
    task = tasks.run(stuck)
    stuck.begun()
    exit(task.process, "shutdown")
    stuck.let_go()
    assert task.get() == "late"
    assert death_of(task.process) == "shutdown"


def test_g6_when_the_supervisor_stops_its_tasks_end_and_nobody_waits_on() -> None:
    with Tasks.start() as tasks:
        probe = Probe()
        running = [tasks.run(waits, probe) for _ in range(5)]
        probe.wait("begun")
    for task in running:
        with pytest.raises(CallExit) as failed:
            task.get(timeout=0.0)
        assert failed.value.reason == "shutdown"


def test_g9_a_supervisor_does_not_wait_longer_for_its_tasks_than_it_says(
    node: Node, stuck: Stuck
) -> None:
    tasks = Tasks.start(shutdown=0.01)
    task = tasks.run(stuck)
    stuck.begun()
    assert tasks.stop(timeout=SOON)
    with pytest.raises(CallExit):
        task.get(timeout=0.0)
    assert list(node.given_up.values()) == [task.process]


def test_a_supervisor_that_has_ended_runs_nothing(tasks: TasksRef) -> None:
    tasks.stop()
    for start in (tasks.run, tasks.run_nolink, tasks.start_child):
        with pytest.raises(CallExit) as failed:
            start(int)
        assert (failed.value.reason, failed.value.process) == ("noproc", tasks)
    with pytest.raises(CallExit):
        _ = tasks.refused


# What is refused


async def coroutine(_: Any = None) -> None: ...


async def generator() -> Any:
    yield


class AsyncCallable:
    async def __call__(self) -> None: ...


@pytest.mark.parametrize(
    "function",
    [coroutine, generator, functools.partial(coroutine, 1), AsyncCallable(), "text", None],
)
def test_g20_what_is_no_plain_function_is_refused_by_name(function: Any, tasks: TasksRef) -> None:
    for start in (tasks.run, tasks.run_nolink, tasks.start_child):
        with pytest.raises(InvalidInput) as refused:
            start(function)
        assert (refused.value.field, refused.value.value) == ("function", function)
    assert tasks.count_children().specs == 0


def test_a_function_that_returns_a_coroutine_fails_and_says_why(tasks: TasksRef) -> None:
    with pytest.raises(CallExit) as failed:
        tasks.run(eval, "coroutine()", globals()).get()
    assert isinstance(failed.value.reason.exception, InvalidInput)


@pytest.mark.parametrize("timeout", [0, -1, math.nan, "1", True])
def test_g20_a_bad_timeout_is_refused_before_anything_starts(timeout: Any, tasks: TasksRef) -> None:
    for start in (tasks.run, tasks.run_nolink, tasks.start_child):
        with pytest.raises(InvalidInput) as refused:
            start(int, timeout=timeout)
        assert refused.value.field == "timeout"
    assert tasks.count_children().specs == 0


def test_g20_start_child_without_a_function_is_refused(tasks: TasksRef) -> None:
    with pytest.raises(InvalidInput) as refused:
        tasks.start_child()
    assert refused.value.field == "function"


@pytest.mark.parametrize(
    ("option", "value"), [("max_children", -1), ("max_children", "many"), ("shutdown", "soon")]
)
def test_g20_bad_options_of_a_supervisor_are_refused_by_name(option: str, value: Any) -> None:
    with pytest.raises(InvalidSpec) as refused:
        Tasks.start(**{option: value})
    assert (refused.value.field, refused.value.value) == (option, value)


def test_g20_an_unknown_option_is_refused() -> None:
    with pytest.raises(TypeError, match="max_kids"):
        Tasks.start(max_kids=3)


# In a tree, and in an event loop


def test_tasks_have_their_place_in_a_tree() -> None:
    with Supervisor.start([child(Tasks, max_children=4, name="tasks")]) as tree:
        tasks: Any = whereis("tasks")
        assert tasks.run(int, "7").get() == 7
        exit(tasks, "kill")
        assert death_of(tasks) == "killed"
        assert tree.count_children().active == 1
        restarted: Any = whereis("tasks")
        assert restarted.run(int, "8").get() == 8


def test_tasks_are_children_as_others_are(tasks: TasksRef, stuck: Stuck) -> None:
    task = tasks.run(stuck)
    (line,) = tasks.which_children()
    assert (line.process, line.type) == (task.process, "worker")
    assert tasks.get_childspec(task.process).restart == "temporary"
    stuck.let_go()
    task.get()
    waiting = tasks.run(waits)
    tasks.terminate_child(waiting.process)
    with pytest.raises(CallExit):
        waiting.get(timeout=0.0)
    with pytest.raises(SupervisorRefused):
        tasks.terminate_child(waiting.process)


def test_a_class_of_ones_own_may_choose_the_bounds() -> None:
    class Few(Tasks):
        def init(self, cores: int) -> Any:  # type: ignore[override]
            return super().init(max_children=cores * 2) if cores else ignore

    tasks = Few.start(1)
    probe = Probe()
    running = [tasks.run(waits, probe) for _ in range(2)]
    with pytest.raises(QueueFull):
        tasks.run(int)
    probe.wait("begun")
    assert len(running) == tasks.count_children().active
    assert Few.start(0) is None

    class Wrong(Tasks):
        def init(self) -> Any:  # type: ignore[override]
            return 3

    with pytest.raises(StartError):
        Wrong.start()


@pytest.mark.schedulers("pool")  # An event loop waits for what is real.
def test_tasks_can_be_awaited_and_shut_down_in_an_event_loop(stuck: Stuck) -> None:
    async def use() -> Any:
        tasks = await Tasks.aio.start()
        values = await asyncio.gather(*[await tasks.aio.run(abs, -n) for n in range(5)])
        with pytest.raises(CallExit):
            await (await tasks.aio.run_nolink(int, "seven"))
        waiting = await tasks.aio.run(waits)
        awaiting = asyncio.ensure_future(_value_of(waiting))
        await asyncio.sleep(0)
        awaiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await awaiting
        assert waiting.process.is_alive()  # The wait is abandoned, not the work.
        await waiting.aio.shutdown("brutal")
        assert not waiting.process.is_alive()
        await tasks.aio.stop()
        return values

    assert asyncio.run(use()) == [0, 1, 2, 3, 4]


async def _value_of(task: Any) -> Any:
    return await task


@pytest.mark.schedulers("pool")  # An event loop waits for what is real.
def test_a_blocking_form_in_an_event_loop_warns_and_names_its_twin() -> None:
    async def use() -> Any:
        tasks = await Tasks.aio.start()
        with pytest.warns(match=r"await tasks\.aio\.run\(") as warned:
            task = tasks.run(int, "7")
        assert len(warned) == 1
        return await task

    assert asyncio.run(use()) == 7


# Many


@pytest.mark.schedulers("pool", "thread")
def test_g6_no_value_is_lost_and_nobody_waits_for_ever_while_tasks_are_shut_down() -> None:
    rounds, threads = scaled(40_000), 8
    tasks = Tasks.start(max_children=threads * 2)
    answered: list[int] = []
    ended: list[Any] = []

    def work(number: int) -> None:
        for round_ in range(rounds // threads):
            if round_ % 3:
                answered.append(tasks.run(abs, -round_).get(timeout=SOON))
                continue
            task = tasks.run(waits)
            task.shutdown("brutal" if round_ % 2 else 5.0)
            try:
                task.get(timeout=SOON)
            except BeamError as error:
                ended.append(error)

    at_once(*[functools.partial(work, number) for number in range(threads)])
    each = range(rounds // threads)
    assert sorted(answered) == sorted([n for n in each if n % 3] * threads)
    assert len(ended) == threads * len([n for n in each if n % 3 == 0])
    assert all(error.reason in ("shutdown", "killed") for error in ended)
    assert tasks.count_children().specs == 0


def test_a_task_that_calls_its_owner_at_once_is_no_ring_while_its_start_is_acknowledged() -> None:
    class Owner(Server):
        def init(self, tasks: Any) -> None:
            self.tasks = tasks

        def delegate(self) -> Any:
            me = self.actor_ref
            self.tasks.run(lambda: me.ask("called back", timeout=30.0))
            return "delegated"

        def handle_call(self, message: Any, caller: Any) -> Any:
            return message

    tasks = Tasks.start()
    owner = Owner.start(tasks)
    for _ in range(scaled(2_000)):
        assert owner.proxy().delegate().get(timeout=30.0) == "delegated"
    assert owner.is_alive()
    tasks.stop()
