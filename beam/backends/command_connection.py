"""A session's connection to one command agent: a process between a port and a session.

The program is started by `Ports` (`beam.ports.actor`) while this process waits for news, so nobody
waits for it, and it is ended by `Ports` when this process ends, however it ends. No handler here
blocks: bytes for the agent go into the port's queue, lines come as casts. Lines are read only
while the session is less than `WINDOW` effects behind, and acknowledged when they are read, so a
slow session slows its agent down (G19). What is said is decided by `agent_talk`.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from beam.backends.agent_secrets import hidden
from beam.backends.agent_talk import Action, AgentTalk, EndProgram, GiveTime, Say, Send
from beam.backends.backend import (
    WINDOW,
    Abandon,
    Heard,
    Interrupt,
    Opening,
    PermissionAnswer,
    Query,
    Took,
    ToolResult,
)
from beam.backends.command_ending import MUTE_GRACE
from beam.backends.command_protocol import EXCERPT
from beam.backends.credentials import values_of
from beam.backends.effects import Effect, ProtocolViolation
from beam.errors import LoopStopped, PortClosed, PortError, QueueFull, StdinClosed
from beam.model.masking import redact_text
from beam.otp import Down, Exit, Server, demonitor, monitor, whereis
from beam.otp.reasons import is_graceful
from beam.ports.ending import end_ports, hasten
from beam.ports.lines import Line, SpilledLine
from beam.ports.port import Port, PortExit
from beam.ports.requests import (
    PortEnded,
    PortLine,
    PortNotStarted,
    PortStarted,
    StartPort,
)

if TYPE_CHECKING:
    from beam.backends.command import CommandBackend
    from beam.otp import Call, Monitor, Ref

__all__ = ["CommandConnection"]

PORTS = "ports"
"""The name of the process that starts and ends programs."""

EFFECTS_OF_A_LINE = 4
"""No line means more effects than this."""


class _OutOfTime:
    """The time is over that an agent had to end a query."""

    __slots__ = ("query_id",)
    __match_args__ = ("query_id",)

    def __init__(self, query_id: str) -> None:
        self.query_id = query_id


class CommandConnection(Server):
    """One agent program and its session; see the module.

    It answers the call `"os_process"` with the pid of the program, which is also its process
    group, None if none runs; and the call `"counts"` with how many lines were dropped, by reason.
    """

    trap_exit = True

    def init(self, backend: CommandBackend, opening: Opening) -> None:
        """Set everything out; the program is started after this."""
        self._backend = backend
        self._opening = opening
        self._spec = replace(backend.spec_for(opening), mute_grace=MUTE_GRACE)
        self._known = values_of(self._spec.environment(os.environ, ""))
        self._talk = AgentTalk()
        self._ports: Ref[Any] | None = None
        self._start_watch: Monitor | None = None
        self._port: Port | None = None
        # Bounded by the port's window, for nothing in it is acknowledged.
        self._unread: deque[Line | SpilledLine | PortExit] = deque()
        self._ahead = 0
        self.continue_with("start")

    def handle_continue(self, message: Any) -> None:
        """Have the program started."""
        self._ports = whereis(PORTS)
        if self._ports is None:
            self._not_started(PortError("no process is registered as 'ports'"))
            return
        self._start_watch = monitor(self._ports)
        self._ports.cast(StartPort(self.actor_ref, self._spec))

    def terminate(self, reason: Any) -> None:
        """End the program and wait until its tree is gone: politely, if this end is in order."""
        if self._ports is None or (self._port is not None and self._port.exit is not None):
            return
        patience = 0.0
        if is_graceful(reason):
            patience = self._backend.shutdown
            self._do(self._talk.farewell())
        within = self._backend.ends_within
        end_ports(self._ports, self.actor_ref, self._port, patience=patience, within=within)

    def handle_call(self, message: Any, caller: Call) -> Any:
        """Answer what there is to know of the program."""
        match message:
            case "os_process":
                running = self._port is not None and self._port.exit is None
                return self._port.pid if self._port is not None and running else None
            case "counts":
                return dict(self._talk.counts)
        return super().handle_call(message, caller)

    def handle_cast(self, message: Any) -> None:
        """Take what the session wants, and what the port says."""
        talk = self._talk
        match message:
            case PortLine(line):
                self._unread.append(line)
                self._read_on()
            case Took(count):
                self._ahead -= count
                self._read_on()
            case Query():
                self._do(talk.query(message, now=self._now()))
            case ToolResult():
                self._do(talk.tool_result(message))
            case PermissionAnswer():
                self._do(talk.permission(message))
            case Interrupt(query_id):
                self._do(talk.interrupt(query_id, now=self._now()))
            case Abandon(query_id):
                self._do(talk.abandon(query_id))
            case PortStarted(port):
                self._started(port)
            case PortNotStarted(error):
                self._not_started(error)
            case PortEnded(exit):
                self._unread.append(exit)
                self._read_on()
            case _:
                super().handle_cast(message)

    def handle_info(self, message: Any) -> None:
        """Take the time that is over, and the end of others."""
        match message:
            case _OutOfTime(query_id):
                self._do(self._talk.out_of_time(query_id))
            case Down(reason=reason):
                self._not_started(PortError(f"the process 'ports' has ended: {reason!r}"))
            case Exit(reason="normal"):
                pass
            case Exit(reason=reason):
                self.stop(reason)
            case _:
                super().handle_info(message)

    # The program

    def _started(self, port: Port) -> None:
        if self._start_watch is not None:
            demonitor(self._start_watch, flush=True)
        self._port = port
        cwd = self._spec.cwd or os.getcwd()
        self._do(self._talk.started(self._opening.session_id, cwd=cwd, host=self._backend.host()))

    def _not_started(self, error: Exception) -> None:
        self._do(self._talk.not_started(error, now=self._now()))
        self._end(getattr(error, "reason", type(error).__name__))

    def _ended(self, exit: PortExit) -> None:
        self._do(self._talk.ended(exit, now=self._now(), secrets=self._known))
        self._end(exit.status)

    def _end(self, detail: Any) -> None:
        """End this process, for the reason that the agent has ended for."""
        assert self._talk.failed is not None
        self.stop(("shutdown", (self._talk.failed.reason, detail)))

    def _read_on(self) -> None:
        """Read what has come, as far as the session keeps up."""
        while self._unread and self._ahead + EFFECTS_OF_A_LINE <= WINDOW:
            piece = self._unread.popleft()
            if isinstance(piece, PortExit):
                self._ended(piece)
                return
            self._do(self._read(piece))
            if self._port is not None:
                self._port.ack()

    def _read(self, line: Line | SpilledLine) -> list[Action]:
        if isinstance(line, Line):
            return self._talk.received(line.data, now=self._now())
        head = b""
        with contextlib.suppress(OSError):
            with line.path.open("rb") as file:
                head = file.read(EXCERPT)
            line.path.unlink()
        return self._talk.overlong(line.size + line.dropped, head, now=self._now())

    # What is to be done

    def _do(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Say(effect):
                    self._say(effect)
                case Send(line):
                    self._write(line)
                case GiveTime(query_id):
                    self.send_after(self._backend.interrupt_grace, _OutOfTime(query_id))
                case EndProgram():
                    hasten(self._port)

    def _say(self, effect: Effect) -> None:
        if isinstance(effect, ProtocolViolation):
            effect = replace(effect, excerpt=redact_text(effect.excerpt, self._known))
        effect = hidden(effect, self._known)
        self._ahead += 1
        self._opening.session.cast(Heard(self.actor_ref, effect))

    def _write(self, line: bytes) -> None:
        if self._port is None:
            return
        try:
            self._port.write(line, timeout=0)
        except (StdinClosed, QueueFull):
            hasten(self._port)  # One that does not listen is of no use, and does not know it.
        except (PortClosed, LoopStopped):
            return  # Its end is on its way.

    def _now(self) -> int:
        return int(self.node.clock.time() * 1000)
