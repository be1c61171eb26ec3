"""The log as a process: it opens the store, closes it, and tells who waits for new records.

    >>> from beam.log import MemoryStore, Record, store_of
    >>> from beam.otp import Node
    >>> with Node() as node:
    ...     log = Log.start(Shelf(MemoryStore), name="log")
    ...     _ = store_of(node).append_wait([Record("e1", "a", "said", 0, '"hello"')])
    ...     [record.body for record in log.ask(Follow("a", after=0), timeout=5.0)]
    ['"hello"']

The store has a thread of its own that writes, the only one in the fleet; appends go to it straight
from their callers, without a stop in this process's mailbox. What this process adds is a life: if
it ends, for whatever reason, everything that was started after it starts anew, on a store that was
opened anew.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from beam.errors import InvalidInput, NotFound, Refused, StoreClosed
from beam.otp import Server, noreply

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from beam.log.listeners import Listener
    from beam.log.record import StoredRecord
    from beam.log.store import Store
    from beam.otp import Call, Node, Ref

__all__ = ["LOG", "Follow", "Log", "Shelf", "log_of", "store_of"]

LOG = "log"
"""The name that the log's process has in its node."""

# The most records that one answer to a `Follow` carries.
PAGE = 500
# Streams followed, from which on the log looks for those whose followers have gone.
SWEEP = 1000


class Shelf:
    """Where the store is, from one life of the log's process to the next.

    Args:
        open_store: opens the store.
        first: the store, if it is open already: a file that cannot be opened is better refused
            before a fleet starts than by it.
        lasting: whether one store serves all lives, as one in memory must, which would be empty
            when it is opened anew; else each life has its own, in case it failed with the one
            before it.
    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        first: Store | None = None,
        *,
        lasting: bool = False,
    ) -> None:
        self._open = open_store
        self._fresh = first
        self._store = first
        self._lasting = lasting

    @property
    def store(self) -> Store:
        """The store that is in use.

        Raises:
            StoreClosed: there is none now.
        """
        store = self._store
        if store is None:
            raise StoreClosed("the log is closed")
        return store

    def take(self) -> Store:
        """Return a store for one life: the first, or one opened anew, the old one closed."""
        store, self._fresh = self._fresh, None
        if store is None:
            self.put_back()
            store = self._store
        if store is None:
            store = self._store = self._open()
        return store

    def put_back(self) -> None:
        """End a life with the store: it is closed, unless it is to serve the next one."""
        if not self._lasting:
            self.close()

    def close(self) -> None:
        """Close the store, if one is open: what waits is stored, and answered."""
        store, self._store = self._store, None
        if store is not None:
            store.close()


@dataclass(frozen=True, slots=True)
class Follow:
    """Ask the log for the records of a stream after a sequence; it answers when there are some.

    With `types` it answers when there are some of these types, and passes over the others, but for
    the last of a page that has none: whoever waits for an answer is not woken for each step to it.
    """

    stream: str
    after: int
    types: Collection[str] | None = None

    def of(self, records: list[StoredRecord]) -> list[StoredRecord]:
        """Return which of a page of records are the answer; none: there is none yet."""
        if self.types is None:
            return records
        found = [record for record in records if record.type in self.types]
        return found or (records[-1:] if len(records) >= PAGE else [])


@dataclass(frozen=True, slots=True)
class _Fresh:
    """New records of one append or more; cast by the store's thread."""

    records: tuple[StoredRecord, ...]


