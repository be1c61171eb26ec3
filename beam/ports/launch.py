"""Start a program under its keeper, from the thread of the caller.

The steps, in order; nothing is left of a start that fails at any of them:

1. The pipes and the connection are made, and the keeper (`keeper.py`) is started with them.
2. The keeper forks, and says which pid the program will have. The program does not run yet.
3. `record` writes the keeper and the program down (`ledger.py`).
4. The keeper lets the program go, and says whether it could be executed.

A keeper is a fresh interpreter without the site packages: 10 ms and 4 MB. It imports from this
room without its `__init__`, so that it does not load the library.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from beam.errors import InvalidInput, SpawnFailed
from beam.ports.forks import close_in_children
from beam.ports.processes import Process, read, send
from beam.ports.spec import OWNER_VARIABLE, PortSpec

__all__ = ["Launched", "launch"]

KEEPER_LOST = "keeper_lost"
KEEPER_WAIT_S = 1.0

_ROOM = Path(__file__).parent
_BOOT = """
import sys
for name, path in (("beam", sys.argv[2]), ("beam.ports", sys.argv[3])):
    sys.modules[name] = type(sys)(name)
    sys.modules[name].__path__ = [path]
from beam.ports.keeper import main
main()
"""


@dataclass(frozen=True, slots=True)
class Launched:
    """A program that runs, and our ends of what leads to it; all descriptors do not block.

    Attributes:
        keeper: the keeper, to be waited for once the connection has ended.
        link: the connection to it.
        unread: what it said beyond the answer to the start.
        tree: the keeper and the program, as they were recorded.
        stdin: the descriptor to write to; None if the program's stdin is closed.
        stdout: the descriptor to read from.
        stderr: the descriptor to read from.
    """

    keeper: subprocess.Popen[bytes]
    link: socket.socket
    unread: bytes
    tree: tuple[Process, Process]
    stdin: int | None
    stdout: int
    stderr: int

    @property
    def leader(self) -> Process:
        """The program."""
        return self.tree[1]


Record = Callable[[tuple[Process, Process]], None]


def launch(
    spec: PortSpec, marker: str, record: Record, *, python: str = sys.executable
) -> Launched:
    """Start the program and return when it runs. Blocks the calling thread.

    Args:
        spec: what to start.
        marker: the word that marks the descendants.
        record: called with the keeper and the program before the program runs; if it raises, the
            program never runs.
        python: the interpreter for the keeper.

    Returns:
        The running program.

    Raises:
        InvalidInput: `spec.cwd` is no directory.
        SpawnFailed: the program could not be started within `spec.start_timeout`.
    """
    if spec.cwd is not None and not os.path.isdir(spec.cwd):
        raise InvalidInput("cwd", spec.cwd, "a directory that exists")
    with contextlib.ExitStack() as undo:
        try:
            launched = _launch(spec, marker, record, python, undo)
        except TimeoutError:
            raise SpawnFailed("timeout", spec.argv) from None
        except OSError as error:
            raise SpawnFailed(_word(error.errno), spec.argv) from error
        undo.pop_all()
        return launched


def _launch(
    spec: PortSpec, marker: str, record: Record, python: str, undo: contextlib.ExitStack
) -> Launched:
    with contextlib.ExitStack() as theirs:
        stdin, child_stdin = None, subprocess.DEVNULL
        if spec.stdin == "pipe":
            child_stdin, stdin = _pipe(theirs, undo)
        stdout, child_stdout = _pipe(undo, theirs)
        stderr, child_stderr = _pipe(undo, theirs)
        link, child_link = socket.socketpair()
        undo.callback(link.close)
        theirs.callback(child_link.close)
        close_in_children(link)
        keeper = _start_keeper(
            spec, marker, python, child_link, (child_stdin, child_stdout, child_stderr)
        )
    for fd in (stdin, stdout, stderr):
        if fd is not None:
            os.set_blocking(fd, False)
    handshake = _Handshake(link, spec)
    undo.callback(_abandon, keeper, handshake, spec)
    try:
        tree = (_identity(keeper, spec), handshake.forked(marker))
        record(tree)
        handshake.released()
    except SpawnFailed as error:
        if error.reason == KEEPER_LOST:
            error.add_note(f"its keeper said: {_said(keeper, stderr)}")
        raise
    link.setblocking(False)
    return Launched(keeper, link, handshake.unread, tree, stdin, stdout, stderr)


def _pipe(reads: contextlib.ExitStack, writes: contextlib.ExitStack) -> tuple[int, int]:
    reading, writing = os.pipe()
    reads.callback(os.close, reading)
    writes.callback(os.close, writing)
    return reading, writing


def _start_keeper(
    spec: PortSpec, marker: str, python: str, link: socket.socket, stdio: tuple[int, int, int]
) -> subprocess.Popen[bytes]:
    stdin, stdout, stderr = stdio
    flags = ["-I", "-S", *(["-B"] if sys.dont_write_bytecode else [])]
    paths = [str(_ROOM.parent), str(_ROOM)]
    title = f"beam keeper of {os.path.basename(spec.argv[0])}"
    above = os.environ.get(OWNER_VARIABLE, "")
    try:
        return subprocess.Popen(
            [python, *flags, "-c", _BOOT, str(link.fileno()), *paths, title],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env={**os.environ, OWNER_VARIABLE: f"{above} {marker}".strip()},
            pass_fds=(link.fileno(),),
            start_new_session=True,
        )
    except OSError as error:
        raise SpawnFailed(f"keeper {_word(error.errno)}", spec.argv) from error


def _identity(keeper: subprocess.Popen[bytes], spec: PortSpec) -> Process:
    process = read(keeper.pid)
    if process is None:
        raise SpawnFailed(KEEPER_LOST, spec.argv)
    return process


def _said(keeper: subprocess.Popen[bytes], stderr: int) -> str:
    with contextlib.suppress(subprocess.TimeoutExpired, BlockingIOError):
        keeper.wait(KEEPER_WAIT_S)
        return os.read(stderr, 65536).decode("utf-8", "replace")
    return "nothing"


def _word(number: int | None) -> str:
    return errno.errorcode.get(number or 0, "unknown")


def _order(spec: PortSpec, marker: str) -> bytes:
    """Write what the keeper reads as its `Order`."""
    environment = spec.environment(os.environ, marker)
    fields = [
        repr(float(spec.grace)),
        repr(float(spec.kill_wait)),
        spec.cwd or "",
        str(len(spec.argv)),
        *spec.argv,
        *(f"{name}={value}" for name, value in environment.items()),
    ]
    return b"".join(os.fsencode(each) + b"\0" for each in fields)


class _Handshake:
    """The talk with the keeper until the program runs, within the start's deadline."""

    def __init__(self, link: socket.socket, spec: PortSpec) -> None:
        self.unread = b""
        self.leader: Process | None = None
        self._link = link
        self._spec = spec
        self._deadline = time.monotonic() + spec.start_timeout

    def forked(self, marker: str) -> Process:
        """Say what to start; return the process that waits to become the program."""
        order = _order(self._spec, marker)
        self._send(len(order).to_bytes(8, "big") + order)
        match self._answer():
            case ["forked", pid]:
                self.leader = read(int(pid))
        if self.leader is None:
            raise SpawnFailed(KEEPER_LOST, self._spec.argv)
        return self.leader

    def released(self) -> None:
        """Let the program go; return when it runs."""
        self._send(b"go\n")
        match self._answer():
            case ["started"]:
                return
            case ["failed", "exec", number]:
                raise SpawnFailed(_word(int(number)), self._spec.argv)
            case ["failed", stage, number]:
                raise SpawnFailed(f"{stage} {_word(int(number))}", self._spec.argv)
            case _:
                raise SpawnFailed(KEEPER_LOST, self._spec.argv)

    def _send(self, data: bytes) -> None:
        self._link.settimeout(self._left())
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._link.sendall(data)  # a keeper that has gone is noticed when it does not answer

    def _answer(self) -> list[str]:
        while b"\n" not in self.unread:
            self._link.settimeout(self._left())
            try:
                data = self._link.recv(4096)
            except ConnectionResetError:
                data = b""
            if not data:
                return []
            self.unread += data
        line, self.unread = self.unread.split(b"\n", 1)
        return line.decode().split()

    def close(self) -> None:
        """End the talk; the keeper ends the tree."""
        self._link.close()

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def _abandon(keeper: subprocess.Popen[bytes], handshake: _Handshake, spec: PortSpec) -> None:
    """Leave nothing of a start that failed."""
    handshake.close()
    try:
        keeper.wait(spec.kill_wait)
    except subprocess.TimeoutExpired:
        # The program hangs between fork and exec, on a dead file system for example.
        if handshake.leader is not None:
            send(handshake.leader, signal.SIGKILL)
        keeper.kill()
        keeper.wait()
