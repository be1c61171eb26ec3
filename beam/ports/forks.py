"""What a forked copy of this process must not keep.

A descriptor that somebody else watches for our end (the connection to a keeper, the lock of a
ledger) would stay open in a child made by `os.fork` or `multiprocessing`'s fork, and our death
would go unnoticed as long as that child lives. Programs that are executed do not inherit these.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol

__all__ = ["close_in_children"]


class _Closable(Protocol):
    def close(self) -> object: ...


_ours: weakref.WeakSet[_Closable] = weakref.WeakSet()


def close_in_children(resource: _Closable) -> None:
    """Close this socket or file in every child that is forked while it is open here."""
    _ours.add(resource)


def _close_all() -> None:
    for resource in list(_ours):
        resource.close()


os.register_at_fork(after_in_child=_close_all)
