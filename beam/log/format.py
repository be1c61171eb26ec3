"""The file: its schema, how a new one is made, how it is known without being touched.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     path = f"{directory}/fleet.db"
    ...     there = examine(path)
    ...     create(path)
    ...     there, examine(path)
    (False, True)

A log is an SQLite database with `APPLICATION_ID` and `SCHEMA_VERSION` in its header and these
tables. It is made complete under another name and then moved to its own, so that a file at its
name is a whole log at any instant.

A file is examined through SQLite's `immutable` mode, which takes no lock and makes no file beside
it. (Not by reading its bytes: closing a plain file descriptor would drop the locks that another
connection of this process has on the file, see sqlite.org/howtocorrupt.html section 2.2.)
"""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Final

from beam.errors import StoreCorrupt, StoreError, StoreForeign, StoreNewer
from beam.log.faults import faults, is_damage

__all__ = [
    "APPLICATION_ID",
    "SCHEMA_VERSION",
    "connect",
    "create",
    "examine",
    "examine_leftovers",
    "size_of",
]

APPLICATION_ID: Final = int.from_bytes(b"BEAM", "big")
"""Bytes 68 to 71 of the file, which tell `file` and us whose it is."""

SCHEMA_VERSION: Final = 1
"""The schema below; SQLite's `user_version`."""

# The smallest page that SQLite has; it takes a single byte for an empty database.
_LEAST_DATABASE: Final = 512

# `timestamp` is the number as JSON text: SQLite would make 1.0 of 1, and prints 15 digits only.
# `body` has no type, so that text stays text and bytes stay bytes.
_SCHEMA: Final = {
    "stream": "CREATE TABLE stream (key INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    "event": (
        "CREATE TABLE event (position INTEGER PRIMARY KEY, stream INTEGER NOT NULL,"
        " sequence INTEGER NOT NULL, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL,"
        " timestamp TEXT NOT NULL, body NOT NULL, UNIQUE (stream, sequence))"
    ),
}


def connect(path: str, options: str, timeout: float = 5.0) -> sqlite3.Connection:
    """Open an existing database with the URI options `options`, for use by one thread at a time.

    Args:
        path: the file.
        options: `mode=ro`, `mode=rw`, ... (sqlite.org/uri.html).
        timeout: seconds to wait for a lock of another connection.
    """
    return sqlite3.connect(
        f"{Path(path).absolute().as_uri()}?{options}",
        uri=True,
        timeout=timeout,
        isolation_level=None,
        check_same_thread=False,
    )


def create(path: str) -> None:
    """Make an empty log at `path`, where nothing or an empty file is; for the holder of its lock.

    Raises:
        StoreError: it could not be made.
    """
    draft = f"{path}-new"
    try:
        # What a writer that died here has left.
        Path(draft).unlink(missing_ok=True)
        with faults(path), closing(connect(draft, "mode=rwc")) as connection:
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            for statement in _SCHEMA.values():
                connection.execute(statement)
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if Path(path).exists():
            Path(draft).chmod(stat.S_IMODE(Path(path).stat().st_mode))
        _sync(draft)
        Path(draft).replace(path)
        _sync(str(Path(path).parent))
    except OSError as error:
        raise StoreError(f"the log cannot be made: {error}", path) from error


def examine(path: str) -> bool:
    """Return whether there is a log at `path`; `False` if one may be made there.

    Nothing is changed, nor is any file made beside it. Damage in the middle of the file is not
    looked for; `SqliteReader.verify` does that.

    Raises:
        StoreForeign: there is something else.
        StoreCorrupt: there is a log, or was, and it is damaged.
        StoreNewer: there is a log of a newer `beam`.
        StoreError: it cannot be read.
    """
    try:
        return _examine(path)
    except StoreCorrupt:
        # It is looked at without a lock. Damage is there a second time; what looked so because a
        # writer had the file in hand just then is not.
        return _examine(path)


