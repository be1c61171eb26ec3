"""`tasks.map` and `tasks.map_nolink`: a list comprehension, done side by side and within bounds."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import itertools
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.errors import (
    CallCycle,
    CallExit,
    CallTimeout,
    InvalidInput,
    InvalidSpec,
    QueueFull,
    Refused,
)
from beam.otp import (
    Mailbox,
    Node,
    Server,
    Tasks,
    current_node,
    current_process,
    exit,
    receive,
    spawn,
    sys,
)
from beam.otp.context import here
from beam.otp.tasks import TasksRef
from beam.testing import node_on, settle
from tests.otp.actors import SOON, death_of, eventually

pytestmark = pytest.mark.usefixtures("node")


def in_simulation(test: Any) -> Any:
    """Run the test once: it makes simulations of its own."""
    return pytest.mark.schedulers("simulation")(test)


def nap(seconds: float) -> float:
    """Wait for so long; return how long."""
    node = current_node()
    node.sleep(seconds)
    return seconds


def for_ever(_item: Any = None) -> Any:
    """Wait where a signal is heard."""
    return receive()


def leave(reason: Any) -> Any:
    """End with this reason."""
    exit(reason)


def half(number: int) -> int:
    if number % 2:
        raise Refused("odd", number=number)
    return number // 2


class Scale:
    """Counts how many are in a function at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.now = self.most = 0

    def __call__(self, seconds: float) -> float:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        nap(seconds)
        with self._lock:
            self.now -= 1
        return seconds


# A list comprehension


@pytest.mark.parametrize("most", [1, 2, 4, 8, None])
def test_the_values_come_in_the_order_of_the_items(tasks: TasksRef, most: int | None) -> None:
    assert list(tasks.map(nap, [1e-3, 2e-3, 3e-3, 4e-3], max_concurrency=most)) == [
        *[1e-3, 2e-3, 3e-3, 4e-3]
    ]
    assert list(tasks.map(nap, [4e-3, 3e-3, 2e-3, 1e-3], max_concurrency=most)) == [
        *[4e-3, 3e-3, 2e-3, 1e-3]
    ]
    assert list(tasks.map(nap, [], max_concurrency=most)) == []


def test_without_order_the_values_come_as_they_come(tasks: TasksRef) -> None:
    naps = [0.4, 0.3, 0.2, 0.1]
    assert list(tasks.map(nap, naps, max_concurrency=4, ordered=False)) == naps[::-1]
    assert list(tasks.map(nap, naps[2:], max_concurrency=1, ordered=False)) == naps[2:]


def test_items_without_end_are_taken_as_they_are_wanted(tasks: TasksRef) -> None:
    with tasks.map(half, itertools.count(0, 2), max_concurrency=3) as halves:
        assert list(itertools.islice(halves, 50)) == list(range(50))


def test_nothing_begins_before_the_first_value_is_wanted(tasks: TasksRef) -> None:
    taken: list[int] = []
    mapped = tasks.map(abs, (taken.append(n) or n for n in range(10)), max_concurrency=2)
    assert taken == []
    assert next(mapped) == 0
    assert len(taken) <= 4


def test_nothing_more_begins_while_nobody_asks_for_more(tasks: TasksRef) -> None:
    taken: list[int] = []
    mapped = tasks.map(abs, (taken.append(n) or n for n in itertools.count()), max_concurrency=2)
    assert next(mapped) == 0
    seen = len(taken)
    settle()
    assert len(taken) == seen
    assert next(mapped) == 1


def test_context_variables_travel_into_the_function(tasks: TasksRef) -> None:
    request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id")
    request_id.set("mine")
    assert list(tasks.map(lambda _: request_id.get(), range(2))) == ["mine", "mine"]


def test_two_maps_may_be_walked_in_step(tasks: TasksRef) -> None:
    pairs = zip(tasks.map(half, [0, 2, 4]), tasks.map(half, [0, 2, 4]), strict=True)
    assert list(pairs) == [(0, 0), (1, 1), (2, 2)]


def test_a_map_inside_a_task_of_a_map(tasks: TasksRef) -> None:
    assert list(tasks.map(lambda n: sum(tasks.map(abs, range(n))), [2, 3])) == [1, 3]


# Failures


