"""All the ports of one owner: started together in a ledger, ended together.

    >>> import tempfile, pathlib
    >>> loop = LoopThread(); loop.start()
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     host = PortHost(pathlib.Path(directory), loop)
    ...     lines = []
    ...     exits = []
    ...     spec = PortSpec.of("echo hello")
    ...     port = host.start(spec, on_line=lines.append, on_exit=exits.append)
    ...     _ = port.wait(timeout=10.0), host.close(), loop.stop()
    >>> lines, exits[0].status
    ([Line(data=b'hello', complete=True)], 0)

The host is no actor: an actor around it makes `on_line` and `on_exit` casts to the owners of the
ports, and acknowledges each line when it has been handled. A host outlives a restart of that actor,
which may call `stop_all` to begin with nothing. Close the host before its loop is stopped.

One loop thread serves every port: descriptors that do not block, watched by the loop's selector,
rather than asyncio's subprocesses. Those bring a child watcher that differs from one version of
Python to the next, a line limit that is an error, and no way to stop reading.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import sys
import threading
import time
from pathlib import Path

from beam.errors import LoopStopped, PortError, QueueFull, SpawnFailed
from beam.ports.launch import launch
from beam.ports.ledger import Ledger
from beam.ports.loop import LoopThread
from beam.ports.port import Callbacks, OnExit, Port, PortExit
from beam.ports.processes import Process
from beam.ports.reader import OnLine
from beam.ports.sample import TreeSample, sample_trees
from beam.ports.spec import PortSpec

__all__ = ["PortHost"]

DELIVERY_S = 5.0
START_WAIT_S = 5.0


class PortHost:
    """The ports of one owner. Every function may be called from any thread but the loop's.

    Args:
        directory: the ledger's directory; made if it is not there.
        loop: the loop that serves the ports; it runs, and its owner stops it after `close`.
        max_ports: how many may run at once; each takes four descriptors and a keeper of some 4 MB.
        python: the interpreter that runs the keepers.

    Raises:
        InvalidInput: the directory is not one that only this user can write to.
        OSError: the ledger could not be made.
    """

    def __init__(
        self,
        directory: Path,
        loop: LoopThread,
        *,
        max_ports: int = 1024,
        python: str = sys.executable,
    ) -> None:
        self._loop = loop
        self._max_ports = max_ports
        self._python = python
        self._ledger = Ledger(directory)
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._settled = threading.Condition(self._lock)
        self._ports: dict[str, Port] = {}
        self._starting = 0
        self._closed = False

    @property
    def ports(self) -> tuple[Port, ...]:
        """The ports whose exit has not been reported yet, oldest first."""
        with self._lock:
            return tuple(self._ports.values())

    def start(self, spec: PortSpec, *, on_line: OnLine, on_exit: OnExit) -> Port:
        """Start a program and return when it runs. Blocks for some 20 ms.

        Args:
            spec: what to start.
            on_line: given each line of stdout as a `Line` or `SpilledLine`, possibly before this
                returns; on the loop's thread; must not block. If it raises, the port is stopped.
            on_exit: given the `PortExit` after the last line, once; on the loop's thread.

        Raises:
            InvalidInput: `spec.cwd` is no directory.
            SpawnFailed: the program could not be started; nothing of it is left.
            QueueFull: as many ports run as may.
            PortError: the host is closed.
            LoopStopped: the loop does not run.
        """
        with self._lock:
            self._reserve()
        name = f"p{next(self._numbers)}"
        callbacks = Callbacks(on_line, on_exit, self._forget)
        try:
            port = self._launch(name, spec, callbacks)
            self._begin(port)
        finally:
            with self._lock:
                self._starting -= 1
                self._settled.notify_all()
        return port

    def stop_all(self, grace: float | None = None) -> tuple[PortExit, ...]:
        """End every port; return how each ended. They end side by side, so this is bounded as one.

        Args:
            grace: seconds from TERM to KILL; each port's own if None.

        Raises:
            LoopStopped: called on the loop's own thread.
        """
        ports = self.ports
        for port in ports:
            with contextlib.suppress(LoopStopped):
                port.request_stop(grace)
        return tuple(port.stop(grace) for port in ports)

    def close(self, grace: float | None = None) -> tuple[PortExit, ...]:
        """End every port, start no more, and close the ledger; again is no error.

        Args:
            grace: seconds from TERM to KILL; each port's own if None.

        Returns:
            How each port that still ran ended. Ports with survivors stay in the ledger.

        Raises:
            LoopStopped: called on the loop's own thread.
        """
        with self._lock:
            first, self._closed = not self._closed, True
        ports = self.ports
        ended = self.stop_all(grace)
        with self._lock:
            # A start that is under way finds the host closed, and ends what it has started.
            settled = self._settled.wait_for(lambda: not self._starting, START_WAIT_S)
        # What the pipes still hold is on its way to the consumers; their loop is needed for that.
        deadline = time.monotonic() + DELIVERY_S
        for port in ports:
            port.wait(max(0.0, deadline - time.monotonic()))
        for exit in ended:
            if not exit.survivors:
                self._ledger.remove(exit.port)
        if first:
            self._ledger.close(forget=settled)
        return ended

    def sample(self) -> dict[str, TreeSample]:
        """Measure every tree, by port id, in one look at the process table."""
        return sample_trees({port.id: port.keeper for port in self.ports})

    def _reserve(self) -> None:
        if self._closed:
            raise PortError("the port host is closed")
        running = len(self._ports) + self._starting
        if running >= self._max_ports:
            raise QueueFull("too_many_ports", limit=self._max_ports)
        self._starting += 1

    def _launch(self, name: str, spec: PortSpec, callbacks: Callbacks) -> Port:
        self._loop.call(int)  # a loop that does not run is known before anything is started
        try:
            launched = launch(
                spec,
                self._ledger.marker(name),
                lambda tree: self._record(name, spec, tree),
                python=self._python,
            )
        except BaseException:
            # A record that stays is harmless: what it names does not run.
            with contextlib.suppress(OSError):
                self._ledger.remove(name)
            raise
        port = Port(name, spec, launched, loop=self._loop, ledger=self._ledger, callbacks=callbacks)
        with self._lock:
            self._ports[name] = port
        return port

    def _begin(self, port: Port) -> None:
        try:
            port.start()
        except LoopStopped:
            port.stop(0)
            raise
        if self._closed:
            port.stop(0)
            raise PortError("the port host was closed during the start", port.spec.argv)

    def _record(self, name: str, spec: PortSpec, tree: tuple[Process, Process]) -> None:
        try:
            self._ledger.record(name, os.path.basename(spec.argv[0]), tree)
        except OSError as error:
            word = errno.errorcode.get(error.errno or 0, "unknown")
            raise SpawnFailed(f"ledger {word}", spec.argv) from error

    def _forget(self, port: Port) -> None:
        with self._lock:
            self._ports.pop(port.id, None)
