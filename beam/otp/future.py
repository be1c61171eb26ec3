"""Futures: the answer to a call, now or later; a Pykka future that can be awaited.

    >>> from beam.otp import Future
    >>> future = Future()
    >>> doubled = future.map(lambda n: n * 2)
    >>> future.set(21)
    >>> doubled.get(timeout=1.0)
    42

`get` blocks the calling thread; `await future` lets the event loop go on (M4 of Pykka: there it
stalls the loop). A future takes no lock. The first value wins; a second `set` is `queue.Full`.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import queue
import sys
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import pykka

from beam.errors import CallTimeout, DeadlineExpired, Exited, NotSimulated
from beam.otp.answer import received
from beam.otp.clock import deadline_after
from beam.otp.context import here, warn_if_on_loop
from beam.otp.control import NOTHING, node_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from types import TracebackType

    from beam.otp.control import Control
    from beam.otp.node import Node
    from beam.otp.scheduler import Parker

    ExcInfo = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]

__all__ = ["Future"]

T = TypeVar("T")
M = TypeVar("M")


class Future(pykka.Future[T], Generic[T]):
    """A value that is there now or comes later.

    Made by calls; `Future()` makes one of your own, to be `set` once.

    Attributes:
        done: whether the value, or an exception, is there.
        waiters: what is called when it comes; `add_waiter` adds to it.
    """

    __slots__ = (
        "_failed",
        "_outcomes",
        "_value",
        "callee",
        "deadline",
        "done",
        "granted",
        "waiters",
    )

    _value: Any
    _failed: bool

    # Pykka's class declares `_get_hook` and sets it in __init__; ours is set when used.
    _get_hook: Any = None
    _get_hook_result: Any

    def __init__(
        self,
        callee: Control | None = None,
        deadline: float | None = None,
        granted: float | None = None,
    ) -> None:
        """Make a pending future.

        Args:
            callee: the process that will answer, if a call made this future.
            deadline: when the caller stops waiting, on the node's clock; `None` never.
            granted: the seconds that the caller granted, for the message of a `CallTimeout`.
        """
        self.done = False
        self._outcomes: list[tuple[Any, bool]] = []
        self.waiters: list[Callable[[], None]] = []
        self.callee = callee
        self.deadline = deadline
        self.granted = granted

    def __repr__(self) -> str:
        if not self.done:
            return "<Future: pending>"
        return f"<Future: {'failed: ' if self._failed else ''}{self._value!r}>"

    # Setting

    def set(self, value: Any = None) -> None:
        """Set the value.

        Raises:
            queue.Full: if a value, an exception or a get hook has been set before.
        """
        if self._get_hook is not None or not self.settle(value):
            raise queue.Full

    def set_exception(self, exc_info: ExcInfo | None = None) -> None:
        """Set an exception, `sys.exc_info()` unless given, to be raised by `get`.

        Raises:
            queue.Full: if a value, an exception or a get hook has been set before.
        """
        kind, error, trace = sys.exc_info() if exc_info is None else exc_info
        if error is None:
            if kind is None:
                raise TypeError("set_exception() outside an except block needs exc_info")
            error = kind()
        if self._get_hook is not None or not self.settle(error.with_traceback(trace), failed=True):
            raise queue.Full

    def settle(self, value: Any, *, failed: bool = False) -> bool:
        """Set the value or, with `failed`, the exception, unless one is there.

        Returns:
            Whether this call was the first.
        """
        # An answer and a death may race. To append is one step to the interpreter, so there is one
        # outcome that is the first, and both know it: 0.1 µs, where a lock takes 0.4.
        outcomes, mine = self._outcomes, (value, failed)
        outcomes.append(mine)
        first = outcomes[0]
        self._value, self._failed = first
        self.done = True
        if first is not mine:
            return False
        waiters = self.waiters
        while waiters:
            try:
                wake = waiters.pop(0)
            except IndexError:  # Taken back this moment.
                break
            wake()
        return True

    def set_get_hook(self, func: Callable[[float | None], T]) -> None:
        """Let `func(timeout)` produce the value when `get` is first called, as Pykka does.

        Raises:
            queue.Full: if a value or an exception has been set before.
        """
        if self.done:
            raise queue.Full
        self._get_hook = func

    # Getting

    def get(self, *, timeout: float | None = None) -> T:
        """Return the value; wait for it if need be.

        Args:
            timeout: seconds to wait. `None` waits for the call's own deadline, 5 s after it was
                made unless said otherwise; a number replaces that deadline; `math.inf` lifts it.

        Raises:
            CallTimeout: when the time is over (a `pykka.Timeout`).
            DeadlineExpired: when the deadline passed of the call that this process is serving.
            CallCycle: if this process and the callee would wait for each other.
            CallExit: if the callee died (a `pykka.ActorDeadError`).
            Refused: if the callee refused.
            InvalidInput: if `timeout` is no number.
        """
        if not self.done:
            if self._get_hook is not None:
                return cast("T", self._run_hook(timeout))
            self._wait(timeout)
        if self._failed:
            raise received(self._value, self.callee)
        value: T = self._value
        return value

    def result(self) -> T:
        """Return the value that is there, or raise the exception that is there."""
        if self._failed:
            raise received(self._value, self.callee)
        value: T = self._value
        return value

    def _run_hook(self, timeout: float | None) -> Any:
        try:
            value = self._get_hook(timeout)
        except pykka.Timeout:
            raise  # Not an outcome: the next get waits again.
        self.settle(value)
        return self.result()

    def _wait(self, timeout: float | None) -> None:
        warn_if_on_loop("Future.get()", "future")
        me = here.control
        node = self.home(me)
        if timeout is not None:
            self._move_deadline(deadline_after(node.clock, timeout), timeout)
        if me is None:
            self._park(node, None)
            return
        me.begin_wait(self)
        if self.callee is not None and me.inherited_deadline() is not None:
            self.callee.look_again()  # It may wait already, since before our caller grew impatient.
        try:
            self._park(node, me)
        finally:
            me.end_wait()

    def _move_deadline(self, deadline: float | None, granted: float | None) -> None:
        before, self.deadline, self.granted = self.deadline, deadline, granted
        sooner = deadline is not None and (before is None or deadline < before)
        if sooner and self.callee is not None:
            self.callee.look_again()

    def home(self, me: Control | None) -> Node:
        """Return the node whose clock and scheduler rule the wait of `me`."""
        return node_of(self.callee, me)

    def arm(self, node: Node, me: Control | None) -> Parker:
        """Make ready to wait, before the call is sent; for `park`.

        So the caller blocks as soon as it has woken the callee. Were it to make its preparations
        then, the callee would wake to find the interpreter taken: two switches of threads instead
        of one, a quarter of a call between two cores.
        """
        parker = node.scheduler.parker(me)
        self.waiters.append(parker.unpark)
        return parker

    def park(self, me: Control | None, armed: Parker | None = None) -> None:
        """Wait for the value; `me`, the process that runs here, if any, has noted that it waits."""
        self._park(self.home(me), me, armed)

    def _park(self, node: Node, me: Control | None, armed: Parker | None = None) -> None:
        """Wait for the value, an exit signal to this process, or the nearest deadline."""
        while not self.done:
            parker, armed = armed, None
            if parker is None:
                parker = node.scheduler.parker(me)
                if not self.add_waiter(parker.unpark):
                    break
            try:
                if me is not None:
                    me.watch_exit(parker)
                # Asked after the parker is known: who moves a deadline lets the parker go.
                unparked = parker.park(self._nearest_deadline(me))
            finally:
                if not self.done:
                    self.remove_waiter(parker.unpark)
                if me is not None:
                    me.watch_exit(None)
            if me is not None and me.pending_exit is not NOTHING:
                break
            if not unparked and not self.done:
                self._expire(node.clock.now(), me)
        if me is not None and me.pending_exit is not NOTHING:
            raise Exited(me.pending_exit)  # A signal has come with the answer, and acts first.

    def _nearest_deadline(self, me: Control | None) -> float | None:
        """Return this call's own deadline, or the one that `me` inherits, if that is sooner."""
        own, inherited = self.deadline, me.inherited_deadline() if me is not None else None
        return inherited if inherited is not None and (own is None or inherited < own) else own

    def _expire(self, now: float, me: Control | None) -> None:
        """Raise if a deadline has passed; both may have been moved while we waited."""
        own, inherited = self.deadline, me.inherited_deadline() if me is not None else None
        whom = self.callee.ref if self.callee is not None else None
        # The earlier one has passed first, however late we look: a call made with the same
        # seconds as the one it is made for must not be taken for one that failed by itself.
        if inherited is not None and now >= inherited and (own is None or inherited <= own):
            # Nobody waits for this call any more, nor for those that are made inside it.
            self._move_deadline(inherited, self.granted)
            raise DeadlineExpired(whom, self.granted)
        if own is not None and now >= own:
            raise CallTimeout(whom, self.granted)

    def add_waiter(self, wake: Callable[[], None]) -> bool:
        """Have `wake` called, from any thread, when the value is there; it must not block.

        Returns:
            False if the value is there already: `wake` will not be called.
        """
        self.waiters.append(wake)
        # Note first, look after: who settles sets the value first, and looks for waiters after.
        return not self.done or not self.remove_waiter(wake)

    def remove_waiter(self, wake: Callable[[], None]) -> bool:
        """Have `wake` called no more; return whether it would have been."""
        try:
            self.waiters.remove(wake)
        except ValueError:
            return False
        return True

    # Awaiting

    def __await__(self) -> Generator[Any, None, T]:
        if not self.done:
            if self._get_hook is not None:
                yield from asyncio.to_thread(self.get).__await__()
            else:
                yield from self._wait_on_loop().__await__()
        return self.result()

    __iter__ = __await__

    async def _wait_on_loop(self) -> None:
        """Wait without blocking the loop; cancelling abandons the wait, not the work."""
        node = self.home(None)
        if node.scheduler.simulated:
            raise NotSimulated("an event loop", "get()")
        loop = asyncio.get_running_loop()
        arrived = asyncio.Event()

        def wake() -> None:
            # A loop that has closed meanwhile has nobody left to tell.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(arrived.set)

        if not self.add_waiter(wake):
            return
        try:
            while not self.done:
                left = None if self.deadline is None else self.deadline - node.clock.now()
                try:
                    async with asyncio.timeout(left):
                        await arrived.wait()
                except TimeoutError:
                    self._expire(node.clock.now(), None)
        finally:
            self.remove_waiter(wake)

    # Derived futures

    def map(self, func: Callable[[T], M]) -> Future[M]:
        """Return a future of `func(value)`."""
        return Derived((self,), lambda values: func(values[0]))

    def join(self, *futures: pykka.Future[Any]) -> Future[Iterable[Any]]:
        """Return a future of the list of this future's value and those of `futures`."""
        return Derived((self, *futures), lambda values: values)

    def filter(self, func: Callable[[Any], bool]) -> Future[Iterable[Any]]:
        """Return a future of the list of those items of the value for which `func` is true."""
        return Derived((self,), lambda values: [item for item in values[0] if func(item)])

    def reduce(self, func: Callable[[Any, Any], Any], *args: Any) -> Future[Any]:
        """Return a future of `functools.reduce(func, value, *args)`."""
        return Derived((self,), lambda values: functools.reduce(func, values[0], *args))