def test_a_failure_is_raised_at_its_place_and_the_map_is_over(tasks: TasksRef) -> None:
    mapped = tasks.map(half, [0, 2, 5, 8], max_concurrency=4)
    assert [next(mapped), next(mapped)] == [0, 1]
    with pytest.raises(Refused) as refused:
        next(mapped)
    assert (refused.value.reason, refused.value.number) == ("odd", 5)
    assert list(mapped) == []
    assert tasks.count_children().active == 0


def test_a_crash_is_raised_with_its_reason(tasks: TasksRef) -> None:
    with pytest.raises(CallExit) as failed:
        list(tasks.map(int, ["1", "two", "3"]))
    assert isinstance(failed.value.reason.exception, ValueError)


def test_what_comes_after_a_failure_is_not_begun(tasks: TasksRef) -> None:
    taken: list[float] = []

    def items() -> Iterator[float]:
        for number in itertools.count():
            taken.append(number)
            yield 0.05 if number == 0 else -1.0

    with pytest.raises(BaseException):  # noqa: B017, PT011 - which, is another test's
        list(tasks.map(_nap_or_fail, items(), max_concurrency=2))
    assert len(taken) == 2


def _nap_or_fail(seconds: float) -> float:
    if seconds < 0:
        raise Refused("negative")
    return nap(seconds)


def test_without_a_link_the_tasks_come_as_they_have_ended(tasks: TasksRef) -> None:
    ended = list(tasks.map_nolink(half, [4, 5, 6]))
    assert [(task.args, task.failed) for task in ended] == [
        ((4,), False),
        ((5,), True),
        ((6,), False),
    ]
    assert (ended[0].get(), ended[2].get()) == (2, 3)
    with pytest.raises(Refused):
        ended[1].get()
    assert not any(task.process.is_alive() for task in ended)


@pytest.mark.parametrize("most", [2, 4, 8])
def test_exits_are_handed_over_without_a_link(tasks: TasksRef, most: int) -> None:
    ended = tasks.map_nolink(leave, ["1", "2", "3", "4"], max_concurrency=most)
    assert [task.process.exit_reason for task in ended] == ["1", "2", "3", "4"]


class Walker(Server):
    """Walks a map."""

    def init(self, tasks: TasksRef, *, trap_exit: bool = False) -> None:
        self.trap_exit = trap_exit
        self.tasks = tasks
        self.heard: list[Any] = []

    def walk(self, function: Any, items: list[Any], how: str = "map") -> list[Any]:
        return list(getattr(self.tasks, how)(function, items))

    def handle_info(self, message: Any) -> None:
        self.heard.append(message)


def test_a_failure_ends_the_process_that_walks(tasks: TasksRef) -> None:
    walker = Walker.start(tasks)
    walker.proxy().walk.defer(leave, ["bad luck"])
    assert death_of(walker) == "bad luck"


def test_one_that_traps_exits_gets_the_failure_and_no_messages(tasks: TasksRef) -> None:
    walker = Walker.start(tasks, trap_exit=True)
    with pytest.raises(CallExit) as failed:
        walker.proxy().walk(leave, ["bad luck"]).get(timeout=SOON)
    assert failed.value.reason != "bad luck"  # It was the walker's crash, of the same.
    other = Walker.start(tasks, trap_exit=True)
    assert other.proxy().walk(abs, [1, 2, 3]).get(timeout=SOON) == [1, 2, 3]
    assert other.proxy().heard.get() == []


def test_one_that_traps_exits_hears_nothing_of_a_task_that_somebody_else_ends_either(
    tasks: TasksRef,
) -> None:
    with Mailbox(trap_exit=True) as me:
        mapped = tasks.map(lambda _: (exit(current_process(), "kill"), for_ever()), [1])
        with pytest.raises(CallExit) as failed:
            next(mapped)
        assert failed.value.reason == "killed"
        settle()
        assert me.messages() == []


def test_no_failure_reaches_a_process_that_walks_without_a_link(tasks: TasksRef) -> None:
    walker = Walker.start(tasks)
    ended = walker.proxy().walk(leave, ["bad luck"], "map_nolink").get(timeout=SOON)
    assert [task.failed for task in ended] == [True]
    assert walker.is_alive()


def test_the_end_of_the_process_that_walks_ends_what_is_at_work(tasks: TasksRef) -> None:
    walker = Walker.start(tasks)
    walker.proxy().walk.defer(for_ever, [1, 2, 3])
    eventually(lambda: tasks.count_children().active == min(3, tasks.node.cores))
    exit(walker, "gone")
    assert death_of(walker) == "gone"
    eventually(lambda: tasks.count_children().active == 0)


