"""`SessionStore`: the process that changes what is kept of sessions and of their threads.

    >>> from beam.log import Log, MemoryStore, Shelf
    >>> from beam.otp import Node
    >>> from beam.state.keeper import TableKeeper
    >>> from beam.state.store_changes import registered
    >>> with Node() as node:
    ...     _ = Log.start(Shelf(MemoryStore), name="log"), TableKeeper.start(name="keeper")
    ...     store = SessionStore.start(name="store").proxy()
    ...     state = store.change("session_1", registered({"adapter": "claude"})).get()
    ...     state.session.meta.adapter
    'claude'

It keeps no message: those are in the log, and only there. It listens to the log, and folds what it
hears into its table (`beam.state.store_rows`); a change is an event, acknowledged when it is in
the log and in the table. When it starts without a table, it begins with the last checkpoint, if
there is one, and reads the log from there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from beam.errors import InvalidInput
from beam.log import replay
from beam.otp import noreply
from beam.state.answering import refuse, reply
from beam.state.checkpoints import Checkpoints
from beam.state.journal import Journal
from beam.state.keeper import TableOwner
from beam.state.plain import text
from beam.state.store_changes import Draft
from beam.state.store_rows import STORE, StoreRows, by_stream, rows_data
from beam.state.store_state import STORE_TYPES, StoreState, folded
from beam.state.writes import Step, Stored, Write, Writes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from beam.log import Listener, Store, StoredRecord
    from beam.otp import Ref

__all__ = ["VERSION", "SessionStore"]

VERSION = 1
"""The version of the shape of its checkpoints."""

# So many records are folded before they are put into the table, when the log is read back.
PAGE = 10_000
# After so many records that say nothing to the store it is told all the same how far the log is,
# so that nobody has to look through them again.
UNHEARD = 1000


@dataclass(frozen=True, slots=True)
class _Fresh:
    """Mail to the owner: new events of sessions, and how far the log is with them."""

    records: Sequence[StoredRecord]
    position: int


class SessionStore(TableOwner):
    """The process `store`."""

    trap_exit = True

    def init(self) -> None:
        """Take the table over, listen to the log, and fold what was missed."""
        self._journal = Journal.of(self.node)
        self._rows = StoreRows(self._take_table(STORE))
        self._writes = Writes(self._journal, self.actor_ref.cast)
        self._checkpoints = Checkpoints(self._journal, STORE, version=VERSION)
        store = self._journal.store
        self._listener = _listen(store, self.actor_ref)
        self._catch_up(store, self._listener.since)

    def _catch_up(self, store: Store, until: int) -> None:
        position = self._rows.position()
        if position is None:
            position = self._load()
        page: list[StoredRecord] = []
        for stored in replay(store, after_position=position, types=STORE_TYPES):
            if stored.position > until:
                break
            page.append(stored)
            if len(page) >= PAGE:
                self._fold(page, stored.position)
                page = []
        self._fold(page, until)

    def _load(self) -> int:
        """Begin with the last checkpoint; return the position from which the log is to be read."""
        found = self._checkpoints.restored(lambda data: [StoreState.of(one) for one in data])
        if found is None:
            return 0
        position, states = found
        self._rows.put(states, position)
        return position

    def _fold(self, records: Sequence[StoredRecord], position: int) -> None:
        """Bring the rows up to a position; a checkpoint is made if it is due."""
        states = [
            folded(self._rows.state(session_id), ones)
            for session_id, ones in by_stream(records).items()
        ]
        self._rows.put(states, position)
        if self._checkpoints.due(position, self._rows.count()):
            self._checkpoints.save(position, rows_data(self._rows.all().values()))

    def change(self, session_id: str, change: Callable[[StoreState], Sequence[Draft]]) -> Any:
        """Change what is kept of a session; answered with its state when that is in the log.

        Args:
            session_id: the session.
            change: says what is to be logged, by the session's state at that moment; run by this
                process, so it must be quick. What it refuses is the answer. It is one of those of
                `beam.state.store_changes`.

        Raises:
            QueueFull: 1,000 changes of this session wait already.
            StoreError: the log has not taken it.
        """
        text("session_id", session_id)
        if not callable(change):
            raise InvalidInput("change", change, "a function of a session's state")
        caller = self.caller

        def work() -> Step:
            drafts = change(self._rows.state(session_id))
            events = tuple(
                self._journal.event(draft.kind, session_id, **draft.data) for draft in drafts
            )
            return Step(events, lambda _: reply(caller, self._rows.state(session_id)))

        self._writes.submit(session_id, Write(work, partial(refuse, caller)))
        return noreply

    def handle_cast(self, message: Any) -> None:
        """Fold what is new in the log, and go on with what was stored."""
        match message:
            case _Fresh(records, position):
                self._fold(records, position)
            case Stored():
                self._writes.stored(message)
            case _:
                super().handle_cast(message)

    def handle_info(self, message: Any) -> None:
        """Drop exit signals of others than the parent: this process is linked to nobody else."""

    def terminate(self, reason: Any) -> None:
        """Listen no more."""
        self._listener.cancel()


def _listen(store: Store, owner: Ref[Any]) -> Listener:
    """Have new events cast to the process as long as it lives, before they are acknowledged."""
    heard = frozenset[str](STORE_TYPES)
    listener: Listener | None = None
    told = 0

    def tell(records: tuple[StoredRecord, ...]) -> None:
        nonlocal told
        if not owner.is_alive():
            # It was killed, and could not take its listener back.
            if listener is not None:
                listener.cancel()
            return
        mine = [record for record in records if record.type in heard]
        position = records[-1].position
        if mine or position - told >= UNHEARD:
            told = position
            owner.cast(_Fresh(mine, position))

    listener = store.on_append(tell)
    return listener
