"""Scripted agents: backends whose agents do what a function or a file says, on any scheduler.

    >>> import beam
    >>> from beam.testing import Simulation
    >>> def agent(turn):
    ...     turn.say("thinking")
    ...     turn.wait(60.0)
    ...     return turn.prompt.upper()
    >>> with Simulation(1) as sim, sim.fleet(backends={"agent": scripted(agent)}) as fleet:
    ...     session = fleet.start_session(backend="agent")
    ...     session.query("hello").get(), sim.clock.now()
    ('HELLO', 60.0)

The function is called for each query, in a process of its own, so it may wait, for time, for a
tool's result or for a permission, while its connection hears the session. What it returns is the
answer, what it raises fails the query; an interrupt ends it.

Given the path of a recording, the agents do what was recorded: see `beam.testing.recorded`.
"""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, Any, ClassVar

from beam.backends.backend import (
    Abandon,
    Backend,
    Heard,
    Interrupt,
    PermissionAnswer,
    Query,
    ToolResult,
)
from beam.backends.effects import AskPermission, Completed, Deliver, Failed, Ready, RunTool
from beam.errors import InvalidInput
from beam.model.messages import ErrorMessage, Message, ResultMessage, ToolMessage
from beam.otp import Exit, Ref, Server, current_process, exit, receive, spawn_link
from beam.testing.recorded import recorded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from beam.backends.backend import Opening

__all__ = ["AgentError", "Turn", "scripted"]


