"""Looking for a seed that fails; saying how to run it again, and making it smaller.

    >>> from beam.otp import Server
    >>> class Till(Server):
    ...     def init(self):
    ...         self.sum = 0
    ...     def add(self, amount):
    ...         before = self.sum
    ...         self.sleep(self.node.clock.random.random())
    ...         self.sum = before + amount
    >>> def scenario(sim):
    ...     till = Till.start(name="till")
    ...     for chance in sim.steps(20):
    ...         till.proxy().add(chance.randrange(10))
    ...     sim.settle(within=60.0)
    ...     return till.proxy().sum.get()
    >>> explore(scenario, range(5)).seeds
    5

As a test, `@simulate(seeds=100)` makes one of a scenario. When a seed fails, the test fails with
the scenario's own error, and says in a note which line runs this seed again, and which a smaller
run that still fails: with fewer steps, fewer faults, and no surprises in who is next but those
that are needed.
"""

from __future__ import annotations

import os
import shlex
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from beam.errors import InvalidInput, Violation
from beam.testing.plan import Plan
from beam.testing.shrinking import lowest, smallest
from beam.testing.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Scenario: TypeAlias = Callable[[Simulation], Any]

__all__ = ["VARIABLE", "Totals", "explore", "simulate", "smaller"]

VARIABLE = "BEAM_SIMULATION"
"""The environment variable that names one run: a plan, instead of all seeds."""

# How often a failing run is run again to find a smaller one.
TRIES = 300
CALLS = "calls inside handlers"
# Lines of a failing run's history that its error shows.
LAST = 20


@dataclass(slots=True)
class Totals:
    """What many runs came to.

    Attributes:
        seeds: how many runs there were.
        events: how often each event of the histories happened.
        faults: how often each kind of fault happened.
        turns: how many turns were taken.
        seconds: how much virtual time has passed.
        least: what the runs with the fewest of each had: of processes, messages, calls inside
            handlers, faults, and kinds of faults.
    """

    seeds: int = 0
    events: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    turns: int = 0
    seconds: float = 0.0
    least: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, sim: Simulation) -> Self:
        """Return what one run has come to by now."""
        faults = Counter[str](fault.kind for fault in sim.faults)
        totals = cls(1, Counter(sim.node.counts), faults, sim.turns, sim.clock.now())
        totals.least = {
            "processes": totals.events["starts"],
            "messages": totals.messages,
            CALLS: totals.events[CALLS],
            "faults": faults.total(),
            "kinds of faults": len(faults),
        }
        return totals

    @property
    def messages(self) -> int:
        """How many messages were handled."""
        return sum(self.events[kind] for kind in ("call", "cast", "info", "continue"))

    def add(self, other: Totals) -> None:
        """Add what other runs came to."""
        self.seeds += other.seeds
        self.events += other.events
        self.faults += other.faults
        self.turns += other.turns
        self.seconds += other.seconds
        for what, count in other.least.items():
            self.least[what] = min(count, self.least.get(what, count))

    def __str__(self) -> str:
        faults = ", ".join(f"{count:,} {kind}" for kind, count in sorted(self.faults.items()))
        least = ", ".join(f"{count:,} {what}" for what, count in self.least.items())
        return (
            f"{self.seeds:,} seeds: {self.events['starts']:,} processes, "
            f"{self.messages:,} messages, {self.events[CALLS]:,} {CALLS}, "
            f"{self.faults.total():,} faults ({faults or 'none'}), "
            f"{self.turns:,} turns, {self.seconds:,.0f} virtual seconds; "
            f"each at least {least or 'nothing'}"
        )


@dataclass(frozen=True, slots=True)
class _Run:
    """One run, and how it ended."""

    sim: Simulation
    error: BaseException | None


def _run(scenario: Scenario, plan: Plan) -> _Run:
    sim = Simulation(plan)
    try:
        with sim:
            scenario(sim)
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        return _Run(sim, error)
    return _Run(sim, None)


def explore(
    scenario: Scenario,
    seeds: Iterable[int | Plan],
    *,
    again: Callable[[Plan], str] = lambda plan: f"Simulation(Plan.parse({str(plan)!r}))",
    tries: int = TRIES,
) -> Totals:
    """Run a scenario under many seeds; the first that fails is made smaller, and raised.

    Args:
        scenario: called with each simulation, which it is in.
        seeds: the seeds, or plans.
        again: returns the line that runs a plan again, for the notes of the error.
        tries: how often a failing run is run again to find a smaller one.

    Returns:
        What the runs came to.

    Raises:
        Exception: what the scenario failed with, with notes.
    """
    totals = Totals()
    for seed in seeds:
        plan = seed if isinstance(seed, Plan) else Plan(seed)
        run = _run(scenario, plan)
        totals.add(Totals.of(run.sim))
        if run.error is not None:
            small = smaller(scenario, plan, tries=tries)
            raise _explained(run, _run(scenario, small), again)
    return totals


