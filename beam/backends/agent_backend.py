"""`AgentBackend`: what the backends of real agents and of model providers share.

    @dataclass(frozen=True)
    class EchoBackend(AgentBackend):
        kind = "function"

        def program(self, opening):
            return None

        def driver(self, talk, wire):
            return EchoDriver(talk, wire)

A subclass says which program a session needs, if any, and which driver speaks with it. The rest is
the same for all: the program belongs to `Ports`, which starts it in a process group of its own and
ends it with all its descendants; the connection's process keeps its deadlines and its memory.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from beam.backends.backend import Backend, Opening
from beam.backends.turn_limits import MemoryLimits, TurnLimits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from beam.backends.agent_wire import Wire
    from beam.backends.driver import Driver
    from beam.backends.talk import Talk
    from beam.otp import ChildSpec, Ref
    from beam.ports.spec import PortSpec

__all__ = ["AgentBackend"]

MARGIN = 2.0


@dataclass(frozen=True, kw_only=True)
class AgentBackend(Backend):
    """A backend whose sessions have a driver each; see the module.

    Attributes:
        turn: the deadlines of a turn.
        memory: the limits of the memory of a program's tree; None for none.
        shutdown: seconds that an agent has to part in order, and then from end of file on its
            stdin to TERM, when its session ends.
        grace: seconds from TERM to KILL, also for what a dead program leaves behind.
    """

    # Some take seconds, and many may start at once on a small machine.
    ready_within: ClassVar[float] = 60.0
    steers: ClassVar[bool] = True

    turn: TurnLimits = field(default_factory=TurnLimits)
    memory: MemoryLimits | None = None
    shutdown: float = 2.0
    grace: float = 0.5

    @property
    def ends_within(self) -> float:
        """The seconds that a connection may take to end: parting, end of file, TERM, KILL."""
        return 2 * self.shutdown + self.grace + 2 * 5.0 + MARGIN

    tested: ClassVar[tuple[str, str]] = ("", "")
    """The versions of the program that it was tested with: from the first up to the second."""

    def find(self) -> str | None:
        """Return the path of the program; None if there is none to find.

        Raises:
            InvalidInput: it needs one that is not there.
        """
        return None

    @abc.abstractmethod
    def program(self, opening: Opening) -> PortSpec | None:
        """Return the program that a session needs; None for none. With `stdin="pipe"`."""

    @abc.abstractmethod
    def driver(self, talk: Talk, wire: Wire | None) -> Driver:
        """Return what speaks with a session's agent; run on the loop thread, must not block."""

    def children(self, name: str) -> Sequence[ChildSpec]:
        """Return the process that sees to the drivers of connections that were killed."""
        # When a fleet starts, so that nobody has to import this who only makes a backend, nor a
        # session while others wait for it.
        from beam.backends import agent_connection  # noqa: F401, PLC0415
        from beam.backends.agent_crew import AgentCrew, crew_name  # noqa: PLC0415
        from beam.otp import child  # noqa: PLC0415

        crew = crew_name(name)
        return (child(AgentCrew, id=crew, name=crew),)

    def connect(self, name: str, opening: Opening) -> Ref[Any]:
        """Start a connection linked to the calling session; the agent is started by and by."""
        from beam.backends.agent_connection import AgentConnection  # noqa: PLC0415 - see `children`
        from beam.backends.agent_crew import crew_name  # noqa: PLC0415

        return AgentConnection.start_link(self, crew_name(name), opening)
