r"""Bytes into lines, with a bound on what is held.

    >>> buffer = LineBuffer(limit=10)
    >>> buffer.feed(b"one\ntw")
    [Line(data=b'one', complete=True)]
    >>> buffer.feed(b"o\nnot a short line\n")
    [Line(data=b'two', complete=True), Excess(data=b'not a short line', last=True, complete=True)]
    >>> buffer.feed(b"half"), buffer.end()
    ([], [Line(data=b'half', complete=False)])

A plain value: bytes in, pieces out, however the bytes were cut. A line longer than the limit comes
out as pieces of `Excess`, for a file; nothing is lost and nothing is refused. A line ends with
`\n`; what stands between is passed on as it is, whatever its encoding.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Excess", "Line", "LineBuffer", "Piece", "SpilledLine"]


@dataclass(frozen=True, slots=True)
class Line:
    r"""A line of output.

    Attributes:
        data: its bytes, without the `\n`.
        complete: False for what stood after the last `\n` when the output ended.
    """

    data: bytes
    complete: bool = True

    @property
    def text(self) -> str:
        r"""The line as UTF-8 text, without a final `\r`; wrong bytes become U+FFFD."""
        return self.data.removesuffix(b"\r").decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class SpilledLine:
    r"""A line that was longer than the limit, in a file that now belongs to its receiver.

    Attributes:
        path: the file, without the `\n`. It is removed when the port's host is closed, if its
            receiver has not moved or removed it before.
        size: the bytes in it.
        dropped: the bytes that were not kept, because the file reached its limit or could not be
            written.
        complete: False if the output ended in the middle of the line.
    """

    path: Path
    size: int
    dropped: int = 0
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Excess:
    """A piece of a line that is over the limit; the pieces follow each other.

    Attributes:
        data: the bytes; the first piece begins with the start of the line.
        last: whether the line ends with this piece.
        complete: False if it ended because the output did.
    """

    data: bytes
    last: bool
    complete: bool = True


Piece = Line | Excess


class LineBuffer:
    """The unfinished line of a stream of bytes.

    Args:
        limit: the bytes of the longest line that comes out whole.
    """

    __slots__ = ("_held", "_limit", "_parts", "_spilling")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._held = 0
        self._spilling = False

    def feed(self, data: bytes) -> list[Piece]:
        """Take bytes and return what they complete, in order."""
        *ended, rest = data.split(b"\n")
        pieces = [self._end_line(part, complete=True) for part in ended]
        self._parts.append(rest)
        self._held += len(rest)
        if rest and (self._spilling or self._held > self._limit):
            self._spilling = True
            pieces.append(Excess(self._take(), last=False))
        return pieces

    def end(self) -> list[Piece]:
        """Return what is left when the stream has ended: nothing, or one incomplete piece."""
        if not self._held and not self._spilling:
            return []
        return [self._end_line(b"", complete=False)]

    def _end_line(self, part: bytes, *, complete: bool) -> Piece:
        self._parts.append(part)
        data = self._take()
        if self._spilling or len(data) > self._limit:
            self._spilling = False
            return Excess(data, last=True, complete=complete)
        return Line(data, complete)

    def _take(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        self._held = 0
        return data
