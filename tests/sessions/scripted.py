"""Agents that do what a test says, and tell it what they heard; and fleets that have them."""

from __future__ import annotations

import queue
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar

from beam import Fleet
from beam.backends.backend import Backend, Heard, Query, Took
from beam.backends.effects import (
    AgentFailed,
    AskPermission,
    Completed,
    Deliver,
    Failed,
    Ready,
    RunTool,
)
from beam.model.messages import ErrorMessage, Message, ResultMessage
from beam.otp import (
    Backoff,
    Down,
    Exit,
    Future,
    Mailbox,
    Restarts,
    Server,
    exit,
    monitor,
)
from beam.sessions.delivery import named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from beam.backends.backend import Opening
    from beam.otp import Node, Ref

PATIENCE = 30.0
"""Seconds that a wait may take before it counts as hung."""

AT_ONCE = Backoff(0.001, 0.002)
"""A backoff that a test need not wait for."""
NOT_NOW = Backoff(1000.0, 1000.0)
"""A backoff that no test waits for."""
OFTEN = Restarts(1000, per=60.0)
"""A budget that no test uses up."""


class Connection(Server):
    """A connection whose other end is a test's `Agent`."""

    trap_exit = True

    def init(self, agent: Agent) -> None:
        self._agent = agent
        agent.connection = self.actor_ref
        if agent.backend.ready:
            agent.ready()

    def handle_cast(self, message: Any) -> None:
        agent = self._agent
        if isinstance(message, Took):
            agent.taken += message.count
        else:
            agent.heard.put(message)
            if isinstance(message, Query) and agent.backend.answer is not None:
                agent.backend.answer(agent, message)

    def handle_call(self, message: Any, caller: Any) -> Any:
        return None

    def handle_info(self, message: Any) -> None:
        if isinstance(message, Exit) and message.reason != "normal":
            self.stop(message.reason)

    def terminate(self, reason: Any) -> None:
        self._agent.reason = reason
        self._agent.gone.set()


class Agent:
    """The test's end of one connection.

    Attributes:
        heard: what the session cast, but what it took.
        taken: how many effects it took.
        gone: set when the connection has ended.
        reason: why.
    """

    connection: Ref[Any]

    def __init__(self, backend: Scripted, opening: Opening) -> None:
        self.backend = backend
        self.opening = opening
        self.heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.taken = 0
        self.gone = threading.Event()
        self.reason: Any = None

    def hear(self, kind: type | None = None) -> Any:
        """Return what the session casts next; which must be of a kind."""
        message = self.heard.get(timeout=PATIENCE)
        assert kind is None or isinstance(message, kind), message
        return message

    def say(self, effect: Any) -> None:
        """Let the session hear an effect."""
        self.opening.session.cast(Heard(self.connection, effect))

    def ready(self, name: str = "scripted", version: str = "1") -> None:
        self.say(Ready(name, version, ()))

    def text(self, query: Query, *words: str) -> None:
        for word in words:
            self.say(Deliver(query.query_id, Message("text", word)))

    def complete(self, query: Query, content: str = "done", **fields: Any) -> None:
        self.say(Completed(query.query_id, ResultMessage(content=content, **fields)))

    def fail(self, query: Query, reason: str = "agent_error", *, retryable: bool = False) -> None:
        message = ErrorMessage(content=f"it failed: {reason}")
        self.say(Failed(query.query_id, reason, message, retryable))

    def give_up(self, reason: str = "agent_error") -> None:
        self.say(AgentFailed(reason, ErrorMessage(content="of no more use"), retryable=True))

    def tool(self, query: Query, use: str, name: str, **given: Any) -> None:
        self.say(RunTool(query.query_id, use, name, given))

    def permission(self, query: Query, request: str, name: str = "write", **given: Any) -> None:
        self.say(AskPermission(query.query_id, request, name, given, {}))

    def end(self, status: int | None = 1) -> None:
        """End the connection, as when the agent's program has ended."""
        self.connection.stop(reason=("shutdown", ("cli_exit", status)))


class Scripted(Backend):
    """A backend with agents of a test.

    Args:
        answer: what an agent does with a query, run in its connection; `None` leaves it to the
            test.
        ready: whether agents are ready at once.

    Attributes:
        agents: the connections, in their order.
        states: the states of the sessions that connected.
        refusals: what the next connections fail with.
        gate: what connections wait for, if anything; `at_gate` is set when one does.
    """

    kind: ClassVar[str] = "function"

    def __init__(
        self, answer: Callable[[Agent, Query], None] | None = None, *, ready: bool = True
    ) -> None:
        self.answer = answer
        self.ready = ready
        self.agents: queue.SimpleQueue[Agent] = queue.SimpleQueue()
        self.states: list[str] = []
        self.refusals: deque[BaseException] = deque()
        self.gate: Future[None] | None = None
        self.at_gate = threading.Event()

    @property
    def ends_within(self) -> float:
        return 0.2

    def check(self) -> None:
        """Accept."""

    def connect(self, name: str, opening: Opening) -> Ref[Any]:
        self.states.append(opening.session.control.actor.state.__name__)
        if self.gate is not None:
            self.at_gate.set()
            self.gate.get(timeout=PATIENCE)
        if self.refusals:
            raise self.refusals.popleft()
        agent = Agent(self, opening)
        connection = Connection.start_link(agent)
        self.agents.put(agent)
        return connection

    def agent(self, session: Any = None) -> Agent:
        """Return the next agent that was connected to, by a session if said."""
        agent = self.agents.get(timeout=PATIENCE)
        if session is None or agent.opening.session_id == session.id:
            return agent
        other = self.agent(session)
        self.agents.put(agent)
        return other


def shout(agent: Agent, query: Query) -> None:
    """Answer a query with its prompt in capitals, word by word before."""
    agent.text(query, *query.prompt.split())
    agent.complete(query, query.prompt.upper())


def fleet_of(backend: Backend, store: Any = None, **options: Any) -> Fleet:
    """Return a fleet with one backend that restarts its sessions at once, not started yet."""
    patient = {"session_backoff": AT_ONCE, "session_budget": OFTEN, "max_restarts": 1000}
    return Fleet(store, backends={"agent": backend}, **{**patient, **options})


def kill(fleet: Fleet, name: Any, reason: Any = "kill") -> None:
    """Kill the process of this name, once it is there, and wait until it is dead."""
    process = named(fleet.node, name)
    end(fleet.node, process, lambda: exit(process, reason))


def end(node: Node, process: Ref[Any], how: Callable[[], Any]) -> Any:
    """End a process by `how`, and return its reason when it is dead."""
    with node.entered(), Mailbox() as me:
        monitor(process)
        how()
        down = me.receive(timeout=PATIENCE)
        assert isinstance(down, Down)
        return down.reason


def types(session: Any) -> list[str]:
    """Return the types of the session's events."""
    return [event.type for event in session.history()]


def wait_for(session: Any, kind: str, after: int = 0, count: int = 1) -> Any:
    """Wait until the session's log has so many events of a type; return the last of them."""
    stream: Iterator[Any] = session.events(after, types=[kind], timeout=PATIENCE)
    for _ in range(count):
        event = next(stream)
    return event


def failure(future: Any) -> BaseException:
    """Return what a future fails with."""
    try:
        value = future.get(timeout=PATIENCE)
    except Exception as error:  # noqa: BLE001 - the test looks at it
        return error
    raise AssertionError(f"it has an answer: {value!r}")
