"""The open query of a command agent: what its lines mean, and what of it waits for an answer.

    >>> from beam.backends.agent_lines import decode
    >>> query = OpenQuery("q-1")
    >>> use = decode(b'{"type": "tool_use", "query_id": "q-1", "tool_use_id": "t1",'
    ...              b' "tool_name": "read_file", "host": true}')
    >>> [type(effect).__name__ for effect in query.take(use.line, use.wire, timestamp=0)]
    ['Deliver', 'RunTool']
    >>> query.take(use.line, use.wire, timestamp=0)
    Violation(reason='duplicate_id', detail="tool_use_id 't1' a second time", fatal=True)

It remembers the ids of all that the agent has asked, `MAX_CALLS` at most, because an id that comes
twice must not run a tool twice (G12), and which of them are unanswered, `MAX_OPEN` at most (G19).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from beam.backends.agent_lines import (
    AgentLine,
    ErrorLine,
    PermissionLine,
    ResultLine,
    ToolResultLine,
    ToolUseLine,
)
from beam.backends.effects import (
    AskPermission,
    Completed,
    Deliver,
    Effect,
    Failed,
    Ignored,
    RunTool,
    error_message,
)
from beam.backends.line_limits import MAX_OPEN
from beam.errors import InvalidInput
from beam.model.messages import Message
from beam.model.wire import normalize

__all__ = ["MAX_CALLS", "MAX_OPEN", "Ask", "OpenQuery", "Violation"]

MAX_CALLS = 100_000
"""The most tool calls and permission requests in one query."""

Ask = tuple[str, str]
"""What an agent asks: `tool_use_id` or `request_id`, and the id."""


@dataclass(frozen=True, slots=True)
class Violation:
    """The agent typed what it must not; the fields are those of `ProtocolViolation`."""

    reason: str
    detail: str
    fatal: bool = True


@dataclass(slots=True)
class OpenQuery:
    """A query from its line to its end.

    Attributes:
        id: the host's name for it.
        interrupted: whether the agent has been asked to end it.
        over: whether the agent has ended it.
    """

    id: str
    interrupted: bool = False
    over: bool = False
    _asked: set[Ask] = field(default_factory=set)
    _unanswered: set[Ask] = field(default_factory=set)

    def take(
        self, said: AgentLine, wire: Mapping[str, Any], *, timestamp: int
    ) -> tuple[Effect, ...] | Violation:
        """Return what a line of this query means.

        Args:
            said: the line, which carries this query's id.
            wire: the whole object that it came as.
            timestamp: now, Unix milliseconds.
        """
        match said:
            case ResultLine() | ErrorLine():
                self.over = True
                return (self._end(said, wire, timestamp),)
            case PermissionLine():
                return self._permission(said)
            case ToolUseLine(host=True):
                return self._tool_use(said, wire, timestamp)
            case ToolResultLine() if ("tool_use_id", said.tool_use_id) in self._asked:
                detail = "a result for a tool call that is the host's to answer"
                return Violation("not_yours", detail, fatal=False)
            case _:
                return (Deliver(self.id, _message(wire, timestamp)),)

    def interrupt(self) -> None:
        """Note that the agent is asked to end: its questions are moot."""
        self.interrupted = True
        self._unanswered.clear()

    def awaits(self, ask: Ask) -> bool:
        """Tell whether the agent still waits for the answer.

        Raises:
            InvalidInput: it has never asked this.
        """
        if ask not in self._asked:
            raise InvalidInput(ask[0], ask[1], f"one that the agent sent in query {self.id!r}")
        return ask in self._unanswered

    def answered(self, ask: Ask) -> None:
        """Note that the answer is on its way."""
        self._unanswered.discard(ask)

    def failed(self, reason: str, message: Message, *, retryable: bool) -> Failed:
        """Return the end of this query without an answer: after an interrupt, that is why."""
        if self.interrupted:
            return Failed(self.id, "interrupted", message, retryable=False)
        return Failed(self.id, reason, message, retryable)

    def _end(
        self, said: ResultLine | ErrorLine, wire: Mapping[str, Any], timestamp: int
    ) -> Completed | Failed:
        if isinstance(said, ErrorLine):
            message = error_message(said.reason, said.content, timestamp, wire)
            return self.failed(said.reason, message, retryable=said.retryable)
        answer = _message(wire, timestamp)
        if said.is_error:
            return self.failed("agent_error", answer, retryable=False)
        return Completed(self.id, answer)

    def _permission(self, said: PermissionLine) -> tuple[Effect, ...] | Violation:
        violation = self._ask(("request_id", said.id))
        if violation:
            return violation
        if self.interrupted:
            return (Ignored("interrupted", said.type),)
        return (AskPermission(self.id, said.id, said.tool_name, said.tool_input, said.options),)

    def _tool_use(
        self, said: ToolUseLine, wire: Mapping[str, Any], timestamp: int
    ) -> tuple[Effect, ...] | Violation:
        violation = self._ask(("tool_use_id", said.tool_use_id))
        if violation:
            return violation
        told = Deliver(self.id, _message(wire, timestamp))
        if self.interrupted:
            return (told, Ignored("interrupted", said.type))
        return (told, RunTool(self.id, said.tool_use_id, said.tool_name, said.tool_input))

    def _ask(self, ask: Ask) -> Violation | None:
        """Note that the agent asks, if it may."""
        if ask in self._asked:
            return Violation("duplicate_id", f"{ask[0]} {ask[1]!r} a second time")
        if len(self._asked) >= MAX_CALLS:
            return Violation("too_many_calls", f"more than {MAX_CALLS} in one query")
        if len(self._unanswered) >= MAX_OPEN:
            return Violation("too_many_open", f"more than {MAX_OPEN} unanswered")
        self._asked.add(ask)
        if not self.interrupted:
            self._unanswered.add(ask)
        return None


_HOST_FIELDS = frozenset(("session_id", "thread_id"))

_OTHER_NAMES: Mapping[str, frozenset[str]] = {
    "result": frozenset(("result",)),
    "thinking": frozenset(("thinking",)),
    "tool_use": frozenset(("id", "name", "input")),
    "tool_result": frozenset(("id", "name", "input")),
    "tool_progress": frozenset(("id", "name", "input")),
}
"""Names that other agents have for fields of theirs, and that mean nothing in this protocol."""


def _message(wire: Mapping[str, Any], timestamp: int) -> Message:
    """Return the unified message, without what is the host's to say."""
    spare = _HOST_FIELDS | _OTHER_NAMES.get(wire["type"], frozenset())
    said = {name: value for name, value in wire.items() if name not in spare}
    return normalize(said, timestamp=timestamp)
