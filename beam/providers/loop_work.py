"""Work on an event loop that several conversations share: no failure of it reaches the loop (G8).

>>> import asyncio
>>> async def leave():
...     raise SystemExit(3)
>>> asyncio.run(held(leave()))
Traceback (most recent call last):
RuntimeError: SystemExit: 3
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

__all__ = ["given_up", "held"]

T = TypeVar("T")


async def held(work: Awaitable[T]) -> T:
    """Return what `work` returns.

    Raises:
        RuntimeError: it wanted to end the program: on its way through a task of a loop that would
            end the loop. What else it raises goes its way.
    """
    try:
        return await work
    except (SystemExit, KeyboardInterrupt) as error:
        raise RuntimeError(f"{type(error).__name__}: {error}") from error


def given_up() -> bool:
    """Say whether the task was cancelled, also if somebody in it would not hear of it.

    What it came to then belongs to a request that is over.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
