"""Killing a program or what is below it, and what the log says of it; for all agents."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

import psutil

from beam.model.events import message_of
from beam.sessions.messages import GetConnection
from tests.volume import scaled

if TYPE_CHECKING:
    from pathlib import Path

    from beam import Fleet

PATIENCE = 100.0
TOLD_WITHIN = 1.0
"""The seconds in which a death must be in the log: the promise of `beam.testing`'s suite."""

KILLS = scaled(50, part=10)
"""How often each kind of process is killed."""


def program_of(fleet: Fleet, session: Any) -> psutil.Process:
    """Return the program of a session."""
    process = fleet.whereis(session.id)
    assert process is not None
    return psutil.Process(process.ask(GetConnection()).ask("os_process"))


def tree(process: psutil.Process) -> list[psutil.Process]:
    """Return a process and all below it."""
    return [process, *process.children(recursive=True)]


def killed(process: psutil.Process) -> float:
    """Kill a process, and return the moment before, Unix seconds.

    What follows from the end may be in the log before this thread runs again.
    """
    when = time.time()
    process.send_signal(signal.SIGKILL)
    return when


def gone(processes: list[psutil.Process]) -> bool:
    """Say whether all of them end."""
    return not psutil.wait_procs(processes, timeout=PATIENCE)[1]


def told_after(session: Any, when: float, kind: str, of: str = "") -> float:
    """Return the seconds from a kill until the last event of a type, or its message of a type."""
    found = [event for event in session.history() if event.type == kind]
    if of:
        found = [event for event in found if message_of(event).type == of]
    seconds: float = found[-1].timestamp / 1000 - when
    return seconds


def continued(session: Any) -> list[str]:
    """Return how the conversation went on, each time that it did."""
    started = [event.data for event in session.history() if event.type == "run_started"]
    return [data["continued"] for data in started if "continued" in data]


class Pipe:
    """A named pipe through which a command tells its pid, when it runs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)

    @property
    def command(self) -> str:
        """A command whose only child takes long, and whose pid it tells."""
        return f"sleep 300 & echo $! > {self.path}; wait $!"

    def process(self) -> psutil.Process:
        """Return the process, once it runs."""
        return psutil.Process(int(self.path.read_text()))
