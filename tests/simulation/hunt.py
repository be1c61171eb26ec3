"""Looking for a planted bug: found by a seed, run again, made smaller, and gone without the bug.

Run: python -m tests.simulation.hunt [NAME...] for a line of each: the seeds that it took, and what
is left of the first failure.
"""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from beam.testing import Plan, Simulation
from beam.testing.exploring import smaller
from tests.simulation.planted import PLANTS
from tests.simulation.world import scenario

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.simulation.planted import Plant

__all__ = ["Outcome", "hunt", "play", "shrink"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    Attributes:
        plan: which run it was.
        error: what it failed with, if it did.
        digest: of its history.
        steps, faults, events: how much happened until it failed.
    """

    plan: Plan
    error: Exception | None
    digest: str
    steps: int
    faults: int
    events: int

    @property
    def failure(self) -> tuple[Any, ...]:
        """What makes two failures the same: the error, and of what promise."""
        return (type(self.error), getattr(self.error, "name", None))

    @property
    def size(self) -> int:
        """How much there is to look at: steps and faults."""
        return self.steps + self.faults

    def __str__(self) -> str:
        return f"{self.steps} steps, {self.faults} faults, {self.events} events"


def play(plan: Plan, plant: Plant | None = None) -> Outcome:
    """Run the world by a plan, with a bug in it or without."""
    sim, error = Simulation(plan), None
    with plant.active() if plant is not None else contextlib.nullcontext():
        try:
            with sim:
                scenario(sim)
        except Exception as failure:  # noqa: BLE001 - that is what is looked for
            error = failure
    events = len(sim.history.lines[: sim.ended_at])
    return Outcome(plan, error, sim.history.digest(), len(sim.taken), len(sim.faults), events)


def hunt(plant: Plant, seeds: Iterable[int]) -> Iterator[Outcome]:
    """Yield the runs that fail with a bug."""
    for seed in seeds:
        found = play(Plan(seed), plant)
        if found.error is not None:
            yield found


def shrink(plant: Plant, found: Outcome, tries: int) -> Outcome:
    """Return a smaller run that fails, after so many tries, about."""
    with plant.active():
        plan = smaller(scenario, found.plan, tries=tries)
    return play(plan, plant)


def main(names: list[str], *, most: int = 500, tries: int = 150) -> None:
    """Look for bugs from seed 0 on, and say what was found."""
    for name in names or list(PLANTS):
        plant = PLANTS[name]
        found = next(hunt(plant, range(most)), None)
        if found is None:
            print(f"{name}: not found by {most} seeds", flush=True)
            continue
        small = shrink(plant, found, tries)
        right = play(small.plan)
        print(
            f"{name}: seed {found.plan.seed}, {found.error}\n"
            f"    {found} -> {small}; without the bug: {right.error or 'passes'}\n"
            f"    {small.plan}",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
