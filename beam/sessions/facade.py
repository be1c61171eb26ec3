"""Facades: the public functions of a state owner's process, as plain functions.

`fleet.control.list_pending_requests(session)` asks the process registered as `control`, and waits
for its answer; first for the process itself, while it is being restarted. A session may be given as
its handle or as its id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.otp.aio import Aio
from beam.otp.context import blocking_form
from beam.sessions.delivery import named
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

    Raises (each function):
        NotFound: `restarting`; the process was not back within 5 s.
        CallExit: it died before it answered.
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
        return named(self._node, self._name)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(f"{self!r} has no function {name!r}")
        method = getattr(self._process().proxy(), name)

        def call(*args: Any, **kwargs: Any) -> Any:
            plain = [_id_of(one) for one in args]
            named_ones = {key: _id_of(one) for key, one in kwargs.items()}
            twin = f"fleet.{self._name}.aio.{name}(...)"
            with blocking_form(f"fleet.{self._name}.{name}()", twin):
                return method(*plain, **named_ones).get()

        call.__name__ = name
        return call


def _id_of(one: Any) -> Any:
    return one.id if isinstance(one, SessionHandle) else one
