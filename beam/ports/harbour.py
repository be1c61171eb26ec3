"""What outlives a restart of the `Ports` process: the ledger's directory, the loop, the host.

    >>> import asyncio, pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     harbour = Harbour(pathlib.Path(directory))
    ...     harbour.open()
    ...     harbour.loop.submit(asyncio.sleep(0, "heard")).result(timeout=5.0)
    ...     harbour.close()
    ()
    'heard'
    ()

Whoever builds the tree makes it, and hands it to `Ports`, which opens it in `init` and closes it in
`terminate`. A process that was killed has closed nothing: then the one that comes after it finds
the harbour open, ends what runs in it, and begins anew; so does its maker, who closes it at the
very end. Nothing that was started through it is left when it is closed, and none of its threads.

Programs are ended in order: end of file on their stdin, if they have one, and some patience to
finish up; TERM to the trees that are left, and the grace; KILL.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

from beam.errors import PortError
from beam.ports.host import PortHost
from beam.ports.loop import LoopThread
from beam.ports.port import OnExit, Port, PortExit
from beam.ports.reader import OnLine
from beam.ports.reaper import Leftover, reap_leftovers
from beam.ports.spec import PortSpec

__all__ = ["Harbour"]

START_WAIT_S = 5.0
"""The seconds that a start which is under way has to find out that all is being closed."""


class Harbour:
    """The holder of a host and its loop. Its functions block; from any thread but the loop's.

    Args:
        directory: the ledger's directory; made if it is not there.
        max_ports: how many ports may run at once.
        patience: seconds from end of file on stdin to TERM when all is closed; 0 for TERM at once.
        grace: seconds from TERM to KILL then. Both are for all ports together.
        python: the interpreter that keeps the trees.
    """

    def __init__(
        self,
        directory: Path,
        *,
        max_ports: int = 1024,
        patience: float = 5.0,
        grace: float = 2.0,
        python: str = sys.executable,
    ) -> None:
        self.max_ports = max_ports
        self._directory = directory
        self._patience = patience
        self._grace = grace
        self._python = python
        self._turning = threading.Lock()
        self._settled = threading.Condition()
        self._starting = 0
        self._berths: tuple[LoopThread, PortHost] | None = None

    @property
    def is_open(self) -> bool:
        """Whether ports can be started."""
        return self._berths is not None

    @property
    def loop(self) -> LoopThread:
        """The loop thread.

        Raises:
            PortError: the harbour is closed.
        """
        return self._opened()[0]

    def open(self) -> tuple[Leftover, ...]:
        """Start the loop and the host; before that, end what a killed predecessor left.

        Returns:
            What another owner, one that is dead, had left running and was ended now.

        Raises:
            InvalidInput: others can write to the directory.
            OSError: the ledger could not be read or made.
        """
        with self._turning:
            self._close(patience=0)
            leftovers = reap_leftovers(self._directory, grace=self._grace)
            loop = LoopThread()
            host = PortHost(self._directory, loop, max_ports=self.max_ports, python=self._python)
            loop.start()
            self._berths = (loop, host)
            return leftovers

    def start(self, spec: PortSpec, *, on_line: OnLine, on_exit: OnExit) -> Port:
        """Start a program; see `PortHost.start`.

        Raises:
            PortError: the harbour is closed, or was closed meanwhile; nothing is left of it.
        """
        with self._settled:
            host = self._opened()[1]
            self._starting += 1
        try:
            return host.start(spec, on_line=on_line, on_exit=on_exit)
        finally:
            with self._settled:
                self._starting -= 1
                self._settled.notify_all()

    def close(self) -> tuple[PortExit, ...]:
        """End every port and the loop; again is no error.

        Blocks for at most the patience, the grace, twice the ports' `kill_wait`, and some 18 s.

        Returns:
            How each port that still ran ended.
        """
        with self._turning:
            return self._close(self._patience)

    def _opened(self) -> tuple[LoopThread, PortHost]:
        berths = self._berths
        if berths is None:
            raise PortError("the harbour is closed")
        return berths

    def _close(self, patience: float) -> tuple[PortExit, ...]:
        with self._settled:
            berths, self._berths = self._berths, None
        if berths is None:
            return ()
        loop, host = berths
        _finish_up(host.ports, patience)
        ended = host.close(self._grace)
        # A start that was under way finds the host closed, and undoes itself; it needs the loop.
        with self._settled:
            self._settled.wait_for(lambda: not self._starting, START_WAIT_S)
        loop.stop()
        return ended


def _finish_up(ports: tuple[Port, ...], patience: float) -> None:
    """Let programs that read their stdin end by themselves."""
    readers = [port for port in ports if port.spec.stdin == "pipe"] if patience > 0 else []
    for port in readers:
        port.close_stdin()
    deadline = time.monotonic() + patience
    for port in readers:
        port.wait(max(0.0, deadline - time.monotonic()))
