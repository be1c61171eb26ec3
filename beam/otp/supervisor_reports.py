"""What supervisors report, as structlog events; OTP's supervisor and progress reports.

Every event has the fields `supervisor` (the supervisor's ref as text) and `child` (the child's
id). A restart is reported when it is done, not before: nobody waits for a log line.

| event | level | other fields |
|---|---|---|
| `child_terminated` | error | `process`, `reason`, `restart`: it ended by itself, and not well |
| `child_restarted` | info | `process`, `previous`; `siblings`: how many were restarted with it |
| `child_start_failed` | error | `reason`: it did not start with its supervisor |
| `restart_failed` | error | `reason`: the restart failed, and is tried again |
| `restart_delayed` | warning | `delay` in seconds, `attempt`: it waits for its backoff |
| `intensity_reached` | error | `max_restarts`, `max_seconds`: the supervisor ends |
| `auto_shutdown` | info | `auto_shutdown`: a significant child ended, and the supervisor ends |
| `child_quarantined` | error | `restarts`, `seconds`: its budget is spent; it waits for `release` |
| `child_released` | info | |
| `shutdown_failed` | error | `process`, `reason`: it was told to end, and ended otherwise |
| `child_given_up` | error | `process`: its handler does not end; its thread is lost (G9) |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.otp.reports import report, shown

if TYPE_CHECKING:
    from beam.otp.budget import Restarts
    from beam.otp.child import ChildSpec
    from beam.otp.control import Control
    from beam.otp.ref import Ref

__all__ = [
    "auto_shutdown",
    "child_given_up",
    "child_quarantined",
    "child_released",
    "child_restarted",
    "child_start_failed",
    "child_terminated",
    "intensity_reached",
    "restart_delayed",
    "restart_failed",
    "shutdown_failed",
]


def _emit(level: str, event: str, me: Control, spec: ChildSpec, **fields: Any) -> None:
    child = spec.id if isinstance(spec.id, (str, int)) else shown(spec.id)
    report(level, event, supervisor=str(me.ref), child=child, **fields)


def child_terminated(me: Control, spec: ChildSpec, process: Ref[Any], reason: Any) -> None:
    """Report that a child ended by itself, and not well."""
    fields = {"process": str(process), "reason": shown(reason), "restart": spec.restart}
    _emit("error", "child_terminated", me, spec, **fields)


def child_restarted(
    me: Control,
    spec: ChildSpec,
    process: Ref[Any] | None,
    previous: Ref[Any] | None,
    siblings: int = 0,
) -> None:
    """Report that a child has been started again."""
    fields = {"process": str(process), "previous": str(previous), "siblings": siblings}
    _emit("info", "child_restarted", me, spec, **fields)


def child_start_failed(me: Control, spec: ChildSpec, reason: Any) -> None:
    """Report that a child did not start with its supervisor."""
    _emit("error", "child_start_failed", me, spec, reason=shown(reason))


def restart_failed(me: Control, spec: ChildSpec, reason: Any) -> None:
    """Report that a child could not be started again, and that this will be tried again."""
    _emit("error", "restart_failed", me, spec, reason=shown(reason))


def restart_delayed(me: Control, spec: ChildSpec, delay: float, attempt: int) -> None:
    """Report that a child waits before it is started again."""
    _emit("warning", "restart_delayed", me, spec, delay=delay, attempt=attempt)


def intensity_reached(me: Control, spec: ChildSpec, max_restarts: int, max_seconds: int) -> None:
    """Report that there were too many restarts, and that the supervisor ends."""
    fields = {"max_restarts": max_restarts, "max_seconds": max_seconds}
    _emit("error", "intensity_reached", me, spec, **fields)


def auto_shutdown(me: Control, spec: ChildSpec, flag: str) -> None:
    """Report that the end of a significant child ends the supervisor."""
    _emit("info", "auto_shutdown", me, spec, auto_shutdown=flag)


def child_quarantined(me: Control, spec: ChildSpec, budget: Restarts) -> None:
    """Report that a child has spent its restarts."""
    _emit("error", "child_quarantined", me, spec, restarts=budget.most, seconds=budget.per)


def child_released(me: Control, spec: ChildSpec) -> None:
    """Report that a child has been let out of quarantine."""
    _emit("info", "child_released", me, spec)


def shutdown_failed(me: Control, spec: ChildSpec, process: Ref[Any], reason: Any) -> None:
    """Report that a child did not end as it was told to."""
    _emit("error", "shutdown_failed", me, spec, process=str(process), reason=shown(reason))


def child_given_up(me: Control, spec: ChildSpec, process: Ref[Any]) -> None:
    """Report that a child did not end at all: it is dead for everyone, and its thread is lost."""
    _emit("error", "child_given_up", me, spec, process=str(process))
