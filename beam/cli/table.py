"""The live table of a `beam run`, on a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from beam.cli.view import summary

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from beam.cli.runner import Runner

__all__ = ["Sessions", "terminal"]

# The most sessions that the table shows.
ROWS = 24


def terminal() -> Console | None:
    """Return stderr as a terminal on which a table can be drawn anew; `None` if it is none."""
    console = Console(stderr=True)
    return console if console.is_terminal and not console.is_dumb_terminal else None


def plain(text: str) -> Text:
    """Return a text that is shown as it is: no markup, and nothing that moves the cursor."""
    return Text("".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text))


class Sessions:
    """Shows the sessions, one a row, and a line on the whole."""

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
