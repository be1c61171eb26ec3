"""Starting and ending the processes of children, for supervisors of every kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.errors import AlreadyStarted, Exited, Refused, StartError
from beam.otp.control import NOTHING
from beam.otp.reasons import Crash
from beam.otp.ref import Ref
from beam.otp.shutdown import end
from beam.otp.spawn import launch
from beam.otp.stopping import end_at_once
from beam.otp.supervision import was_told_to_end
from beam.otp.supervisor_reports import child_given_up, shutdown_failed
from beam.otp.turn import ignore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from beam.otp.child import ChildSpec
    from beam.otp.control import Control
    from beam.otp.stopping import Turns

__all__ = ["end_process", "end_processes", "process_of", "start_process"]


def start_process(
    me: Control, spec: ChildSpec, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Start a child, linked to the supervisor `me`, which runs here.

    Returns:
        Its ref; `(ref, info)` if its start function says so; `None` if it has nothing to do.

    Raises:
        StartError: if it did not start. `reason` is what OTP's start function would have put
            into `{error, Reason}`.
    """
    try:
        if spec.is_class:
            return _start_class(me, spec, args, kwargs)
        return _checked(spec.start(*args, **kwargs))
    except StartError:
        raise
    except Refused as refusal:
        raise StartError(refusal.reason, f"child {spec.id!r}") from refusal
    except BaseException as error:  # a child's start is its own affair, as with OTP's `catch`
        if me.pending_exit is not NOTHING:
            raise
        reason = error.reason if isinstance(error, Exited) else Crash(error)
        raise StartError(("EXIT", reason), f"child {spec.id!r}") from error


def _start_class(
    me: Control, spec: ChildSpec, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    if spec.starts_in_place:
        return _launch(me, spec, args, kwargs)
    # Its init runs on another thread. Whoever asked for the child, and has gone since, must not
    # be the reason why it is given up.
    serving, me.serving = me.serving, None
    try:
        return _launch(me, spec, args, kwargs)
    finally:
        me.serving = serving


def _launch(me: Control, spec: ChildSpec, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Start the process; if an orphan holds its name, end that first.

    When a supervisor is killed its children end by themselves, while it is restarted already. A
    child that still cleans up would make the restart of its successor fail, as it does in OTP.
    """
    kind: Any = spec.start
    try:
        return launch(kind, args, kwargs, name=spec.name, timeout=spec.timeout, link=True).ref
    except AlreadyStarted as taken:
        holder = taken.process.control
        if not _is_orphan(holder):
            raise
        end(me, holder, spec.shutdown)
    return launch(kind, args, kwargs, name=spec.name, timeout=spec.timeout, link=True).ref


def _is_orphan(control: Control) -> bool:
    """Return whether a process is about to end, or has ended, because its supervisor has."""
    parent = control.parent
    # Looked at after: the dead have no parent, and have left their name.
    if not control.alive:
        return True
    if parent is None or parent.alive or not control.follows:
        return False
    return bool(parent.ref.actor_class.renders_reports)


def _checked(result: Any) -> Any:
    """Return what a start function may return; anything else is the reason why it failed."""
    if result is None or result is ignore:
        return None
    if isinstance(result, Ref):
        return result
    if isinstance(result, tuple) and len(result) == 2 and isinstance(result[0], Ref):
        return result
    raise StartError(result, "child")


def process_of(started: Any) -> Any:
    """Return the ref in what `start_process` returned, `None` if there is none."""
    return started[0] if type(started) is tuple else started


def end_process(
    me: Control, spec: ChildSpec, process: Ref[Any], turns: Turns | None = None
) -> None:
    """End a child in the way its specification says, and report if it ended in another.

    Args:
        me: its supervisor, which runs here.
        spec: its specification.
        process: what runs of it.
        turns: how the time is parted among the children, if they are to end within a time.
    """
    if turns is None:
        reason = end(me, process.control, spec.shutdown)
    else:
        reason = turns.end(process.control, spec.shutdown)
    _report_end(me, spec, process, reason)


def end_processes(me: Control, children: Sequence[tuple[ChildSpec, Ref[Any]]]) -> None:
    """End children all at once; as `end_process` for each."""
    reasons = end_at_once(me, [(process.control, spec.shutdown) for spec, process in children])
    for (spec, process), reason in zip(children, reasons, strict=True):
        _report_end(me, spec, process, reason)


def _report_end(me: Control, spec: ChildSpec, process: Ref[Any], reason: Any) -> None:
    process.control.release_report()
    if process.control.serial in me.node.given_up:
        child_given_up(me, spec, process)
    elif not was_told_to_end(spec, reason):
        shutdown_failed(me, spec, process, reason)
