"""The children of a `simple_one_for_one` supervisor: any number, from one specification.

As in OTP they have no ids, are named by their refs, and are ended all at once.

A child whose `init` returns `ignore` when it is *restarted* stays listed without a process, and
the supervisor crashes on it when it ends: OTP 25 does so, and so does this. `DynamicSupervisor`
forgets such a child.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from beam.errors import BeamError, StartError, SupervisorRefused
from beam.otp import supervisor_reports as reports
from beam.otp.child_process import end_process, end_processes, process_of, start_process
from beam.otp.intensity import Intensity
from beam.otp.ref import Ref
from beam.otp.supervision import (
    ChildInfo,
    Counts,
    Sighting,
    Survey,
    Window,
    ended_well,
    is_over,
    wants_restart,
)
from beam.otp.supervisor_process import give_up_supervising, try_again

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.otp.child import ChildSpec
    from beam.otp.control import Control
    from beam.otp.flags import Flags

__all__ = ["SimpleOneForOne"]

# What a child was started with; `None` for a temporary one, which will not be again.
_Arguments: TypeAlias = tuple[tuple[Any, ...], dict[str, Any]] | None


class IgnoredRestart(BeamError):
    """A supervisor ended with a child listed that has no process; `reason` is OTP's word."""

    reason: Any = "function_clause"


class SimpleOneForOne:
    """Keeps children under `simple_one_for_one`.

    Args:
        me: the supervisor.
        flags: its flags.
        template: what its children are started from.
    """

    def __init__(self, me: Control, flags: Flags, template: ChildSpec) -> None:
        self._me = me
        self._flags = flags
        self._template = template
        self._window = Intensity(flags.max_restarts, flags.max_seconds)
        self._running: dict[Ref[Any], _Arguments] = {}
        # Children whose restart failed, by the process that they were.
        self._restarting: dict[Ref[Any], _Arguments] = {}
        # How many are restarting, as `count_children` believes; see `terminate_child`.
        self._restarts = 0
        self._ignored = False

    def __len__(self) -> int:
        return len(self._running) + len(self._restarting) + self._ignored

    # The supervisor's life

    def start_children(self) -> None:
        """Start nothing: there are no children yet."""

    def starts_in_place(self, _args: tuple[Any, ...]) -> bool:
        """Return whether the template's `init` needs no thread of its own."""
        return self._template.starts_in_place

    def end_children(self) -> None:
        """End all children at once."""
        if self._ignored:
            raise IgnoredRestart("a child ignored its restart; OTP's supervisor crashes here")
        end_processes(self._me, [(self._template, process) for process in self._running])

    # A child ends by itself

    def child_exited(self, process: Ref[Any], reason: Any) -> None:
        """Restart the child, or forget it; report when that is done."""
        if process not in self._running:
            return
        restart = self._template.restart
        arguments = self._running.pop(process)
        if wants_restart(restart, reason):
            say: Callable[[], None] | None = self._restart(process, arguments)
        else:
            say = self._let_be()
        process.control.release_report()
        if not ended_well(restart, reason):
            reports.child_terminated(self._me, self._template, process, reason)
        if say is not None:
            say()

    def try_again(self, what: Any) -> None:
        """Try a restart again, of the child that once was this process."""
        if what not in self._restarting:
            return
        arguments = self._restarting.pop(what)
        self._restart(what, arguments, again=True)()

    def _let_be(self) -> Callable[[], None] | None:
        """Note that a child ended for good; return what to report."""
        flag, significant = self._flags.auto_shutdown, self._template.significant
        if not is_over(flag, significant=significant, significant_left=len(self) > 0):
            return None
        give_up_supervising(self._me)
        return partial(reports.auto_shutdown, self._me, self._template, flag)

    def _restart(
        self, process: Ref[Any], arguments: _Arguments, *, again: bool = False
    ) -> Callable[[], None]:
        """Start the child again that was `process`; return what to report."""
        me, template, flags = self._me, self._template, self._flags
        self._window = self._window.add(me.node.clock.now())
        if self._window.exceeded:
            give_up_supervising(me)
            limits = (flags.max_restarts, flags.max_seconds)
            return partial(reports.intensity_reached, me, template, *limits)
        self._restarts -= again
        args, kwargs = arguments if arguments is not None else ((), {})
        try:
            started = process_of(start_process(me, template, args, kwargs))
        except StartError as error:
            self._restarts += 1
            self._restarting[process] = arguments
            try_again(me, process)
            return partial(reports.restart_failed, me, template, error.reason)
        self._store(started, arguments)
        return partial(reports.child_restarted, me, template, started, process)

    def _store(self, process: Ref[Any] | None, arguments: _Arguments) -> None:
        if process is None:
            self._ignored = True
        else:
            self._running[process] = arguments

    # The functions of its ref

    def start_child(self, *args: Any, **kwargs: Any) -> Any:
        """Start a child with these arguments after those of the template."""
        template = self._template
        args, kwargs = (*template.args, *args), {**template.kwargs, **kwargs}
        try:
            started = start_process(self._me, template, args, kwargs)
        except StartError as error:
            raise SupervisorRefused(error.reason) from error
        if started is not None:
            kept = None if template.restart == "temporary" else (args, kwargs)
            self._running[process_of(started)] = kept
        return started

    def terminate_child(self, process: Any) -> None:
        """End a child and forget it; one that is dead already is as good as ended."""
        if not isinstance(process, Ref):
            raise SupervisorRefused("simple_one_for_one", child=process)
        if process in self._running:
            end_process(self._me, self._template, process)
            del self._running[process]
        elif process in self._restarting:
            # `_restarts` stays: OTP forgets to count it down, and counts too few as active.
            del self._restarting[process]
        elif process.is_alive():
            raise SupervisorRefused("not_found", child=process)
        else:
            self._ignored = False  # OTP erases the child of no process for any that is dead.

    def restart_child(self, child_id: Any) -> Any:
        """Refuse: nothing here is restarted by hand."""
        raise SupervisorRefused("simple_one_for_one", child=child_id)

    def delete_child(self, child_id: Any) -> None:
        """Refuse: a child that does not run is forgotten anyway."""
        raise SupervisorRefused("simple_one_for_one", child=child_id)

    def get_childspec(self, child: Any) -> ChildSpec:
        """Return the template: for its id, for a child's ref, and for any that is dead."""
        if isinstance(child, Ref):
            known = child in self._running or child in self._restarting or not child.is_alive()
        else:
            known = child == self._template.id
        if not known:
            raise SupervisorRefused("not_found", child=child)
        return self._template

    def which_children(self) -> list[ChildInfo]:
        """Return a line for each child."""
        processes: list[Any] = [None] if self._ignored else []
        processes += [*self._running, *(["restarting"] * len(self._restarting))]
        template = self._template
        return [ChildInfo(None, one, template.type, template.modules) for one in processes]

    def survey(self, now: float) -> Survey:
        """Return what is known of the children; any thread asks."""
        flags, template = self._flags, self._template
        seen = [Sighting(template, None, process, "running") for process in list(self._running)]
        seen += [Sighting(template, None, one, "restarting") for one in list(self._restarting)]
        if self._ignored:
            seen.append(Sighting(template, None, None, "ended"))
        window = Window(self._window.counted(now), flags.max_restarts, flags.max_seconds)
        return Survey(flags.strategy, window, seen)

    def count_children(self) -> Counts:
        """Count the children."""
        size = len(self)
        supervisors = size if self._template.type == "supervisor" else 0
        return Counts(1, size - self._restarts, supervisors, size - supervisors)
