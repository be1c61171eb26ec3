"""The pool: many processes on few threads.

Runnable processes wait in one queue; workers take them in order. A worker that waits in a call
counts as away, and another is started if somebody is runnable; idle ones end after a while. The
number of workers has a cap: if all of them wait in calls, nobody is left who could answer, and
the newest call fails with the graph of who waits for whom instead of hanging.

CPython runs one thread at a time, so more workers than a few are of use only while some wait.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from beam.errors import PoolExhausted
from beam.otp.context import here
from beam.otp.timer import TimerThread
from beam.otp.turn import take_turn
from beam.otp.virtual_time import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType

    from beam.otp.clock import Clock
    from beam.otp.control import Control

__all__ = ["Pool", "ThreadParker"]

CAP = 256
# Workers that are not waiting, when there is work: one runs, the others stand in while a handler
# does a little undeclared I/O.
BASE = 4
# Seconds for which an idle worker stays.
LINGER = 5.0


class ThreadParker:
    """A thread's place to wait: one lock, used once."""

    __slots__ = ("_clock", "_lock")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._lock.acquire()

    def park(self, deadline: float | None) -> bool:
        """Wait for `unpark` or until `deadline`; return whether it was `unpark`."""
        if deadline is None:
            return self._lock.acquire()
        if type(self._clock) is VirtualClock:
            return self._park_on(self._clock, deadline)
        left = min(deadline - self._clock.now(), threading.TIMEOUT_MAX)
        return self._lock.acquire(timeout=left) if left > 0 else self._lock.acquire(blocking=False)

    def _park_on(self, clock: VirtualClock, deadline: float) -> bool:
        """Wait until somebody moves the clock so far."""
        if deadline <= clock.now():
            return self._lock.acquire(blocking=False)
        late: list[bool] = []

        def pass_deadline() -> None:
            late.append(True)
            self.unpark()

        cell = clock.call_at(deadline, pass_deadline)
        self._lock.acquire()
        cell.clear()
        return not late

    def unpark(self) -> None:
        """Let the waiting thread go on."""
        try:
            self._lock.release()
        except RuntimeError:
            return  # Unparked twice, by a value and a signal: once is enough.


class _WorkerParker(ThreadParker):
    """A worker's place to wait: its pool knows that it is away, and for whom."""

    __slots__ = ("_control", "_pool")

    def __init__(self, worker: _Worker, control: Control) -> None:
        super().__init__(worker.pool.clock)
        self._pool = worker.pool
        self._control = control

    def park(self, deadline: float | None) -> bool:
        self._pool.worker_leaves(self._control)
        try:
            return super().park(deadline)
        finally:
            self._pool.worker_returns(self._control)


class _Worker:
    __slots__ = ("abandoned", "lock", "pool")

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.lock = threading.Lock()
        self.lock.acquire()
        self.abandoned = False


