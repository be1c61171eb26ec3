"""A world in trouble keeps its promises, under 2,000 seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from beam.testing import Plan, Simulation, simulate
from tests.hash_seeds import said_under
from tests.simulation.totals import telling
from tests.simulation.world import LEAST, lacking, scenario
from tests.volume import STRESS, scaled

if TYPE_CHECKING:
    from collections.abc import Callable

# Parts, so that the workers share them.
PARTS = 20
# How often a failing run is run again: within the time that a test has.
TRIES = 150


@pytest.mark.parametrize("part", range(PARTS))
def test_a_world_in_trouble_keeps_its_promises(
    part: int, record_property: Callable[[str, object], None]
) -> None:
    seeds, report = range(part, scaled(2000), PARTS), telling(record_property)
    simulate(seeds=seeds, tries=TRIES, report=report)(scenario)()


def test_a_run_that_was_made_smaller_may_have_less() -> None:
    with Simulation(Plan(1).with_steps([1, 2])) as sim:
        scenario(sim)
        assert lacking(sim)["messages"] < LEAST["messages"]


PROGRAM = """
import sys
from beam.testing import Simulation
from tests.simulation.world import scenario
with Simulation(int(sys.argv[1])) as sim:
    scenario(sim)
sys.stdout.write(str(sim.history))
"""


def test_a_world_has_one_history_whatever_the_hash_seed() -> None:
    # Each takes seconds until all is imported.
    seeds = range(0, scaled(100), 1 if STRESS else 2)
    histories = said_under(seeds, PROGRAM, "7")
    assert len(histories) == 1
    assert len(histories.pop().splitlines()) > LEAST["messages"]
