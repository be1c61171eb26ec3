"""The recorded scenarios of `data/` as tests: in chunks, so that workers can share them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from beam.testing import SCHEDULERS
from tests.conformance.compare import differences
from tests.conformance.stage import outcomes, player

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CHUNKS", "chunks", "failures", "on_every_scheduler", "scenarios"]

CHUNKS = 4
DATA = Path(__file__).with_name("data")

on_every_scheduler = pytest.mark.parametrize("scheduler", SCHEDULERS)
chunks = pytest.mark.parametrize("chunk", range(CHUNKS))


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
