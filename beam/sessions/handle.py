"""Handles: sessions as their users hold them, by id. A handle outlives every restart.

What talks to the session returns a future; the rest blocks, and has a coroutine twin under `.aio`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.errors import (
    CallExit,
    CallTimeout,
    InvalidInput,
    NotFound,
    QueueFull,
    SessionClosed,
    SessionQuarantined,
    SessionRestarting,
)
from beam.model.events import message_of
from beam.model.runs import parse_on_crash
from beam.otp.aio import Aio
from beam.sessions.directory import DIRECTORY, Await, Undeliverable
from beam.sessions.messages import GetInfo, InterruptRun, Set, Submit
from beam.sessions.options import check_count, check_seconds
from beam.sessions.past import Work
from beam.sessions.roster import Undelivered
from beam.sessions.run import Run
from beam.sessions.stream import EventStream, MessageStream
from beam.state.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from beam.log import Shelf
    from beam.model.events import Event, EventType
    from beam.model.messages import Message
    from beam.model.sessions import SessionInfo
    from beam.otp import Future, Node
    from beam.sessions.options import SessionOptions
    from beam.sessions.roster import Roster, Status
    from beam.state.waiting_runs import WaitingRuns

__all__ = ["Desks", "SessionHandle"]

# Seconds that the everyday questions may take, the wait for a restarting session included.
ASK_TIMEOUT = 5.0
# Seconds more than the run itself has that a query's waiter waits for the run's end to be told.
GRACE = 5.0
_TWINS = ("history", "health", "info", "interrupt", "messages", "set_model",
          "set_permission_mode", "stop")  # fmt: skip


class Desks:
    """What handles need of their fleet."""

    __slots__ = ("close_session", "node", "roster", "shelf", "waiting")

    def __init__(
        self,
        node: Node,
        shelf: Shelf,
        roster: Roster,
        waiting: WaitingRuns,
        close_session: Callable[[str], None],
    ) -> None:
        self.node = node
        self.shelf = shelf
        self.roster = roster
        self.waiting = waiting
        self.close_session = close_session


class SessionHandle:
    """A session; made by `Fleet.start_session`, or by `Fleet.session(id)`.

    Attributes:
        id: the session's name.
    """

    __slots__ = ("_desks", "_options", "id")

    def __init__(self, desks: Desks, session_id: str, options: SessionOptions) -> None:
        self._desks = desks
        self._options = options
        self.id = session_id

    def __repr__(self) -> str:
        return f"<session {self.id}: {self.status()}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SessionHandle) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def node(self) -> Node:
        """The node of the session's fleet."""
        return self._desks.node

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
                `retries`, `params` (options of this query for the agent), `metadata`.

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
        return MessageStream(self._submit(prompt, terms, exclusive=True))

    def receive(self, run: Run) -> MessageStream:
        """Return a stream of a run's messages from its beginning, those already read included.

        Its iteration raises `SessionRefused` (`receiver_taken`) while another stream reads it.
        """
        return MessageStream(run)

    def _submit(self, prompt: str, terms: dict[str, Any], *, exclusive: bool) -> Run:
        journal = self._journal()
        work = self._work(journal.new_id("run"), prompt, terms)
        deadline = granted = None
        if exclusive and work.timeout is not None:
            granted = work.timeout + GRACE
            deadline = self.node.clock.now() + granted
        after = journal.store.last_sequence(self.id)
        run = Run(self, work.run_id, after, deadline, granted)
        self._desks.waiting.expect(work.run_id, self.id, run)
        self.deliver(Undelivered(Submit(work, exclusive), run))
        return run

    def _work(self, run_id: str, prompt: str, terms: Mapping[str, Any]) -> Work:
        known = {"timeout", "on_crash", "retries", "params", "metadata"}
        for name in terms:
            if name not in known:
                raise InvalidInput("option", name, f"one of {', '.join(sorted(known))}")
        if not isinstance(prompt, str):
            raise InvalidInput("prompt", prompt, "text")
        options = self._options
        timeout = terms.get("timeout", options.timeout)
        if timeout is not None:
            check_seconds("timeout", timeout)
        retries = terms.get("retries", options.retries)
        if retries is not None:
            check_count("retries", retries, at_least=0)
        return Work(
            run_id=run_id,
            prompt=prompt,
            params=dict(terms.get("params") or {}),
            timeout=timeout,
            on_crash=parse_on_crash(terms.get("on_crash", options.on_crash)),
            retries=retries,
            metadata=dict(terms.get("metadata") or {}),
        )

    def deliver(self, undelivered: Undelivered) -> None:
        """Hand a submission to the session's process; to the roster while there is none."""
        ref = self.node.whereis(self.id)
        if ref is None:
            self._leave(undelivered)
            return
        answer = ref.ask(undelivered.submit, block=False, timeout=None)
        if not answer.add_waiter(lambda: self._answered(answer, undelivered)):
            self._answered(answer, undelivered)

    def _answered(self, answer: Future[Any], undelivered: Undelivered) -> None:
        """Note what the session said of a submission; run by whoever settled the answer."""
        try:
            answer.result()
        except CallExit:
            self._leave(undelivered)
        except Exception as refusal:  # noqa: BLE001 - whatever it is, it is for the waiter
            self._give_up(undelivered, refusal)

    def _leave(self, undelivered: Undelivered) -> None:
        refusal = self._refusal()
        if refusal is None and not self._desks.roster.leave(self.id, undelivered):
            refusal = self._refusal() or QueueFull(session_id=self.id)
        if refusal is not None:
            self._give_up(undelivered, refusal)
            return
        directory = self.node.whereis(DIRECTORY)
        if directory is not None:
            directory.cast(Undeliverable(self.id))

    def _give_up(self, undelivered: Undelivered, refusal: BaseException) -> None:
        self._desks.waiting.forget(undelivered.run.run_id, undelivered.run)
        undelivered.run.settle(refusal, failed=True)

    def _refusal(self) -> Exception | None:
        """Return why the session takes nothing any more, if it does not."""
        match self.status():
            case "quarantined":
                return SessionQuarantined(session_id=self.id)
            case "closed" | None:
                return SessionClosed(session_id=self.id)
        return None

    def _journal(self) -> Journal:
        return Journal(self._desks.shelf.store, self.node)

    # Questions, and changes

    def status(self) -> Status | None:
        """Return how the session stands: `live`, `restarting`, `quarantined`, `closed`, ..."""
        return self._desks.roster.status(self.id)

    def info(self) -> SessionInfo:
        """Return where the session stands.

        Raises:
            SessionRestarting: its process was not back within 5 s.
            SessionQuarantined, SessionClosed: at once.
        """
        info: SessionInfo = self._ask(GetInfo())
        return info

    def health(self) -> str:
        """Return the session's state, or its status if its process is not there.

        The states are `connecting`, `initializing`, `ready`, `active_query` and `error`.
        """
        ref = self.node.whereis(self.id)
        if ref is None:
            return self.status() or "unknown"
        try:
            info: SessionInfo = ref.ask(GetInfo(), timeout=ASK_TIMEOUT)
        except CallExit:
            return self.status() or "unknown"
        return info.state

    def interrupt(self, run: Run | str | None = None) -> None:
        """Cut a run short, the one at work unless told which; return when that is in the log.

        Raises:
            SessionRefused: `no_active_query`; there is nothing to cut short.
            SessionRestarting, SessionQuarantined, SessionClosed: as `info`.
        """
        self._ask(InterruptRun(run.run_id if isinstance(run, Run) else run))

    def set_model(self, model: str) -> str:
        """Choose the model for the runs to come; return it when that is in the log."""
        return self._set("model", model)

    def set_permission_mode(self, mode: str) -> str:
        """Choose how far the agent may go without asking; return it when that is in the log."""
        return self._set("permission_mode", mode)

    def _set(self, name: str, value: Any) -> str:
        if not isinstance(value, str) or not value:
            raise InvalidInput(name, value, "a non-empty text")
        chosen: str = self._ask(Set(name, value))
        return chosen

    def stop(self) -> None:
        """End the session for good, and its agent with it; return when that is in the log.

        What is at work or waits is interrupted. A second time is no error.
        """
        self._desks.close_session(self.id)

    def _ask(self, message: Any) -> Any:
        """Call the session's process, and wait for it if it is being restarted."""
        until = self.node.clock.now() + ASK_TIMEOUT
        while True:
            left = until - self.node.clock.now()
            if left <= 0:
                raise SessionRestarting(session_id=self.id)
            ref = self.node.whereis(self.id) or self._await(left)
            if ref is None:
                continue
            try:
                return ref.ask(message, timeout=left)
            except CallExit:
                continue  # It died under the question; the next incarnation is asked.

    def _await(self, left: float) -> Any:
        refusal = self._refusal()
        if refusal is not None:
            raise refusal
        directory = self.node.whereis(DIRECTORY)
        try:
            if directory is not None:
                return directory.ask(Await(self.id), timeout=left)
            self.node.sleep(min(left, 0.01))  # The directory itself is being restarted.
        except CallTimeout:
            raise SessionRestarting(session_id=self.id) from None
        except CallExit:
            return None
        return None

    def ask_later(self, message: Any) -> Future[Any] | None:
        """Ask the session's process without waiting; `None` if it is not there."""
        ref = self.node.whereis(self.id)
        return ref.ask(message, block=False) if ref is not None else None

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
        """
        return EventStream(self.node, self.id, after, types=types, timeout=timeout)

    def history(self, after: int = 0, *, types: Collection[EventType] | None = None) -> list[Event]:
        """Return the session's events that are in the log now, those after a sequence."""
        return self._journal().read(self.id, after=after, types=types)

    def messages(self, run: Run | str | None = None) -> list[Message]:
        """Return what was said in the session so far, or in one run of it: the transcript.

        Raises:
            NotFound: nothing is known of such a session.
        """
        wanted = run.run_id if isinstance(run, Run) else run
        said: tuple[EventType, ...] = ("message",)
        events = self._journal().read(self.id, types=said)
        if not events and self.status() is None:
            raise NotFound(session_id=self.id)
        return [message_of(one) for one in events if wanted in (None, one.run_id)]
