"""The line to the agent: the connection that a session has now, and the budget for the next."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from beam.backends.backend import Query, Steer, Took
from beam.sessions.messages import Overdue

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.backends.backend import Backend, Opening
    from beam.otp import Node, Ref
    from beam.sessions.options import SessionOptions

__all__ = ["Line"]


class Line:
    """The transport of one session, from one connection to the next; used by its process alone.

    Attributes:
        details: what the agent said of itself.
    """

    def __init__(self, node: Node, name: str, backend: Backend, options: SessionOptions) -> None:
        self._node = node
        self._name = name
        self._backend = backend
        self._options = options
        self._connection: Ref[Any] | None = None
        self._spent: tuple[float, ...] = ()
        self._failures = 0
        self._asked = ""
        # Bounded by the calls of users who wait: a query's start in the log takes milliseconds.
        self._early: list[Steer] = []
        self.details: dict[str, Any] = {}

    @property
    def backend(self) -> str:
        """The name of the backend."""
        return self._name

    @property
    def ready_within(self) -> float:
        """The seconds that an agent may take to be ready: as the session says, or its backend."""
        said = self._options.init_timeout
        return self._backend.ready_within if said is None else said

    @property
    def steers(self) -> bool:
        """Whether an agent of this backend may be told something in the middle of its turn."""
        return self._backend.steers

    @property
    def connection(self) -> Ref[Any] | None:
        """The connection's process, `None` while there is none."""
        return self._connection

    def connect(self, opening: Opening) -> None:
        """Make a connection, linked to the session's process, in which this is run.

        Raises:
            StartError: it could not be made.
        """
        self._connection = self._backend.connect(self._name, opening)

    def is_from(self, process: Ref[Any] | None) -> bool:
        """Say whether `process` is the connection that the session has now."""
        return process is not None and process is self._connection

    def tell(self, command: Any) -> None:
        """Cast a command to the connection, if there is one."""
        if self._connection is not None:
            self._connection.cast(command)
        if isinstance(command, Query):
            self._asked = command.query_id
            early, self._early = self._early, []
            for wish in early:
                self.tell(wish)

    def steer(self, wish: Steer) -> None:
        """Tell the connection something about a query; after it, if it has yet to be told that."""
        if wish.query_id == self._asked:
            self.tell(wish)
        else:
            self._early.append(wish)

    def took(self) -> None:
        """Tell the connection that one effect more is taken."""
        self.tell(Took(1))

    def taker(self) -> Callable[[], None]:
        """Return what tells the connection of now, and no later one, that an effect is taken."""
        connection = self._connection
        return partial(connection.cast, Took(1)) if connection is not None else _nothing

    def worked(self) -> None:
        """Note that a run was answered: the backoff starts over."""
        self._failures = 0

    def drop(self, session: Ref[Any], reason: str, *, counts: bool = True) -> bool:
        """Let go of the connection, and end it if it lives; run by the session's process.

        One that does not end in the time that its backend needs is killed (G16).

        Args:
            session: the session's process.
            reason: why.
            counts: whether this end uses up the budget.

        Returns:
            Whether the budget allows another.
        """
        connection, self._connection = self._connection, None
        if connection is not None and connection.is_alive():
            connection.stop(block=False, reason=("shutdown", reason))
            self._node.send_after(self._backend.ends_within, session, Overdue(connection))
        if not counts:
            return True
        reconnects = self._options.reconnects
        self._spent = reconnects.spend(self._spent, self._node.clock.now())
        return not reconnects.exceeded(self._spent)

    def delay(self) -> float:
        """Return the seconds to wait before the next connection."""
        self._failures += 1
        return self._options.backoff.delay(self._failures, self._node.clock.random.random())


def _nothing() -> None:
    """Tell nobody: there is no connection."""
