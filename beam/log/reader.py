"""Reading a log in a file: in the process that writes it, or in any other at the same time.

    >>> import tempfile
    >>> from beam.log import Record, SqliteStore
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     path = f"{directory}/fleet.db"
    ...     with SqliteStore.open(path) as store, SqliteReader(path) as reader:
    ...         _ = store.append_wait([Record("e1", "a", "said", 0, "{}")])
    ...         reader.wait_for(1, timeout=5.0), reader.streams()
    (True, {'a': 1})

A reader sees what has been committed, at once, and never holds up the writer. After a `kill -9` of
the writer the file FILE-wal is a part of the log: what was answered last is in there. Reading a log
that nobody writes may leave an empty FILE-wal and FILE-shm behind, which the next writer removes.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from beam.errors import InvalidInput, StoreClosed, StoreCorrupt
from beam.log.connections import Connections
from beam.log.format import connect, examine, size_of
from beam.log.record import check_name, check_range, check_seconds, check_types
from beam.log.rows import PAGE, events, of_stream, page, with_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from os import PathLike
    from typing import Self

    from beam.log.record import StoredRecord
    from beam.log.rows import Choice

__all__ = ["SqliteReader"]

_POLL: Final = 0.05
"""Seconds between two looks at a log that another process writes."""

LAST_POSITION: Final = "SELECT max(position) FROM event"

_LAST_SEQUENCE: Final = """
    SELECT max(sequence) FROM event WHERE stream = (SELECT key FROM stream WHERE name = ?)
"""

_STREAMS: Final = """
    SELECT json_group_array(json_array(
        key, name, (SELECT max(sequence) FROM event WHERE event.stream = stream.key)
    )) FROM stream
"""

# The first place where numbers do not run from 1 to as many as there are.
_GAP: Final = """
    SELECT 'the log' FROM (SELECT count(*) AS held, max(position) AS last FROM event)
    WHERE held <> coalesce(last, 0)
    UNION ALL
    SELECT 'stream ' || coalesce(name, event.stream)
    FROM event LEFT JOIN stream ON key = event.stream
    GROUP BY event.stream HAVING count(*) <> max(sequence) OR name IS NULL
    LIMIT 1
