"""The loop thread."""

import asyncio
import sys
import threading
from concurrent.futures import CancelledError

import pytest

from beam.errors import LoopStopped
from beam.ports import Leftovers, LoopThread
from beam.ports.loop import PARTING

HANG_S = 30.0


def test_a_coroutine_runs_on_the_loop_thread(loop: LoopThread) -> None:
    async def work() -> tuple[str, bool]:
        return threading.current_thread().name, loop.on_thread()

    assert loop.submit(work()).result(HANG_S) == ("beam-loop", True)
    assert not loop.on_thread()


def test_a_failure_reaches_the_future(loop: LoopThread) -> None:
    async def work() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        loop.submit(work()).result(HANG_S)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_a_task_that_wants_to_end_the_program_ends_itself_alone(
    loop: LoopThread, error: BaseException
) -> None:
    async def leave() -> None:
        raise error

    async def stay() -> str:
        await left.wait()
        return "still here"

    left = asyncio.Event()
    other = loop.submit(stay())
    with pytest.raises(type(error)):
        loop.submit(leave()).result(HANG_S)
    loop.call(left.set)
    assert other.result(HANG_S) == "still here"


def test_cancelling_the_future_cancels_the_task(loop: LoopThread) -> None:
    begun, cancelled = threading.Event(), threading.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    future = loop.submit(work())
    assert begun.wait(HANG_S)
    future.cancel()
    assert cancelled.wait(HANG_S)


def test_stop_cancels_what_runs_names_it_and_frees_who_waits() -> None:
    loop = LoopThread()
    loop.start()

    async def waits() -> None:
        await asyncio.Event().wait()

    futures = [loop.submit(waits(), name="second"), loop.submit(waits(), name="first")]
    assert loop.stop() == Leftovers(cancelled=("first", "second"))
    for future in futures:
        with pytest.raises(CancelledError):
            future.result(HANG_S)


def test_stop_lets_what_closes_something_end_by_itself() -> None:
    loop = LoopThread()
    loop.start()
    closed = threading.Event()
    begun = threading.Event()

    async def close() -> None:
        begun.set()
        for _ in range(100):
            await asyncio.sleep(0)
        closed.set()

    async def work() -> None:
        await asyncio.Event().wait()

    loop.submit(work(), name="work")
    loop.submit(close(), name=PARTING)
    assert begun.wait(HANG_S)
    assert loop.stop() == Leftovers(cancelled=("work",))
    assert closed.is_set()


def test_stop_cancels_what_closes_something_and_does_not_end() -> None:
    loop = LoopThread()
    loop.start()

    async def close() -> None:
        await asyncio.Event().wait()

    loop.submit(close(), name=PARTING)
    assert loop.stop(timeout=0.2) == Leftovers(cancelled=(PARTING,))


def test_stop_again_says_the_same() -> None:
    loop = LoopThread()
    loop.start()

    async def waits() -> None:
        await asyncio.Event().wait()

    loop.submit(waits(), name="one")
    assert loop.stop() == loop.stop() == Leftovers(cancelled=("one",))


def test_a_task_that_goes_on_after_its_cancellation_is_named() -> None:
    loop = LoopThread()
    loop.start()
    begun = threading.Event()
    tasks: list[asyncio.Task[None]] = []

    async def stubborn() -> None:
        task = asyncio.current_task()
        assert task
        tasks.append(task)
        begun.set()
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue
            except GeneratorExit:
                return

    future = loop.submit(stubborn(), name="stubborn")
    assert begun.wait(HANG_S)
    assert loop.stop(timeout=0.1) == Leftovers(stuck=("stubborn",))
    with pytest.raises(CancelledError):
        future.result(HANG_S)
    # It can never end now, and asyncio would say so when the interpreter exits.
    tasks[0]._log_destroy_pending = False  # type: ignore[attr-defined]  # asyncio's own switch


def test_a_blocked_loop_is_given_up_and_who_waits_is_freed() -> None:
    loop = LoopThread("blocked")
    loop.start()
    begun, release = threading.Event(), threading.Event()

    async def blocks() -> None:
        begun.set()
        release.wait(HANG_S)

    future = loop.submit(blocks())
    assert begun.wait(HANG_S)
    assert loop.stop(timeout=0.0) == Leftovers(stuck=("blocked",))
    with pytest.raises(CancelledError):
        future.result(HANG_S)
    release.set()
    assert loop.stop() is not None


@pytest.mark.parametrize("started", [False, True])
def test_a_loop_that_does_not_run_refuses_work(started: bool) -> None:
    loop = LoopThread()
    if started:
        loop.start()
        loop.stop()

    async def work() -> None: ...

    with pytest.raises(LoopStopped):
        loop.submit(work())
    with pytest.raises(LoopStopped):
        loop.call(print)


def test_stop_on_the_loop_thread_is_refused(loop: LoopThread) -> None:
    async def work() -> None:
        loop.stop()

    with pytest.raises(LoopStopped):
        loop.submit(work()).result(HANG_S)


def test_asyncio_subprocesses_work_on_it(loop: LoopThread) -> None:
    async def work() -> int:
        command = [sys.executable, "-I", "-S", "-c", "raise SystemExit(7)"]
        process = await asyncio.create_subprocess_exec(*command)
        return await process.wait()

    assert loop.submit(work()).result(HANG_S) == 7
