"""Who waits for runs: the futures of the callers, by run.

    >>> from beam.otp import Future
    >>> waiting, future = WaitingRuns(), Future()
    >>> waiting.expect("run_1", "session_1", future)
    >>> waiting.expected()
    ['session_1']
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

    def take(self, run_id: str) -> list[Future[Any]]:
        """Take out the futures of a run that has ended, in the order in which they came."""
        with self._lock:
            return self._runs.pop(run_id, ("", []))[1]

    def take_all(self) -> list[tuple[str, Future[Any]]]:
        """Take out every future, with its run: nobody will settle them any more."""
        with self._lock:
            runs, self._runs = self._runs, {}
        return [(run_id, future) for run_id, (_, ones) in runs.items() for future in ones]

    def expected(self) -> list[str]:
        """Return the sessions for whose runs somebody waits, each once."""
        with self._lock:
            return list(dict.fromkeys(session_id for session_id, _ in self._runs.values()))