"""


class SqliteReader:
    """A log in a file, for reading; see `beam.log.store.LogReader`."""

    def __init__(
        self, path: str | PathLike[str], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Open an existing log.

        Args:
            path: the file.
            clock: seconds of a clock that never goes back, for deadlines.

        Raises:
            InvalidInput: there is no file, or an empty one.
            StoreForeign: the file is not a log.
            StoreCorrupt: it is damaged.
            StoreNewer: a newer `beam` wrote it.
            StoreError: it cannot be read.
        """
        self._path = file_path(path)
        self._clock = clock
        if not examine(self._path):
            raise InvalidInput("path", self._path, "a log; nothing has been written there yet")
        self._closed = threading.Event()
        self._connections = Connections(self._path, self._connect)
        self.last_position()

    def __enter__(self) -> Self:
        """Return the log; leaving the block closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the log."""
        self.close()

    @property
    def path(self) -> str:
        """The file."""
        return self._path

    def read(
        self,
        stream: str,
        *,
        after: int = 0,
        limit: int | None = None,
        types: Collection[str] | None = None,
    ) -> list[StoredRecord]:
        """Return the records of a stream; see `LogReader.read`."""
        check_name("stream", stream)
        check_range("after", after, limit)
        return self._pages(of_stream(stream, check_types(types)), after, limit)

    def read_all(
        self,
        *,
        after_position: int = 0,
        limit: int | None = None,
        types: Collection[str] | None = None,
    ) -> list[StoredRecord]:
        """Return the records of the whole log; see `LogReader.read_all`."""
        check_range("after_position", after_position, limit)
        return self._pages(events(check_types(types)), after_position, limit)

    def find(self, record_id: str) -> StoredRecord | None:
        """Return the record stored under an id; see `LogReader.find`."""
        check_name("record_id", record_id)
        with self._connections.lend() as connection:
            found = page(connection, with_ids((record_id,)), 0, 1)
        return found[0] if found else None

    def last_sequence(self, stream: str) -> int:
        """Return the sequence of the last record in a stream; see `LogReader.last_sequence`."""
        check_name("stream", stream)
        with self._connections.lend() as connection:
            return number_of(connection, _LAST_SEQUENCE, stream)

    def last_position(self) -> int:
        """Return the position of the last record; see `LogReader.last_position`."""
        with self._connections.lend() as connection:
            return number_of(connection, LAST_POSITION)

    def streams(self) -> dict[str, int]:
        """Return the last sequence of every stream; see `LogReader.streams`."""
        with self._connections.lend() as connection:
            (packed,) = connection.execute(_STREAMS).fetchone()
        return {name: last for _, name, last in sorted(json.loads(packed))}

    def wait_for(self, position: int, timeout: float) -> bool:
        """Wait until the log reaches `position`, looking 20 times a second.

        See `LogReader.wait_for`.
        """
        check_range("position", position, None)
        check_seconds("timeout", timeout)
        deadline = self._clock() + timeout
        while self.last_position() < position:
            left = deadline - self._clock()
            if left <= 0:
                return False
            if self._closed.wait(min(left, _POLL)):
                raise StoreClosed("the log has been closed", self._path)
        return True

    def verify(self) -> None:
        """Read the whole log and check it: SQLite's own check, and that no number is missing.

        Takes time in proportion to the log; appends go on meanwhile.

        Raises:
            StoreCorrupt: it is damaged, with the first thing found.
        """
        with self._connections.lend() as connection:
            (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            gap = connection.execute(_GAP).fetchone()
        if found != "ok":
            raise StoreCorrupt(f"damaged: {found}", self._path)
        if gap is not None:
            raise StoreCorrupt(f"damaged: numbers are missing in {gap[0]}", self._path)

    def close(self, timeout: float = 5.0) -> None:
        """Close the log; reads under way end first. See `LogReader.close`."""
        check_seconds("timeout", timeout)
        self._closed.set()
        self._connections.close()

    def _pages(self, choice: Choice, after: int, limit: int | None) -> list[StoredRecord]:
        """Return what one read asks for, page by page; no transaction spans two pages."""
        found: list[StoredRecord] = []
        while limit is None or len(found) < limit:
            size = PAGE if limit is None else min(PAGE, limit - len(found))
            with self._connections.lend() as connection:
                records = page(connection, choice, after, size)
            found += records
            if len(records) < size:
                break
            after = getattr(records[-1], choice.number)
        return found

    def _connect(self) -> sqlite3.Connection:
        connection = connect(self._path, "mode=ro")
        try:
            connection.execute(LAST_POSITION).fetchone()
        except sqlite3.OperationalError:
            connection.close()
            # Where no file can be made, as on read-only media, and no WAL is left to be read.
            if size_of(f"{self._path}-wal"):
                raise
            return connect(self._path, "mode=ro&immutable=1")
        except sqlite3.Error:
            connection.close()
            raise
        return connection


def file_path(path: str | PathLike[str]) -> str:
    """Return where the file really is: its companions lie beside it, not beside a link."""
    try:
        given = Path(path)
        real = given.resolve()
    except (TypeError, ValueError, OSError, RuntimeError) as error:
        raise InvalidInput("path", path, "the path of a file") from error
    if not real.parent.is_dir():
        raise InvalidInput("path", path, "a file in a directory that exists")
    return str(real)


def number_of(connection: sqlite3.Connection, query: str, *arguments: str) -> int:
    """Return the one number that a query is for, 0 if it finds none."""
    row: tuple[int | None] = connection.execute(query, arguments).fetchone()
    return row[0] or 0
