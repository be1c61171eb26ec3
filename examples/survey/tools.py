"""The tool that the survey's host offers to its command agents: read a piece of a file.

    >>> import base64, json
    >>> piece = read_file(json.__file__, offset=0, limit=20)
    >>> len(base64.b64decode(piece["base64"])), piece["eof"]
    (20, False)

The host runs it, in the host's process; the agent only asks. So the host decides what may be
read: files of the standard library, nothing else. Bytes travel as base64, because a source file
may be in any encoding and a piece may end within a character.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TypedDict

from .tasks import stdlib

PIECE = 64 * 1024

READ_FILE = {
    "name": "read_file",
    "description": "Read bytes of a source file of the Python standard library.",
    "input_schema": {
        "type": "object",
        "properties": {
            "path": {"type": "string"},
            "offset": {"type": "integer", "minimum": 0, "default": 0},
            "limit": {"type": "integer", "minimum": 1, "maximum": PIECE, "default": PIECE},
        },
        "required": ["path"],
    },
}


class Piece(TypedDict):
    """Bytes of a file, and whether they reach its end."""

    base64: str
    eof: bool


def read_file(path: str, offset: int = 0, limit: int = PIECE) -> Piece:
    """Return at most `limit` bytes of the file at `path`, from byte `offset` on.

    Raises:
        PermissionError: the file is not below the standard library's folder.
        OSError: it cannot be read.
        ValueError: `offset` is negative, or `limit` is not 1 to 65,536.
    """
    if offset < 0 or not 1 <= limit <= PIECE:
        raise ValueError(f"expected offset >= 0, 1 <= limit <= {PIECE}, got {offset}, {limit}")
    file = Path(path).resolve()
    if not file.is_relative_to(stdlib()):
        raise PermissionError(f"expected a file of the standard library, got {path!r}")
    with file.open("rb") as source:
        source.seek(offset)
        data = source.read(limit)
        eof = not source.read(1)
    return {"base64": base64.b64encode(data).decode("ascii"), "eof": eof}
