"""The log in memory: for tests, experiments and fleets that may forget.

    >>> from beam.log.record import Record
    >>> with MemoryStore() as store:
    ...     stored = store.append_wait([Record("e1", "a", "said", 0, "{}")])
    ...     store.streams()
    {'a': 1}

It has no thread, reads no clock and waits for nothing but its lock: an append is stored, told to
the listeners and answered before `append` returns, on the caller's thread, so it serves as well
under a simulation. An append made by a listener or an answer is stored at once, and told and
answered after the one being told. It grows as long as it is appended to: it is a log.
"""

from __future__ import annotations

import threading
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Self

from beam.errors import StoreClosed, StoreError
from beam.log.completion import Completion
from beam.log.intake import Notes
from beam.log.listeners import Listener, Listeners
from beam.log.numbering import Numbered, number
from beam.log.record import (
    check_callback,
    check_name,
    check_range,
    check_seconds,
    check_types,
    checked,
)
from beam.log.store import Stats
from beam.otp.context import outside

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from beam.log.record import Record, StoredRecord
    from beam.log.store import Done, Lost, OnAppend

__all__ = ["MemoryStore"]


class MemoryStore:
    """A store in memory; see `beam.log.store` for what every store promises."""

    def __init__(self) -> None:
        """Begin empty."""
        self._all: list[StoredRecord] = []
        self._streams: dict[str, list[StoredRecord]] = {}
        self._ids: dict[str, StoredRecord] = {}
        self._listeners = Listeners(0)
        self._closed = False
        # Held through an append, its telling and its answer; the same thread may come again.
        self._turn = threading.RLock()
        self._telling = False
        # As long as the appends that listeners and answers make while they run.
        self._untold: deque[tuple[Numbered, Done]] = deque()
        # Held while the lists change or are copied, never while a callback runs.
        self._lock = threading.Lock()
        self._requests = self._commits = self._largest = 0

    def __enter__(self) -> Self:
        """Return the store; leaving the block closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the store."""
        self.close()

    def append(self, records: Iterable[Record], done: Done, timeout: float = 0.0) -> None:
        """Store records and answer, before it returns; see `Store.append`."""
        check_seconds("timeout", timeout)
        check_callback("done", done)
        given = checked(records)
        with self._turn:
            self._untold.append((self._keep(given), done))
            if not self._telling:
                self._telling = True
                try:
                    self._tell()
                finally:
                    self._telling = False

    def note(self, records: Sequence[Record], lost: Lost) -> None:
        """Store records before it returns; see `Store.note`."""
        check_callback("lost", lost)
        self.append(records, Notes(lost).done)

    def append_wait(self, records: Iterable[Record], timeout: float = 5.0) -> list[StoredRecord]:
        """Store records and return them as stored; see `Store.append_wait`."""
        with self._turn:
            if self._telling:
                raise StoreError("append_wait in a listener or an answer would wait for itself")
            completion = Completion()
            self.append(records, completion.done, timeout)
        return completion.result(timeout)

    def on_append(self, callback: OnAppend) -> Listener:
        """Call `callback` with new records; see `Store.on_append`."""
        with self._turn:
            return self._listeners.add(callback)

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
        wanted = check_types(types)
        with self._lock:
            self._check_open()
            return _selected(self._streams.get(stream, []), after, limit, wanted)

    def read_all(
        self,
        *,
        after_position: int = 0,
        limit: int | None = None,
        types: Collection[str] | None = None,
    ) -> list[StoredRecord]:
        """Return the records of the whole log; see `LogReader.read_all`."""
        check_range("after_position", after_position, limit)
        wanted = check_types(types)
        with self._lock:
            self._check_open()
            return _selected(self._all, after_position, limit, wanted)

    def find(self, record_id: str) -> StoredRecord | None:
        """Return the record stored under an id; see `LogReader.find`."""
        check_name("record_id", record_id)
        with self._lock:
            self._check_open()
            return self._ids.get(record_id)

    def last_sequence(self, stream: str) -> int:
        """Return the sequence of the last record in a stream; see `LogReader.last_sequence`."""
        check_name("stream", stream)
        with self._lock:
            self._check_open()
            return self._last(stream)

    def last_position(self) -> int:
        """Return the position of the last record; see `LogReader.last_position`."""
        with self._lock:
            self._check_open()
            return len(self._all)

    def streams(self) -> dict[str, int]:
        """Return the last sequence of every stream; see `LogReader.streams`."""
        with self._lock:
            self._check_open()
            return {name: len(records) for name, records in self._streams.items()}

    def wait_for(self, position: int, timeout: float) -> bool:
        """Wait until the log reaches `position`; see `LogReader.wait_for`."""
        return self._listeners.wait_for(position, timeout)

    def stats(self) -> Stats:
        """Return counts since the store was made; see `Store.stats`."""
        return Stats(
            requests=self._requests,
            appended=len(self._all),
            commits=self._commits,
            largest_commit=self._largest,
            callback_failures=self._listeners.failures,
        )

    def close(self, timeout: float = 5.0) -> None:
        """Close the store, whose records are then gone; see `LogReader.close`."""
        check_seconds("timeout", timeout)
        with self._lock:
            self._closed = True
        self._listeners.close()

    def _keep(self, records: tuple[Record, ...]) -> Numbered:
        with self._lock:
            self._check_open()
            numbered = number([records], len(self._all), self._last, self._ids.get)
            for record in numbered.fresh:
                self._all.append(record)
                self._streams.setdefault(record.stream, []).append(record)
                self._ids[record.id] = record
            self._commits += bool(numbered.fresh)
            self._largest = max(self._largest, len(numbered.fresh))
            return numbered

    def _tell(self) -> None:
        # As in a store with a thread of its own: what they do is nothing that the appender does.
        with outside():
            while self._untold:
                numbered, done = self._untold.popleft()
                self._listeners.publish(numbered.fresh)
                self._requests += 1
                self._listeners.guard(done, numbered.answers[0])

    def _last(self, stream: str) -> int:
        return len(self._streams.get(stream, ()))

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosed("the log has been closed")


def _selected(
    records: list[StoredRecord], after: int, limit: int | None, types: tuple[str, ...] | None
) -> list[StoredRecord]:
    """Return a part of a list in which the n-th record has the number n."""
    if types is None:
        return records[after : None if limit is None else after + limit]
    found = (record for n in range(after, len(records)) if (record := records[n]).type in types)
    return list(islice(found, limit))
