"""Who sees to the drivers of connections that were killed: one process for each agent backend.

A driver's coroutines run on the loop thread, not in its connection's process. A connection that
ends in order ends them itself; of one that is killed nobody would, if it were not watched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from beam.otp import Down, Server, monitor
from beam.otp.reasons import is_graceful

if TYPE_CHECKING:
    from beam.backends.agent_seat import AgentSeat
    from beam.otp import Monitor, Ref

__all__ = ["Aboard", "AgentCrew", "crew_name"]


PATIENCE = 3.0
"""Seconds; a supervisor gives it five to end."""


def crew_name(name: str) -> tuple[str, str]:
    """Return what the process is registered under that watches the drivers of a backend."""
    return ("agent_crew", name)


@dataclass(frozen=True, slots=True)
class Aboard:
    """Cast by a connection: this is mine, end it when I have ended."""

    connection: Ref[Any]
    seat: AgentSeat


class AgentCrew(Server):
    """Ends the drivers of connections that have ended; see the module.

    It ends after the sessions and before the loop: so it is here that connections which are still
    parting from their agents are waited for, `PATIENCE` seconds together.
    """

    trap_exit = True
    """Without it its supervisor's shutdown would end it before it has waited."""

    def init(self) -> None:
        """Watch nobody yet."""
        # Bounded by the connections that live, which are the sessions of one backend.
        self._aboard: dict[Monitor, Aboard] = {}

    def handle_cast(self, message: Any) -> None:
        """Watch a connection."""
        match message:
            case Aboard(connection):
                self._aboard[monitor(connection)] = message
            case _:
                super().handle_cast(message)

    def handle_info(self, message: Any) -> None:
        """End the driver of a connection that has ended; again is no error."""
        match message:
            case Down(monitor=watch):
                aboard = self._aboard.pop(watch, None)
                if aboard is not None:
                    aboard.seat.abort()
            case _:
                super().handle_info(message)

    def terminate(self, reason: Any) -> None:
        """Wait for those that part, and end them all: nobody would watch them any more."""
        until = self.node.clock.now() + (PATIENCE if is_graceful(reason) else 0.0)
        for aboard in self._aboard.values():
            aboard.connection.actor_stopped.wait(max(0.0, until - self.node.clock.now()))
            aboard.seat.abort()
