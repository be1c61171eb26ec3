"""The appender: the one connection that writes, and how a transaction is made.

A transaction of up to 1,024 records of known streams is one SQL statement. Python's `sqlite3` lets
go of the interpreter lock around each statement, and beside busy threads may wait 5 ms to get it
back: a statement for each record, each counter, BEGIN and COMMIT made a commit of 100 records take
0.13 s there, one statement for all 0.03 s. A whole transaction of a busy log is one statement.

Ids are not looked up before they are stored: the table refuses one that is there, and only then
the ids of the transaction are looked up, and those that are new are stored in a second try.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import suppress
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from beam.errors import InvalidInput, StoreError
from beam.log.faults import faults
from beam.log.format import connect
from beam.log.numbering import Numbered, number
from beam.log.reader import LAST_POSITION, number_of
from beam.log.record import check_count
from beam.log.rows import page, with_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from beam.log.record import Record, StoredRecord

__all__ = ["Appender", "Durability", "check_options"]

Durability = Literal["power", "process"]
"""What an answered append survives: see `beam.log.sqlite`."""

_SYNCHRONOUS: Final = {"power": "FULL", "process": "NORMAL"}

_COLUMNS: Final = 7

_INSERT_ONE: Final = """
    INSERT INTO event (position, stream, sequence, id, type, timestamp, body) VALUES {}
"""

_INSERT: Final = """
    WITH given (position, stream, sequence, id, type, timestamp, body) AS (VALUES {})
    INSERT INTO event (position, stream, sequence, id, type, timestamp, body)
    SELECT * FROM given WHERE position IS NOT NULL
"""

# Records of a statement: 7 parameters for each, as far as SQLite takes so many (999 before 3.32).
_ROWS_OF_A_STATEMENT: Final = 1024

# Ids of a statement that looks for them.
_IDS_OF_A_STATEMENT: Final = 128

# Streams whose key and last sequence are remembered, about 200 bytes each.
_STREAMS_REMEMBERED: Final = 50_000

# Pages of 4 KB after which the WAL is moved into the file: four times SQLite's own choice. Ids come
# in no order, so a transaction touches a page of their index for each; waiting saves writing them
# again and again, a fifth of the time.
_CHECKPOINT_PAGES: Final = 4_000

# Kilobytes of pages held in memory at most, for the same index.
_CACHE_KILOBYTES: Final = 32_000

# The WAL is cut back to this after a time of slow readers or a large transaction.
_WAL_BYTES_KEPT: Final = 64 * 1024 * 1024

_STREAM: Final = """
    SELECT key, (SELECT max(sequence) FROM event WHERE stream = key) FROM stream WHERE name = ?
