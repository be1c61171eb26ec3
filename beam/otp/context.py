"""Who runs here: the current process of a thread, and where else it may not be asked.

A thread runs one process at a time; a process with `blocking = False` may run on top of the one
that called it, so the current process is the top of a short stack that lives on the Python stack.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import sys
import threading
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from beam.otp.control import Control
    from beam.otp.node import Node

__all__ = [
    "BlockingCallWarning",
    "blocking_form",
    "current_control",
    "current_node",
    "default_node",
    "here",
    "innermost_node",
    "outside",
    "running_loop",
    "warn_if_on_loop",
]


class _Here(threading.local):
    """What a thread is doing now.

    Attributes:
        control: the process that runs here, `None` outside any.
        ending: whether a process is ending here: whom it wakes may run next on this worker.
        next: a process that an ending one woke.
        starter: on the thread of a coroutine twin, the process that awaits it.
        worker: the pool's worker that this thread is, if it is one.
        warned: whether a blocking function that runs here has warned for those that it calls.
    """

    control: Control | None = None
    ending: bool = False
    next: Control | None = None
    starter: Control | None = None
    worker: object | None = None
    warned: bool = False


here = _Here()

# The innermost `with Node()` of this context; inside a process, its own node counts instead.
innermost_node: contextvars.ContextVar[Node | None] = contextvars.ContextVar(
    "beam.otp.node", default=None
)


class _DefaultNode:
    """The one default node of the Python process, made when it is first asked for."""

    # Set by the module of nodes, which is built on this one.
    make: Callable[[], Node]

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._node: Node | None = None

    def get(self) -> Node:
        """Return the node, the same each time."""
        with self._lock:
            if self._node is None:
                self._node = self.make()
            return self._node


default_node = _DefaultNode()


def current_control() -> Control | None:
    """Return the control block of the process that runs on this thread, `None` outside any."""
    return here.control


def current_node() -> Node:
    """Return the node in which this code runs.

    Inside a process that is its own; else that of the innermost `with Node()`; else the one
    default node of the Python process.
    """
    control = here.control
    if control is not None:
        return control.node
    return innermost_node.get() or default_node.get()


@contextlib.contextmanager
def outside() -> Iterator[None]:
    """Run the block as code outside of any process, as on a thread that is nobody's."""
    control, here.control = here.control, None
    try:
        yield
    finally:
        here.control = control


class BlockingCallWarning(RuntimeWarning):
    """A blocking function was called on the thread of a running event loop.

    It works, and stalls the loop meanwhile; the warning names the form to await instead. It is
    given once for each function.
    """


_warned: set[str] = set()
# The private function costs 30 ns; the public one raises where there is no loop.
running_loop = asyncio._get_running_loop


@contextlib.contextmanager
def blocking_form(what: str, twin: str) -> Iterator[None]:
    """Warn as `warn_if_on_loop`, and let what the block calls warn no more."""
    warn_if_on_loop(what, twin)
    outer, here.warned = here.warned, True
    try:
        yield
    finally:
        here.warned = outer


def warn_if_on_loop(what: str, twin: str) -> None:
    """Warn, once for each `what`, if this thread runs an event loop.

    Args:
        what: the blocking function.
        twin: what to write instead.
    """
    if running_loop() is None or here.warned or what in _warned:
        return
    _warned.add(what)
    warnings.warn(
        f"{what} blocks the running event loop; use `await {twin}`",
        BlockingCallWarning,
        stacklevel=_users_level(),
    )


def _users_level() -> int:
    """Return how many calls up, from whoever asks, the line is that is not in this package."""
    level, frame = 1, sys._getframe(1)
    ours = (__name__.partition(".")[0] + ".", "contextlib")
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(ours):
        level, frame = level + 1, frame.f_back
    return level
