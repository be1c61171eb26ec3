r"""Files in which an agent writes down what happens, a JSON object a line, read from some place on.

>>> [record["type"] for record in records(b'{"type": "user"}\nhalf a li')]
['user']
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["records", "size_of", "tail"]

_LARGEST = 64 * 1024 * 1024


def records(journal: bytes) -> Iterator[dict[str, Any]]:
    """Yield the objects in a part of a file; what is no whole line yet is left out."""
    for line in journal.split(b"\n"):
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            yield record


def size_of(path: Path) -> int:
    """Return a file's size, in bytes; 0 if there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def tail(path: Path, start: int) -> bytes | None:
    """Return what is in a file from `start` on, 64 MiB at most; None if it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(_LARGEST)
    except OSError:
        return None
