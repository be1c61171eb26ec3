"""The writer's lock: one process, and one store in it, writes to a log.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     lock = WriterLock.acquire(f"{directory}/fleet.db")
    ...     try:
    ...         WriterLock.acquire(f"{directory}/fleet.db")
    ...     except StoreLocked as error:
    ...         print(error.pid == os.getpid())
    ...     lock.release()
    True

It is a `flock` on the file FILE-lock, which holds the writer's pid. The operating system drops it
when the process dies, however it dies, so a lock is never stale; the file may stay, and means
nothing. A forked child does not hold it. Whether another machine sees it, on a network file
system, is up to that; SQLite's WAL does not work there either.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import weakref

from beam.errors import StoreError, StoreLocked

__all__ = ["WriterLock"]

# Each round but the last means that another writer let go in just that moment.
_ROUNDS = 100


class WriterLock:
    """The right to write to one log, while it is held."""

    __slots__ = ("__weakref__", "_file", "_path")

    def __init__(self, path: str, file: int) -> None:
        """For `acquire`."""
        self._path = path
        self._file = file
        _held.add(self)

    @classmethod
    def acquire(cls, log: str) -> WriterLock:
        """Lock the log at the path `log`, without waiting.

        Raises:
            StoreLocked: another store holds it, in this process or another.
            StoreError: the lock file cannot be made.
        """
        path = f"{log}-lock"
        for _ in range(_ROUNDS):
            try:
                file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            except OSError as error:
                raise StoreError(f"the lock file cannot be opened: {error}", log) from error
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_at(file, path):
                    _write_pid(file)
                    return cls(path, file)
            except BlockingIOError as error:
                pid = _read_pid(file)
                os.close(file)
                raise StoreLocked(f"process {pid or '?'} writes to it", log, pid) from error
            except OSError as error:
                os.close(file)
                raise StoreError(f"the lock file cannot be locked: {error}", log) from error
            os.close(file)
        raise StoreLocked("its lock changes hands all the time", log)

    def release(self) -> None:
        """Let go, and remove the file; a second time changes nothing."""
        if self in _held:
            _held.discard(self)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)
            os.close(self._file)

    def forget(self) -> None:
        """Close a forked child's copy, which would keep the lock when the parent is dead."""
        os.close(self._file)


_held: weakref.WeakSet[WriterLock] = weakref.WeakSet()


def _forget_all() -> None:
    for lock in list(_held):
        lock.forget()
    _held.clear()


os.register_at_fork(after_in_child=_forget_all)


def _is_at(file: int, path: str) -> bool:
    """Return whether the open file is still the one at `path`: its last holder removes it."""
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(file), there)


def _write_pid(file: int) -> None:
    # On a full disk the lock holds as well without the pid.
    with contextlib.suppress(OSError):
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)


def _read_pid(file: int) -> int | None:
    try:
        return int(os.pread(file, 32, 0))
    except (OSError, ValueError):
        return None
