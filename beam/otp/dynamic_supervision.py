"""The children of a dynamic supervisor, with a budget and backoff for each if asked for."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from beam.errors import InvalidSpec, StartError, SupervisorRefused
from beam.otp import supervisor_reports as reports
from beam.otp.budget import Backoff, Restarts, is_count
from beam.otp.child import ChildSpec, checked
from beam.otp.child_process import end_process, end_processes, process_of, start_process
from beam.otp.flags import check_max_restarts, check_max_seconds
from beam.otp.intensity import Intensity
from beam.otp.mail import Info
from beam.otp.reasons import Quarantined
from beam.otp.ref import Ref
from beam.otp.supervision import (
    ChildInfo,
    Counts,
    Sighting,
    Survey,
    Window,
    ended_well,
    wants_restart,
)
from beam.otp.supervisor_process import TryAgain, give_up_supervising, try_again

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.otp.control import Control
    from beam.otp.timer import Timer

__all__ = ["DynamicFlags", "DynamicSupervision"]


@dataclass(frozen=True, slots=True)
class DynamicFlags:
    """The flags of a `DynamicSupervisor`; see its `init`."""

    max_children: int | None = None
    max_restarts: int = 1
    max_seconds: int = 5
    extra_arguments: tuple[Any, ...] = ()
    budget: Restarts | None = None
    backoff: Backoff | None = None
    told: Any = None

    def __post_init__(self) -> None:
        most = self.max_children
        if most is not None and not is_count(most):
            raise _invalid("max_children", most, "a whole number, 0 or more, or None")
        check_max_restarts(self.max_restarts)
        check_max_seconds(self.max_seconds)
        if not isinstance(self.extra_arguments, (tuple, list)):
            raise _invalid("extra_arguments", self.extra_arguments, "a tuple of arguments")
        object.__setattr__(self, "extra_arguments", tuple(self.extra_arguments))
        if self.budget is not None and not isinstance(self.budget, Restarts):
            raise _invalid("budget", self.budget, "Restarts(most, per=seconds), or None")
        if self.backoff is not None and not isinstance(self.backoff, Backoff):
            raise _invalid("backoff", self.backoff, "Backoff(first, longest, jitter=...), or None")


def _invalid(field: str, value: object, expected: str) -> InvalidSpec:
    return InvalidSpec(field, value, expected, ("supervisor_data", (f"invalid_{field}", value)))


class State(enum.Enum):
    """Where a dynamic child is."""

    RUNNING = "running"
    RESTARTING = "restarting"
    """Its restart failed, and will be tried again after the mail that is there."""
    WAITING = "waiting"
    """It waits for the time of its restart."""
    QUARANTINED = "quarantined"
    """It has spent its budget, and waits for somebody to release it."""


class DynamicChild:
    """One child.

    Attributes:
        spec: its specification.
        process: what it runs as, or ran as last.
        state: where it is.
        started: when `process` started, on the node's clock.
        spent: the times of its restarts that count against its budget.
        attempts: how many restarts it has had since it last lived long.
        timer: what it waits for.
        due: when that is, on the node's clock.
    """

    __slots__ = ("attempts", "due", "process", "spec", "spent", "started", "state", "timer")

    def __init__(self, spec: ChildSpec, process: Ref[Any], started: float) -> None:
        self.spec = spec
        self.process = process
        self.state = State.RUNNING
        self.started = started
        self.spent: tuple[float, ...] = ()
        self.attempts = 0
        self.timer: Timer | None = None
        self.due = started


class DynamicSupervision:
    """Keeps children that come and go.

    Args:
        me: the supervisor.
        flags: its flags.
    """

    def __init__(self, me: Control, flags: DynamicFlags) -> None:
        self._me = me
        self._flags = flags
        self._window = Intensity(flags.max_restarts, flags.max_seconds)
        self._children: dict[Ref[Any], DynamicChild] = {}

    # The supervisor's life

    def start_children(self) -> None:
        """Start nothing: there are no children yet."""

    def starts_in_place(self, args: tuple[Any, ...]) -> bool:
        """Return whether the child's `init` needs no thread of its own."""
        return len(args) == 1 and isinstance(args[0], ChildSpec) and args[0].starts_in_place

    def end_children(self) -> None:
        """End all children at once."""
        running = []
        for child in self._children.values():
            if child.timer is not None:
                child.timer.cancel()
            if child.state is State.RUNNING:
                running.append((child.spec, child.process))
        end_processes(self._me, running)

    # A child ends by itself

    def child_exited(self, process: Ref[Any], reason: Any) -> None:
        """Restart the child, now or later, or forget it; report when that is done."""
        child = self._children.get(process)
        if child is None or child.state is not State.RUNNING:
            return
        spec, say = child.spec, _nothing
        if wants_restart(spec.restart, reason):
            self._note_life(child)
            say = self._restart(child)
        else:
            del self._children[process]
        process.control.release_report()
        if not ended_well(spec.restart, reason):
            reports.child_terminated(self._me, spec, process, reason)
        say()

    def try_again(self, what: Any) -> None:
        """Go on with a restart that failed, or whose time has come."""
        child: DynamicChild = what
        if self._children.get(child.process) is not child:
            return
        if child.state is State.WAITING:
            child.timer = None
            self._start_again(child)()
        elif child.state is State.RESTARTING:
            self._restart(child)()

    def _note_life(self, child: DynamicChild) -> None:
        """Start the backoff over if the child has lived for long."""
        backoff = self._flags.backoff
        if backoff is not None and self._now() - child.started > backoff.longest:
            child.attempts = 0

    def _restart(self, child: DynamicChild) -> Callable[[], None]:
        """Restart a child if there were not too many restarts; return what to report."""
        say = self._spend(child)
        if say is not None:
            return say
        if self._flags.backoff is None:
            return self._start_again(child)
        return self._wait(child, self._flags.backoff)

    def _spend(self, child: DynamicChild) -> Callable[[], None] | None:
        """Count a restart; if it is one too many, act on that and return what to report."""
        flags = self._flags
        if flags.budget is not None:
            child.spent = flags.budget.spend(child.spent, self._now())
            if not flags.budget.exceeded(child.spent):
                return None
            child.state = State.QUARANTINED
            self._tell(child)
            return partial(reports.child_quarantined, self._me, child.spec, flags.budget)
        self._window = self._window.add(self._now())
        if not self._window.exceeded:
            return None
        del self._children[child.process]
        give_up_supervising(self._me)
        limits = (flags.max_restarts, flags.max_seconds)
        return partial(reports.intensity_reached, self._me, child.spec, *limits)

    def _tell(self, child: DynamicChild) -> None:
        """Send word of a quarantine to whoever is to be told."""
        told = self._me.node.whereis(self._flags.told) if self._flags.told is not None else None
        if told is not None:
            told.control.post(Info(Quarantined(self._me.ref, child.spec.id)))

    def _wait(self, child: DynamicChild, backoff: Backoff) -> Callable[[], None]:
        """Have a child wait for its restart; return what to report."""
        node = self._me.node
        child.attempts += 1
        delay = backoff.delay(child.attempts, node.clock.random.random())
        child.due = self._now() + delay
        child.state = State.WAITING
        child.timer = node.send_after(delay, self._me.ref, TryAgain(child))
        return partial(reports.restart_delayed, self._me, child.spec, delay, child.attempts)

    def _start_again(self, child: DynamicChild) -> Callable[[], None]:
        """Start a child again; return what to report."""
        previous = child.process
        try:
            self._start_in(child)
        except StartError as error:
            say = partial(reports.restart_failed, self._me, child.spec, error.reason)
            child.state = State.RESTARTING
            if self._flags.backoff is None:
                try_again(self._me, child)
                return say
            return partial(_both, say, self._restart(child))
        process = child.process if child.state is State.RUNNING else None
        return partial(reports.child_restarted, self._me, child.spec, process, previous)

    def _start_in(self, child: DynamicChild) -> Any:
        """Start a process in the place of a child's last one; one that ignores it is forgotten.

        Raises:
            StartError: if it did not start; the child is as it was.
        """
        started = self._start(child.spec)
        process = process_of(started)
        del self._children[child.process]
        if process is not None:
            child.process, child.state, child.started = process, State.RUNNING, self._now()
            self._children[process] = child
        return started

    def _start(self, spec: ChildSpec) -> Any:
        args = (*self._flags.extra_arguments, *spec.args)
        return start_process(self._me, spec, args, spec.kwargs)

    def _now(self) -> float:
        return self._me.node.clock.now()

    # The functions of its ref

    def start_child(self, *args: Any, **kwargs: Any) -> Any:
        """Start a child from a specification of its own."""
        if len(args) != 1 or kwargs:
            raise SupervisorRefused(("invalid_child_spec", args), kwargs=kwargs)
        spec = checked(args[0], "never")
        most = self._flags.max_children
        if most is not None and len(self._children) >= most:
            raise SupervisorRefused("max_children", max_children=most)
        try:
            started = self._start(spec)
        except StartError as error:
            raise SupervisorRefused(error.reason, child=spec.id) from error
        if started is not None:
            process = process_of(started)
            self._children[process] = DynamicChild(spec, process, self._now())
        return started

    def terminate_child(self, who: Any) -> None:
        """End a child and forget it."""
        child = self._find(who)
        if child.state is State.RUNNING:
            end_process(self._me, child.spec, child.process)
        elif child.timer is not None:
            child.timer.cancel()
        del self._children[child.process]

    def release(self, who: Any) -> Any:
        """Let a child out of quarantine, and start it."""
        child = self._find(who)
        if child.state is not State.QUARANTINED:
            running = child.state is State.RUNNING
            raise SupervisorRefused("running" if running else "restarting", child=child.spec.id)
        try:
            started = self._start_in(child)
        except StartError as error:
            raise SupervisorRefused(error.reason, child=child.spec.id) from error
        child.spent, child.attempts = (), 0
        reports.child_released(self._me, child.spec)
        return started

    def get_childspec(self, who: Any) -> ChildSpec:
        """Return a child's specification."""
        return self._find(who).spec

    def which_children(self) -> list[ChildInfo]:
        """Return a line for each child."""
        return [
            ChildInfo(child.spec.id, _shown(child), child.spec.type, child.spec.modules)
            for child in self._children.values()
        ]

    def survey(self, now: float) -> Survey:
        """Return what is known of the children; any thread asks."""
        flags, children = self._flags, list(self._children.values())
        window = Window(self._window.counted(now), flags.max_restarts, flags.max_seconds)
        seen = [self._sighting(child, now) for child in children]
        return Survey("dynamic", window if flags.budget is None else None, seen)

    def _sighting(self, child: DynamicChild, now: float) -> Sighting:
        budget = self._flags.budget
        used = (
            Window(budget.counted(child.spent, now), budget.most, budget.per)
            if budget is not None
            else None
        )
        state = child.state
        left = max(0.0, child.due - now) if state is State.WAITING else None
        return Sighting(child.spec, child.spec.id, child.process, state.value, left, used)

    def count_children(self) -> Counts:
        """Count the children."""
        children = self._children.values()
        active = sum(1 for child in children if child.state is State.RUNNING)
        supervisors = sum(1 for child in children if child.spec.type == "supervisor")
        return Counts(len(children), active, supervisors, len(children) - supervisors)

    def _find(self, who: Any) -> DynamicChild:
        """Return the child with this ref, or the only one with this id."""
        if isinstance(who, Ref):
            found = [self._children[who]] if who in self._children else []
        else:
            found = [child for child in self._children.values() if child.spec.id == who]
        if not found:
            raise SupervisorRefused("not_found", child=who)
        if len(found) > 1:
            raise SupervisorRefused("ambiguous_id", child=who, children=len(found))
        return found[0]


def _shown(child: DynamicChild) -> Any:
    if child.state is State.RUNNING:
        return child.process
    return "quarantined" if child.state is State.QUARANTINED else "restarting"


def _both(first: Callable[[], None], second: Callable[[], None]) -> None:
    first()
    second()


def _nothing() -> None:
    """Report nothing."""
