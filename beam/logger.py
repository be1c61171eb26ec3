"""The structlog loggers of the rooms, made at their first report.

    >>> from structlog.testing import capture_logs
    >>> with capture_logs() as heard:
    ...     Logger("beam.example").warning("tea_is_cold", degrees=20)
    >>> [(one["event"], one["degrees"], one["log_level"]) for one in heard]
    [('tea_is_cold', 20, 'warning')]

Structlog brings a terminal's libraries with it: a tenth of a second of processor time, which a
program that has nothing to report need not spend, nor the small ones that a fleet starts.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Logger", "before_reports", "imported"]

# What is still to be done before the first report; emptied by it.
_preparations: list[Callable[[], object]] = []
# Structlog, once it is there: each start of a process looks here.
_found: list[Any] = []


class Logger:
    """A logger of structlog's, by its name; a report costs what it costs there.

    Args:
        name: the name, as `structlog.get_logger` takes it.
    """

    __slots__ = ("_made", "_name")

    def __init__(self, name: str) -> None:
        self._name = name
        self._made: Any = None

    def made(self) -> Any:
        """Return structlog's own logger; imports structlog, if nobody has yet."""
        if self._made is None:
            import structlog  # noqa: PLC0415 - see the module

            while _preparations:
                _preparations.pop()()
            self._made = structlog.get_logger(self._name)
        return self._made

    def warning(self, event: str, **fields: Any) -> None:
        """Emit an event at warning level; raises what the processors raise."""
        self.made().warning(event, **fields)

    def error(self, event: str, **fields: Any) -> None:
        """Emit an event at error level; raises what the processors raise."""
        self.made().error(event, **fields)


def before_reports(prepare: Callable[[], object]) -> None:
    """Have structlog configured by `prepare` before anything is reported.

    At once, if structlog has been imported; else on the thread of the first report, so that what
    reports nothing does not import it.
    """
    if imported() is not None:
        prepare()
    else:
        _preparations.append(prepare)


def imported() -> Any:
    """Return structlog, if anybody has imported it; what nobody has, nobody has configured."""
    if _found:
        return _found[0]
    if "structlog" not in sys.modules:
        return None
    # Another thread may be at it: the statement waits for that.
    import structlog  # noqa: PLC0415 - see the module

    _found[:] = [structlog]
    return structlog
