"""The time and the chance that the agent loop and its providers go by (G18).

    >>> import asyncio
    >>> pace = Pace(SystemClock(seed=7))
    >>> asyncio.run(within(pace, 5.0, asyncio.sleep(0, "in time")))
    'in time'

All of it comes from one clock, so that tests put a virtual one in its place: nothing else in a
provider, or in the loop, waits for a time, reads one or draws a number.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from beam.otp.clock import Clock, SystemClock

__all__ = ["Late", "Pace", "within"]

T = TypeVar("T")


class Late(TimeoutError):
    """What `within` has waited for was not done in time."""


class Pace:
    """A clock, for coroutines.

    Args:
        clock: where the time and the chance come from; the machine's if None.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or SystemClock()
        self.random = self.clock.random

    def now(self) -> float:
        """Return seconds that never go backwards."""
        return self.clock.now()

    def time(self) -> float:
        """Return seconds since the Unix epoch."""
        return self.clock.time()

    async def sleep(self, seconds: float) -> None:
        """Wait; cancelling the task ends the wait."""
        await asyncio.sleep(seconds)

    def new_id(self, prefix: str, digits: int = 16) -> str:
        """Return the prefix and so many hexadecimal digits by chance."""
        return f"{prefix}{self.random.getrandbits(4 * digits):0{digits}x}"


async def within(pace: Pace, seconds: float | None, work: Awaitable[T]) -> T:
    """Return what `work` returns, if that takes no longer than `seconds`.

    Args:
        pace: the time that counts.
        seconds: how long it may take; None for ever.
        work: a coroutine, or a future; cancelled if it is late, or if the caller is.

    Raises:
        Late: it was late. What it raises itself goes its way.
    """
    task: asyncio.Future[T] = asyncio.ensure_future(work)
    if seconds is None:
        return await task
    timer = asyncio.ensure_future(pace.sleep(seconds))
    try:
        await asyncio.wait((task, timer), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise Late(f"not done within {seconds} s")
    finally:
        timer.cancel()
        if not task.done():
            task.cancel()
