"""Nodes by the name of their scheduler: one test runs unchanged on each."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, Literal, TypeAlias

from beam.errors import InvalidInput
from beam.otp import Node
from beam.otp.clock import SystemClock
from beam.otp.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SCHEDULERS", "SchedulerName", "node_on"]

SchedulerName: TypeAlias = Literal["pool", "thread"]

SCHEDULERS: tuple[SchedulerName, ...] = ("pool", "thread")
"""The names of the schedulers."""

# So that no two nodes of a program, and none of their threads, have the same name.
_numbers = itertools.count(1)


@contextlib.contextmanager
def node_on(scheduler: SchedulerName, seed: int = 0) -> Iterator[Node]:
    """Make a node with this scheduler the current one for the block; stop it at the end.

    Args:
        scheduler: `"pool"`, many processes on few threads; `"thread"`, each process on a thread
            of its own; `"simulation"`, one at a time, on virtual time.
        seed: of the node's randomness.

    Raises:
        InvalidInput: if there is no scheduler of that name.
    """
    if scheduler not in SCHEDULERS:
        raise InvalidInput("scheduler", scheduler, f"one of {', '.join(SCHEDULERS)}")
    clock, name = SystemClock(seed), f"{scheduler}{next(_numbers)}"
    threads = Threads(clock, name) if scheduler == "thread" else None
    with Node(name, clock=clock, scheduler=threads) as node:
        yield node
