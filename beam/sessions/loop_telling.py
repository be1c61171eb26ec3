"""Who is told of an agent loop's events, and of how its requests end: in order, off the loop."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from beam.logger import Logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.providers.values import SessionInfo
    from beam.sessions.loop_handler import Handling

__all__ = ["Telling"]

_log = Logger("beam.sessions")


@dataclass(frozen=True, slots=True)
class _End:
    outcome: Any


class Telling:
    """Shows a handler events, one after the other, and says after them how the request ended.

    A handler may be slow, and must not hold up the loop. What waits for it is bounded by the
    events of the request, all of which are kept for its result in any case.

    Args:
        handling: the handler.
        info: says which conversation it is, when asked.
        ended: is told how each request ended, on the loop.
    """

    def __init__(
        self, handling: Handling, info: Callable[[], SessionInfo], ended: Callable[[Any], None]
    ) -> None:
        self._handling = handling
        self._info = info
        self._ended = ended
        self._waiting: deque[Any] = deque()
        self._task: asyncio.Task[None] | None = None
        self._reported = False

    def event(self, event: Any) -> None:
        """Show the handler an event."""
        if self._handling.event is not None:
            self._put(event)

    def end(self, outcome: Any) -> None:
        """Say how a request ended, after the events before it."""
        if self._handling.event is None:
            self._ended(outcome)
        else:
            self._put(_End(outcome))

    def cancel(self) -> asyncio.Task[None] | None:
        """Say nothing more; return the task that was saying it, if one was."""
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()
        return self._task

    def _put(self, what: Any) -> None:
        self._waiting.append(what)
        if self._task is None:
            self._task = asyncio.ensure_future(self._tell())

    async def _tell(self) -> None:
        try:
            while self._waiting:
                events = []
                while self._waiting and not isinstance(self._waiting[0], _End):
                    events.append(self._waiting.popleft())
                if events:
                    self._report(await self._handling.show(events, self._info()))
                elif self._waiting:
                    self._ended(self._waiting.popleft().outcome)
        finally:
            self._task = None

    def _report(self, raised: list[BaseException]) -> None:
        """Say once that the handler fails to look: it only looks, so nothing else follows."""
        if raised and not self._reported:
            self._reported = True
            _log.warning("handle_event_failed", error=repr(raised[0]))
