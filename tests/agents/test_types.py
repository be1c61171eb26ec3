"""The types of what uses the official clients, which are there only in the agents' environment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(600)
def test_the_types_agree_with_those_of_the_clients_that_are_installed(tmp_path: Path) -> None:
    # A cache of its own: that of the project is of an environment without the clients.
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout
