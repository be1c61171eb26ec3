"""What a conformance suite stands on: a fleet for each test, and how its agent is told things."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import psutil

from beam.fleet import Fleet
from beam.otp import Backoff
from beam.sessions.messages import GetConnection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beam.backends.backend import Backend
    from beam.model.events import Event
    from beam.sessions.handle import SessionHandle

__all__ = ["AgentSuite"]


class AgentSuite:
    """A fleet with one backend, new for each test; pytest calls `setup_method` and its twin.

    Attributes:
        lacks: what the agent cannot do, each with the reason.
        secrets: what must be in no event of the log.
        patience: seconds that anything may take before it counts as hung.
        session_options: further options of each session.
    """

    lacks: ClassVar[Mapping[str, str]] = {}
    secrets: ClassVar[tuple[str, ...]] = ()
    patience: ClassVar[float] = 60.0
    session_options: ClassVar[Mapping[str, Any]] = {}

    # What a subclass says

    def backend(self) -> Backend:
        """Return the backend to test, new for each test."""
        raise NotImplementedError("a conformance suite says which backend it tests")

    def say(self, text: str) -> str:
        """Return a prompt that is answered with `text`."""
        return f"[[say {text}]]"

    def history(self) -> str:
        """Return a prompt that is answered with every earlier text, `|` between them."""
        return "[[history]]"

    def slow(self, pieces: int) -> str:
        """Return a prompt whose answer takes half a second for each piece."""
        return f"[[slow {pieces}]]"

    def fail(self, status: int) -> str:
        """Return a prompt to which the model answers with an HTTP error."""
        return f"[[fail {status}]]"

    def writes(self, path: Path) -> str | None:
        """Return a prompt that makes the agent ask, then make the file; None if it never asks."""
        return None

    def calls(self, tool: str, arguments: Mapping[str, Any]) -> str | None:
        """Return a prompt that makes the agent call a tool of the session; None if it cannot."""
        return f"[[tool {tool} {json.dumps(arguments)}]]"

    # The fleet of a test

    def setup_method(self) -> None:
        """Start a fleet with the backend."""
        self._folder = tempfile.TemporaryDirectory(prefix="conformance-")
        self.folder = Path(self._folder.name)
        self._before = _children()
        self.sessions: list[SessionHandle] = []
        self.fleet = Fleet(self.folder / "fleet.db", backends={"agent": self.backend()})
        self.fleet.__enter__()

    def teardown_method(self) -> None:
        """Close the fleet; no process may be left, and no secret in its log."""
        journal = self.fleet.journal()
        events = [event for one in self.sessions for event in journal.replay(one.id)]
        self.fleet.close()
        left = _children() - self._before
        told = "".join(repr(event) for event in events)
        self._folder.cleanup()
        assert not left, f"processes that are left: {[_shown(pid) for pid in left]}"
        for secret in self.secrets:
            assert secret not in told, "a secret is in the log"

    def session(self, **options: Any) -> SessionHandle:
        """Start a session in a folder of its own."""
        work = self.folder / "work"
        work.mkdir(exist_ok=True)
        given = {"cwd": str(work), "init_timeout": self.patience, "backoff": Backoff(0.05, 1.0)}
        chosen = {**given, **self.session_options, **options}
        self.sessions.append(self.fleet.start_session(backend="agent", **chosen))
        return self.sessions[-1]

    def ask(self, session: SessionHandle, prompt: str) -> str:
        """Return the answer to a prompt."""
        answer: str = session.query(prompt, timeout=self.patience).get(timeout=self.patience)
        return answer

    def events(self, session: SessionHandle, kind: str) -> list[Event]:
        """Return the session's events of a type."""
        return [event for event in session.history() if event.type == kind]

    def next_event(self, session: SessionHandle, kind: str) -> Event:
        """Wait for the first event of a type."""
        stream = session.events(types=[kind], timeout=self.patience)  # type: ignore[list-item]
        return next(iter(stream))

    def program(self, session: SessionHandle) -> int | None:
        """Return the pid of the agent's program; None if it has none."""
        process = self.fleet.node.whereis(session.id)
        assert process is not None, "the session's process is not there"
        pid: int | None = process.ask(GetConnection()).ask("os_process")
        return pid

    # What the tests share

    def _speaking(self, session: SessionHandle, run: Any) -> None:
        """Wait until the run is at work: its first message is there, or its start if none comes."""
        for event in session.events(types=["run_started", "message"], timeout=self.patience):
            if event.run_id == run.run_id and (
                event.type == "message" or "streaming" in self.lacks
            ):
                return

    def _kill(self, session: SessionHandle) -> float:
        """Kill the agent's program as an OS does it, and return the moment before."""
        pid = self.program(session)
        assert pid is not None, "it has no program: lack `program`"
        when = time.time()
        os.kill(pid, signal.SIGKILL)
        return when


def _children() -> set[int]:
    """Return the processes below this one, without those that wait to be reaped."""
    found = set()
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if child.status() != psutil.STATUS_ZOMBIE:
                found.add(child.pid)
    return found


def _shown(pid: int) -> str:
    with suppress(psutil.Error):
        return f"{pid} {' '.join(psutil.Process(pid).cmdline())[:80]}"
    return str(pid)
