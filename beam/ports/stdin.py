"""What is written to a program: a bounded queue in front of a pipe that never blocks.

`StdinWriter.write` takes all of its bytes or none. It writes what the pipe takes at once, in the
caller's thread, and leaves the rest to the loop. Taken is not read: a program that ends without
reading what was written is known by its exit, not by an error here.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque

from beam.errors import InvalidInput, LoopStopped, PortClosed, QueueFull, StdinClosed
from beam.ports.loop import LoopThread

__all__ = ["StdinWriter"]

CLOSED = -1


class StdinWriter:
    """The writing end of a program's stdin.

    Args:
        fd: the descriptor, which does not block; owned from now on.
        loop: where the queue is emptied.
        limit: the bytes that may wait.
        command: the program, for errors.
    """

    def __init__(self, fd: int, loop: LoopThread, limit: int, command: tuple[str, ...]) -> None:
        self._fd = fd
        self._loop = loop
        self._limit = limit
        self._command = command
        self._queue: deque[memoryview] = deque()
        self._waiting = 0
        self._watched = False
        self._closing = False
        self._finished = False
        self._error: PortClosed | None = None
        self._changed = threading.Condition()

    def write(self, data: bytes, timeout: float) -> None:
        """Take bytes for the program. From any thread; on the loop's own it does not wait.

        Args:
            data: the bytes.
            timeout: the seconds to wait for room.

        Raises:
            InvalidInput: more bytes than may ever wait.
            QueueFull: no room within the timeout; nothing was taken.
            StdinClosed: the program does not read its stdin any more, or we closed it.
            PortClosed: the program has ended.
        """
        if len(data) > self._limit:
            raise InvalidInput("data", f"{len(data)} bytes", f"at most {self._limit} bytes")
        deadline = time.monotonic() + (0 if self._loop.on_thread() else timeout)
        with self._changed:
            while True:
                self._raise_if_closed()
                if self._waiting + len(data) <= self._limit:
                    break
                left = deadline - time.monotonic()
                if left <= 0:
                    raise QueueFull(waiting=self._waiting, limit=self._limit, offered=len(data))
                self._changed.wait(left)
            self._queue.append(memoryview(bytes(data)))
            self._waiting += len(data)
            if len(self._queue) == 1:
                self._write_once()
            self._raise_error()
            if self._queue and not self._watched:
                self._watched = True
                self._loop.call(self._watch)

    def close(self) -> None:
        """Let the program read end of file after what waits. From any thread; again is no error."""
        with self._changed:
            self._closing = True
            if not self._queue:
                self._finish()

    def end(self, error: PortClosed) -> None:
        """Close at once, because the program has ended. On the loop's thread."""
        with self._changed:
            self._error = error
            self._finish()

    def abandon(self, error: PortClosed) -> None:
        """Close when the loop is closed; from any thread, again is no error."""
        with self._changed:
            self._error = error
            self._finish()
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = CLOSED

    def _raise_if_closed(self) -> None:
        self._raise_error()
        if self._closing:
            raise StdinClosed(None, self._command)

    def _raise_error(self) -> None:
        if self._error is not None:
            # A new one each time: a shared exception would collect the tracebacks of all callers.
            raise type(self._error)(self._error.status, self._command)

    def _write_once(self) -> None:
        """Write what the pipe takes now; one write, so that nobody holds the lock for long."""
        head = self._queue[0]
        try:
            count = os.write(self._fd, head)
        except BlockingIOError:
            return
        except OSError:
            self._error = StdinClosed(None, self._command)
            self._finish()
            return
        self._waiting -= count
        self._queue[0] = head[count:]
        if not self._queue[0]:
            self._queue.popleft()
        self._changed.notify_all()
        if self._closing and not self._queue:
            self._finish()

    def _finish(self) -> None:
        """Forget what waits, wake who waits, and have the descriptor closed; with the lock held."""
        self._queue.clear()
        self._waiting = 0
        self._changed.notify_all()
        if not self._finished:
            self._finished = True
            # The loop may still watch the descriptor; only its own thread can close it safely.
            with contextlib.suppress(LoopStopped):
                self._loop.call(self._close_descriptor)

    def _watch(self) -> None:
        if not self._finished:
            self._loop.loop.add_writer(self._fd, self._writable)

    def _writable(self) -> None:
        with self._changed:
            if self._queue:
                self._write_once()
            if not self._queue:
                self._watched = False
                self._loop.loop.remove_writer(self._fd)

    def _close_descriptor(self) -> None:
        self._loop.loop.remove_writer(self._fd)
        os.close(self._fd)
        self._fd = CLOSED
