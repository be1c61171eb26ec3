"""Streams: what a session says, as it says it, to one reader.

Everything comes from the log, so leaving a loop early changes nothing: the run goes on, and its
messages are there for who asks again. `close()`, or leaving a `with` block, interrupts the run.
"""

from __future__ import annotations

import contextlib
from collections import deque
from typing import TYPE_CHECKING, Any, Self

from beam.errors import (
    CallTimeout,
    Refused,
    RunFailed,
    SessionClosed,
    SessionQuarantined,
    SessionRefused,
)
from beam.model.events import message_of
from beam.otp import current_process
from beam.otp.clock import deadline_after, seconds_until
from beam.otp.context import blocking_form
from beam.sessions.feed import Feed, time_is_up
from beam.state.run_events import ENDS, outcome_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from types import TracebackType

    from beam.model.events import Event
    from beam.model.messages import Message
    from beam.otp import Future, Ref
    from beam.sessions.claims import Claims
    from beam.sessions.feed import Batch
    from beam.sessions.handle import SessionHandle
    from beam.sessions.run import Run

__all__ = ["EventStream", "MessageStream"]

# What a reader of a run's messages waits for.
_OF_A_RUN = frozenset({"message", *ENDS})


class EventStream:
    """A session's events as they come, each once and in order; iterable both ways.

    It ends when the session has been stopped for good, with that event as its last.

    Raises, while it is iterated:
        CallTimeout: no event came for `timeout` seconds; `None` waits on.
        SessionClosed: `fleet_closed`, `noproc`; with its fleet everything ends.
    """

    def __init__(
        self,
        session: SessionHandle,
        after: int,
        *,
        types: Collection[str] | None = None,
        timeout: float | None = None,
    ) -> None:
        self._session = session
        self._clock = session.node.clock
        self._feed = Feed(session.node, session.id, after)
        self._types = types
        self._timeout = timeout
        self._ready: deque[Event] = deque()
        self._stopped = False

    def __iter__(self) -> Self:
        return self

    def __aiter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        until = self._deadline()
        while not self._ready:
            if self._over():
                raise StopIteration
            batch = self._feed.next_batch(None, self._left(until))
            with blocking_form("EventStream.__next__()", "anext(events)"), time_is_up():
                batch.get()
            self._take(batch, until)
        return self._ready.popleft()

    async def __anext__(self) -> Event:
        until = self._deadline()
        while not self._ready:
            if self._over():
                raise StopAsyncIteration
            batch = self._feed.next_batch(None, self._left(until))
            with time_is_up():
                await batch
            self._take(batch, until)
        return self._ready.popleft()

    def _over(self) -> bool:
        if self._session.fleet_ended is not None:
            raise self._session.over()
        # One that was stopped may have been taken up again, and then there is more.
        return self._stopped and self._session.status() == "closed"

    def _deadline(self) -> float | None:
        return None if self._timeout is None else self._clock.now() + self._timeout

    def _left(self, until: float | None) -> float | None:
        return None if until is None else max(0.0, until - self._clock.now())

    def _take(self, batch: Batch, until: float | None) -> None:
        wanted = self._types
        for event in self._feed.take(batch):
            if event.type == "session_stopped":
                self._stopped = True
            elif event.type == "session_restarted":
                self._stopped = False
            if wanted is None or event.type in wanted:
                self._ready.append(event)
        if not self._ready and until is not None and self._clock.now() >= until:
            raise CallTimeout(None, self._timeout)


