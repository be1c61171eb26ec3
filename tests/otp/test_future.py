"""Futures: Pykka's surface, waiting, and what is derived from them."""

from __future__ import annotations

import asyncio
import gc
import math
import queue
import threading
import time
from typing import Any

import pykka
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.errors import CallTimeout, DeadlineExpired, InvalidInput
from beam.otp import Future, Mailbox, Node, current_node, exit, noreply
from tests.otp.actors import SOON, Echo, at_once, eventually, hold_up
from tests.volume import scaled

pytestmark = pytest.mark.usefixtures("node")

values = st.one_of(st.integers(), st.text(max_size=3), st.none())


async def awaited(future: Any) -> Any:
    return await future


def test_a_future_is_pykkas() -> None:
    assert issubclass(Future, pykka.Future)
    assert isinstance(Echo.start().ask("hello", block=False), pykka.Future)


def test_get_returns_what_was_set() -> None:
    future: Future[int] = Future()
    assert not future.done
    future.set(7)
    assert future.done
    assert (future.get(), future.get(timeout=0)) == (7, 7)


def test_none_is_a_value() -> None:
    future: Future[None] = Future()
    future.set()
    assert future.get() is None


def test_it_is_set_once() -> None:
    future: Future[int] = Future()
    future.set(1)
    error = (ValueError, ValueError("no"), None)
    for again in (
        lambda: future.set(2),
        lambda: future.set_exception(error),
        lambda: future.set_get_hook(print),
    ):
        with pytest.raises(queue.Full):
            again()
    assert future.get() == 1


def test_an_exception_is_raised_by_get() -> None:
    future: Future[int] = Future()
    error = ValueError("no")
    future.set_exception((ValueError, error, None))
    with pytest.raises(ValueError, match="no") as caught:
        future.get()
    assert caught.value is error


def test_the_exception_being_handled_is_the_one_that_is_set() -> None:
    future: Future[int] = Future()
    try:
        raise KeyError("k")
    except KeyError:
        future.set_exception()
    with pytest.raises(KeyError) as caught:
        future.get()
    assert any(
        entry.name == test_the_exception_being_handled_is_the_one_that_is_set.__name__
        for entry in caught.traceback
    )


def test_an_exception_class_alone_will_do_and_nothing_will_not() -> None:
    future: Future[int] = Future()
    future.set_exception((KeyError, None, None))
    with pytest.raises(KeyError):
        future.get()
    with pytest.raises(TypeError, match="exc_info"):
        Future[int]().set_exception()


def test_a_get_hook_produces_the_value_once() -> None:
    asked: list[Any] = []
    future: Future[str] = Future()

    def hook(timeout: float | None) -> str:
        asked.append(timeout)
        return "made"

    future.set_get_hook(hook)
    with pytest.raises(queue.Full):
        future.set("other")
    assert future.get(timeout=2.0) == "made"
    assert future.get() == "made"
    assert asked == [2.0]


def test_a_get_hook_that_runs_out_of_time_is_asked_again() -> None:
    outcomes = [pykka.Timeout("not yet"), "made"]
    future: Future[str] = Future()

    def hook(_timeout: float | None) -> Any:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    future.set_get_hook(hook)
    with pytest.raises(pykka.Timeout):
        future.get()
    assert future.get() == "made"


def test_get_waits_until_the_value_comes() -> None:
    future: Future[str] = Future()
    node = current_node()
    Echo.start().cast(("do", lambda: (node.sleep(0.02), future.set("late"))))
    assert future.get(timeout=SOON) == "late"


@pytest.mark.parametrize("timeout", [0, 0.01, -1.0])
def test_get_gives_up_at_its_timeout(timeout: float) -> None:
    future: Future[str] = Future()
    with pytest.raises(CallTimeout) as caught:
        future.get(timeout=timeout)
    assert isinstance(caught.value, pykka.Timeout)
    assert (caught.value.process, caught.value.timeout) == (None, timeout)
    future.set("late")
    assert future.get(timeout=timeout) == "late"


def test_a_timeout_that_is_none_is_refused() -> None:
    for timeout in ("1", math.nan):
        with pytest.raises(InvalidInput, match="timeout"):
            Future[str]().get(timeout=timeout)  # type: ignore[arg-type]


def test_pykkas_get_all_collects_them() -> None:
    process = Echo.start()
    calls = [process.ask(at, block=False) for at in range(5)]
    assert pykka.get_all(calls, timeout=SOON) == [0, 1, 2, 3, 4]


def test_a_futures_repr_says_what_it_is() -> None:
    future: Future[int] = Future()
    assert repr(future) == "<Future: pending>"
    future.set(1)
    assert repr(future) == "<Future: 1>"


def test_derived_futures_compute_from_the_value() -> None:
    future: Future[Any] = Future()
    doubled = future.map(lambda n: n * 2)
    future.set(21)
    assert doubled.get() == 42
    numbers: Future[Any] = Future()
    numbers.set(range(5, 15))
    assert numbers.filter(lambda n: n > 10).get() == [11, 12, 13, 14]
    assert numbers.reduce(lambda a, b: a + b).get() == sum(range(5, 15))
    assert numbers.reduce(lambda a, b: a + b, 100).get() == 100 + sum(range(5, 15))
    assert future.join(numbers, doubled).get() == [21, range(5, 15), 42]


