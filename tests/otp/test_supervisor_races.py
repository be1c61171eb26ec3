"""G10 on real threads: supervisors killed in the middle of restarts leave nobody behind."""

from __future__ import annotations

import contextlib
import functools
import random
import threading
from typing import TYPE_CHECKING, Any

import pytest

from beam.errors import CallExit, SupervisorRefused
from beam.otp import Node, Server, Supervisor, child, exit, supervisor, whereis
from beam.testing import settle
from tests.otp.actors import SOON, at_once, eventually
from tests.volume import scaled

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.otp import ChildSpec

pytestmark = [
    pytest.mark.usefixtures("node", "fine_switching"),
    pytest.mark.schedulers("pool", "thread"),  # Threads race here.
]

FAMILIES = ["one_for_one", "one_for_all", "rest_for_one"]
SIZE = 3
# More restarts than there are.
MANY = 10**9


class Dice:
    """Says by chance what goes wrong, once it does."""

    def __init__(self, seed: int) -> None:
        self._lock = threading.Lock()
        self._random = random.Random(seed)
        self.armed = False

    def falls(self, sides: int) -> bool:
        """Return True once in so many times."""
        with self._lock:
            return self.armed and self._random.randrange(sides) == 0


class Worker(Server):
    """Kills its supervisor now and then, as it is restarted; or does not start."""

    def init(self, family: str, dice: Dice, number: int) -> None:
        self.trap_exit = number == 0
        self.family = family
        above = whereis(family)
        if above is not None and dice.falls(8):
            exit(above, "kill")
        if above is not None and dice.falls(16):
            raise LookupError("told not to start")

    def handle_call(self, message: Any, caller: Any) -> Any:
        return message

    def handle_cast(self, message: Any) -> None:
        raise LookupError(message)


def family(name: Any, dice: Dice, **options: Any) -> ChildSpec:
    """Return a supervisor whose workers have names, so that each is there once at most."""
    workers = [
        child(Worker, name, dice, number, id=number, name=(name, number)) for number in range(SIZE)
    ]
    flags = {"strategy": name, "max_restarts": MANY, "max_seconds": MANY, "id": name, "name": name}
    return supervisor(workers, **flags, **options)


def waited_for(name: Any) -> Any:
    """Return who has this name, once somebody has."""
    found: list[Any] = []
    eventually(lambda: found.append(whereis(name)) or found[-1] is not None)
    return found[-1]


def crash_and_kill(name: Any, kills: int) -> None:
    """Crash workers, and kill their supervisor at once or a little later; again and again."""
    chance = random.Random(name)
    for _ in range(kills):
        above = waited_for(name)
        for number in chance.sample(range(SIZE), chance.randrange(SIZE + 1)):
            worker = whereis((name, number))
            if worker is not None:
                worker.cast("told to")
        for _ in range(chance.randrange(3)):
            with contextlib.suppress(CallExit):
                above.count_children(timeout=SOON)
        exit(above, "kill")
        assert above.actor_stopped.wait(SOON)


def ask_meanwhile(seed: int, rounds: int) -> None:
    """Ask workers and supervisors, who may die of other things; end workers and start them."""
    chance = random.Random(seed)
    for turn in range(rounds):
        name, number = chance.choice(FAMILIES), chance.randrange(SIZE)
        above, worker = waited_for(name), whereis((name, number))
        with contextlib.suppress(CallExit):
            assert worker is None or worker.ask(turn, timeout=SOON) == turn
        with contextlib.suppress(CallExit, SupervisorRefused):
            above.terminate_child(number, timeout=SOON)
            above.restart_child(number, timeout=SOON)


def test_g10_supervisors_killed_in_the_middle_of_restarts_leave_nobody_behind(node: Node) -> None:
    kills = scaled(30_000, 100) // len(FAMILIES)
    dice = Dice(0)
    tree = Supervisor.start(
        [family(name, dice) for name in FAMILIES], max_restarts=MANY, max_seconds=MANY
    )
    dice.armed = True

    def inside(function: Callable[..., None], *args: Any) -> None:
        with node.entered():
            function(*args)

    at_once(
        *[functools.partial(inside, crash_and_kill, name, kills) for name in FAMILIES],
        *[functools.partial(inside, ask_meanwhile, seed, kills) for seed in (1, 2)],
    )
    dice.armed = False
    settle(node)
    # Who lives has a supervisor that lives and knows it.
    known = {branch.process for branch in tree.tree().walk() if branch.state == "running"}
    assert set(node.processes()) == known
    # Nobody hangs: all of them can be started, answer, and end when they are told to.
    for name in FAMILIES:
        for number in range(SIZE):
            with contextlib.suppress(SupervisorRefused):
                whereis(name).restart_child(number, timeout=SOON)
            assert whereis((name, number)).ask("there", timeout=SOON) == "there"
    tree.stop(reason="shutdown", timeout=SOON)
    assert node.processes() == []
