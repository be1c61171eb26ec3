"""Handlers at work: each on a thread of its own, so many at once, and none for longer than it may.

A handler is the user's code: it may ask a human, and it may hang. It runs in a process of its own,
which is linked to nobody, so that neither its end nor a restart of its owner touches the other.
What became of it is settled in a future that outlives both, and told to the owner by mail.

What is promised:

- At most 64 handlers run at once, unless said otherwise; more wait for their turn, in order (G19).
- A handler's time begins when it is asked for, not when it gets its thread. When it is over, the
  handler's process is killed: one that waits in a call or in `asyncio` ends; the thread of one that
  does not is given up a second later, counted in `given_up` and reported (G9).
- A handler may be a coroutine function; it runs under `asyncio.run` on its thread.
- A handler is run once, at whatever moment the owner is killed.
"""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from beam.errors import Exited
from beam.otp import Down, Future, current_process, exit, monitor, spawn_monitor
from beam.otp.reports import report
from beam.otp.shutdown import give_up
from beam.state.outcome import Answered, Failed, Outcome, TimedOut

if TYPE_CHECKING:
    import contextvars
    from collections.abc import Awaitable, Callable

    from beam.otp import Ref, Server, Timer
    from beam.state.ask import HandlerCall
    from beam.state.control_rows import ControlRows

__all__ = [
    "HANDLERS",
    "AskKey",
    "Fill",
    "HandlerDied",
    "Handlers",
    "Heard",
    "Overdue",
    "Running",
]

HANDLERS = 64
"""How many handlers of a fleet run at once, unless said otherwise."""

# Seconds that a killed handler has to come out of what it waits in, before its thread is given up.
GRACE = 1.0


class AskKey(NamedTuple):
    """Names an ask: by the session, and by the request's name there."""

    session_id: str
    request_id: str


