r"""Simulated ports: programs of the operating system, as functions that run in the simulation.

    >>> from beam.ports.spec import PortSpec
    >>> from beam.testing import Simulation
    >>> def echo(program):
    ...     while (line := program.read()) is not None:
    ...         program.wait(60.0)
    ...         program.write(line.upper())
    >>> with Simulation(1) as sim:
    ...     harbour = SimulatedHarbour(sim.node, {"echo": echo})
    ...     said, ended = [], []
    ...     spec = PortSpec.of("echo", stdin="pipe")
    ...     port = harbour.start(spec, on_line=said.append, on_exit=ended.append)
    ...     port.write(b"hello\n")
    ...     port.close_stdin()
    ...     sim.run(100.0)
    >>> said[0].text, ended[0].status
    ('HELLO', 0)

A `SimulatedHarbour` stands where a fleet has its harbour; `sim.fleet(programs={...})` puts it
there. A program is a process in the simulation's node, so it is slow, killed and crashed like the
others: killed it ends with the status -9, crashed with 1. It has no tree, no pid of the machine
and no real file descriptors.
"""

from __future__ import annotations

import itertools
import os
import traceback
from collections import deque
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import TYPE_CHECKING, Any

from beam.errors import (
    CallTimeout,
    InvalidInput,
    NotSimulated,
    PortClosed,
    PortError,
    SpawnFailed,
    StdinClosed,
)
from beam.otp import Future, exit, monitor, receive, spawn
from beam.ports.harbour import Harbour
from beam.ports.lines import Line
from beam.ports.port import PortExit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from beam.otp import Node, Ref
    from beam.ports.loop import LoopThread
    from beam.ports.port import OnExit
    from beam.ports.reader import OnLine
    from beam.ports.reaper import Leftover
    from beam.ports.spec import PortSpec

__all__ = ["Program", "SimulatedHarbour", "SimulatedPort"]

_EOF = object()
# Seconds that a started program may take to be there; it is at once, on virtual time.
_START = 60.0


class Program:
    """A program's side of its port; its functions are for the function of the program alone.

    Attributes:
        argv: what it was started with.
        environment: the variables that its spec sets.
        ignores_term: whether TERM does nothing to it; it may say so at any time.
    """

    def __init__(self, port: SimulatedPort) -> None:
        self.argv = port.spec.argv
        self.environment = dict(port.spec.env or port.spec.extra or ())
        self.ignores_term = False
        self._port = port

    def read(self) -> str | None:
        """Return the next line on stdin, without its end; `None` at the end of file."""
        if self._port.spec.stdin != "pipe":
            return None
        message = receive()
        return None if message is _EOF else str(message)

    def write(self, line: str) -> None:
        """Write a line to stdout; wait while the consumer is behind."""
        self._port.deliver(Line(line.encode()))

    def complain(self, text: str) -> None:
        """Write to stderr."""
        self._port.stderr += text

    def wait(self, seconds: float) -> None:
        """Let the simulation's time pass."""
        self._port.node.sleep(seconds)


class SimulatedPort:
    """A program that was started; what `beam.ports.port.Port` offers, for a simulated one."""

    keeper = 0

    def __init__(
        self, node: Node, number: int, spec: PortSpec, on_line: OnLine, on_exit: OnExit
    ) -> None:
        self.node = node
        self.id = f"port-{number}"
        self.pid = 100_000 + number
        self.spec = spec
        self.stderr = ""
        self.process: Ref[Any]
        """The process that the program is."""
        self.over: Future[PortExit] = Future()
        """Settled when it has ended, and all has been said."""
        self.program = Program(self)
        self._on_line = on_line
        self._on_exit = on_exit
        self._stdin_open = spec.stdin == "pipe"
        self._partial = b""
        self._unacknowledged = 0
        self._paused = False
        self._held: deque[Line] = deque()
        self._room: Future[None] | None = None
        self._stopped = False
        self._ended: tuple[int | None, str] | None = None

    def __repr__(self) -> str:
        state = "running" if self.exit is None else f"ended, {self.exit.status}"
        return f"<SimulatedPort {self.id} {self.spec.argv[0]} {state}>"

    @property
    def exit(self) -> PortExit | None:
        """How it ended; None while it runs."""
        return self.over.result() if self.over.done else None

    def write(self, data: bytes, timeout: float = 5.0) -> None:
        """Give bytes to the program; it reads them line by line.

        Raises:
            StdinClosed: stdin is closed, or was never open.
            PortClosed: the program has ended.
        """
        if self._ended is not None:
            raise PortClosed(self._ended[0], self.spec.argv)
        if not self._stdin_open:
            raise StdinClosed(None, self.spec.argv)
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            self._hand(line.decode("utf-8", "replace"))

    def close_stdin(self) -> None:
        """Let the program read end of file after what was written; again is no error."""
        if self._stdin_open:
            self._stdin_open = False
            if self._partial:
                self._hand(self._partial.decode("utf-8", "replace"))
            self._hand(_EOF)

    def _hand(self, what: Any) -> None:
        if self.process.is_alive():
            self.process.tell(what)

    def ack(self, count: int = 1) -> None:
        """Say that the oldest `count` lines have been consumed.

        Raises:
            InvalidInput: so many have not been delivered.
        """
        if not 0 < count <= self._unacknowledged:
            raise InvalidInput("count", count, f"1 to {self._unacknowledged}")
        self._unacknowledged -= count
        self._flow()

    def pause(self) -> None:
        """Deliver no line from now on."""
        self._paused = True

    def resume(self) -> None:
        """Deliver again."""
        self._paused = False
        self._flow()

    def signal(self, number: int) -> None:
        """Send a signal to the program.

        Raises:
            PortClosed: the program has ended.
        """
        if self._ended is not None:
            raise PortClosed(self._ended[0], self.spec.argv)
        if number == SIGKILL:
            exit(self.process, "kill")
        elif number != SIGTERM or not self.program.ignores_term:
            exit(self.process, ("signal", number))

    def request_stop(self, grace: float | None = None) -> None:
        """Begin to end the program and return at once; `on_exit` follows.

        Args:
            grace: seconds from TERM to KILL, 0 for KILL at once; `spec.grace` if None.
        """
        seconds = self.spec.grace if grace is None else grace
        self._stopped = True
        self._unacknowledged = 0
        if self._ended is None:
            self.signal(SIGTERM if seconds else SIGKILL)
            kill = lambda: exit(self.process, "kill")  # noqa: E731 - one word for the clock
            self.node.scheduler.call_at(self.node.clock.now() + seconds, kill)
        self._flow()

    def stop(self, grace: float | None = None) -> PortExit:
        """End the program and return how it ended; again returns the same."""
        self.request_stop(grace)
        return self.over.get(timeout=_START + (self.spec.grace if grace is None else grace))

    def wait(self, timeout: float) -> PortExit | None:
        """Wait until it has ended; return the exit, or None if that took over `timeout` s."""
        try:
            return self.over.get(timeout=timeout)
        except CallTimeout:
            return None

    # The program's side

    def deliver(self, line: Line) -> None:
        """Take a line of the program's, which waits while the window is closed."""
        self._held.append(line)
        self._flow()
        while self._held:
            self._room = Future()
            self._room.get(timeout=None)

    def end(self, status: int | None, stderr: str) -> None:
        """Take note that the program has ended."""
        self._ended = (status, self.stderr + stderr)
        self._flow()

    def _flow(self) -> None:
        """Deliver what may be; then, if the program has ended, its exit."""
        while self._held and self._is_open():
            self._unacknowledged += 1
            self._on_line(self._held.popleft())
        if self._held:
            return
        room, self._room = self._room, None
        if room is not None:
            room.settle(None)
        if self._ended is not None and not self.over.done:
            status, stderr = self._ended
            self.over.settle(PortExit(self.id, status, stopped=self._stopped, stderr=stderr))
            self._on_exit(self.over.result())

    def _is_open(self) -> bool:
        return self._stopped or (not self._paused and self._unacknowledged < self.spec.window_lines)


