"""The record on disk of what runs, so that the next start can end what a `kill -9` left.

A directory next to the store, with a file for each owner (a process of ours) and one for each port
of it, all named after the owner's random token:

    TOKEN.owner      who owns these ports; locked while the owner lives
    TOKEN.PORT.port  the keeper and the program of one port, each by pid and start time
    TOKEN.PORT.N.line   a line that was too long for memory

A port's file is written and synced before its program runs its first instruction (`launch.py`), so
there is no moment at which something runs that is not written down; a file that is torn belongs to
a program that never ran. It is removed when the tree is gone. The sync is there so that a disk that
is full or broken says so before the program starts; surviving a `kill -9` needs none, and a power
cut leaves no process to be reaped.

Two live owners do not reap each other: an owner is known to live by its pid and start time, and,
where these mean nothing (another machine, another pid namespace), by its lock. Arguments and
environments are not written, for they may hold secrets (G17): a port is shown by the name of its
program.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import stat
import tempfile
from collections.abc import Sequence
from io import FileIO
from pathlib import Path

from beam.errors import InvalidInput
from beam.ports import processes
from beam.ports.forks import close_in_children
from beam.ports.processes import Process

__all__ = ["Ledger", "default_ledger", "private_directory"]

_TOKEN_BYTES = 16


def default_ledger() -> Path:
    """Return this user's ledger for what has no store: one directory for each machine and user."""
    return Path(tempfile.gettempdir(), f"beam-ports-{os.getuid()}")


def private_directory(path: Path) -> Path:
    """Make the directory if it is not there, and return it.

    Raises:
        InvalidInput: it is no directory, or others can write to it: what is written there decides
            which processes we end.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise InvalidInput("ledger", str(path), "a directory") from None
    state = path.stat()
    if state.st_uid != os.getuid() or stat.S_IMODE(state.st_mode) & 0o022:
        raise InvalidInput("ledger", str(path), "a directory that only this user can write to")
    return path


class Ledger:
    """What this process has started, in a directory. Its functions block for a moment (disk).

    Args:
        directory: where; made if it is not there.

    Raises:
        InvalidInput: the directory is not one that only this user can write to.
        OSError: the disk refused.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = private_directory(directory)
        self._lock = self._claim()

    def marker(self, port: str) -> str:
        """Return the word that marks the descendants of a port in their environment."""
        return f"{self.owner}:{port}:"

    def record(self, port: str, program: str, tree: Sequence[Process]) -> None:
        """Write down what is about to run; it is on the disk when this returns.

        Raises:
            OSError: it could not be written.
        """
        entry = {"program": program, "processes": [[each.pid, each.started] for each in tree]}
        with self._entry(port).open("xb", buffering=0) as file:
            file.write(json.dumps(entry).encode())
            os.fsync(file.fileno())

    def remove(self, port: str) -> None:
        """Forget a port whose tree is gone; one that is not recorded is no error."""
        self._entry(port).unlink(missing_ok=True)

    def line_path(self, port: str, number: int) -> Path:
        """Return where the port's line with this number goes if it is too long for memory."""
        return self._directory / f"{self.owner}.{port}.{number}.line"

    def close(self, *, forget: bool = True) -> None:
        """Remove what is left of this owner, except its ports whose trees are not gone.

        Args:
            forget: False to keep the owner's own file, for what may still be recorded.
        """
        for line in self._directory.glob(f"{self.owner}.*.line"):
            line.unlink(missing_ok=True)
        if forget and not any(self._directory.glob(f"{self.owner}.*.port")):
            (self._directory / f"{self.owner}.owner").unlink(missing_ok=True)
        self._lock.close()

    def _entry(self, port: str) -> Path:
        return self._directory / f"{self.owner}.{port}.port"

    def _claim(self) -> FileIO:
        """Make the owner's file and lock it."""
        while True:
            self.owner = secrets.token_hex(_TOKEN_BYTES)
            path = self._directory / f"{self.owner}.owner"
            file = path.open("xb", buffering=0)
            close_in_children(file)
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                file.write(json.dumps(_identity()).encode())
                if os.fstat(file.fileno()).st_nlink:
                    return file
            # Somebody who reaps came between the making and the locking, and took it for dead.
            file.close()
            path.unlink(missing_ok=True)


def _identity() -> dict[str, object]:
    itself = processes.read(os.getpid())
    return {
        "boot": processes.boot(),
        "namespace": processes.namespace(),
        "pid": os.getpid(),
        "started": itself.started if itself else "",
    }
