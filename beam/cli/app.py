"""The commands, and what they have in common: bad input is one line, and exit status 2."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter

from beam.cli.telling import tell
from beam.errors import BeamError, InvalidInput, StoreError

__all__ = ["app", "main"]

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
    # Each command imports what it needs when it runs: the others, and the help, answer at once.
    from beam.cli.run import run_tasks  # noqa: PLC0415
    from beam.cli.terms import Terms  # noqa: PLC0415

    terms = Terms.checked(
        sessions=sessions, policy=route, retries=retries, timeout=timeout, drain=drain
    )
    return run_tasks(
        tasks,
        backend=backend,
        store=store,
        out=out,
        chaos=chaos,
        config=config,
        verbose=verbose,
        terms=terms,
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
    from beam.cli.reading import print_log  # noqa: PLC0415 - as in `run`

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


@app.command
def doctor() -> int:
    """Say what is there, what is missing, and who else is called beam."""
    from rich.console import Console  # noqa: PLC0415 - as in `run`
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    from beam.cli.doctor import examine  # noqa: PLC0415

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
        tell(f"beam: {_one_line(error)}")
        sys.exit(2)
    except BeamError as error:
        tell(f"beam: {_one_line(error)}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