class SimulatedHarbour(Harbour):
    """Where a simulated fleet's programs are; stands for `beam.ports.harbour.Harbour`.

    Args:
        node: the simulation's.
        programs: by the name of the executable, the last part of its path, the function that it
            is: called with a `Program`; what it returns is the exit status, 0 for None.
        max_ports: how many may run at once.
    """

    def __init__(
        self,
        node: Node,
        programs: Mapping[str, Callable[[Program], int | None]] | None = None,
        *,
        max_ports: int = 1024,
    ) -> None:
        super().__init__(Path(), max_ports=max_ports)
        self._node = node
        self._programs = dict(programs or {})
        self._ports: dict[SimulatedPort, None] = {}
        self._count = itertools.count(1)

    @property
    def is_open(self) -> bool:
        """Whether ports can be started."""
        return True

    @property
    def loop(self) -> LoopThread:
        """Refuse: there is no event loop in a simulation.

        Raises:
            NotSimulated: always.
        """
        raise NotSimulated("the loop thread", "a process")

    def ports(self) -> tuple[SimulatedPort, ...]:
        """Return the ports whose programs run, oldest first."""
        return tuple(self._ports)

    def open(self) -> tuple[Leftover, ...]:
        """End what a killed predecessor left running."""
        self.close()
        return ()

    def start(self, spec: PortSpec, *, on_line: OnLine, on_exit: OnExit) -> Any:
        """Start a program; return its port.

        Raises:
            SpawnFailed: `"ENOENT"`, if there is no such program.
            PortError: as many as may be are running.
        """
        function = self._programs.get(os.path.basename(spec.argv[0]))
        if function is None:
            raise SpawnFailed("ENOENT", spec.argv)
        if len(self._ports) >= self.max_ports:
            raise PortError("too many ports", spec.argv)

        def leave(exit: PortExit) -> None:
            self._ports.pop(port, None)
            on_exit(exit)

        port = SimulatedPort(self._node, next(self._count), spec, on_line, leave)
        self._ports[port] = None
        begun: Future[None] = Future()
        spawn(_keep, function, port, begun)
        begun.get(timeout=_START)
        return port

    def close(self) -> tuple[PortExit, ...]:
        """End every program; return how they ended."""
        ports, self._ports = list(self._ports), {}
        for port in ports:
            port.request_stop()
        return tuple(port.stop() for port in ports)


def _keep(function: Callable[[Program], Any], port: SimulatedPort, begun: Future[None]) -> None:
    """Run a program in a process of its own, and say how it ended; the keeper's process."""
    outcome: list[int] = []

    def main() -> None:
        outcome.append(function(port.program) or 0)

    port.process = spawn(main)
    watch = monitor(port.process)
    begun.settle(None)
    while (down := receive()).monitor is not watch:
        continue
    reason: Any = down.reason
    error = getattr(reason, "exception", None)
    if outcome:
        port.end(outcome[0], "")
    elif isinstance(reason, tuple) and reason[0] == "signal":
        port.end(-int(reason[1]), "")
    elif error is not None:
        port.end(1, "".join(traceback.format_exception_only(error)))
    else:
        port.end(-int(SIGKILL), "")
