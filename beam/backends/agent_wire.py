"""A program's stdin and stdout as a driver has them: lines in, bytes out, on the loop thread.

The port delivers lines to the connection's process, which passes them on here; a line is
acknowledged to the port when the driver reads it, and is not read while the session is behind. So
a slow session slows its agent down (G19), whatever client library stands between.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from typing import TYPE_CHECKING

from beam.backends.credentials import values_of
from beam.errors import InvalidInput, LoopStopped
from beam.model.masking import redact_text

if TYPE_CHECKING:
    from beam.backends.talk import Talk
    from beam.ports.port import Port, PortExit

__all__ = ["Wire"]


class Wire:
    """The stdio of one program.

    Args:
        port: the program.
        talk: says when the session keeps up.

    Attributes:
        exit: how the program ended; None while it runs, or while lines of it are unread.
    """

    def __init__(self, port: Port, talk: Talk) -> None:
        self._port = port
        self._talk = talk
        self._news = asyncio.Event()
        # Bounded by the port's window, for nothing in it is acknowledged.
        self._lines: deque[bytes] = deque()
        self._ending: PortExit | None = None
        self._is_cut = False

    @property
    def pid(self) -> int:
        """The program's pid, which is also its process group."""
        return self._port.pid

    @property
    def keeper(self) -> int:
        """The pid of the keeper: the program's parent, which inherits its orphans."""
        return self._port.keeper

    @property
    def argv(self) -> tuple[str, ...]:
        """The command line that the program was started with."""
        return self._port.spec.argv

    def variable(self, name: str) -> str:
        """Return a variable of the program's environment, empty if it has none."""
        return self._port.spec.environment(os.environ, "").get(name, "")

    def masked(self, text: str) -> str:
        """Return text without the secrets that are in the program's environment (G17)."""
        return redact_text(text, values_of(self._port.spec.environment(os.environ, "")))

    @property
    def exit(self) -> PortExit | None:
        """How the program ended, once all that it wrote has been read."""
        return None if self._lines else self._ending

    async def readline(self) -> bytes:
        r"""Return the next line without its `\n`; `b""` for the end, and again after it.

        Empty lines are left out. The bytes of a line are any bytes. That there is a line is no sign
        of life yet: a driver that finds the agent at work in it says something, or `heard`.
        """
        while True:
            await self._talk.room()
            while self._lines:
                line = self._lines.popleft()
                with contextlib.suppress(InvalidInput):
                    self._port.ack()
                if line:
                    return line
            if self._ending is not None or self._is_cut:
                return b""
            self._news.clear()
            await self._news.wait()

    def write(self, data: bytes) -> None:
        """Give bytes to the program, all or none; does not wait.

        Raises:
            QueueFull: the program does not read, and its queue has no room.
            StdinClosed: it has closed its stdin.
            PortClosed: it has ended.
        """
        self._port.write(data, timeout=0)

    def close_stdin(self) -> None:
        """Let the program read end of file after what was written."""
        with contextlib.suppress(LoopStopped):
            self._port.close_stdin()

    # What the connection passes on

    def feed(self, line: bytes) -> None:
        """Take a line."""
        self._lines.append(line)
        self._news.set()

    def ended(self, exit: PortExit) -> None:
        """Take the end."""
        self._ending = exit
        self._news.set()

    def cut(self) -> None:
        """End it for the reader: the connection is over, and passes nothing more on."""
        self._is_cut = True
        self._lines.clear()
        self._news.set()
