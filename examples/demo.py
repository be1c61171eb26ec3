"""The demo: a supervised fleet surveys the standard library's source, while it is being broken.

Run: make demo

At least 200 modules, one task each, by eight sessions on two backends: an agent program that reads
each file through tool calls, and the same as a Python function. One attempt in seven is killed on
the way, the session's process or the agent's. Every module is answered once all the same.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from beam.cli.runner import job_of
from beam.log import SqliteReader
from examples.survey.tasks import tasks

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "examples" / "survey"
CHAOS = "kill=0.15,seed=7"


def main() -> int:
    """Run the survey in a folder of its own, and say how it went."""
    folder = Path(tempfile.mkdtemp(prefix="beam-demo-"))
    todo, store, out = folder / "tasks.jsonl", folder / "survey.db", folder / "survey.jsonl"
    todo.write_text("".join(f"{json.dumps(task)}\n" for task in tasks()), encoding="utf-8")
    began = time.monotonic()
    status = subprocess.run(
        [
            sys.executable, "-m", "beam", "run", str(todo),
            "--backend", "survey-program,survey-function",
            "--config", str(HERE / "survey.toml"),
            "--route", "round_robin", "--sessions", "8", "--chaos", CHAOS,
            "--store", str(store), "--out", str(out),
        ],
        cwd=ROOT,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"},
        check=False,
    ).returncode  # fmt: skip
    return tell(todo, store, out, time.monotonic() - began, status)


def tell(todo: Path, store: Path, out: Path, seconds: float, status: int) -> int:
    """Print the table, from the output and the log; return the exit status of the demo."""
    asked = [json.loads(line)["id"] for line in todo.read_text(encoding="utf-8").splitlines()]
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    written = [line["id"] for line in lines]
    lost = len(set(asked) - set(written))
    duplicated = len(written) - len(set(written))
    with SqliteReader(store) as reader:
        job = job_of(reader)
    duplicated += job.duplicated
    answered = sum(line["status"] == "answered" for line in lines)
    by_backend = {
        name: sum(line["backend"] == name for line in lines)
        for name in sorted({line["backend"] for line in lines if line["backend"]})
    }
    table = Table(title="A survey of the standard library", show_header=False)
    for name, value in {
        "tasks": len(asked),
        "answered": answered,
        **{f"  by {name}": count for name, count in by_backend.items()},
        "restarts": job.restarts,
        "retries": job.retries,
        "kills": job.faults,
        "lost": lost,
        "duplicated": duplicated,
        "time": f"{seconds:.1f} s",
    }.items():
        table.add_row(name, str(value))
    console = Console()
    console.print(table)
    console.print(f"results: {out}\nlog:     {store}", soft_wrap=True)
    good = status == 0 and lost == duplicated == 0 and answered == len(asked)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
