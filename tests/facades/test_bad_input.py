"""A wrong argument of any function is an answer, and no process of the fleet is the worse (G20)."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from beam.errors import BeamError, CallExit
from beam.state import SessionHistory, ThreadHistory
from tests.parity.functions import Function, longest
from tests.sessions.scripted import Scripted, fleet_of, shout

OWNERS = ("control", "runtime", "router", "store", "runs", "keeper")
# What ends the session that the others use, or forgets everything.
LEFT = {"clear", "clear_collaboration", "ensure_tables", "stop"}
VALID: dict[str, Any] = {
    "agent_id": "a", "config": {"api_key": "k"}, "context": {}, "feedback": {"a": 1}, "input": "i",
    "key": "k", "max_tokens": 5, "method": "setModel", "mode": "plan", "model": "m", "opts": {},
    "params": {}, "process": None, "prompt": "p", "provider_id": "p", "ref": None, "request": {},
    "request_id": "r", "response": {"a": 1}, "selector": {"count": 1}, "session": "ada",
    "session_id": "ada", "session_key": "ada", "task_id": "t", "thread_id": "t", "timeout": 1.0,
    "tokens": 5, "turn_id": "u", "value": 1,
}  # fmt: skip
WRONG = (
    None, 7, -1, "", "\ud800", "x" * 5000, b"\xff", float("nan"), True, [], [1], {}, {1: 2},
    {"a": object()}, object(), ("deny",), str.upper,
)  # fmt: skip


@pytest.fixture(scope="module")
def fleet():
    with fleet_of(Scripted(shout)) as fleet:
        fleet.start_session(session_id="ada")
        yield fleet


def functions() -> list[Function]:
    return [one for one in longest().values() if one.name not in LEFT]


@pytest.mark.parametrize("function", functions(), ids=str)
def test_whatever_it_is_called_with_it_answers_and_nobody_dies(fleet, function):
    facade = {"routing": fleet.router}.get(function.module) or getattr(fleet, function.module)
    method = getattr(facade, function.name)
    alive = {name: fleet.whereis(name) for name in OWNERS}
    call_with_everything_wrong(method, VALID)
    assert {name: fleet.whereis(name) for name in OWNERS} == alive


DOORS: dict[str, Any] = {
    **VALID, "action": "a", "backend": "claude", "capability": "hooks", "category": "c",
    "consumer": "c", "cursor": 0, "details": {}, "event": {}, "event_id": "e", "event_type": "note",
    "message": None, "messages": [], "meta": {}, "metadata": {}, "name": "n",
    "profile": {"profile_id": "p"}, "profile_id": "p", "run": None, "run_id": "r", "scope": "ada",
    "step_id": "x", "support": {}, "timeout": 0.01,
}  # fmt: skip


@pytest.mark.parametrize("door", ["runs", "policies", "capabilities", "events", "journal"])
def test_so_do_the_functions_of_the_other_doors(fleet, door):
    facade = getattr(fleet, door)
    names = [name for name in facade.functions() if name not in {"clear", "reset"}]
    for name in names:
        call_with_everything_wrong(getattr(facade, name), DOORS)


@pytest.mark.parametrize("kind", [SessionHistory, ThreadHistory])
def test_so_do_the_histories(fleet, kind):
    history = kind(fleet.node)
    for name, method in inspect.getmembers(history, inspect.ismethod):
        if not name.startswith("_"):
            call_with_everything_wrong(method, DOORS)


def call_with_everything_wrong(method: Any, valid: dict[str, Any]) -> None:
    """Call a function with every wrong value of each of its arguments, the others being right."""
    parameters = [
        one for one in inspect.signature(method).parameters.values()
        if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)
    ]  # fmt: skip
    for wrong in parameters:
        for value in WRONG:
            given = [
                value if one is wrong else valid.get(one.name)
                for one in parameters
                if one.kind is not one.KEYWORD_ONLY
            ]
            named = {wrong.name: value} if wrong.kind is wrong.KEYWORD_ONLY else {}
            try:
                method(*given, **named)
            except CallExit as died:
                pytest.fail(f"{wrong.name}={value!r}: {died}")
            except BeamError:
                continue
