"""The rules of supervision, as plain values and functions: who, in what order, and whether.

No process is started or ended here; the supervisors do that and note it. The rules are those of
OTP 25's `supervisor`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from beam.otp.reasons import is_graceful, is_shutdown

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator

    from beam.otp.child import ChildSpec, Restart
    from beam.otp.ref import Ref

__all__ = [
    "Child",
    "ChildInfo",
    "Children",
    "Counts",
    "Sighting",
    "Survey",
    "Window",
    "ended_well",
    "is_over",
    "wants_restart",
    "was_told_to_end",
]


class ChildInfo(NamedTuple):
    """One line of `which_children`.

    Attributes:
        id: the child's id; `None` under `simple_one_for_one`, whose children have none.
        process: its ref; `None` if it does not run; `"restarting"` if its restart failed and is
            tried again, or waits for its time; `"quarantined"` (dynamic supervisors only).
        type: `"worker"` or `"supervisor"`.
        modules: as in its specification.
    """

    id: Hashable | None
    process: Any
    type: str
    modules: Any


class Window(NamedTuple):
    """A restart window as it is now.

    Attributes:
        used: how many restarts count now.
        allowed: how many there may be.
        seconds: for how long one counts.
    """

    used: int
    allowed: int
    seconds: float


class Sighting(NamedTuple):
    """A child as its supervisor sees it.

    Attributes:
        spec: its specification.
        id: its id; `None` under `simple_one_for_one`.
        process: its process, or the one that it had last; `None` if there is none.
        state: `"running"`, `"restarting"` (tried again after the mail that is there), `"waiting"`
            (for its time to be restarted), `"quarantined"`, `"ended"`.
        left: the seconds until it is restarted, if it waits for that.
        budget: what it has used of a budget of its own, if it has one.
    """

    spec: ChildSpec
    id: Hashable | None
    process: Ref[Any] | None
    state: str
    left: float | None = None
    budget: Window | None = None


class Survey(NamedTuple):
    """What a supervisor knows of its children, read by any thread.

    Attributes:
        strategy: as its flag; `"dynamic"` for children that come and go.
        window: its restart window; `None` if each child has a budget instead.
        children: in the order of their start.
    """

    strategy: str
    window: Window | None
    children: list[Sighting]


class Counts(NamedTuple):
    """What `count_children` returns.

    Attributes:
        specs: how many specifications there are.
        active: how many children run.
        supervisors, workers: how many children of each type there are, running or not.
    """

    specs: int
    active: int
    supervisors: int
    workers: int


def wants_restart(restart: Restart, reason: object) -> bool:
    """Return whether a child that ended by itself is to be restarted."""
    if restart == "permanent":
        return True
    return restart == "transient" and not is_graceful(reason)


def ended_well(restart: Restart, reason: object) -> bool:
    """Return whether the end of a child by itself is nothing to report as an error."""
    return restart != "permanent" and is_graceful(reason)


def was_told_to_end(spec: ChildSpec, reason: object) -> bool:
    """Return whether `reason` is how this child ends if its supervisor ends it."""
    if reason == ("killed" if spec.shutdown == "brutal" else "shutdown"):
        return True
    if spec.restart == "permanent":
        return False
    return reason == "normal" or is_shutdown(reason)


class Child:
    """A child with a specification of its own, and what runs of it.

    Attributes:
        spec: its specification.
        process: its process; `None` if none runs.
        restarting: whether its restart failed, and is to be tried again.
    """

    __slots__ = ("process", "restarting", "spec")

    def __init__(self, spec: ChildSpec, process: Ref[Any] | None = None) -> None:
        self.spec = spec
        self.process = process
        self.restarting = False

    def state(self, returning: bool) -> str:
        """Return what to say of it: `"running"`, `"restarting"` or `"ended"`."""
        if self.process is not None:
            return "running"
        return "restarting" if self.restarting or returning else "ended"

    def __repr__(self) -> str:
        return f"<child {self.spec.id!r}: {'restarting' if self.restarting else self.process}>"


class Children:
    """The children of one supervisor, in the order of their start; found by id and by process.

    Finding, noting a process and removing take the same time however many there are.
    """

    __slots__ = ("_by_id", "_by_process")

    def __init__(self) -> None:
        self._by_id: dict[Hashable, Child] = {}
        self._by_process: dict[Ref[Any], Child] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Child]:
        """Iterate over the children, first started first."""
        return iter(self._by_id.values())

    def find(self, child_id: object) -> Child | None:
        """Return the child with this id; also if it is no id at all."""
        try:
            return self._by_id.get(child_id)
        except TypeError:
            return None

    def of_process(self, process: Ref[Any]) -> Child | None:
        """Return the child whose process this is."""
        return self._by_process.get(process)

    def add(self, child: Child) -> None:
        """Add a child, as the last started."""
        self._by_id[child.spec.id] = child
        if child.process is not None:
            self._by_process[child.process] = child

    def remove(self, child: Child) -> None:
        """Forget a child and its specification."""
        self._by_id.pop(child.spec.id, None)
        self.note_process(child, None)

    def forget(self, child: Child) -> None:
        """Note that nothing runs of a child; a temporary one is removed with that."""
        if child.spec.restart == "temporary":
            self.remove(child)
        else:
            self.note_process(child, None)

    def note_process(self, child: Child, process: Ref[Any] | None) -> None:
        """Note what runs of a child now."""
        if child.process is not None:
            self._by_process.pop(child.process, None)
        child.process = process
        child.restarting = False
        if process is not None:
            self._by_process[process] = child

    def note_restarting(self, child: Child) -> None:
        """Note that the restart of a child failed, and will be tried again."""
        self.note_process(child, None)
        child.restarting = True

    def newest_first(self) -> list[Child]:
        """Return the children in the order in which they are ended."""
        return list(reversed(self._by_id.values()))

    def newest_down_to(self, child: Child) -> list[Child]:
        """Return `child` and those started after it, newest first."""
        found = []
        for one in reversed(self._by_id.values()):
            found.append(one)
            if one is child:
                break
        return found

    def has_significant_left(self) -> bool:
        """Return whether a significant child runs or is restarting."""
        return any(
            child.spec.significant and (child.process is not None or child.restarting)
            for child in self
        )

    def infos(self) -> list[ChildInfo]:
        """Return a line for each child, last started first, as OTP's `which_children/1`."""
        return [
            ChildInfo(
                child.spec.id,
                "restarting" if child.restarting else child.process,
                child.spec.type,
                child.spec.modules,
            )
            for child in self.newest_first()
        ]

    def sightings(self, returning: Iterable[Child]) -> list[Sighting]:
        """Return how each child is seen, first started first; any thread asks.

        Args:
            returning: those that a restart concerns which goes on now.
        """
        back = {id(child) for child in returning}
        return [
            Sighting(child.spec, child.spec.id, child.process, child.state(id(child) in back))
            for child in list(self._by_id.values())
        ]

    def counts(self) -> Counts:
        """Count the children."""
        active = sum(1 for one in self if one.process is not None and one.process.is_alive())
        supervisors = sum(1 for one in self if one.spec.type == "supervisor")
        return Counts(len(self), active, supervisors, len(self) - supervisors)


def is_over(auto_shutdown: str, *, significant: bool, significant_left: bool) -> bool:
    """Return whether the end of a child, for good, ends its supervisor.

    Args:
        auto_shutdown: the supervisor's flag.
        significant: whether the child is significant.
        significant_left: whether another significant child is left.
    """
    if not significant or auto_shutdown == "never":
        return False
    return auto_shutdown == "any_significant" or not significant_left
