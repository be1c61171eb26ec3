"""Where attachments come from: the files of the fleet's machine, read when a query is made."""

from __future__ import annotations

import os
import stat
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beam.model.attachments import Prepared, prepare

if TYPE_CHECKING:
    from beam.sessions.options import SessionOptions

__all__ = ["prepared"]


def prepared(attachments: Any, options: SessionOptions) -> Prepared | None:
    """Return the attachments of a query in the form that agents get; `None` if there are none.

    Run by the thread that asks: it waits for the files that are attached by path.

    Args:
        attachments: as of `beam.model.attachments`.
        options: the session's; say in which folder a path is, and what is too large.

    Raises:
        InvalidInput: naming the attachment's field; nothing has changed.
    """
    if attachments is None or attachments in ([], ()):
        return None
    read = partial(_read, Path(options.cwd))
    return prepare(attachments, read=read, limit=options.attachment_limit)


def _read(folder: Path, path: str, most: int) -> bytes | None:
    """Return the first bytes of a regular file; `None` for anything else."""
    try:
        # Of a pipe or a device nothing is read, nor is it waited for.
        descriptor = os.open(folder / path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            return file.read(most)
    except (OSError, ValueError):
        return None
