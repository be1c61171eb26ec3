"""Following a session's events in the log: each once, in order, across restarts (G13).

A reader keeps the sequence of the last event that it has seen, and asks the log's process for what
comes after it. Nothing is buffered for it anywhere, so it may be as slow as it likes, or stop and
come back; and nothing can be lost while the session's process, or the log's, is being restarted.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from beam.errors import CallFailed, CallTimeout, DeadlineExpired, NotFound, StoreError
from beam.log import Follow, log_of
from beam.otp import Future
from beam.state.journal import event_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from beam.model.events import Event
    from beam.otp import Node
    from beam.otp.control import Control

__all__ = ["Batch", "Feed", "time_is_up"]

# Seconds after which a reader asks again, whether or not there was an answer: the log may have
# been restarted while it waited.
ASK_AGAIN = 5.0
# Seconds between two tries while there is no log.
PAUSE = 0.05


class Batch(Future[None]):
    """The wait for a reader's next events: settled when there may be some.

    It ends with `CallTimeout` when its time is over.
    """

    __slots__ = ("_node", "answer", "until")

    def __init__(
        self, node: Node, answer: Future[Any], until: Future[Any] | None, granted: float
    ) -> None:
        super().__init__(None, node.clock.now() + granted, granted)
        self._node = node
        self.answer = answer
        self.until = until
        for source in self._sources():
            if not source.add_waiter(self._wake):
                self._wake()

    def home(self, me: Control | None) -> Node:
        """Return the node of the log, whose clock rules the wait."""
        return self._node

    def let_go(self) -> None:
        """Be woken no more: a run that is read for long must not gather its batches."""
        for source in self._sources():
            source.remove_waiter(self._wake)

    def _sources(self) -> list[Future[Any]]:
        return [self.answer] if self.until is None else [self.answer, self.until]

    def _wake(self) -> None:
        self.settle(None)


class Feed:
    """The events of one session, from a sequence on, a batch at a time.

    Args:
        node: where the log is.
        session_id: whose events.
        after: the sequence of the last event that is not wanted.
        types: of which types, all if None; a batch may have one more, to go on after.
    """

    def __init__(
        self, node: Node, session_id: str, after: int, types: Collection[str] | None = None
    ) -> None:
        self._node = node
        self._session_id = session_id
        self._types = types
        self.after = after

    def next_batch(self, until: Future[Any] | None = None, timeout: float | None = None) -> Batch:
        """Return a future that is settled when there may be something to `take`.

        Args:
            until: another future that ends the wait, if it is settled first.
            timeout: seconds that the wait may take; 5 at the most.
        """
        granted = ASK_AGAIN if timeout is None else min(timeout, ASK_AGAIN)
        return Batch(self._node, self._ask(), until, granted)

    def _ask(self) -> Future[Any]:
        try:
            log = log_of(self._node)
        except NotFound:
            nothing: Future[Any] = Future()
            self._node.scheduler.call_at(
                self._node.clock.now() + PAUSE, lambda: _settle_with_nothing(nothing)
            )
            return nothing
        wanted = Follow(self._session_id, self.after, self._types)
        return log.ask(wanted, block=False, timeout=ASK_AGAIN)

    def take(self, batch: Batch) -> list[Event]:
        """Return the events of a batch, none if they have not come, and go on after them.

        Raises:
            InvalidInput: the log cannot follow what was asked for.
        """
        batch.let_go()
        if not batch.answer.done:
            return []
        try:
            records: Iterable[Any] = batch.answer.result()
        except (CallFailed, StoreError):
            return []  # The log is being restarted; we ask again.
        events = [event_of(record) for record in records]
        if events:
            self.after = events[-1].sequence
        return events


@contextmanager
def time_is_up() -> Iterator[None]:
    """Let a batch's own time be over; not that of the call which the reader is serving (G6)."""
    try:
        yield
    except DeadlineExpired:
        raise
    except CallTimeout:
        return


def _settle_with_nothing(future: Future[Any]) -> None:
    future.settle([])
