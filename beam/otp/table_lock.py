"""The lock of a table, under which many threads do little each.

A thread that waits for a lock in the operating system takes it as soon as it is free, and then
waits for the interpreter: until it has that, for up to 5 ms, whoever runs and wants the lock too
must wait likewise, and from then on each operation costs a change of threads. So one that finds the
lock taken lets others run and looks again, a few times; the holder, which was interrupted in the
middle of an operation, is done by then. Four threads that write together are five times as fast.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from beam.otp.clock import let_others_run

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["TableLock"]

# Looks before it waits: an operation of microseconds is over; a search of many rows may not be.
LOOKS = 50


class TableLock:
    """A lock that its holder may take again; a context manager."""

    __slots__ = ("_lock", "_take", "release")

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._take = self._lock.acquire
        self.release = self._lock.release

    def __enter__(self) -> None:
        if not self._take(False):
            self._wait()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def _wait(self) -> None:
        for _ in range(LOOKS):
            let_others_run()
            if self._take(False):
                return
        self._take()
