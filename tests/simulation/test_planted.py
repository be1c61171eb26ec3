"""Planted bugs are found by the world's auditors, run again, and made smaller."""

from __future__ import annotations

import pytest

from beam.otp.signals import Monitor
from tests.simulation.hunt import hunt, play, shrink
from tests.simulation.planted import PLANTS
from tests.volume import STRESS

BEGINS = {
    "down-lost-in-a-call": 0,
    "down-lost-of-the-dying": 199,
    "down-wakes-nobody": 0,
    "down-overtakes-mail": 1,
    "exit-overtakes-mail": 21,
    "unlinked-on-one-side": 3,
    "restart-counted-for-a-sibling": 0,
    "restart-counted-twice": 0,
    "retry-forgets-the-rest": 0,
    "late-reply-answers-a-new-call": 2,
    "ring-of-three": 0,
    "timer-fires-after-its-cancel": 51,
    "late-mail-swapped": 0,
}
"""By which seed each was found when this was written: where a short hunt begins."""

# How many seeds a hunt may take, and how often a failing run is run again to make it smaller. A run
# that cannot be made smaller so quickly is left for the next one that fails.
SEEDS, TRIES = (500, 100) if STRESS else (60, 12)


@pytest.mark.parametrize("name", BEGINS)
def test_a_planted_bug_is_found_run_again_and_made_smaller(name: str) -> None:
    plant, begin = PLANTS[name], 0 if STRESS else BEGINS[name]
    for found in hunt(plant, range(begin, begin + SEEDS)):
        again = play(found.plan, plant)
        assert (again.failure, again.digest) == (found.failure, found.digest)
        small = shrink(plant, found, TRIES)
        assert small.failure == found.failure
        assert play(small.plan).error is None
        if small.size < found.size:
            return
    pytest.fail(plant.wrong)


def test_a_bug_is_there_in_its_block_only() -> None:
    right = Monitor.fire
    with PLANTS["down-lost-in-a-call"].active():
        assert Monitor.fire is not right
    assert Monitor.fire is right
