"""Which run of a simulation: a seed, and what is left of it.

    >>> plan = Plan.parse("17")
    >>> smaller = plan.with_faults(["crash:counter:3"]).with_steps([4, 5, 6, 9]).in_order_from(0)
    >>> smaller
    Plan.parse('17 fifo=0 faults=crash:counter:3 steps=4-6,9')
    >>> Plan.parse(str(smaller)) == smaller
    True

A run is decided by its seed alone. A smaller one has some of its faults and of its steps only, and
no more surprises in who is next from some choice on.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from beam.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Plan"]

_FORM = "SEED [fifo=N] [faults=NAME,...] [steps=N,N-N,...]"


@dataclass(frozen=True, slots=True)
class Plan:
    """One run.

    Attributes:
        seed: decides everything that is left.
        fifo: from which choice on who is next is who has been ready for longest; `None`: never.
        faults: the names of the faults that may happen; `None`: all.
        steps: the numbers of the steps that are taken (see `Simulation.steps`); `None`: all.
    """

    seed: int
    fifo: int | None = None
    faults: frozenset[str] | None = None
    steps: frozenset[int] | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the plan that a line says.

        Raises:
            InvalidInput: if it says none.
        """
        seed, *rest = text.split() or [""]
        options = dict(part.partition("=")[::2] for part in rest)
        try:
            fifo, faults, steps = (options.pop(key, None) for key in ("fifo", "faults", "steps"))
            if options:
                raise ValueError
            return cls(
                int(seed),
                None if fifo is None else int(fifo),
                None if faults is None else frozenset(filter(None, faults.split(","))),
                None if steps is None else frozenset(_numbers(steps)),
            )
        except ValueError:
            raise InvalidInput("plan", text, _FORM) from None

    def __str__(self) -> str:
        parts = [str(self.seed)]
        if self.fifo is not None:
            parts.append(f"fifo={self.fifo}")
        if self.faults is not None:
            parts.append(f"faults={','.join(sorted(self.faults))}")
        if self.steps is not None:
            parts.append(f"steps={_ranges(sorted(self.steps))}")
        return " ".join(parts)

    def __repr__(self) -> str:
        return f"Plan.parse({str(self)!r})"

    @property
    def is_smaller(self) -> bool:
        """Whether it is less than all that its seed has."""
        return self != type(self)(self.seed)

    def with_faults(self, names: Iterable[str]) -> Self:
        """Return the plan with these faults only."""
        return replace(self, faults=frozenset(names))

    def with_steps(self, numbers: Iterable[int]) -> Self:
        """Return the plan with these steps only."""
        return replace(self, steps=frozenset(numbers))

    def in_order_from(self, choice: int) -> Self:
        """Return the plan without surprises from this choice on."""
        return replace(self, fifo=choice)


def _numbers(text: str) -> list[int]:
    numbers: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    return numbers


def _ranges(numbers: list[int]) -> str:
    runs = []
    for _, group in itertools.groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        run = [number for _, number in group]
        runs.append(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}")
    return ",".join(runs)
