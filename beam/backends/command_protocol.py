"""The command protocol without its pipes: lines in, effects out; commands in, lines out.

    >>> agent = CommandProtocol()
    >>> agent.hello("session_1").startswith(b'{"type": "hello", "protocols": [1]')
    True
    >>> agent.receive(b'{"type": "ready", "protocol": 1, "name": "echo"}', timestamp=0)
    (Ready(name='echo', version='', capabilities=(), agent_session='', continued='new'),)
    >>> query = agent.query("q-1", "Say hi")
    >>> line = b'{"type": "result", "query_id": "q-1", "content": "hi"}'
    >>> [done] = agent.receive(line, timestamp=0)
    >>> type(done).__name__, done.message.content, agent.phase
    ('Completed', 'hi', 'ready')

One `CommandProtocol` stands for one life of one agent program, as `docs/command-agents.md` has it.
It does no I/O, reads no clock and belongs to whoever calls it, one thread at a time. `receive`
takes any bytes and never raises: what is wrong with them is an effect. It remembers the handshake
and the open query (`open_query`), of the past nothing: what comes of a past query is late.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from beam.backends import host_lines
from beam.backends.agent_lines import (
    MAX_LINE,
    PROTOCOL,
    STREAMED,
    AgentLine,
    Bad,
    Decoded,
    ErrorLine,
    ReadyLine,
    Unknown,
    decode,
    line_type,
)
from beam.backends.effects import (
    AgentFailed,
    Effect,
    Ignored,
    ProtocolViolation,
    Ready,
    error_message,
)
from beam.backends.host_lines import Decision, HostTool, Turn
from beam.backends.open_query import Ask, OpenQuery, Violation
from beam.errors import NotSupported, QueryInProgress, SessionRefused

__all__ = ["MAX_NOISE", "CommandProtocol", "Phase"]

Phase = Literal["new", "greeting", "ready", "busy", "ended"]

MAX_NOISE = 100
"""The most lines in one query, or between two, that are dropped as no lines of the protocol."""

EXCERPT = 200
"""The bytes of a bad line that are shown."""


class CommandProtocol:
    """The host's side of the protocol with one agent program.

    Attributes:
        phase: `new` until `hello`, `greeting` until the agent is ready, then `ready` and, while a
            query is open, `busy`; `ended` for ever once the agent has failed or gone.
        agent: what the agent said of itself in the handshake, None before.
    """

    def __init__(self) -> None:
        self.phase: Phase = "new"
        self.agent: Ready | None = None
        self._query: OpenQuery | None = None
        self._told_history = False
        self._noise = 0

    @property
    def query_id(self) -> str | None:
        """The open query, None if there is none."""
        return self._query.id if self._query else None

    # --- commands: each returns the line to send, empty where nothing is to be sent ---

    def hello(
        self, session_id: str, *, cwd: str = "", host: Mapping[str, str] | None = None
    ) -> bytes:
        """Begin the handshake.

        Args:
            session_id: the session that the program serves.
            cwd: the folder that it works in.
            host: `name` and `version` of the host.

        Raises:
            SessionRefused: the handshake has begun before (`already_greeted`).
            InvalidInput: an argument cannot be sent.
        """
        if self.phase != "new":
            raise SessionRefused("already_greeted", phase=self.phase)
        line = host_lines.hello(session_id, cwd, host or {"name": "beam"})
        self.phase = "greeting"
        return line

    def query(
        self,
        query_id: str,
        prompt: str,
        *,
        history: Sequence[Turn] = (),
        tools: Sequence[HostTool] = (),
        params: Mapping[str, object] | None = None,
        attempt: int = 1,
        timeout: float | None = None,
    ) -> bytes:
        """Open a query.

        Args:
            query_id: new for each query and each attempt of it, 1 to 200 characters.
            prompt: what is asked.
            history: the conversation before it, oldest first; left out for an agent with the
                capability `memory` that has had a query before.
            tools: what the host runs for the agent.
            params: the query's options (model, max_turns, ...), as they are.
            attempt: 1, or more if the prompt was run before and may have had effects (G12).
            timeout: the seconds until the host gives up.

        Raises:
            QueryInProgress: another query is open.
            SessionRefused: the agent is not ready, or has ended (`not_ready`).
            InvalidInput: an argument cannot be sent.
        """
        if self._query is not None:
            raise QueryInProgress(query_id=self._query.id)
        if self.phase != "ready" or self.agent is None:
            raise SessionRefused("not_ready", phase=self.phase)
        remembers = self._told_history and "memory" in self.agent.capabilities
        line = host_lines.query(
            query_id,
            prompt,
            history=() if remembers else history,
            tools=tools,
            params=params or {},
            attempt=attempt,
            timeout=timeout,
        )
        self._query, self.phase = OpenQuery(query_id), "busy"
        self._told_history, self._noise = True, 0
        return line

    def tool_result(
        self, query_id: str, tool_use_id: str, content: str, *, is_error: bool = False
    ) -> bytes:
        """Answer a `RunTool`; empty if nobody waits for it any more.

        Raises:
            InvalidInput: the open query has no such call, or the content is no text, or too much
                of it; the call is still unanswered then.
        """
        call = ("tool_use_id", tool_use_id)
        if not self._awaits(query_id, call):
            return b""
        line = host_lines.tool_result(query_id, tool_use_id, content, is_error=is_error)
        self._answered(call)
        return line

    def permission(
        self,
        query_id: str,
        request_id: str,
        decision: Decision,
        *,
        params: Mapping[str, object] | None = None,
        reason: str = "",
    ) -> bytes:
        """Answer an `AskPermission`; empty if nobody waits for it any more.

        Args:
            query_id: the query of the request.
            request_id: the request.
            decision: `allow` or `deny`.
            params: with `allow`, the tool input to use in place of the one asked for.
            reason: why, for the agent to read.

        Raises:
            InvalidInput: the open query has no such request, or an argument cannot be sent; the
                request is still unanswered then.
        """
        request = ("request_id", request_id)
        if not self._awaits(query_id, request):
            return b""
        line = host_lines.permission_response(
            query_id, request_id, decision, params=params, reason=reason
        )
        self._answered(request)
        return line

    def interrupt(self, query_id: str) -> bytes:
        """Ask the agent to end the query; empty if it is not open or was interrupted before.

        The query stays open until the agent ends it or `abandon` is called; what the agent asked
        in it is no longer to be answered.

        Raises:
            NotSupported: the agent has no capability `interrupt`: end the program instead.
        """
        query = self._query
        if query is None or query.id != query_id or query.interrupted:
            return b""
        if self.agent is None or "interrupt" not in self.agent.capabilities:
            raise NotSupported("interrupt", query_id=query_id)
        line = host_lines.interrupt(query_id)
        query.interrupt()
        return line

    def abandon(self, query_id: str) -> None:
        """Forget the query if it is open: what the agent still says of it is late."""
        if self.query_id == query_id:
            self._close()

    # --- events: each returns what to do about it, in order ---

    def receive(self, line: bytes, *, timestamp: int) -> tuple[Effect, ...]:
        """Take one line of the agent's stdout, with or without its newline.

        Args:
            line: any bytes.
            timestamp: now, Unix milliseconds.
        """
        if self.phase == "ended" or not line.strip():
            return ()
        if len(line) > MAX_LINE:
            return self.overlong(len(line), line[:EXCERPT], timestamp=timestamp)
        outcome = self._take(decode(line), timestamp)
        if isinstance(outcome, Violation):
            return self._violated(outcome, line, timestamp)
        return outcome

    def overlong(self, size: int, head: bytes, *, timestamp: int) -> tuple[Effect, ...]:
        """Take note of a line over `MAX_LINE` that is not here, of which `head` is the beginning.

        A message that is only streamed is lost and the query goes on; all else is fatal, because
        somebody may wait for it.
        """
        if self.phase == "ended":
            return ()
        fatal = line_type(head) not in STREAMED
        detail = f"{size} bytes, more than {MAX_LINE}"
        return self._violated(Violation("line_too_long", detail, fatal), head, timestamp)

    def closed(self, status: int | None, *, timestamp: int) -> tuple[Effect, ...]:
        """Take note that the program has ended: its stdout is at its end, all lines are received.

        Args:
            status: its exit status, negative for a signal, None if it is not known.
            timestamp: now, Unix milliseconds.
        """
        if self.phase == "ended":
            return ()
        how = "for an unknown reason" if status is None else f"with status {status}"
        return self._end("cli_exit", f"the agent program ended {how}", timestamp, retryable=True)

    # --- what a line means ---

    def _take(
        self, decoded: Decoded | Unknown | Bad, timestamp: int
    ) -> tuple[Effect, ...] | Violation:
        match decoded:
            case Unknown(kind):
                return (Ignored("unknown_type", kind),)
            case Bad(reason, detail, known):
                return Violation(reason, detail, fatal=known)
            case Decoded(ReadyLine() as said, _):
                return self._ready(said)
            case Decoded(ErrorLine() as said, wire) if said.query_id is None or not self.agent:
                return self._end(
                    said.reason, said.content, timestamp, retryable=said.retryable, wire=wire
                )
            case Decoded(said, wire):
                return self._in_query(said, wire, timestamp)

    def _ready(self, said: ReadyLine) -> tuple[Effect, ...] | Violation:
        if self.phase == "new":
            return Violation("not_greeted", "ready before hello")
        if self.agent is not None:
            return Violation("already_ready", "ready a second time", fatal=False)
        if said.protocol != PROTOCOL:
            return Violation("bad_protocol", f"expected {PROTOCOL}, got {said.protocol}")
        self.agent = Ready(said.name, said.version, tuple(said.capabilities))
        self.phase = "ready"
        return (self.agent,)

    def _in_query(
        self, said: AgentLine, wire: dict[str, Any], timestamp: int
    ) -> tuple[Effect, ...] | Violation:
        if self.agent is None:
            return Violation("not_ready", f"{said.type} before ready")
        query = self._query
        if query is None or isinstance(said, ReadyLine) or said.query_id != query.id:
            return (Ignored("late", said.type),)
        outcome = query.take(said, wire, timestamp=timestamp)
        if query.over:
            self._close()
        return outcome

    def _awaits(self, query_id: str, ask: Ask) -> bool:
        query = self._query
        return query is not None and query.id == query_id and query.awaits(ask)

    def _answered(self, ask: Ask) -> None:
        if self._query is not None:
            self._query.answered(ask)

    # --- endings ---

    def _close(self) -> None:
        self._query, self.phase, self._noise = None, "ready", 0

    def _violated(self, violation: Violation, line: bytes, timestamp: int) -> tuple[Effect, ...]:
        self._noise += 1
        fatal = violation.fatal or self._noise > MAX_NOISE
        excerpt = line[:EXCERPT].decode("utf-8", "replace")
        report = ProtocolViolation(violation.reason, violation.detail, excerpt, fatal)
        if not fatal:
            return (report,)
        content = f"the agent broke the protocol: {violation.reason}: {violation.detail}"
        return (report, *self._end("protocol_error", content, timestamp, retryable=False))

    def _end(
        self,
        reason: str,
        content: str,
        timestamp: int,
        *,
        retryable: bool,
        wire: dict[str, Any] | None = None,
    ) -> tuple[Effect, ...]:
        message = error_message(reason, content, timestamp, wire)
        effects: tuple[Effect, ...] = (AgentFailed(reason, message, retryable),)
        if self._query is not None:
            effects = (self._query.failed(reason, message, retryable=retryable), *effects)
        self._query, self.phase = None, "ended"
        return effects
