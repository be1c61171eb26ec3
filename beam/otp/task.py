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

import contextlib
import inspect
from typing import TYPE_CHECKING, Any, TypeVar, overload

from beam.errors import CallExit, CallTimeout, DeadlineExpired, Exited, InvalidInput, Refused
from beam.otp.aio import Aio
from beam.otp.context import blocking_form, here
from beam.otp.future import Future
from beam.otp.scheduler import take_back
from beam.otp.shutdown import end
from beam.otp.signals import Watch, link, send_exit, unlink, watch
from beam.otp.task_killing import kill_soon, see_to_its_end

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.otp.control import Control
    from beam.otp.node import Node
    from beam.otp.ref import Ref
    from beam.otp.scheduler import Cell
    from beam.otp.shutdown import Shutdown

__all__ = ["Duty", "Job", "Task", "check_function"]

T = TypeVar("T")
D = TypeVar("D")


class _Wait(Future[None]):
    """One wait for a task, with a time of its own."""

    __slots__ = ()

    purpose = "task"


class Task(Future[T]):
    """A function at work, and the future of its value; what `Tasks.run` returns.

    Attributes:
        process: the process that runs it.
        args: the arguments of the function; in a map, the item.
    """

    __slots__ = ("_owner", "args", "process")

    process: Ref[Any]

    def __init__(self, owner: Control | None, args: tuple[Any, ...]) -> None:
        """Make a task that has not started.

        Args:
            owner: the process to which it is linked, `None` for none.
            args: the arguments of its function.
        """
        super().__init__()
        self._owner = owner
        self.args = args

    @property
    def aio(self) -> Aio:
        """The coroutine twins of `wait` and `shutdown`; for the value, await the task itself."""
        return Aio(self, ("shutdown", "wait"))

    @property
    def failed(self) -> bool:
        """Whether it has ended without a value: it crashed, refused, was ended or too slow."""
        return self.done and self._failed

    @property
    def is_late(self) -> bool:
        """Whether it was killed as the time was over that it might take."""
        return self.failed and isinstance(self._value, CallTimeout)

    def get(self, *, timeout: float | None = None) -> T:
        """Return what the function returned; wait for it if need be (Elixir's `Task.await`).

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
        self._await(timeout)
        return self.result()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the task has ended, for so long at most; it goes on (Elixir's `Task.yield`).

        Args:
            timeout: seconds to wait; `None` without end.

        Returns:
            Whether it has ended: then `get` returns at once, or raises.

        Raises:
            DeadlineExpired: when the deadline passed of the call that this process is serving.
            CallCycle: if the function waits for this process.
        """
        with blocking_form("Task.wait()", "task.aio.wait(...)"):
            try:
                self._await(timeout)
            except DeadlineExpired:
                raise
            except CallTimeout:
                return self.done
            return True

    def _await(self, timeout: float | None) -> None:
        if self.done:
            return
        wait = _Wait(self.callee)

        def wake() -> None:
            wait.settle(None)

        if not self.add_waiter(wake):
            return
        try:
            wait.get(timeout=timeout)
        finally:
            self.remove_waiter(wake)

    async def ended(self) -> None:
        """Wait in an event loop until the task has ended, however it does."""
        with contextlib.suppress(CallExit, CallTimeout, Refused):
            await self

    @overload
    def shutdown(self, timeout: Shutdown = ..., *, default: None = ...) -> T | None: ...
    @overload
    def shutdown(self, timeout: Shutdown = ..., *, default: D) -> T | D: ...
    def shutdown(self, timeout: Shutdown = 5.0, *, default: Any = None) -> Any:
        """End the task, if it has not ended, and wait for that; its owner is not concerned.

        A function is ended where it waits, in a call, in `sleep` or in `receive`. One that does
        not come out in time is given up: its process is dead for everyone, and its thread is
        counted in its node's `given_up` until it comes back (G9).

        Args:
            timeout: seconds that it has to end after `"shutdown"`, before it is killed; `None`
                without end; `"brutal"` kills at once.
            default: what to return if there is no value.

        Returns:
            Its value, if it had one before it ended (as Elixir's `Task.shutdown/2`), else
            `default`; then `get` raises what became of it.
        """
        with blocking_form("Task.shutdown()", "task.aio.shutdown(...)"):
            control = self.process.control
            self.leave_owner()
            end(here.control or control.node.init, control, timeout)
        return default if self.failed else self._value

    def ignore(self) -> None:
        """Undo the link to the owner: no failure of either reaches the other any more.

        The task goes on, and its value can still be had. (Elixir's `Task.ignore/1`.)
        """
        self.leave_owner()

    def leave_owner(self) -> None:
        """Undo the link to the owner."""
        owner, self._owner = self._owner, None
        if owner is not None:
            unlink(owner, self.process.control)


