"""Streams: what a session says, as it says it, to one reader.

Everything comes from the log, so leaving a loop early changes nothing: the run goes on, and its
messages are there for who asks again. `close()`, or leaving a `with` block, interrupts the run.
"""

from __future__ import annotations

import contextlib
from collections import deque
from typing import TYPE_CHECKING, Any, Self

from beam.errors import CallTimeout, Interrupted, Refused, RunFailed, SessionRefused
from beam.model.events import message_of
from beam.sessions.feed import Feed
from beam.sessions.messages import Claim

if TYPE_CHECKING:
    from collections.abc import Collection
    from types import TracebackType

    from beam.model.events import Event
    from beam.model.messages import Message
    from beam.otp import Future, Node
    from beam.sessions.run import Run

__all__ = ["EventStream", "MessageStream"]


class EventStream:
    """A session's events as they come, each once and in order; iterable both ways.

    It has no end but `CallTimeout`, after `timeout` seconds without an event; `None` for never.
    """

    def __init__(
        self,
        node: Node,
        session_id: str,
        after: int,
        *,
        types: Collection[str] | None = None,
        timeout: float | None = None,
    ) -> None:
        self._node = node
        self._feed = Feed(node, session_id, after)
        self._types = types
        self._timeout = timeout
        self._ready: deque[Event] = deque()

    def __iter__(self) -> Self:
        return self

    def __aiter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        until = self._deadline()
        while not self._ready:
            either, answer = self._feed.next_batch(None, self._left(until))
            with contextlib.suppress(CallTimeout):
                either.get()
            self._take(answer, until)
        return self._ready.popleft()

    async def __anext__(self) -> Event:
        until = self._deadline()
        while not self._ready:
            either, answer = self._feed.next_batch(None, self._left(until))
            with contextlib.suppress(CallTimeout):
                await either
            self._take(answer, until)
        return self._ready.popleft()

    def _deadline(self) -> float | None:
        return None if self._timeout is None else self._node.clock.now() + self._timeout

    def _left(self, until: float | None) -> float | None:
        return None if until is None else max(0.0, until - self._node.clock.now())

    def _take(self, answer: Future[Any], until: float | None) -> None:
        wanted = self._types
        for event in self._feed.take(answer):
            if wanted is None or event.type in wanted:
                self._ready.append(event)
        if not self._ready and until is not None and self._node.clock.now() >= until:
            raise CallTimeout(None, self._timeout)


class MessageStream:
    """The messages of one run, as they come, then the run's end.

    One reader: a second iterator is refused with `receiver_taken`, in this process or by another
    stream of the same run. When the run is completed the iteration ends; if it failed, its
    `RunFailed` or `Interrupted` is raised after the last message.

    Attributes:
        run: the run.
    """

    def __init__(self, run: Run, *, timeout: float | None = None) -> None:
        self.run = run
        self._node = run.session.node
        self._timeout = timeout
        self._feed = Feed(self._node, run.session.id, run.after)
        self._ready: deque[Message] = deque()
        self._end: BaseException | None = None
        self._over = False
        self._taken = False
        self._holder = f"stream-{self._node.clock.random.randbytes(8).hex()}"
        self._claim = run.session.ask_later(Claim(run.run_id, self._holder))

    # Reading

    def __iter__(self) -> Self:
        return self._claimed()

    def __aiter__(self) -> Self:
        return self._claimed()

    def _claimed(self) -> Self:
        if self._taken:
            raise SessionRefused("receiver_taken", run_id=self.run.run_id, holder=self._holder)
        self._taken = True
        return self

    def __next__(self) -> Message:
        until = self._deadline()
        while not self._ready:
            if self._over:
                self._finish(StopIteration())
            either, answer = self._feed.next_batch(self._ended(), self._left(until))
            with contextlib.suppress(CallTimeout):
                either.get()
            self._take(answer, until)
        return self._ready.popleft()

    async def __anext__(self) -> Message:
        until = self._deadline()
        while not self._ready:
            if self._over:
                self._finish(StopAsyncIteration())
            either, answer = self._feed.next_batch(self._ended(), self._left(until))
            with contextlib.suppress(CallTimeout):
                await either
            self._take(answer, until)
        return self._ready.popleft()

    def _finish(self, end: BaseException) -> None:
        raise self._end or end

    def _ended(self) -> Future[Any] | None:
        return None if self.run.done else self.run

    def _deadline(self) -> float | None:
        return None if self._timeout is None else self._node.clock.now() + self._timeout

    def _left(self, until: float | None) -> float | None:
        return None if until is None else max(0.0, until - self._node.clock.now())

    def _take(self, answer: Future[Any], until: float | None) -> None:
        """Take what has come, and see whether it was the end."""
        self._check_claim()
        events = self._feed.take(answer)
        for event in events:
            if event.run_id == self.run.run_id:
                self._take_event(event)
        if events or self._over:
            return
        if self.run.done and not self._in_log():
            self._over, self._end = True, self.run.error()
        elif until is not None and self._node.clock.now() >= until:
            raise CallTimeout(None, self._timeout)

    def _in_log(self) -> bool:
        """Say whether the run's end is to be found in the log: whether it was taken at all."""
        return not isinstance(self.run.error(), Refused) or isinstance(self.run.error(), RunFailed)

    def _check_claim(self) -> None:
        if self._claim is not None and self._claim.done:
            claim, self._claim = self._claim, None
            try:
                claim.result()
            except SessionRefused as refused:
                if refused.reason == "receiver_taken":
                    raise
            except Exception:  # noqa: BLE001 - a session that is down grants nothing, refuses nothing
                return

    def _take_event(self, event: Event) -> None:
        match event.type:
            case "message":
                self._ready.append(message_of(event))
            case "run_completed":
                self._over = True
            case "run_failed":
                self._over, self._end = True, run_failure(event, RunFailed)
            case "run_interrupted":
                self._over, self._end = True, run_failure(event, Interrupted)

    # Ending

    def close(self) -> None:
        """Interrupt the run, unless it has ended, and let another stream receive it."""
        if not self._over and not self.run.done:
            with contextlib.suppress(SessionRefused):
                self.run.interrupt()
        self._over = True
        self.run.session.ask_later(Claim(self.run.run_id, self._holder, release=True))

    async def aclose(self) -> None:
        """As `close`, for coroutines."""
        if not self._over and not self.run.done:
            with contextlib.suppress(SessionRefused):
                await self.run.session.aio.interrupt(self.run)
        self._over = True
        self.run.session.ask_later(Claim(self.run.run_id, self._holder, release=True))

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


def run_failure(event: Event, kind: type[RunFailed]) -> RunFailed:
    """Return the exception of a run's end that was no answer."""
    facts = {key: value for key, value in event.data.items() if key != "reason"}
    return kind(event.data.get("reason"), session_id=event.session_id, run_id=event.run_id, **facts)
