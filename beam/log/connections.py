"""Connections: a few to one database, lent to whoever reads."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from beam.errors import StoreClosed, StoreError, StoreTimeout
from beam.log.faults import faults

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

__all__ = ["Connections"]

_MOST: Final = 4
"""Python runs one thread at a time; more connections would only hold more memory."""

_WAIT: Final = 30.0
"""Seconds to wait for a connection."""


class Connections:
    """At most four open connections, each lent to one thread at a time."""

    def __init__(self, path: str, opener: Callable[[], sqlite3.Connection]) -> None:
        """Begin without any; `opener` makes one."""
        self._path = path
        self._opener = opener
        self._pid = os.getpid()
        self._free: list[sqlite3.Connection] = []
        self._lent = 0
        self._closed = False
        self._returned = threading.Condition()

    @contextmanager
    def lend(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection; what SQLite reports inside is raised as an error of the log.

        Raises:
            StoreClosed: `close` has been called.
            StoreTimeout: all stayed lent for 30 s.
        """
        connection = self._take()
        try:
            with faults(self._path):
                if connection is None:
                    connection = self._opener()
                yield connection
        finally:
            self._give_back(connection)

    def close(self) -> None:
        """Close them; those that are lent as soon as they come back."""
        if os.getpid() != self._pid:
            return
        with self._returned:
            self._closed = True
            free, self._free = self._free, []
            self._returned.notify_all()
        for connection in free:
            connection.close()

    def _take(self) -> sqlite3.Connection | None:
        """Return a free connection, or `None` for the right to open one."""
        # SQLite's connections do not survive a fork (sqlite.org/howtocorrupt.html section 2.6).
        if os.getpid() != self._pid:
            raise StoreError(
                f"opened by process {self._pid}, which forked; open the log in this process",
                self._path,
            )
        with self._returned:
            if not self._returned.wait_for(lambda: self._closed or self._lent < _MOST, _WAIT):
                raise StoreTimeout(f"all {_MOST} connections stayed in use", self._path)
            if self._closed:
                raise StoreClosed("the log has been closed", self._path)
            self._lent += 1
            return self._free.pop() if self._free else None

    def _give_back(self, connection: sqlite3.Connection | None) -> None:
        with self._returned:
            self._lent -= 1
            keep = connection is not None and not self._closed
            if keep and connection is not None:
                self._free.append(connection)
            self._returned.notify()
        if connection is not None and not keep:
            connection.close()
