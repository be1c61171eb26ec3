"""A session's work: the run that is at work, and those that wait for it to end.

A plain value; the session's process owns it.

    >>> from beam.sessions.past import Work
    >>> load = Workload(limit=1)
    >>> hello = Work("run_1", "Hello")
    >>> load.admit(hello, exclusive=True), load.admit(hello, exclusive=True)
    (True, False)
    >>> load.begin().attempts, load.current.run_id
    (1, 'run_1')
    >>> try:
    ...     load.admit(Work("run_2", "Hi"), exclusive=True)
    ... except QueryInProgress as refused:
    ...     refused.run_id
    'run_1'
    >>> load.end().run_id, load.current
    ('run_1', None)
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from beam.errors import QueryInProgress, QueueFull

if TYPE_CHECKING:
    from collections.abc import Iterable

    from beam.sessions.past import Work

__all__ = ["Workload"]

# How many runs that have ended are remembered, to know one that is submitted again.
REMEMBERED = 1000


class Workload:
    """The runs of one session that have not ended.

    Args:
        limit: how many may wait.
        waiting: those that wait already, in their order.
        known: runs that the session has taken before.

    Attributes:
        current: the run that is at work.
    """

    def __init__(self, limit: int, waiting: Iterable[Work] = (), known: Iterable[str] = ()) -> None:
        self.current: Work | None = None
        self._limit = limit
        self._waiting = deque(waiting)
        self._known = dict.fromkeys(known)

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def query_id(self) -> str:
        """The name of the attempt at work, empty if none is."""
        work = self.current
        return f"{work.run_id}.{work.attempts}" if work is not None else ""

    @property
    def run_id(self) -> str | None:
        """The run that is at work, `None` if none is."""
        return self.current.run_id if self.current is not None else None

    @property
    def at_work(self) -> Work:
        """The run that is at work; `LookupError` if none is."""
        if self.current is None:
            raise LookupError("no run is at work")
        return self.current

    def admit(self, work: Work, exclusive: bool) -> bool:
        """Take a run to wait for its turn; return False for one that was taken before.

        Raises:
            QueryInProgress: `exclusive`, and something else is at work or waits.
            QueueFull: as many wait as may.
        """
        if work.run_id in self._known:
            return False
        if exclusive and (self.current is not None or self._waiting):
            other = self.current or self._waiting[0]
            raise QueryInProgress(run_id=other.run_id)
        if len(self._waiting) >= self._limit:
            raise QueueFull(limit=self._limit)
        self._waiting.append(work)
        self._known[work.run_id] = None
        while len(self._known) > REMEMBERED + self._limit:
            del self._known[next(iter(self._known))]
        return True

    def begin(self) -> Work | None:
        """Take the next run to work, for one attempt more; `None` if none waits."""
        if not self._waiting:
            return None
        work = self._waiting.popleft()
        self.current = replace(work, attempts=work.attempts + 1)
        return self.current

    def end(self) -> Work:
        """Let go of the run that is at work."""
        work, self.current = self.at_work, None
        return work

    def put_back(self, work: Work) -> None:
        """Put a run that was at work before those that wait."""
        self._waiting.appendleft(work)

    def withdraw(self, run_id: str | None) -> Work | None:
        """Take a run that waits out of the queue; `None` if it does not wait."""
        for work in self._waiting:
            if work.run_id == run_id:
                self._waiting.remove(work)
                return work
        return None

    def clear(self) -> list[Work]:
        """Take all that wait out of the queue."""
        waiting = list(self._waiting)
        self._waiting.clear()
        return waiting
