"""Which faults a run has: rules, and what they decide at each place where one may happen.

Pure: told the name of a place, it says what is to happen there. Names are `kind:process:number`,
the number counting the places of this kind at this process; so they mean the same in a run that
has fewer faults or steps.

    >>> from beam.testing.chance import Chance
    >>> from beam.testing.plan import Plan
    >>> faults = Faults(Plan(7), Chance(7))
    >>> faults.add(Rule("crash", lambda ref: True, probability=0.5, most=2))
    >>> [faults.decide("crash", "counter", None) is not None for _ in range(8)].count(True)
    2
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from beam.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.testing.chance import Chance, Hits
    from beam.testing.plan import Plan

__all__ = ["Fault", "Faults", "Kind", "Rule", "Where"]

Kind: TypeAlias = Literal["crash", "start", "delay", "slow", "jitter", "kill"]
Where: TypeAlias = Literal["before", "in", "after", "any"]

_PLACES = ("before", "in", "after")


@dataclass(frozen=True, slots=True)
class Rule:
    """Where faults of one kind happen, and how often.

    Attributes:
        kind: what happens.
        concerns: whether it may happen to a process, told its ref.
        probability: how likely it is at each place.
        most: how often it may happen in a run; `None` without end.
        seconds: between which two it lasts, for those that last.
        where: of a crash: before, in or after a handler.
    """

    kind: Kind
    concerns: Callable[[Any], bool]
    probability: float = 1.0
    most: int | None = None
    seconds: tuple[float, float] = (0.0, 0.0)
    where: Where = "any"

    def __post_init__(self) -> None:
        if not 0.0 <= self.probability <= 1.0:
            raise InvalidInput("probability", self.probability, "a number from 0 to 1")
        if self.most is not None and self.most < 0:
            raise InvalidInput("most", self.most, "a whole number, 0 or more, or None")
        first, last = self.seconds
        if not 0.0 <= first <= last:
            raise InvalidInput("seconds", self.seconds, "two numbers, 0 or more, in order")
        if self.where not in (*_PLACES, "any"):
            raise InvalidInput("where", self.where, "'before', 'in', 'after' or 'any'")


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that happened.

    Attributes:
        name: which: `kind:process:number`.
        kind: what happened.
        where: of a crash: before, in or after a handler.
        seconds: how long it lasts, if it does.
        draw: a number from 0 to 1 for what else is to be decided of it.
    """

    name: str
    kind: Kind
    where: str
    seconds: float
    draw: float


class _Place:
    """Where faults of one kind may happen to one process: how often it has come there by now."""

    __slots__ = ("hits", "next", "number")

    def __init__(self) -> None:
        self.number = 0
        # Which of them each rule hits, and the first of those.
        self.hits: list[Hits] = []
        self.next: float = 0


class Faults:
    """Decides what happens, by its rules; and remembers what did.

    Args:
        plan: the run: it may leave faults out.
        chance: the seed's.
    """

    def __init__(self, plan: Plan, chance: Chance) -> None:
        self._kept = plan.faults
        self._chance = chance
        self._rules: dict[str, list[Rule]] = {}
        self._places: dict[str, dict[str, _Place]] = {}
        self._spent: Counter[tuple[str, int]] = Counter()
        self.happened: list[Fault] = []
        """The faults that happened, oldest first."""
        self.calm = False
        """Whether nothing is to happen any more."""

    def add(self, rule: Rule) -> None:
        """Have faults happen by this rule, too; of one kind, the first that says so counts."""
        self._rules.setdefault(rule.kind, []).append(rule)
        for place in self._places.setdefault(rule.kind, {}).values():
            place.next = 0

    def decide(self, kind: Kind, label: str, ref: Any) -> Fault | None:
        """Say what happens at the next place of this kind.

        Args:
            kind: what may happen.
            label: whom it concerns, by a name that is the same in every run.
            ref: its ref.

        Returns:
            The fault, `None` if nothing happens.
        """
        places = self._places.get(kind)
        if places is None or self.calm:
            return None
        place = places.get(label)
        if place is None:
            place = places[label] = _Place()
        place.number = number = place.number + 1
        return self._look(kind, label, ref, place) if number >= place.next else None

    def _look(self, kind: Kind, label: str, ref: Any, place: _Place) -> Fault | None:
        """Say what happens at a place that a rule may hit."""
        number, rules, chosen = place.number, self._rules[kind], None
        for at, rule in enumerate(rules):
            if at == len(place.hits):
                place.hits.append(self._chance.hits(rule.probability, kind, label, at))
            hits = place.hits[at]
            while hits.next < number:
                hits.advance()
            if hits.next == number and chosen is None:
                chosen = self._happens(at, rule, f"{kind}:{label}:{number}", ref)
        place.next = min(hits.next if hits.next > number else number + 1 for hits in place.hits)
        return chosen

    def _happens(self, at: int, rule: Rule, name: str, ref: Any) -> Fault | None:
        """Have a rule's fault happen, if it concerns the process and may."""
        if not rule.concerns(ref):
            return None
        if rule.most is not None and self._spent[rule.kind, at] >= rule.most:
            return None
        if self._kept is not None and name not in self._kept:
            return None
        self._spent[rule.kind, at] += 1
        fault = self._fault(rule, name)
        self.happened.append(fault)
        return fault

    def _fault(self, rule: Rule, name: str) -> Fault:
        draw = self._chance.of("detail", name)
        where: str = rule.where
        if where == "any":
            where = _PLACES[int(self._chance.of("where", name) * len(_PLACES))]
        first, last = rule.seconds
        return Fault(name, rule.kind, where, first + (last - first) * draw, draw)
