"""A blocking function on the loop's own thread (`fiber`)."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from beam.backends.fiber import in_fiber, wait


def answered_later(value: Any) -> asyncio.Future[Any]:
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_soon(future.set_result, value)
    return future


def test_a_function_waits_as_often_as_it_likes_without_a_thread() -> None:
    def twice(first: int) -> tuple[int, int, int]:
        return wait(answered_later(first)), wait(answered_later(2)), threading.get_ident()

    async def main() -> None:
        assert await in_fiber(twice, 1) == (1, 2, threading.get_ident())

    asyncio.run(main())


def test_the_loop_goes_on_while_functions_wait() -> None:
    order: list[str] = []

    def waits(name: str, until: asyncio.Future[None]) -> None:
        order.append(f"{name} waits")
        wait(until)
        order.append(f"{name} goes on")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        first, second = loop.create_future(), loop.create_future()
        tasks = [
            asyncio.create_task(in_fiber(waits, "one", first)),
            asyncio.create_task(in_fiber(waits, "two", second)),
        ]
        await asyncio.sleep(0)
        second.set_result(None)
        await tasks[1]
        first.set_result(None)
        await tasks[0]

    asyncio.run(main())
    assert order == ["one waits", "two waits", "two goes on", "one goes on"]


def test_a_future_that_fails_raises_where_it_is_waited_for() -> None:
    def careful(future: asyncio.Future[None]) -> str:
        try:
            wait(future)
        except ValueError as error:
            return f"caught {error}"
        return "nothing"

    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        future.set_exception(ValueError("it"))
        assert await in_fiber(careful, future) == "caught it"

    asyncio.run(main())


def test_what_the_function_raises_is_raised() -> None:
    def breaks() -> None:
        raise LookupError("it")

    async def main() -> None:
        with pytest.raises(LookupError, match="it"):
            await in_fiber(breaks)

    asyncio.run(main())


def test_a_task_that_is_cancelled_ends_the_function() -> None:
    ended: list[str] = []

    def waits() -> None:
        try:
            wait(asyncio.get_running_loop().create_future())
        finally:
            ended.append("ended")

    async def main() -> None:
        task = asyncio.create_task(in_fiber(waits))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert ended == ["ended"]
