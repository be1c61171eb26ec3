"""Our end of the connection to a keeper, on the loop's thread.

What the keeper says is in `keeper.py`. The connection ends when the keeper does; one that ends
without `gone` means that the keeper was killed and its tree is on its own.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

from beam.ports.loop import LoopThread

__all__ = ["Connection"]


class Connection:
    """The lines from and to a keeper.

    Args:
        link: the socket, which does not block; owned from now on.
        unread: what was read from it and not yet looked at.
        loop: where it lives.
        on_word: given the words of each line.
        on_end: called once when the keeper has gone.
    """

    def __init__(
        self,
        link: socket.socket,
        unread: bytes,
        loop: LoopThread,
        on_word: Callable[[list[str]], object],
        on_end: Callable[[], object],
    ) -> None:
        self._link = link
        self._buffer = unread
        self._loop = loop
        self._on_word = on_word
        self._on_end = on_end

    def start(self) -> None:
        """Begin to listen."""
        self._loop.loop.add_reader(self._link.fileno(), self._readable)
        self._dispatch()

    def say(self, *words: object) -> None:
        """Send a line; one to a keeper that has gone, or takes nothing, is lost."""
        with contextlib.suppress(OSError):
            self._link.send((" ".join(map(str, words)) + "\n").encode())

    def abandon(self) -> None:
        """Close the socket when the loop is closed; from any thread, again is no error."""
        self._link.close()

    def _readable(self) -> None:
        try:
            data = self._link.recv(4096)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        self._buffer += data
        self._dispatch()
        if not data:
            self._loop.loop.remove_reader(self._link.fileno())
            self._link.close()
            self._on_end()

    def _dispatch(self) -> None:
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            self._on_word(line.decode().split())
