"""Intake: the bounded queue of appends before the writer, and how it is cut into batches. Pure.

    >>> intake = Intake(Limits(queued_records=3, batch_records=2))
    >>> from beam.log.record import Record
    >>> def request(*ids):
    ...     return Request(tuple(Record(id, "a", "t", 0, "{}") for id in ids), print)
    >>> intake.put(request("e1"))
    >>> intake.put(request("e2", "e3"))
    >>> intake.has_room(request("e4"))
    False
    >>> [len(request.records) for request in intake.take()], intake.records
    ([1], 2)

A batch is as many whole appends, from the head of the queue, as fit in `batch_records`; an append
larger than that is a batch alone. An append larger than the whole queue is let into an empty one,
so the bound is the greater of the limit and the largest single append (G19).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from beam.log.record import check_count

if TYPE_CHECKING:
    from beam.log.record import Record
    from beam.log.store import Done

__all__ = ["Intake", "Limits", "Request"]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may wait to be stored, and how much is stored in one transaction.

    Attributes:
        queued_records: the most records that wait.
        queued_bytes: the most bytes that wait, roughly.
        batch_records: the most records of one transaction, but for a larger single append.

    Raises:
        InvalidInput: a limit is no positive integer.
    """

    queued_records: int = 10_000
    queued_bytes: int = 64 * 1024 * 1024
    batch_records: int = 1_000

    def __post_init__(self) -> None:
        for limit in fields(self):
            check_count(limit.name, getattr(self, limit.name))


@dataclass(frozen=True, slots=True)
class Request:
    """One append that waits.

    Attributes:
        records: what to store.
        done: answers it.
        size: its bytes, roughly.
    """

    records: tuple[Record, ...]
    done: Done
    size: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", sum(record.size for record in self.records))


class Intake:
    """The queue. It has no lock: its owner has."""

    __slots__ = ("_limits", "_queue", "high_water", "records", "size")

    def __init__(self, limits: Limits) -> None:
        """Begin empty."""
        self._limits = limits
        self._queue: deque[Request] = deque()
        self.records = 0
        self.size = 0
        self.high_water = 0

    def __len__(self) -> int:
        """Return how many appends wait."""
        return len(self._queue)

    def has_room(self, request: Request) -> bool:
        """Return whether an append fits."""
        records = self.records + len(request.records)
        size = self.size + request.size
        fits = records <= self._limits.queued_records and size <= self._limits.queued_bytes
        return fits or not self._queue

    def put(self, request: Request) -> None:
        """Take an append in that fits."""
        self._queue.append(request)
        self.records += len(request.records)
        self.size += request.size
        self.high_water = max(self.high_water, self.records)

    def take(self) -> list[Request]:
        """Remove and return the next batch; empty if nothing waits."""
        return self._leave(self._limits.batch_records)

    def drain(self) -> list[Request]:
        """Remove and return everything."""
        return self._leave(self.records)

    def _leave(self, most: int) -> list[Request]:
        batch: list[Request] = []
        taken = 0
        while self._queue and (not batch or taken + len(self._queue[0].records) <= most):
            request = self._queue.popleft()
            taken += len(request.records)
            self.size -= request.size
            batch.append(request)
        self.records -= taken
        return batch
