"""`Ports`: the process that owns every OS process, and ends it when its owner ends.

    >>> import pathlib, tempfile
    >>> from beam.otp import Node
    >>> from beam.ports.requests import PortEnded, PortLine
    >>> from beam.ports.spec import PortSpec
    >>> class Owner(Server):
    ...     def init(self, ports):
    ...         self.lines = []
    ...         ports.cast(StartPort(self.actor_ref, PortSpec.of("echo hello")))
    ...     def handle_cast(self, message):
    ...         if isinstance(message, PortLine):
    ...             self.lines.append(message.line.text)
    ...         elif isinstance(message, PortEnded):
    ...             self.asked.reply((self.lines, message.exit.status))
    ...     def handle_call(self, message, caller):
    ...         self.asked = caller
    ...         return noreply
    >>> with tempfile.TemporaryDirectory() as directory, Node():
    ...     ports = Ports.start(Harbour(pathlib.Path(directory)), name="ports")
    ...     Owner.start(ports).ask("what did it say?")
    (['hello'], 0)

It is registered as `ports` in its node. An owner that dies, however it dies, takes its programs
with it: `Ports` monitors it, and ends the whole tree (TERM, KILL after the grace). What a dead
Python process left is ended when `Ports` starts, by the ledger (`reaper.py`). What it runs itself
is ended when it terminates, within `SHUTDOWN` seconds; if it is killed, by the one that comes after
it, through the harbour that they share. Owners do not wait while a program starts: `STARTERS` start
at a time, the others wait in line, and there are never more than the harbour's `max_ports`.

What it reports: `leftover_ended` (warning: port, program, pids, survivors) and `port_survived`
(error: port, program, pids), both from `beam.ports`.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from beam.errors import PortError, QueueFull
from beam.logger import Logger
from beam.otp import Down, Exit, Monitor, Ref, Server, demonitor, monitor, noreply, spawn_link
from beam.ports.berth import Berth
from beam.ports.ending import hasten
from beam.ports.harbour import Harbour
from beam.ports.loop import LoopThread
from beam.ports.port import Port, PortExit
from beam.ports.requests import PortEntry, StartPort, StopPorts

if TYPE_CHECKING:
    from beam.otp import Call

__all__ = ["SHUTDOWN", "STARTERS", "Ports"]

STARTERS = 4
"""How many programs start at once; each has a thread for the 20 ms that it takes."""

SHUTDOWN = 40.0
"""The seconds that `Ports` may need to end; what its child specification should say."""

_log = Logger("beam.ports")


class _Tried:
    """A start has returned."""

    __slots__ = ("berth", "outcome")

    def __init__(self, berth: Berth, outcome: Port | Exception) -> None:
        self.berth = berth
        self.outcome = outcome


class _Over:
    """A port has ended."""

    __slots__ = ("berth", "exit")

    def __init__(self, berth: Berth, exit: PortExit) -> None:
        self.berth = berth
        self.exit = exit


class _Overdue:
    """A program has not finished up in time."""

    __slots__ = ("berth",)

    def __init__(self, berth: Berth) -> None:
        self.berth = berth


class _Stopping:
    """A caller that waits for the end of an owner's ports."""

    __slots__ = ("caller", "exits", "left")

    def __init__(self, caller: Call, left: set[Berth]) -> None:
        self.caller = caller
        self.left = left
        self.exits: list[PortExit] = []


