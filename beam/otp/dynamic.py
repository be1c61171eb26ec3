"""`DynamicSupervisor`: for children that come and go, Elixir's, and more if asked for.

    >>> from beam.otp import DynamicSupervisor, Server, child
    >>> class Job(Server):
    ...     def init(self, number):
    ...         self.number = number
    >>> with DynamicSupervisor.start(max_children=2) as pool:
    ...     first = pool.start_child(child(Job, 1))
    ...     second = pool.start_child(child(Job, 2))
    ...     pool.terminate_child(first)
    ...     pool.count_children()
    Counts(specs=1, active=1, supervisors=0, workers=1)

It starts without children. They are named by their refs; their ids need not differ. Each is
restarted alone, and at the end all are ended at once. `max_restarts` and `max_seconds` count for
all of them together, so one that crashes too often ends them all: that is OTP's rule, and wrong for
children that have nothing to do with each other. So there is, for the asking:

    >>> from beam.otp import Backoff, Restarts
    >>> pool = DynamicSupervisor.start(
    ...     budget=Restarts(5, per=60.0), backoff=Backoff(0.5, 30.0, jitter=0.2)
    ... )
    >>> job = pool.start_child(child(Job, 17, id="job-17"))
    >>> pool.stop(reason="shutdown")
    True

With a `budget` each child has its own: one that has spent it is put into quarantine, where it
waits until `pool.release("job-17")`, and the others never notice. With `backoff` a crashed child
waits before it is restarted. Meanwhile `which_children` says `"quarantined"` or `"restarting"`, and
both count as children for `max_children`. Neither outlives the supervisor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from beam.errors import InvalidSpec
from beam.otp.dynamic_supervision import DynamicFlags, DynamicSupervision
from beam.otp.supervisor_process import Keeper, SupervisorProcess
from beam.otp.supervisor_ref import DynamicSupervisorRef

if TYPE_CHECKING:
    from beam.otp.budget import Backoff, Restarts
    from beam.otp.ref import Ref

__all__ = ["DynamicSupervisor"]


class DynamicSupervisor(SupervisorProcess[DynamicSupervisorRef[Any]], framework=True):
    """A process that starts children on demand, and restarts those that crash; see the module."""

    ref_class: ClassVar[type[Ref[Any]]] = DynamicSupervisorRef

    def init(
        self,
        *,
        max_children: int | None = None,
        max_restarts: int = 1,
        max_seconds: int = 5,
        extra_arguments: tuple[Any, ...] = (),
        budget: Restarts | None = None,
        backoff: Backoff | None = None,
        told: Any = None,
    ) -> Any:
        """Say how to supervise; the arguments are those of `start`.

        Args:
            max_children: the most children there may be; `None` for no limit.
            max_restarts: as a `Supervisor`'s, for all children together; without meaning if there
                is a `budget`.
            max_seconds: the length of that window, in whole seconds.
            extra_arguments: come before the arguments of each child's specification.
            budget: how many restarts each child may have.
            backoff: how long a crashed child waits before it is restarted.
            told: the registered name of a process that gets a `Quarantined` message when a child
                is put into quarantine.

        Returns:
            What a class of one's own returns from its `init`.

        Raises:
            InvalidSpec: if one of them is not what it must be.
        """
        return DynamicFlags(
            max_children, max_restarts, max_seconds, extra_arguments, budget, backoff, told
        )

    @classmethod
    def _checked(
        cls, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if cls.init is DynamicSupervisor.init:
            cls.__new__(cls).init(*args, **kwargs)
        return args, kwargs

    def _keep(self, plan: Any) -> Keeper:
        if not isinstance(plan, DynamicFlags):
            reason = ("bad_return", (type(self), "init", plan))
            raise InvalidSpec("init", plan, "what super().init() returned, or ignore", reason)
        return DynamicSupervision(self._control, plan)
