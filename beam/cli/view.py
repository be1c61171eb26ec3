"""What `beam run` shows while it works: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from beam.cli.runner import Runner

__all__ = ["View", "view_of"]

# Seconds between two plain lines.
LINE_EVERY = 2.0
# The most sessions that the table shows.
ROWS = 24


class View(Protocol):
    """Shows a runner's progress; a context manager around its work."""

    def __enter__(self) -> Self:
        """Begin to show."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Show a last time."""
        ...

    def look(self) -> None:
        """Show what has changed, if it is time."""
        ...


def view_of(runner: Runner, now: Callable[[], float]) -> View:
    """Return the view that fits stderr: a table on a terminal, lines elsewhere."""
    console = Console(stderr=True)
    terminal = console.is_terminal and not console.is_dumb_terminal
    return _Table(runner, now, console) if terminal else _Lines(runner, now)


def summary(runner: Runner, seconds: float) -> str:
    """Return one line on how the work stands."""
    job = runner.job
    return (
        f"tasks {runner.total}, answered {runner.count('answered')}, "
        f"failed {runner.count('failed')}, left {runner.count('open')}, "
        f"at work {sum(task is not None for _, _, task in runner.at_work)}, "
        f"restarts {job.restarts}, retries {job.retries}, {seconds:.1f} s"
    )


def plain(text: str) -> Text:
    """Return a text that is shown as it is: no markup, and nothing that moves the cursor."""
    return Text("".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text))


class _Lines:
    def __init__(self, runner: Runner, now: Callable[[], float]) -> None:
        self._runner = runner
        self._now = now
        self._began = self._last = now()

    def __enter__(self) -> Self:
        self._say()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._say()

    def look(self) -> None:
        """Print a line, if it is time."""
        if self._now() - self._last >= LINE_EVERY:
            self._say()

    def _say(self) -> None:
        self._last = self._now()
        # Whoever read the lines may have gone; the work goes on.
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"{summary(self._runner, self._last - self._began)}\n")
            sys.stderr.flush()


class _Table:
    def __init__(self, runner: Runner, now: Callable[[], float], console: Console) -> None:
        self._runner = runner
        self._now = now
        self._began = now()
        # What functions print goes where stdout goes, if that is not this terminal.
        redirect = sys.stdout is not None and sys.stdout.isatty()
        self._live = Live(console=console, auto_refresh=False, redirect_stdout=redirect)
        self._last = 0.0

    def __enter__(self) -> Self:
        self._live.__enter__()
        self._show()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._show()
        self._live.__exit__(kind, error, trace)

    def look(self) -> None:
        """Draw the table anew, four times a second."""
        if self._now() - self._last >= 0.25:
            self._show()

    def _show(self) -> None:
        self._last = self._now()
        table = Table(box=None, pad_edge=False)
        for heading in ("session", "backend", "state", "restarts", "task"):
            table.add_column(heading, no_wrap=True)
        rows = self._runner.rows()
        for row in rows[:ROWS]:
            table.add_row(*map(plain, row))
        more = [Text(f"and {len(rows) - ROWS} more sessions")] if len(rows) > ROWS else []
        line = Text(summary(self._runner, self._last - self._began), style="bold")
        self._live.update(Group(line, table, *more), refresh=True)
