"""Chance that does not depend on the order in which it is asked.

    >>> chance = Chance(7)
    >>> chance.of("crash", "counter", 3) == Chance(7).of("crash", "counter", 3)
    True
    >>> 0.0 <= chance.of("crash", "counter", 4) < 1.0
    True

What is drawn for one thing hangs on the seed and on that thing's name only. So a fault that is
taken out of a run leaves all others where they were, and a failing run can be made smaller.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

from beam.otp.clock import generator

if TYPE_CHECKING:
    import random

__all__ = ["Chance", "Hits"]

_WHOLE = float(1 << 64)
_MASK = (1 << 64) - 1
# The largest number below 1.
_ALMOST = math.nextafter(1.0, 0.0)
# SplitMix64's step and multipliers (Steele, Lea and Flood, 2014).
_STEP, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


class Hits:
    """Which of many places in a row are hit, each with the same probability, one after another.

    Not asked for each place but for the next hit: the gaps between hits are drawn, which is the
    same, and costs nothing where nothing happens.

    Args:
        start: the seed of the row.
        probability: how likely each place is hit, 0 to 1.

    Attributes:
        next: the number of the place that is hit next, from 1 on; infinity if none is.
    """

    __slots__ = ("_drawn", "_log", "_probability", "_start", "next")

    next: float

    def __init__(self, start: int, probability: float) -> None:
        self._start = start
        self._drawn = 0
        self._probability = probability
        self._log = math.log1p(-probability) if 0.0 < probability < 1.0 else 0.0
        self.next = 0
        self.advance()

    def advance(self) -> None:
        """Go on to the next hit."""
        if not self._log:
            self.next = self.next + 1 if self._probability else math.inf
            return
        self._drawn += 1
        # SplitMix64: a third of the time of a digest.
        mixed = (self._start + self._drawn * _STEP) & _MASK
        mixed = ((mixed ^ (mixed >> 30)) * _FIRST) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * _SECOND) & _MASK
        chance = (mixed ^ (mixed >> 31)) / _WHOLE
        self.next += 1 + int(math.log1p(-min(chance, _ALMOST)) / self._log)


class Chance:
    """A number between 0 and 1 for every name, from a seed.

    Args:
        seed: any whole number.
    """

    __slots__ = ("_key", "_seed")

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._key = str(seed).encode()[:64]

    def of(self, *name: object) -> float:
        """Return the number of what `name` names; texts and whole numbers."""
        return self._number(name) / _WHOLE

    def hits(self, probability: float, *name: object) -> Hits:
        """Return which of the places under one name are hit, each with this probability."""
        return Hits(self._number(name), probability)

    def generator(self, *name: object) -> random.Random:
        """Return a generator for what `name` names."""
        return generator(self._number(name))

    def _number(self, name: tuple[object, ...]) -> int:
        text = "\0".join(map(str, name)).encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=8, key=self._key).digest(), "big")
