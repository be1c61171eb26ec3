"""The children of a supervisor whose specifications are its own: all strategies but one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from beam.errors import Exited, StartError, SupervisorRefused
from beam.otp import supervisor_reports as reports
from beam.otp.child import checked
from beam.otp.child_process import end_process, process_of, start_process
from beam.otp.intensity import Intensity
from beam.otp.stopping import turns_of
from beam.otp.supervision import (
    Child,
    Children,
    Survey,
    Window,
    ended_well,
    is_over,
    wants_restart,
)
from beam.otp.supervisor_process import give_up_supervising, try_again

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from beam.otp.child import ChildSpec
    from beam.otp.control import Control
    from beam.otp.flags import Flags
    from beam.otp.ref import Ref
    from beam.otp.shutdown import Shutdown
    from beam.otp.supervision import ChildInfo, Counts

__all__ = ["StaticSupervision"]


class StaticSupervision:
    """Keeps children under `one_for_one`, `one_for_all` or `rest_for_one`.

    Args:
        me: the supervisor.
        flags: its flags.
        specs: its children, in the order of their start.
    """

    def __init__(self, me: Control, flags: Flags, specs: Iterable[ChildSpec]) -> None:
        self._me = me
        self._flags = flags
        self._window = Intensity(flags.max_restarts, flags.max_seconds)
        self._children = Children()
        # Those that a restart concerns which goes on now; for whoever looks.
        self._returning: Sequence[Child] = ()
        for spec in specs:
            self._children.add(Child(spec))

    # The supervisor's life

    def start_children(self) -> None:
        """Start all children in order; if one fails, end the others and the supervisor's start."""
        failed = self._start_all(list(self._children))
        if failed is None:
            return
        child, error = failed
        self.end_children()
        reports.child_start_failed(self._me, child.spec, error.reason)
        reason = ("failed_to_start_child", child.spec.id, error.reason)
        raise Exited(("shutdown", reason)) from error

    def starts_in_place(self, _args: tuple[Any, ...]) -> bool:
        """Return False: children are few, and their start may take its time."""
        return False

    def end_children(self) -> None:
        """End all children, last started first."""
        self._end_all(self._children.newest_first())

    def _start_all(self, children: Iterable[Child]) -> tuple[Child, StartError] | None:
        """Start children in the order given; return the first that failed, and why."""
        for child in children:
            try:
                process = process_of(self._start(child.spec))
            except StartError as error:
                return child, error
            if process is None:
                self._children.forget(child)
            else:
                self._children.note_process(child, process)
        return None

    def _end_all(self, children: Iterable[Child]) -> None:
        """End children in the order given; temporary ones are forgotten."""
        turns = None
        if self._me.node.budgets:
            children = list(children)
            turns = turns_of(self._me, _ends(children))
        for child in children:
            if child.process is not None:
                end_process(self._me, child.spec, child.process, turns)
            self._children.forget(child)

    def _start(self, spec: ChildSpec) -> Any:
        return start_process(self._me, spec, spec.args, spec.kwargs)

    # A child ends by itself

    def child_exited(self, process: Ref[Any], reason: Any) -> None:
        """Restart the child, and those that hang on it, or let it be; report when that is done."""
        child = self._children.of_process(process)
        if child is None:
            return
        spec = child.spec
        if wants_restart(spec.restart, reason):
            say = self._restart(child, process)
        else:
            say = self._let_be(child)
        process.control.release_report()
        if not ended_well(spec.restart, reason):
            reports.child_terminated(self._me, spec, process, reason)
        say()

    def try_again(self, what: Any) -> None:
        """Try the restart of the child with this id again, if it still is to be restarted."""
        child = self._children.find(what)
        if child is not None and child.restarting:
            self._restart(child, None)()

    def _let_be(self, child: Child) -> Callable[[], None]:
        """Note that a child ended for good; return what to report."""
        self._children.forget(child)
        flag = self._flags.auto_shutdown
        left = self._children.has_significant_left() if flag == "all_significant" else False
        if not is_over(flag, significant=child.spec.significant, significant_left=left):
            return _nothing
        give_up_supervising(self._me)
        return partial(reports.auto_shutdown, self._me, child.spec, flag)

    def _restart(self, child: Child, previous: Ref[Any] | None) -> Callable[[], None]:
        """Restart a child, and those that hang on it; return what to report."""
        self._window = self._window.add(self._me.node.clock.now())
        if self._window.exceeded:
            self._children.forget(child)
            give_up_supervising(self._me)
            flags = self._flags
            return partial(
                reports.intensity_reached,
                self._me,
                child.spec,
                flags.max_restarts,
                flags.max_seconds,
            )
        if self._flags.strategy == "one_for_one":
            concerned = [child]
        elif self._flags.strategy == "rest_for_one":
            concerned = self._children.newest_down_to(child)
        else:
            concerned = self._children.newest_first()
        self._children.note_process(child, None)
        self._returning = concerned
        self._end_all(one for one in concerned if one is not child)
        concerned = [one for one in reversed(concerned) if one.spec.restart != "temporary"]
        failed = self._start_all(concerned)
        self._returning = ()
        if failed is not None:
            return self._retry(*failed)
        siblings = len(concerned) - 1
        return partial(
            reports.child_restarted, self._me, child.spec, child.process, previous, siblings
        )

    def _retry(self, child: Child, error: StartError) -> Callable[[], None]:
        """Note that the restart of a child failed, to be tried again; return what to report."""
        self._children.note_restarting(child)
        try_again(self._me, child.spec.id)
        return partial(reports.restart_failed, self._me, child.spec, error.reason)

    # The functions of its ref

    def start_child(self, *args: Any, **kwargs: Any) -> Any:
        """Start a child from a specification of its own."""
        if len(args) != 1 or kwargs:
            raise SupervisorRefused(("invalid_child_spec", args), kwargs=kwargs)
        spec = checked(args[0], self._flags.auto_shutdown)
        known = self._children.find(spec.id)
        if known is not None and known.process is not None:
            raise SupervisorRefused(("already_started", known.process), child=spec.id)
        if known is not None:
            raise SupervisorRefused("already_present", child=spec.id)
        try:
            started = self._start(spec)
        except StartError as error:
            raise SupervisorRefused((error.reason, spec), child=spec.id) from error
        if started is not None or spec.restart != "temporary":
            self._children.add(Child(spec, process_of(started)))
        return started

    def terminate_child(self, child_id: Any) -> None:
        """End a child; its specification stays unless it is temporary."""
        self._end_all([self._find(child_id)])

    def restart_child(self, child_id: Any) -> Any:
        """Start a child that does not run."""
        child = self._idle(child_id)
        try:
            started = self._start(child.spec)
        except StartError as error:
            raise SupervisorRefused(error.reason, child=child_id) from error
        self._children.note_process(child, process_of(started))
        return started

    def delete_child(self, child_id: Any) -> None:
        """Forget a child that does not run."""
        self._children.remove(self._idle(child_id))

    def get_childspec(self, child_id: Any) -> ChildSpec:
        """Return a child's specification."""
        return self._find(child_id).spec

    def which_children(self) -> list[ChildInfo]:
        """Return a line for each child, last started first."""
        return self._children.infos()

    def count_children(self) -> Counts:
        """Count the children."""
        return self._children.counts()

    def survey(self, now: float) -> Survey:
        """Return what is known of the children; any thread asks."""
        flags = self._flags
        window = Window(self._window.counted(now), flags.max_restarts, flags.max_seconds)
        return Survey(flags.strategy, window, self._children.sightings(self._returning))

    def _find(self, child_id: Any) -> Child:
        child = self._children.find(child_id)
        if child is None:
            raise SupervisorRefused("not_found", child=child_id)
        return child

    def _idle(self, child_id: Any) -> Child:
        """Return the child, which does not run."""
        child = self._find(child_id)
        if child.restarting:
            raise SupervisorRefused("restarting", child=child_id)
        if child.process is not None:
            raise SupervisorRefused("running", child=child_id)
        return child


def _ends(children: Iterable[Child]) -> list[tuple[Control, Shutdown]]:
    """Return those of them that run, and how each is to end."""
    return [
        (child.process.control, child.spec.shutdown)
        for child in children
        if child.process is not None
    ]


def _nothing() -> None:
    """Report nothing."""
