"""The loggers of the rooms: structlog's, made at the first report."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import structlog
from structlog.testing import capture_logs

from beam.logger import Logger, before_reports

ROOT = Path(__file__).parent.parent
# In an interpreter of its own: here, structlog has been imported already.
PROGRAM = """
import sys
sys.path.insert(0, {root!r})
from beam.logger import Logger, before_reports, imported

def prepare():
    import structlog
    structlog.configure(processors=[structlog.processors.JSONRenderer(sort_keys=True)])
    print("prepared")

assert imported() is None
before_reports(prepare)
assert imported() is None
logger = Logger("beam.example")
logger.warning("first", degrees=20)
logger.error("second")
assert imported() is not None
"""


def test_a_report_has_its_level_and_its_fields() -> None:
    with capture_logs() as heard:
        Logger("beam.example").error("tea_is_cold", degrees=20)
    assert heard == [{"event": "tea_is_cold", "degrees": 20, "log_level": "error"}]


def test_what_is_to_be_configured_is_configured_once_before_the_first_report() -> None:
    said = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(root=str(ROOT))],
        capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert said.stdout.splitlines() == [
        "prepared",
        '{"degrees": 20, "event": "first"}',
        '{"event": "second"}',
    ], said.stderr


def test_where_structlog_has_been_imported_it_is_configured_at_once() -> None:
    assert structlog
    heard: list[str] = []
    before_reports(lambda: heard.append("prepared"))
    assert heard == ["prepared"]
