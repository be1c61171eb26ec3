"""Who receives a run's messages: one at a time.

>>> claims = Claims()
>>> claims.take("run_1", "stream a"), claims.take("run_1", "stream a")
(True, True)
>>> try:
...     claims.take("run_1", "stream b")
... except SessionRefused as refused:
...     refused.reason
'receiver_taken'
"""

from __future__ import annotations

from beam.errors import SessionRefused

__all__ = ["Claims"]

# The most claims that are kept; the oldest are those of streams that nobody reads any more.
MOST = 1000


class Claims:
    """The receivers of a session's runs, by name."""

    def __init__(self) -> None:
        self._holders: dict[str, str] = {}

    def take(self, run_id: str, holder: str) -> bool:
        """Let `holder` be the one who receives; again is no error.

        Raises:
            SessionRefused: `receiver_taken`; another one is.
        """
        taken = self._holders.get(run_id)
        if taken is not None and taken != holder:
            raise SessionRefused("receiver_taken", run_id=run_id, holder=taken)
        self._holders[run_id] = holder
        if len(self._holders) > MOST:
            del self._holders[next(iter(self._holders))]
        return True

    def release(self, run_id: str, holder: str) -> bool:
        """Let go of it; return whether `holder` had it."""
        if self._holders.get(run_id) != holder:
            return False
        del self._holders[run_id]
        return True

    def release_all(self, holder: str) -> None:
        """Let go of all that a receiver had, which has died."""
        self._holders = {run: who for run, who in self._holders.items() if who != holder}
