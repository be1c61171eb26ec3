"""Sessions of the three agents that speak ACP, for tests of what they do and how they end."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

import psutil

from beam.model.events import message_of
from beam.otp import Backoff, Restarts
from beam.sessions.messages import GetConnection

if TYPE_CHECKING:
    from pathlib import Path

    from beam import Fleet
    from beam.model.messages import Message

PATIENCE = 100.0
TOLD_WITHIN = 1.0
"""The seconds in which a death must be in the log: the promise of `beam.testing`'s suite."""

AGENT_TELLS_WITHIN = 5.0
"""The seconds in which an agent tells of the end of its own command, which is not in our hands."""

OFTEN = {"session_backoff": Backoff(0.01, 0.02), "session_budget": Restarts(1000, per=60.0)}


def opened(fleet: Fleet, work: Path, **options: Any) -> Any:
    """Start a session that works in a folder."""
    work.mkdir(exist_ok=True)
    patient = {
        "backoff": OFTEN["session_backoff"],
        "init_timeout": PATIENCE,
        "reconnects": OFTEN["session_budget"],  # As often as a test kills it.
    }
    return fleet.start_session(backend="agent", cwd=str(work), **{**patient, **options})


def answer(session: Any, prompt: str, **terms: Any) -> str:
    """Return the answer to a prompt."""
    text: str = session.submit(prompt, **terms).get(timeout=PATIENCE)
    return text


def begun(session: Any, run: Any) -> None:
    """Wait until the model speaks in this run."""
    for event in session.events(types=["message"], timeout=PATIENCE):
        if event.run_id == run.run_id and message_of(event).type == "text":
            return


def messages(session: Any, kind: str) -> list[Message]:
    """Return the session's messages of a type."""
    said = [message_of(event) for event in session.history() if event.type == "message"]
    return [message for message in said if message.type == kind]


def last(session: Any, kind: str) -> Any:
    """Return the last event of a type."""
    return [event for event in session.history() if event.type == kind][-1]


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


def program_of(fleet: Fleet, session: Any) -> psutil.Process:
    """Return the program of a session."""
    process = fleet.whereis(session.id)
    assert process is not None
    return psutil.Process(process.ask(GetConnection()).ask("os_process"))


def tree(process: psutil.Process) -> list[psutil.Process]:
    """Return a process and all below it."""
    return [process, *process.children(recursive=True)]


def killed(process: psutil.Process) -> float:
    """Kill a process, and return when, Unix seconds."""
    process.send_signal(signal.SIGKILL)
    return time.time()


def gone(processes: list[psutil.Process]) -> bool:
    """Say whether all of them end."""
    return not psutil.wait_procs(processes, timeout=PATIENCE)[1]


class Pipe:
    """A named pipe through which a command tells its pid, when it runs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)

    @property
    def command(self) -> str:
        """A command whose only child takes long, and whose pid it tells.

        OpenCode does not see the end of its own child by KILL; its tool's limit of 2 minutes ends
        such a turn. So the one that is killed here is the child's child.
        """
        return f"sleep 300 & echo $! > {self.path}; wait $!"

    def process(self) -> psutil.Process:
        """Return the process, once it runs."""
        return psutil.Process(int(self.path.read_text()))
