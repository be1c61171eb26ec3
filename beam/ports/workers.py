"""A few threads for what may block and must not run on the loop's.

    >>> import threading
    >>> workers = Workers("doc"); workers.start()
    >>> done = threading.Event()
    >>> workers.run(lambda: print("worked"), lambda _: done.set())
    >>> done.wait(5.0)
    worked
    True
    >>> workers.stop()

They are no `ThreadPoolExecutor`: that one refuses work from the moment when the main thread has
ended, and ports have to be ended just then, by threads that go on and by `atexit` functions. They
are daemons, so that a disk that hangs does not keep the interpreter from exiting.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeVar

__all__ = ["Workers"]

T = TypeVar("T")

THREADS = 4


class Workers:
    """Threads that take work from one queue.

    Args:
        name: the start of the threads' names.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        # Without a bound of its own: each port has one piece of work here at a time, two at most.
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    def start(self) -> None:
        """Start the threads; all at once, because none can be started when the interpreter ends."""
        for number in range(THREADS):
            name = f"{self._name}-{number}"
            threading.Thread(target=self._serve, name=name, daemon=True).start()

    def run(self, work: Callable[[], T], then: Callable[[T], object]) -> None:
        """Run `work` on a thread of ours, and after it, there, `then` with its result.

        Neither may raise: an exception ends its thread.
        """
        self._queue.put(lambda: _do(work, then))

    def stop(self) -> None:
        """Let the threads end after what was given to them before."""
        for _ in range(THREADS):
            self._queue.put(None)

    def _serve(self) -> None:
        while (work := self._queue.get()) is not None:
            work()


def _do(work: Callable[[], T], then: Callable[[T], object]) -> None:
    then(work())