def test_what_the_items_raise_ends_the_map(tasks: TasksRef) -> None:
    def items() -> Iterator[int]:
        yield 1
        raise KeyError("no more")

    mapped = tasks.map(for_ever, items(), max_concurrency=2)
    with pytest.raises(KeyError):
        next(mapped)
    assert tasks.count_children().active == 0
    assert list(mapped) == []


def test_a_supervisor_without_a_place_ends_the_map(node: Node) -> None:
    few = Tasks.start(max_children=1)
    with pytest.raises(QueueFull):
        list(few.map(for_ever, [1, 2, 3], max_concurrency=2))
    assert few.count_children().active == 0


def test_g6_a_task_that_calls_the_process_that_waits_for_it_is_refused(
    tasks: TasksRef, node: Node
) -> None:
    walker = Walker.start(tasks, trap_exit=True)

    def calls_back(_item: Any) -> str:
        while walker.control.waits_for() is not here.control:
            node.sleep(0.001)
        with pytest.raises(CallCycle):
            walker.ask("anything")
        return "refused"

    assert walker.proxy().walk(calls_back, [1]).get(timeout=SOON) == ["refused"]


# Time


def test_a_task_whose_time_is_over_ends_the_map(tasks: TasksRef) -> None:
    for mapping in (tasks.map, tasks.map_nolink):
        with pytest.raises(CallTimeout) as late:
            list(mapping(for_ever, [1], timeout=0.01))
        assert late.value.timeout == 0.01
        assert tasks.count_children().active == 0


def test_a_task_whose_time_is_over_ends_alone_if_that_is_asked_for(tasks: TasksRef) -> None:
    for ordered, late in ((True, [True, False, True, False]), (False, [False, False, True, True])):
        ended = tasks.map_nolink(
            lambda item: for_ever() if item else "quick",
            [1, 0, 1, 0],
            max_concurrency=4,
            ordered=ordered,
            timeout=0.2,
            on_timeout="kill_task",
        )
        assert [task.is_late for task in ended] == late


def test_a_function_sees_how_long_it_may_take(tasks: TasksRef) -> None:
    [left] = tasks.map(lambda _: current_process().time_left(), [1], timeout=60.0)  # type: ignore[union-attr]
    assert 1.0 < left <= 60.0


def test_g6_the_deadline_of_the_caller_of_the_process_that_walks_ends_the_map(
    tasks: TasksRef,
) -> None:
    walker = Walker.start(tasks)
    with pytest.raises(CallTimeout):
        walker.proxy().walk(for_ever, [1]).get(timeout=0.02)
    assert walker.proxy().heard.get(timeout=SOON) == []
    eventually(lambda: tasks.count_children().active == 0)


@pytest.mark.parametrize("how", ["map", "map_nolink"])
def test_g6_a_task_that_is_started_after_the_deadline_of_who_asked_for_it_ends_at_once(
    tasks: TasksRef, how: str
) -> None:
    walker = Walker.start(tasks)
    sys.suspend(tasks)
    with pytest.raises(CallTimeout):
        walker.proxy().walk(for_ever, [1], how).get(timeout=0.02)
    assert walker.proxy().heard.get(timeout=SOON) == []
    sys.resume(tasks)
    eventually(lambda: tasks.count_children().active == 0)
    settle()
    assert tasks.count_children().active == 0
    assert walker.is_alive()


# The end


@pytest.mark.parametrize("how", ["map", "map_nolink"])
def test_closing_it_ends_what_is_at_work(tasks: TasksRef, how: str) -> None:
    mapped = getattr(tasks, how)(
        lambda item: for_ever() if item else "quick", [0, 1, 1, 1], max_concurrency=4
    )
    next(mapped)
    assert tasks.count_children().active == 3
    mapped.close()
    assert tasks.count_children().active == 0
    assert list(mapped) == []
    mapped.close()


def test_leaving_its_block_ends_what_is_at_work(tasks: TasksRef) -> None:
    with tasks.map(lambda item: for_ever() if item else "quick", [0, 1, 1]) as mapped:
        assert next(mapped) == "quick"
    assert tasks.count_children().active == 0


def test_letting_go_of_it_ends_what_is_at_work(tasks: TasksRef) -> None:
    for value in tasks.map(lambda item: for_ever() if item else "quick", [0, 1, 1]):
        assert value == "quick"
        break
    gc.collect()
    eventually(lambda: tasks.count_children().active == 0)


