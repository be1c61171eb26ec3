r"""Server-sent events: bytes as they come from a socket, to the JSON that they carry. Pure.

    >>> frames = Frames()
    >>> frames.feed(b': hello\r\nevent: message\r\ndata: {"a":')
    []
    >>> frames.feed(b' 1}\r\n\r\ndata: nonsense\n\ndata: [1,\ndata: 2]\n\n')
    [{'a': 1}, [1, 2]]

A frame ends at an empty line; what has no end when the stream ends is dropped, and so is a frame
that is not JSON. (html.spec.whatwg.org, "Server-sent events"; a lone CR ends no line here.)
"""

from __future__ import annotations

import json
from typing import Any, Final

from beam.errors import ProviderFailed

__all__ = ["MAX_FRAME", "Frames"]

MAX_FRAME: Final = 64 * 1024 * 1024
"""The most bytes of a frame: as long as the longest line of a port."""


class Frames:
    """Takes a stream apart.

    Attributes:
        dropped: how many frames were not JSON.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[Any]:
        """Take what has come; return what the frames say that it completes.

        Raises:
            ProviderFailed: `stream_frame_too_long`.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        said: list[Any] = []
        for line in lines:
            self._line(line.removesuffix(b"\r"), said)
        if self._size + len(self._rest) > MAX_FRAME:
            raise ProviderFailed("stream_frame_too_long", f"more than {MAX_FRAME} bytes")
        return said

    def _line(self, line: bytes, said: list[Any]) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
            self._size += len(value)
        elif not line and self._data:
            frame, self._data, self._size = b"\n".join(self._data), [], 0
            try:
                said.append(json.loads(frame))
            except (ValueError, RecursionError):
                self.dropped += 1
