r"""The end of a stream, for reports.

    >>> tail = Tail(size=1000, lines=2)
    >>> tail.feed("one\ntwo\nthr".encode()); tail.feed("ee é\n".encode())
    >>> tail.text
    'two\nthree é\n'
    >>> tail.dropped
    4

A plain value that keeps the last bytes and lines of what it was fed, and counts the rest. A
character is never cut in two; bytes that are no UTF-8 are shown as U+FFFD.
"""

from __future__ import annotations

__all__ = ["Tail"]

_CONTINUATION = range(0x80, 0xC0)
_LONGEST_CHARACTER = 4


class Tail:
    """The last bytes of a stream.

    Args:
        size: the bytes that are kept at most.
        lines: the lines that are kept at most.
    """

    __slots__ = ("_fed", "_kept", "_lines", "_size")

    def __init__(self, size: int, lines: int) -> None:
        self._size = size
        self._lines = lines
        self._kept = bytearray()
        self._fed = 0

    @property
    def data(self) -> bytes:
        """The bytes that are kept."""
        kept = bytes(self._kept[-self._size :])
        if len(kept) < self._fed:
            kept = kept[_partial(kept) :]
        start = len(kept) - kept.endswith(b"\n")
        for _ in range(self._lines):
            start = kept.rfind(b"\n", 0, start)
            if start < 0:
                return kept
        return kept[start + 1 :]

    @property
    def text(self) -> str:
        """The bytes that are kept, as text."""
        return self.data.decode("utf-8", "replace")

    @property
    def dropped(self) -> int:
        """How many bytes were fed and are not kept."""
        return self._fed - len(self.data)

    def feed(self, data: bytes) -> None:
        """Take more of the stream."""
        self._fed += len(data)
        self._kept += data[-self._size :]
        # Twice the size before a cut: each byte is then moved once on average.
        if len(self._kept) > 2 * self._size:
            del self._kept[: -self._size]


def _partial(data: bytes) -> int:
    """Return how many bytes at the start belong to a character that began before them."""
    count = 0
    while count < min(len(data), _LONGEST_CHARACTER - 1) and data[count] in _CONTINUATION:
        count += 1
    return count
