"""The log in a file: SQLite in WAL mode, one writer, group commit.

    >>> import tempfile
    >>> from beam.log.record import Record
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     with SqliteStore.open(f"{directory}/fleet.db") as store:
    ...         _ = store.append_wait([Record("e1", "a", "said", 0, '"hello"')])
    ...     with SqliteStore.open(f"{directory}/fleet.db", read_only=True) as log:
    ...         [record.body for record in log.read("a")]
    ['"hello"']

**Durability.** What was answered survives, at either level, the end of the process by any means at
any instant (G11), and no end of process or machine leaves half of an append or a damaged log.

- `"power"`, the default: it survives the end of the machine as well, be it a crash of the operating
  system or of its power, as far as the disk keeps what it says it has (SQLite's `synchronous=FULL`:
  each transaction is flushed to the disk before it is answered).
- `"process"`: the end of the machine may take the last transactions, up to those since SQLite's
  last checkpoint; what is left is a whole log up to some earlier point (`synchronous=NORMAL`:
  flushed at checkpoints only).

The default is the one without a surprise: an event says that money was spent or a tool was called,
and a session that forgets it does it again. Group commit makes it cheap where it counts: eight
threads share each flush. `"process"` is for logs whose loss costs a rerun of something cheap.
(sqlite.org/pragma.html#pragma_synchronous, sqlite.org/wal.html section 2.2.)

**Limits.** POSIX only; a local file system only, as for SQLite's WAL. FILE-wal is a part of the
log until a writer has closed it: copy or move both, or neither. A store does not survive a fork:
the child has to open the log itself, when the parent has closed it.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Literal, overload

from beam.errors import InvalidInput, StoreError
from beam.log.appender import Appender, check_options
from beam.log.completion import Completion
from beam.log.format import create, examine, examine_leftovers
from beam.log.intake import Limits, Request
from beam.log.listeners import Listener, Listeners
from beam.log.lock import WriterLock
from beam.log.reader import SqliteReader, file_path
from beam.log.record import check_callback, check_seconds, checked
from beam.log.writer import GroupCommit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from os import PathLike

    from beam.log.appender import Durability
    from beam.log.record import Record, StoredRecord
    from beam.log.store import Done, Lost, OnAppend, Stats

__all__ = ["SqliteStore"]

_LIMITS = Limits()


class SqliteStore(SqliteReader):
    """A log in a file, for its one writer; see `beam.log.store` for what every store promises."""

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        durability: Durability = "power",
        max_bytes: int | None = None,
        limits: Limits = _LIMITS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open a log for writing, or make one where there is nothing or an empty file.

        Args:
            path: the file. Beside it lie FILE-wal and FILE-shm (SQLite's) and FILE-lock while it
                is open, FILE-new for a moment when it is made.
            durability: `"power"` or `"process"`, see the module.
            max_bytes: the largest the file may become, FILE-wal not counted; an append that needs
                more raises `StoreFull`. `None` for no limit.
            limits: how much may wait, and be stored at once.
            clock: seconds of a clock that never goes back, for deadlines.

        Raises:
            InvalidInput: an argument is not what it must be.
            StoreLocked: another store writes to it, in this process or another; `pid` names it.
            StoreForeign: the file is not a log; it was not touched. The same for:
            StoreCorrupt: it is damaged.
            StoreNewer: a newer `beam` wrote it.
            StoreError: it cannot be opened.
        """
        real = file_path(path)
        check_options(durability, max_bytes)
        if not isinstance(limits, Limits):
            raise InvalidInput("limits", limits, "Limits")
        examine(real)
        with ExitStack() as undo:
            lock = WriterLock.acquire(real)
            undo.callback(lock.release)
            if not examine(real):
                create(real)
            examine_leftovers(real)
            super().__init__(real, clock=clock)
            undo.callback(super().close)
            self._appender = Appender(real, durability, max_bytes)
            undo.pop_all()
        self._lock = lock
        self._listeners = Listeners(self._appender.position, real)
        self._writer = GroupCommit(self._appender.commit, self._listeners, limits, self._end, real)

    @overload
    @classmethod
    def open(cls, path: str | PathLike[str], *, read_only: Literal[True]) -> SqliteReader: ...

    @overload
    @classmethod
    def open(
        cls,
        path: str | PathLike[str],
        *,
        durability: Durability = ...,
        max_bytes: int | None = ...,
        limits: Limits = ...,
        read_only: Literal[False] = False,
    ) -> SqliteStore: ...

    @classmethod
    def open(
        cls,
        path: str | PathLike[str],
        *,
        durability: Durability = "power",
        max_bytes: int | None = None,
        limits: Limits = _LIMITS,
        read_only: bool = False,
    ) -> SqliteReader:
        """Open a log: a `SqliteStore`, or a `SqliteReader` if it is only to be read.

        The arguments and errors are those of the two classes; a reader has none but the path.
        """
        if read_only:
            if (durability, max_bytes, limits) != ("power", None, _LIMITS):
                raise InvalidInput("read_only", True, "False beside the options of a writer")
            return SqliteReader(path)
        return cls(path, durability=durability, max_bytes=max_bytes, limits=limits)

    def append(self, records: Iterable[Record], done: Done, timeout: float = 0.0) -> None:
        """Hand over records to be stored; see `Store.append`. The writer's thread answers."""
        check_seconds("timeout", timeout)
        check_callback("done", done)
        self._writer.submit(Request(checked(records), done), timeout)

    def note(self, records: Sequence[Record], lost: Lost) -> None:
        """Hand over records whose storing nobody waits for; see `Store.note`."""
        check_callback("lost", lost)
        self._writer.note(checked(records), lost)

    def append_wait(self, records: Iterable[Record], timeout: float = 5.0) -> list[StoredRecord]:
        """Store records and return them as stored; see `Store.append_wait`."""
        if self._writer.is_current:
            raise StoreError(
                "append_wait in a listener or an answer would wait for itself", self._path
            )
        begun = self._clock()
        completion = Completion(self._path)
        self.append(records, completion.done, timeout)
        return completion.result(timeout - (self._clock() - begun))

    def on_append(self, callback: OnAppend) -> Listener:
        """Call `callback` with new records, on the writer's thread; see `Store.on_append`."""
        return self._listeners.add(callback)

    def wait_for(self, position: int, timeout: float) -> bool:
        """Wait until the log reaches `position`; see `LogReader.wait_for`."""
        return self._listeners.wait_for(position, timeout)

    def stats(self) -> Stats:
        """Return counts since the log was opened; see `Store.stats`."""
        return self._writer.stats()

    def close(self, timeout: float = 5.0) -> None:
        """Store what waits, move the WAL into the file, close; see `LogReader.close`.

        Called by a listener or an answer it does not wait for that.
        """
        check_seconds("timeout", timeout)
        self._writer.close(timeout)

    def _end(self) -> None:
        """Run last on the writer's thread."""
        with ExitStack() as ends:
            ends.callback(self._lock.release)
            ends.callback(self._appender.end)
            ends.callback(super().close)
            ends.callback(self._listeners.close)
