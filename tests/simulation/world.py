"""A world of processes on three levels, and a scenario in it that breaks much of what can break.

    root (rest_for_one)
    ├── seats, topics           registries
    ├── vault (one_for_one)     keeper, bank-1, bank-2: tables and their heir
    ├── crew (one_for_one)      citizens of every kind
    ├── band (one_for_all)
    ├── chain (rest_for_one)
    ├── gates (one_for_one)     state machines
    ├── pool                    dynamic, with budget and backoff
    └── tasks

Run: python -m beam.testing tests.simulation.world:scenario --seeds 2000
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from beam.otp import (
    Backoff,
    DynamicSupervisor,
    Registry,
    Restarts,
    Supervisor,
    Tasks,
    child,
    current_process,
)
from beam.testing import Totals
from tests.simulation.automata import Automata
from tests.simulation.calls import Calls
from tests.simulation.chores import Chores
from tests.simulation.citizens import Bank, Citizen, Clerk, Digger, Keeper, start_citizen
from tests.simulation.clocks import Clocks
from tests.simulation.deeds import Order
from tests.simulation.gates import Gate
from tests.simulation.haste import Haste
from tests.simulation.holdings import Chests, Names, Registries
from tests.simulation.households import Households, Rules
from tests.simulation.ledger import Ledger
from tests.simulation.post import Post
from tests.simulation.ties import Ties

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from beam.otp import Ref
    from beam.testing import Simulation

# Whom a supervisor supervises: class, restart type, and whether it traps exits.
Kids = dict[str, tuple[type[Any], str, bool]]

VAULT: Kids = {
    "keeper": (Keeper, "permanent", True),
    "bank-1": (Bank, "permanent", False),
    "bank-2": (Bank, "permanent", True),
}
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
}
GATES: Kids = {
    "gate-1": (Gate, "permanent", False),
    "gate-2": (Gate, "permanent", True),
    "gate-3": (Gate, "transient", False),
}
BRANCHES: dict[str, tuple[Rules, Kids]] = {
    "vault": (Rules("one_for_one", 6, 5), VAULT),
    "crew": (Rules("one_for_one", 8, 5), CREW),
    "band": (Rules("one_for_all", 4, 10), BAND),
    "chain": (Rules("rest_for_one", 6, 1000), CHAIN),
    "gates": (Rules("one_for_one", 2, 3), GATES),
}
ROOT = Rules("rest_for_one", 1000, 1000)
POOL = Rules("dynamic", 3, 1000, Backoff(0.1, 1.0, jitter=0.2))
POOL_SIZE = 4


class World:
    """What is in a run: the auditors, and where everybody is.

    Args:
        sim: the simulation.
    """

    HELPERS = (Citizen, Digger)

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.ledger = Ledger(sim)
        self.post = Post(self.ledger)
        self.ties = Ties(self.ledger, self.post)
        self.calls = Calls(self.ledger, self.post)
        self.haste = Haste(self.ledger, self.post, self.calls)
        self.clocks = Clocks(self.ledger)
        self.households = Households(self.ledger, self.ties)
        self.names = Names(self.ledger)
        self.registries = Registries(self.ledger)
        self.chests = Chests(self.ledger)
        self.automata = Automata(self.ledger)
        self.chores = Chores(self)
        self.chores.spec = lambda key: kid_spec(self, key, Citizen, "permanent", False)
        self.ailments: dict[str, str] = {}
        """Whose next start fails, and how."""
        self.helpers: list[str] = []
        self.whereis = sim.node.whereis
        self.keys = [key for _, kids in BRANCHES.values() for key in kids]
        self.keys += [f"pool-{number}" for number in range(POOL_SIZE)]
        sim.never("what an auditor objects to", self.ledger.look)

    def begins(self, me: Ref[Any], key: str, parent: Ref[Any] | None) -> None:
        """Take note that a citizen begins, linked to its parent if one is given."""
        self.ledger.born(me)
        if parent is not None:
            self.ties.parents[me] = parent
            self.ties.linked(parent, me)
        self.names.named(me, key)

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
        return super().init(
            [kid_spec(world, one, *kid) for one, kid in kids.items()],
            strategy=rules.strategy,
            max_restarts=rules.most,
            max_seconds=rules.seconds,
        )


class Pool(DynamicSupervisor):
    """A dynamic supervisor that tells the auditors of itself."""

    def init(self, world: World, key: str) -> Any:
        world.households.opens(self.actor_ref, key, POOL, {}, "root")
        budget = Restarts(POOL.most, per=POOL.seconds)
        return super().init(
            max_children=POOL_SIZE - 1, budget=budget, backoff=POOL.backoff, told="crew-1"
        )


class Root(Supervisor):
    """The supervisor above all."""

    def init(self, world: World) -> Any:
        starts: dict[str, Callable[[], Any]] = {
            "seats": lambda: Registry.start_link("unique", name="seats"),
            "topics": lambda: Registry.start_link("duplicate", name="topics"),
            **{key: branch_start(world, key) for key in BRANCHES},
            "pool": lambda: Pool.start_link(world, "pool", name="pool"),
            "tasks": lambda: Tasks.start_link(max_children=3, name="tasks"),
        }
        restarts = dict.fromkeys(starts, "permanent")
        world.households.opens(self.actor_ref, "root", ROOT, restarts, None)
        specs = [child(start_below, world, key, start, id=key) for key, start in starts.items()]
        return super().init(
            specs, strategy=ROOT.strategy, max_restarts=ROOT.most, max_seconds=ROOT.seconds
        )


def branch_start(world: World, key: str) -> Callable[[], Any]:
    """Return what starts a branch."""
    return lambda: Branch.start_link(world, key, name=key)


def kid_spec(world: World, key: str, kind: type[Any], restart: str, traps: bool) -> Any:
    """Return the specification of a citizen."""
    return child(start_kid, world, key, kind, restart, traps, id=key, restart=restart)


def start_kid(world: World, key: str, kind: type[Any], restart: str, traps: bool) -> Ref[Any]:
    """Start a citizen; run by its supervisor."""
    parent = current_process()
    assert parent is not None
    world.households.begins(parent, key, restart)
    return start_citizen(world, kind, key, parent, traps=traps)


def start_below(world: World, key: str, start: Callable[[], Any]) -> Ref[Any]:
    """Start what is right below the root; run by that."""
    parent = current_process()
    assert parent is not None
    world.households.begins(parent, key, "permanent")
    try:
        ref: Ref[Any] = start()
    except BaseException:
        world.households.failed(parent, key)
        raise
    if key in ("seats", "topics"):
        world.registries.opens(key, ref)
    if ref not in world.ledger.alive:
        world.ledger.born(ref)
        world.ties.silent[ref] = None
        world.ties.linked(parent, ref)
    world.households.started(parent, key, ref)
    return ref


# Each with how likely it is, how many it concerns, and its numbers.
ORDERS: dict[str, tuple[int, int, int]] = {
    "tell": (18, 4, 8),
    "spread": (12, 0, 30),
    "call_along": (14, 4, 4),
    "call_each": (7, 4, 1),
    "be_impatient": (5, 2, 6),
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
    "take_seats": (4, 0, 10),
    "leave_seats": (2, 0, 5),
    "announce": (2, 0, 2),
    "write": (4, 0, 30),
    "rearrange": (2, 0, 12),
    "hire": (2, 0, POOL_SIZE),
    "fire": (2, 0, 2 * 5),
    "dismiss": (1, 0, 7),
    "assist": (2, 0, 6),
    "errand": (2, 0, 5),
    "delegate": (2, 0, 10),
}
NAMES = list(ORDERS)
WEIGHTS = list(itertools.accumulate(weight for weight, _, _ in ORDERS.values()))

# How much there is at least in each run: living processes and their levels from the beginning, and
# what has come to pass by the end. A run takes steps until it has had that; one that was made
# smaller has some of them only, and may end before.
PROCESSES, LEVELS = 20, 3
LEAST = {"messages": 1000, "calls inside handlers": 100, "faults": 20, "kinds of faults": 4}
MOST_STEPS = 300


def order_of(world: World, chance: random.Random) -> Order:
    """Return something for somebody to do."""
    [what] = chance.choices(NAMES, cum_weights=WEIGHTS)
    _, others, numbers = ORDERS[what]
    return Order(what, tuple(chance.choices(world.keys, k=others)), chance.randrange(numbers))


def step(world: World, chance: random.Random) -> None:
    """Tell some what to do, and let time pass."""
    for _ in range(chance.randrange(1, 6)):
        to = world.whereis(chance.choice(world.keys))
        if to is not None:
            world.post.send(None, to, "cast", "order", order_of(world, chance))
    what = chance.randrange(20)
    if what == 0:
        world.ailments[chance.choice(world.keys)] = chance.choice(("refuse", "crash"))
    elif what == 1:
        to = world.whereis(chance.choice(world.keys))
        if to is not None:
            world.calls.make(None, to, 1.0, "relay", (chance.choice(world.keys),), 0.5)
    world.sim.run(chance.choice((0.0, 0.05, 0.1, 0.3)))
    world.ledger.looks()


def disturb(sim: Simulation) -> None:
    """Have everything go wrong that can."""
    sim.crash(probability=0.006)
    sim.kill(probability=0.002)
    sim.fail_starts(probability=0.03)
    sim.delay_messages(probability=0.02, seconds=(0.0, 0.5))
    sim.slow(probability=0.02, seconds=(0.0, 0.3))
    sim.jitter(probability=0.2, seconds=(0.0, 0.1))


def lacking(sim: Simulation) -> dict[str, int]:
    """Return what a run has not had enough of yet, and how much it has had."""
    had = Totals.of(sim).least
    return {what: had[what] for what, least in LEAST.items() if had[what] < least}


def levels_of(tree: Any) -> list[int]:
    """Return how many processes live on each level of a supervision tree, from above."""
    levels, row = list[int](), [tree]
    while row:
        levels.append(sum(one.state == "running" for one in row))
        row = [below for one in row for below in one.children]
    return levels


def scenario(sim: Simulation) -> None:
    """Let a world live for a while, in trouble; then see that it comes to rest, and is sound."""
    world = World(sim)
    root = Root.start(world, name="root")
    levels = levels_of(root.tree())
    assert sum(levels) >= PROCESSES, levels
    assert len(levels) >= LEVELS, levels
    for number in range(POOL_SIZE - 1):
        world.chores.hire(None, f"pool-{number}")
    disturb(sim)
    for chance in sim.steps(MOST_STEPS):
        step(world, chance)
        if sim.turns > LEAST["messages"] / 2 and not lacking(sim):  # To look takes its time.
            break
    assert sim.plan.is_smaller or not lacking(sim), lacking(sim)
    sim.settle(within=60.0)
    world.ledger.rests()
    world.chores.ask_supervisors()
    world.households.ending = True
    root.stop(reason="shutdown")
    sim.settle(within=60.0)
    world.ledger.rests()
    assert not any(ref.is_alive() for ref in world.households.all()), "the tree has ended"
