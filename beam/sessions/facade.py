"""Facades: the public functions of a state owner's process, as plain functions.

`fleet.control.list_pending_requests(session)` asks the process registered as `control`, and waits
for its answer. A session may be given as its handle or as its id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.errors import NotFound
from beam.otp.aio import Aio
from beam.otp.context import blocking_form
from beam.sessions.handle import SessionHandle

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.otp import Node

__all__ = ["Facade"]


class Facade:
    """The functions of one process, each of which blocks until it is answered.

    Its names are the public methods of the process's class, except those that Python reserves;
    `.aio` has their coroutine twins.

    Args:
        node: where the process is.
        name: what it is registered as.
    """

    __slots__ = ("_name", "_node")

    def __init__(self, node: Node, name: str) -> None:
        self._node = node
        self._name = name

    def __dir__(self) -> list[str]:
        return sorted(self._process().actor_class.public_names())

    @property
    def aio(self) -> Aio:
        """The coroutine twins."""
        return Aio(self, dir(self))

    def _process(self) -> Any:
        process = self._node.whereis(self._name)
        if process is None:
            raise NotFound("restarting", name=self._name)
        return process

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._process().proxy(), name)

        def call(*args: Any, **kwargs: Any) -> Any:
            plain = [one.id if isinstance(one, SessionHandle) else one for one in args]
            twin = f"fleet.{self._name}.aio.{name}(...)"
            with blocking_form(f"fleet.{self._name}.{name}()", twin):
                return method(*plain, **kwargs).get()

        call.__name__ = name
        return call