class AgentError(Exception):
    """What a scripted agent fails a query with.

    Args:
        reason: the word that the query's error has.
        retryable: whether the same prompt may do better on another try.
    """

    def __init__(self, reason: str = "agent_error", *, retryable: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retryable = retryable


class Turn:
    """One query, as its agent has it; its functions are for the function of the agent alone.

    Attributes:
        query: what was asked.
        session_id: by which session.
    """

    def __init__(self, connection: Ref[Any], opening: Opening, query: Query) -> None:
        self.query = query
        self.session_id = opening.session_id
        self._connection = connection
        self._session = opening.session
        self._numbers = itertools.count(1)

    @property
    def prompt(self) -> str:
        """What was asked."""
        return self.query.prompt

    @property
    def attempt(self) -> int:
        """1, or more if the prompt was run before and may have had effects (G12)."""
        return self.query.attempt

    def say(self, text: str) -> None:
        """Send a message of the answer."""
        self._tell(Deliver(self.query.query_id, Message("text", text)))

    def wait(self, seconds: float) -> None:
        """Let the node's time pass."""
        process = current_process()
        assert process is not None
        process.node.sleep(seconds)

    def tool(self, name: str, /, **given: Any) -> ToolResult:
        """Have the host run a tool; return its result when it is there."""
        use = f"{self.query.query_id}-tool-{next(self._numbers)}"
        self._tell(Deliver(self.query.query_id, _tool_use(use, name, given)))
        self._tell(RunTool(self.query.query_id, use, name, given))
        result: ToolResult = self._answer(
            lambda one: isinstance(one, ToolResult) and one.tool_use_id == use
        )
        return result

    def permission(self, name: str, /, **given: Any) -> Any:
        """Ask for a permission; return the decision when it is there."""
        request = f"{self.query.query_id}-ask-{next(self._numbers)}"
        self._tell(AskPermission(self.query.query_id, request, name, given, {}))
        answer = self._answer(
            lambda one: isinstance(one, PermissionAnswer) and one.request_id == request
        )
        return answer.decision

    def _answer(self, wanted: Callable[[Any], bool]) -> Any:
        while not wanted(answer := receive()):
            continue  # Of something that is over.
        return answer

    def _tell(self, effect: Any) -> None:
        self._session.cast(Heard(self._connection, effect))


def _tool_use(use: str, name: str, given: Mapping[str, Any]) -> Message:
    return ToolMessage("tool_use", tool_use_id=use, tool_name=name, tool_input=dict(given))


class _Connection(Server):
    """A session's connection to a scripted agent."""

    trap_exit = True

    def init(self, agent: Callable[[Turn], Any], opening: Opening) -> None:
        self._agent = agent
        self._opening = opening
        self._open: Query | None = None
        self._worker: Ref[Any] | None = None
        self._say(Ready("scripted", "1", ()))

    def handle_cast(self, message: Any) -> None:
        match message:
            case Query():
                self._open = message
                turn = Turn(self.actor_ref, self._opening, message)
                self._worker = spawn_link(_work, self._agent, turn, self.actor_ref)
            case Interrupt() | Abandon() if self._open is not None:
                self._end_worker()
                self._fail("interrupted", retryable=False)
            case ToolResult() | PermissionAnswer() if self._worker is not None:
                if self._worker.is_alive():
                    self._worker.tell(message)
            case (Query() as query, answer) if query is self._open:
                self._open = None
                self._say(Completed(query.query_id, ResultMessage(content=str(answer))))

    def handle_call(self, message: Any, caller: Any) -> Any:
        return None  # There is no program of the operating system.

    def handle_info(self, message: Any) -> None:
        match message:
            case Exit(process=process) if process is self._worker:
                error = getattr(message.reason, "exception", None)
                if self._open is not None and message.reason != "normal":
                    reason = getattr(error, "reason", None)
                    word = reason if isinstance(reason, str) else "agent_error"
                    self._fail(word, retryable=bool(getattr(error, "retryable", False)))
            case Exit(reason=reason) if reason != "normal":
                self.stop(reason)

    def terminate(self, reason: Any) -> None:
        self._end_worker()

    def _end_worker(self) -> None:
        if self._worker is not None:
            exit(self._worker, "kill")

    def _fail(self, reason: str, *, retryable: bool) -> None:
        query, self._open = self._open, None
        assert query is not None
        message = ErrorMessage(content=f"the agent failed: {reason}")
        self._say(Failed(query.query_id, reason, message, retryable))

    def _say(self, effect: Any) -> None:
        self._opening.session.cast(Heard(self.actor_ref, effect))


def _work(agent: Callable[[Turn], Any], turn: Turn, connection: Ref[Any]) -> None:
    """Run the agent for one query, in a process of its own."""
    connection.cast((turn.query, agent(turn)))


class _Scripted(Backend):
    """A backend whose agents are one function."""

    kind: ClassVar[str] = "function"

    def __init__(self, agent: Callable[[Turn], Any]) -> None:
        self._agent = agent

    def check(self) -> None:
        if not callable(self._agent):
            raise InvalidInput("agent", self._agent, "a function of one Turn, or a path")

    def connect(self, name: str, opening: Opening) -> Ref[Any]:
        return _Connection.start_link(self._agent, opening)


def scripted(
    agent: Callable[[Turn], Any] | str | os.PathLike[str],
    *,
    strict: bool = True,
    speed: float | None = None,
) -> Backend:
    """Return a backend for a fleet whose agents do what `agent` says.

    Args:
        agent: called with each `Turn`, in a process of its own; returns the answer, raises
            `AgentError` or anything else to fail the query. Or the path of a recording, which is
            played to each session from its beginning.
        strict: of a recording: whether the prompts and the results of tools must be the recorded
            ones; a decision must be in any case.
        speed: of a recording: how many times faster than recorded it is played, in the node's
            time; `None` for at once.

    Raises:
        InvalidInput: it is neither, or an option is not what it must be, or is for recordings
            only; or the file is no recording, or a damaged one, with the line and the field.
    """
    if isinstance(agent, (str, os.PathLike)):
        return recorded(agent, strict=strict, speed=speed)
    for name, value, usual in (("strict", strict, True), ("speed", speed, None)):
        if value is not usual:
            raise InvalidInput(name, value, "nothing, unless a recording is played")
    backend = _Scripted(agent)
    backend.check()
    return backend
