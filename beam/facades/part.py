"""What every part of a facade stands on: the fleet's processes, its tables, its sessions.

A facade is a class made of parts, each with the functions of one concern; this is their base. A
function that changes something asks the process that owns it, and waits for that while it is being
restarted. A function that only reads looks where the caller is, into the owner's table.
"""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from beam.errors import InvalidInput, NotFound
from beam.otp.aio import Aio
from beam.otp.context import blocking_form, running_loop
from beam.sessions.delivery import named
from beam.sessions.handle import SessionHandle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from beam.backends.backend import Backend
    from beam.otp import Node
    from beam.routing.backends import BackendSet
    from beam.sessions.commons import Commons
    from beam.sessions.lifecycle import Lifecycle

__all__ = ["Grounds", "Part", "SessionLike", "id_of"]

SessionLike = SessionHandle | str
"""A session, by its handle or by its id."""


@dataclass(frozen=True, slots=True)
class Grounds:
    """What the facades of one fleet stand on.

    Attributes:
        node: where its processes are.
        commons: what its sessions have in common.
        lifecycle: starts and ends them.
        backends: the agents, by name.
        routes: the same, as the router knows them.
        running: raises `SessionClosed` if the fleet does not run.
    """

    node: Node
    commons: Commons
    lifecycle: Lifecycle
    backends: Mapping[str, Backend]
    routes: BackendSet
    running: Callable[[], None]


class Part:
    """The base of a facade's parts.

    Args:
        grounds: what the facade stands on.
    """

    __slots__ = ("_grounds",)

    facade: ClassVar[str]
    """What the facade is called on the fleet."""

    def __init__(self, grounds: Grounds) -> None:
        self._grounds = grounds

    def __repr__(self) -> str:
        return f"<fleet.{self.facade} of {self._grounds.node.name!r}>"

    @classmethod
    def functions(cls) -> list[str]:
        """Return the names of the facade's functions."""
        own = {"aio", "facade", "functions"}
        return [name for name, _ in inspect.getmembers(cls) if name[0] != "_" and name not in own]

    @property
    def aio(self) -> Aio:
        """The coroutine twins of all functions."""
        return Aio(self, self.functions())

    def _ask(self, process: str, function: str, *args: Any, **kwargs: Any) -> Any:
        """Call a public function of a process, and wait for its answer.

        Args:
            process: what it is registered as.
            function: the name of its method; for the warning on an event loop, the facade's too.
            *args: what it is called with.
            **kwargs: likewise, by name.

        Raises:
            SessionClosed: `fleet_closed`; `noproc`: the fleet's tree has given up.
            NotFound: `restarting`; the process was not back within 5 s.
            CallExit: it died before it answered; what it was asked may have been done.
        """
        return self._call(process, function, args, kwargs, None)

    def _ask_patiently(self, process: str, function: str, *args: Any, **kwargs: Any) -> Any:
        """Call a function that answers in its own time, by a deadline of its own; as `_ask`."""
        return self._call(process, function, args, kwargs, math.inf)

    def _call(
        self, process: str, function: str, args: Any, kwargs: Any, timeout: float | None
    ) -> Any:
        # What a proxy does with a method of its class, without making one for each call.
        ref = self._process(process)
        if running_loop() is None:
            return ref.call_method((function,), args, kwargs).get(timeout=timeout)
        with self._blocking(function):
            return ref.call_method((function,), args, kwargs).get(timeout=timeout)

    def _process(self, name: str) -> Any:
        return named(self._grounds.node, name, running=self._grounds.running)

    def _blocking(self, function: str) -> Any:
        """Warn, once, if `function` is called on a thread that runs an event loop."""
        name = f"fleet.{self.facade}"
        return blocking_form(f"{name}.{function}()", f"{name}.aio.{function}(...)")

    def _handle(self, session: SessionLike) -> SessionHandle:
        """Return the handle of a session of this fleet.

        Raises:
            NotFound: there is none of this id.
            InvalidInput: it is neither a handle nor an id.
        """
        if isinstance(session, SessionHandle):
            return session
        session_id = id_of(session)
        if self._grounds.commons.roster.status(session_id) is None:
            raise NotFound("session_not_found", session_id=session_id)
        return self._grounds.lifecycle.handle(session_id)


def id_of(session: SessionLike) -> str:
    """Return the id of a session.

    Raises:
        InvalidInput: it is neither a handle nor a non-empty text.
    """
    if type(session) is str and session:
        return session
    if isinstance(session, SessionHandle):
        return session.id
    raise InvalidInput("session", session, "a session's handle or its id")
