"""Where a driver sits: its coroutines on the loop thread, and who tells its connection of them.

Every function may be called from any thread, and does its work on the loop's. What comes of it is
cast to the connection's process: `Opened`, `TurnOver`; what the driver says goes to the session.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from beam.backends.agent_secrets import hidden
from beam.backends.agent_watch import AgentWatch
from beam.backends.agent_wire import Wire
from beam.backends.backend import (
    WINDOW,
    Heard,
    ListConversations,
    PermissionAnswer,
    Took,
    ToolResult,
)
from beam.backends.talk import Talk
from beam.errors import LoopStopped
from beam.otp import Future
from beam.ports.loop import PARTING

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from beam.backends.agent_backend import AgentBackend
    from beam.backends.backend import Opening, Query, Steer
    from beam.backends.driver import Driver
    from beam.backends.effects import AgentFailed, Completed, Effect, Failed, Ready
    from beam.otp import Ref
    from beam.ports.lines import Line
    from beam.ports.loop import LoopThread
    from beam.ports.port import Port, PortExit

__all__ = ["AgentSeat", "Opened", "TurnOver"]

PARTING_S = 30.0
"""Seconds that a driver has to part from its agent; its connection waits for fewer."""


@dataclass(frozen=True, slots=True)
class Opened:
    """Cast: the handshake is over; `outcome` is an exception if it failed."""

    outcome: Ready | AgentFailed | BaseException


@dataclass(frozen=True, slots=True)
class TurnOver:
    """Cast: the turn has ended; `outcome` is an exception if the driver raised one."""

    query_id: str
    outcome: Completed | Failed | BaseException


class AgentSeat:
    """The driver of one connection; see the module.

    Args:
        backend: makes the driver.
        opening: for whom.
        loop: the thread that it runs on.
        connection: told what comes of it.

    Attributes:
        talk: what the driver says and asks.
        watch: the watch over its silence and its program's memory.
        secrets: what is in the program's environment and must not be told.
    """

    def __init__(
        self, backend: AgentBackend, opening: Opening, loop: LoopThread, connection: Ref[Any]
    ) -> None:
        self.watch = AgentWatch(connection, backend, loop)
        self.secrets: frozenset[str] = frozenset()
        self.talk = Talk(opening, connection.node.clock, self._spoken)
        self._backend = backend
        self._loop = loop
        self._connection = connection
        self._driver: Driver | None = None
        self._wire: Wire | None = None
        # What the program says before it is known to run; bounded by the port's window.
        self._early: list[bytes] = []
        self._turn: asyncio.Task[Any] | None = None
        # What runs now: the handshake, a turn, wishes. Each ends, or is cancelled by `abort`.
        self._tasks: set[asyncio.Task[Any]] = set()
        self._over = False

    def open(self, port: Port | None) -> None:
        """Make the driver and shake hands."""
        self._run(lambda: self._opened(port))

    def query(self, query: Query) -> None:
        """Begin a turn."""
        self._call(self._begin, query)

    def interrupt(self) -> None:
        """Ask the agent to end the turn; what was asked of the session is answered with None."""
        self._call(self._interrupt)

    def cancel(self) -> None:
        """End the turn's coroutine: the agent has not ended it in time."""
        self._call(self._cancel_turn)

    def steer(self, wish: Steer) -> None:
        """Tell the agent something in the middle of its turn."""
        self._run(lambda: self._steered(wish))

    def take(self, message: Took | ToolResult | PermissionAnswer | ListConversations) -> None:
        """Pass on what the session says beside its queries."""
        match message:
            case Took(count):
                self._call(self.talk.give, count)
            case ToolResult():
                self._call(self.talk.tool_ended, message)
            case PermissionAnswer():
                self._call(self.talk.decided, message)
            case ListConversations():
                self._run(lambda: self._listed(message))

    def hear(self, line: Line) -> None:
        """Take a line of the program; on the loop thread."""
        if self._wire is None:
            self._early.append(line.data)
        else:
            self._wire.feed(line.data)

    def mute(self) -> None:
        """Let the driver say nothing more of its turn: the session has abandoned it."""
        self._call(self.talk.mute)

    def ended(self, exit: PortExit) -> None:
        """Pass the program's end on."""
        self._call(self._ended, exit)

    def close(self) -> Future[bool]:
        """Let the driver part from the agent; the future is settled when it has."""
        parted: Future[bool] = Future()
        self._run(lambda: self._closed(parted), PARTING)
        return parted

    def abort(self) -> None:
        """End all of it, now; again is no error."""
        self._call(self._abort)

    # On the loop thread

    async def _opened(self, port: Port | None) -> None:
        outcome: Ready | AgentFailed | BaseException
        try:
            self._wire = self._wired(port) if port is not None else None
            self._driver = self._backend.driver(self.talk, self._wire)
            outcome = await self._driver.open()
        except Exception as error:  # noqa: BLE001 - whatever it is, the session has to hear of it
            outcome = error
        self._connection.cast(Opened(outcome))

    def _wired(self, port: Port) -> Wire:
        wire = Wire(port, self.talk)
        early, self._early = self._early, []
        for line in early:
            wire.feed(line)
        return wire

    def _begin(self, query: Query) -> None:
        self.talk.begin(query)
        self._turn = self._spawn(self._asked(query))

    async def _asked(self, query: Query) -> None:
        outcome: Completed | Failed | BaseException
        try:
            assert self._driver is not None
            outcome = await self._driver.ask(query)
        except asyncio.CancelledError as cancelled:
            outcome = cancelled
        except Exception as error:  # noqa: BLE001 - likewise
            outcome = error
        self.talk.end()
        self._turn = None
        self._connection.cast(TurnOver(query.query_id, outcome))

    def _interrupt(self) -> None:
        self.talk.cancel_questions()
        if self._driver is not None and self._turn is not None:
            self._spawn(self._interrupted(self._driver))

    async def _interrupted(self, driver: Driver) -> None:
        # An agent that cannot be asked is ended when its time is over.
        with contextlib.suppress(Exception):
            await driver.interrupt()

    def _cancel_turn(self) -> None:
        if self._turn is not None:
            self._turn.cancel()

    async def _steered(self, wish: Steer) -> None:
        taken = False
        query = self.talk.query
        if self._driver is not None and query is not None and query.query_id == wish.query_id:
            with contextlib.suppress(Exception):
                taken = await self._driver.steer(wish.text)
        wish.answer.set(taken)

    async def _listed(self, wish: ListConversations) -> None:
        found = None
        if self._driver is not None:
            with contextlib.suppress(Exception):
                found = await self._driver.conversations(wish.cwd)
        wish.answer.set(found)

    async def _closed(self, parted: Future[bool]) -> None:
        done = self._driver is None
        try:
            if self._driver is not None:
                await asyncio.wait_for(self._driver.close(), PARTING_S)
                done = True
        except Exception:  # noqa: BLE001 - it is ended anyway
            done = False
        finally:
            parted.set(done)

    def _ended(self, exit: PortExit) -> None:
        if self._wire is not None:
            self._wire.ended(exit)

    def _abort(self) -> None:
        self._over = True
        self.talk.end()
        # A client's own reader is no task of ours: it ends by reading the end.
        self.talk.give(WINDOW)
        if self._wire is not None:
            self._wire.cut()
        for task in list(self._tasks):
            if task.get_name() != PARTING:  # It closes what would be left open, in its own time.
                task.cancel()
        if self._driver is not None:
            self._driver.abandon()

    def _spawn(
        self, work: Coroutine[Any, Any, None], name: str | None = None
    ) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # From any thread

    def _spoken(self, effect: Effect) -> None:
        # Straight to the session, which knows what is late: a process less to wake.
        self.talk.opening.session.cast(Heard(self._connection, hidden(effect, self.secrets)))

    def _run(self, work: Callable[[], Coroutine[Any, Any, None]], name: str | None = None) -> None:
        self._call(lambda: None if self._over else self._spawn(work(), name))

    def _call(self, function: Callable[..., object], *args: Any) -> None:
        # A loop that has stopped has cancelled everything.
        with contextlib.suppress(LoopStopped):
            self._loop.call(function, *args)