class HandlerDied(Exception):
    """The handler's process ended before the handler did; `reason` is its exit reason."""

    def __init__(self, reason: Any) -> None:
        super().__init__(f"the handler's process ended: {reason!r}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Running:
    """A handler at work, as its row keeps it.

    Attributes:
        deadline: until when it may run, seconds of the node's clock.
        begun: settled by the process that runs it, with its ref; whoever settles this first has the
            handler, so that it is run once, whenever the owner dies.
        outcome: settled with what became of it.
    """

    deadline: float
    begun: Future[Ref[Any] | None]
    outcome: Future[Outcome]


@dataclass(frozen=True, slots=True)
class Heard:
    """Mail to the owner: what became of a handler."""

    key: AskKey
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Overdue:
    """Mail to the owner: a handler's time is over; and, if `killed`, its grace too."""

    process: Ref[Any]
    killed: bool = False


class Fill:
    """Mail to the owner: there may be a handler to start.

    None is started while a call is served, whose caller's deadline would count for the start.
    """


class _Turn(NamedTuple):
    key: AskKey
    call: HandlerCall
    deadline: float
    context: contextvars.Context


class _AtWork(NamedTuple):
    key: AskKey
    timer: Timer


class Handlers:
    """The handlers that one process has running for it. Run by that process.

    Args:
        owner: the process; it hands on `Fill`, `Overdue` and `Down`.
        rows: where those at work are kept.
        is_open: whether an ask still waits for an answer.
        most: how many may run at once.
    """

    def __init__(
        self, owner: Server, rows: ControlRows, is_open: Callable[[AskKey], bool], most: int
    ) -> None:
        self._owner = owner
        self._rows = rows
        self._is_open = is_open
        self._most = most
        self._at_work: dict[Ref[Any], _AtWork] = {}
        # Bounded by the requests that may be open.
        self._waiting: dict[AskKey, _Turn] = {}
        self.given_up = 0

    def start(
        self, key: AskKey, call: HandlerCall, deadline: float, context: contextvars.Context
    ) -> None:
        """Run a handler, soon or when it is its turn.

        Args:
            key: for which ask.
            call: what to run.
            deadline: until when it may run, seconds of the node's clock.
            context: the context variables to run it with.
        """
        self._waiting[key] = _Turn(key, call, deadline, context)
        self._owner.actor_ref.cast(Fill())

    def restore(self) -> None:
        """Take over the handlers that run for a former life of the owner."""
        for key, running in list(self._rows.handlers()):
            # One that has not begun shall not any more: it is started anew.
            running.begun.settle(None)
            process = running.begun.result()
            if process is None:
                self._rows.drop_handler(key)
            else:
                monitor(process)
                self._watch(key, process, running)

    def is_at_work(self, key: AskKey) -> bool:
        """Return whether a handler runs for the ask, or waits for its turn."""
        return key in self._waiting or self._rows.handler(key) is not None

    def fill(self) -> None:
        """Start those whose turn it is."""
        while self._waiting and len(self._at_work) < self._most:
            turn = self._waiting.pop(next(iter(self._waiting)))
            if self._is_open(turn.key):
                self._run(turn)

    def overdue(self, message: Overdue) -> None:
        """End a handler whose time is over, as far as that can be done."""
        process = message.process
        if not process.is_alive():
            return
        if not message.killed:
            exit(process, "kill")
            self._owner.send_after(GRACE, Overdue(process, killed=True))
        else:
            give_up(process.control, "killed")
            self.given_up += 1
            report("warning", "handler_given_up", process=str(process), given_up=self.given_up)

    def down(self, message: Down) -> Heard | None:
        """Take note that a handler's process has ended; return what is to be heard of that."""
        ended = self._at_work.pop(message.process, None)
        if ended is None:
            return None
        ended.timer.cancel()
        running = self._rows.handler(ended.key)
        if not self._is_open(ended.key):
            self._rows.drop_handler(ended.key)
        self.fill()
        if running is None or running.outcome.done:
            return None
        return Heard(ended.key, Failed(HandlerDied(message.reason)))

    def answered(self, key: AskKey) -> None:
        """Take note that an ask has its answer, in the log and in its row.

        Only now may what its handler said be forgotten; one that still runs is kept to its end.
        """
        running = self._rows.handler(key)
        if running is None:
            return
        # One that has not begun has nothing to do any more.
        running.begun.settle(None)
        if running.begun.result() not in self._at_work:
            self._rows.drop_handler(key)

    def _run(self, turn: _Turn) -> None:
        left = max(0.0, turn.deadline - self._owner.node.clock.now())
        running = Running(turn.deadline, Future(), Future())
        self._rows.put_handler(turn.key, running)
        process, _ = turn.context.run(spawn_monitor, _handle, turn.call, left, running)
        self._watch(turn.key, process, running)

    def _watch(self, key: AskKey, process: Ref[Any], running: Running) -> None:
        owner = self._owner.actor_ref

        def heard() -> None:
            owner.cast(Heard(key, running.outcome.result()))

        left = max(0.0, running.deadline - self._owner.node.clock.now())
        timer = self._owner.send_after(left, Overdue(process))
        self._at_work[process] = _AtWork(key, timer)
        if not running.outcome.add_waiter(heard):
            heard()


def _handle(call: HandlerCall, left: float, running: Running) -> None:
    """Run the handler; on a thread of its own."""
    if not running.begun.settle(current_process()):
        return
    try:
        said = call.handler(*call.arguments)
        if inspect.isawaitable(said):
            said = asyncio.run(_awaited(said, left))
        became: Outcome = Answered(call.read(said))
    except _TimeIsOver:
        became = TimedOut(left)
    except Exited:
        raise  # Its time is over, or the fleet ends: its process's end says so.
    except BaseException as error:  # noqa: BLE001 - SystemExit too is the handler's own failure (G8)
        became = Failed(error)
    running.outcome.settle(became)


class _TimeIsOver(Exception):
    pass


async def _awaited(said: Awaitable[Any], left: float) -> Any:
    try:
        async with asyncio.timeout(left) as limit:
            return await said
    except TimeoutError as error:
        if limit.expired():
            raise _TimeIsOver from error
        raise
