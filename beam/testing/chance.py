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
from typing import TYPE_CHECKING

from beam.otp.clock import generator

if TYPE_CHECKING:
    import random

__all__ = ["Chance", "Draws"]

_WHOLE = float(1 << 64)
_MASK = (1 << 64) - 1
# SplitMix64's step and multipliers (Steele, Lea and Flood, 2014).
_STEP, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


class Draws:
    """Numbers between 0 and 1 by their place in a row: the n-th is the same whatever was asked."""

    __slots__ = ("_start",)

    def __init__(self, start: int) -> None:
        self._start = start

    def nth(self, number: int) -> float:
        """Return the number at this place. SplitMix64: a third of the time of a digest."""
        mixed = (self._start + number * _STEP) & _MASK
        mixed = ((mixed ^ (mixed >> 30)) * _FIRST) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * _SECOND) & _MASK
        return (mixed ^ (mixed >> 31)) / _WHOLE


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

    def draws(self, *name: object) -> Draws:
        """Return the numbers of what happens again and again under one name."""
        return Draws(self._number(name))

    def generator(self, *name: object) -> random.Random:
        """Return a generator for what `name` names."""
        return generator(self._number(name))

    def _number(self, name: tuple[object, ...]) -> int:
        text = "\0".join(map(str, name)).encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=8, key=self._key).digest(), "big")
