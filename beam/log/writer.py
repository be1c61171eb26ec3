"""Group commit: one thread stores what many hand over, in as few transactions as it can.

    >>> from beam.log.completion import Completion
    >>> from beam.log.intake import Limits, Request
    >>> from beam.log.listeners import Listeners
    >>> from beam.log.numbering import number
    >>> from beam.log.record import Record
    >>> commits = []
    >>> def commit(appends):
    ...     commits.append(appends)
    ...     return number(appends, 0, {}.get, {}.get)
    >>> writer = GroupCommit(commit, Listeners(0), Limits(), end=lambda: None)
    >>> completion = Completion()
    >>> writer.submit(Request((Record("e1", "a", "t", 0, "{}"),), completion.done), timeout=1.0)
    >>> [record.sequence for record in completion.result(timeout=5.0)]
    [1]
    >>> writer.close(timeout=5.0)

While a transaction is under way others queue up; the next transaction takes them together. There
is no lingering: a lone append is stored at once. The engine knows nothing of the store behind it
but a function that stores or raises.

When a transaction fails, everything that waits is answered with the error, so that no append
overtakes one that failed before it. Lack of room (`StoreFull`) and a lock of somebody else
(`StoreLocked`) pass; after any other failure nothing is stored any more, and every later append is
refused, until the log is opened again: whether the disk has what it was told is not known then.

The thread is a daemon, so that a disk that hangs cannot keep the interpreter from ending.
"""

from __future__ import annotations

import copy
import os
import threading
from typing import TYPE_CHECKING

from beam.errors import QueueFull, StoreClosed, StoreError, StoreFull, StoreLocked, StoreTimeout
from beam.log.intake import Intake, Notes
from beam.log.reports import report
from beam.log.store import Stats

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from beam.log.intake import Limits, Request
    from beam.log.listeners import Listeners
    from beam.log.numbering import Numbered
    from beam.log.record import Record
    from beam.log.store import Lost

__all__ = ["QUEUE", "GroupCommit"]

QUEUE = "log.append"
"""The name of the queue, in `QueueFull.queue`."""


class _This:
    """The process that this is; asked of the system once, and in each that is forked off."""

    def __init__(self) -> None:
        self.look()

    def look(self) -> None:
        """Ask."""
        self.pid = os.getpid()


_this = _This()
os.register_at_fork(after_in_child=_this.look)

_PASSES = (StoreFull, StoreLocked)