class Job(Watch):
    """What a task's process is to do, and who hears of its end.

    Called, in the process, it does it.
    """

    __slots__ = (
        "_abandoned",
        "_deadline",
        "_discreet",
        "_expired",
        "_function",
        "_outcome",
        "_owner",
        "_runner",
        "_task",
        "_timeout",
        "_timer",
    )

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        linked: bool,
        timeout: float | None = None,
        discreet: bool = False,
    ) -> None:
        """Make a job.

        Args:
            function: what to do.
            args: its arguments.
            kwargs: those by name.
            linked: whether the process that calls, if any, is linked to that of the job.
            timeout: seconds that it may take; `None` without end.
            discreet: whether an owner that traps exits hears nothing of its end.

        Raises:
            InvalidInput: if it is no function, or an async one.
        """
        check_function(function)
        self._function = (function, args, kwargs)
        self._owner = (here.control or here.starter) if linked else None
        self._discreet = discreet
        self._timeout = timeout
        self._deadline: float | None = None
        self._expired = False
        self._abandoned = False
        self._runner: Control | None = None
        self._task: Task[Any] = Task(self._owner, args)
        self._outcome: tuple[Any, bool] | None = None
        self._timer: Cell | None = None

    @property
    def name(self) -> str:
        """What to call it in reports."""
        return _name_of(self._function[0])

    def __call__(self) -> None:
        """Do it, in the process of the task."""
        me = here.control
        assert me is not None
        # Noted first, looked after, as in `abandon`: one of the two sees the other.
        self._runner = me
        if self._owner is not None:
            try:
                link(me, self._owner)
            except CallExit:
                raise Exited("shutdown") from None  # Nobody wants it any more.
        if self._abandoned:
            self._leave_owner(me)
            raise Exited("shutdown")
        me.until = self._deadline
        try:
            self._outcome = _outcome_of(*self._function)
        except BaseException:
            if self._discreet and self._owner is not None and _traps(self._owner):
                unlink(me, self._owner)
            raise
        if self._discreet and self._owner is not None:
            unlink(me, self._owner)

    def abandon(self) -> None:
        """End it, if it starts at all: whoever asked for it has gone before there was a task."""
        self._abandoned = True
        runner = self._runner
        if runner is not None:
            self._leave_owner(runner)
            send_exit(runner.node.init, runner, "kill")
            see_to_its_end(runner)

    def _leave_owner(self, me: Control) -> None:
        if self._owner is not None:
            unlink(me, self._owner)

    def begins(self, node: Node) -> None:
        """Take note that it is being started: its time begins."""
        if self._timeout is not None:
            self._deadline = node.clock.now() + self._timeout

    def begun(self, process: Ref[Any]) -> Task[Any]:
        """Take note that it has been started, as `process`; return its task."""
        task, control = self._task, process.control
        task.process, task.callee, self.target = process, control, control
        if self._deadline is not None:
            self._timer = control.node.scheduler.call_at(self._deadline, self._expire)
        if not watch(control, self):
            self.fire(control.exit_reason)
        return task

    def fire(self, reason: Any) -> None:
        """Settle the task, whose process has ended."""
        if self._timer is not None:
            take_back(self._timer, self._expire)
        process = self._task.process
        if self._outcome is None:
            late = self._expired and reason == "killed"
            error = CallTimeout(process, self._timeout) if late else CallExit(reason, process)
            self._outcome = (error, True)
        value, failed = self._outcome
        self._task.settle(value, failed=failed)

    def _expire(self) -> None:
        """End the task, whose time is over; run by the clock's thread, which waits for nobody."""
        if not self._task.done:
            self._expired = True
            kill_soon(self._task)


class Duty:
    """What a task's process is to do whenever it is started; its value is dropped."""

    __slots__ = ("_function",)

    def __init__(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        """Make a duty; the arguments and errors are those of a `Job`."""
        check_function(function)
        self._function = (function, args, kwargs)

    @property
    def name(self) -> str:
        """What to call it in reports."""
        return _name_of(self._function[0])

    def __call__(self) -> None:
        """Do it, in the process of the task; a refusal of its own ends it well."""
        _outcome_of(*self._function)

    def begins(self, node: Node) -> None:
        """Take note that it is being started."""


def _name_of(function: Any) -> str:
    return str(getattr(function, "__qualname__", type(function).__qualname__))


def _outcome_of(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, bool]:
    """Call the function; return its value and False, or its refusal and True."""
    try:
        value = function(*args, **kwargs)
    except Refused as refusal:
        if refusal.process is not None:
            raise
        return refusal, True
    if inspect.iscoroutine(value):
        value.close()
        raise InvalidInput("function", function, _EXPECTED)
    return value, False


def _traps(owner: Control) -> bool:
    return owner.actor is not None and bool(owner.actor.trap_exit)


_EXPECTED = "a plain function; an async one belongs to an event loop"


def check_function(function: object) -> None:
    """Refuse what is no plain function.

    Raises:
        InvalidInput: naming it.
    """
    kinds = (function, getattr(function, "__call__", None))  # noqa: B004 - not whether, but which
    if not callable(function) or any(
        inspect.iscoroutinefunction(kind) or inspect.isasyncgenfunction(kind) for kind in kinds
    ):
        raise InvalidInput("function", function, _EXPECTED)
