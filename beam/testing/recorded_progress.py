"""How far a session has come with a recording: its log says so, whatever has died meanwhile.

>>> from beam.log import MemoryStore
>>> from beam.otp import Node
>>> from beam.state.journal import Journal
>>> with Node() as node, MemoryStore() as store:
...     journal, progress = Journal(store, node), Progress("session_1")
...     def written(kind, run_id):
...         journal.append_wait([journal.event(kind, "session_1", run_id=run_id)])
...         progress.look(journal)
...         return progress.started, progress.coming, progress.attempts
...     [written(f"run_{word}", "r") for word in ("started", "retried", "started", "failed")]
[(1, 0, 1), (1, 0, 1), (1, 0, 2), (1, 1, 0)]
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beam.state.run_events import ENDS

if TYPE_CHECKING:
    from beam.model.events import EventType
    from beam.state.journal import Journal

__all__ = ["Progress"]

# Of all that is in the log, where a run begins and where it ends.
TYPES: tuple[EventType, ...] = ("run_started", *ENDS)


class Progress:
    """The progress of one session.

    Args:
        session_id: the session.
    """

    def __init__(self, session_id: str) -> None:
        self._session_id = session_id
        self._after = 0
        self._runs: dict[str | None, None] = {}
        self._open: str | None = None
        self.attempts = 0
        """How often the run has been started that is open; 0 if none is."""

    @property
    def started(self) -> int:
        """How many runs have been started."""
        return len(self._runs)

    @property
    def coming(self) -> int:
        """Which run is asked next, counted from 0."""
        return len(self._runs) - (self._open is not None)

    def look(self, journal: Journal) -> None:
        """Read what is new."""
        for event in journal.replay(self._session_id, after=self._after, types=TYPES):
            self._after = event.sequence
            if event.type == "run_started":
                self.attempts = self.attempts + 1 if event.run_id == self._open else 1
                self._open = event.run_id
                self._runs[event.run_id] = None
            elif event.run_id == self._open:
                self._open, self.attempts = None, 0