class GroupCommit:
    """The writer thread and its queue."""

    def __init__(
        self,
        commit: Callable[[Sequence[Sequence[Record]]], Numbered],
        listeners: Listeners,
        limits: Limits,
        end: Callable[[], None],
        path: str | None = None,
    ) -> None:
        """Start the thread.

        Args:
            commit: stores some appends in one transaction; raises `StoreError` if it did not.
            listeners: who hears of what was stored.
            limits: the bounds of the queue and of a transaction.
            end: called last, when nothing more will be stored.
            path: the file, for messages.
        """
        self._commit = commit
        self._listeners = listeners
        self._limits = limits
        self._end = end
        self._path = path
        self._pid = _this.pid
        self._lock = lock = threading.Lock()
        self._work = threading.Condition(lock)
        self._room = threading.Condition(lock)
        self._intake = Intake(limits)
        self._closing = False
        self._broken: StoreError | None = None
        self._requests = self._appended = self._commits = self._largest = 0
        self._failed = self._waited = self._refused = 0
        self._thread = threading.Thread(target=self._run, name=f"beam-log {path}", daemon=True)
        self._thread.start()

    @property
    def is_current(self) -> bool:
        """Whether the caller runs on the writer's thread: a listener or an answer."""
        return threading.get_ident() == self._thread.ident

    def note(self, records: Sequence[Record], lost: Lost) -> None:
        """Queue a note; see `Store.note` for what it raises."""
        self._check_process()
        with self._lock:
            self._check_open()
            # Of a queue that is not empty the writer knows already.
            if self._intake.join(records, lost):
                return
        self.submit(Notes(lost, records), 0.0)

    def submit(self, request: Request | Notes, timeout: float) -> None:
        """Queue an append; see `Store.append` for what it raises."""
        self._check_process()
        with self._work:
            self._check_open()
            if not self._intake.has_room(request):
                self._wait_for_room(request, timeout)
            self._intake.put(request)
            self._work.notify()

    def close(self, timeout: float) -> None:
        """Store what waits, then end; see `LogReader.close`. From a callback it does not wait."""
        with self._work:
            self._closing = True
            self._work.notify()
            self._room.notify_all()
        if self.is_current or os.getpid() != self._pid:
            return
        self._thread.join(timeout)
        if self._thread.is_alive():
            self._fail([], StoreClosed("the log was closed before this was stored", self._path))
            raise StoreTimeout(f"a transaction was under way {timeout} s after close", self._path)

    def stats(self) -> Stats:
        """Return counts since the start."""
        with self._work:
            return Stats(
                requests=self._requests,
                appended=self._appended,
                commits=self._commits,
                largest_commit=self._largest,
                failed=self._failed,
                queued=self._intake.records,
                queued_bytes=self._intake.size,
                high_water=self._intake.high_water,
                waited=self._waited,
                refused=self._refused,
                callback_failures=self._listeners.failures,
            )

    def _check_process(self) -> None:
        # The thread is not there after a fork, and its locks may be held for ever.
        if _this.pid != self._pid:
            raise StoreError(
                f"opened by process {self._pid}, which forked; open the log in this process",
                self._path,
            )

    def _check_open(self) -> None:
        if self._closing:
            raise StoreClosed("the log has been closed", self._path)
        if self._broken is not None:
            raise _again(self._broken) from self._broken

    def _wait_for_room(self, request: Request | Notes, timeout: float) -> None:
        # The writer's own thread would wait for itself.
        if timeout and not self.is_current:
            self._waited += 1
            self._room.wait_for(
                lambda: self._closing or self._broken or self._intake.has_room(request), timeout
            )
            self._check_open()
            if self._intake.has_room(request):
                return
        self._refused += 1
        raise QueueFull(
            queue=QUEUE,
            length=self._intake.records,
            limit=self._limits.queued_records,
            size=self._intake.size,
            size_limit=self._limits.queued_bytes,
            waited=timeout,
        )

    def _run(self) -> None:
        try:
            while batch := self._next():
                self._serve(batch)
        finally:
            self._end()

    def _next(self) -> list[Request | Notes]:
        with self._work:
            # No deadline: an idle log waits for work as long as there is none.
            self._work.wait_for(lambda: self._closing or len(self._intake))
            batch = self._intake.take()
            self._room.notify_all()
            return batch

    def _serve(self, batch: list[Request | Notes]) -> None:
        try:
            numbered = self._commit([request.records for request in batch])
        except StoreError as error:
            self._fail(batch, error)
        except BaseException as error:  # noqa: BLE001 - whatever it is, nobody may wait for ever
            failure = StoreError(f"the writer failed: {error!r}", self._path)
            failure.__cause__ = error
            self._fail(batch, failure)
        else:
            self._answer(batch, numbered)

    def _answer(self, batch: list[Request | Notes], numbered: Numbered) -> None:
        self._requests += len(batch)
        self._appended += len(numbered.fresh)
        self._commits += bool(numbered.fresh)
        self._largest = max(self._largest, len(numbered.fresh))
        self._listeners.publish(numbered.fresh)
        for request, answer in zip(batch, numbered.answers, strict=True):
            self._listeners.guard(request.done, answer)

    def _fail(self, batch: list[Request | Notes], error: StoreError) -> None:
        with self._work:
            waiting = [*batch, *self._intake.drain()]
            self._failed += len(waiting)
            if not isinstance(error, _PASSES):
                self._broken = error
            self._room.notify_all()
        if waiting:
            report("log_append_failed", path=self._path, appends=len(waiting), error=str(error))
        for request in waiting:
            self._listeners.guard(request.done, _again(error))


def _again(error: StoreError) -> StoreError:
    """Return a copy, since each thread that raises it writes its own traceback into it."""
    copied = copy.copy(error)
    copied.__cause__ = error.__cause__
    return copied
