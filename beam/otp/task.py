"""One function in a process of its own, and the future of what it returns.

    >>> from beam.otp import Tasks
    >>> with Tasks.start() as tasks:
    ...     task = tasks.run(pow, 2, 10)
    ...     task.get(timeout=5.0), task.process.is_alive()
    (1024, False)

The function's value is there when its process has ended, and not before: whoever has it finds the
process gone, and its place in the supervisor free.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, TypeVar

from beam.errors import CallExit, CallTimeout, Exited, InvalidInput, Refused
from beam.otp.aio import Aio
from beam.otp.context import blocking_form, here
from beam.otp.future import Future
from beam.otp.scheduler import take_back
from beam.otp.shutdown import KILL_GRACE, end, give_up
from beam.otp.signals import Watch, link, send_exit, unlink, watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.otp.control import Control
    from beam.otp.ref import Ref
    from beam.otp.scheduler import Cell
    from beam.otp.shutdown import Shutdown

__all__ = ["Job", "Task"]

T = TypeVar("T")


class Task(Future[T]):
    """A function at work, and the future of its value; what `Tasks.run` returns.

    Attributes:
        process: the process that runs it.
    """

    __slots__ = ("_owner", "process")

    process: Ref[Any]

    def __init__(self, owner: Control | None) -> None:
        """Make a task that has not started.

        Args:
            owner: the process to which it is linked, `None` for none.
        """
        super().__init__()
        self._owner = owner

    @property
    def aio(self) -> Aio:
        """The coroutine twin of `shutdown`; for the value, await the task itself."""
        return Aio(self, ("shutdown",))

    def get(self, *, timeout: float | None = None) -> T:
        """Return what the function returned; wait for it if need be.

        Args:
            timeout: seconds to wait; `None` without end. A wait that has ended leaves the task as
                it was: it can be waited for again.

        Raises:
            CallExit: if it failed. `reason` is `Crash(exception)`, or that of the signal that
                ended it.
            Refused: if the function raised that: it is its answer.
            CallTimeout: when the time is over, of the wait or of the task.
            DeadlineExpired: when the deadline passed of the call that this process is serving.
            CallCycle: if the function waits for this process.
        """
        if self.done:
            return self.result()
        wait: Future[T] = Future(self.callee)  # Each wait has a time of its own.

        def wake() -> None:
            wait.settle(self._value, failed=self._failed)

        if not self.add_waiter(wake):
            return self.result()
        try:
            return wait.get(timeout=timeout)
        finally:
            self.remove_waiter(wake)

    def shutdown(self, timeout: Shutdown = 5.0) -> None:
        """End the task, if it has not ended, and wait for that; its owner is not concerned.

        A function is ended where it waits, in a call, in `sleep` or in `receive`. One that does
        not come out in time is given up: its process is dead for everyone, and its thread is
        counted in its node's `given_up` until it comes back (G9).

        Args:
            timeout: seconds that it has to end after `"shutdown"`, before it is killed; `None`
                without end; `"brutal"` kills at once.
        """
        with blocking_form("Task.shutdown()", "task.aio.shutdown(...)"):
            control = self.process.control
            self.leave_owner()
            end(here.control or control.node.init, control, timeout)

    def leave_owner(self) -> None:
        """Undo the link to the owner."""
        owner, self._owner = self._owner, None
        if owner is not None:
            unlink(owner, self.process.control)


class Job(Watch):
    """What a task's process is to do, and who hears of its end.

    Called, in the process, it does it.
    """

    __slots__ = ("_function", "_outcome", "_owner", "_task", "_timer")

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        linked: bool,
    ) -> None:
        """Make a job.

        Args:
            function: what to do.
            args: its arguments.
            kwargs: those by name.
            linked: whether the process that calls, if any, is linked to that of the job.

        Raises:
            InvalidInput: if it is no function, or an async one.
        """
        _check(function)
        self._function = (function, args, kwargs)
        self._owner = here.control if linked else None
        self._task: Task[Any] = Task(self._owner)
        self._outcome: tuple[Any, bool] | None = None
        self._timer: Cell | None = None

    @property
    def name(self) -> str:
        """What to call it in reports."""
        function = self._function[0]
        return str(getattr(function, "__qualname__", type(function).__qualname__))

    def __call__(self) -> None:
        """Do it, in the process of the task."""
        me = here.control
        assert me is not None
        if self._owner is not None:
            try:
                link(me, self._owner)
            except CallExit:
                raise Exited("shutdown") from None  # Nobody wants it any more.
        function, args, kwargs = self._function
        try:
            value = function(*args, **kwargs)
        except Refused as refusal:
            if refusal.process is not None:
                raise
            self._outcome = (refusal, True)
        else:
            if inspect.iscoroutine(value):
                value.close()
                raise InvalidInput("function", function, _EXPECTED)
            self._outcome = (value, False)

    def begun(self, process: Ref[Any], timeout: float | None) -> Task[Any]:
        """Take note that it has been started; return its task.

        Args:
            process: what does it.
            timeout: seconds that it may take; `None` without end.
        """
        task, control = self._task, process.control
        task.process, task.callee, self.target = process, control, control
        if timeout is not None:
            node = control.node
            task.granted = timeout
            self._timer = node.scheduler.call_at(node.clock.now() + timeout, self._expire)
        if not watch(control, self):
            self.fire(control.exit_reason)
        return task

    def fire(self, reason: Any) -> None:
        """Settle the task, whose process has ended."""
        if self._timer is not None:
            take_back(self._timer, self._expire)
        if self._outcome is None:
            self._outcome = (CallExit(reason, self._task.process), True)
        value, failed = self._outcome
        self._task.settle(value, failed=failed)

    def _expire(self) -> None:
        """End the task, whose time is over; run by the clock's thread, which waits for nobody."""
        task = self._task
        control, node = task.process.control, task.process.control.node
        if not task.settle(CallTimeout(task.process, task.granted), failed=True):
            return
        task.leave_owner()
        send_exit(node.init, control, "kill")
        if control.alive:
            node.scheduler.call_at(node.clock.now() + KILL_GRACE, lambda: _bring_to_end(control))


def _bring_to_end(control: Control) -> None:
    if control.alive:
        give_up(control, "killed")


_EXPECTED = "a plain function; an async one belongs to an event loop"


def _check(function: object) -> None:
    kinds = (function, getattr(function, "__call__", None))  # noqa: B004 - not whether, but which
    if not callable(function) or any(
        inspect.iscoroutinefunction(kind) or inspect.isasyncgenfunction(kind) for kind in kinds
    ):
        raise InvalidInput("function", function, _EXPECTED)