class Derived(Future[M]):
    """A future computed from others, when it is first asked for; awaits them without blocking."""

    __slots__ = ("_combine", "_sources")

    def __init__(
        self, sources: tuple[pykka.Future[Any], ...], combine: Callable[[list[Any]], M]
    ) -> None:
        super().__init__()
        self._sources = sources
        self._combine = combine
        # As in Pykka, a derived future has a hook, and so cannot be set.
        self._get_hook = self._gather

    def _gather(self, timeout: float | None) -> M:
        """Return the value; `timeout` (seconds) bounds the wait for all sources together."""
        clock = node_of(None, here.control).clock
        until = deadline_after(clock, timeout)
        values = []
        for source in self._sources:
            left = None if until is None else max(0.0, until - clock.now())
            values.append(source.get(timeout=left))
        return self._combine(values)

    def __await__(self) -> Generator[Any, None, M]:
        if not self.done:
            values: list[Any] = []
            for source in self._sources:
                value = yield from _awaited(source)
                values.append(value)
            self.settle(self._combine(values))
        return self.result()

    __iter__ = __await__


def _awaited(source: pykka.Future[Any]) -> Generator[Any, None, Any]:
    """Await a future of any runtime; Pykka's own would block the loop."""
    if isinstance(source, Future):
        return source.__await__()
    return asyncio.to_thread(source.get).__await__()
