"""A session's connection to a real agent: a process between a driver, a program and a session.

The program is started by `Ports`, and ended by it when this process ends, however it ends (G16).
The driver's coroutines run on the loop thread (`agent_seat`); the process holds what must not
depend on them: which turn is open, its deadlines, the memory of the program's tree, the program's
end. What the driver says is passed on in order while its turn is open.

| what ends a turn | what the session hears |
|---|---|
| the driver's answer | `Completed`, or `Failed` with its reason |
| silence over a deadline of `TurnLimits` | `Failed("stalled")` |
| the end of the program | `Failed("cli_exit")`, then `AgentFailed` |
| memory over the hard limit | `Failed("memory")`, then `AgentFailed` |
| a driver that raises, while its program lives | `Failed("protocol_error")`, then `AgentFailed` |

A program over its soft limit of memory is given up after its turn: the connection ends with
`("shutdown", ("recycled", bytes))`, which counts against nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from beam.backends.agent_crew import Aboard
from beam.backends.agent_endings import crash_of, cut_for, ended_as, said, unstarted
from beam.backends.agent_seat import AgentSeat, Opened, TurnOver
from beam.backends.agent_secrets import hidden
from beam.backends.agent_watch import Look, Sample, Sampled
from beam.backends.backend import (
    Abandon,
    Heard,
    Interrupt,
    ListConversations,
    Opening,
    PermissionAnswer,
    Query,
    Steer,
    Took,
    ToolResult,
)
from beam.backends.command_ending import MUTE_GRACE
from beam.backends.credentials import values_of
from beam.backends.effects import AgentFailed, Completed, Effect, Failed, Ready
from beam.errors import InvalidInput, PortError
from beam.model.exit_reasons import ExitReason
from beam.otp import Down, Exit, Server, demonitor, monitor, whereis
from beam.otp.reasons import is_graceful
from beam.ports import requests
from beam.ports.ending import end_ports, hasten
from beam.ports.lines import SpilledLine
from beam.ports.requests import PortEnded, PortLine, PortNotStarted, PortStarted

if TYPE_CHECKING:
    from beam.backends.agent_backend import AgentBackend
    from beam.otp import Call, Monitor, Ref
    from beam.ports.port import Port, PortExit
    from beam.ports.sample import TreeSample

__all__ = ["AgentConnection"]

PORTS = "ports"
"""The name of the process that starts and ends programs."""

# Seconds that a driver has to read what its program wrote before it ended; seconds until a program
# must have ended whose driver has broken; seconds to wait for `Ports` to name the loop thread.
LAST_WORDS, BROKEN_WAIT, LOOP_WAIT = 0.3, 1.0, 5.0


class _OutOfTime:
    """The time is over that an agent had to end a turn."""

    __slots__ = ("query_id",)
    __match_args__ = ("query_id",)

    def __init__(self, query_id: str) -> None:
        self.query_id = query_id


class AgentConnection(Server):
    """One driver and its session; see the module.

    It answers the call `"os_process"` with the pid of the program, None if none runs.
    """

    trap_exit = True

    lists_conversations = True
    """That it takes `ListConversations`; a class attribute, to be asked of a reference."""

    def init(self, backend: AgentBackend, crew: Any, opening: Opening) -> None:
        """Set everything out; the agent is started after this."""
        self._backend = backend
        self._crew = crew
        self._opening = opening
        self._ports: Ref[Any] | None = None
        self._ports_watch: Monitor | None = None
        self._port: Port | None = None
        self._seat: AgentSeat | None = None
        self._ready = False
        self._failed: AgentFailed | None = None
        self._open: Query | None = None
        self._next: Query | None = None
        self._abandoned = False
        self._cut: ExitReason | None = None
        self._ended_for: ExitReason | None = None
        self._exit: PortExit | None = None
        self._broken: BaseException | None = None
        self.continue_with("start")

    def handle_continue(self, message: Any) -> None:
        """Have the program started, or the driver if it needs none."""
        self._ports = whereis(PORTS)
        if self._ports is None:
            self._not_started(PortError("no process is registered as 'ports'"))
            return
        self._ports_watch = monitor(self._ports)
        try:
            spec = self._backend.program(self._opening)
            loop = self._ports.proxy().loop_thread().get(timeout=LOOP_WAIT)
        except Exception as error:  # noqa: BLE001 - whatever it is, the session has to hear of it
            self._not_started(error)
            return
        self._seat = AgentSeat(self._backend, self._opening, loop, self.actor_ref)
        crew = whereis(self._crew)
        if crew is not None:
            crew.cast(Aboard(self.actor_ref, self._seat))
        if spec is None:
            self._seat.open(None)
        else:
            spec = replace(spec, mute_grace=MUTE_GRACE)
            self._ports.cast(requests.StartPort(self.actor_ref, spec, on_line=self._seat.hear))

    def terminate(self, reason: Any) -> None:
        """Part from the agent, then end the program and wait until its tree is gone."""
        patience = self._backend.shutdown if is_graceful(reason) and self._exit is None else 0.0
        if self._seat is not None:
            if patience and self._ready:
                with contextlib.suppress(Exception):
                    self._seat.close().get(timeout=patience)
            self._seat.abort()
        if self._ports is None or self._exit is not None:
            return
        within = self._backend.ends_within
        end_ports(self._ports, self.actor_ref, self._port, patience=patience, within=within)

    def handle_call(self, message: Any, caller: Call) -> Any:
        """Answer what there is to know of the program."""
        port = self._port
        match message:
            case "os_process":
                return port.pid if port is not None and port.exit is None else None
        return super().handle_call(message, caller)

    def handle_cast(self, message: Any) -> None:
        """Take what the session wants, what the driver says, and what the port says."""
        seat = self._seat
        match message:
            case TurnOver(query_id, outcome):
                self._turn_over(query_id, outcome)
            case Opened(outcome):
                self._opened(outcome)
            case Query():
                self._query(message)
            case Took() | ToolResult() | PermissionAnswer() | ListConversations():
                if seat is not None:
                    seat.take(message)
            case Interrupt(query_id):
                self._interrupt(query_id)
            case Abandon(query_id):
                self._abandon(query_id)
            case Steer(query_id):
                self._steer(message)
            case _:
                self._of_port(message)

    def _of_port(self, message: Any) -> None:
        match message:
            case PortLine(SpilledLine() as line):
                self._give_up(ExitReason("protocol", detail="a line was too long to be kept"))
                line.path.unlink(missing_ok=True)
            case PortStarted(port):
                self._started(port)
            case PortNotStarted(error):
                self._not_started(error)
            case PortEnded(exit):
                self._port_ended(exit)
            case _:
                super().handle_cast(message)

    def handle_info(self, message: Any) -> None:
        """Take the time that is over, samples, and the end of others."""
        seat = self._seat
        match message:
            case _OutOfTime(query_id):
                self._out_of_time(query_id)
            case Look() if seat is not None:
                self._look(seat)
            case "verdict":
                self._verdict()
            case Sample() if seat is not None and self._port is not None:
                seat.watch.sample(self._port)
            case Sampled(sample) if seat is not None:
                self._sampled(seat, sample)
            case Down(reason=reason):
                self._not_started(PortError(f"the process 'ports' has ended: {reason!r}"))
            case Exit(reason="normal"):
                pass
            case Exit(reason=reason):
                self.stop(reason)
            case _:
                super().handle_info(message)

    # The agent's life

    def _started(self, port: Port) -> None:
        self._port = port
        assert self._seat is not None
        self._seat.secrets = values_of(port.spec.environment(os.environ, ""))
        self._seat.open(port)
        self._seat.watch.sample_later()

    def _not_started(self, error: Exception) -> None:
        if self._failed is None:
            failed = unstarted(error, self._now())
            self._end(failed, getattr(error, "reason", type(error).__name__))

    def _opened(self, outcome: Ready | AgentFailed | BaseException) -> None:
        if isinstance(outcome, Ready):
            self._ready = True
            self._say(outcome)
            self._begin_next()
        elif isinstance(outcome, AgentFailed):
            self._end(outcome, None)
        elif isinstance(outcome, InvalidInput):
            self._not_started(outcome)
        else:
            self._break(outcome)

    def _port_ended(self, exit: PortExit) -> None:
        self._exit = exit
        if self._seat is not None:
            self._seat.ended(exit)
        # What it wrote before it ended may still be read, and be the answer.
        waits = self._open is not None and self._broken is None
        self.send_after(LAST_WORDS if waits else 0.0, "verdict")

    def _break(self, error: BaseException) -> None:
        """Take a driver's failure: its program's end, if that is on its way, or else its own."""
        self._broken = error
        alone = self._port is None or self._exit is not None
        self.send_after(0.0 if alone else BROKEN_WAIT, "verdict")

    def _verdict(self) -> None:
        """Say why the agent is of no more use, all being known that will be."""
        if self._failed is None:
            known = (self._exit, self._broken, self._ended_for, self._port)
            failed = crash_of(*known, timestamp=self._now())
            self._end(failed, self._exit.status if self._exit is not None else None)

    def _give_up(self, reason: ExitReason) -> None:
        """End the program, for this reason."""
        if self._ended_for is None:
            self._ended_for = reason
        if self._port is None:
            self._verdict()
        else:
            hasten(self._port, 0.0 if reason.kind == "memory" else None)

    def _end(self, failed: AgentFailed, detail: Any) -> None:
        """Tell the session, and end this process for the reason that the agent has ended for."""
        self._failed = failed
        if self._ports_watch is not None:
            demonitor(self._ports_watch, flush=True)
        query, self._open = self._open, None
        if query is not None and not self._abandoned:
            self._say(ended_as(query, failed))
        waiting, self._next = self._next, None
        if waiting is not None:
            self._say(ended_as(waiting, failed, unasked=True))
        self._say(failed)
        self.stop(("shutdown", (failed.reason, detail)))

    # Turns

    @property
    def _open_id(self) -> str | None:
        return self._open.query_id if self._open is not None else None

    def _query(self, query: Query) -> None:
        if self._failed is not None:
            self._say(ended_as(query, self._failed, unasked=True))
        elif self._ready and self._open is None and self._ended_for is None:
            self._begin(query)
        elif self._next is None and (not self._ready or self._abandoned or self._ended_for):
            self._next = query
        else:
            self._say(said(query, "query_in_progress", "another query is open", self._now()))

    def _begin(self, query: Query) -> None:
        assert self._seat is not None
        self._open, self._abandoned, self._cut = query, False, None
        self._seat.query(query)
        self._seat.watch.turn_began()

    def _begin_next(self) -> None:
        if self._ended_for is not None:  # It waits for the end, to be told as never asked.
            return
        query, self._next = self._next, None
        if query is not None:
            self._begin(query)

    def _turn_over(self, query_id: str, outcome: Completed | Failed | BaseException) -> None:
        query = self._open
        if query is None or query.query_id != query_id:
            return
        crashed = isinstance(outcome, Failed) and outcome.reason in ("crashed", "cli_exit")
        if isinstance(outcome, asyncio.CancelledError) and self._cut is not None:
            outcome = cut_for(query_id, self._cut, self._now())
        if isinstance(outcome, BaseException) or (crashed and self._port is not None):
            self._break(outcome if isinstance(outcome, BaseException) else EOFError())
            return
        if isinstance(outcome, Failed) and self._cut is not None:
            outcome = cut_for(query_id, self._cut, self._now(), outcome.spent)
        self._open = None
        if not self._abandoned:
            self._say(outcome)
        self._abandoned = False
        if self._seat is not None and self._seat.watch.over_soft:
            self.stop(("shutdown", ("recycled", self._seat.watch.over_soft)))
        else:
            self._begin_next()

    def _interrupt(self, query_id: str) -> None:
        if self._next is not None and self._next.query_id == query_id:
            self._next = None
            self._say(cut_for(query_id, ExitReason("interrupted"), self._now()))
        elif self._open_id == query_id:
            self._cut_turn(ExitReason("interrupted"))

    def _abandon(self, query_id: str) -> None:
        if self._next is not None and self._next.query_id == query_id:
            self._next = None
        elif self._open_id == query_id:
            self._abandoned = True
            if self._seat is not None:
                self._seat.mute()
            self._cut_turn(ExitReason("interrupted"))

    def _cut_turn(self, reason: ExitReason) -> None:
        if self._cut is None and self._open is not None and self._seat is not None:
            self._cut = reason
            self._seat.interrupt()
            self.send_after(self._backend.turn.interrupt_grace, _OutOfTime(self._open.query_id))

    def _out_of_time(self, query_id: str) -> None:
        if self._open_id == query_id and self._cut is not None and self._seat is not None:
            self._seat.cancel() if self._port is None else self._give_up(self._cut)

    def _steer(self, wish: Steer) -> None:
        if self._open_id == wish.query_id and self._seat is not None:
            self._seat.steer(wish)
        else:
            wish.answer.set(False)

    def _look(self, seat: AgentSeat) -> None:
        if self._open is not None and self._cut is None:
            reason = seat.watch.look(seat.talk)
            if reason is not None:
                self._cut_turn(reason)

    def _sampled(self, seat: AgentSeat, sample: TreeSample | None) -> None:
        reason = seat.watch.sampled(sample)
        if reason is not None and self._failed is None:
            self._give_up(reason)
        elif seat.watch.over_soft and self._open is None:
            self.stop(("shutdown", ("recycled", seat.watch.over_soft)))

    # What is said

    def _say(self, effect: Effect) -> None:
        secrets = self._seat.secrets if self._seat is not None else ()
        self._opening.session.cast(Heard(self.actor_ref, hidden(effect, secrets)))

    def _now(self) -> int:
        return int(self.node.clock.time() * 1000)
