"""Following a session's events in the log: each once, in order, across restarts (G13).

A reader keeps the sequence of the last event that it has seen, and asks the log's process for what
comes after it. Nothing is buffered for it anywhere, so it may be as slow as it likes, or stop and
come back; and nothing can be lost while the session's process, or the log's, is being restarted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.errors import CallFailed, NotFound, StoreError
from beam.log import Follow, log_of
from beam.otp import Future
from beam.state.journal import event_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from beam.model.events import Event
    from beam.otp import Node

__all__ = ["Feed"]

# Seconds after which a reader asks again, whether or not there was an answer: the log may have
# been restarted while it waited.
ASK_AGAIN = 5.0
# Seconds between two tries while there is no log.
PAUSE = 0.05


class Feed:
    """The events of one session, from a sequence on, a batch at a time.

    Args:
        node: where the log is.
        session_id: whose events.
        after: the sequence of the last event that is not wanted.
    """

    def __init__(self, node: Node, session_id: str, after: int) -> None:
        self._node = node
        self._session_id = session_id
        self.after = after

    def next_batch(
        self, until: Future[Any] | None = None, timeout: float | None = None
    ) -> tuple[Future[None], Future[Any]]:
        """Return a future that is settled when there may be something to `take`.

        Args:
            until: another future that ends the wait, if it is settled first.
            timeout: seconds that the wait may take.

        Returns:
            The future, which ends with `CallTimeout` after 5 s at the latest; and the log's
            answer, to be taken.
        """
        answer = self._ask()
        either: Future[None] = Future()
        either.granted = ASK_AGAIN if timeout is None else min(timeout, ASK_AGAIN)
        either.deadline = self._node.clock.now() + either.granted
        for one in (answer, until):
            if one is not None and not one.add_waiter(lambda: _wake(either)):
                either.settle(None)
        return either, answer

    def _ask(self) -> Future[Any]:
        try:
            log = log_of(self._node)
        except NotFound:
            nothing: Future[Any] = Future()
            self._node.scheduler.call_at(
                self._node.clock.now() + PAUSE, lambda: _settle_with_nothing(nothing)
            )
            return nothing
        return log.ask(Follow(self._session_id, self.after), block=False, timeout=ASK_AGAIN)

    def take(self, answer: Future[Any]) -> list[Event]:
        """Return the events of an answer, none if it has not come, and go on after them."""
        if not answer.done:
            return []
        try:
            records: Iterable[Any] = answer.result()
        except (CallFailed, StoreError):
            return []  # The log is being restarted; we ask again.
        events = [event_of(record) for record in records]
        if events:
            self.after = events[-1].sequence
        return events


def _wake(future: Future[None]) -> None:
    future.settle(None)


def _settle_with_nothing(future: Future[Any]) -> None:
    future.settle([])
