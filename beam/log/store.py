"""The port of the log: what every store does, whatever it is made of.

A store is an append-only list of records. Each record has a `position` in the whole list and a
`sequence` in its stream; the store alone gives out both.

    >>> from beam.log import MemoryStore, Record
    >>> with MemoryStore() as store:
    ...     first, second = store.append_wait(
    ...         [Record("e1", "a", "said", 0, '"hello"'), Record("e2", "b", "said", 1, '"hi"')]
    ...     )
    ...     again, third = store.append_wait(
    ...         [Record("e1", "a", "said", 9, '"other"'), Record("e3", "a", "said", 2, '"bye"')]
    ...     )
    ...     [record.body for record in store.read("a", after=1)]
    ['"bye"']
    >>> again == first, (third.position, third.sequence)
    (True, (3, 2))

Promises, for every store; one conformance suite holds them all to it:

- Sequences are 1, 2, 3, ... in each stream, without gaps. Positions grow over the whole log.
- An append is all or nothing; its new records are neighbours in the log, in the order given.
- An id is stored once in the whole log, whatever its stream. Appending it again gives back the
  record stored first, unchanged, and uses no number; also inside one append.
- An append is answered once, and with records only after they are stored (G11). One that failed
  may be repeated with the same ids, whatever became of it.
- Appends made one after the other by one thread are stored in that order, notes among them.
- A read sees every record that was answered before it began, and never a record without all
  those before it.
- Listeners get each new record once, in the order of positions, never half of an append, and
  before that append is answered.

Numbers come from what is stored. A store that one day forgets old records must keep the last of
each stream.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from beam.log.record import StoredRecord, check_count, check_range

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from beam.log.listeners import Listener
    from beam.log.record import Record

__all__ = ["Done", "LogReader", "Lost", "OnAppend", "Stats", "Store", "replay"]

Done = Callable[[list[StoredRecord] | BaseException], None]
"""Answers one append: with the stored records, in the order given, or with why there are none."""

Lost = Callable[[BaseException, int], None]
"""Hears why notes were not stored, and how many."""

OnAppend = Callable[[tuple[StoredRecord, ...]], None]
"""Hears of new records, in the order of their positions."""


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts since the store was opened.

    Attributes:
        requests: appends that were answered with records.
        appended: records that were new.
        commits: transactions that stored something.
        largest_commit: the most new records in one transaction.
        failed: appends that were answered with an error.
        queued: records that wait to be stored, now.
        queued_bytes: their bytes, roughly.
        high_water: the most records that ever waited.
        waited: appends that had to wait for room in the queue.
        refused: appends that found no room before their deadline (`QueueFull`).
        callback_failures: listeners and answers that raised.
    """

    requests: int = 0
    appended: int = 0
    commits: int = 0
    largest_commit: int = 0
    failed: int = 0
    queued: int = 0
    queued_bytes: int = 0
    high_water: int = 0
    waited: int = 0
    refused: int = 0
    callback_failures: int = 0


class LogReader(Protocol):
    """Reads a log. Every method may be called on any thread, and runs there."""

    def read(
        self,
        stream: str,
        *,
        after: int = 0,
        limit: int | None = None,
        types: Collection[str] | None = None,
    ) -> list[StoredRecord]:
        """Return the records of a stream in order; none for a stream that does not exist.

        Args:
            stream: its name.
            after: only those with a greater sequence.
            limit: at most so many; `None` for all.
            types: only those of one of these types, at most 500; `None` for all.

        Raises:
            InvalidInput: an argument is not what it must be.
            StoreClosed: the store has been closed.
            StoreError: it could not be read.
        """
        ...

    def read_all(
        self,
        *,
        after_position: int = 0,
        limit: int | None = None,
        types: Collection[str] | None = None,
    ) -> list[StoredRecord]:
        """Return the records of the whole log in order, after a position; else as `read`."""
        ...

    def find(self, record_id: str) -> StoredRecord | None:
        """Return the record stored under an id, `None` if there is none; by an index.

        Raises:
            InvalidInput: it cannot be an id; the rest as `read`.
        """
        ...

    def last_sequence(self, stream: str) -> int:
        """Return the sequence of the last record in a stream, 0 if there is none."""
        ...

    def last_position(self) -> int:
        """Return the position of the last record in the log, 0 if there is none."""
        ...

    def streams(self) -> dict[str, int]:
        """Return the last sequence of every stream, by name, in the order of first appearance."""
        ...

    def wait_for(self, position: int, timeout: float) -> bool:
        """Wait until the log reaches `position`, and return whether it has.

        `wait_for(last + 1, ...)` is the long poll of a reader that has read up to `last`.

        Args:
            position: the position of the log, from 0, that is waited for.
            timeout: seconds until the answer is `False`.

        Raises:
            InvalidInput: an argument is not what it must be.
            StoreClosed: the store has been closed, before or while waiting.
        """
        ...

    def close(self, timeout: float = 5.0) -> None:
        """Close the store; a second time changes nothing.

        A store that is written to first stores what waits. What still waits at the deadline is
        answered with `StoreClosed`.

        Raises:
            StoreTimeout: a transaction was under way at the deadline. It ends in its own time, and
                then answers its appends; only after that another writer can open the log.
        """
        ...


