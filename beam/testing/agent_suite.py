"""What a conformance suite stands on: a fleet for each test, and how its agent is told things."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
import uuid
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import psutil

from beam.errors import CallTimeout
from beam.fleet import Fleet
from beam.model.events import message_of
from beam.otp import Backoff
from beam.sessions.messages import GetConnection
from beam.testing.unified_form import STREAMED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beam.backends.backend import Backend
    from beam.backends.turn_limits import TurnLimits
    from beam.model.events import Event
    from beam.sessions.handle import SessionHandle

__all__ = ["AgentSuite", "ends_with"]

START = 0.4
"""The part of its patience that a suite gives an agent to start, before it is started anew."""

MARK = "BEAM_CONFORMANCE"
"""The variable by which a test knows what it has started, wherever that went."""


class AgentSuite:
    """A fleet with one backend, new for each test; pytest calls `setup_method` and its twin.

    Attributes:
        lacks: what the agent cannot do, each with the reason.
        secrets: what must be in no event of the log.
        patience: seconds that anything may take before it counts as hung.
        silence: the deadline of silence that is tried, seconds: more than the agent ever takes
            between two signs of life.
        charges: the tokens that its model charges for each answer, by bucket, those of 0 left out;
            None if nobody knows it: then only the form of what is told is looked at.
        asks: how often the agent asks its model for one answer, at the most.
        session_options: further options of each session.
    """

    lacks: ClassVar[Mapping[str, str]] = {}
    secrets: ClassVar[tuple[str, ...]] = ()
    patience: ClassVar[float] = 60.0
    silence: ClassVar[float] = 1.5
    charges: ClassVar[Mapping[str, int] | None] = None
    asks: ClassVar[int] = 1
    session_options: ClassVar[Mapping[str, Any]] = {}

    # What a subclass says

    def backend(self) -> Backend:
        """Return the backend to test, new for each test."""
        raise NotImplementedError("a conformance suite says which backend it tests")

    def limited(self, turn: TurnLimits) -> Backend | None:
        """Return the backend with these deadlines of silence, in its field `turn` if it has one.

        None for a backend that knows no such deadlines: then a run's own must do.
        """
        backend: Any = self.backend()
        if is_dataclass(backend) and "turn" in {field.name for field in fields(backend)}:
            limited: Backend = replace(backend, turn=turn)  # type: ignore[type-var,assignment]
            return limited
        return None

    def say(self, text: str) -> str:
        """Return a prompt that is answered with `text`."""
        return f"[[say {text}]]"

    def history(self) -> str:
        """Return a prompt that is answered with every earlier text, `|` between them."""
        return "[[history]]"

    def slow(self, pieces: int) -> str:
        """Return a prompt whose answer takes half a second for each piece."""
        return f"[[slow {pieces}]]"

    def silent(self, pieces: int) -> str:
        """Return a prompt to which the model says so many pieces, and then nothing for ever."""
        return f"[[silent {pieces}]]"

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
        self._mark = os.environ[MARK] = uuid.uuid4().hex
        self.sessions: list[SessionHandle] = []
        self.start_fleet(self.backend())

    def teardown_method(self) -> None:
        """Close the fleet; no process may be left, and no secret in its log."""
        journal = self.fleet.journal()
        events = [event for one in self.sessions for event in journal.replay(one.id)]
        self.fleet.close()
        left = (_children() - self._before) | _marked(self._mark)
        os.environ.pop(MARK, None)
        told = "".join(repr(event) for event in events)
        self._folder.cleanup()
        assert not left, f"processes that are left: {[_shown(pid) for pid in left]}"
        for secret in self.secrets:
            assert secret not in told, "a secret is in the log"

    def start_fleet(self, backend: Backend) -> None:
        """Start a fleet with this backend, on the store of the test."""
        self.fleet = Fleet(self.folder / "fleet.db", backends={"agent": backend})
        self.fleet.__enter__()

    def start_another_fleet(self, backend: Backend) -> None:
        """Close the fleet, and start another in its place."""
        self.fleet.close()
        self.start_fleet(backend)

    def session(self, **options: Any) -> SessionHandle:
        """Start a session in a folder of its own."""
        work = self.folder / "work"
        work.mkdir(exist_ok=True)
        given = {
            "cwd": str(work),
            "init_timeout": START * self.patience,
            "backoff": Backoff(0.05, 1.0),
        }
        chosen = {**given, **self.session_options, **options}
        self.sessions.append(self.fleet.start_session(backend="agent", **chosen))
        return self.sessions[-1]

    def ask(self, session: SessionHandle, prompt: str) -> str:
        """Return the answer to a prompt."""
        answer: str = session.query(prompt, timeout=self.patience).get(timeout=self.patience)
        return answer

    def ask_again(self, session: SessionHandle, prompt: str) -> str:
        """Ask by `submit`, which waits for a session that is being restarted."""
        answer: str = session.submit(prompt, timeout=self.patience).get(timeout=self.patience)
        return answer

    def goes_on(self, session: SessionHandle, said: str) -> None:
        """See that the session answers, and still knows what was said in it."""
        if "memory" in self.lacks:
            assert self.ask_again(session, self.say("on")) == "on"
        else:
            told = self.ask_again(session, self.history())
            assert told.startswith(said), f"what was said is {said!r}, remembered is {told!r}"

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

    def _tree(self, session: SessionHandle) -> list[psutil.Process]:
        """Return the agent's program and all below it; nothing if it has none."""
        pid = self.program(session)
        if pid is None:
            return []
        with suppress(psutil.NoSuchProcess):
            program = psutil.Process(pid)
            return [program, *program.children(recursive=True)]
        return []

    def _ended(self, processes: list[psutil.Process]) -> None:
        """See that they end."""
        left = psutil.wait_procs(processes, timeout=self.patience)[1]
        assert not left, f"processes that are left: {[_shown(one.pid) for one in left]}"

    def _speaking(self, session: SessionHandle, run: Any) -> None:
        """Wait until the run is at work: its agent speaks, or it has begun if none does."""
        for event in session.events(types=["run_started", "message"], timeout=self.patience):
            if event.run_id != run.run_id:
                continue
            if "streaming" in self.lacks:
                return
            # What a program says of itself may come before, and long before.
            if event.type == "message" and message_of(event).type in STREAMED:
                return

    def _kill(self, session: SessionHandle) -> float:
        """Kill the agent's program as an OS does it, and return the moment before."""
        pid = self.program(session)
        assert pid is not None, "it has no program: lack `program`"
        when = time.time()
        os.kill(pid, signal.SIGKILL)
        return when


def ends_with(run: Any, kind: type[Any], patience: float) -> Any:
    """Return the error that a run ends with, which must be of this kind."""
    try:
        answer = run.get(timeout=patience)
    except CallTimeout as error:
        raise AssertionError(f"the run has not ended within {patience} s") from error
    except kind as error:
        return error
    raise AssertionError(f"the run was answered: {answer!r}")


def _children() -> set[int]:
    """Return the processes below this one, without those that wait to be reaped."""
    found = set()
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if child.status() != psutil.STATUS_ZOMBIE:
                found.add(child.pid)
    return found


def _marked(mark: str) -> set[int]:
    """Return the processes that have inherited the mark, whoever is their parent now."""
    found = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == mark:
                found.add(process.pid)
    return found


def _shown(pid: int) -> str:
    with suppress(psutil.Error):
        return f"{pid} {' '.join(psutil.Process(pid).cmdline())[:80]}"
    return str(pid)