def test_closing_it_leaves_nothing_in_the_mailbox_of_who_walked(tasks: TasksRef) -> None:
    with Mailbox(trap_exit=True) as me:
        with tasks.map(lambda item: for_ever() if item else "quick", [0, 1, 1]) as mapped:
            next(mapped)
        settle()
        assert me.messages() == []
        assert me.ref.links() == []


def test_one_thread_at_a_time_may_walk_it(tasks: TasksRef) -> None:
    told: list[Any] = []

    def again(_item: Any) -> None:
        try:
            next(mapped)
        except ValueError as error:
            told.append(str(error))

    mapped = tasks.map(again, [1])
    assert next(mapped) is None
    assert told == ["somebody else waits in this map"]


# Bounds, against the comprehension


@in_simulation
@given(
    naps=st.lists(st.sampled_from([0.0, 1.0, 2.0, 5.0, 50.0, -1.0]), max_size=30),
    most=st.integers(1, 6),
    ordered=st.booleans(),
    wanted=st.integers(0, 40),
)
def test_a_map_is_a_comprehension_within_its_bounds(
    naps: list[float], most: int, ordered: bool, wanted: int
) -> None:
    with node_on("simulation"), Tasks.start() as tasks:
        scale, taken = Scale(), list[float]()

        def step(seconds: float) -> float:
            return scale(seconds) if seconds >= 0 else _nap_or_fail(seconds)

        items = (taken.append(seconds) or seconds for seconds in naps)
        got: list[Any] = []
        with tasks.map(step, items, max_concurrency=most, ordered=ordered) as mapped:
            try:
                for value in itertools.islice(mapped, wanted):
                    got.append(value)
                    # What is taken and not handed over is at work, or waits for an earlier one.
                    assert ordered or len(taken) - len(got) <= 2 * most
            except Refused as refused:
                got.append(refused.reason)
        good = [seconds for seconds in naps if seconds >= 0]
        if ordered:
            whole = list(itertools.takewhile(lambda seconds: seconds >= 0, naps))
            expected = whole if len(whole) == len(naps) else [*whole, "negative"]
            assert got == expected[:wanted]
        elif len(good) == len(naps):
            assert sorted(got) == sorted(naps) if wanted >= len(naps) else len(got) == wanted
        assert scale.most <= most
        assert tasks.count_children().active == 0
        assert not tasks.refused


@in_simulation
@given(
    naps=st.lists(st.sampled_from([1.0, 2.0, 3.0, 7.0, 20.0]), max_size=25),
    most=st.integers(1, 5),
    timeout=st.sampled_from([None, 2.5, 10.0]),
    ordered=st.booleans(),
)
def test_without_a_link_each_item_comes_once_whatever_becomes_of_it(
    naps: list[float], most: int, timeout: float | None, ordered: bool
) -> None:
    with node_on("simulation") as node, Tasks.start() as tasks:
        scale, begun = Scale(), node.clock.now()
        ended = list(
            tasks.map_nolink(
                scale,
                naps,
                max_concurrency=most,
                ordered=ordered,
                timeout=timeout,
                on_timeout="kill_task",
            )
        )
        found = [task.args[0] for task in ended]
        assert found == naps if ordered else sorted(found) == sorted(naps)
        limit = timeout if timeout is not None else 100.0
        assert all(task.is_late is (task.args[0] > limit) for task in ended)
        # As long as the work takes that `most` do side by side, each taking what comes next.
        free = [0.0] * most
        for seconds in naps:
            at = free.index(min(free))
            free[at] += min(seconds, limit)
        assert node.clock.now() - begun == pytest.approx(max(free))


def test_as_many_are_at_work_as_may_be(node: Node, tasks: TasksRef) -> None:
    scale = Scale()
    list(tasks.map(scale, [0.05] * 12, max_concurrency=3))
    assert scale.most == 3


# What is refused


@pytest.mark.parametrize(
    ("option", "value", "error"),
    [
        ("max_concurrency", 0, InvalidInput),
        ("max_concurrency", True, InvalidInput),
        ("max_concurrency", 2.0, InvalidInput),
        ("timeout", 0, InvalidInput),
        ("timeout", "soon", InvalidInput),
        ("shutdown", "soon", InvalidSpec),
        ("on_timeout", "unknown", InvalidInput),
    ],
)
def test_g20_bad_options_are_refused_at_the_call(
    tasks: TasksRef, option: str, value: Any, error: type[InvalidInput]
) -> None:
    for mapping in (tasks.map, tasks.map_nolink):
        if option == "on_timeout" and mapping == tasks.map:
            continue
        with pytest.raises(error) as refused:
            mapping(abs, [1], **{option: value})
        assert refused.value.field == option


