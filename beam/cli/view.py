"""What `beam run` shows while it works: a line now and then; on a terminal there is a `table`."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from beam.cli.runner import Runner

__all__ = ["Lines", "View", "summary"]

# Seconds between two plain lines.
LINE_EVERY = 2.0


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


def summary(runner: Runner, seconds: float) -> str:
    """Return one line on how the work stands."""
    job = runner.job
    return (
        f"tasks {runner.total}, answered {runner.count('answered')}, "
        f"failed {runner.count('failed')}, left {runner.count('open')}, "
        f"at work {sum(task is not None for _, _, task in runner.at_work)}, "
        f"restarts {job.restarts}, retries {job.retries}, {seconds:.1f} s"
    )


class Lines:
    """Writes a line to stderr every two seconds."""

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
