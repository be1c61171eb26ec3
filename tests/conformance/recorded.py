"""The recorded scenarios of `data/` as tests: in chunks, so that workers can share them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from beam.testing import SCHEDULERS
from tests.conformance.compare import differences
from tests.conformance.stage import LIMIT, outcomes, player

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CHUNKS", "chunks", "failures", "on_every_scheduler", "scenarios"]

CHUNKS = 4
DATA = Path(__file__).with_name("data")

on_every_scheduler = pytest.mark.parametrize("scheduler", SCHEDULERS)


def chunks(test: Any) -> Any:
    """Play a subject in parts, each within a time that one scenario which hangs does not use up.

    So it is named, with where it hangs; at pytest's own limit the whole worker goes down.
    """
    return pytest.mark.timeout(5 * LIMIT)(pytest.mark.parametrize("chunk", range(CHUNKS))(test))


def scenarios(subject: str) -> list[dict[str, Any]]:
    """Return the recorded scenarios of a subject."""
    lines = (DATA / f"{subject}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def failures(subject: str, scheduler: str, chunk: int) -> dict[str, list[str]]:
    """Play every `CHUNKS`-th scenario of a subject.

    Returns:
        By its id, what is not as recorded of each that failed.
    """
    chosen = scenarios(subject)[chunk::CHUNKS]
    failed = {}
    for outcome in outcomes(player(subject), chosen, scheduler):
        wrong = _wrong(subject, chosen[outcome.at], outcome)
        if wrong:
            failed[outcome.id] = wrong
    return failed


def _wrong(subject: str, scenario: Mapping[str, Any], outcome: Any) -> list[str]:
    wrong = list(map(str, differences(subject, scenario, outcome.trace)))
    return [*wrong, outcome.error] if outcome.error else wrong