def test_g20_what_is_no_function_or_no_items_is_refused_at_the_call(tasks: TasksRef) -> None:
    for mapping in (tasks.map, tasks.map_nolink):
        with pytest.raises(InvalidInput) as refused:
            mapping("abs", [1])
        assert refused.value.field == "function"
        with pytest.raises(TypeError):
            mapping(abs, 1)


# In an event loop


async def _collected(mapped: Any) -> list[Any]:
    return [value async for value in mapped]


def on_threads(test: Any) -> Any:
    """Run the test where there are threads: event loops are none of the simulation's."""
    return pytest.mark.schedulers("pool", "thread")(test)


@on_threads
def test_a_map_can_be_walked_in_an_event_loop(tasks: TasksRef) -> None:
    async def use() -> Any:
        values = await _collected(tasks.aio.map(nap, [0.003, 0.002, 0.001], max_concurrency=2))
        ended = await _collected(tasks.aio.map_nolink(half, [4, 5]))
        return values, [task.failed for task in ended]

    assert asyncio.run(use()) == ([0.003, 0.002, 0.001], [False, True])


@on_threads
def test_the_items_may_come_asynchronously(tasks: TasksRef) -> None:
    async def items() -> AsyncIterator[int]:
        for number in range(5):
            await asyncio.sleep(0)
            yield -number

    assert asyncio.run(_collected(tasks.aio.map(abs, items()))) == [0, 1, 2, 3, 4]


@on_threads
def test_a_failure_in_an_event_loop_is_raised_at_its_place(tasks: TasksRef) -> None:
    async def use() -> Any:
        mapped = tasks.aio.map(half, [0, 1, 2])
        got = [await anext(mapped)]
        with pytest.raises(Refused):
            await anext(mapped)
        return got, await _collected(mapped)

    assert asyncio.run(use()) == ([0], [])
    assert tasks.count_children().active == 0


@on_threads
def test_closing_it_in_an_event_loop_ends_what_is_at_work(tasks: TasksRef) -> None:
    async def use() -> None:
        function = lambda item: for_ever() if item else "quick"  # noqa: E731 - one line says it
        async with tasks.aio.map(function, itertools.count(), max_concurrency=3) as mapped:
            assert await anext(mapped) == "quick"
            assert (await tasks.aio.count_children()).active == 2
        assert (await tasks.aio.count_children()).active == 0

    asyncio.run(use())


@on_threads
def test_cancelling_who_waits_closes_the_map(tasks: TasksRef) -> None:
    async def use() -> None:
        loop, second = asyncio.get_running_loop(), asyncio.Event()

        def tell(item: int) -> Any:
            if item == 1:
                loop.call_soon_threadsafe(second.set)
            return for_ever()

        mapped = tasks.aio.map(tell, itertools.count(), max_concurrency=2)
        waiting = asyncio.ensure_future(anext(mapped))
        await second.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await _collected(mapped) == []

    asyncio.run(use())
    eventually(lambda: tasks.count_children().active == 0)


@pytest.mark.schedulers("pool")  # It warns once.
def test_the_blocking_form_in_an_event_loop_warns_and_names_its_twin(tasks: TasksRef) -> None:
    async def use() -> Any:
        with pytest.warns(match=r"await tasks\.aio\.map\(") as warned:
            values = list(tasks.map(abs, [-1]))
        assert len(warned) == 1
        return values

    assert asyncio.run(use()) == [1]


@on_threads
def test_a_function_that_no_signal_reaches_is_given_up_when_the_map_is_closed(
    tasks: TasksRef, node: Node
) -> None:
    door = threading.Event()
    try:
        with tasks.map(lambda item: door.wait(SOON) if item else "quick", [0, 1]) as mapped:
            next(mapped)
        assert len(node.given_up) == 1
        assert tasks.count_children().active == 0
    finally:
        door.set()
    eventually(lambda: not node.given_up)


def test_spawned_functions_may_walk_maps(tasks: TasksRef) -> None:
    with Mailbox() as me:
        spawn(lambda: me.ref.tell(sum(tasks.map(abs, range(5)))))
        assert me.receive(timeout=SOON) == 10