def _explained(first: _Run, small: _Run, again: Callable[[Plan], str]) -> BaseException:
    """Return the error of the smaller run, with notes that say how to run both again."""
    run = small if small.error is not None else first
    error = run.error
    assert error is not None
    sim, before = run.sim, first.sim
    error.add_note(f"seed {before.plan.seed} fails; run it again: {again(before.plan)}")
    error.add_note(
        f"a smaller run that fails, with {len(sim.taken)} of {len(before.taken)} steps and "
        f"{len(sim.faults)} of {len(before.faults)} faults: {again(sim.plan)}"
    )
    lines = sim.history.lines[: sim.ended_at]
    error.add_note("\n".join([f"the last of {len(lines)} events:", *lines[-LAST:]]))
    return error


def smaller(scenario: Scenario, plan: Plan, *, tries: int = TRIES) -> Plan:
    """Return a plan that fails as `plan` does, with as little in it as can be found.

    Args:
        scenario: called with each simulation.
        plan: fails.
        tries: how often it is run, about.

    Raises:
        InvalidInput: if `plan` does not fail.
    """
    first = _run(scenario, plan)
    if first.error is None:
        raise InvalidInput("plan", plan, "one that fails")
    wanted = _kind_of(first.error)

    def fails(candidate: Plan) -> bool:
        error = _run(scenario, candidate).error
        return error is not None and _kind_of(error) == wanted

    # First what leaves less to try afterwards: nobody is next by chance, and nothing goes wrong.
    best = plan.in_order_from(0) if fails(plan.in_order_from(0)) else plan
    best = best.with_faults([]) if fails(best.with_faults([])) else best
    taken = _run(scenario, best).sim.taken
    steps = smallest(taken, lambda kept: fails(best.with_steps(kept)), tries=tries // 2)
    best = best.with_steps(steps)
    names = [fault.name for fault in _run(scenario, best).sim.faults]
    faults = smallest(names, lambda kept: fails(best.with_faults(kept)), tries=tries // 2)
    best = best.with_faults(faults) if fails(best.with_faults(faults)) else best
    choices = _run(scenario, best).sim.choices
    if best.fifo != 0 and fails(best.in_order_from(choices)):
        best = best.in_order_from(
            lowest(0, choices, lambda choice: fails(best.in_order_from(choice)))
        )
    return best


def _kind_of(error: BaseException) -> tuple[object, ...]:
    """Return what makes two errors the same failure: their type, and where, or of what."""
    if isinstance(error, Violation):
        return (type(error), error.name)
    trace = error.__traceback__
    place: tuple[str, int] | None = None
    while trace is not None:
        place = (trace.tb_frame.f_code.co_filename, trace.tb_lineno)
        trace = trace.tb_next
    return (type(error), place if type(error) is AssertionError else None)


def simulate(
    *,
    seeds: int | Iterable[int],
    tries: int = TRIES,
    report: Callable[[Totals], object] | None = None,
) -> Callable[[Scenario], Any]:
    """Make a test of a scenario: run it under many seeds.

    With `BEAM_SIMULATION` set to a plan in the environment, that run alone.

    Args:
        seeds: the seeds, or how many: from 0 on.
        tries: how often a failing run is run again to find a smaller one.
        report: is told the totals, at the end.
    """

    def decorate(scenario: Scenario) -> Callable[[], None]:
        def test() -> None:
            wanted = os.environ.get(VARIABLE)
            if wanted is not None:
                plans: Iterable[int | Plan] = [Plan.parse(wanted)]
            else:
                plans = range(seeds) if isinstance(seeds, int) else seeds
            totals = explore(
                scenario, plans, again=lambda plan: _pytest_line(scenario, plan), tries=tries
            )
            if report is not None:
                report(totals)

        # Not `functools.wraps`: pytest would take `sim` for a fixture.
        test.__name__ = getattr(scenario, "__name__", "test")
        test.__qualname__ = getattr(scenario, "__qualname__", "test")
        test.__doc__ = scenario.__doc__
        test.__module__ = scenario.__module__
        test.scenario = scenario  # type: ignore[attr-defined]  # for who runs it by itself
        return test

    return decorate


def _pytest_line(scenario: Scenario, plan: Plan) -> str:
    """Return the command that runs one plan of a test again."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]
    if not test:
        code = getattr(scenario, "__code__", None)
        path = os.path.relpath(code.co_filename) if code is not None else "TEST"
        test = f"{Path(path).as_posix()}::{getattr(scenario, '__name__', '')}"
    return f"{VARIABLE}={shlex.quote(str(plan))} python -m pytest {shlex.quote(test)}"
