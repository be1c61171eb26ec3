"""Runs a client library that blocks on the loop's own thread, without blocking it.

    import asyncio

    def blocking(loop):
        answer = loop.create_future()
        loop.call_soon(answer.set_result, 41)
        return wait(answer) + 1

    asyncio.run(...)                      # inside: await in_fiber(blocking, loop) gives 42

A function runs in a fiber (a greenlet) of its own. Where it waits for a future, the fiber gives
way to the loop, and goes on when the future is settled. So there is no thread that could be left
behind, and a task that is cancelled ends the function as well, by `CancelledError` where it waits.
The function must block nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from greenlet import getcurrent, greenlet

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

__all__ = ["in_fiber", "wait"]

P = ParamSpec("P")
T = TypeVar("T")


async def in_fiber(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function that may `wait`, and return what it returns.

    Raises:
        Exception: what it raises; `CancelledError` if the task is cancelled while it waits.
    """
    fiber = greenlet(function)
    outcome: Any = fiber.switch(*args, **kwargs)
    while not fiber.dead:
        try:
            value = await outcome
        except BaseException as error:  # noqa: BLE001 - it is the function's to deal with
            outcome = fiber.throw(error)
        else:
            outcome = fiber.switch(value)
    result: T = outcome
    return result


def wait(future: asyncio.Future[T]) -> T:
    """Wait for a future, inside of a function that was called with `in_fiber`.

    Raises:
        Exception: what the future was given in a result's place.
    """
    parent = getcurrent().parent
    assert parent is not None, "only inside of in_fiber"
    value: T = parent.switch(future)
    return value
