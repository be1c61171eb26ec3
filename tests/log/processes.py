"""Starting `child.py`, and making sure that it ends."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


@contextmanager
def child(
    path: Path, mode: str, *, durability: str = "process", prefix: str = "p", times: int = 0
) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """Run `child.py` and yield it with its output; it is killed at the end."""
    program = [str(Path(__file__).with_name("child.py")), str(path), durability, mode, prefix]
    with program_running([*program, str(times)]) as running:
        yield running


@contextmanager
def program_running(arguments: list[str]) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """Run Python with `arguments`, in the project, and yield it with its output."""
    with subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout
        finally:
            process.kill()
