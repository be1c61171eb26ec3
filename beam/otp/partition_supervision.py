"""The children of a partition supervisor: one specification, started once for each partition."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from beam.errors import InvalidSpec, StartError, SupervisorRefused
from beam.otp.child_process import process_of
from beam.otp.partition import partition_of
from beam.otp.static_supervision import StaticSupervision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from beam.otp.child import ChildSpec
    from beam.otp.control import Control
    from beam.otp.flags import Flags
    from beam.otp.ref import Ref
    from beam.otp.supervision import Child

__all__ = ["PartitionPlan", "PartitionSupervision"]


@dataclass(frozen=True, slots=True)
class PartitionPlan:
    """What a `PartitionSupervisor` is to do; see its `init`."""

    flags: Flags
    spec: ChildSpec
    partitions: int | None
    with_arguments: Callable[[tuple[Any, ...], int], Any] | None

    def specs(self, partitions: int) -> Iterator[ChildSpec]:
        """Yield the specification of each partition, its number for its id.

        Raises:
            InvalidSpec: if `with_arguments` did not return arguments.
        """
        for number in range(partitions):
            args: Any = self.spec.args
            if self.with_arguments is not None:
                args = self.with_arguments(args, number)
                if not isinstance(args, (tuple, list)):
                    reason = ("bad_return", ("with_arguments", args))
                    expected = "a function that returns a tuple or list of arguments"
                    raise InvalidSpec("with_arguments", args, expected, reason)
            yield replace(self.spec, id=number, args=tuple(args))


class PartitionSupervision(StaticSupervision):
    """Keeps the partitions; their numbers from `active` on are resized away, and do not run.

    Args:
        me: the supervisor.
        plan: what it is to do.

    Attributes:
        active: how many partitions keys are routed to.
    """

    def __init__(self, me: Control, plan: PartitionPlan) -> None:
        self.most = plan.partitions if plan.partitions is not None else me.node.cores
        self.active = self.most
        # The process that each partition had last. Read by any thread, so never shortened.
        self._last: list[Ref[Any] | None] = [None] * self.most
        super().__init__(me, plan.flags, plan.specs(self.most))

    def of_key(self, key: Any) -> Ref[Any]:
        """Return the process of the partition that `key` belongs to; any thread asks.

        While the partition restarts that is the process which has ended, as in Elixir.
        """
        active = self.active
        if not active:
            raise self._refusal("no_partitions", key=key)
        number = partition_of(key, active)
        process = self._last[number]
        if process is None:
            raise self._refusal("not_started", key=key, partition=number)
        return process

    def _refusal(self, reason: str, **facts: Any) -> SupervisorRefused:
        """Return the answer of a supervisor that is read where the caller runs, as its answer."""
        refusal = SupervisorRefused(reason, **facts)
        refusal.process = self._me.ref
        return refusal

    def resize(self, partitions: int) -> int:
        """Start or end partitions until there are so many; return how many there were."""
        if isinstance(partitions, bool) or not isinstance(partitions, int):
            raise SupervisorRefused("bad_partitions", partitions=partitions, most=self.most)
        if not 0 <= partitions <= self.most:
            raise SupervisorRefused("bad_partitions", partitions=partitions, most=self.most)
        before = self.active
        if partitions < before:
            # Routed away first, so that nobody is sent to one that ends.
            self.active = partitions
            running = (self._children.find(number) for number in range(partitions, before))
            self._end_all(child for child in running if child is not None)
        elif partitions > before:
            self._start_numbered(before, partitions)
        return before

    def _start_numbered(self, first: int, last: int) -> None:
        """Start partitions and route to them; all of them, or none."""
        started = self._numbered(first, last)
        # So that `_start_all` does not leave them out.
        before, self.active = self.active, last
        failed = super()._start_all(started)
        if failed is not None:
            self.active = before
            self._end_all(reversed(started))
            child, error = failed
            raise SupervisorRefused(error.reason, partition=child.spec.id) from error

    def _numbered(self, first: int, last: int) -> list[Child]:
        """Return the children of these partitions; a temporary one that has ended is none."""
        return [self._find(number) for number in range(first, last)]

    # What differs from a supervisor whose children are many

    def _start_all(self, children: Iterable[Child]) -> tuple[Child, StartError] | None:
        """Start children in the order given, without those that are resized away."""
        return super()._start_all(one for one in children if _number(one.spec) < self.active)

    def _start(self, spec: ChildSpec) -> Any:
        started = super()._start(spec)
        process = process_of(started)
        if process is not None:
            self._last[_number(spec)] = process
        return started

    def start_child(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse: there are as many children as partitions."""
        raise SupervisorRefused("partition_supervisor", args=args, kwargs=kwargs)

    def delete_child(self, child_id: Any) -> None:
        """Refuse, likewise."""
        raise SupervisorRefused("partition_supervisor", child=child_id)

    def restart_child(self, child_id: Any) -> Any:
        """Start a partition that does not run, unless it is resized away."""
        if isinstance(child_id, int) and self.active <= child_id < self.most:
            raise SupervisorRefused("resized", child=child_id, partitions=self.active)
        return super().restart_child(child_id)


def _number(spec: ChildSpec) -> int:
    """Return the number of the partition that this is the specification of."""
    assert isinstance(spec.id, int)
    return spec.id
