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

What Elixir calls `await` is `task.get`, its `yield` is `task.wait`, which leaves the task at work
when the time is over, and `await_many`, `yield_many` are `get_many`, `wait_many`:

    >>> import threading
    >>> door = threading.Event()
    >>> with Tasks.start() as tasks:
    ...     slow, quick = tasks.run(door.wait, 5.0), tasks.run(len, "quick")
    ...     tasks.wait_many([slow, quick], limit=1).done == [quick], slow.wait(0.01)
    ...     door.set()
    ...     tasks.get_many([slow, quick])
    (True, False)
    [True, 5]

`map` is a bounded parallel map, Elixir's `async_stream`: lazy, with never more than
`max_concurrency` tasks at work, so that its items may be without end. `map_nolink` hands over the
tasks that have ended instead of their values, and goes on when one has failed.

    >>> from itertools import count, islice
    >>> with Tasks.start() as tasks, tasks.map(half, count(0, 2), max_concurrency=4) as halves:
    ...     list(islice(halves, 5))
    [0, 1, 2, 3, 4]
    >>> with Tasks.start() as tasks:
    ...     ended = list(tasks.map_nolink(half, [4, 5, 6]))
    ...     [(task.args[0], "failed" if task.failed else task.get()) for task in ended]
    [(4, 2), (5, 'failed'), (6, 3)]

- At most `max_children` tasks run; one more is refused with `QueueFull` at once, and counted.
  Nobody waits for a place: a task that waits for others to end while it holds a place could wait
  for ever.
- A `Refused` that the function raises is its answer (G7), as in a call; any other exception is the
  crash of its process, and reported.
- The value, or the failure, is there when the task's process has ended, and not before.
- Context variables travel from the caller into the function.
- Tasks are temporary children: none is restarted, unless `start_child` is told so. When the
  supervisor stops they have `shutdown` seconds to end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from beam.errors import InvalidSpec, QueueFull, SupervisorRefused
from beam.otp.child import DEFAULT, WORKER_SHUTDOWN
from beam.otp.dynamic_supervision import DynamicFlags, DynamicSupervision
from beam.otp.supervisor_process import Keeper, SupervisorProcess
from beam.otp.tasks_ref import TasksRef, spec_of_task

if TYPE_CHECKING:
    from beam.otp.child import Restart, Shutdown
    from beam.otp.control import Control
    from beam.otp.ref import Ref
    from beam.otp.task import Duty, Job

__all__ = ["Tasks", "TasksRef"]

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

    def start_task(self, work: Job | Duty, shutdown: Shutdown, restart: Restart) -> Ref[Any]:
        """Start a process for a job, or for a duty."""
        spec = spec_of_task(self._shutdown if shutdown is DEFAULT else shutdown, work, restart)
        work.begins(self._me.node)
        try:
            ref: Ref[Any] = self.start_child(spec)
        except SupervisorRefused as refusal:
            if refusal.reason != "max_children":
                raise
            self.refused += 1
            raise QueueFull(**refusal.facts) from refusal
        return ref


class Tasks(SupervisorProcess[TasksRef], framework=True):
    """A supervisor of tasks; what it does is done with its ref, a `TasksRef`."""

    ref_class: ClassVar[type[Ref[Any]]] = TasksRef

    _keeper: _Supervision

    def init(
        self,
        *,
        max_children: int | None = MAX_CHILDREN,
        shutdown: Shutdown = WORKER_SHUTDOWN,
        max_restarts: int = 1,
        max_seconds: int = 5,
    ) -> Any:
        """Say how to supervise; the arguments are those of `start`.

        Args:
            max_children: the most tasks that may run; `None` for no limit.
            shutdown: seconds that a task has to end when the supervisor stops, before it is
                killed; `None` without end; `"brutal"` kills at once.
            max_restarts: as a `Supervisor`'s, for tasks that are run again (`start_child`).
            max_seconds: the length of that window, in whole seconds.

        Raises:
            InvalidSpec: if one of them is not what it must be.
        """
        spec_of_task(shutdown)
        return _Plan(DynamicFlags(max_children, max_restarts, max_seconds), shutdown)

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