"""


class Appender:
    """The connection that writes to a log, for the holder of its lock."""

    def __init__(self, path: str, durability: Durability, max_bytes: int | None) -> None:
        """Open it.

        Args:
            path: the file, a log.
            durability: what an answered append survives.
            max_bytes: the largest that the file may become; `None` for no limit.

        Raises:
            StoreError: it cannot be opened for writing.
        """
        self._path = path
        self._keys: dict[str, int] = {}
        self._lasts: dict[str, int] = {}
        with faults(path):
            self._connection = connect(path, "mode=rw")
            self._rows = _rows_of_a_statement(self._connection)
            try:
                self._prepare(durability, max_bytes)
                self.position = number_of(self._connection, LAST_POSITION)
                self._last_key = number_of(self._connection, "SELECT max(key) FROM stream")
            except BaseException:
                self._connection.close()
                raise

    def commit(self, appends: Sequence[Sequence[Record]]) -> Numbered:
        """Store some appends in one transaction.

        Raises:
            StoreError: nothing of them was stored, as far as can be known: `StoreFull`,
                `StoreLocked` by another program, `StoreCorrupt`, or another failure.
        """
        if len(self._keys) > _STREAMS_REMEMBERED:
            self._keys.clear()
            self._lasts.clear()
        try:
            with faults(self._path):
                return self._store_new(appends)
        except BaseException:
            self._roll_back()
            raise

    def end(self) -> None:
        """Move the WAL into the file and close. What cannot be moved stays in the WAL."""
        with suppress(sqlite3.Error):
            # A reader in another process is not waited for long.
            self._connection.execute("PRAGMA busy_timeout = 200")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        self._connection.close()

    def _prepare(self, durability: Durability, max_bytes: int | None) -> None:
        def pragma(name: str, value: str | int) -> Any:
            row = self._connection.execute(f"PRAGMA {name} = {value}").fetchone()
            return row[0] if row else None

        mode = pragma("journal_mode", "WAL")
        if mode != "wal":
            raise StoreError(
                f"the file system is not fit for a WAL: SQLite chose {mode}", self._path
            )
        pragma("synchronous", _SYNCHRONOUS[durability])
        # On macOS a plain flush leaves the data in the disk's own memory; elsewhere no difference.
        pragma("fullfsync", int(durability == "power"))
        pragma("wal_autocheckpoint", _CHECKPOINT_PAGES)
        pragma("journal_size_limit", _WAL_BYTES_KEPT)
        pragma("cache_size", -_CACHE_KILOBYTES)
        if max_bytes is not None:
            (page_size,) = self._connection.execute("PRAGMA page_size").fetchone()
            pragma("max_page_count", max(1, max_bytes // page_size))

    def _store_new(self, appends: Sequence[Sequence[Record]]) -> Numbered:
        numbered = number(appends, self.position, self._last, lambda _: None)
        try:
            self._store(numbered.fresh)
        except sqlite3.IntegrityError:
            self._roll_back()
            stored = self._stored([record.id for record in numbered.fresh])
            numbered = number(appends, self.position, self._last, stored.get)
            self._store(numbered.fresh)
        return numbered

    def _store(self, fresh: tuple[StoredRecord, ...]) -> None:
        if not fresh:
            return
        names = dict.fromkeys(record.stream for record in fresh)
        new = [name for name in names if name not in self._keys]
        keys = {name: key for key, name in enumerate(new, self._last_key + 1)}
        rows = [
            _row(record, self._keys.get(record.stream) or keys[record.stream]) for record in fresh
        ]
        self._write(keys, rows)
        # Only what is committed is remembered.
        self.position = fresh[-1].position
        self._last_key += len(keys)
        self._keys.update(keys)
        self._lasts.update((record.stream, record.sequence) for record in fresh)

    def _write(self, keys: dict[str, int], rows: list[tuple[object, ...]]) -> None:
        execute = self._connection.execute
        most = self._rows
        if not keys and len(rows) <= most:
            execute(*_insertion(rows))
            return
        execute("BEGIN IMMEDIATE")
        for name, key in keys.items():
            execute("INSERT INTO stream (key, name) VALUES (?, ?)", (key, name))
        for start in range(0, len(rows), most):
            execute(*_insertion(rows[start : start + most]))
        execute("COMMIT")

    def _roll_back(self) -> None:
        # After some errors SQLite has rolled back by itself; after others it can do nothing.
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _last(self, stream: str) -> int:
        if stream not in self._keys:
            row = self._connection.execute(_STREAM, (stream,)).fetchone()
            if row is None:
                return 0
            self._keys[stream], self._lasts[stream] = row
        return self._lasts[stream]

    def _stored(self, ids: list[str]) -> dict[str, StoredRecord]:
        """Return those of the ids that are in the log, with what is stored under them."""
        found: dict[str, StoredRecord] = {}
        for start in range(0, len(ids), _IDS_OF_A_STATEMENT):
            some = with_ids(ids[start : start + _IDS_OF_A_STATEMENT])
            records = page(self._connection, some, 0, _IDS_OF_A_STATEMENT)
            found.update((record.id, record) for record in records)
        return found


def check_options(durability: object, max_bytes: object) -> None:
    """Refuse options that an appender cannot have."""
    if durability not in _SYNCHRONOUS:
        raise InvalidInput("durability", durability, f"one of {get_args(Durability)}")
    if max_bytes is not None:
        check_count("max_bytes", max_bytes)


def _rows_of_a_statement(connection: sqlite3.Connection) -> int:
    """Return how many rows one statement may insert, a power of two."""
    most = connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // _COLUMNS
    return min(_ROWS_OF_A_STATEMENT, 1 << (most.bit_length() - 1))


def _row(record: StoredRecord, stream: int) -> tuple[object, ...]:
    return (
        record.position,
        stream,
        record.sequence,
        record.id,
        record.type,
        _number(record.timestamp),
        record.body,
    )


def _number(value: float) -> str:
    """Return a number as JSON has it; it is finite."""
    # The encoder comes to the same, and takes a quarter of the time of a whole record for it.
    return int.__repr__(value) if isinstance(value, int) else json.dumps(value)


def _insertion(rows: list[tuple[object, ...]]) -> tuple[str, list[object]]:
    """Return the statement that inserts `rows`, and its parameters.

    Few statements of different length serve all: the rows are filled up with empty ones to the
    next power of two, so that SQLite's compiled statements are used again.
    """
    size = 1 << (len(rows) - 1).bit_length()
    padding = [None] * ((size - len(rows)) * _COLUMNS)
    return _insert(size), [*chain.from_iterable(rows), *padding]


@cache
def _insert(size: int) -> str:
    row = f"({', '.join('?' * _COLUMNS)})"
    return _INSERT_ONE.format(row) if size == 1 else _INSERT.format(", ".join([row] * size))
