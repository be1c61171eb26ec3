"""Kills at random: of sessions' processes, and of agents' OS processes.

    >>> kills = parse_chaos("kill=0.5,seed=7")
    >>> kills.probability, kills.seed
    (0.5, 7)
    >>> kills.plan("run_1", 1) == parse_chaos("kill=0.5,seed=7").plan("run_1", 1)
    True

Whether an attempt is hit, what is killed and when is decided by the seed, the task and the number
of the attempt, and by nothing else: not by the order in which things happen to run.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from beam.errors import InvalidInput

__all__ = ["Kill", "Kills", "parse_chaos"]

# The most seconds into an attempt that it is hit.
SPREAD = 0.05


@dataclass(frozen=True, slots=True)
class Kill:
    """One fault.

    Attributes:
        target: `session`: the session's process; `agent`: the agent's OS process, where it has
            one, else the session's.
        delay: seconds after the attempt has begun.
    """

    target: Literal["session", "agent"]
    delay: float


@dataclass(frozen=True, slots=True)
class Kills:
    """Which attempts are hit.

    Attributes:
        probability: of each attempt, 0 to 1.
        seed: decides everything.
    """

    probability: float
    seed: int = 0

    def plan(self, task_id: str, attempt: int) -> Kill | None:
        """Return what befalls an attempt at a task, `None` if nothing does."""
        # A text seeds the generator by its hash in SHA-512, the same in every process.
        chance = random.Random(f"{self.seed}/{task_id}/{attempt}")
        if chance.random() >= self.probability:
            return None
        # Half of them at once: short attempts would have ended before the others.
        delay = chance.choice((0.0, chance.random() * SPREAD))
        return Kill(chance.choice(("session", "agent")), delay)


def parse_chaos(text: str) -> Kills:
    """Return the kills that `kill=0.1,seed=7` describes.

    Raises:
        InvalidInput: a word is unknown, or a value is not what it must be.
    """
    given: dict[str, str] = {}
    for part in text.split(","):
        key, found, value = part.partition("=")
        if not found or key not in ("kill", "seed") or key in given:
            raise InvalidInput("--chaos", part, "kill=PROBABILITY and seed=NUMBER, each once")
        given[key] = value
    if "kill" not in given:
        raise InvalidInput("--chaos", text, "kill=PROBABILITY, and perhaps seed=NUMBER")
    try:
        probability = float(given["kill"])
        seed = int(given.get("seed", "0"))
    except ValueError as error:
        raise InvalidInput("--chaos", text, "numbers for kill and seed") from error
    if not 0 <= probability < 1:
        raise InvalidInput("--chaos", given["kill"], "a probability from 0 to below 1")
    return Kills(probability, seed)
