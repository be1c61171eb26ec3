"""A world of processes on three levels, and a scenario in it that breaks much of what can break.

    root (rest_for_one)
    ├── crew (one_for_one)
    ├── band (one_for_all)
    └── chain (rest_for_one)

Run: python -m beam.testing tests.simulation.world:scenario --seeds 2000
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.otp import Supervisor, child, current_process
from tests.simulation.calls import Calls
from tests.simulation.citizens import Citizen, Clerk, Digger, Order, start_citizen
from tests.simulation.clocks import Clocks
from tests.simulation.households import Households, Rules
from tests.simulation.ledger import Ledger
from tests.simulation.post import Post
from tests.simulation.ties import Ties

if TYPE_CHECKING:
    import random

    from beam.otp import Ref
    from beam.testing import Simulation

# Whom a supervisor supervises: class, restart type, and whether it traps exits.
Kids = dict[str, tuple[type[Citizen], str, bool]]

CREW: Kids = {
    "crew-1": (Citizen, "permanent", False),
    "crew-2": (Citizen, "permanent", True),
    "crew-3": (Clerk, "permanent", False),
    "crew-4": (Digger, "permanent", False),
    "crew-5": (Citizen, "transient", False),
    "crew-6": (Digger, "transient", True),
    "crew-7": (Citizen, "temporary", False),
}
BAND: Kids = {
    "band-1": (Citizen, "permanent", False),
    "band-2": (Citizen, "permanent", True),
    "band-3": (Citizen, "transient", False),
    "band-4": (Clerk, "permanent", False),
}
CHAIN: Kids = {
    "chain-1": (Citizen, "permanent", False),
    "chain-2": (Citizen, "permanent", True),
    "chain-3": (Digger, "transient", False),
    "chain-4": (Citizen, "permanent", False),
    "chain-5": (Citizen, "permanent", True),
}
BRANCHES: dict[str, tuple[Rules, Kids]] = {
    "crew": (Rules("one_for_one", 8, 5), CREW),
    "band": (Rules("one_for_all", 4, 10), BAND),
    "chain": (Rules("rest_for_one", 6, 1000), CHAIN),
}
ROOT = Rules("rest_for_one", 1000, 1000)


class World:
    """What is in a run: the auditors, and where everybody is.

    Args:
        sim: the simulation.
    """

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.ledger = Ledger(sim)
        self.post = Post(self.ledger)
        self.ties = Ties(self.ledger, self.post)
        self.calls = Calls(self.ledger, self.post)
        self.clocks = Clocks(self.ledger)
        self.households = Households(self.ledger, self.ties)
        self.ailments: dict[str, str] = {}
        """Whose next start fails, and how."""
        self.whereis = sim.node.whereis
        self.keys = [key for _, kids in BRANCHES.values() for key in kids]
        sim.never("what an auditor objects to", self.ledger.look)

    def neighbour(self, key: str, number: int) -> Ref[Any] | None:
        """Return one of the others, a different one for each number."""
        at = self.keys.index(key) if key in self.keys else 0
        return self.whereis(self.keys[(at + number * 5 + 1) % len(self.keys)])


class Branch(Supervisor):
    """A supervisor that tells the auditors of itself."""

    def init(self, world: World, key: str) -> Any:
        rules, kids = BRANCHES[key]
        restarts = {one: restart for one, (_, restart, _) in kids.items()}
        world.households.opens(self.actor_ref, key, rules, restarts, "root")
        specs = [
            child(start_kid, world, one, kind, restart, traps, id=one, restart=restart)
            for one, (kind, restart, traps) in kids.items()
        ]
        return super().init(
            specs,
            strategy=rules.strategy,
            max_restarts=rules.most,
            max_seconds=rules.seconds,
        )


class Root(Supervisor):
    """The supervisor above all."""

    def init(self, world: World) -> Any:
        restarts = dict.fromkeys(BRANCHES, "permanent")
        world.households.opens(self.actor_ref, "root", ROOT, restarts, None)
        specs = [child(start_branch, world, key, id=key) for key in BRANCHES]
        return super().init(
            specs, strategy=ROOT.strategy, max_restarts=ROOT.most, max_seconds=ROOT.seconds
        )


def start_kid(world: World, key: str, kind: type[Citizen], restart: str, traps: bool) -> Ref[Any]:
    """Start a citizen; run by its supervisor."""
    parent = current_process()
    world.households.begins(parent, key, restart)
    return start_citizen(world, kind, key, parent, traps=traps)


def start_branch(world: World, key: str) -> Ref[Any]:
    """Start a supervisor; run by the one above."""
    parent = current_process()
    world.households.begins(parent, key, "permanent")
    try:
        ref = Branch.start_link(world, key, name=key)
    except BaseException:
        world.households.failed(parent, key)
        raise
    world.households.started(parent, key, ref)
    return ref


# Each with how likely it is, whom it concerns, and its numbers.
ORDERS: dict[str, tuple[int, int, int]] = {
    "tell": (12, 4, 4),
    "spread": (6, 0, 12),
    "call_along": (14, 4, 4),
    "call_each": (6, 4, 1),
    "be_impatient": (6, 2, 6),
    "wait_for": (6, 1, 15),
    "watch": (8, 3, 2),
    "unwatch": (3, 0, 4),
    "tie": (3, 2, 1),
    "untie": (2, 3, 1),
    "strike": (3, 1, 4),
    "crash": (2, 0, 1),
    "leave": (2, 0, 3),
    "set_alarms": (5, 2, 10),
    "stop_alarms": (4, 0, 4),
    "nap": (2, 0, 10),
}
NAMES = list(ORDERS)
WEIGHTS = [weight for weight, _, _ in ORDERS.values()]
STEPS = 120


def order_of(world: World, chance: random.Random) -> Order:
    """Return something for somebody to do."""
    [what] = chance.choices(NAMES, WEIGHTS)
    _, others, numbers = ORDERS[what]
    return Order(what, tuple(chance.choices(world.keys, k=others)), chance.randrange(numbers))


def disturb(sim: Simulation) -> None:
    """Have everything go wrong that can."""
    sim.crash(probability=0.006)
    sim.kill(probability=0.002)
    sim.fail_starts(probability=0.03)
    sim.delay_messages(probability=0.02, seconds=(0.0, 0.5))
    sim.slow(probability=0.02, seconds=(0.0, 0.3))
    sim.jitter(probability=0.2, seconds=(0.0, 0.1))


def scenario(sim: Simulation) -> None:
    """Let a world live for a while, in trouble; then see that it comes to rest, and is sound."""
    world = World(sim)
    root = Root.start(world, name="root")
    disturb(sim)
    for chance in sim.steps(STEPS):
        for _ in range(chance.randrange(1, 6)):
            to = world.whereis(chance.choice(world.keys))
            if to is not None:
                world.post.send(None, to, "cast", "order", order_of(world, chance))
        sim.run(chance.choice((0.0, 0.05, 0.1, 0.3)))
        world.ledger.looks()
    sim.settle(within=60.0)
    world.ledger.rests()
    world.households.ending = True
    root.stop(reason="shutdown")
    world.ledger.rests()
