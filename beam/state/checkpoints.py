"""Checkpoints: how an owner's table is brought back without reading the whole log.

    >>> from beam.log import MemoryStore
    >>> from beam.otp import Node
    >>> from beam.state.journal import Journal
    >>> with Node() as node, MemoryStore() as store:
    ...     checkpoints = Checkpoints(Journal(store, node), "counts", version=1)
    ...     checkpoints.load(), checkpoints.due(EVERY - 1), checkpoints.due(EVERY)
    (None, False, True)

An owner loads the checkpoint when it starts without a table, and reads the log from there; later
it saves one whenever one is due: after 20,000 records, or ten times as many as it has rows, so that
saving costs the same for each record however large the table is. What it saves has to be what the
log says: no more than that, and no secrets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from beam.log import snapshots_of
from beam.otp.reports import report, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.log import Snapshot
    from beam.state.journal import Journal

__all__ = ["EVERY", "Checkpoints"]

T = TypeVar("T")

EVERY = 20_000
"""How many records of the log a checkpoint is behind at least, before the next is due."""

# And for each row of the table as many.
FOR_EACH_ROW = 10


class Checkpoints:
    """The checkpoints of one owner; used by its process alone.

    Args:
        journal: the log, and beside it the snapshots.
        name: the owner's.
        version: of the shape of its data, from 1.
    """

    __slots__ = ("_name", "_position", "_snapshots", "_version")

    def __init__(self, journal: Journal, name: str, *, version: int) -> None:
        self._snapshots = snapshots_of(journal.store)
        self._name = name
        self._version = version
        self._position = 0

    def load(self) -> Snapshot | None:
        """Return the last one; `None` if there is none that can be trusted."""
        found = self._snapshots.load(self._name, self._version)
        self._position = 0 if found is None else found.position
        return found

    def restored(self, decode: Callable[[Any], T]) -> tuple[int, T] | None:
        """Return the last one's position, and what it holds; `None` if there is none.

        Args:
            decode: makes it of the data. If it raises, an earlier program has written another shape
                under the same version: that is reported (`checkpoint_unreadable`), and there is
                none.
        """
        found = self.load()
        if found is None:
            return None
        try:
            return found.position, decode(found.data)
        except Exception as error:  # noqa: BLE001 - the log has it all; no cache may end its owner
            report("warning", "checkpoint_unreadable", name=self._name, error=shown(error))
            self._position = 0
            return None

    def due(self, position: int, rows: int = 0) -> bool:
        """Say whether the next one is worth its while.

        Args:
            position: up to which record of the log the table is true.
            rows: how many rows it has.
        """
        return position - self._position >= max(EVERY, FOR_EACH_ROW * rows)

    def put_off(self, position: int) -> None:
        """Have the next one due as if one had been saved; for an owner that cannot make it now."""
        self._position = position

    def save(self, position: int, data: Any) -> None:
        """Keep the table as it is; a disk that does not take it is reported, and no error.

        Args:
            position: up to which record of the log it is true, from 1.
            data: JSON data.
        """
        # Also if it was not kept: a full disk is not tried again with every record.
        self.put_off(position)
        self._snapshots.save(self._name, self._version, position, data)
