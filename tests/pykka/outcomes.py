"""Pykka's tests on `beam.otp`: how each went, and which docs/pykka.md says will fail."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PAGE = ROOT / "docs" / "pykka.md"

# Seconds that the whole run may take before it counts as hung.
LIMIT = 300.0

_ROW = re.compile(r"^\| `(?P<test>[\w/]+\.py::[^`]+)` \| (?P<reason>\w[^|]*) \|$", re.MULTILINE)


def run(file: Path) -> dict[str, bool]:
    """Run Pykka's tests; return for each whether it passed.

    Args:
        file: where the run may leave its outcomes.

    Raises:
        RuntimeError: with what it printed, if it came to no end.
    """
    plugins = ["-p", "pykka_on_beam", "-p", "no:cacheprovider"]
    # Neither our conftests nor our settings are theirs.
    options = ["-c", "pytest.ini", "--confcutdir", "vendored", *plugins, "-q"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--outcomes", str(file)],
        cwd=HERE,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{HERE}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    if ran.returncode not in (0, 1):
        raise RuntimeError(ran.stdout)
    passed: dict[str, bool] = json.loads(file.read_text("utf-8"))
    return passed


def listed() -> dict[str, str]:
    """Return the tests that the page says will fail, each with the reason."""
    return {row["test"]: row["reason"] for row in _ROW.finditer(PAGE.read_text("utf-8"))}
