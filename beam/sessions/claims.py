"""Who receives which run's messages: one reader at a time.

    >>> class Reader:
    ...     reading = True
    >>> claims, one, other = Claims(), Reader(), Reader()
    >>> claims.take("run_1", one), claims.take("run_1", one)
    (None, None)
    >>> try:
    ...     claims.take("run_1", other)
    ... except SessionRefused as refused:
    ...     refused.reason
    'receiver_taken'
    >>> one.reading = False
    >>> claims.take("run_1", other)

They belong to the fleet, so a restart of a session's process changes nothing. A reader that has
stopped reading holds nothing any more: it has come to the end, it was closed, the process in which
it was read has died, or nobody has it any more. So there is nothing to clean up, and no more
claims than readers.
"""

from __future__ import annotations

import threading
import weakref
from typing import Protocol

from beam.errors import SessionRefused

__all__ = ["Claims", "Reader"]


class Reader(Protocol):
    """Who may hold a claim."""

    @property
    def reading(self) -> bool:
        """Whether there is anybody who may still read; if not, its claim is free."""
        ...


class Claims:
    """The readers of a fleet's runs; every function may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readers: weakref.WeakValueDictionary[str, Reader] = weakref.WeakValueDictionary()

    def __len__(self) -> int:
        """Return how many claims are held, or were and have not been taken by another."""
        return len(self._readers)

    def take(self, run_id: str, reader: Reader) -> None:
        """Let `reader` be the one who receives; again is no error.

        Raises:
            SessionRefused: `receiver_taken`; another one is.
        """
        with self._lock:
            holder = self._readers.get(run_id)
            if holder is not None and holder is not reader and holder.reading:
                raise SessionRefused("receiver_taken", run_id=run_id)
            self._readers[run_id] = reader
