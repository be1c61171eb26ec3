"""What `import beam` gives: every room by its name, and none before it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import beam

ROOMS = ["backends", "errors", "model", "otp", "providers", "telemetry", "testing"]


def fresh(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in an interpreter that has imported nothing of ours."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_is_reached_by_its_name_after_import_beam_alone(room: str) -> None:
    done = fresh(f"import beam; assert beam.{room}.__name__ == 'beam.{room}'")
    assert done.returncode == 0, done.stderr


def test_no_room_is_imported_before_it_is_asked_for() -> None:
    code = f"import beam, sys; print([r for r in {ROOMS} if f'beam.{{r}}' in sys.modules])"
    assert fresh(code).stdout.strip() == "[]"


def test_the_rooms_are_listed_and_no_other_name_is_made_up() -> None:
    assert set(ROOMS) <= set(dir(beam))
    with pytest.raises(AttributeError, match="no attribute 'backend'"):
        beam.backend  # type: ignore[attr-defined]  # noqa: B018
