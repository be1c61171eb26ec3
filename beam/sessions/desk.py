"""Where a session's process writes: its events into the log, and what to do when they are there."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from beam.errors import InvalidInput, QueueFull, StoreFull
from beam.model.events import message_data
from beam.model.messages import stamp
from beam.policy import HookChain
from beam.sessions.hooked import tell_hooks
from beam.sessions.messages import Logged
from beam.sessions.spans import SessionSpans
from beam.state.run_events import ENDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from beam.model.events import Event, EventType
    from beam.model.messages import Message
    from beam.otp import Ref
    from beam.state.journal import Journal

__all__ = ["Desk"]


def _no_thread() -> None:
    return None


class Desk:
    """The writing desk of one session's process; used by that process alone.

    Args:
        journal: writes the events.
        session_id: in whose stream.
        process: the session's process, told by `Logged` when what somebody waits for is stored.
        thread: says to which thread of the session belongs what is said now; to none unless given.
        hooks: told when a run has ended.
        spans: told what is written, for telemetry.
    """

    def __init__(
        self,
        journal: Journal,
        session_id: str,
        process: Ref[Any],
        thread: Callable[[], str | None] = _no_thread,
        hooks: HookChain | None = None,
        *,
        spans: SessionSpans | None = None,
    ) -> None:
        self.journal = journal
        self.session_id = session_id
        self._process = process
        self._thread = thread
        self._hooks = hooks or HookChain()
        self.spans = spans or SessionSpans(process.node.clock, session_id, "")
        self._tokens = itertools.count(1)
        # Bounded by the log's queue, which refuses what it has no room for.
        self._then: dict[int, Callable[[], Any]] = {}
        self.changed_at = journal.now()
        self.clock = process.node.clock

    def event(self, kind: EventType, run_id: str | None = None, /, **data: Any) -> Event:
        """Make an event of the session, and of one of its runs if given."""
        return self.journal.event(kind, self.session_id, run_id=run_id, **data)

    def message(self, message: Message, run_id: str | None) -> Event:
        """Make the event of something that was said."""
        said = stamp(message, timestamp=self.journal.now(), session_id=self.session_id)
        if said.thread_id is None and (thread_id := self._thread()) is not None:
            said = replace(said, thread_id=thread_id)
        return self.event("message", run_id, **message_data(said))

    def log(self, events: Sequence[Event], then: Callable[[], Any] | None = None) -> None:
        """Append events; `then` runs in the session's process when they are in the log.

        Raises:
            InvalidInput: an event is none that the log can hold; nothing has changed.
            StoreError: the log does not take them. A session that cannot write must not go on as
                if it could (G11), so this is no answer to anybody, but a crash.
        """
        if not events:
            return
        token = next(self._tokens)
        if then is not None:
            self._then[token] = then
        process = self._process

        def done(outcome: Any) -> None:
            failure = outcome if isinstance(outcome, BaseException) else None
            if failure is None:
                self._tell_ends(events)
            if then is not None or failure is not None:
                process.cast(Logged(token, failure))

        try:
            self.journal.append(events, done)
        except QueueFull as full:
            raise StoreFull(f"the log's queue has no room: {full}") from full
        except InvalidInput:
            self._then.pop(token, None)
            raise
        self.changed_at = events[-1].timestamp
        self.spans.written(events)

    def _tell_ends(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.type in ENDS:
                told = {"session_id": self.session_id, "run_id": event.run_id, "how": event.type}
                tell_hooks(self._process.node, self._hooks, "stop", told)

    def log_wait(self, events: Sequence[Event]) -> None:
        """Append events and wait until they are stored."""
        self.changed_at = events[-1].timestamp
        self.journal.append_wait(events)
        self.spans.written(events)

    def logged(self, logged: Logged) -> None:
        """Do what was waiting for an append.

        Raises:
            StoreError: the append failed; see `log`.
        """
        then = self._then.pop(logged.token, None)
        if logged.error is not None:
            raise logged.error
        if then is not None:
            then()