def _examine(path: str) -> bool:
    try:
        status = Path(path).stat()
    except FileNotFoundError:
        size = 0
    except OSError as error:
        raise StoreError(f"the log cannot be read: {error}", path) from error
    else:
        size = status.st_size
        if not stat.S_ISREG(status.st_mode):
            raise StoreForeign("not a log of beam: it is not a regular file", path)
        if 0 < size < _LEAST_DATABASE:
            raise StoreForeign("not a log of beam: it is not an SQLite database", path)
    if size:
        _examine_database(path)
    else:
        _examine_surroundings(path)
    return size > 0


def examine_leftovers(path: str) -> None:
    """Look at what a writer that died left, before anything is written; for the lock's holder.

    The log and its WAL are not changed. Only a crash in the midst of a checkpoint, seen by a file
    that is shorter than it says, costs a reading of the whole log.

    Raises:
        StoreCorrupt: the log and its WAL together are no whole log.
    """
    if not size_of(f"{path}-wal"):
        return
    with faults(path):
        with closing(connect(path, "mode=ro&immutable=1")) as connection:
            cut = _is_cut(connection, path)
        # Closed without the right to write, a connection leaves the WAL as it is.
        with closing(connect(path, "mode=ro")) as connection:
            connection.execute("SELECT max(position) FROM event").fetchone()
            found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0] if cut else "ok"
    if found != "ok":
        raise StoreCorrupt(f"damaged: {found}", path)


def _examine_surroundings(path: str) -> None:
    # SQLite would play such a leftover back into the new log.
    for suffix in ("-wal", "-journal"):
        size = size_of(path + suffix)
        if size:
            raise StoreCorrupt(
                f"the log is gone or empty, but {size} bytes of it are in {path}{suffix}; put the"
                " log back, or remove that file if it is not needed",
                path,
            )


def _examine_database(path: str) -> None:
    with faults(path), closing(connect(path, "mode=ro&immutable=1")) as connection:
        cut = _is_cut(connection, path)
        _check_header(connection, path)
        if cut and not size_of(f"{path}-wal"):
            raise StoreCorrupt(
                f"damaged: it has {size_of(path)} bytes, less than its header says", path
            )
        _check_schema(connection, path)
        if not Path(f"{path}-wal").exists():
            # Without a WAL the file alone is the log: try its last page.
            connection.execute("SELECT max(position) FROM event").fetchone()


def _is_cut(connection: sqlite3.Connection, path: str) -> bool:
    """Return whether the file is shorter than it says; true also in the midst of a checkpoint."""
    try:
        connection.execute("PRAGMA application_id").fetchone()
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
            raise StoreForeign("not a log of beam: it is not an SQLite database", path) from error
        # This mode is made for reading what is left of a damaged file; nothing is written.
        connection.execute("PRAGMA writable_schema = ON")
        return True
    # SQLite takes zeros for what the last page lacks.
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (page_size,) = connection.execute("PRAGMA page_size").fetchone()
    return size_of(path) < int(pages) * int(page_size)


def _check_header(connection: sqlite3.Connection, path: str) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise StoreForeign(
            f"not a log of beam: an SQLite database with application id {application}, not"
            f" {APPLICATION_ID}",
            path,
        )
    if version > SCHEMA_VERSION:
        raise StoreNewer(
            f"written by a newer beam: schema {version}, this one knows up to {SCHEMA_VERSION}",
            path,
        )
    if version < SCHEMA_VERSION:
        raise StoreCorrupt(f"damaged: there is no schema {version}", path)


def _check_schema(connection: sqlite3.Connection, path: str) -> None:
    found = dict(connection.execute("SELECT name, sql FROM sqlite_master").fetchall())
    for name, statement in _SCHEMA.items():
        if found.get(name) != statement:
            raise StoreCorrupt(f"damaged: table {name} is {found.get(name)!r}", path)


def size_of(path: str) -> int:
    """Return the bytes of a file, 0 if there is none."""
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0


def _sync(path: str) -> None:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
