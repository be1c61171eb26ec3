"""Sticky bindings over restarts: read back from the log, with a checkpoint to begin from.

>>> from beam.log import MemoryStore
>>> from beam.otp import Node
>>> with Node() as node, MemoryStore() as store:
...     journal, memory = Journal(store, node), Memory()
...     data = {"request": {}, "decision": {"backend": "claude"}, "binds": "ada"}
...     _ = journal.append_wait([journal.event("routing_selected", FLEET, **data)])
...     Bindings(journal, "router").read_back(memory, now=node.clock.now())
...     memory.bound("ada", node.clock.now())
'claude'

Every use of a binding is in the log, so the order of use and the lifetime come back with it, to the
millisecond. One whose backend the fleet does not have (any more, or yet) comes back too, and does
not count as long as that is so. Cursors are in no log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beam.model.events import FLEET
from beam.routing.memory import Memory
from beam.state.checkpoints import Checkpoints
from beam.state.journal import Journal, event_of

if TYPE_CHECKING:
    from beam.log import StoredRecord
    from beam.model.events import EventType

__all__ = ["Bindings"]

PAGE = 1000
# How many choices there are between two looks whether a checkpoint is due.
LOOK = 1024

_TYPES: tuple[EventType, ...] = ("routing_selected", "routing_cleared")


class Bindings:
    """Reads the bindings of one router back, and keeps checkpoints of them; used by it alone.

    Args:
        journal: where they are.
        name: the router's.
    """

    __slots__ = ("_checkpoints", "_choices", "_journal")

    def __init__(self, journal: Journal, name: str) -> None:
        self._journal = journal
        self._checkpoints = Checkpoints(journal, name, version=1)
        self._choices = 0

    def read_back(self, memory: Memory, now: float) -> None:
        """Bind again what was bound in former lives.

        Args:
            memory: a new one.
            now: the time in seconds, on its clock.
        """
        store, at = self._journal.store, self._journal.now()
        after = 0
        snapshot = self._checkpoints.load()
        if snapshot is not None:
            sequence, kept = snapshot.data
            for key, backend, used_at in kept:
                memory.bind(key, backend, now - (at - used_at) / 1000)
            after = sequence
        while page := store.read(FLEET, after=after, limit=PAGE, types=_TYPES):
            after = page[-1].sequence
            for stored in page:
                _take_back(memory, stored, now - (at - stored.timestamp) / 1000)
        # So that a long log is looked through once only, even if nothing is chosen then.
        self._save_if_due(memory, now)

    def chosen(self, memory: Memory, now: float, *, settled: bool) -> None:
        """Note one choice more; now and then, keep a checkpoint.

        Args:
            memory: as it is now.
            now: the time in seconds, on its clock.
            settled: whether all bindings in it are in the log.
        """
        self._choices += 1
        if self._choices % LOOK or not settled:
            return
        self._save_if_due(memory, now)

    def _save_if_due(self, memory: Memory, now: float) -> None:
        store = self._journal.store
        position = store.last_position()
        if not self._checkpoints.due(position, len(memory.affinities)):
            return
        at = self._journal.now()
        kept = [
            [key, backend, at - round((now - used_at) * 1000)]
            for key, backend, used_at in memory.affinities.items()
        ]
        self._checkpoints.save(position, [store.last_sequence(FLEET), kept])


def _take_back(memory: Memory, stored: StoredRecord, when: float) -> None:
    if stored.type == "routing_cleared":
        memory.clear()
        return
    # Most choices bind nothing, and need not be decoded to know it.
    if isinstance(stored.body, str) and '"binds":' not in stored.body:
        return
    data = event_of(stored).data
    key = data.get("binds")
    if key is not None:
        memory.bind(key, data["decision"]["backend"], when)
