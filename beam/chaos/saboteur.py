"""The saboteur: a process that kills what it is told to, and says so in the log before it does.

What an experiment breaks must not be held against what it breaks: the event `fault_injected` is
durable first, so that a retry after the fault does not use up the run's own retries.
"""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from beam.errors import CallFailed, Refused
from beam.otp import Server, exit
from beam.sessions.messages import GetConnection
from beam.state.journal import Journal

if TYPE_CHECKING:
    from beam.chaos.kills import Kill, Kills
    from beam.otp import Ref

__all__ = ["Attempt", "Saboteur"]

# Seconds that the question for an agent's OS process may take.
PATIENCE = 1.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """Cast: an attempt at a task has begun."""

    task_id: str
    attempt: int
    session_id: str
    run_id: str


@dataclass(frozen=True, slots=True)
class _Strike:
    attempt: Attempt
    kill: Kill


class Saboteur(Server):
    """Decides for each attempt whether it is hit, and hits it.

    Calls: `"kills"` is answered with how many there were.
    """

    def init(self, kills: Kills) -> None:
        """Begin with nothing broken."""
        self._kills = kills
        self._count = 0

    def handle_cast(self, message: Attempt) -> None:
        """Plan what befalls an attempt."""
        kill = self._kills.plan(message.task_id, message.attempt)
        if kill is not None:
            self.send_after(kill.delay, _Strike(message, kill))

    def handle_info(self, message: Any) -> None:
        """Strike, when it is time."""
        if isinstance(message, _Strike):
            self._strike(message.attempt, message.kill)

    def handle_call(self, message: Any, caller: Any) -> int:
        """Say how many kills there were."""
        return self._count

    def _strike(self, attempt: Attempt, kill: Kill) -> None:
        session = self.node.whereis(attempt.session_id)
        if session is None:
            return
        process = self._os_process(session) if kill.target == "agent" else None
        journal = Journal.of(self.node)
        target = "agent" if process is not None else "session"
        fault = {"fault": "kill", "target": target}
        journal.append_wait(
            [journal.event("fault_injected", attempt.session_id, run_id=attempt.run_id, **fault)]
        )
        self._count += 1
        if process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        else:
            exit(session, "kill")

    def _os_process(self, session: Ref[Any]) -> int | None:
        """Return the pid of the session's agent, `None` if it has none or cannot say."""
        try:
            connection = session.ask(GetConnection(), timeout=PATIENCE)
            if connection is None:
                return None
            found: int | None = connection.ask("os_process", timeout=PATIENCE)
        except (CallFailed, Refused):
            return None
        return found
