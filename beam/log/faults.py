"""Faults: what SQLite reports, as the errors of the log."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from beam.errors import StoreClosed, StoreCorrupt, StoreError, StoreFull, StoreLocked

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["faults", "is_damage", "store_error"]

# The primary code is the low byte of an extended one (sqlite.org/rescode.html).
_PRIMARY = 0xFF
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _code_of(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code, 0 for an error of the Python module itself."""
    return getattr(error, "sqlite_errorcode", 0) & _PRIMARY


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether the file is what is wrong."""
    return _code_of(error) in _DAMAGE


def store_error(error: sqlite3.Error, path: str) -> StoreError:
    """Return the error of the log that says what `error` says."""
    code = _code_of(error)
    said = f"{error} ({getattr(error, 'sqlite_errorname', type(error).__name__)})"
    if code in _DAMAGE:
        return StoreCorrupt(said, path)
    if code in _BUSY:
        return StoreLocked(f"another program holds SQLite's lock: {said}", path)
    if code == sqlite3.SQLITE_FULL:
        return StoreFull(said, path)
    if code == sqlite3.SQLITE_MISUSE or isinstance(error, sqlite3.ProgrammingError):
        return StoreClosed(said, path)
    return StoreError(said, path)


@contextmanager
def faults(path: str) -> Iterator[None]:
    """Raise what SQLite reports inside the block as errors of the log."""
    try:
        yield
    except sqlite3.Error as error:
        raise store_error(error, path) from error