class Store(LogReader, Protocol):
    """A log that can be appended to. Every method may be called on any thread."""

    def append(self, records: Iterable[Record], done: Done, timeout: float = 0.0) -> None:
        """Hand over records to be stored, all or none; `done` is called once with the outcome.

        Args:
            records: what to store, in order.
            done: answers the append, on the thread that stores. It must not block; what it raises
                is reported and counted, and changes nothing.
            timeout: seconds to wait for room if the queue is full.

        Raises:
            InvalidInput: an argument is not what it must be.
            QueueFull: there was no room in time; `done` will not be called. The same for:
            StoreClosed: the store has been closed.
            StoreError: the store failed earlier, such that only opening it again can help.
        """
        ...

    def note(self, records: Sequence[Record], lost: Lost) -> None:
        """Hand over records for whose storing nobody waits, all or none.

        In the order of appends it is one; but notes of the same `lost` that wait beside each other
        may be stored as one append, which is what makes them cheap. They wait no longer for it.

        Args:
            records: what to store, in order.
            lost: called if they could not be stored, on the thread that stores, once for some
                notes together. It must not block; what it raises is reported and counted.

        Raises:
            InvalidInput: an argument is not what it must be.
            QueueFull: there is no room; `lost` will not be called. The same for:
            StoreClosed: the store has been closed.
            StoreError: the store failed earlier, such that only opening it again can help.
        """
        ...

    def append_wait(self, records: Iterable[Record], timeout: float = 5.0) -> list[StoredRecord]:
        """Store records, all or none, and return them as stored, in the order given.

        Args:
            records: what to store, in order.
            timeout: seconds for everything, waiting for room included.

        Raises:
            StoreTimeout: it was not done in time; it may be done later.
            StoreError: it was called by a listener or an answer, and would wait for itself;
                or as the store answered: `StoreFull`, `StoreClosed`, ...
            InvalidInput: as `append`.
            QueueFull: as `append`.
        """
        ...

    def on_append(self, callback: OnAppend) -> Listener:
        """Call `callback` with each group of new records from now on, until it is cancelled.

        It runs on the thread that stores, before the appends are answered: it must not block.
        What it raises is reported and counted; it will still hear of later records.

        Returns:
            The listener: `since` is the last position that it will not hear of, so that reading up
            to there leaves no gap and no repeat; `cancel()` ends it.
        """
        ...

    def stats(self) -> Stats:
        """Return counts since the store was opened."""
        ...


def replay(
    log: LogReader,
    *,
    after_position: int = 0,
    types: Collection[str] | None = None,
    page: int = 1000,
) -> Iterator[StoredRecord]:
    """Read a log from a position to its end, however long, holding one page at a time.

    Args:
        log: the log.
        after_position: only records after it.
        types: only records of these types; `None` for all.
        page: how many records to hold.

    Returns:
        The records in order, up to those that are there when the iteration ends.

    Raises:
        InvalidInput: an argument is not what it must be; the rest as `read_all`, while iterating.
    """
    check_range("after_position", after_position, None)
    check_count("page", page)
    return _pages(log, after_position, types, page)


def _pages(
    log: LogReader, position: int, types: Collection[str] | None, page: int
) -> Iterator[StoredRecord]:
    while records := log.read_all(after_position=position, limit=page, types=types):
        yield from records
        position = records[-1].position
