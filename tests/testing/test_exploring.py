"""`explore`, `simulate` and the command: looking for a seed that fails, and what is said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from beam.errors import InvalidInput
from beam.otp import Server
from beam.testing import Plan, Simulation, Totals, explore, simulate
from beam.testing.__main__ import run
from beam.testing.exploring import VARIABLE, smaller

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = "tests.testing.test_exploring"


class Till(Server):
    """Adds up."""

    def init(self) -> None:
        self.sum = 0

    def handle_cast(self, amount: int) -> None:
        self.sum += amount


def sound(sim: Simulation) -> None:
    """Hold."""
    till = Till.start(name="till")
    for chance in sim.steps(10):
        till.cast(chance.randrange(10))
    sim.settle()


def broken(sim: Simulation) -> None:
    """Fail as soon as the third and the eighth step have been taken."""
    sound(sim)
    if {3, 8} <= set(sim.taken):
        raise ValueError(sim.plan)


def test_totals_say_what_all_runs_came_to_and_what_the_least_had() -> None:
    totals = explore(sound, range(3))
    assert (totals.seeds, totals.messages, totals.events["starts"]) == (3, 30, 3)
    assert (totals.least["messages"], totals.least["processes"]) == (10, 1)


def test_the_least_of_two_totals_is_the_lesser() -> None:
    totals = Totals(least={"messages": 7})
    totals.add(Totals(least={"messages": 5}))
    totals.add(Totals(least={"messages": 9}))
    assert totals.least == {"messages": 5}


def test_a_failing_run_keeps_only_the_steps_that_it_needs() -> None:
    plan = smaller(broken, Plan(1))
    assert plan.steps == {3, 8}


def test_a_run_that_does_not_fail_cannot_be_made_smaller() -> None:
    with pytest.raises(InvalidInput) as caught:
        smaller(sound, Plan(1))
    assert caught.value.field == "plan"


def test_a_failure_says_how_to_run_it_again() -> None:
    with pytest.raises(ValueError, match="steps=3,8") as caught:
        explore(broken, [7], again=lambda plan: f"again {plan}")
    notes = "\n".join(caught.value.__notes__)
    assert "seed 7 fails; run it again: again 7" in notes
    assert "with 2 of 10 steps" in notes


def test_a_test_runs_the_plan_of_the_environment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Totals] = []
    monkeypatch.setenv(VARIABLE, "4 steps=1-2")
    simulate(seeds=50, report=told.append)(sound)()
    assert [(totals.seeds, totals.messages) for totals in told] == [(1, 2)]


# The command


@pytest.mark.parametrize(("jobs", "seeds"), [(1, 5), (2, 30)])
def test_the_command_prints_the_totals(jobs: int, seeds: int, capsys: Any) -> None:
    assert run(f"{HERE}:sound", seeds=seeds, jobs=jobs) == 0
    assert capsys.readouterr().out.startswith(f"{seeds} seeds: {seeds} processes")


def test_the_command_fails_with_the_line_that_runs_it_again(capsys: Any) -> None:
    assert run(f"{HERE}:broken", seeds=1) == 1
    printed = capsys.readouterr().out
    assert f"python -m beam.testing {HERE}:broken --plan '0 fifo=0 faults= steps=3,8'" in printed


@pytest.mark.parametrize(
    "ask",
    [
        lambda: run("nowhere:sound"),
        lambda: run(f"{HERE}:nothing"),
        lambda: run(f"{HERE}:sound", plan="one"),
    ],
    ids=["module", "function", "plan"],
)
def test_the_command_refuses_what_is_not_there(ask: Callable[[], int], capsys: Any) -> None:
    assert ask() == 2
    assert capsys.readouterr().err
