"""The sessions' part of the fleet's tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beam.otp import Backoff, DynamicSupervisor, Restarts, child
from beam.sessions.directory import DIRECTORY, SESSION_SUPERVISOR, Directory
from beam.sessions.machine import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.backends.backend import Backend
    from beam.otp import ChildSpec
    from beam.sessions.delivery import Delivery
    from beam.sessions.options import SessionOptions
    from beam.sessions.roster import Roster

__all__ = ["BACKOFF", "BUDGET", "session_child", "session_children"]

BUDGET = Restarts(10, per=60.0)
"""How often one session's process may crash before the session is quarantined."""

BACKOFF = Backoff(0.02, 10.0, jitter=0.2)
"""How long a crashed session's process waits before it is restarted."""

# Seconds that a session has to end; its agent is ended by the ports, in their own time.
SHUTDOWN = 5.0


def session_children(
    roster: Roster, delivery: Delivery, budget: Restarts, backoff: Backoff
) -> list[ChildSpec]:
    """Return the supervisor of the sessions, and the directory that knows them."""
    return [
        child(
            DynamicSupervisor,
            id="SessionSupervisor",
            name=SESSION_SUPERVISOR,
            budget=budget,
            backoff=backoff,
            told=DIRECTORY,
        ),
        child(Directory, roster, delivery, id="Directory", name=DIRECTORY),
    ]


def session_child(
    session_id: str,
    backend_name: str,
    backend: Backend,
    options: SessionOptions,
    introduce: Callable[[str, SessionOptions], bool],
) -> ChildSpec:
    """Return how a session's process is started, and started again; its name is the session's."""
    return child(
        Session,
        session_id,
        backend_name,
        backend,
        options,
        introduce,
        id=session_id,
        name=session_id,
        restart="transient",
        shutdown=SHUTDOWN,
    )
