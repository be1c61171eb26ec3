"""Handles: sessions as their users hold them, by id. A handle outlives every restart.

What talks to the session returns a future; the rest blocks, and has a coroutine twin under `.aio`.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from beam.backends.backend import ListConversations
from beam.errors import (
    CallExit,
    CallTimeout,
    InvalidInput,
    NotSupported,
    SessionClosed,
    SessionRefused,
    StoreError,
)
from beam.model.events import EVENT_TYPES, message_of
from beam.model.identifiers import RANDOM_BYTES, identifier
from beam.otp import Future
from beam.otp.aio import Aio
from beam.otp.context import blocking_form
from beam.sessions.delivery import PATIENCE
from beam.sessions.hooked import before_prompt
from beam.sessions.messages import GetConnection, GetInfo, InterruptRun, Set, SteerRun, Submit
from beam.sessions.options import check_count, check_seconds
from beam.sessions.receiver import Receiver
from beam.sessions.roster import Undelivered
from beam.sessions.run import Run
from beam.sessions.stream import EventStream, MessageStream
from beam.sessions.terms import work_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from beam.model.events import Event, EventType
    from beam.model.messages import Message
    from beam.model.sessions import SessionInfo
    from beam.otp import Node
    from beam.sessions.commons import Commons
    from beam.sessions.options import SessionOptions
    from beam.sessions.roster import Status

__all__ = ["SessionHandle"]

# Seconds more than the run itself has that a query's waiter waits for the run's end to be told.
GRACE = 5.0
_TWINS = ("history", "health", "info", "interrupt", "messages", "receive_message", "set_model",
          "set_permission_mode", "steer", "stop", "conversations")  # fmt: skip


class SessionHandle:
    """A session; made by `Fleet.start_session`, or by `Fleet.session(id)`.

    Attributes:
        id: the session's name.
    """

    __slots__ = ("_commons", "_options", "_stop", "id")

    def __init__(
        self,
        commons: Commons,
        session_id: str,
        options: SessionOptions,
        stop: Callable[[str], None],
    ) -> None:
        self._commons = commons
        self._options = options
        self._stop = stop
        self.id = session_id

    def __repr__(self) -> str:
        return f"<session {self.id}: {self.status()}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SessionHandle) and self.id == other.id and self.node is other.node

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def node(self) -> Node:
        """The node of the session's fleet."""
        return self._commons.node

    @property
    def aio(self) -> Aio:
        """The coroutine twins of the functions that block."""
        return Aio(self, _TWINS)

    # Asking the agent

    def query(self, prompt: str, **terms: Any) -> Run:
        """Ask the agent; the answer is `run.get()`, or `await run`.

        Args:
            prompt: what to ask.
            terms: `timeout` (seconds, 120 unless the session says otherwise), `on_crash`,
                `retries`, `params` (options of this query for the agent; `attachments` among them
                is what goes with the prompt, see `beam.model.attachments`), `metadata`.

        Returns:
            The run. It fails with `QueryInProgress` if the session is at work on anything.

        Raises:
            InvalidInput: a term is unknown, or not what it must be.
        """
        return self._submit(prompt, terms, exclusive=True)

    def submit(self, prompt: str, **terms: Any) -> Run:
        """Ask the agent when its turn comes: runs wait in a queue of 1,000.

        Args:
            prompt: what to ask.
            terms: as of `query`.

        Returns:
            The run. It fails with `QueueFull` if the queue is full. `get` waits for as long as it
            takes, unless it is given a timeout.

        Raises:
            InvalidInput: as `query`.
        """
        return self._submit(prompt, terms, exclusive=False)

    def stream(self, prompt: str, **terms: Any) -> MessageStream:
        """Ask the agent, and iterate over what it says, with `for` or `async for`.

        Args:
            prompt: what to ask.
            terms: as of `query`.

        Returns:
            The stream; the query has begun. Its iteration raises `QueryInProgress` if the session
            is at work on anything.

        Raises:
            InvalidInput: as `query`.
        """
        return MessageStream(self._submit(prompt, terms, exclusive=True), self._commons.claims)

    def receive(self, run: Run) -> MessageStream:
        """Return a stream of a run's messages from its beginning, those already read included.

        Raises:
            SessionRefused: `receiver_taken`, while another stream of the run is being read.
            InvalidInput: it is no run of this session.
        """
        if getattr(run, "session", None) != self:
            raise InvalidInput("run", run, f"a run of {self.id}")
        return MessageStream(run, self._commons.claims)

    def receive_message(self, run: Run, *, timeout: float | None = 5.0) -> Message:
        """Return the next message of a run that nobody has received by this function yet.

        Args:
            run: a run of this session.
            timeout: seconds to wait for it; `None` without end.

        Raises:
            SessionRefused: `complete`; there is none any more. `bad_ref`; it is no run of this
                session. `receiver_taken`; somebody else receives.
            RunFailed, Interrupted: the run ended like that; said once, after its last message.
            CallTimeout: none has come in time.
        """
        if getattr(run, "session", None) != self:
            raise SessionRefused("bad_ref", session_id=self.id, run=repr(run))
        if run.receiver is None:
            run.receiver = Receiver(run, self._commons.claims)
        return run.receiver.receive(timeout)

    def _submit(self, prompt: str, terms: dict[str, Any], *, exclusive: bool) -> Run:
        chain = self._options.chain()
        if chain.has("user_prompt_submit"):
            prompt = before_prompt(chain, self.id, prompt, terms)
        run_id = identifier("run", self.node.clock.random.randbytes(RANDOM_BYTES["run"]))
        work = work_of(run_id, prompt, terms, self._options)
        deadline = granted = None
        if exclusive and work.timeout is not None:
            granted = work.timeout + GRACE
            deadline = self.node.clock.now() + granted
        run = Run(self, work.run_id, self._last_sequence(), deadline, granted)
        self._commons.waiting.expect(work.run_id, self.id, run)
        self._commons.delivery.deliver(self.id, Undelivered(Submit(work, exclusive), run))
        return run

    def _last_sequence(self) -> int:
        """Return after which event all of a new run is; the first, while the log is restarted."""
        try:
            return self._commons.shelf.store.last_sequence(self.id)
        except StoreError:
            return 0

    # Questions, and changes

    def status(self) -> Status | None:
        """Return how the session stands: `live`, `restarting`, `quarantined`, `closed`, ..."""
        return self._commons.roster.status(self.id)

    @property
    def fleet_ended(self) -> str | None:
        """Why the session's fleet is over, `None` as long as it is not."""
        return self._commons.roster.ended

    def over(self) -> SessionClosed:
        """Return what who asks hears of this session, when it or its fleet is over."""
        return self._commons.roster.over(session_id=self.id)

    def info(self) -> SessionInfo:
        """Return where the session stands.

        Raises:
            SessionRestarting: its process was not back within 5 s.
            SessionQuarantined, SessionClosed: at once.
            CallTimeout: it did not answer within 5 s.
        """
        info: SessionInfo = self._ask("info", GetInfo())
        return info

    def health(self) -> str:
        """Return the session's state, or its status if its process is not there.

        The states are `connecting`, `initializing`, `ready`, `active_query` and `error`.

        Raises:
            CallTimeout: its process did not answer within 5 s.
        """
        process = self.node.whereis(self.id)
        if process is None:
            return self.status() or "unknown"
        try:
            with self._blocking("health"):
                info: SessionInfo = process.ask(GetInfo(), timeout=PATIENCE)
        except CallExit:
            return self.status() or "unknown"
        return info.state

    def interrupt(self, run: Run | str | None = None) -> None:
        """Cut a run short, the one at work unless told which; return when that is in the log.

        Raises:
            SessionRefused: `no_active_query`; there is nothing to cut short.
            SessionRestarting, SessionQuarantined, SessionClosed, CallTimeout: as `info`.
        """
        self._ask("interrupt", InterruptRun(run.run_id if isinstance(run, Run) else run))

    def steer(self, text: str) -> None:
        """Tell the agent something in the middle of its run; return when that is in the log.

        Raises:
            InvalidInput: it is no text, or empty.
            SessionRefused: `no_active_query`; nothing is at work.
            NotSupported: the agent cannot be told now; nothing was said to it.
            SessionRestarting, SessionQuarantined, SessionClosed, CallTimeout: as `info`.
        """
        told: Any = text
        if not isinstance(told, str) or not told:
            raise InvalidInput("text", text, "a non-empty text")
        self._ask("steer", SteerRun(text))

    def conversations(self, cwd: str | None = None) -> list[dict[str, Any]]:
        """Return the conversations that the session's agent has kept, by itself, outside our log.

        Args:
            cwd: only those of this folder; `None` for all that it tells of.

        Returns:
            A mapping for each: `id`, which the option `fork` of another session takes, and more.

        Raises:
            NotSupported: the agent cannot say, or is not there now.
            SessionRestarting, SessionQuarantined, SessionClosed, CallTimeout: as `info`.
        """
        connection = self._ask("conversations", GetConnection())
        found: list[dict[str, Any]] | None = None
        kind = connection.actor_class if connection is not None else None
        if getattr(kind, "lists_conversations", False):
            answer: Future[list[dict[str, Any]] | None] = Future()
            connection.cast(ListConversations(cwd, answer))
            with suppress(CallTimeout):
                found = answer.get(timeout=PATIENCE)
        if found is None:
            raise NotSupported(function="conversations", session_id=self.id)
        return found

    def set_model(self, model: str) -> str:
        """Choose the model for the runs to come; return it when that is in the log.

        Raises:
            InvalidInput: it is no text, or empty.
            SessionRestarting, SessionQuarantined, SessionClosed, CallTimeout: as `info`.
        """
        return self._set("model", model)

    def set_permission_mode(self, mode: str) -> str:
        """Choose how far the agent may go without asking; otherwise as `set_model`."""
        return self._set("permission_mode", mode)

    def _set(self, name: str, value: Any) -> str:
        if not isinstance(value, str) or not value:
            raise InvalidInput(name, value, "a non-empty text")
        chosen: str = self._ask(f"set_{name}", Set(name, value))
        return chosen

    def stop(self) -> None:
        """End the session for good, and its agent with it; return when that is in the log.

        What is at work or waits is interrupted. A second time is no error.
        """
        with self._blocking("stop"):
            self._stop(self.id)

    def _ask(self, name: str, message: Any) -> Any:
        with self._blocking(name):
            return self._commons.delivery.ask(self.id, message, PATIENCE)

    def _blocking(self, name: str) -> AbstractContextManager[None]:
        return blocking_form(f"SessionHandle.{name}()", f"session.aio.{name}(...)")

    # The log

    def events(
        self,
        after: int = 0,
        *,
        types: Collection[EventType] | None = None,
        timeout: float | None = None,
    ) -> EventStream:
        """Follow the session's events, with `for` or `async for`, across restarts (G13).

        Args:
            after: the sequence of the last event that is not wanted.
            types: only these.
            timeout: the seconds after which a wait without an event ends with `CallTimeout`;
                `None` waits on.

        Raises:
            InvalidInput: an argument is not what it must be.
        """
        check_count("after", after, at_least=0)
        check_types(types)
        if timeout is not None:
            check_seconds("timeout", timeout)
        return EventStream(self, after, types=types, timeout=timeout)

    def history(
        self,
        after: int = 0,
        *,
        types: Collection[EventType] | None = None,
        limit: int | None = None,
    ) -> list[Event]:
        """Return the session's events that are in the log now.

        Args:
            after: the sequence of the last event that is not wanted.
            types: only these.
            limit: the most events to return, the oldest: a long session is read page by page.

        Raises:
            InvalidInput: an argument is not what it must be.
            SessionClosed: `fleet_closed`.
        """
        check_types(types)
        with self._blocking("history"):
            return self._commons.journal().read(self.id, after=after, limit=limit, types=types)

    def messages(self, run: Run | str | None = None) -> list[Message]:
        """Return what was said in the session so far, or in one run of it: the transcript.

        Raises:
            SessionClosed: `fleet_closed`.
        """
        wanted = run.run_id if isinstance(run, Run) else run
        after = run.after if isinstance(run, Run) else 0
        types: tuple[EventType, ...] = ("message",)
        with self._blocking("messages"):
            said = self._commons.journal().replay(self.id, after=after, types=types)
            return [message_of(one) for one in said if wanted in (None, one.run_id)]


def check_types(types: Any) -> None:
    """Refuse what is no choice of event types.

    Raises:
        InvalidInput: naming `types`.
    """
    if types is None:
        return
    if isinstance(types, (str, bytes)) or not isinstance(types, Collection):
        raise InvalidInput("types", types, "a collection of event types")
    for one in types:
        if one not in EVENT_TYPES:
            raise InvalidInput("types", one, f"one of {', '.join(EVENT_TYPES)}")
