"""Who waits for runs: the futures of the callers, by run.

    >>> from beam.otp import Future
    >>> waiting, future = WaitingRuns(), Future()
    >>> waiting.expect("run_1", "session_1", future)
    >>> waiting.expected()
    {'session_1': ['run_1']}
    >>> [waiting.take("run_1") == [future], waiting.take("run_1")]
    [True, []]

It belongs to the fleet, not to a process: who waits is not forgotten when the process that settles
the futures (`beam.state.runs`) is restarted. Every function may be called from any thread.

It is bounded by the callers who wait: each holds the future that is here, and one who gives up
says so with `forget`.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from beam.otp import Future

__all__ = ["WaitingRuns"]


class WaitingRuns:
    """The futures of those who wait for runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[str, tuple[str, list[Future[Any]]]] = {}

    def __len__(self) -> int:
        """Return for how many runs somebody waits."""
        return len(self._runs)

    def expect(self, run_id: str, session_id: str, future: Future[Any]) -> None:
        """Have `future` settled when the run ends; to be called before the run is submitted.

        Args:
            run_id: the run.
            session_id: the session it runs in.
            future: gets the run's output, or `RunFailed` or `Interrupted`.
        """
        with self._lock:
            _, futures = self._runs.setdefault(run_id, (session_id, []))
            futures.append(future)

    def forget(self, run_id: str, future: Future[Any]) -> None:
        """Take `future` back, whether it is here or not."""
        with self._lock:
            _, futures = self._runs.get(run_id, ("", []))
            if future in futures:
                futures.remove(future)
            if not futures:
                self._runs.pop(run_id, None)

    def is_expected(self, run_id: str) -> bool:
        """Return whether somebody waits for the run."""
        return run_id in self._runs

    def take(self, run_id: str) -> list[Future[Any]]:
        """Take out the futures of a run that has ended, in the order in which they came."""
        with self._lock:
            return self._runs.pop(run_id, ("", []))[1]

    def expected(self) -> dict[str, list[str]]:
        """Return the runs that somebody waits for, by session."""
        with self._lock:
            found: dict[str, list[str]] = {}
            for run_id, (session_id, _) in self._runs.items():
                found.setdefault(session_id, []).append(run_id)
            return found
