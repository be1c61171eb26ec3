"""The journal: how the fleet's processes write events into the log, and read them back.

    >>> from beam.log import MemoryStore
    >>> from beam.otp import Node
    >>> with Node() as node, MemoryStore() as store:
    ...     journal = Journal(store, node)
    ...     event = journal.event("session_started", "session_1", backend="echo")
    ...     [stored] = journal.append_wait([event])
    ...     [(one.type, one.data["backend"]) for one in journal.read("session_1")]
    [('session_started', 'echo')]

Time, ids and chance are the node's (G18). Secrets in an event's data are redacted here, so that
nothing reaches the log in clear (G17).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.log.record import Record, StoredRecord
from beam.model.events import Event, EventType
from beam.model.identifiers import RANDOM_BYTES, IdentifierKind, identifier
from beam.model.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from beam.log import Store
    from beam.otp import Node

__all__ = ["Journal", "event_of", "record_of"]

# Seconds that an append waits for room in the log's queue before the process that wants it crashes.
ROOM_TIMEOUT = 5.0
# How many events are in memory at once while a long session is read.
PAGE = 500


def record_of(event: Event) -> Record:
    """Return the log's record of an event: in the stream of its session."""
    return Record(event.id, event.session_id, event.type, event.timestamp, event.to_body())


def event_of(stored: StoredRecord) -> Event:
    """Return the event of a record in the log.

    Raises:
        InvalidInput: the record is not of an event.
    """
    return Event.from_body(
        stored.body,
        id=stored.id,
        type=stored.type,
        session_id=stored.stream,
        timestamp=int(stored.timestamp),
        sequence=stored.sequence,
    )


class Journal:
    """Writes and reads events, for one process or for a handle.

    Args:
        store: the log's store.
        node: whose clock and chance name and date the events.
    """

    __slots__ = ("_clock", "_random", "store")

    def __init__(self, store: Store, node: Node) -> None:
        self.store = store
        self._clock = node.clock
        self._random = node.clock.random

    @classmethod
    def of(cls, node: Node) -> Journal:
        """Return a journal on the log that runs in `node`.

        Raises:
            NotFound: no log runs there now.
        """
        # Who reads the events of a file has no process, and need not import what a process is.
        from beam.log import store_of  # noqa: PLC0415

        return cls(store_of(node), node)

    def now(self) -> int:
        """Return the time, Unix milliseconds."""
        return int(self._clock.time() * 1000)

    def new_id(self, kind: IdentifierKind) -> str:
        """Return a new identifier of a session, a run, ..."""
        return identifier(kind, self._random.randbytes(RANDOM_BYTES[kind]))

    def event(
        self, kind: EventType, session_id: str, /, *, run_id: str | None = None, **data: Any
    ) -> Event:
        """Make an event of now, its secrets redacted."""
        return Event(
            id=self.new_id("event"),
            type=kind,
            session_id=session_id,
            timestamp=self.now(),
            run_id=run_id,
            data=redact(data),
        )

    def append(
        self, events: Iterable[Event], done: Callable[[list[StoredRecord] | BaseException], None]
    ) -> None:
        """Hand events to the log, all or none; `done` is called once, on the log's thread.

        Appends of one caller are stored in their order.

        Raises:
            QueueFull: the log's queue had no room for 5 s.
            StoreError: the log is closed, or has failed.
        """
        self.store.append([record_of(event) for event in events], done, ROOM_TIMEOUT)

    def append_wait(self, events: Iterable[Event], timeout: float = 5.0) -> list[StoredRecord]:
        """Hand events to the log and wait until they are stored.

        Raises:
            As `append`; and `StoreTimeout` if it took longer than `timeout` seconds.
        """
        return self.store.append_wait([record_of(event) for event in events], timeout)

    def settle(self, timeout: float = 5.0) -> None:
        """Wait until everything that was handed to the log before this is stored.

        For one who reads what another has written, and who died: its last appends may still be on
        their way.

        Raises:
            As `append_wait`.
        """
        self.store.append_wait([], timeout)

    def read(
        self,
        session_id: str,
        *,
        after: int = 0,
        limit: int | None = None,
        types: Collection[EventType] | None = None,
    ) -> list[Event]:
        """Return the events of a session in order; see `LogReader.read`."""
        found = self.store.read(session_id, after=after, limit=limit, types=types)
        return [event_of(stored) for stored in found]

    def find(self, event_id: str) -> Event | None:
        """Return the event of this id, whatever its session; `None` if there is none.

        Raises:
            InvalidInput: it cannot be an id.
        """
        stored = self.store.find(event_id)
        return None if stored is None else event_of(stored)

    def replay(
        self,
        session_id: str,
        *,
        after: int = 0,
        types: Collection[EventType] | None = None,
        page: int = PAGE,
    ) -> Iterator[Event]:
        """Yield the events of a session in order, however many, holding one page at a time.

        Up to those that are there when the iteration ends; otherwise as `read`.
        """
        while events := self.read(session_id, after=after, limit=page, types=types):
            yield from events
            after = events[-1].sequence
