"""Rooms whose doors are opened one by one: a name is imported when it is first asked for.

    from beam.late import late

    __getattr__ = late(__name__, {"SqliteReader": "reader", "SqliteStore": "sqlite"})

Who reads a log does not import what writes one. No name may be that of a module of the room: that
would be found in its place.

    >>> get = late("beam.errors", {"BeamError": "root"})
    >>> get("BeamError").__name__
    'BeamError'
    >>> get("nothing")
    Traceback (most recent call last):
    AttributeError: module 'beam.errors' has no attribute 'nothing'
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["late"]


def late(room: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a room.

    Args:
        room: the name of the package.
        homes: for each public name the module of the room that has it.

    Returns:
        What imports the module of a name and keeps what it found; raises `AttributeError` for a
        name that the room does not have.
    """

    def found(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{room}.{homes[name]}"), name)
        setattr(sys.modules[room], name, value)
        return value

    return found
