"""The ref of a supervisor of tasks: what one does with it; see `beam.otp.tasks`."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from beam.errors import CallExit, InvalidInput
from beam.otp.aio import Aio
from beam.otp.child import DEFAULT, ChildSpec
from beam.otp.context import blocking_form
from beam.otp.function import FunctionProcess
from beam.otp.many_tasks import OnLate, Waited, get_many, wait_many
from beam.otp.parallel_map import AsyncParallelMap, MapPlan, OnTimeout, ParallelMap
from beam.otp.supervisor_ref import SupervisingRef
from beam.otp.task import Duty, Job, Task, check_function

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.otp.child import Restart, Shutdown
    from beam.otp.ref import Ref

__all__ = ["TasksRef", "spec_of_task"]

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741 - an item


def spec_of_task(
    shutdown: Shutdown, work: Job | Duty | None = None, restart: Restart = "temporary"
) -> ChildSpec:
    """Return the specification of a task.

    Raises:
        InvalidSpec: if `shutdown` or `restart` is not what it must be.
    """
    name = work.name if work is not None else "task"
    args: tuple[Any, ...] = (work, (), {})
    return ChildSpec(name, FunctionProcess, args, restart=restart, shutdown=shutdown)


def _checked_timeout(timeout: float | None) -> float | None:
    is_number = isinstance(timeout, (int, float)) and not isinstance(timeout, bool)
    if timeout is not None and not (is_number and timeout > 0):
        raise InvalidInput("timeout", timeout, "a number of seconds above 0, or None")
    return timeout


class TasksRef(SupervisingRef[Any]):
    """The ref of a supervisor of tasks; also what those of all supervisors offer."""

    __slots__ = ()

    _twins = (*SupervisingRef._twins, "get_many", "run", "run_nolink", "wait_many")

    @property
    def aio(self) -> TasksAio:
        """The coroutine twins of these functions; of `map` and `map_nolink`, for `async for`."""
        return TasksAio(self, self._twins)

    @property
    def refused(self) -> int:
        """How many tasks were refused because as many as may be were running.

        Raises:
            CallExit: if the supervisor is dead.
        """
        actor: Any = self.control.actor
        if actor is None:
            raise CallExit("noproc", self)
        refused: int = actor._keeper.refused
        return refused

    # One function

    def run(
        self,
        function: Callable[..., T],
        /,
        *args: Any,
        timeout: float | None = None,
        shutdown: Shutdown = DEFAULT,
        **kwargs: Any,
    ) -> Task[T]:
        """Run a function in a process linked to the one that calls (Elixir's `async`).

        Outside any process there is nobody to link, and this is `run_nolink`.

        Args:
            function: a plain function; runs on a thread of its own.
            args: its arguments.
            kwargs: those by name; one that is called as an option here is bound with
                `functools.partial`.
            timeout: seconds that it may take, `None` without end; the function sees what is left
                with `current_process().time_left()`. Then it is killed, given up if need be (G9),
                and the task fails with `CallTimeout`; its owner lives.
            shutdown: as the supervisor's, for this task.

        Returns:
            The future of its value.

        Raises:
            QueueFull: if `max_children` tasks run.
            InvalidInput: if it is no function, or an async one; if `timeout` is not above 0.
            InvalidSpec: if `shutdown` is not what it must be.
            CallExit: if the supervisor is dead.
        """
        job = Job(function, args, kwargs, linked=True, timeout=_checked_timeout(timeout))
        return self._run("run", job, shutdown)

    def run_nolink(
        self,
        function: Callable[..., T],
        /,
        *args: Any,
        timeout: float | None = None,
        shutdown: Shutdown = DEFAULT,
        **kwargs: Any,
    ) -> Task[T]:
        """Run a function in a process that is linked to the supervisor only; else as `run`."""
        job = Job(function, args, kwargs, linked=False, timeout=_checked_timeout(timeout))
        return self._run("run_nolink", job, shutdown)

    def start_child(
        self,
        *args: Any,
        timeout: float | None = None,
        shutdown: Shutdown = DEFAULT,
        restart: Restart = "temporary",
        **kwargs: Any,
    ) -> Ref[Any]:
        """Run a function whose value nobody wants; else as `run_nolink`.

        Args:
            args: the function, and its arguments.
            timeout: seconds that it may take, `None` without end.
            shutdown: as for `run`.
            restart: whether it is run again when it has ended: `"temporary"`: never;
                `"transient"`: when it crashed; `"permanent"`: always.
            kwargs: more arguments, by name.

        Returns:
            The ref of its process.

        Raises:
            InvalidInput: also if there is a `timeout` for one that is run again.
            InvalidSpec: also if `restart` is not what it must be.
        """
        if not args:
            raise InvalidInput("function", None, "a function, as the first argument")
        function, *rest = args
        if restart == "temporary":
            job = Job(
                function, tuple(rest), kwargs, linked=False, timeout=_checked_timeout(timeout)
            )
            return self._run("start_child", job, shutdown).process
        if timeout is not None:
            raise InvalidInput("timeout", timeout, "None for a task that is run again")
        duty = Duty(function, tuple(rest), kwargs)
        spec_of_task(shutdown, duty, restart)  # Refuses what is wrong before anything is asked.
        with blocking_form("Tasks.start_child()", "tasks.aio.start_child(...)"):
            ref: Ref[Any] = self._call("start_task", (duty, shutdown, restart), None)
            return ref

    def _run(self, how: str, job: Job, shutdown: Shutdown) -> Task[Any]:
        if shutdown is not DEFAULT:
            spec_of_task(shutdown)
        with blocking_form(f"Tasks.{how}()", f"tasks.aio.{how}(...)"):
            try:
                process = self._call("start_task", (job, shutdown, "temporary"), None)
            except BaseException:
                # The deadline of our caller, or a signal: the supervisor may start it yet.
                if how != "start_child":
                    job.abandon()
                raise
            return job.begun(process)

    # Several

    def get_many(self, tasks: Iterable[Task[T]], *, timeout: float | None = None) -> list[T]:
        """Return the values of tasks, in their order; wait for them (Elixir's `await_many`).

        Raises as soon as one has failed, whichever it is. The others go on, unless they are linked
        to the process that calls, and it ends with that.

        Args:
            tasks: any, of other supervisors, too.
            timeout: seconds to wait for all together; `None` without end.

        Raises:
            CallExit, Refused: what one of them failed with.
            CallTimeout: when the time is over, of the wait or of a task.
            DeadlineExpired, CallCycle: as `Task.get`.
            InvalidInput: if one is no task.
        """
        with blocking_form("Tasks.get_many()", "tasks.aio.get_many(...)"):
            return get_many(self.control.node, tasks, timeout)

    def wait_many(
        self,
        tasks: Iterable[Task[T]],
        *,
        timeout: float | None = None,
        limit: int | None = None,
        on_timeout: OnLate = "nothing",
    ) -> Waited[T]:
        """Wait until tasks have ended, or the time is over (Elixir's `yield_many`).

        Args:
            tasks: any, of other supervisors, too.
            timeout: seconds to wait; `None` without end.
            limit: how many need to have ended; `None` for all.
            on_timeout: what to do, when the time is over, with those that have not ended:
                `"nothing"`; `"ignore"` them, as `Task.ignore`; `"kill_task"`, all at once.

        Returns:
            `(done, not_done)`, in the order of `tasks`.

        Raises:
            DeadlineExpired, CallCycle: as `Task.wait`.
            InvalidInput: if one of the arguments is not what it must be.
        """
        with blocking_form("Tasks.wait_many()", "tasks.aio.wait_many(...)"):
            return wait_many(self.control.node, tasks, timeout, limit, on_timeout)

    def map(
        self,
        function: Callable[[I], T],
        items: Iterable[I],
        *,
        max_concurrency: int | None = None,
        ordered: bool = True,
        timeout: float | None = None,
        shutdown: Shutdown = DEFAULT,
    ) -> ParallelMap[T]:
        """Return an iterator over `function(item)`, done side by side (Elixir's `async_stream`).

        Nothing is done before the first `next`; between one `next` and the following, nothing more
        begins. So the items may be without end, and come as slowly as they like. Each is done by a
        task as `run` starts it, linked to the process that iterates: if one fails, that process is
        ended, unless it traps exits. It gets no `Exit` of them; if it lives, and outside of any
        process, the failure is raised at its place among the results, and the map is over.

        Args:
            function: a plain function of an item.
            items: any iterable.
            max_concurrency: the most tasks at work; `None` for as many as the node has `cores`.
            ordered: whether the values come in the order of the items, or as they come. In order,
                up to 1,000 values wait for an earlier one.
            timeout: seconds that each may take, `None` without end; a failure, when they are over.
            shutdown: as for `run`.

        Returns:
            An iterator, with a `close` that kills what is at work; leaving its `with` block does,
            and so does letting go of it.

        Raises (the iterator):
            CallExit, Refused, CallTimeout: what one of them failed with.
            QueueFull: if the supervisor has no place for one more.
            DeadlineExpired, CallCycle: as `Task.get`.
            InvalidInput: (at the call) if one of the arguments is not what it must be.
        """
        plan = self._plan(
            function, most=max_concurrency, ordered=ordered, timeout=timeout, shutdown=shutdown
        )
        return ParallelMap(plan, items)

    def map_nolink(
        self,
        function: Callable[[I], T],
        items: Iterable[I],
        *,
        max_concurrency: int | None = None,
        ordered: bool = True,
        timeout: float | None = None,
        on_timeout: OnTimeout = "exit",
        shutdown: Shutdown = DEFAULT,
    ) -> ParallelMap[Task[T]]:
        """Return an iterator over the tasks that have ended (Elixir's `async_stream_nolink`).

        As `map`, but a failure is only seen by whoever asks a task for its value, and the map goes
        on: `task.get()` returns it or raises, `task.failed` says which, `task.args[0]` is the item.
        The tasks are not linked to the process that iterates, and do not end with it.

        Args:
            function: a plain function of an item.
            items: any iterable.
            max_concurrency: as for `map`, and so `ordered` and `shutdown`.
            ordered: whether the tasks come in the order of the items, or as they end.
            timeout: seconds that each may take; `None` without end.
            on_timeout: when they are over: `"exit"`: the `CallTimeout` is raised, and the map is
                over; `"kill_task"`: the task has failed with it, and the map goes on.
            shutdown: as for `run`.
        """
        plan = self._plan(
            function,
            most=max_concurrency,
            ordered=ordered,
            timeout=timeout,
            shutdown=shutdown,
            on_timeout=on_timeout,
        )
        return ParallelMap(plan, items)

    def _plan(
        self,
        function: Callable[..., Any],
        *,
        most: int | None,
        ordered: bool,
        timeout: float | None,
        shutdown: Shutdown,
        on_timeout: OnTimeout | None = None,
    ) -> MapPlan:
        """Return the plan of a `map`; of a `map_nolink`, if `on_timeout` is given."""
        check_function(function)
        _checked_timeout(timeout)
        spec_of_task(shutdown)
        linked, node = on_timeout is None, self.control.node

        def start(item: Any) -> Task[Any]:
            job = Job(function, (item,), {}, linked=linked, timeout=timeout, discreet=linked)
            return self._run("map", job, shutdown)

        most = node.cores if most is None else most
        return MapPlan(node, start, most, ordered, linked, on_timeout or "exit")


class TasksAio(Aio):
    """The coroutine twins of a `TasksRef`'s functions."""

    __slots__ = ()

    _target: TasksRef

    def map(
        self,
        function: Callable[[I], T],
        items: Iterable[I] | AsyncIterable[I],
        *,
        max_concurrency: int | None = None,
        ordered: bool = True,
        timeout: float | None = None,
        shutdown: Shutdown = DEFAULT,
    ) -> AsyncParallelMap[T]:
        """Return what `TasksRef.map` does, for `async for`; the items may come so, too.

        It is closed with `await map.aclose()`, or `async with`.
        """
        plan = self._target._plan(
            function, most=max_concurrency, ordered=ordered, timeout=timeout, shutdown=shutdown
        )
        return AsyncParallelMap(plan, items)

    def map_nolink(
        self,
        function: Callable[[I], T],
        items: Iterable[I] | AsyncIterable[I],
        *,
        max_concurrency: int | None = None,
        ordered: bool = True,
        timeout: float | None = None,
        on_timeout: OnTimeout = "exit",
        shutdown: Shutdown = DEFAULT,
    ) -> AsyncParallelMap[Task[T]]:
        """Return what `TasksRef.map_nolink` does, for `async for`; see `map`."""
        plan = self._target._plan(
            function,
            most=max_concurrency,
            ordered=ordered,
            timeout=timeout,
            shutdown=shutdown,
            on_timeout=on_timeout,
        )
        return AsyncParallelMap(plan, items)