class Log(Server):
    """The log's process.

    Calls: `"store"` is answered with the store; `Follow` with records, when there are some, and
    with `InvalidInput` if it cannot be followed.
    """

    trap_exit = True

    def init(self, shelf: Shelf) -> None:
        """Take a store from the shelf, and listen to it."""
        self._shelf = shelf
        self._store = shelf.take()
        # Bounded by the callers who wait: each has one, and its deadline; twice as many at most
        # are kept before those who have gone are swept out.
        self._followers: dict[str, list[tuple[Follow, Call]]] = defaultdict(list)
        self._sweep_at = SWEEP
        # The last sequence that was heard of, of streams followed lately, at most SWEEP: a follower
        # who knows it has nothing to read.
        self._heard: dict[str, int] = {}
        self._listener = _listen(self._store, self.actor_ref)

    def handle_call(self, message: Any, caller: Call) -> Any:
        """Answer with the store, or with records as soon as there are some."""
        if message == "store":
            return self._store
        if isinstance(message, Follow):
            return self._follow(message, caller)
        raise Refused("unknown_request", request=repr(message))

    def _follow(self, wanted: Follow, caller: Call) -> Any:
        found: list[StoredRecord] = []
        try:
            if not self._has_all(wanted):
                found = self._store.read(wanted.stream, after=wanted.after, limit=PAGE)
        except InvalidInput as invalid:
            # One caller's wrong argument must not restart the log.
            caller.refuse(invalid)
            return noreply
        if answer := wanted.of(found):
            return answer
        self._forget_gone([wanted.stream])
        self._followers[wanted.stream].append((_past(wanted, found), caller))
        if len(self._followers) >= self._sweep_at:
            self._forget_gone(list(self._followers))
            self._sweep_at = max(SWEEP, 2 * len(self._followers))
        return noreply

    def _has_all(self, wanted: Follow) -> bool:
        stream: object = wanted.stream
        return isinstance(stream, str) and self._heard.get(stream) == wanted.after

    def _forget_gone(self, streams: Sequence[str]) -> None:
        """Forget the followers who wait no more."""
        now = self.node.clock.now()
        for stream in streams:
            waiting = [one for one in self._followers[stream] if not one[1].expired(now)]
            if waiting:
                self._followers[stream] = waiting
            else:
                del self._followers[stream]

    def handle_cast(self, message: _Fresh) -> None:
        """Answer those whom new records concern."""
        by_stream: dict[str, list[StoredRecord]] = defaultdict(list)
        for record in message.records:
            stream = record.stream
            if stream in self._followers:
                by_stream[stream].append(record)
            if stream in self._followers or stream in self._heard:
                self._heard[stream] = record.sequence
        if len(self._heard) > SWEEP:
            self._heard.clear()
        for stream, records in by_stream.items():
            self._answer(stream, records)

    def _answer(self, stream: str, records: Sequence[StoredRecord]) -> None:
        """Answer those who wait; what came while they were being noted is read, not remembered."""
        waiting = self._followers.pop(stream)
        for wanted, caller in waiting:
            if records[0].sequence == wanted.after + 1:
                found = list(records[:PAGE])
            else:
                found = self._store.read(stream, after=wanted.after, limit=PAGE)
            if answer := wanted.of(found):
                caller.reply(answer)
            else:
                self._followers[stream].append((_past(wanted, found), caller))

    def handle_info(self, message: Any) -> None:
        """Drop exit signals of others than the parent: the log is linked to nobody else."""

    def terminate(self, reason: Any) -> None:
        """Close the store: what waits is stored, and answered."""
        self._listener.cancel()
        self._shelf.put_back()


def _past(wanted: Follow, found: list[StoredRecord]) -> Follow:
    """Return what is still wanted, when these records were passed over."""
    return replace(wanted, after=found[-1].sequence) if found else wanted


def _listen(store: Store, log: Ref[Any]) -> Listener:
    """Have new records cast to the log's process as long as it lives."""
    listener: Listener | None = None

    def tell(records: tuple[StoredRecord, ...]) -> None:
        if log.is_alive():
            log.cast(_Fresh(records))
        elif listener is not None:
            listener.cancel()  # It was killed, and could not take its listener back.

    listener = store.on_append(tell)
    return listener


def log_of(node: Node) -> Ref[Log]:
    """Return the log's process in `node`.

    Raises:
        NotFound: there is none now.
    """
    log = node.whereis(LOG)
    if log is None:
        raise NotFound("no_log", node=node.name)
    return log


def store_of(node: Node) -> Store:
    """Return the store of the log in `node`; for those that are started after the log.

    Raises:
        NotFound: there is no log now.
    """
    store: Store = log_of(node).ask("store")
    return store
