"""From a program's stdout to a consumer, line by line, no faster than the consumer goes.

A `LineReader` lives on the loop's thread. It reads from the pipe only while all that it has read is
delivered and the window is open, so that between the program and its consumer there is never more
than: the unfinished line (bounded by the line limit), one read's worth of lines, and the window.
A program whose consumer is behind waits in its own `write`.

When the program's tree has ended, what the pipe still holds is read at once, up to 1 MB, and
delivered as the window allows: it is all that there will be, unless a process outside the tree
holds the pipe.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

from beam.errors import LoopStopped
from beam.ports.lines import Excess, Line, LineBuffer, Piece, SpilledLine
from beam.ports.loop import LoopThread
from beam.ports.spec import PortSpec
from beam.ports.spill import Spill
from beam.ports.tail import Tail
from beam.ports.window import Window

__all__ = ["LineReader", "OnLine", "TailReader"]

READ_BYTES = 256 * 1024
DRAIN_BYTES = 1024 * 1024

OnLine = Callable[[Line | SpilledLine], object]


class LineReader:
    """The reading end of a program's stdout.

    Args:
        fd: the descriptor, which does not block; owned from now on.
        spec: the bounds.
        loop: where it lives.
        on_line: given each line, in order, on the loop's thread; must not block.
        on_end: called once, when everything has been delivered; on the loop's thread.
        on_fault: called with what `on_line` raised; the lines after that are dropped and counted.
        spill_path: gives the path for the n-th line that is too long.
    """

    def __init__(
        self,
        fd: int,
        spec: PortSpec,
        loop: LoopThread,
        *,
        on_line: OnLine,
        on_end: Callable[[], object],
        on_fault: Callable[[Exception], object],
        spill_path: Callable[[int], Path],
    ) -> None:
        self.undelivered = 0
        self.truncated = False
        self._fd = fd
        self._loop = loop
        self._on_line = on_line
        self._on_end = on_end
        self._on_fault = on_fault
        self._spill_path = spill_path
        self._spill_limit = spec.spill_limit
        self._buffer = LineBuffer(spec.line_limit)
        self._pieces: deque[Piece | SpilledLine] = deque()
        self._spill: Spill | None = None
        self._spills = 0
        self._writing = False
        self._watched = False
        self._end_of_file = False
        self._ended = False
        self._broken = False
        self._drained: int | None = None
        # What follows is shared with the threads that acknowledge.
        self._lock = threading.Lock()
        self._window = Window(spec.window_lines, spec.window_bytes)
        self._stalled = False
        self._released = False

    def start(self) -> None:
        """Begin to read. On the loop's thread, as all that follows until `acknowledge`."""
        self._pump()

    def tree_ended(self) -> None:
        """Read what the pipe still holds, and end there."""
        self._drained = 0
        self._watch(False)
        if not self._writing:
            self._read()

    def release(self) -> None:
        """Deliver without regard to the window from now on; the tree has ended, so it is little."""
        with self._lock:
            self._released = True
        self._pump()

    def abandon(self) -> None:
        """Close when the loop is closed; from any thread, again is no error."""
        if not self._end_of_file:
            self._end_of_file = True
            os.close(self._fd)

    def acknowledge(self, count: int) -> None:
        """Take the oldest `count` lines as consumed. From any thread."""
        with self._lock:
            self._window.acknowledge(count)
        self._go_on()

    def pause(self, paused: bool) -> None:
        """Stop reading and delivering, or go on. From any thread."""
        with self._lock:
            self._window.paused = paused
        self._go_on()

    def _go_on(self) -> None:
        with self._lock:
            if not self._stalled or not self._window.open:
                return
            self._stalled = False
        with contextlib.suppress(LoopStopped):
            self._loop.call(self._pump)

    def _pump(self) -> None:
        """Deliver what may be delivered, then read on or end."""
        while self._pieces and not self._writing:
            piece = self._pieces[0]
            if isinstance(piece, Excess):
                self._pieces.popleft()
                self._write(piece)
            elif self._may_deliver(piece):
                self._pieces.popleft()
                self._deliver(piece)
            else:
                break
        busy = bool(self._pieces) or self._writing
        if self._end_of_file:
            self._end_unless(busy)
        elif self._drained is None:
            self._watch(not busy and self._may_read())
        elif not self._writing:
            # Whatever the window says: it is little, and the end of file is behind it.
            self._loop.loop.call_soon(self._read)

    def _may_read(self) -> bool:
        """Return whether to read; if not, `_go_on` is what pumps again."""
        with self._lock:
            self._stalled = not self._window.open and not self._broken
            return not self._stalled

    def _may_deliver(self, line: Line | SpilledLine) -> bool:
        if self._broken:
            return True
        with self._lock:
            self._stalled = not (self._window.open or self._released)
            if not self._stalled:
                self._window.sent(len(line.data) if isinstance(line, Line) else 0)
            return not self._stalled

    def _deliver(self, line: Line | SpilledLine) -> None:
        if self._broken:
            self.undelivered += 1
            return
        try:
            self._on_line(line)
        except Exception as error:  # noqa: BLE001  # whatever it is, it ends this port only
            self._broken = True
            self.undelivered += 1
            self._on_fault(error)

    def _end_unless(self, busy: bool) -> None:
        if not busy and not self._ended:
            self._ended = True
            self._on_end()

    def _watch(self, wanted: bool) -> None:
        if wanted and not self._watched:
            self._loop.loop.add_reader(self._fd, self._read)
        elif self._watched and not wanted:
            self._loop.loop.remove_reader(self._fd)
        self._watched = wanted

    def _read(self) -> None:
        if self._end_of_file:
            return
        try:
            data = os.read(self._fd, READ_BYTES)
        except BlockingIOError:
            if self._drained is None:
                return
            data = b""
        if self._drained is not None:
            self._drained += len(data)
            self.truncated = self._drained > DRAIN_BYTES
        self._pieces += self._buffer.feed(data)
        if not data or self.truncated:
            self._end_of_file = True
            self._watch(False)
            os.close(self._fd)
            self._pieces += self._buffer.end()
        self._pump()

    def _write(self, piece: Excess) -> None:
        """Write a piece of a long line where blocking is allowed; `_pump` goes on after it."""
        if self._spill is None:
            self._spills += 1
            self._spill = Spill(self._spill_path(self._spills), self._spill_limit)
        self._writing = True
        spill = self._spill
        self._loop.work(lambda: _write(spill, piece), self._written)

    def _written(self, line: SpilledLine | None) -> None:
        self._writing = False
        if line is not None:
            self._spill = None
            self._pieces.appendleft(line)
        self._pump()


