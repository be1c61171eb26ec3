"""What is real, and must not be touched in a simulation: threads, sockets, the machine's clock.

While a simulation runs, its processes get `NotSimulated` from them; everybody else gets what they
always get: the test itself, other threads, and the log, which puts the time of day on its lines.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

# Not by the first report, which may be that of a simulated process: an import reads the clock.
import structlog  # noqa: F401

from beam.errors import NotSimulated
from beam.otp.context import here

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from beam.otp import Node

__all__ = ["unreal"]

# Each: where it stands, its name there, what to use instead.
_DOORS: tuple[tuple[Any, str, str], ...] = (
    (time, "monotonic", "self.node.clock.now()"),
    (time, "monotonic_ns", "self.node.clock.now()"),
    (time, "perf_counter", "self.node.clock.now()"),
    (time, "perf_counter_ns", "self.node.clock.now()"),
    (time, "sleep", "self.sleep(seconds)"),
    (time, "time", "self.node.clock.time()"),
    (time, "time_ns", "self.node.clock.time()"),
    (threading.Thread, "start", "spawn(function)"),
    (threading.Condition, "wait", "a message or a future"),
    (socket.socket, "connect", "a process that stands for the peer"),
    (socket.socket, "bind", "a process that stands for the peer"),
    (asyncio.BaseEventLoop, "run_forever", "a process"),
    (subprocess.Popen, "__init__", "a process that stands for the program"),
)
# The time of day on a line of a log is nothing that the processes see.
_MAY = ("logging", "structlog", "warnings")


class _Guards:
    """The guards that stand before the doors while there is a simulation."""

    def __init__(self) -> None:
        self._nodes: list[Node] = []
        self._real: list[tuple[Any, str, Any]] = []

    def enter(self, node: Node) -> None:
        """Keep the processes of `node` from what is real."""
        self._nodes.append(node)
        if len(self._nodes) == 1:
            for place, name, instead in _DOORS:
                real = getattr(place, name)
                self._real.append((place, name, real))
                what = f"{getattr(place, '__name__', place)}.{name}"
                setattr(place, name, self._guarded(real, what, instead))

    def leave(self, node: Node) -> None:
        """Let them, if no simulation is left."""
        self._nodes.remove(node)
        if not self._nodes:
            while self._real:
                place, name, real = self._real.pop()
                setattr(place, name, real)

    def _guarded(self, real: Callable[..., Any], what: str, instead: str) -> Callable[..., Any]:
        @functools.wraps(real)
        def guard(*args: Any, **kwargs: Any) -> Any:
            control = here.control
            if control is not None and control.node in self._nodes:
                caller = sys._getframe(1).f_globals.get("__name__", "")
                if not caller.startswith(_MAY):
                    raise NotSimulated(what, instead)
            return real(*args, **kwargs)

        return guard


_guards = _Guards()


@contextlib.contextmanager
def unreal(node: Node) -> Iterator[None]:
    """Raise `NotSimulated` in processes of `node` that touch what is real, for the block."""
    _guards.enter(node)
    try:
        yield
    finally:
        _guards.leave(node)
