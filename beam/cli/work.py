"""A `beam run` at work: its fleet, what is broken in it meanwhile, and the signals that end it."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from beam.cli.runner import Runner
from beam.cli.telling import tell
from beam.cli.view import Lines
from beam.fleet import Fleet
from beam.logger import before_reports
from beam.otp import Backoff, Restarts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from beam.chaos import Kills
    from beam.cli.config import Chosen
    from beam.cli.job import TaskState
    from beam.cli.output import Output
    from beam.cli.tasks import Task
    from beam.cli.terms import Terms
    from beam.cli.view import View

__all__ = ["work"]


def work(
    todo: list[Task],
    store: Path,
    chosen: Chosen,
    terms: Terms,
    output: Output,
    *,
    kills: Kills | None,
    verbose: bool,
) -> int:
    """Do the tasks, until each has ended or a signal asks for an end; return the exit status."""
    if verbose:
        _configure_logging("debug")
    else:
        before_reports(lambda: _configure_logging("critical"))
    budget = Restarts(1_000_000, per=1.0) if kills is not None else Restarts(10, per=60.0)
    with (
        _draining() as interrupts,
        Fleet(
            store,
            backends=chosen.backends,
            session_budget=budget,
            session_backoff=Backoff(0.01, 5.0, jitter=0.2),
        ) as fleet,
    ):
        strike = _saboteur(fleet, kills) if kills is not None else None
        terms = replace(terms, tools=chosen.tools)
        runner = Runner(fleet, list(chosen.backends), terms, output, strike)
        return _work(runner, todo, output, interrupts)


def _work(runner: Runner, todo: list[Task], output: Output, interrupts: _Interrupts) -> int:
    interrupts.stop = runner.stop
    try:
        if interrupts.caught:
            raise KeyboardInterrupt
        done = runner.accept(todo)
        if done:
            tell(f"{done} of {len(todo)} tasks had ended before")
        view = _view_of(runner, time.monotonic)
        with view:
            runner.run(view.look)
    finally:
        interrupts.closing = True
        output.close()
    if interrupts.caught and runner.count("open"):
        return 128 + interrupts.caught[0]
    return 1 if any(runner.job.tasks[task.id].status == "failed" for task in todo) else 0


def _view_of(runner: Runner, now: Callable[[], float]) -> View:
    """Return the view that fits stderr: a table on a terminal, lines elsewhere."""
    if _may_be_terminal():
        # Into a file or a pipe lines are written, which takes no rich.
        from beam.cli.table import Sessions, terminal  # noqa: PLC0415

        console = terminal()
        if console is not None:
            return Sessions(runner, now, console)
    return Lines(runner, now)


def _may_be_terminal() -> bool:
    """Return whether rich might take stderr for a terminal; it looks at these variables, too."""
    forced = any(os.environ.get(name) for name in ("FORCE_COLOR", "TTY_COMPATIBLE"))
    return forced or (sys.stderr is not None and sys.stderr.isatty())


def _saboteur(fleet: Fleet, kills: Kills) -> Callable[[TaskState], None]:
    from beam.chaos.saboteur import Attempt, Saboteur  # noqa: PLC0415 - few are sabotaged

    with fleet.node.entered():
        saboteur = Saboteur.start(kills, name="saboteur")

    def strike(state: TaskState) -> None:
        assert state.session_id is not None
        assert state.run_id is not None
        saboteur.cast(Attempt(state.task.id, state.attempts, state.session_id, state.run_id))

    return strike


class _Interrupts:
    """The signals that asked for an end, and what the first of them calls."""

    def __init__(self) -> None:
        self.caught: list[int] = []
        self.stop: Callable[[], None] | None = None
        self.closing = False

    def take(self, number: int, _frame: Any) -> None:
        """Stop in order at the first, at once at the second.

        None cuts short the closing of the fleet, which ends its agents.
        """
        self.caught.append(number)
        if self.closing:
            return
        if len(self.caught) == 1 and self.stop is not None:
            self.stop()
        elif len(self.caught) == 2:
            raise KeyboardInterrupt


@contextmanager
def _draining() -> Iterator[_Interrupts]:
    """Let SIGINT and SIGTERM end the work in order, until the fleet is closed."""
    interrupts = _Interrupts()
    before = {one: signal.signal(one, interrupts.take) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupts
    except KeyboardInterrupt:
        raise SystemExit(128 + interrupts.caught[0]) from None
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _configure_logging(level: str) -> None:
    """Send reports to stderr from `level` on; a command configures, the library never does."""
    import structlog  # noqa: PLC0415 - by the first report; see `beam.logger`

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # The stderr of the moment: while the table is shown, that prints above it.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
