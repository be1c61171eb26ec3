"""Who runs here: the current process of a thread, and where else it may not be asked.

A thread runs one process at a time; a process with `blocking = False` may run on top of the one
that called it, so the current process is the top of a short stack that lives on the Python stack.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from beam.otp.control import Control
    from beam.otp.node import Node

__all__ = ["BlockingCallWarning", "current_control", "here", "innermost_node", "warn_if_on_loop"]


class _Here(threading.local):
    """What a thread is doing now.

    Attributes:
        control: the process that runs here, `None` outside any.
        depth: how many processes run on top of each other here.
        ending: whether a process is ending here: whom it wakes may run next on this worker.
        next: a process that an ending one woke.
        worker: the pool's worker that this thread is, if it is one.
    """

    control: Control | None = None
    depth: int = 0
    ending: bool = False
    next: Control | None = None
    worker: object | None = None


here = _Here()

# The innermost `with Node()` of this context; inside a process, its own node counts instead.
innermost_node: contextvars.ContextVar[Node | None] = contextvars.ContextVar(
    "beam.otp.node", default=None
)


def current_control() -> Control | None:
    """Return the control block of the process that runs on this thread, `None` outside any."""
    return here.control


class BlockingCallWarning(RuntimeWarning):
    """A blocking function was called on the thread of a running event loop.

    It works, and stalls the loop meanwhile; the warning names the form to await instead. It is
    given once for each function.
    """


_warned: set[str] = set()


def warn_if_on_loop(what: str, twin: str) -> None:
    """Warn, once for each `what`, if this thread runs an event loop.

    Args:
        what: the blocking function.
        twin: what to write instead.
    """
    if asyncio._get_running_loop() is None or what in _warned:  # noqa: SLF001 - 30 ns, no exception
        return
    _warned.add(what)
    warnings.warn(
        f"{what} blocks the running event loop; use `await {twin}`",
        BlockingCallWarning,
        stacklevel=3,
    )
