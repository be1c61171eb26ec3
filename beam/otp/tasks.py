"""`Tasks`: functions in processes of their own, supervised; Elixir's Task and Task.Supervisor.

    >>> from beam.otp import Tasks
    >>> with Tasks.start(max_children=8) as tasks:
    ...     powers = [tasks.run(pow, 2, exponent) for exponent in range(5)]
    ...     [task.get(timeout=5.0) for task in powers]
    [1, 2, 4, 8, 16]

A task runs on a thread of its own, so it may block; what may hang for ever belongs in a process of
the operating system (G9). There are three ways to start one:

- `run` links it to the process that calls, if one does: if either fails, so does the other.
- `run_nolink` does not: a failure is only seen by whoever asks for the value.
- `start_child` returns its ref, and its value is dropped.

`run` and `run_nolink` return a `Task`, the future of the value: `.get(timeout=...)`, or await it.

    >>> from beam.otp import Refused
    >>> def half(number):
    ...     if number % 2:
    ...         raise Refused("odd", number=number)
    ...     return number // 2
    >>> with Tasks.start() as tasks:
    ...     try:
    ...         tasks.run_nolink(half, 7).get(timeout=5.0)
    ...     except Refused as refused:
    ...         refused.reason, refused.number
    ('odd', 7)

- At most `max_children` tasks run; one more is refused with `QueueFull` at once, and counted.
  Nobody waits for a place: a task that waits for others to end while it holds a place could wait
  for ever.
- A `Refused` that the function raises is its answer (G7), as in a call; any other exception is the
  crash of its process, and reported.
- Context variables travel from the caller into the function.
- Tasks are temporary children: none is restarted. When the supervisor stops they have `shutdown`
  seconds to end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

from beam.errors import CallExit, InvalidInput, InvalidSpec, QueueFull, SupervisorRefused
from beam.otp.child import WORKER_SHUTDOWN, ChildSpec
from beam.otp.context import blocking_form
from beam.otp.dynamic_supervision import DynamicFlags, DynamicSupervision
from beam.otp.function import FunctionProcess
from beam.otp.supervisor_process import Keeper, SupervisorProcess
from beam.otp.supervisor_ref import SupervisingRef
from beam.otp.task import Job, Task

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.otp.child import Shutdown
    from beam.otp.control import Control
    from beam.otp.ref import Ref

__all__ = ["Tasks", "TasksRef"]

T = TypeVar("T")

# A thread each: what a machine bears without asking.
MAX_CHILDREN = 256


class _Plan(NamedTuple):
    flags: DynamicFlags
    shutdown: Shutdown


class _Supervision(DynamicSupervision):
    """Keeps the tasks, and counts those that it refused."""

    def __init__(self, me: Control, plan: _Plan) -> None:
        super().__init__(me, plan.flags)
        self._shutdown = plan.shutdown
        self.refused = 0

    def start_task(self, job: Job) -> Ref[Any]:
        """Start a process for a job."""
        try:
            ref: Ref[Any] = self.start_child(_spec(self._shutdown, job))
        except SupervisorRefused as refusal:
            if refusal.reason != "max_children":
                raise
            self.refused += 1
            raise QueueFull(**refusal.facts) from refusal
        return ref


def _spec(shutdown: Shutdown, job: Job | None = None) -> ChildSpec:
    name = job.name if job is not None else "task"
    args: tuple[Any, ...] = (job, (), {})
    return ChildSpec(name, FunctionProcess, args, restart="temporary", shutdown=shutdown)


def _check_timeout(timeout: object) -> None:
    is_number = isinstance(timeout, (int, float)) and not isinstance(timeout, bool)
    if timeout is not None and not (is_number and timeout > 0):  # type: ignore[operator]  # a number
        raise InvalidInput("timeout", timeout, "a number of seconds above 0, or None")


class TasksRef(SupervisingRef[Any]):
    """The ref of a supervisor of tasks; also what those of all supervisors offer."""

    __slots__ = ()

    _twins = (*SupervisingRef._twins, "run", "run_nolink")

    @property
    def refused(self) -> int:
        """How many tasks were refused because as many as may be were running.

        Raises:
            CallExit: if the supervisor is dead.
        """
        actor: Tasks | None = self.control.actor
        if actor is None:
            raise CallExit("noproc", self)
        return actor._keeper.refused

    def run(
        self, function: Callable[..., T], /, *args: Any, timeout: float | None = None, **kwargs: Any
    ) -> Task[T]:
        """Run a function in a process linked to the one that calls.

        Outside any process there is nobody to link, and this is `run_nolink`.

        Args:
            function: a plain function; runs on a thread of its own.
            args: its arguments.
            kwargs: those by name; one that is called `timeout` is bound with `functools.partial`.
            timeout: seconds that it may take, `None` without end. Then it is killed, given up if
                need be (G9), and the task fails with `CallTimeout`; its owner lives.

        Returns:
            The future of its value.

        Raises:
            QueueFull: if `max_children` tasks run.
            InvalidInput: if it is no function, or an async one; if `timeout` is not above 0.
            CallExit: if the supervisor is dead.
        """
        return self._run("run", Job(function, args, kwargs, linked=True), timeout)

    def run_nolink(
        self, function: Callable[..., T], /, *args: Any, timeout: float | None = None, **kwargs: Any
    ) -> Task[T]:
        """Run a function in a process that is linked to the supervisor only; else as `run`."""
        return self._run("run_nolink", Job(function, args, kwargs, linked=False), timeout)

    def start_child(self, *args: Any, timeout: float | None = None, **kwargs: Any) -> Ref[Any]:
        """Run a function whose value nobody wants; else as `run_nolink`.

        Args:
            args: the function, and its arguments.
            timeout: seconds that it may take, `None` without end.
            kwargs: more arguments, by name.

        Returns:
            The ref of its process.
        """
        if not args:
            raise InvalidInput("function", None, "a function, as the first argument")
        job = Job(args[0], args[1:], kwargs, linked=False)
        return self._run("start_child", job, timeout).process

    def _run(self, how: str, job: Job, timeout: float | None) -> Task[Any]:
        _check_timeout(timeout)
        with blocking_form(f"Tasks.{how}()", f"tasks.aio.{how}(...)"):
            return job.begun(self._call("start_task", (job,), None), timeout)


class Tasks(SupervisorProcess[TasksRef], framework=True):
    """A supervisor of tasks; what it does is done with its ref, a `TasksRef`."""

    ref_class: ClassVar[type[Ref[Any]]] = TasksRef

    _keeper: _Supervision

    def init(
        self, *, max_children: int | None = MAX_CHILDREN, shutdown: Shutdown = WORKER_SHUTDOWN
    ) -> Any:
        """Say how to supervise; the arguments are those of `start`.

        Args:
            max_children: the most tasks that may run; `None` for no limit.
            shutdown: seconds that a task has to end when the supervisor stops, before it is
                killed; `None` without end; `"brutal"` kills at once.

        Raises:
            InvalidSpec: if one of them is not what it must be.
        """
        _spec(shutdown)
        return _Plan(DynamicFlags(max_children), shutdown)

    @classmethod
    def _checked(
        cls, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if cls.init is Tasks.init:
            cls.__new__(cls).init(*args, **kwargs)
        return args, kwargs

    def _keep(self, plan: Any) -> Keeper:
        if not isinstance(plan, _Plan):
            reason = ("bad_return", (type(self), "init", plan))
            raise InvalidSpec("init", plan, "what super().init() returned, or ignore", reason)
        return _Supervision(self._control, plan)