class MessageStream:
    """The messages of one run, as they come, then the run's end.

    One reader: a second iterator is refused with `receiver_taken`. When the run is completed the
    iteration ends; if it failed, its `RunFailed` or `Interrupted` is raised after the last message.

    Raises, when it is made:
        SessionRefused: `receiver_taken`; another stream of the run is being read.

    Attributes:
        run: the run.
    """

    def __init__(self, run: Run, claims: Claims) -> None:
        self.run = run
        self._feed = Feed(run.session.node, run.session.id, run.after, _OF_A_RUN)
        self._ready: deque[Message] = deque()
        self._end: BaseException | None = None
        self._over = False
        self._iterated = False
        self._reader: Ref[Any] | None = current_process()
        claims.take(run.run_id, self)

    @property
    def reading(self) -> bool:
        """Whether there may be anybody who reads on, so that nobody else may."""
        alive = self._reader is None or self._reader.is_alive()
        return alive and (not self._over or bool(self._ready))

    # Reading

    def __iter__(self) -> _Reading:
        return self._begin()

    def __aiter__(self) -> _Reading:
        return self._begin()

    def _begin(self) -> _Reading:
        if self._iterated:
            raise SessionRefused("receiver_taken", run_id=self.run.run_id)
        self._iterated = True
        self._reader = current_process()
        return _Reading(self)

    def __next__(self) -> Message:
        return self.next_message(None)

    def next_message(self, timeout: float | None) -> Message:
        """Return the next message.

        Args:
            timeout: seconds to wait for it; `None` without end.

        Raises:
            StopIteration: there is none any more; the run is completed.
            RunFailed, Interrupted: there is none any more, since the run ended like that.
            CallTimeout: none has come in time.
        """
        clock = self.run.session.node.clock
        until = deadline_after(clock, timeout)
        while not self._ready:
            if self._is_over():
                raise self._end or StopIteration
            left = seconds_until(clock, until)
            if left is not None and left <= 0:
                raise CallTimeout(None, timeout)
            batch = self._feed.next_batch(self._ended(), left)
            with blocking_form("MessageStream.__next__()", "anext(stream)"), time_is_up():
                batch.get()
            self._take(batch)
        return self._ready.popleft()

    async def __anext__(self) -> Message:
        while not self._ready:
            if self._is_over():
                raise self._end or StopAsyncIteration
            batch = self._feed.next_batch(self._ended())
            with time_is_up():
                await batch
            self._take(batch)
        return self._ready.popleft()

    def _ended(self) -> Future[Any] | None:
        return None if self.run.done else self.run

    def _is_over(self) -> bool:
        """Say whether nothing more comes: the end was read, or there is none to be read."""
        if not self._over and self.run.done:
            error = self.run.error()
            refused = isinstance(error, Refused) and not isinstance(error, RunFailed)
            if refused or self.run.session.fleet_ended is not None:
                self._over, self._end = True, error
        return self._over

    def _take(self, batch: Batch) -> None:
        """Take what has come of the run."""
        for event in self._feed.take(batch):
            if event.run_id == self.run.run_id:
                self._take_event(event)

    def _take_event(self, event: Event) -> None:
        if event.type == "message":
            self._ready.append(message_of(event))
        elif event.type in ENDS:
            self._over = True
            self._end = outcome_of(event) if event.type != "run_completed" else None

    # Ending

    def told(self) -> None:
        """Note that its reader knows how the run ended: it is told once."""
        self._end = None

    def close(self) -> None:
        """Interrupt the run, unless it has ended; nothing more is read.

        Raises:
            SessionRestarting, CallTimeout: the session did not hear of it within 5 s.
        """
        if self._closes():
            with blocking_form("MessageStream.close()", "stream.aclose()"), _ended_by_now():
                self.run.session.interrupt(self.run)

    async def aclose(self) -> None:
        """As `close`, for coroutines."""
        if self._closes():
            with _ended_by_now():
                await self.run.session.aio.interrupt(self.run)

    def _closes(self) -> bool:
        """Read no more; return whether the run is to be interrupted."""
        open_still = not self._over and not self.run.done
        self._over = True
        self._ready.clear()
        return open_still

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()


class _Reading:
    """The one iterator of a stream."""

    __slots__ = ("_stream",)

    def __init__(self, stream: MessageStream) -> None:
        self._stream = stream

    def __iter__(self) -> Self:
        return self

    def __aiter__(self) -> Self:
        return self

    def __next__(self) -> Message:
        return next(self._stream)

    async def __anext__(self) -> Message:
        return await anext(self._stream)


@contextlib.contextmanager
def _ended_by_now() -> Iterator[None]:
    """Take no offence at a run that has ended by itself meanwhile, or with its session."""
    try:
        yield
    except (SessionClosed, SessionQuarantined):
        return
    except SessionRefused as refused:
        if refused.reason != "no_active_query":
            raise
