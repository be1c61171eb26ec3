"""A world in trouble keeps its promises, under 2,000 seeds."""

from __future__ import annotations

import pytest

from beam.testing import simulate
from tests.simulation.world import scenario
from tests.volume import scaled

# Parts, so that the workers share them.
PARTS = 20
# How often a failing run is run again: within the time that a test has.
TRIES = 150


@pytest.mark.parametrize("part", range(PARTS))
def test_a_world_in_trouble_keeps_its_promises(part: int) -> None:
    simulate(seeds=range(part, scaled(2000), PARTS), tries=TRIES)(scenario)()