class TailReader:
    """The reading end of a program's stderr: read as it comes, the end of it kept.

    Lives on the loop's thread.

    Args:
        fd: the descriptor, which does not block; owned from now on.
        spec: the bounds.
        loop: where it lives.
    """

    def __init__(self, fd: int, spec: PortSpec, loop: LoopThread) -> None:
        self.tail = Tail(spec.stderr_bytes, spec.stderr_lines)
        self._fd: int | None = fd
        self._loop = loop

    def start(self) -> None:
        """Begin to read."""
        if self._fd is not None:
            self._loop.loop.add_reader(self._fd, self._read)

    def tree_ended(self) -> None:
        """Read what the pipe still holds, up to 1 MB, and end there."""
        left = DRAIN_BYTES
        while left > 0 and (count := self._read()):
            left -= count
        self._close()

    def abandon(self) -> None:
        """Close when the loop is closed; from any thread, again is no error."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _read(self) -> int:
        if self._fd is None:
            return 0
        try:
            data = os.read(self._fd, READ_BYTES)
        except BlockingIOError:
            return 0
        self.tail.feed(data)
        if not data:
            self._close()
        return len(data)

    def _close(self) -> None:
        if self._fd is not None:
            self._loop.loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = None


def _write(spill: Spill, piece: Excess) -> SpilledLine | None:
    spill.write(piece.data)
    return spill.finish(complete=piece.complete) if piece.last else None
