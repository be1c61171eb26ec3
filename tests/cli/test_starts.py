"""What a start of the command imports: what it needs, and not what the other commands need."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
# Says at the end, on stderr, what has been imported; stdout is the command's.
ASKED = """
import atexit, json, sys
sys.path[:0] = [{root!r}, "."]
atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))
{code}
"""
COMMAND = "from beam.cli import main\nmain({arguments!r})"


def imported(folder: Path, code: str) -> set[str]:
    """Return the modules that are there after this code."""
    ran = subprocess.run(
        [sys.executable, "-c", ASKED.format(root=str(ROOT), code=code)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return set(json.loads(ran.stderr.splitlines()[-1]))


def command(folder: Path, *arguments: str) -> set[str]:
    """Return the modules that are there after this command."""
    return imported(folder, COMMAND.format(arguments=list(arguments)))


def work(folder: Path) -> set[str]:
    """Return the modules that are there after `beam run` has done a task with a function."""
    (folder / "tasks.txt").write_text("hello\n", encoding="utf-8")
    (folder / "my_agents.py").write_text("def shout(prompt):\n    return prompt.upper()\n", "utf-8")
    backend = "function:my_agents:shout"
    return command(folder, "run", "tasks.txt", "--backend", backend, "--store", "store.db")


@pytest.mark.parametrize("command_name", [[], ["run"], ["log"], ["doctor"]])
def test_the_help_imports_no_fleet_no_agent_and_no_process(
    tmp_path: Path, command_name: list[str]
) -> None:
    modules = command(tmp_path, *command_name, "--help")
    assert not modules & {"beam.fleet", "beam.backends", "beam.otp", "pydantic", "structlog"}


def test_a_log_is_printed_without_what_writes_one(tmp_path: Path) -> None:
    assert "beam.log.sqlite" in work(tmp_path)
    modules = command(tmp_path, "log", "store.db")
    assert "beam.log.reader" in modules
    assert not modules & {"beam.fleet", "beam.log.sqlite", "beam.otp", "structlog"}


def test_a_run_with_a_function_imports_no_client_of_a_program_and_no_terminal(
    tmp_path: Path,
) -> None:
    modules = work(tmp_path)
    assert "beam.fleet" in modules
    assert not modules & {
        "beam.backends.agent_connection", "beam.backends.command_connection", "cryptography",
        "multiprocessing", "psutil", "rich", "structlog",
    }  # fmt: skip


def test_actors_alone_import_no_logging_library_until_there_is_something_to_report(
    tmp_path: Path,
) -> None:
    quiet = "import beam.otp"
    assert "structlog" not in imported(tmp_path, quiet)
    loud = f"{quiet}\nfrom beam.otp.reports import report\nreport('error', 'tea_is_cold')"
    assert "structlog" in imported(tmp_path, loud)
