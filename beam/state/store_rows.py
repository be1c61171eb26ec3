"""The store's table: what it has of each session, and how everybody reads it.

    >>> from beam.log import Log, MemoryStore, Shelf
    >>> from beam.otp import Node
    >>> from beam.state.journal import Journal
    >>> from beam.state.keeper import TableKeeper
    >>> with Node() as node:
    ...     _ = Log.start(Shelf(MemoryStore), name="log"), TableKeeper.start(name="keeper")
    ...     journal = Journal.of(node)
    ...     message = {"type": "text", "content": "Hi"}
    ...     _ = journal.append_wait([journal.event("message", "session_1", message=message)])
    ...     StoreReads(node).state("session_1").session.meta.message_count
    1

The table is a projection of the log: `(session_id, StoreState)`, and under `("position",)` the
position up to which the rows are true. It is written by the process `store` and read by everybody
where they are. A reader does not rely on that process to be quick, or to be there: what the log has
and the row has not, it folds by itself. So it sees everything that was acknowledged before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.log import replay, store_of
from beam.state.store_state import STORE_TYPES, StoreState, folded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from beam.log import Store, StoredRecord
    from beam.otp import Node, Table

__all__ = ["STORE", "StoreReads", "StoreRows", "active_thread", "by_stream"]

STORE = "store"
"""The name of the process, and of its table."""

_POSITION = ("position",)


class StoreRows:
    """The rows of a table, `None` for a table that is not there."""

    __slots__ = ("_table",)

    def __init__(self, table: Table | None) -> None:
        self._table = table

    def state(self, session_id: str) -> StoreState:
        """Return what the row has of a session."""
        rows = self._table.lookup(session_id) if self._table is not None else []
        found: StoreState = rows[0][1] if rows else StoreState(session_id)
        return found

    def all(self) -> dict[str, StoreState]:
        """Return every row."""
        rows = self._table.tab2list() if self._table is not None else []
        return {key: value for key, value in rows if key != _POSITION}

    def position(self) -> int | None:
        """Return the position in the log up to which the rows are true; `None` if unknown."""
        rows = self._table.lookup(_POSITION) if self._table is not None else []
        return rows[0][1] if rows else None

    def count(self) -> int:
        """Return how many rows there are."""
        return len(self._table) if self._table is not None else 0

    def put(self, states: Iterable[StoreState], position: int) -> None:
        """Put states in place of the rows, all at once; for the owner."""
        assert self._table is not None
        rows = [(state.session_id, state) for state in states]
        self._table.insert(*rows, (_POSITION, position))


class StoreReads:
    """What the store has, for anybody: on the caller's thread, and without asking its process.

    Args:
        node: where the store runs.
        log: returns the log; unless given, it is looked for in the node.

    Raises (each function):
        NotFound: `no_log`: the log is being restarted.
        StoreError: the log could not be read.
    """

    __slots__ = ("_log", "_node")

    def __init__(self, node: Node, log: Callable[[], Store] | None = None) -> None:
        self._node = node
        self._log = log or (lambda: store_of(node))

    @property
    def log(self) -> Store:
        """The log."""
        return self._log()

    def state(self, session_id: str) -> StoreState:
        """Return what there is of a session, by everything that the log has now."""
        known = self._rows().state(session_id)
        return folded(known, self.log.read(session_id, after=known.sequence, types=STORE_TYPES))

    def states(self) -> dict[str, StoreState]:
        """Return what there is of every session, by everything that the log has now."""
        # In this order: what has gone from the rows has gone from the log before that.
        position = self._rows().position() or 0
        found = self._rows().all()
        tail = replay(self.log, after_position=position, types=STORE_TYPES)
        for session_id, records in by_stream(tail).items():
            state = found.get(session_id) or StoreState(session_id)
            found[session_id] = folded(state, records)
        return found

    def _rows(self) -> StoreRows:
        return StoreRows(self._node.tables.get(STORE))


def active_thread(node: Node, session_id: str) -> str | None:
    """Return the thread to which what a session says belongs now; a look at the table, no more."""
    return StoreRows(node.tables.get(STORE)).state(session_id).active


def by_stream(records: Iterable[StoredRecord]) -> Mapping[str, list[StoredRecord]]:
    """Return records by their stream, each stream's in order."""
    found: dict[str, list[StoredRecord]] = {}
    for stored in records:
        found.setdefault(stored.stream, []).append(stored)
    return found


def rows_data(states: Iterable[StoreState]) -> list[Any]:
    """Return rows as JSON data, in the order of their sessions' names."""
    return [state.as_data() for state in sorted(states, key=lambda one: one.session_id)]