class Pool:
    """The default scheduler.

    Args:
        clock: what deadlines and timers are read on.
        name: the prefix of the threads' names.
        cap: the most workers there may be.
    """

    messages = 200
    own_threads = False
    simulated = False

    def __init__(self, clock: Clock, name: str = "beam", cap: int = CAP) -> None:
        self.clock = clock
        self.cap = cap
        self._name = name
        self._queue: deque[Control] = deque()
        self._idle: list[_Worker] = []
        self._waking = False
        self._lock = threading.Lock()
        self._size = 0
        self._away: dict[Control, None] = {}
        self.running: dict[Control, object] = {}
        """The processes whose turn a thread takes now, those that wait in calls too."""
        self._threads = 0
        self._stopped = False
        # A virtual clock does what is due when it is moved, on the thread of who moves it.
        self._timers = (
            clock if isinstance(clock, VirtualClock) else TimerThread(clock, f"{name}-timers")
        )
        self.call_at = self._timers.call_at

    def __repr__(self) -> str:
        return f"<Pool: {self._size} workers, {len(self._away)} waiting, {len(self._queue)} due>"

    # The port

    def submit(self, control: Control) -> None:
        """Take a process whose turn the caller holds."""
        if here.ending and here.next is None and here.worker is not None:
            # The ending process's thread is free in a moment: whom its death wakes (a
            # supervisor, mostly) runs there, without a hand-over to another thread.
            here.next = control
            return
        self._queue.append(control)
        if not self._waking:
            self._wake_one()

    def parker(self, control: Control | None) -> ThreadParker:
        """Return a place for this thread to wait."""
        worker = here.worker
        if control is not None and isinstance(worker, _Worker):
            return _WorkerParker(worker, control)  # Of whichever pool: a process may be another's.
        return ThreadParker(self.clock)

    def start_thread(self, name: str, main: Callable[[], None]) -> None:
        """Run `main` on a thread of its own; a daemon, so that the interpreter can exit."""
        threading.Thread(target=main, name=f"{self._name}-{name}", daemon=True).start()

    def abandon(self, control: Control) -> None:
        """Count the worker on which `control` hangs no more; it ends when it comes back."""
        with self._lock:
            worker = self.running.get(control)
            if not isinstance(worker, _Worker) or worker.abandoned:
                return
            worker.abandoned = True
            self._size -= 1
        self._wake_one()

    def is_idle(self) -> bool:
        """Return whether no process is due and none has a turn, but for those given up (G9)."""
        running = [one for one in list(self.running) if one.serial not in one.node.given_up]
        return not self._queue and not running

    def frames(self) -> Iterable[FrameType]:
        """Return the innermost frame of each thread."""
        return list(sys._current_frames().values())

    def stop(self) -> None:
        """End the idle workers and the timer thread; busy ones end when they come back."""
        self._stopped = True
        if isinstance(self._timers, TimerThread):
            self._timers.stop()
        while self._idle:
            try:
                self._idle.pop().lock.release()
            except IndexError:
                break

    # Workers

    def _wake_one(self) -> None:
        if not self._idle:  # Mostly so when there is much to do; an IndexError takes 0.3 µs.
            # Looked at without the lock: who leaves, or goes away, looks at the queue after it.
            if self._size - len(self._away) < BASE:
                self._grow()
            return
        try:
            worker = self._idle.pop()
        except IndexError:
            return  # One that has just woken looks at the queue.
        self._waking = True
        worker.lock.release()

    def _grow(self) -> None:
        """Start a worker if fewer than BASE are at work and the cap allows."""
        with self._lock:
            if self._size - len(self._away) >= BASE or self._size >= self.cap or self._stopped:
                return
            self._size += 1
            self._threads += 1
            number = self._threads
        thread = threading.Thread(target=self._work, name=f"{self._name}-{number}", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            with self._lock:
                self._size -= 1
                alone = self._size == len(self._away)
            if alone:  # Nobody else would run what waits.
                raise

    def _work(self) -> None:
        worker = here.worker = _Worker(self)
        running = self.running
        try:
            while not worker.abandoned:
                control = self._next()
                if control is not None:
                    running[control] = worker
                    try:
                        take_turn(control)
                    finally:
                        running.pop(control, None)
                elif not self._rest(worker):
                    break
        finally:
            with self._lock:
                if not worker.abandoned:
                    self._size -= 1
            # Whoever submitted while this one left may have counted on it.
            self._requeue()
            if self._queue:
                self._wake_one()

    def _next(self) -> Control | None:
        control = here.next
        if control is not None:
            here.next = None
            return control
        try:
            control = self._queue.popleft()
        except IndexError:
            return None
        # Whoever submitted the next one may have counted on us.
        if self._queue and not self._waking:
            self._wake_one()
        return control

    def _requeue(self) -> None:
        """Leave to others the process that was to run next on this thread."""
        control, here.next = here.next, None
        if control is not None:
            self._queue.append(control)

    def _rest(self, worker: _Worker) -> bool:
        """Wait for work; return whether there is some, or the worker is to end."""
        self._idle.append(worker)
        # Whoever submits looks at the idle after it has queued; we look at the queue after we
        # are idle: one of the two sees the other.
        took = not self._queue and worker.lock.acquire(timeout=0 if self._stopped else LINGER)
        try:
            self._idle.remove(worker)
            chosen = False
        except ValueError:
            chosen = True
            if not took:
                worker.lock.acquire()  # Released by who chose us, just now or in a moment.
        self._waking = False
        return (chosen or bool(self._queue)) and not self._stopped

    def worker_leaves(self, control: Control) -> None:
        """Note that the worker that runs `control` waits in a call.

        Raises:
            PoolExhausted: if it was the last that did not, and no more may be started.
        """
        with self._lock:
            self._away[control] = None
            exhausted = len(self._away) >= self.cap
            graph = self._graph() if exhausted else ()
            if exhausted:
                del self._away[control]
        if exhausted:
            raise PoolExhausted(self.cap, graph)
        self._requeue()
        if self._queue:
            self._wake_one()

    def worker_returns(self, control: Control) -> None:
        """Note that it waits no more."""
        with self._lock:
            self._away.pop(control, None)

    def _graph(self) -> tuple[tuple[Any, Any], ...]:
        edges = []
        for control in self._away:
            future = control.waiting
            callee = future.callee if future is not None else None
            edges.append((control.ref, callee.ref if callee is not None else None))
        return tuple(edges)
