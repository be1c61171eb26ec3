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
larger than that is a batch alone. Notes with one `lost`, beside each other in the queue, become one
append while they wait, of at most 128 records: what an append costs besides its records is paid
once. An append larger than the whole queue is let into an empty one, so the bound is the greater of
the limit and the largest single append (G19).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Final

from beam.log.record import check_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from beam.log.record import Record, StoredRecord
    from beam.log.store import Done, Lost

__all__ = ["Intake", "Limits", "Notes", "Request"]

# As many records as one SQL statement stores.
_NOTED: Final = 128


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


class Notes:
    """Notes that wait as one append; see `Store.note`.

    Args:
        lost: hears if they could not be stored.
        records: of the first note.

    Attributes:
        records: what to store; more may come as long as it waits.
        size: their bytes, roughly.
    """

    __slots__ = ("_notes", "lost", "records", "size")

    def __init__(self, lost: Lost, records: Sequence[Record] = ()) -> None:
        self.lost = lost
        self.records = list(records)
        self.size = sum(record.size for record in records)
        self._notes = 1

    def add(self, records: Sequence[Record], size: int) -> None:
        """Take one more."""
        self.records += records
        self.size += size
        self._notes += 1

    def done(self, outcome: list[StoredRecord] | BaseException) -> None:
        """Answer them all."""
        if isinstance(outcome, BaseException):
            self.lost(outcome, self._notes)


class Intake:
    """The queue. It has no lock: its owner has."""

    __slots__ = ("_limits", "_noted", "_queue", "high_water", "records", "size")

    def __init__(self, limits: Limits) -> None:
        """Begin empty."""
        self._limits = limits
        self._noted = min(_NOTED, limits.batch_records)
        self._queue: deque[Request | Notes] = deque()
        self.records = 0
        self.size = 0
        self.high_water = 0

    def __len__(self) -> int:
        """Return how many appends wait."""
        return len(self._queue)

    def has_room(self, request: Request | Notes) -> bool:
        """Return whether an append fits."""
        records = self.records + len(request.records)
        size = self.size + request.size
        fits = records <= self._limits.queued_records and size <= self._limits.queued_bytes
        return fits or not self._queue

    def put(self, request: Request | Notes) -> None:
        """Take an append in that fits."""
        self._queue.append(request)
        self.records += len(request.records)
        self.size += request.size
        self.high_water = max(self.high_water, self.records)

    def join(self, records: Sequence[Record], lost: Lost) -> bool:
        """Let a note be stored with those before it.

        Only behind the last in the queue, so that no note overtakes an append.

        Returns:
            Whether it has been taken in; else it is an append of its own.
        """
        last = self._queue[-1] if self._queue else None
        if type(last) is not Notes or last.lost != lost:
            return False
        size = sum([record.size for record in records])
        count, limits = len(records), self._limits
        if (
            len(last.records) + count > self._noted
            or self.records + count > limits.queued_records
            or self.size + size > limits.queued_bytes
        ):
            return False
        last.add(records, size)
        self.size += size
        self.records += count
        self.high_water = max(self.high_water, self.records)
        return True

    def take(self) -> list[Request | Notes]:
        """Remove and return the next batch; empty if nothing waits."""
        return self._leave(self._limits.batch_records)

    def drain(self) -> list[Request | Notes]:
        """Remove and return everything."""
        return self._leave(self.records)

    def _leave(self, most: int) -> list[Request | Notes]:
        batch: list[Request | Notes] = []
        taken = 0
        while self._queue and (not batch or taken + len(self._queue[0].records) <= most):
            request = self._queue.popleft()
            taken += len(request.records)
            self.size -= request.size
            batch.append(request)
        self.records -= taken
        return batch
