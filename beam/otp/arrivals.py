"""Waiting for the first of several futures: which has come, in the order in which they came.

>>> from beam.otp import Node
>>> first, second = Future(), Future()
>>> with Node() as node, Arrivals(node) as arrivals:
...     arrivals.watch(first)
...     arrivals.watch(second)
...     second.set("here")
...     arrivals.wait()
...     arrivals.take() is second, arrivals.take()
(True, None)
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Self

from beam.otp.future import Future

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from beam.otp.control import Control
    from beam.otp.node import Node

__all__ = ["Arrivals"]


class _Bell(Future[None]):
    """Rung when something has come; a wait for it is one on the clock of the node that it has."""

    __slots__ = ("_node",)

    purpose = "task"

    def __init__(self, node: Node, callee: Control | None) -> None:
        super().__init__(callee)
        self._node = node

    def home(self, me: Control | None) -> Node:
        """Return the node whose clock and scheduler rule the wait of `me`."""
        return me.node if me is not None else self._node


class Arrivals:
    """Tells which of the futures that it watches have come.

    For one waiter. As a context manager it lets go of those that have not come.

    Args:
        node: whose clock rules a wait outside of any process.
    """

    __slots__ = ("_bell", "_come", "_node", "_wakes")

    def __init__(self, node: Node) -> None:
        self._node = node
        self._bell: _Bell | None = None
        # No longer than what is watched.
        self._come: deque[Future[Any]] = deque()
        self._wakes: dict[Future[Any], Callable[[], None]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of those that have not come."""
        for future, wake in self._wakes.items():
            future.remove_waiter(wake)
        self._wakes.clear()

    def watch(self, future: Future[Any]) -> None:
        """Watch a future, until it comes."""

        def wake() -> None:
            self._come.append(future)
            bell = self._bell
            if bell is not None:
                bell.settle(None)

        self._wakes[future] = wake
        if not future.add_waiter(wake):
            wake()

    def take(self) -> Future[Any] | None:
        """Return the first that has come and was not taken yet; `None` if there is none."""
        if not self._come:
            return None
        future = self._come.popleft()
        self._wakes.pop(future, None)
        return future

    def wait(self, *, timeout: float | None = None, callee: Control | None = None) -> None:
        """Wait until one has come that was not taken yet.

        Args:
            timeout: seconds to wait; `None` without end.
            callee: the process without which nothing can come, if there is one: so that a ring of
                calls through it is refused.

        Raises:
            CallTimeout: when the time is over.
            DeadlineExpired, CallCycle, Exited: as `Future.get`.
        """
        bell = self.bell(callee)
        if not self._come:
            bell.get(timeout=timeout)

    def bell(self, callee: Control | None = None) -> Future[None]:
        """Return a future that is settled when the next one comes; for the form that awaits it."""
        # Hung up first, looked after: who comes meanwhile rings it, or is seen.
        bell = self._bell = _Bell(self._node, callee)
        if self._come:
            bell.settle(None)
        return bell
