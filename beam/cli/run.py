"""What is asked of a `beam run`, read and checked before any work starts.

What is wrong is found with as few imports as there can be: the tasks before the backends, and these
before the fleet (`work`).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from beam.chaos import parse_chaos
from beam.cli.tasks import read_tasks
from beam.cli.terms import Terms
from beam.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beam.backends.backend import Backend
    from beam.cli.tasks import Task

__all__ = ["run_tasks"]


def run_tasks(
    tasks: str,
    *,
    backend: str,
    store: Path,
    out: Path | None,
    chaos: str | None,
    config: Path | None,
    verbose: bool,
    terms: Terms,
) -> int:
    """Do the tasks and return the exit status; the arguments are those of `beam run`.

    Raises:
        InvalidInput: one is not what it must be, and nothing has changed.
    """
    kills = parse_chaos(chaos) if chaos is not None else None
    todo = _read(tasks)
    from beam.cli.config import choose_backends  # noqa: PLC0415 - see the module

    chosen = choose_backends(_split(backend), config)
    _check_backends(todo, chosen.backends)
    from beam.cli.output import Output  # noqa: PLC0415 - see the module

    output = Output(out, beside=[store] if tasks == "-" else [store, Path(tasks)])
    from beam.cli.work import work  # noqa: PLC0415 - see the module

    return work(todo, store, chosen, terms, output, kills=kills, verbose=verbose)


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
