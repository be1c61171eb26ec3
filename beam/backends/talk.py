"""What an agent's driver may say to its session, and ask of it: one frozen surface for all agents.

All functions run on the loop thread. What is said goes to the connection's process by casts, in
order, and from there to the session.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

from beam.backends.backend import WINDOW, ToolResult
from beam.backends.effects import AskPermission, Deliver, RunTool
from beam.model.messages import ToolMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from beam.backends.backend import Opening, PermissionAnswer, Query
    from beam.backends.effects import Effect, ProtocolViolation
    from beam.model.messages import Message
    from beam.model.permissions import Decision
    from beam.otp.clock import Clock

__all__ = ["Talk"]


class Talk:
    """A driver's words; see the module.

    Args:
        opening: for whom the connection is.
        clock: the node's.
        tell: takes each effect.

    Attributes:
        opening: for whom the connection is.
        query: the open turn; None between turns.
        waiting: how many answers of the session, permissions and tools, are waited for: while one
            is, no deadline of silence counts.
        last_heard: when the agent was last heard of, on the node's clock.
        began: whether it was heard of in this turn.
        muted: whether the session wants to hear no more of it.
    """

    def __init__(self, opening: Opening, clock: Clock, tell: Callable[[Effect], None]) -> None:
        self.opening = opening
        self.query: Query | None = None
        self.waiting = 0
        self.last_heard = clock.now()
        self.began = False
        self.muted = False
        self._clock = clock
        self._tell = tell
        self._left = WINDOW
        self._is_first = False
        self._pauses = False
        self._may_go = asyncio.Event()
        self._may_go.set()
        self._ids = itertools.count(1)
        # Bounded: an agent waits for the answers to what it asks, and a turn's end clears them.
        self._answers: dict[str, asyncio.Future[Any]] = {}

    # What a driver says

    def say(self, message: Message, *, own: bool = False) -> None:
        """Deliver a message of the open turn; what is said between turns is dropped.

        Args:
            message: what is said.
            own: it is the driver's own word of the agent, and no sign that the agent lives.
        """
        if not own:
            self.heard()
        if self.query is not None and not self.muted:
            if self._is_first and message.type != "system":
                # Whoever waits for the answer is to see it begin before the rest of it is read: of
                # what has come already this thread would read all, and hold the interpreter.
                self._is_first, self._pauses = False, True
            self._out(Deliver(self.query.query_id, message))

    def violated(self, violation: ProtocolViolation) -> None:
        """Report a line of the agent that is no message, in a turn or between two."""
        self._out(violation)

    def heard(self) -> None:
        """Note that the agent is at work on the turn, if there is nothing to say."""
        self.last_heard = self._clock.now()
        self.began = True

    def now(self) -> int:
        """Return the time, in Unix milliseconds."""
        return int(self._clock.time() * 1000)

    async def room(self) -> None:
        """Wait until the session is less than `WINDOW` effects behind (G19).

        After the first message of a turn, wait until the session has taken something.
        """
        await self._may_go.wait()

    # What a driver asks

    async def permission(
        self,
        tool_name: str,
        tool_input: Mapping[str, Any],
        options: Mapping[str, Any] | None = None,
    ) -> Decision | None:
        """Ask whether the agent may do this.

        Args:
            tool_name: what it wants to use.
            tool_input: with what.
            options: what else there is to say for whoever decides, JSON data.

        Returns:
            The decision; None if the turn was ended meanwhile: then the agent is to be told that
            the question is cancelled, and nothing is allowed (G14).
        """
        query = self.query
        if query is None or self.muted:
            return None
        request_id = f"p{next(self._ids)}"
        asked = AskPermission(query.query_id, request_id, tool_name, tool_input, options or {})
        decision: Decision | None = await self._answer(request_id, asked)
        return decision

    async def tool(self, tool_use_id: str, name: str, tool_input: Mapping[str, Any]) -> ToolResult:
        """Run one of the session's own tools, once its call is in the log (G12).

        Both the call and the result are delivered as messages by this.

        Returns:
            What came of it; an error if the turn was ended meanwhile.
        """
        query = self.query
        if query is None or self.muted:
            return ToolResult("", tool_use_id, "no turn is open", is_error=True)
        self.say(
            ToolMessage(
                "tool_use", tool_use_id=tool_use_id, tool_name=name, tool_input=dict(tool_input)
            )
        )
        asked = RunTool(query.query_id, tool_use_id, name, tool_input)
        answer: ToolResult | None = await self._answer(tool_use_id, asked)
        if answer is None:
            return ToolResult(query.query_id, tool_use_id, "the turn is over", is_error=True)
        return answer

    async def _answer(self, key: str, asked: Effect) -> Any:
        answer = asyncio.get_running_loop().create_future()
        self._answers[key] = answer
        self.waiting += 1
        try:
            self._out(asked)
            return await answer
        finally:
            self.waiting -= 1
            self._answers.pop(key, None)
            self.heard()

    # What the connection passes on

    def mute(self) -> None:
        """Drop what is said of the open turn from now on, and answer what is asked with None."""
        self.muted = True
        self._go_on()
        self.cancel_questions()

    def begin(self, query: Query) -> None:
        """Open a turn."""
        self.query = query
        self.began = self.muted = False
        self._is_first = True
        self.last_heard = self._clock.now()

    def end(self) -> None:
        """Close the turn: nobody is asked any more."""
        self.query = None
        self._go_on()
        self.cancel_questions()

    def cancel_questions(self) -> None:
        """Answer all that is asked with None."""
        for answer in list(self._answers.values()):
            if not answer.done():
                answer.set_result(None)

    def decided(self, answer: PermissionAnswer) -> None:
        """Pass a decision on."""
        self._settle(answer.query_id, answer.request_id, answer.decision)

    def tool_ended(self, result: ToolResult) -> None:
        """Pass a tool's result on."""
        self._settle(result.query_id, result.tool_use_id, result)

    def give(self, count: int) -> None:
        """Let `count` more effects be said."""
        self._left = min(WINDOW, self._left + count)
        self._go_on()

    def _settle(self, query_id: str, key: str, value: Any) -> None:
        answer = self._answers.get(key)
        mine = self.query is not None and self.query.query_id == query_id
        if answer is not None and mine and not answer.done():
            answer.set_result(value)

    def _out(self, effect: Effect) -> None:
        self._left -= 1
        if self._pauses or self._left <= 0:
            self._may_go.clear()
        self._tell(effect)

    def _go_on(self) -> None:
        self._pauses = False
        if self._left > 0:
            self._may_go.set()
