"""`PartitionSupervisor`: the same child several times, and a way to say which one: Elixir's.

A process handles one message at a time, so one that everybody asks is a bottleneck. If what it
knows can be parted by a key, each part can have a process of its own:

    >>> from beam.otp import PartitionSupervisor, Server, child
    >>> class Counter(Server):
    ...     def init(self):
    ...         self.counts = {}
    ...     def add(self, name, by=1):
    ...         self.counts[name] = self.counts.get(name, 0) + by
    ...         return self.counts[name]
    >>> with PartitionSupervisor.start(child(Counter), partitions=4, name="counters") as counters:
    ...     first = counters.whereis("ada").proxy().add("ada").get()
    ...     again = PartitionSupervisor.partition("counters", "ada").proxy().add("ada").get()
    ...     first, again, counters.partitions()
    (1, 2, 4)

`whereis` routes: an integer to the partition of its absolute value modulo their number, any other
key by a hash that is the same in every run (`beam.otp.partition`). It reads, and asks nobody. What
belongs where changes with the number of partitions, so nothing that lasts should depend on it.

Each partition may know its number:

    >>> class Shard(Server):
    ...     def init(self, path, number):
    ...         self.file = f"{path}.{number}"
    >>> shards = PartitionSupervisor.start(
    ...     child(Shard, "log"), partitions=2, with_arguments=lambda args, number: (*args, number)
    ... )
    >>> [shards.whereis(number).proxy().file.get() for number in range(2)]
    ['log.0', 'log.1']

`resize` ends partitions, or starts them again: there can be none, and never more than there were
at the start.

    >>> shards.resize(1), shards.partitions(), shards.count_children().active
    (2, 1, 1)
    >>> shards.stop(reason="shutdown")
    True

In a tree it is a child as any other: `child(PartitionSupervisor, child(Counter), name="counters")`.
It is a supervisor as `Supervisor` is, with the partitions' numbers for ids; only `start_child` and
`delete_child` are refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from beam.errors import CallExit, InvalidInput, InvalidSpec
from beam.otp.budget import is_count
from beam.otp.child import ChildSpec, checked
from beam.otp.context import current_node
from beam.otp.flags import Flags, Strategy
from beam.otp.partition_supervision import PartitionPlan, PartitionSupervision
from beam.otp.ref import Ref
from beam.otp.supervisor_process import Keeper, SupervisorProcess
from beam.otp.supervisor_ref import SupervisorRef

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["PartitionSupervisor", "PartitionSupervisorRef"]


class PartitionSupervisorRef(SupervisorRef[Any]):
    """The ref of a `PartitionSupervisor`; also what those of all supervisors offer."""

    __slots__ = ()

    _twins = (*SupervisorRef._twins, "resize")

    def whereis(self, key: Any) -> Ref[Any]:
        """Return the process of the partition that `key` belongs to; reads, and asks nobody.

        While that partition restarts, it is the process that has ended.

        Args:
            key: any term; see `beam.otp.partition`.

        Raises:
            SupervisorRefused: `"no_partitions"`, if there are none; `"not_started"`, if the
                partition has never had a process.
            CallExit: if the supervisor is dead.
            InvalidInput: if `key` is no term.
        """
        return self._keeper().of_key(key)

    def partitions(self) -> int:
        """Return how many partitions there are now; reads, and asks nobody.

        Raises:
            CallExit: if the supervisor is dead.
        """
        return self._keeper().active

    def resize(self, partitions: int, *, timeout: float | None = None) -> int:
        """End partitions, or start them again, until there are so many (Elixir's `resize!/2`).

        Those with the highest numbers end. If one does not start, those end again that did.

        Args:
            partitions: how many there shall be: from 0 to as many as there were at the start.
            timeout: seconds to wait for the answer; `None` without end.

        Returns:
            How many there were.

        Raises:
            SupervisorRefused: `"bad_partitions"`, or why one did not start.
            CallExit: if the supervisor is dead.
        """
        before: int = self._call("resize", (partitions,), timeout)
        return before

    def _keeper(self) -> PartitionSupervision:
        actor = self.control.actor
        # Neither there while `init` runs, nor after the end.
        keeper: PartitionSupervision | None = vars(actor).get("_keeper") if actor else None
        if keeper is None:
            raise CallExit("noproc", self)
        return keeper


class PartitionSupervisor(SupervisorProcess[PartitionSupervisorRef], framework=True):
    """A process that keeps the same child several times, by number; see the module."""

    ref_class: ClassVar[type[Ref[Any]]] = PartitionSupervisorRef

    def init(
        self,
        spec: ChildSpec | Mapping[str, Any],
        *,
        partitions: int | None = None,
        strategy: Strategy = "one_for_one",
        max_restarts: int = 1,
        max_seconds: int = 5,
        with_arguments: Callable[[tuple[Any, ...], int], Any] | None = None,
    ) -> Any:
        """Say what to part, and into how many; the arguments are those of `start`.

        Args:
            spec: the specification of each partition; its id gives way to the number, from 0 on.
                It has no `name`, which only one of them could bear.
            partitions: how many, 1 or more; as many as the node has `cores` unless given.
            strategy: who is restarted with a partition that ended (see `Flags`).
            max_restarts: how many restarts in `max_seconds` are bearable, of all together.
            max_seconds: the length of the restart window, in whole seconds.
            with_arguments: called with the arguments of `spec` and a partition's number, in the
                supervisor, before anything starts; returns that partition's arguments.

        Returns:
            What a class of one's own returns from its `init`.

        Raises:
            InvalidSpec: if one of them is not what it must be.
        """
        known = checked(spec, "never")
        if known.name is not None:
            expected = "None, as there are several"
            raise InvalidSpec("name", known.name, expected, ("invalid_mfa", known.name))
        if partitions is not None and not (is_count(partitions) and partitions >= 1):
            raise _invalid("partitions", partitions, "a whole number, 1 or more, or None")
        if strategy == "simple_one_for_one":
            raise _invalid("strategy", strategy, "one_for_one, one_for_all or rest_for_one")
        function: Any = with_arguments
        if function is not None and not callable(function):
            expected = "a function of the arguments and the partition's number, or None"
            raise _invalid("with_arguments", with_arguments, expected)
        flags = Flags(strategy, max_restarts, max_seconds)
        return PartitionPlan(flags, known, partitions, with_arguments)

    @staticmethod
    def partition(supervisor: Any, key: Any) -> Ref[Any]:
        """Return the process of the partition that `key` belongs to.

        Args:
            supervisor: the name of a partition supervisor in the current node, or its ref.
            key: as for `whereis`.

        Raises:
            CallExit: `"noproc"`, if there is no such process.
            InvalidInput: if it is no partition supervisor.
            SupervisorRefused: as `whereis`.
        """
        ref = supervisor
        if not isinstance(ref, Ref):
            ref = current_node().whereis(supervisor)
            if ref is None:
                raise CallExit("noproc", supervisor)
        if not isinstance(ref, PartitionSupervisorRef):
            raise InvalidInput("supervisor", supervisor, "a partition supervisor's name or ref")
        return ref.whereis(key)

    @classmethod
    def _checked(
        cls, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if cls.init is PartitionSupervisor.init:
            cls.__new__(cls).init(*args, **kwargs)
        return args, kwargs

    def _keep(self, plan: Any) -> Keeper:
        if not isinstance(plan, PartitionPlan):
            reason = ("bad_return", (type(self), "init", plan))
            raise InvalidSpec("init", plan, "what super().init() returned, or ignore", reason)
        return PartitionSupervision(self._control, plan)


def _invalid(field: str, value: object, expected: str) -> InvalidSpec:
    return InvalidSpec(field, value, expected, ("supervisor_data", (f"invalid_{field}", value)))
