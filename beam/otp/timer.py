"""Timers on real time: one thread, one heap.

    >>> from beam.otp import Mailbox, send_after
    >>> with Mailbox() as me:
    ...     timer = send_after(0.01, me.ref, "tick")
    ...     late = send_after(60.0, me.ref, "never")
    ...     me.receive(timeout=5.0), late.cancel() is not None, late.cancel()
    ('tick', True, None)

A message of a timer is sent to the process as it is then: to nobody, if it has died. A timer that
was cancelled in time never fires; one that has fired may lie in the mailbox, as in Erlang.
"""

from __future__ import annotations

import contextvars
import heapq
import itertools
import threading
from typing import TYPE_CHECKING, Any

from beam.errors import MailboxFull
from beam.otp.mail import Info
from beam.otp.reports import report, shown
from beam.otp.scheduler import take_back

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.otp.clock import Clock
    from beam.otp.node import Node
    from beam.otp.ref import Ref
    from beam.otp.scheduler import Cell

__all__ = ["Timer", "TimerThread"]

# Timers that may be there, cancelled ones too, before the cancelled are looked for.
SWEEP = 1_000
_copy_context = contextvars.copy_context
# A cell: when, in which order it came, so that no two are equal, and what to run.
_WHOLE = 3


class Timer:
    """A message that will be sent later; what `send_after` returns."""

    # Three objects for each, with the cell and the context, as asyncio has: with a hundred thousand
    # of them the garbage collector takes longer than all else, 0.7 µs for each object.
    __slots__ = ("_cell", "_context", "_due", "_message", "_node", "_number", "_to")

    def __init__(self, node: Node, delay: float, to: Ref[Any], message: Any) -> None:
        self._node = node
        self._number = node.next_serial()
        self._to = to
        self._message = message
        self._context = _copy_context()
        self._due = due = node.clock.now() + delay
        self._cell = node.scheduler.call_at(due, self)

    def __call__(self) -> None:
        """Send the message; for whoever keeps the time."""
        try:
            self._to.control.post(Info(self._message, self._context))
        except MailboxFull:
            return  # Nobody is there to hear it; the mailbox has counted it.

    @property
    def __term_order__(self) -> tuple[str, int]:
        return (self._node.name, self._number)

    def cancel(self) -> float | None:
        """Take the message back.

        Returns:
            The seconds that were left, 0.0 or more; `None` if it has been sent or cancelled.
        """
        if not take_back(self._cell, self):
            return None
        left = self._due - self._node.clock.now()
        return left if left > 0 else 0.0


class TimerThread:
    """Runs actions when the clock says so, on a thread that is there while timers are."""

    def __init__(self, clock: Clock, name: str) -> None:
        self._clock = clock
        self._name = name
        self._heap: list[Cell] = []
        self._order = itertools.count()
        # Taken by itself where nobody waits: it is C's, a condition's own `with` is Python's.
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._running = False
        self._stopped = False
        self._most = SWEEP

    def call_at(self, when: float, action: Callable[[], None], *, background: bool = False) -> Cell:
        """Run `action` at `when` on the clock; return its cell, which is its place in the heap."""
        cell: Cell = [when, next(self._order), action]
        with self._lock:
            if self._stopped:
                return cell
            if len(self._heap) >= self._most:
                self._sweep()
            heap = self._heap
            heapq.heappush(heap, cell)
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name=self._name, daemon=True).start()
            elif heap[0] is cell:
                self._changed.notify()
        return cell

    def _sweep(self) -> None:
        """Forget the cancelled timers; again when there are twice as many as are left now."""
        self._heap = [cell for cell in self._heap if len(cell) == _WHOLE]
        heapq.heapify(self._heap)
        self._most = max(SWEEP, 2 * len(self._heap))

    def stop(self) -> None:
        """Forget every timer and end the thread."""
        with self._changed:
            self._stopped = True
            self._heap.clear()
            self._changed.notify()

    def _run(self) -> None:
        while True:
            due = self._wait_for_due()
            if due is None:
                return
            for cell in due:
                action = cell[-1]
                if len(cell) < _WHOLE or not take_back(cell, action):
                    continue  # Cancelled.
                try:
                    action()
                except Exception as error:  # noqa: BLE001 - it must not stop all timers
                    report("error", "timer_failed", reason=shown(error), exc_info=error)

    def _wait_for_due(self) -> list[Cell] | None:
        """Wait until something is due and take it; `None` when there is nothing left to do."""
        with self._changed:
            while True:
                if not self._heap or self._stopped:
                    self._running = False
                    return None
                now = self._clock.now()
                due = []
                while self._heap and self._heap[0][0] <= now:
                    due.append(heapq.heappop(self._heap))
                if due:
                    return due
                self._changed.wait(min(self._heap[0][0] - now, threading.TIMEOUT_MAX))
