"""Listeners: who hears of new records, and who waits for the log to reach a position.

    >>> from beam.log.record import StoredRecord
    >>> heard = []
    >>> listeners = Listeners(position=4)
    >>> listener = listeners.add(heard.extend)
    >>> listeners.publish((StoredRecord(5, "a", 1, "e5", "t", 0, "{}"),))
    >>> listener.since, [record.position for record in heard], listeners.wait_for(5, timeout=0)
    (4, [5], True)

A listener's `since` and the records that it hears of fit without gap or overlap: both are taken
under the lock under which the log's end moves. A listener that raises is reported (structlog
event `log_callback_failed`) and counted; nobody else notices. How many listeners there are is up
to those who add them.
"""

from __future__ import annotations

import threading
import traceback
from typing import TYPE_CHECKING, TypeVar

from beam.errors import StoreClosed
from beam.log.record import check_callback, check_range, check_seconds
from beam.log.reports import report

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.log.record import StoredRecord
    from beam.log.store import OnAppend

__all__ = ["Listener", "Listeners"]

_T = TypeVar("_T")


class Listener:
    """A callback that hears of new records until it is cancelled.

    Attributes:
        since: the last position that it did not hear of.
    """

    __slots__ = ("_callback", "_cancel", "since")

    def __init__(self, callback: OnAppend, since: int, cancel: Callable[[Listener], None]) -> None:
        self._callback = callback
        self._cancel = cancel
        self.since = since

    def hear(self, fresh: tuple[StoredRecord, ...]) -> None:
        """Call the callback; for the store."""
        self._callback(fresh)

    def cancel(self) -> None:
        """End it. A call that has begun on the storing thread may still be running."""
        self._cancel(self)


class Listeners:
    """The listeners and the waiting readers of one store."""

    def __init__(self, position: int, path: str | None = None) -> None:
        """Begin at the log's last position; `path` is for messages."""
        self.failures = 0
        self._position = position
        self._path = path
        self._closed = False
        self._listeners: tuple[Listener, ...] = ()
        self._moved = threading.Condition()

    @property
    def position(self) -> int:
        """The last position that was published."""
        return self._position

    def add(self, callback: OnAppend) -> Listener:
        """Let `callback` hear of what is published from now on."""
        check_callback("callback", callback)
        with self._moved:
            self._check_open()
            listener = Listener(callback, self._position, self._remove)
            self._listeners = (*self._listeners, listener)
        return listener

    def publish(self, fresh: tuple[StoredRecord, ...]) -> None:
        """Tell everybody of stored records; the caller sees to their order."""
        if not fresh:
            return
        with self._moved:
            self._position = fresh[-1].position
            listeners = self._listeners
            self._moved.notify_all()
        for listener in listeners:
            self.guard(listener.hear, fresh)

    def guard(self, callback: Callable[[_T], None], value: _T) -> None:
        """Call somebody's callback; what it raises is reported and counted, whatever it is."""
        try:
            callback(value)
        except BaseException as error:  # noqa: BLE001 - not even SystemExit may end the thread that stores
            self.failures += 1
            report(
                "log_callback_failed",
                path=self._path,
                callback=repr(callback),
                error=repr(error),
                # As text, since a renderer that shows variables would show bodies.
                traceback="".join(traceback.format_exception(error)),
            )

    def wait_for(self, position: int, timeout: float) -> bool:
        """Wait until `position` has been published, at most `timeout` seconds."""
        check_range("position", position, None)
        check_seconds("timeout", timeout)
        with self._moved:
            self._moved.wait_for(lambda: self._closed or self._position >= position, timeout)
            self._check_open()
            return self._position >= position

    def close(self) -> None:
        """Wake all who wait, with `StoreClosed`, and forget the listeners."""
        with self._moved:
            self._closed = True
            self._listeners = ()
            self._moved.notify_all()

    def _remove(self, listener: Listener) -> None:
        with self._moved:
            self._listeners = tuple(other for other in self._listeners if other is not listener)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosed("the log has been closed", self._path)
