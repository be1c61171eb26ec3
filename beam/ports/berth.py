"""One port from its request to its end, as `Ports` keeps it, and what its owner hears.

Lines and the exit come from the loop's thread, perhaps before the start has returned; the owner
hears of the start first all the same.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from beam.ports.lines import Line, SpilledLine
from beam.ports.port import Port, PortExit
from beam.ports.requests import (
    PortEnded,
    PortEntry,
    PortLine,
    PortNotStarted,
    PortStarted,
    StartPort,
)

if TYPE_CHECKING:
    from beam.otp import Monitor, Timer

__all__ = ["Berth"]


class Berth:
    """A place for one port.

    Args:
        request: whose, and what.
        on_over: given the berth and the exit, on the loop's thread, when the port has ended.

    Attributes:
        watch: the monitor of the owner.
        port: the port, once it runs.
        exit: how it ended, once it has.
        begun: whether its start is under way, or done.
        stopping: whether it is to end.
        timer: what will send TERM to a program that was only asked to finish up.
    """

    def __init__(self, request: StartPort, on_over: Callable[[Berth, PortExit], object]) -> None:
        self.request = request
        self.watch: Monitor | None = None
        self.port: Port | None = None
        self.exit: PortExit | None = None
        self.begun = False
        self.stopping = False
        self.timer: Timer | None = None
        self._on_over = on_over
        self._lock = threading.Lock()
        # What was said before the start was announced: no more than the window, as nobody
        # acknowledges it.
        self._early: list[Any] | None = []

    def announce(self, port: Port) -> None:
        """Tell the owner that the port runs, and what it has said by now."""
        owner, tag = self.request.owner, self.request.tag
        with self._lock:
            early, self._early = self._early or (), None
            owner.cast(PortStarted(port, tag))
            for message in early:
                owner.cast(message)

    def refuse(self, error: Exception) -> None:
        """Tell the owner that the port does not run."""
        self.request.owner.cast(PortNotStarted(error, self.request.tag))

    def on_line(self, line: Line | SpilledLine) -> None:
        """Pass a line on; on the loop's thread."""
        if self.request.on_line is not None and isinstance(line, Line):
            self.request.on_line(line)
            return
        self._say(PortLine(line, self.request.tag))

    def on_exit(self, exit: PortExit) -> None:
        """Pass the exit on; on the loop's thread."""
        self._say(PortEnded(exit, self.request.tag))
        self._on_over(self, exit)

    def entry(self) -> PortEntry:
        """Return what there is to show of it."""
        owner, program = self.request.owner, os.path.basename(self.request.spec.argv[0])
        if self.port is None:
            return PortEntry(owner, program, "starting" if self.begun else "waiting")
        state: Literal["stopping", "running"] = "stopping" if self.stopping else "running"
        port = self.port
        return PortEntry(owner, program, state, port.id, port.pid, port.keeper)

    def _say(self, message: PortLine | PortEnded) -> None:
        with self._lock:
            if self._early is None:
                self.request.owner.cast(message)
            else:
                self._early.append(message)
