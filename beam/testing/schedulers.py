"""Nodes by the name of their scheduler: one test runs unchanged on each."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from beam.errors import InvalidInput
from beam.otp import Node
from beam.otp.clock import SystemClock, generator
from beam.otp.simulated import Simulated
from beam.otp.threads import Threads
from beam.otp.virtual_time import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SCHEDULERS", "SchedulerName", "node_on"]

SchedulerName: TypeAlias = Literal["pool", "thread", "simulation"]

SCHEDULERS: tuple[SchedulerName, ...] = ("pool", "thread", "simulation")
"""The names of the schedulers."""

# So that no two nodes of a program, and none of their threads, have the same name.
_numbers = itertools.count(1)


@contextlib.contextmanager
def node_on(scheduler: SchedulerName, seed: int = 0, **options: Any) -> Iterator[Node]:
    """Make a node with this scheduler the current one for the block; stop it at the end.

    Args:
        scheduler: `"pool"`, many processes on few threads; `"thread"`, each process on a thread
            of its own; `"simulation"`, one at a time, on virtual time.
        seed: of the node's randomness and, in a simulation, of who is next.
        options: other options of the `Node`: its alarms, say.

    Raises:
        InvalidInput: if there is no scheduler of that name.
    """
    if scheduler not in SCHEDULERS:
        raise InvalidInput("scheduler", scheduler, f"one of {', '.join(SCHEDULERS)}")
    with _NODES[scheduler](seed, options) as node:
        yield node


def _on_pool(seed: int, options: dict[str, Any]) -> Node:
    return Node(f"pool{next(_numbers)}", clock=SystemClock(seed), **options)


def _on_threads(seed: int, options: dict[str, Any]) -> Node:
    clock, name = SystemClock(seed), f"thread{next(_numbers)}"
    return Node(name, clock=clock, scheduler=Threads(clock, name), **options)


def _in_simulation(seed: int, options: dict[str, Any]) -> Node:
    clock = VirtualClock(seed)
    scheduler = Simulated(clock, generator(seed).randrange)
    return Node("simulation", clock=clock, scheduler=scheduler, **options)


_NODES = {"pool": _on_pool, "thread": _on_threads, "simulation": _in_simulation}
