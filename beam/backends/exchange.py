"""Where a running function and the world around it meet; from any thread on either side.

The function's side says effects (`say`, `run_tool`, `ask`, `end`) and waits for futures; the other
side answers, gives room, and interrupts. After an interrupt, and after the end, nothing that the
function says goes out, and nothing that it waits for is waited for any longer.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from beam.backends.backend import PermissionAnswer, Query, ToolResult
from beam.backends.effects import AskPermission, Completed, Deliver, Effect, Failed, RunTool
from beam.backends.line_limits import MAX_OPEN
from beam.errors import Interrupted, QueueFull
from beam.model.encoding import decode, encode
from beam.otp import Future

if TYPE_CHECKING:
    from beam.model.messages import Message
    from beam.model.permissions import Decision

__all__ = ["Exchange", "Room"]


class Room:
    """How many more effects of a query may be said, before the session has taken some.

    Args:
        size: how many at the beginning; may be less than none.
    """

    __slots__ = ("_left", "_lock", "_waiting")

    def __init__(self, size: int) -> None:
        self._left = size
        self._lock = threading.Lock()
        # At most one waits for each thread or task of the one query that is open.
        self._waiting: deque[Future[None]] | None = None

    def take(self) -> Future[None] | None:
        """Take a place; or return a future of one, if there is none now."""
        with self._lock:
            if self._left > 0 and not self._waiting:
                self._left -= 1
                return None
            future: Future[None] = Future()
            if self._waiting is None:
                self._waiting = deque()
            self._waiting.append(future)
            return future

    def force(self, count: int) -> None:
        """Take places whether or not there are any, for what must be said at once."""
        with self._lock:
            self._left -= count

    def give(self, count: int) -> None:
        """Give places back; whoever waits longest gets the first."""
        with self._lock:
            self._left += count
            while self._waiting and self._left > 0:
                # One who waits no more, because of an interrupt, is passed over.
                if self._waiting.popleft().settle(None):
                    self._left -= 1
            if not self._waiting:
                self._waiting = None


class Exchange:
    """One query of one function.

    Args:
        query: what is asked.
        session_id: by whom.
        emit: says an effect to the world; must not block for long, from any thread.
        room: what bounds the effects; None if `emit` does.
        deadline: when the session gives up, on the node's clock.

    Attributes:
        interrupted: set when the query is to end.
    """

    def __init__(
        self,
        query: Query,
        session_id: str,
        emit: Callable[[Effect], object],
        room: Room | None,
        deadline: float | None,
    ) -> None:
        self.query = query
        self.session_id = session_id
        self.deadline = deadline
        self.interrupted = threading.Event()
        self._emit = emit
        self._room = room
        self._lock = threading.Lock()
        self._over = False
        self._numbers = itertools.count(1)
        self._answers: dict[str, Future[Any]] = {}
        self._waits: set[Future[Any]] = set()
        self._on_interrupt: list[Callable[[], object]] = []

    # The function's side

    def place(self) -> Future[None] | None:
        """Take a place for an effect; or return a future of one, to be waited for.

        Raises:
            Interrupted: the query is to end.
        """
        with self._lock:
            self._raise_if_interrupted()
            future = self._room.take() if self._room is not None else None
            if future is not None:
                self._waits = {each for each in self._waits if not each.done}
                self._waits.add(future)
            return future

    def deliver(self, message: Message) -> None:
        """Say a message, for which there is a place."""
        self._say(Deliver(self.query.query_id, message))

    def run_tool(self, name: str, tool_input: Mapping[str, Any]) -> Future[ToolResult]:
        """Ask for a tool, and return the future of its result."""
        given, number = decode(encode(dict(tool_input))), next(self._numbers)
        # The id names the query, so that it is new in the session's log, too.
        tool_use_id = f"{self.query.query_id[:180]}.t{number}"
        effect = RunTool(self.query.query_id, tool_use_id, name, given)
        # The connection says two things of it: that there is the call, and that it is to be run.
        return self._ask(tool_use_id, effect, places=2)

    def ask(
        self, tool_name: str, tool_input: Mapping[str, Any], options: Mapping[str, Any]
    ) -> Future[Decision]:
        """Ask for permission, and return the future of the decision."""
        given, more = decode(encode(dict(tool_input))), decode(encode(dict(options)))
        request_id = f"p{next(self._numbers)}"
        effect = AskPermission(self.query.query_id, request_id, tool_name, given, more)
        return self._ask(request_id, effect, places=1)

    def end(self, effect: Completed | Failed) -> bool:
        """Say how the query has ended; return whether this was its first end."""
        with self._lock:
            over, self._over = self._over, True
        if not over:
            self._emit(effect)
        return not over

    # The world's side

    def tool_answered(self, result: ToolResult) -> None:
        """Give the result of a tool to whoever waits for it."""
        self._answer(result.tool_use_id, result)

    def decided(self, answer: PermissionAnswer) -> None:
        """Give the decision to whoever waits for it."""
        self._answer(answer.request_id, answer.decision)

    def interrupt(self) -> None:
        """End the query: the function is told, nothing that it says is heard; again is nothing."""
        with self._lock:
            if self.interrupted.is_set():
                return
            self.interrupted.set()
            self._over = True
            waits = [*self._waits, *self._answers.values()]
            self._waits.clear()
            self._answers.clear()
            told, self._on_interrupt = self._on_interrupt, []
        for future in waits:
            future.settle(Interrupted(query_id=self.query.query_id), failed=True)
        for tell in told:
            tell()

    def on_interrupt(self, tell: Callable[[], object]) -> None:
        """Have `tell` called when the query is to end; at once, if it is by now."""
        with self._lock:
            late = self.interrupted.is_set()
            if not late:
                self._on_interrupt.append(tell)
        if late:
            tell()

    def give(self, places: int) -> None:
        """Let so many more effects be said."""
        if self._room is not None:
            self._room.give(places)

    def _ask(self, key: str, effect: RunTool | AskPermission, *, places: int) -> Future[Any]:
        future: Future[Any] = Future()
        with self._lock:
            self._raise_if_interrupted()
            if len(self._answers) >= MAX_OPEN:
                raise QueueFull("too_many_open", limit=MAX_OPEN)
            self._answers[key] = future
        if self._room is not None:
            # Bounded by MAX_OPEN, so it need not wait for a place.
            self._room.force(places)
        self._say(effect)
        return future

    def _answer(self, key: str, value: Any) -> None:
        with self._lock:
            future = self._answers.pop(key, None)
        if future is not None:
            future.settle(value)

    def _say(self, effect: Effect) -> None:
        with self._lock:
            if self._over:
                return
        self._emit(effect)

    def _raise_if_interrupted(self) -> None:
        if self.interrupted.is_set():
            raise Interrupted(query_id=self.query.query_id)
