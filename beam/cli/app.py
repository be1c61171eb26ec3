"""The commands, and what they have in common: bad input is one line, and exit status 2."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import structlog
from cyclopts import App, CycloptsError, Parameter
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from beam.chaos import parse_chaos
from beam.chaos.saboteur import Attempt, Saboteur
from beam.cli.config import choose_backends
from beam.cli.doctor import examine
from beam.cli.output import Output
from beam.cli.reading import print_log
from beam.cli.runner import Runner, Terms
from beam.cli.tasks import read_tasks
from beam.cli.view import view_of
from beam.errors import BeamError, InvalidInput, StoreError
from beam.fleet import Fleet
from beam.otp import Backoff, Restarts
from beam.sessions.options import LONGEST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from beam.backends.backend import Backend
    from beam.chaos import Kills
    from beam.cli.job import TaskState
    from beam.cli.tasks import Task

__all__ = ["app", "main"]

POLICIES = (
    "explicit", "sticky", "round_robin", "failover", "capability_first",
    "preferred_then_fallback",
)  # fmt: skip
Policy = Literal[
    "explicit", "sticky", "round_robin", "failover", "capability_first", "preferred_then_fallback"
]

app = App(
    name="beam",
    help="OTP for AI agents: supervised fleets of agent sessions.",
    result_action="return_value",
)


@app.command
def run(
    tasks: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    backend: Annotated[str, Parameter(negative=())],
    store: Path,
    out: Path | None = None,
    sessions: int = 8,
    route: Policy = "round_robin",
    retries: int = 2,
    timeout: float = 120.0,
    drain: float = 10.0,
    chaos: str | None = None,
    config: Path | None = None,
    verbose: Annotated[bool, Parameter(alias="-v", negative=())] = False,
) -> int:
    """Do tasks with a fleet of supervised agent sessions, each exactly once answered.

    Run again with the same store, it goes on where it stopped, however that was.

    Parameters
    ----------
    tasks
        A file with a task a line, JSON (id, prompt, backend, metadata) or plain text; - for stdin.
    backend
        The backends, with commas between them: claude, codex, gemini, opencode, copilot,
        acp:COMMAND LINE, function:MODULE:NAME, command:COMMAND LINE, or names of the configuration.
    store
        The file of the log, made if it is not there.
    out
        The file of the results, a JSON line for each task that has ended.
    sessions
        How many sessions work at once.
    route
        How the backend of a task is chosen.
    retries
        How many more attempts a task has after the first.
    timeout
        Seconds that one attempt may take.
    drain
        Seconds that running tasks have when the work is interrupted.
    chaos
        What is broken meanwhile: kill=PROBABILITY,seed=NUMBER.
    config
        A TOML file that names backends.
    verbose
        Say on stderr what happens to processes: crashes, restarts, transports that end.
    """
    _check_numbers(sessions=sessions, retries=retries, timeout=timeout, drain=drain)
    kills = parse_chaos(chaos) if chaos is not None else None
    todo = _read(tasks)
    chosen = choose_backends(_split(backend), config)
    _check_backends(todo, chosen.backends)
    output = Output(out, beside=[store] if tasks == "-" else [store, Path(tasks)])
    terms = Terms(sessions, route, retries, timeout, drain, chosen.tools)
    _configure_logging("debug" if verbose else "critical")
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
        runner = Runner(fleet, list(chosen.backends), terms, output, strike)
        return _work(runner, todo, output, interrupts)


def _work(runner: Runner, todo: list[Task], output: Output, interrupts: _Interrupts) -> int:
    interrupts.stop = runner.stop
    try:
        if interrupts.caught:
            raise KeyboardInterrupt
        done = runner.accept(todo)
        if done:
            _tell(f"{done} of {len(todo)} tasks had ended before")
        view = view_of(runner, time.monotonic)
        with view:
            runner.run(view.look)
    finally:
        interrupts.closing = True
        output.close()
    if interrupts.caught and runner.count("open"):
        return 128 + interrupts.caught[0]
    return 1 if any(runner.job.tasks[task.id].status == "failed" for task in todo) else 0


def _saboteur(fleet: Fleet, kills: Kills) -> Callable[[TaskState], None]:
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


def _check_backends(todo: list[Task], known: Mapping[str, Backend]) -> None:
    names = ", ".join(known)
    for task in todo:
        if task.backend is not None and task.backend not in known:
            raise InvalidInput(f"task {task.id}: backend", task.backend, f"one of {names}")


def _read(source: str) -> list[Task]:
    try:
        text = _stdin() if source == "-" else Path(source).read_bytes()
        # Only at newlines: JSON may have the other separators of Unicode in its texts.
        return read_tasks(text.decode("utf-8-sig").split("\n"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput("TASKS", source, f"a file of tasks, or - ({error})") from error


def _stdin() -> bytes:
    if sys.stdin is None:
        raise InvalidInput("TASKS", "-", "tasks on stdin, which is closed")
    return sys.stdin.buffer.read()


def _split(backends: str) -> list[str]:
    """Split at commas, but not those in a command line, where the next part names no backend."""
    parts: list[str] = []
    for part in backends.split(","):
        joins = parts and parts[-1].startswith("command:") and ":" not in part and " " in part
        if joins:
            parts[-1] += f",{part}"
        elif part.strip():
            parts.append(part.strip())
    if not parts:
        raise InvalidInput("--backend", backends, "at least one backend")
    return parts


def _check_numbers(**numbers: float) -> None:
    least = {"sessions": 1, "retries": 0, "timeout": 0.001, "drain": 0}
    for name, value in numbers.items():
        if not least[name] <= value < LONGEST:
            raise InvalidInput(f"--{name}", value, f"{least[name]} or more, below {LONGEST:.0e}")


def _configure_logging(level: str) -> None:
    """Send reports to stderr from `level` on; a command configures, the library never does."""
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


@app.command
def log(
    file: Path,
    /,
    *,
    session: str | None = None,
    type: Annotated[list[str] | None, Parameter(name="--type")] = None,  # noqa: A002
    json: bool = False,
    follow: Annotated[bool, Parameter(alias="-f")] = False,
) -> int:
    """Print the events of a store, also while a fleet writes it.

    Parameters
    ----------
    file
        The file of the store.
    session
        Only events of this session.
    type
        Only events of this type; may be given more than once.
    json
        One JSON object a line.
    follow
        Wait for more at the end.
    """
    try:
        print_log(file, session=session, types=type or [], as_json=json, follow=follow, write=_line)
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:
        # What Python would flush at its end must go somewhere, or it complains (status 120).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _tell(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


@app.command
def doctor() -> int:
    """Say what is there, what is missing, and who else is called beam."""
    findings = examine()
    table = Table(box=None, pad_edge=False, show_header=False)
    for finding in findings:
        table.add_row("ok" if finding.fine else "NOT OK", finding.what, escape(finding.found))
    Console().print(table)
    return 0 if all(finding.fine for finding in findings) else 1


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 fine, 1 something failed, 2 bad input."""
    try:
        status = app(arguments, exit_on_error=False, print_error=False)
    except (InvalidInput, StoreError, CycloptsError) as error:
        _tell(f"beam: {_one_line(error)}")
        sys.exit(2)
    except BeamError as error:
        _tell(f"beam: {_one_line(error)}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