def test_derived_futures_can_be_derived_from() -> None:
    process = Echo.start()
    calls = [process.ask(at, block=False) for at in range(4)]
    total = calls[0].join(*calls[1:]).map(list).reduce(lambda a, b: a + b).map(str)
    assert total.get(timeout=SOON) == "6"


def test_a_derived_future_is_computed_once() -> None:
    future: Future[int] = Future()
    computed: list[int] = []
    derived = future.map(computed.append)
    future.set(1)
    derived.get()
    derived.get()
    assert computed == [1]


def test_a_derived_future_cannot_be_set() -> None:
    derived = Future[int]().map(str)
    with pytest.raises(queue.Full):
        derived.set("other")


def test_what_a_derivation_raises_is_raised_by_get() -> None:
    future: Future[int] = Future()
    derived = future.map(lambda n: 1 / n)
    future.set(0)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            derived.get()


def test_the_timeout_of_a_join_bounds_all_of_it() -> None:
    first, second = Future[int](), Future[int]()
    joined = first.join(second)
    begun = time.monotonic()
    with pytest.raises(CallTimeout):
        joined.get(timeout=0.02)
    assert time.monotonic() - begun < SOON
    first.set(1)
    second.set(2)
    assert joined.get(timeout=0) == [1, 2]


def test_a_join_may_hold_futures_of_pykkas_own() -> None:
    theirs: pykka.ThreadingFuture[int] = pykka.ThreadingFuture()
    ours: Future[int] = Future()
    theirs.set(1)
    ours.set(2)
    assert ours.join(theirs).get(timeout=SOON) == [2, 1]
    assert asyncio.run(awaited(ours.join(theirs))) == [2, 1]


@pytest.mark.schedulers("pool")
@pytest.mark.usefixtures("fine_switching")
def test_of_threads_that_race_to_settle_one_wins_and_everybody_hears_the_same() -> None:
    for _ in range(scaled(10_000)):
        future: Future[int] = Future()

        def settle(value: int, future: Future[int] = future) -> Any:
            def settling() -> bool:
                return future.settle(value)

            return settling

        def get(future: Future[int] = future) -> int:
            return future.get(timeout=SOON)

        *won, one, other = at_once(settle(0), settle(1), settle(2), get, get)
        assert sum(won) == 1
        assert one == other == won.index(True)


@pytest.mark.schedulers("pool")
@pytest.mark.usefixtures("fine_switching")
def test_no_waiter_is_forgotten_when_the_value_comes_as_it_begins_to_wait() -> None:
    loop_count = scaled(4_000)

    async def main() -> None:
        for at in range(loop_count):
            future: Future[int] = Future()
            setter = threading.Thread(target=future.set, args=(at,))
            setter.start()
            assert await asyncio.wait_for(future, SOON) == at
            setter.join()

    asyncio.run(main())
    for at in range(loop_count):
        future: Future[int] = Future()
        setter = threading.Thread(target=future.set, args=(at,))
        setter.start()
        assert future.get(timeout=SOON) == at
        setter.join()


def test_a_future_that_nobody_waits_for_holds_no_lock_and_no_waiter() -> None:
    process = Echo.start()
    call = process.ask("hello", block=False)
    eventually(lambda: call.done)
    assert not call.waiters
    assert not [each for each in gc.get_referents(call) if isinstance(each, type(threading.Lock()))]


@pytest.mark.schedulers("pool")  # There is no process here.
@given(
    st.lists(values, min_size=1, max_size=4),
    st.lists(st.sampled_from(["map", "join", "list"]), max_size=4),
)
def test_derived_futures_are_what_pykkas_would_be(items: list[Any], steps: list[str]) -> None:
    def derive(future: Any, others: list[Any]) -> Any:
        for step in steps:
            match step:
                case "map":
                    future = future.map(lambda value: (value,))
                case "join":
                    future = future.join(*others)
                case "list":
                    future = future.map(lambda value: [value]).filter(lambda value: value)
        return future

    def settled(kind: Any) -> list[Any]:
        futures = [kind() for _ in items]
        for future, item in zip(futures, items, strict=True):
            future.set(item)
        return futures

    ours, theirs = settled(Future), settled(pykka.ThreadingFuture)
    expected = derive(theirs[0], theirs[1:]).get(timeout=SOON)
    assert derive(ours[0], ours[1:]).get(timeout=SOON) == expected
    assert asyncio.run(awaited(derive(ours[0], ours[1:]))) == expected


def test_a_mailbox_thread_waits_as_a_process_does() -> None:
    with Mailbox() as me:
        process = Echo.start()
        call = process.ask("never", block=False, timeout=None)
        killer = Echo.start()
        killer.cast(("do", lambda: exit(me.ref, "enough")))
        with pytest.raises(BaseException, match="enough"):
            call.get(timeout=SOON)


@pytest.mark.schedulers("pool", "thread")  # A simulation is of one node.
def test_a_future_may_be_waited_for_from_another_node() -> None:
    process = Echo.start()
    with Node():
        other = Echo.start()
        assert other.ask(("call", process, "across")) == "across"
        gate = hold_up(process)
        call = process.ask("later", block=False)
        waiting = other.ask(("do", lambda: call.get(timeout=SOON)), block=False, timeout=None)
        gate.open()
        assert waiting.get(timeout=SOON) == "later"


def test_expiry_and_inheritance_are_told_apart() -> None:
    assert issubclass(DeadlineExpired, CallTimeout)
    assert noreply is not None
