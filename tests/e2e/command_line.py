"""The command line as its users have it: a process of its own, its files, its agents."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from beam.errors import InvalidInput, StoreError
from beam.log import SqliteReader

ROOT = Path(__file__).parent.parent.parent
LIMIT = 110.0
BETWEEN_LOOKS = 0.01
# In the environment of all that a test starts, so that it knows its own from others' beside it.
MARK = "BEAM_TEST_FOLDER"
AGENTS = """
import threading


def shout(prompt):
    return prompt.upper()


def stubborn(prompt):
    raise ValueError("never")


def moody(prompt, query):
    if query.attempt < 2 and "mood" in prompt:
        raise ValueError("not now")
    return prompt


def forever(prompt):
    threading.Event().wait()


def endless(prompt, query):
    query.interrupted.wait()
    return "interrupted"
"""


@dataclass
class CommandLine:
    """`beam`, run in a folder of its own."""

    folder: Path
    arguments: list[str] = field(default_factory=list)

    @property
    def store(self) -> Path:
        return self.folder / "store.db"

    @property
    def out(self) -> Path:
        return self.folder / "out.jsonl"

    def tasks(self, count: int, word: str = "task") -> Path:
        """Write a file of tasks."""
        path = self.folder / "tasks.jsonl"
        lines = [json.dumps({"id": f"t{n}", "prompt": f"{word} {n}"}) for n in range(count)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    def environment(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {
            **os.environ,
            "PYTHONPATH": f"{ROOT}:{self.folder}",
            "PATH": path,
            MARK: str(self.folder),
        }

    def programs(self) -> list[psutil.Process]:
        """Return the processes on this machine that this command line has started, or theirs."""
        found = []
        for process in psutil.process_iter(["environ", "status"]):
            environment = process.info["environ"] or {}
            alive = process.info["status"] != psutil.STATUS_ZOMBIE
            if environment.get(MARK) == str(self.folder) and alive:
                found.append(process)
        return found

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start `python -m beam` with these arguments."""
        (self.folder / "my_agents.py").write_text(AGENTS, encoding="utf-8")
        return subprocess.Popen(
            [sys.executable, "-m", "beam", *arguments],
            cwd=options.pop("cwd", self.folder),
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def __call__(self, *arguments: str, stdin: str | None = None) -> tuple[int, str, str]:
        """Run it to its end: the status, stdout and stderr."""
        with self.start(*arguments, stdin=subprocess.PIPE) as process:
            out, err = process.communicate(stdin, timeout=LIMIT)
        return process.returncode, out, err

    def run(self, tasks: Path, backend: str, *more: str) -> tuple[int, str, str]:
        """Run `beam run` on its store and output."""
        return self(*self.run_words(tasks, backend, *more))

    def run_words(self, tasks: Path, backend: str, *more: str) -> list[str]:
        files = ["--store", str(self.store), "--out", str(self.out)]
        return ["run", str(tasks), "--backend", backend, *files, *more]

    def lines(self) -> list[dict[str, Any]]:
        """Return the lines of the output."""
        text = self.out.read_text(encoding="utf-8")
        return [json.loads(line) for line in text.split("\n") if line]

    def answers(self) -> Counter[str]:
        """Return how often each task was answered, by the log."""
        found: Counter[str] = Counter()
        runs: dict[str, str] = {}
        with SqliteReader(self.store) as reader:
            for record in reader.read_all(types=("run_submitted", "run_completed")):
                body = json.loads(record.body)
                if record.type == "run_submitted":
                    runs[body["run_id"]] = body["data"]["metadata"]["task_id"]
                else:
                    found[runs[body["run_id"]]] += 1
        return found

    def reach(self, process: subprocess.Popen[str], position: int) -> bool:
        """Wait until the log has come so far, and say so; false if the process has ended before.

        Between two looks it waits: who looks all the time takes a processor from the process.
        """
        while self.position() < position:
            try:
                process.wait(BETWEEN_LOOKS)
            except subprocess.TimeoutExpired:
                continue
            return self.position() >= position
        return True

    def position(self) -> int:
        """Return how far the log has come, 0 while it cannot be read."""
        try:
            with SqliteReader(self.store) as reader:
                return reader.last_position()
        except (InvalidInput, StoreError, OSError):
            return 0
