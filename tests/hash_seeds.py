"""A program, run in interpreters that differ in how they hash."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parent.parent


def said_under(seeds: Iterable[int], program: str, *arguments: str) -> set[str]:
    """Return what a program prints under these hash seeds: one text, if they make no difference."""
    return {
        subprocess.run(
            [sys.executable, "-c", program, *arguments],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in seeds
    }
