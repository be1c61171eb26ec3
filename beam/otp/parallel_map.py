"""A bounded parallel map: the iterators that `Tasks.map` and `Tasks.map_nolink` return.

Lazy: nothing begins before the first `next`, nothing more begins between one `next` and the
following, and no more items are taken than tasks begin. What is at work when the iterator is
closed is killed. How much may be at work, and how much may wait to be handed over, is the window's
to say (`beam.otp.map_window`).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeAlias, TypeVar

from beam.errors import InvalidInput
from beam.otp.aio import aside
from beam.otp.arrivals import Arrivals
from beam.otp.context import blocking_form
from beam.otp.map_window import Window
from beam.otp.task import Task
from beam.otp.task_killing import kill_all, kill_soon

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from beam.otp.control import Control
    from beam.otp.node import Node

__all__ = ["AsyncParallelMap", "MapPlan", "OnTimeout", "ParallelMap"]

R = TypeVar("R")
OnTimeout: TypeAlias = Literal["exit", "kill_task"]

_BUSY = "somebody else waits in this map"


@dataclass(frozen=True, slots=True)
class MapPlan:
    """How a map is to be done.

    Attributes:
        node: where.
        start: starts the task of an item.
        most: the most tasks at work.
        ordered: whether results come in the order of the items, or as they come.
        values: whether the results are the values, and a failure ends the map; else they are the
            tasks that have ended.
        on_timeout: `"exit"`: a task whose time is over ends the map; `"kill_task"`: only itself.
    """

    node: Node
    start: Callable[[Any], Task[Any]]
    most: int
    ordered: bool
    values: bool
    on_timeout: OnTimeout

    def __post_init__(self) -> None:
        most: Any = self.most
        how = self.on_timeout
        if isinstance(most, bool) or not isinstance(most, int) or most < 1:
            raise InvalidInput("max_concurrency", most, "a whole number, 1 or more, or None")
        if how not in ("exit", "kill_task"):
            raise InvalidInput("on_timeout", how, '"exit" or "kill_task"')

    def ends_with(self, task: Task[Any]) -> bool:
        """Return whether the map ends with this task, which has ended."""
        return task.failed if self.values else task.is_late and self.on_timeout == "exit"

    def result_of(self, task: Task[Any]) -> Any:
        """Return what is handed over for a task; raise if the map ends with it."""
        return task.result() if self.values or self.ends_with(task) else task


class _Work(Generic[R]):
    """What both forms have: what is at work, what has ended, and whether it is over."""

    def __init__(self, plan: MapPlan) -> None:
        self._closed = True  # Until it is made.
        self._plan = plan
        self._window: Window[Task[Any]] = Window(plan.most, ordered=plan.ordered)
        self._arrivals = Arrivals(plan.node)
        self._numbers: dict[Any, int] = {}
        # No more begin: there are no more items, or the map ends with one that has ended.
        self._exhausted = False
        self._consumed = threading.Lock()

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{len(self._window.at_work)} at work"
        return f"<{type(self).__name__}: {state}>"

    @contextlib.contextmanager
    def _consuming(self) -> Iterator[None]:
        if not self._consumed.acquire(False):
            raise ValueError(_BUSY)
        try:
            yield
        finally:
            self._consumed.release()

    def _wants_more(self) -> bool:
        """Note what has ended since the last look; return whether another is to begin."""
        while (task := self._arrivals.take()) is not None:
            assert isinstance(task, Task)
            self._window.end(self._numbers.pop(task))
            if self._plan.ends_with(task):
                self._exhausted = True
        return not self._exhausted and self._window.wants_more()

    def _begin(self, task: Task[Any]) -> None:
        self._numbers[task] = self._window.begin(task)
        self._arrivals.watch(task)

    def _take(self) -> Task[Any] | None:
        """Return a task that has ended and is due; `None` if there is none now."""
        return self._window.take()

    def _is_over(self) -> bool:
        return self._exhausted and not self._window.at_work and not self._window.is_due()

    def _awaited(self) -> Control | None:
        task = self._window.awaited()
        return task.process.control if task is not None else None

    def _let_go(self) -> list[Task[Any]]:
        """Note that it is closed; return what is at work."""
        self._closed = self._exhausted = True
        left = list(self._window.at_work.values())
        self._window.at_work.clear()
        return left

    def __del__(self) -> None:
        # Locks may be held where the interpreter frees it: another thread is to end what is left.
        if vars(self).get("_closed", True) or not self._window.at_work:
            return
        left = self._let_go()
        with contextlib.suppress(RuntimeError):  # The interpreter ends.
            self._plan.node.scheduler.start_thread("map", lambda: kill_all(left))


class ParallelMap(_Work[R], Iterator[R]):
    """A map that is being done; see `TasksRef.map`.

    For one consumer. As a context manager it is closed at the end of the block; one that nobody
    has any more is closed, too, in a moment.
    """

    def __init__(self, plan: MapPlan, items: Iterable[Any]) -> None:
        super().__init__(plan)
        self._items = iter(items)
        self._closed = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> R:
        with self._consuming(), blocking_form("Tasks.map()", "tasks.aio.map(...)"):
            if self._closed:
                raise StopIteration
            try:
                return self._next()
            except BaseException:
                self._end()
                raise

    def _next(self) -> R:
        while True:
            self._fill()
            task = self._take()
            if task is not None:
                result: R = self._plan.result_of(task)
                return result
            if self._is_over():
                raise StopIteration
            self._arrivals.wait(callee=self._awaited())

    def _fill(self) -> None:
        while self._wants_more():
            try:
                item = next(self._items)
            except StopIteration:
                self._exhausted = True
            else:
                self._begin(self._plan.start(item))

    def close(self) -> None:
        """End the map: kill what is at work, and return when it has ended; again is no error.

        Raises:
            ValueError: if another thread waits in it.
        """
        with self._consuming(), blocking_form("ParallelMap.close()", "map.aclose()"):
            self._end()

    def _end(self) -> None:
        if not self._closed:
            left = self._let_go()
            self._arrivals.close()
            kill_all(left)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class AsyncParallelMap(_Work[R], AsyncIterator[R]):
    """The form of a map for event loops; see `ParallelMap`.

    The items may come asynchronously, too. Cancelling the one who waits closes it.
    """

    def __init__(self, plan: MapPlan, items: Iterable[Any] | AsyncIterable[Any]) -> None:
        super().__init__(plan)
        # Between the loop, which may have closed it, and the thread that starts a task for it.
        self._starting = threading.Lock()
        if isinstance(items, AsyncIterable):
            self._items = aiter(items)
        else:
            self._items = _each(items)
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> R:
        with self._consuming():
            if self._closed:
                raise StopAsyncIteration
            try:
                return await self._next()
            except BaseException:
                await self._end()
                raise

    async def _next(self) -> R:
        while True:
            await self._fill()
            task = self._take()
            if task is not None:
                result: R = self._plan.result_of(task)
                return result
            if self._is_over():
                raise StopAsyncIteration
            await self._arrivals.bell()

    async def _fill(self) -> None:
        while self._wants_more():
            try:
                item = await anext(self._items)
            except StopAsyncIteration:
                self._exhausted = True
            else:
                await aside(self._start, item)

    def _start(self, item: Any) -> None:
        task = self._plan.start(item)
        with self._starting:
            if not self._closed:
                self._begin(task)
                return
        kill_soon(task)

    async def aclose(self) -> None:
        """End the map: kill what is at work, and return when it has ended; again is no error.

        Raises:
            ValueError: if another coroutine waits in it.
        """
        with self._consuming():
            await self._end()

    async def _end(self) -> None:
        with self._starting:
            left = self._let_go()
        self._arrivals.close()
        for task in left:
            kill_soon(task)
        for task in left:
            await task.ended()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()


async def _each(items: Iterable[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item
