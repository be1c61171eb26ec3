"""What the end-to-end tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.command_line import CommandLine


@pytest.fixture
def beam(tmp_path: Path) -> CommandLine:
    """Return the command line, in an empty folder."""
    return CommandLine(tmp_path)
