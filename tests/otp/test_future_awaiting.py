"""Futures: awaiting never blocks the loop, and a cancelled task abandons the call."""

from __future__ import annotations

import asyncio
import threading
import warnings
from typing import Any

import pykka
import pytest

from beam.errors import CallExit, CallTimeout, Refused
from beam.otp import Future, Server, context
from tests.otp.actors import SOON, Echo, Gate, eventually, hold_up

pytestmark = [
    pytest.mark.usefixtures("node"),
    pytest.mark.schedulers("pool", "thread"),  # An event loop waits for what is real.
]


async def awaited(future: Any) -> Any:
    return await future


async def awaited_while_the_loop_turns(future: Any, arrive: Any) -> Any:
    """Await; the loop must turn often meanwhile, as only then does the value arrive."""

    async def turn() -> None:
        for _ in range(50):
            await asyncio.sleep(0)
        threading.Thread(target=arrive).start()

    turning = asyncio.create_task(turn())
    value = await future
    await turning
    return value


def test_a_future_can_be_awaited_before_and_after() -> None:
    process = Echo.start()
    assert asyncio.run(awaited(process.ask("hello", block=False))) == "hello"
    future: Future[int] = Future()
    future.set(3)
    assert asyncio.run(awaited(future)) == 3
    assert asyncio.run(awaited(future)) == 3


@pytest.mark.parametrize(
    "derive",
    [
        lambda future: future,
        lambda future: future.map(lambda value: value),
        lambda future: (
            future.map(lambda value: [value]).reduce(lambda a, b: a, None).map(lambda _none: "late")
        ),
        lambda future: future.join(future).map(lambda pair: pair[0]),
        lambda future: future.map(list).filter(bool).map("".join),
    ],
    ids=["itself", "map", "reduce", "join", "filter"],
)
def test_awaiting_never_blocks_the_loop(derive: Any) -> None:
    future: Future[str] = Future()

    waiting = awaited_while_the_loop_turns(derive(future), lambda: future.set("late"))
    assert asyncio.run(waiting) == "late"


def test_awaiting_a_future_of_pykkas_in_a_join_does_not_block_the_loop() -> None:
    theirs: pykka.ThreadingFuture[str] = pykka.ThreadingFuture()
    ours: Future[str] = Future()
    ours.set("ours")

    waiting = awaited_while_the_loop_turns(ours.join(theirs), lambda: theirs.set("theirs"))
    assert asyncio.run(waiting) == ["ours", "theirs"]


def test_awaiting_a_get_hook_does_not_block_the_loop() -> None:
    gate = threading.Event()
    future: Future[str] = Future()

    def hook(_timeout: float | None) -> str:
        assert gate.wait(SOON)
        return "made"

    future.set_get_hook(hook)

    assert asyncio.run(awaited_while_the_loop_turns(future, gate.set)) == "made"


def test_awaiting_raises_what_get_would() -> None:
    process = Echo.start()

    async def main() -> None:
        with pytest.raises(CallTimeout):
            await process.ask("never", block=False, timeout=0.01)
        with pytest.raises(Refused):
            await process.ask(("do", refuse), block=False)
        with pytest.raises(CallExit) as caught:
            await process.ask(("exit", "gone"), block=False)
        assert caught.value.reason == "gone"

    asyncio.run(main())


def refuse() -> None:
    raise Refused("no")


def test_cancelling_the_task_abandons_the_call_and_not_the_work() -> None:
    process = Echo.start()
    gate = Gate()
    done: list[str] = []

    def work() -> str:
        gate()
        done.append("done")
        return "answer"

    async def main() -> Future[Any]:
        call = process.ask(("do", work), block=False, timeout=None)
        task = asyncio.ensure_future(awaited(call))
        await asyncio.to_thread(gate.reached)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gate.open()
        return call

    call = asyncio.run(main())
    assert call.get(timeout=SOON) == "answer"
    assert done == ["done"]
    assert not call.waiters


def test_many_may_await_and_get_the_same_future() -> None:
    future: Future[str] = Future()

    async def main() -> list[Any]:
        tasks = [asyncio.create_task(awaited(future)) for _ in range(10)]
        tasks += [asyncio.create_task(asyncio.to_thread(future.get)) for _ in range(3)]
        await asyncio.to_thread(eventually, lambda: len(future.waiters or ()) == 13)
        future.set("all")
        return await asyncio.gather(*tasks)

    assert asyncio.run(main()) == ["all"] * 13


def open_once_waited_for(gate: Gate, call: Any) -> None:
    eventually(lambda: call.waiters)
    gate.open()


def test_a_get_on_a_running_loop_warns_once_and_names_the_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(context, "_warned", set())
    process = Echo.start()

    async def main() -> list[Any]:
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            for at in range(2):
                gate = hold_up(process)
                call = process.ask(at, block=False)
                threading.Thread(target=open_once_waited_for, args=(gate, call)).start()
                assert call.get(timeout=SOON) == at
        return seen

    (warning,) = asyncio.run(main())
    assert warning.category is context.BlockingCallWarning
    assert "Future.get()" in str(warning.message)
    assert "await" in str(warning.message)
    assert warning.filename == __file__


def test_a_future_that_is_awaited_within_a_process_gives_up_at_the_calls_deadline() -> None:
    silent = Echo.start()

    class Awaits(Server):
        blocking = True

        def handle_call(self, message: Any, caller: Any) -> Any:
            async def main() -> Any:
                return await silent.ask("never", block=False, timeout=0.01)

            with pytest.raises(CallTimeout):
                asyncio.run(main())
            return "lives"

    assert Awaits.start().ask("go") == "lives"
