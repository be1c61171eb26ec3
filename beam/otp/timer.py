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

import heapq
import itertools
import threading
from typing import TYPE_CHECKING, Any

from beam.otp.mail import Info
from beam.otp.reports import report, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.otp.clock import Clock
    from beam.otp.node import Node
    from beam.otp.ref import Ref

__all__ = ["Timer", "TimerThread"]


class Timer:
    """A message that will be sent later; what `send_after` returns."""

    __slots__ = ("_cancel", "_due", "_node", "_number", "_over", "_race")

    def __init__(self, node: Node, delay: float, to: Ref[Any], message: Any) -> None:
        self._node = node
        self._number = node.next_serial()
        self._due = node.clock.now() + delay
        self._over = False
        self._race = threading.Lock()
        mail = Info(message)

        def fire() -> None:
            if self._finish():
                to.control.post(mail)

        self._cancel = node.scheduler.call_at(self._due, fire)

    @property
    def __term_order__(self) -> tuple[str, int]:
        return (self._node.name, self._number)

    def _finish(self) -> bool:
        with self._race:
            over, self._over = self._over, True
        return not over

    def cancel(self) -> float | None:
        """Take the message back.

        Returns:
            The seconds that were left, 0.0 or more; `None` if it has been sent or cancelled.
        """
        if not self._finish():
            return None
        self._cancel()
        return max(0.0, self._due - self._node.clock.now())


class TimerThread:
    """Runs actions when the clock says so, on a thread that is there while timers are."""

    def __init__(self, clock: Clock, name: str) -> None:
        self._clock = clock
        self._name = name
        self._heap: list[tuple[float, int, list[Callable[[], None]]]] = []
        self._order = itertools.count()
        self._changed = threading.Condition(threading.Lock())
        self._running = False
        self._stopped = False
        self._cancelled = 0

    def call_at(self, when: float, action: Callable[[], None]) -> Callable[[], None]:
        """Run `action` at `when` on the clock; return what cancels it."""
        cell = [action]
        with self._changed:
            if self._stopped:
                return cell.clear
            heapq.heappush(self._heap, (when, next(self._order), cell))
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name=self._name, daemon=True).start()
            elif self._heap[0][2] is cell:
                self._changed.notify()

        def cancel() -> None:
            if cell:
                cell.clear()
                self._forget_one()

        return cancel

    def stop(self) -> None:
        """Forget every timer and end the thread."""
        with self._changed:
            self._stopped = True
            self._heap.clear()
            self._changed.notify()

    def _forget_one(self) -> None:
        """Count a cancelled timer; sweep the heap when half of it is such."""
        with self._changed:
            self._cancelled += 1
            if self._cancelled > 1000 and self._cancelled * 2 > len(self._heap):
                self._heap = [entry for entry in self._heap if entry[2]]
                heapq.heapify(self._heap)
                self._cancelled = 0

    def _run(self) -> None:
        while True:
            due = self._wait_for_due()
            if due is None:
                return
            for cell in due:
                try:
                    action = cell.pop()
                except IndexError:
                    continue  # Cancelled.
                try:
                    action()
                except Exception as error:  # noqa: BLE001 - it must not stop all timers
                    report("error", "timer_failed", reason=shown(error), exc_info=error)

    def _wait_for_due(self) -> list[list[Callable[[], None]]] | None:
        """Wait until something is due and take it; `None` when there is nothing left to do."""
        with self._changed:
            while True:
                if not self._heap or self._stopped:
                    self._running = False
                    return None
                now = self._clock.now()
                due = []
                while self._heap and self._heap[0][0] <= now:
                    due.append(heapq.heappop(self._heap)[2])
                if due:
                    return due
                self._changed.wait(min(self._heap[0][0] - now, threading.TIMEOUT_MAX))
