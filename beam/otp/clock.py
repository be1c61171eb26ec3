"""Where time and randomness come from: the one door of `beam.otp` to both (G18).

A node has one `Clock`. The system's reads the machine; the simulation's is virtual and seeded.

    >>> clock = SystemClock(seed=7)
    >>> clock.now() <= clock.now()
    True
    >>> clock.random.random() == SystemClock(seed=7).random.random()
    True
"""

from __future__ import annotations

import math
import os
import random
import time
from typing import Protocol

from beam.errors import InvalidInput

__all__ = [
    "Clock",
    "SystemClock",
    "cores_of",
    "deadline_after",
    "generator",
    "let_others_run",
    "seconds_until",
]

# What a node on a clock that is not the machine's has for cores: the same history everywhere (G18).
VIRTUAL_CORES = 4


class Clock(Protocol):
    """What a node asks for the time and for chance."""

    random: random.Random

    def now(self) -> float:
        """Return seconds that never go backwards, from an unspecified start."""
        ...

    def time(self) -> float:
        """Return seconds since the Unix epoch; may jump."""
        ...


def generator(seed: int | None) -> random.Random:
    """Return a generator of random numbers; `None` takes them from the system's entropy."""
    return random.SystemRandom() if seed is None else random.Random(seed)


class SystemClock:
    """The machine's clock, and a generator of its own.

    Args:
        seed: seeds the generator; `None` takes every number from the operating system's entropy,
            so that nobody can guess an identifier made of them.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.random = generator(seed)
        # The bound built-ins, so that a reading costs no Python frame: 40 ns against 110.
        self.now = time.monotonic
        self.time = time.time


def let_others_run() -> None:
    """Give the interpreter to another thread, if one wants it; takes no time of any clock's."""
    time.sleep(0)


def cores_of(clock: Clock) -> int:
    """Return how many things may run at once where `clock` rules: 4 on any but the machine's."""
    if not isinstance(clock, SystemClock):
        return VIRTUAL_CORES
    # Those that this Python process may use; not every system says.
    usable = getattr(os, "sched_getaffinity", None)
    return len(usable(0)) if usable is not None else os.cpu_count() or 1


def deadline_after(clock: Clock, timeout: float | None) -> float | None:
    """Return when `timeout` seconds will be over on `clock`; `None` for `None`, which is never.

    Raises:
        InvalidInput: if it is no number. (One below 0 is over, as Pykka has it.)
    """
    if timeout is None:
        return None
    try:
        deadline = clock.now() + timeout
    except TypeError:
        deadline = math.nan
    if deadline != deadline:  # noqa: PLR0124 - NaN
        raise InvalidInput("timeout", timeout, "a number of seconds, or None")
    return deadline


def seconds_until(clock: Clock, deadline: float | None) -> float | None:
    """Return the seconds that are left until `deadline` on `clock`, 0.0 or more.

    `None` for one that never comes: `None`, or infinity.
    """
    if deadline is None or deadline == math.inf:
        return None
    return max(0.0, deadline - clock.now())
