"""What every program needs that measures: a line for each figure, rates, memory.

Programs of all peers import it, each in an environment of its own: standard library only.
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

# Seconds that a measured run lasts at least; shorter ones before it warm up.
LEAST = 0.4

now = time.perf_counter


def say(figure: str, value: float) -> None:
    """Print one figure; `run.py` reads it."""
    print(json.dumps({"figure": figure, "value": value}), flush=True)


def skip(why: str) -> None:
    """Say why there is no figure."""
    print(json.dumps({"skip": why}), flush=True)


async def rate(op: Callable[[int], Awaitable[object]], start: int = 100) -> float:
    """Return how many operations a second `op(n)` does, for an `n` that takes long enough."""
    n = start
    while True:
        began = now()
        await op(n)
        took = now() - began
        if took >= LEAST:
            return n / took
        n = int(n * min(10.0, max(1.5, 1.2 * LEAST / max(took, 1e-9))))


def percentile(values: list[float], part: float) -> float:
    """Return the value below which `part` of them lie."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def resident() -> int:
    """Return the bytes of memory that this process holds."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def drive(work: Coroutine[Any, Any, object]) -> None:
    """Run a coroutine that waits for nothing: the workloads of a peer that blocks."""
    try:
        work.send(None)
    except StopIteration:
        return
    raise RuntimeError("a peer that blocks has awaited something")


def leave() -> None:
    """End at once: thousands of idle threads are not worth waiting for."""
    os._exit(0)
