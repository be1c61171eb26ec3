"""What the runs of a scenario came to in all, as the last lines of a run of the tests.

The parts of a scenario may be on different workers; each tells its totals with its report.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from beam.testing import Totals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pytest

__all__ = ["pytest_terminal_summary", "telling"]

_PROPERTY = "beam.testing.Totals"


def telling(record_property: Callable[[str, object], None]) -> Callable[[Totals], None]:
    """Return what tells the totals of a test with its report."""

    def tell(totals: Totals) -> None:
        fields = {one.name: getattr(totals, one.name) for one in dataclasses.fields(totals)}
        # As text: a report crosses from one Python process to another.
        record_property(_PROPERTY, json.dumps(fields))

    return tell


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the totals of all tests that have told theirs, and how long they took."""
    told = list(_told(terminalreporter.getreports("passed")))
    if not told:
        return
    totals = Totals()
    for one, _ in told:
        totals.add(one)
    seconds = sum(duration for _, duration in told)
    terminalreporter.section("simulation")
    terminalreporter.line(f"{totals}; {seconds:.0f} s of work")


def _told(reports: Iterable[pytest.TestReport]) -> Iterable[tuple[Totals, float]]:
    for report in reports:
        for name, value in report.user_properties:
            if name == _PROPERTY and report.when == "call":
                fields: dict[str, Any] = json.loads(str(value))
                fields |= {kind: Counter(fields[kind]) for kind in ("events", "faults")}
                yield Totals(**fields), report.duration
