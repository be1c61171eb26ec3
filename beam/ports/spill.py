"""The file of a line that is too long to be kept in memory. Blocks; not for the loop thread.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     spill = Spill(pathlib.Path(directory, "line"), limit=5)
    ...     spill.write(b"1234")
    ...     spill.write(b"5678")
    ...     line = spill.finish(complete=True)
    >>> line.size, line.dropped
    (5, 3)

A file that cannot be written is not fatal for the program whose line it is: what could not be kept
is counted as dropped.
"""

from __future__ import annotations

import contextlib
import os
from io import FileIO
from pathlib import Path

from beam.ports.lines import SpilledLine

__all__ = ["Spill"]


class Spill:
    """One long line on its way to a file.

    Args:
        path: where it goes; made with the first byte, readable by this user only.
        limit: the bytes that are kept at most.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self._path = path
        self._limit = limit
        self._file: FileIO | None = None
        self._size = 0
        self._dropped = 0

    def write(self, data: bytes) -> None:
        """Keep these bytes, as far as they fit."""
        kept = b"" if self._dropped else data[: self._limit - self._size]
        written = 0
        with contextlib.suppress(OSError):
            if self._file is None:
                self._file = open(self._path, "xb", buffering=0, opener=_private)  # noqa: SIM115  # closed by finish
            while written < len(kept):
                written += self._file.write(kept[written:]) or 0
        self._size += written
        self._dropped += len(data) - written

    def finish(self, *, complete: bool) -> SpilledLine:
        """Close the file and return what became of the line."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
        return SpilledLine(self._path, self._size, self._dropped, complete)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
