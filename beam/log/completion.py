"""Completion: one thread waits for the answer to its append.

>>> completion = Completion()
>>> completion.done([])
>>> completion.result(timeout=1.0)
[]
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from beam.errors import StoreTimeout

if TYPE_CHECKING:
    from beam.log.record import StoredRecord

__all__ = ["Completion"]


class Completion:
    """The answer to one append, for one waiter. `done` is called at most once."""

    __slots__ = ("_answered", "_outcome", "_path")

    def __init__(self, path: str | None = None) -> None:
        """Begin without an answer; `path` is for messages."""
        self._path = path
        self._outcome: list[StoredRecord] | BaseException | None = None
        # A bare lock: a tenth of the price of an Event, and every append pays it.
        self._answered = threading.Lock()
        self._answered.acquire()

    def done(self, outcome: list[StoredRecord] | BaseException) -> None:
        """Answer."""
        self._outcome = outcome
        self._answered.release()

    def result(self, timeout: float) -> list[StoredRecord]:
        """Return the answer or raise it; `StoreTimeout` if it is not there within `timeout` s."""
        if not self._answered.acquire(timeout=max(0.0, timeout)) or self._outcome is None:
            raise StoreTimeout("the append was not answered in time", self._path)
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        return self._outcome
