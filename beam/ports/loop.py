"""The one asyncio loop of a fleet, on a thread of its own.

    >>> async def answer():
    ...     return 42
    >>> loop = LoopThread()
    >>> loop.start()
    >>> loop.submit(answer()).result(timeout=5)
    42
    >>> loop.stop()
    Leftovers(cancelled=(), stuck=())

All asyncio work runs here: the pipes of every port, and later the clients of agents and providers.
Nothing on this thread may block. `stop` is bounded, cancels what still runs and names it; whoever
waits for a result then gets `CancelledError`, and nobody waits for ever.

Limits: a callback that blocks the loop cannot be ended; `stop` gives the thread up (it is a daemon)
and says so. Jobs given to the loop's default executor by others are not waited for by `stop`, but
the interpreter waits for them when it exits; ports use threads of their own (`workers.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar, TypeVarTuple

from beam.errors import LoopStopped
from beam.ports.workers import Workers

__all__ = ["PARTING", "Leftovers", "LoopThread"]

PARTING = "parting"
"""The name of a task that closes what would be left open: `stop` lets it end by itself first."""

PARTING_S = 2.0
"""The seconds that those tasks have, together, before they are cancelled with the others."""

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What still ran when the loop was stopped.

    Attributes:
        cancelled: the names of the tasks that were cancelled and ended.
        stuck: the names of the tasks that went on in spite of it; the thread's own name if the
            loop itself was blocked.
    """

    cancelled: tuple[str, ...] = ()
    stuck: tuple[str, ...] = ()


class LoopThread:
    """A thread that runs an asyncio loop.

    Args:
        name: the name of the thread.
    """

    def __init__(self, name: str = "beam-loop") -> None:
        self._name = name
        self._lock = threading.Lock()
        self._accepts = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pending: set[Future[Any]] = set()
        self._leftovers = Leftovers()
        self._workers = Workers(f"{name}-worker")

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop itself, for code that runs on its thread.

        Raises:
            LoopStopped: it was not started, or has been stopped.
        """
        if self._loop is None or not self._accepts:
            raise LoopStopped(self._name)
        return self._loop

    @property
    def closed(self) -> bool:
        """Whether the loop has ended, so that nothing is watched any more."""
        return self._loop is None or self._loop.is_closed()

    def start(self) -> None:
        """Start the thread and return when the loop runs. A loop runs once."""
        with self._lock:
            if self._loop is not None:
                raise LoopStopped(self._name)
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._accepts = True
            self._workers.start()
            self._thread.start()

    def on_thread(self) -> bool:
        """Return whether the caller runs on the loop's thread."""
        return threading.current_thread() is self._thread

    def call(self, function: Callable[[*Ts], object], *args: *Ts) -> None:
        """Run a function soon on the loop's thread. From any thread.

        Raises:
            LoopStopped: the loop does not run.
        """
        with self._lock:
            self.loop.call_soon_threadsafe(function, *args)

    def work(self, function: Callable[[], T], then: Callable[[T], object]) -> None:
        """Run a function that may block on another thread, and `then` with its result on this one.

        From any thread. Neither may raise. `then` is not run if the loop has been stopped.
        """
        self._workers.run(function, lambda result: self._call_if_running(then, result))

    def submit(self, work: Coroutine[Any, Any, T], name: str | None = None) -> Future[T]:
        """Run a coroutine as a task of the loop. From any thread.

        Args:
            work: the coroutine.
            name: the task's name, for the report of what was left; the coroutine's own if None.

        Returns:
            A future of the result; cancelling it cancels the task. Not bounded in number: the
            tasks are the caller's, nothing waits in a queue here.

        Raises:
            LoopStopped: the loop does not run; the coroutine has been closed.
        """
        task_name = name or str(getattr(work, "__qualname__", work))
        with self._lock:
            if not self._accepts:
                work.close()
                raise LoopStopped(self._name)
            future = asyncio.run_coroutine_threadsafe(_named(work, task_name), self.loop)
            self._pending.add(future)
        future.add_done_callback(self._pending.discard)
        return future

    def stop(self, timeout: float = 5.0) -> Leftovers:
        """Cancel what still runs, stop the loop and wait for its thread. From any other thread.

        Args:
            timeout: the seconds that the tasks have to end, together.

        Returns:
            What was cancelled; the same again when called again.

        Raises:
            LoopStopped: called on the loop's own thread, which cannot wait for itself.
        """
        if self.on_thread():
            raise LoopStopped(self._name)
        with self._lock:
            first, self._accepts = self._accepts, False
            if first and self._loop is not None:
                self._loop.call_soon_threadsafe(self._begin_to_stop, timeout)
            if first and self._thread is not None:
                self._workers.stop()
        if self._thread is not None:
            self._thread.join(timeout + 1.0)
            if self._thread.is_alive():
                self._leftovers = Leftovers(stuck=(self._name,))
        for future in list(self._pending):
            future.cancel()
        return self._leftovers

    def _call_if_running(self, function: Callable[[*Ts], object], *args: *Ts) -> None:
        with contextlib.suppress(LoopStopped):
            self.call(function, *args)

    def _run(self) -> None:
        assert self._loop is not None
        try:
            while not self._run_on(self._loop):
                pass
        finally:
            self._loop.close()

    @staticmethod
    def _run_on(loop: asyncio.AbstractEventLoop) -> bool:
        """Run the loop; return whether it was stopped."""
        try:
            loop.run_forever()
        except (SystemExit, KeyboardInterrupt):
            return False  # A task's own failure, which is its result, too; the others live (G8).
        return True

    def _begin_to_stop(self, timeout: float) -> None:
        assert self._loop is not None
        self._stopping = self._loop.create_task(self._finish(timeout), name="stop")

    async def _finish(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        try:
            tasks = asyncio.all_tasks(loop) - {self._stopping}
            names = {task: task.get_name() for task in tasks}
            partings = {task for task, name in names.items() if name == PARTING}
            if partings:
                over, _ = await asyncio.wait(partings, timeout=min(PARTING_S, seconds))
                tasks -= over
            for task in tasks:
                task.cancel()
            stuck: set[asyncio.Task[Any]] = set()
            if tasks:
                _, stuck = await asyncio.wait(tasks, timeout=seconds)
            self._leftovers = Leftovers(
                tuple(sorted(names[task] for task in tasks - stuck)),
                tuple(sorted(names[task] for task in stuck)),
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(loop.shutdown_asyncgens(), 1.0)
        finally:
            loop.stop()


async def _named(work: Coroutine[Any, Any, T], name: str) -> T:
    task = asyncio.current_task()
    if task is not None:
        task.set_name(name)
    return await work
