"""The comparison notices: golden steps are changed, one at a time, and held against a play."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.conformance.compare import differences
from tests.conformance.recorded import scenarios
from tests.conformance.stage import SUBJECTS, outcomes, player

Step = dict[str, Any]
Change = tuple[str, Callable[[Step], Any]]
CHANGES = 50
OTHER = "something else"


def drop(key: str, at: Any) -> Change:
    return f"drop {key}", lambda step: step[key].pop(at)


def add(key: str, at: int) -> Change:
    return f"add {key}", lambda step: step[key].insert(at, ["exit", "top/else", 1, "normal"])


def swap(key: str, at: int) -> Change:
    def change(step: Step) -> None:
        step[key][at : at + 2] = reversed(step[key][at : at + 2])

    return f"reorder {key}", change


def put(what: str, *path: Any) -> Change:
    """Put something else at the end of the path."""

    def change(step: Any) -> None:
        for key in path[:-1]:
            step = step[key]
        step[path[-1]] = OTHER

    return f"change {what}", change


def changes_of_events(step: Step) -> Iterator[Change]:
    events = step.get("ev", [])
    for at, event in enumerate(events):
        yield drop("ev", at)
        yield add("ev", at)
        if isinstance(event, list):
            yield put("reason", "ev", at, len(event) - 1)
            yield put("state", "ev", at, 1)
            if at + 1 < len(events) and isinstance(events[at + 1], list):
                yield swap("ev", at)


def changes_of_parts(step: Step) -> Iterator[Change]:
    """Yield changes of what a step says by name: mailboxes, ends, links, states."""
    for key in ("alive", "exits", "gs", "links", "lost", "mbox", "rep", "term"):
        for at in (
            step.get(key, {}) if isinstance(step.get(key), dict) else range(len(step.get(key, [])))
        ):
            yield drop(key, at)
            yield put(key, key, at)
    for path, state in step.get("st", {}).items():
        yield drop("st", path)
        yield put("state", "st", path, "c", 1)
        if state["w"]:
            yield put("state", "st", path, "w", 0, 1)


def changes_of_result(step: Step) -> Iterator[Change]:
    if "r" in step:
        yield put("result", "r")
    else:
        yield put("result", next(key for key in ("v", "err") if key in step))


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_changed_golden_step_is_noticed(subject: str) -> None:
    chance = random.Random(subject)
    chosen = chance.sample(scenarios(subject), CHANGES)
    tried: set[str] = set()
    for outcome in outcomes(player(subject), chosen, "simulation"):
        scenario = chosen[outcome.at]
        assert differences(subject, scenario, outcome.trace) == []
        possible = [
            (name, at, change)
            for at, step in enumerate(scenario["trace"])
            for changes in (changes_of_events, changes_of_parts, changes_of_result)
            for name, change in changes(step)
        ]
        # A kind of change that has not been tried, so that the rare ones are tried too.
        chance.shuffle(possible)
        name, at, change = min(possible, key=lambda one: one[0] in tried)
        tried.add(name)
        changed = copy.deepcopy(scenario)
        change(changed["trace"][at])
        found = differences(subject, changed, outcome.trace)
        assert at in {one.step for one in found}, (outcome.id, at, name)
