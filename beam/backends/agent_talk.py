"""The talk between a session and one agent program, without a process: who waits for what.

    >>> talk = AgentTalk()
    >>> [hello] = talk.started("session_1", cwd="/home/ada", host={"name": "beam"})
    >>> talk.query(Query("q-1", "Say hi"), now=0)
    []
    >>> ready, query = talk.received(b'{"type": "ready", "protocol": 1, "name": "echo"}', now=0)
    >>> ready.effect.name, type(query).__name__
    ('echo', 'Send')
    >>> [done] = talk.received(b'{"type": "result", "query_id": "q-1", "content": "hi"}', now=0)
    >>> done.effect.message.content
    'hi'

It joins what the session wants (`beam.backends.backend`) to the protocol (`command_protocol`), and
keeps the rules that need both: one query is open at a time, and one more may wait, until the agent
is ready or has ended the one that the session abandoned; a query that is to end has some time for
it, and an agent that cannot be asked, or does not obey, is ended. It does no I/O and reads no
clock: each function returns what is to be done, in order. `now` is Unix milliseconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from beam.backends.backend import PermissionAnswer, Query, ToolResult
from beam.backends.command_ending import explained, not_started
from beam.backends.command_protocol import CommandProtocol
from beam.backends.effects import (
    AgentFailed,
    AskPermission,
    Completed,
    Deliver,
    Effect,
    Failed,
    Ignored,
    ProtocolViolation,
    Ready,
    RunTool,
    error_message,
)
from beam.errors import InvalidInput, NotSupported
from beam.model.permissions import Allow

if TYPE_CHECKING:
    from beam.model.messages import Message
    from beam.ports.port import PortExit

__all__ = ["Action", "AgentTalk", "EndProgram", "GiveTime", "Say", "Send"]


@dataclass(frozen=True, slots=True)
class Say:
    """Tell the session."""

    effect: Effect


@dataclass(frozen=True, slots=True)
class Send:
    """Type this line to the agent."""

    line: bytes


@dataclass(frozen=True, slots=True)
class GiveTime:
    """Call `out_of_time` with this query when the time is over that an agent has to end one."""

    query_id: str


@dataclass(frozen=True, slots=True)
class EndProgram:
    """End the program with its tree, if it has not ended."""


Action = Say | Send | GiveTime | EndProgram


class AgentTalk:
    """One life of one agent program, and its session's wishes.

    Attributes:
        failed: the end of the agent, once it is known.
        counts: how many lines and answers were dropped, by reason.
    """

    def __init__(self) -> None:
        self.failed: AgentFailed | None = None
        self.counts: Counter[str] = Counter()
        self._protocol = CommandProtocol()
        self._next: Query | None = None
        self._ending = ""
        self._abandoned = ""
        self._ended_for = ""
        self._now = 0
        self._actions: list[Action] = []

    @property
    def query_id(self) -> str | None:
        """The query that the agent works on, abandoned or not; None if there is none."""
        return self._protocol.query_id

    # What the session wants

    def query(self, query: Query, *, now: int) -> list[Action]:
        """Send the query if the agent is free, keep it if the agent will be, refuse it if not."""
        self._now = now
        protocol = self._protocol
        if self.failed is not None:
            self._fail(query, self.failed.reason, self.failed.message, self.failed.retryable)
        elif protocol.phase == "ready":
            self._begin(query)
        elif self._next is None and (protocol.agent is None or self._abandoned):
            self._next = query
        else:
            self._refuse(query, "query_in_progress", "another query is open", retryable=True)
        return self._take()

    def tool_result(self, answer: ToolResult) -> list[Action]:
        """Tell the agent what its tool has answered, or else why it cannot be told."""
        ids, protocol = (answer.query_id, answer.tool_use_id), self._protocol
        try:
            line = protocol.tool_result(*ids, answer.content, is_error=answer.is_error)
        except InvalidInput as error:
            if error.field == "tool_use_id":
                self.counts["unasked"] += 1
                return []
            said = f"the tool's result cannot be sent: {error}"
            line = protocol.tool_result(*ids, said, is_error=True)
        return [Send(line)] if line else []

    def permission(self, answer: PermissionAnswer) -> list[Action]:
        """Tell the agent what was decided; a decision that cannot be told is a no (G14)."""
        ids, decision = (answer.query_id, answer.request_id), answer.decision
        protocol = self._protocol
        try:
            if isinstance(decision, Allow):
                line = protocol.permission(*ids, "allow", params=decision.params)
            else:
                line = protocol.permission(*ids, "deny", reason=decision.reason)
        except InvalidInput as error:
            if error.field == "request_id":
                self.counts["unasked"] += 1
                return []
            said = f"the decision cannot be sent: {error}"
            line = protocol.permission(*ids, "deny", reason=said)
        return [Send(line)] if line else []

    def interrupt(self, query_id: str, *, now: int) -> list[Action]:
        """Have the query end, and tell the session of its end."""
        self._now = now
        waiting = self._withdraw(query_id)
        if waiting is not None:
            self._refuse(waiting, "interrupted", "interrupted before it began", retryable=False)
        elif self.query_id == query_id:
            self._ask_to_end(query_id)
        return self._take()

    def abandon(self, query_id: str) -> list[Action]:
        """Have the query end, and say nothing more of it."""
        if self._withdraw(query_id) is None and self.query_id == query_id:
            self._abandoned = query_id
            self._ask_to_end(query_id)
        return self._take()

    def out_of_time(self, query_id: str) -> list[Action]:
        """End the program, if it has not ended the query that it was asked to end."""
        if self._ending == query_id:
            self._end_program(query_id)
        return self._take()

    def farewell(self) -> list[Action]:
        """Ask the agent to end the query that it is at, because all ends."""
        if self.query_id is None:
            return []
        try:
            line = self._protocol.interrupt(self.query_id)
        except NotSupported:
            return []
        return [Send(line)] if line else []

    # What becomes of the program

    def started(self, session_id: str, *, cwd: str, host: Mapping[str, str]) -> list[Action]:
        """Greet the program."""
        return [Send(self._protocol.hello(session_id, cwd=cwd, host=host))]

    def not_started(self, error: Exception, *, now: int) -> list[Action]:
        """Tell the session that there is no program, and why."""
        return self._hear([not_started(error, timestamp=now)], now)

    def received(self, line: bytes, *, now: int) -> list[Action]:
        """Take a line of the program."""
        return self._hear(self._protocol.receive(line, timestamp=now), now)

    def overlong(self, size: int, head: bytes, *, now: int) -> list[Action]:
        """Take note of a line that was too long to be kept."""
        return self._hear(self._protocol.overlong(size, head, timestamp=now), now)

    def ended(self, exit: PortExit, *, now: int, secrets: Iterable[str] = ()) -> list[Action]:
        """Take note of the program's end, after its last line; `failed` is known after this.

        Args:
            exit: how it ended.
            now: the time.
            secrets: what must not be shown of its last words.
        """
        effects = self._protocol.closed(exit.status, timestamp=now)
        ended_for = self._ended_for
        return self._hear(
            [explained(each, exit, ended_for=ended_for, secrets=secrets) for each in effects], now
        )

    def _hear(self, effects: Iterable[Effect], now: int) -> list[Action]:
        self._now = now
        for effect in effects:
            match effect:
                case Ready():
                    self._say(effect)
                    self._begin_next()
                case Deliver() | RunTool() | AskPermission():
                    if effect.query_id == self._abandoned:
                        self.counts["abandoned"] += 1
                    else:
                        self._say(effect)
                case Completed() | Failed():
                    self._query_ended(effect)
                case AgentFailed():
                    self._agent_failed(effect)
                case ProtocolViolation(reason=reason):
                    self.counts[reason] += 1
                    self._say(effect)
                case Ignored(reason=reason):
                    self.counts[reason] += 1
        return self._take()

    def _query_ended(self, effect: Completed | Failed) -> None:
        self._ending = ""
        if effect.query_id == self._abandoned:
            self._abandoned = ""
            self._begin_next()
        else:
            self._say(effect)

    def _agent_failed(self, effect: AgentFailed) -> None:
        """Tell the session, after the end of the query that waits; the program must end too."""
        self.failed = effect
        waiting, self._next = self._next, None
        if waiting is not None:
            ended = (effect.reason, effect.message, effect.retryable, effect.exit)
            self._say(Failed(waiting.query_id, *ended, unasked=True))
        self._say(effect)
        self._actions.append(EndProgram())

    # Its parts

    def _begin_next(self) -> None:
        if self._next is not None and self._protocol.phase == "ready":
            query, self._next = self._next, None
            self._begin(query)

    def _begin(self, query: Query) -> None:
        try:
            line = self._protocol.query(
                query.query_id,
                query.prompt,
                history=query.history,
                tools=query.tools,
                params=query.params,
                attempt=query.attempt,
                timeout=query.timeout,
            )
        except InvalidInput as error:
            self._refuse(query, "invalid_input", str(error), retryable=False)
        else:
            self._actions.append(Send(line))

    def _ask_to_end(self, query_id: str) -> None:
        """Ask the agent to end the query and give it time, or end one that cannot be asked."""
        if self._ending:
            return
        try:
            line = self._protocol.interrupt(query_id)
        except NotSupported:
            self._end_program(query_id)
        else:
            self._ending = query_id
            self._actions += [Send(line), GiveTime(query_id)]

    def _end_program(self, query_id: str) -> None:
        if not self._ended_for:
            self._ended_for = self._ending = query_id
            self._actions.append(EndProgram())

    def _withdraw(self, query_id: str) -> Query | None:
        """Take the query back if it has not been sent."""
        if self._next is None or self._next.query_id != query_id:
            return None
        waiting, self._next = self._next, None
        return waiting

    def _refuse(self, query: Query, reason: str, content: str, *, retryable: bool) -> None:
        self._fail(query, reason, error_message(reason, content, self._now), retryable)

    def _fail(self, query: Query, reason: str, message: Message, retryable: bool) -> None:
        self._say(Failed(query.query_id, reason, message, retryable))

    def _say(self, effect: Effect) -> None:
        self._actions.append(Say(effect))

    def _take(self) -> list[Action]:
        actions, self._actions = self._actions, []
        return actions