class Ports(Server):
    """The owner of all ports; see the module. Its `init` and `terminate` block.

    Args (of `start`):
        harbour: what it opens, uses and closes.
    """

    trap_exit = True
    blocking = True

    def init(self, harbour: Harbour) -> None:
        """Open the harbour, and end what a dead owner left."""
        self._harbour = harbour
        self._berths: dict[Berth, None] = {}
        self._watched: dict[Monitor, Berth] = {}
        self._due: deque[Berth] = deque()
        self._starting = 0
        self._stops: list[_Stopping] = []
        for each in harbour.open():
            _log.warning(
                "leftover_ended",
                port=each.port,
                program=each.program,
                pids=each.ended,
                survivors=each.survivors,
            )

    def terminate(self, reason: Any) -> None:
        """End every port, then the loop."""
        self._harbour.close()

    def list(self) -> tuple[PortEntry, ...]:
        """Return the ports that there are, oldest first."""
        return tuple(berth.entry() for berth in self._berths)

    def loop_thread(self) -> LoopThread:
        """Return the loop thread, for coroutines; good until this process ends."""
        return self._harbour.loop

    def handle_call(self, message: Any, caller: Call) -> Any:
        """Answer `StopPorts`."""
        if not isinstance(message, StopPorts):
            return super().handle_call(message, caller)
        berths = [berth for berth in self._berths if berth.request.owner == message.owner]
        waiting = _Stopping(caller, set(berths))
        self._stops.append(waiting)
        for berth in berths:
            self._end(berth, message.patience)
        if not berths:
            self._stops.remove(waiting)
            return ()
        return noreply

    def handle_cast(self, message: Any) -> None:
        """Take `StartPort`, and what the starters and the ports have to say."""
        match message:
            case StartPort():
                self._take(message)
            case _Tried():
                self._tried(message.berth, message.outcome)
            case _Over():
                message.berth.exit = message.exit
                if message.berth.port is not None:
                    self._leave(message.berth)
            case _:
                super().handle_cast(message)

    def handle_info(self, message: Any) -> None:
        """End the ports of an owner that has ended, and those that do not end by themselves."""
        match message:
            case Down(monitor=watch):
                berth = self._watched.pop(watch, None)
                if berth is not None:
                    self._end(berth, 0)
            case _Overdue():
                hasten(message.berth.port)
            case Exit(reason="normal"):
                pass  # A starter that is done.
            case _:
                super().handle_info(message)

    def _take(self, request: StartPort) -> None:
        me = self.actor_ref
        berth = Berth(request, lambda berth, exit: me.cast(_Over(berth, exit)))
        if len(self._berths) >= self._harbour.max_ports:
            berth.refuse(QueueFull("too_many_ports", limit=self._harbour.max_ports))
            return
        self._berths[berth] = None
        berth.watch = monitor(request.owner)
        self._watched[berth.watch] = berth
        self._due.append(berth)
        self._start_more()

    def _start_more(self) -> None:
        while self._due and self._starting < STARTERS:
            berth = self._due.popleft()
            berth.begun = True
            self._starting += 1
            spawn_link(_start, self._harbour, berth, self.actor_ref)

    def _tried(self, berth: Berth, outcome: Port | Exception) -> None:
        self._starting -= 1
        self._start_more()
        if isinstance(outcome, Exception):
            berth.refuse(outcome)
            self._leave(berth)
            return
        berth.port = outcome
        berth.announce(outcome)
        if berth.exit is not None:
            self._leave(berth)
        elif berth.stopping:
            hasten(berth.port)

    def _end(self, berth: Berth, patience: float) -> None:
        """Begin to end a port; its end is heard later, unless it was never begun."""
        if not berth.begun:
            self._due.remove(berth)
            berth.refuse(PortError("stopped before it was started", berth.request.spec.argv))
            self._leave(berth)
            return
        first, berth.stopping = not berth.stopping, True
        if berth.port is None:
            return
        if patience > 0 and berth.request.spec.stdin == "pipe":
            berth.port.close_stdin()
            if first:
                berth.timer = self.send_after(patience, _Overdue(berth))
        else:
            hasten(berth.port)

    def _leave(self, berth: Berth) -> None:
        """Forget a port that has ended, and tell who waits for that."""
        self._berths.pop(berth, None)
        if berth.watch is not None:
            self._watched.pop(berth.watch, None)
            demonitor(berth.watch, flush=True)
        if berth.timer is not None:
            berth.timer.cancel()
        if berth.exit is not None and berth.exit.survivors:
            program, pids = berth.entry().program, berth.exit.survivors
            _log.error("port_survived", port=berth.exit.port, program=program, pids=pids)
        for waiting in [each for each in self._stops if berth in each.left]:
            waiting.left.discard(berth)
            if berth.exit is not None:
                waiting.exits.append(berth.exit)
            if not waiting.left:
                self._stops.remove(waiting)
                waiting.caller.reply(tuple(waiting.exits))


def _start(harbour: Harbour, berth: Berth, ports: Ref[Ports]) -> None:
    """Start a program and say what came of it; on a thread of its own."""
    outcome: Port | Exception
    try:
        outcome = harbour.start(berth.request.spec, on_line=berth.on_line, on_exit=berth.on_exit)
    except Exception as error:  # noqa: BLE001 - whatever it is, the owner has to hear of it
        outcome = error
    ports.cast(_Tried(berth, outcome))
