"""A pulse: whether this process was held up, by others that have the processor or by a collection.

A scenario on a real clock says what happens while everybody gets to run in time. One in which all
stood still for longer than its time-outs leave room for is another scenario.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Pulse"]

# Seconds between two beats, and how much too late one may come.
BEAT = 0.005
LATE = 0.05


class Pulse:
    """Beats on a thread of its own while its `with` block lasts."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._due = time.monotonic()
        self._missed = float("-inf")
        self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def missed_since(self, when: float) -> bool:
        """Return whether a beat was late, or is late now, since the monotonic clock read `when`."""
        return self._missed >= when or time.monotonic() > self._due + LATE

    def _beat(self) -> None:
        while True:
            self._due = time.monotonic() + BEAT
            if self._over.wait(BEAT):
                return
            now = time.monotonic()
            if now > self._due + LATE:
                self._missed = now
