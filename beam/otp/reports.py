"""Reports: what happens to processes, as structlog events.

The fields are a contract, documented in `docs/otp.md`. Progress is said at debug level, and built
only if that is enabled; a crash is rendered after the restart that it causes, by the supervisor.
`beam` never configures structlog: where nobody has, progress stays silent.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import traceback
from functools import cache
from typing import TYPE_CHECKING, Any

from beam.errors.root import shown
from beam.logger import Logger, imported
from beam.otp.reasons import Crash

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from beam.otp.control import Control

__all__ = ["CrashReport", "progress", "report", "shown", "unreported"]

_log = Logger("beam.otp")
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}


def _is_dropped(level: str) -> bool:
    """Return whether structlog is known to drop events of that level."""
    structlog = imported()
    if structlog is None:
        return False
    least = _classes().get(structlog.get_config()["wrapper_class"], 0)
    return _LEVELS.get(level, logging.ERROR) < least


@cache
def _classes() -> dict[Any, int]:
    """Return structlog's classes, one for each level.

    To look at the one that is configured takes half a µs, to make a logger that drops the event
    10: a third of a start, a quarter of a restart, where nobody wants to hear of them.
    """
    make = imported().make_filtering_bound_logger
    levels = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)
    return {make(level): level for level in levels}


# The threads whose reports nobody wants; 0, the number of none, stands for all.
_silent: set[int] = set()
_EVERYWHERE = 0


@contextlib.contextmanager
def unreported(*, everywhere: bool = False) -> Iterator[None]:
    """Drop the reports of what runs on this thread, or everywhere, for the block."""
    ident = _EVERYWHERE if everywhere else threading.get_ident()
    outermost = ident not in _silent
    _silent.add(ident)
    try:
        yield
    finally:
        if outermost:
            _silent.discard(ident)


def report(level: str, event: str, **fields: Any) -> None:
    """Emit one event; `level` is the name of a log method.

    Logging runs the user's code, in the middle of the kernel's: what it raises is printed, as the
    standard library's logging does it, and goes no further.
    """
    if _silent and not _silent.isdisjoint((threading.get_ident(), _EVERYWHERE)):
        return
    if _is_dropped(level):
        return
    try:
        getattr(_log.made(), level)(event, **fields)
    except Exception:  # noqa: BLE001 - a user's processor; see above
        traceback.print_exc()


def debug_enabled() -> bool:
    """Return whether progress would reach anybody."""
    structlog = imported()
    if structlog is None or not structlog.is_configured() or _is_dropped("debug"):
        return False
    try:
        is_enabled = getattr(_log.made().bind(), "is_enabled_for", None)
        return is_enabled is None or bool(is_enabled(logging.DEBUG))
    except Exception:  # noqa: BLE001 - as in report
        traceback.print_exc()
        return False


def progress(control: Control) -> None:
    """Say that a process has started."""
    if debug_enabled():
        parent = control.parent
        report(
            "debug",
            "process_started",
            process=str(control.ref),
            process_class=control.ref.actor_class.__name__,
            parent=str(parent.ref) if parent is not None else None,
        )


class CrashReport:
    """What is known of a crash, kept until there is time to render it."""

    __slots__ = ("_error", "_fields", "_reason")

    def __init__(self, control: Control, error: BaseException, message: Any) -> None:
        parent = control.parent
        self._error = error
        self._reason: Any = Crash(error)
        self._fields: dict[str, Any] = {
            "process": str(control.ref),
            "process_class": control.ref.actor_class.__name__,
            "parent": str(parent.ref) if parent is not None else None,
            "node": control.node.name,
            "mailbox_length": control.count(),
            "message": message,
        }

    def emit(self) -> None:
        """Render the report: `process_crashed`, at error level, with the traceback.

        It begins where the user's code does: each of our frames before that tells nobody anything,
        and takes 20 µs to render.
        """
        self._error.with_traceback(_of_users(self._error.__traceback__))
        fields = dict(self._fields, message=shown(self._fields["message"]))
        reason = shown(self._reason)
        report("error", "process_crashed", reason=reason, **fields, exc_info=self._error)


def _of_users(trace: TracebackType | None) -> TracebackType | None:
    """Return the part of a traceback that begins in the user's code; all, if none does."""
    part = trace
    while part is not None and part.tb_frame.f_globals.get("__name__", "").startswith("beam.otp."):
        part = part.tb_next
    return part if part is not None else trace
