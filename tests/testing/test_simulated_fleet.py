"""A whole fleet in the simulation: its log in memory, scripted agents, simulated programs."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

import beam
from beam import Fleet
from beam.errors import BeamError, NotSimulated, RunFailed
from beam.otp import Backoff, Restarts, exit
from beam.sessions.machine import Session
from beam.testing import (
    AgentError,
    Plan,
    SimulatedHarbour,
    Simulation,
    scripted,
    simulate,
)
from tests.volume import scaled

ENDS = {"run_completed", "run_failed", "run_interrupted"}
PATIENT = {
    "session_budget": Restarts(1000, per=60.0),
    "session_backoff": Backoff(0.01, 0.1),
    "max_restarts": 1000,
}


def thinker(turn: Any) -> str:
    """Take its time, say something, and answer in capitals."""
    turn.wait(0.1 * len(turn.prompt))
    turn.say("thinking")
    return str(turn.prompt.upper())


def command_agent(program: Any) -> None:
    """Speak the protocol of command agents."""

    def send(kind: str, **fields: Any) -> None:
        program.write(json.dumps({"type": kind, **fields}))

    while (line := program.read()) is not None:
        message = json.loads(line)
        if message["type"] == "hello":
            send("ready", protocol=1, name="shouter")
        elif message["type"] == "query":
            program.wait(0.5)
            send("text", query_id=message["id"], content="thinking")
            send("result", query_id=message["id"], content=message["prompt"].upper())


def fleet_in(sim: Simulation, **options: Any) -> Fleet:
    backends = {"thinker": scripted(thinker), "shouter": beam.command("shouter")}
    programs = {"shouter": command_agent}
    return sim.fleet(programs=programs, **{"backends": backends, **PATIENT, **options})


@pytest.mark.parametrize("backend", ["thinker", "shouter"])
def test_a_session_answers_on_virtual_time(backend: str) -> None:
    with Simulation(1) as sim, fleet_in(sim) as fleet:
        session = fleet.start_session(backend=backend)
        assert [message.content for message in session.stream("hello")] == ["thinking", "HELLO"]
        assert 0.5 <= sim.clock.now() < 5.0


def test_an_agent_uses_tools_asks_for_permission_and_fails_as_it_says() -> None:
    def agent(turn: Any) -> str:
        if turn.prompt == "fail":
            raise AgentError("quota", retryable=False)
        leave = turn.permission("write", path="a")
        read = turn.tool("read_file", path="a")
        return f"{type(leave).__name__}: {read.content}"

    with Simulation(1) as sim, fleet_in(sim, backends={"agent": scripted(agent)}) as fleet:
        session = fleet.start_session(
            backend="agent", tools=[read_file], permission_handler=lambda *_: beam.allow()
        )
        assert session.query("go").get() == "Allow: text of a"
        with pytest.raises(RunFailed) as caught:
            session.query("fail").get()
        assert caught.value.reason == "quota"


def read_file(path: str) -> str:
    """Read a file."""
    return f"text of {path}"


def test_an_interrupt_ends_a_turn_in_the_middle() -> None:
    with Simulation(1) as sim, fleet_in(sim) as fleet:
        session = fleet.start_session(backend="thinker")
        run = session.submit("a" * 100)
        sim.run(1.0)
        session.interrupt(run)
        with pytest.raises(BeamError):
            run.get()
        assert sim.clock.now() < 10.0


def crowded(sim: Simulation) -> None:
    """Prompts on sessions of two backends, while everything dies: each is answered once."""
    with fleet_in(sim) as fleet:
        sessions = [
            fleet.start_session(backend=backend, on_crash="retry")
            for backend in ("thinker", "shouter", "thinker")
        ]
        sim.kill(Session, probability=0.02, most=5)
        sim.crash(Session, probability=0.02, most=5)
        sim.kill(is_part, probability=0.01, most=3)
        sim.delay_messages(probability=0.05, seconds=(0.0, 0.2))
        sim.slow(probability=0.05, seconds=(0.0, 0.2))
        runs = {}
        for chance in sim.steps(12):
            prompt = f"prompt {len(runs)}"
            try:
                runs[chance.choice(sessions).submit(prompt)] = prompt
            except BeamError:
                continue  # Refused, and so not acknowledged.
            sim.run(chance.random())
        sim.run(60.0)
        sim.calm()
        sim.run(200.0)
        ended = Counter(
            event.run_id
            for session in sessions
            for event in session.history()
            if event.type in ENDS
        )
        for run, prompt in runs.items():
            assert run.done, prompt
            assert run.get() == prompt.upper()
            assert ended[run.run_id] == 1, prompt


def is_part(ref: Any) -> bool:
    """Return whether a process is one of the fleet's own parts."""
    return ref.control.name in ("router", "control", "runtime", "runs", "sessions")


@simulate(seeds=scaled(1000, 50))
def test_whatever_dies_each_run_ends_once_and_none_is_lost(sim: Any) -> None:
    crowded(sim)


def test_a_fleet_has_one_history_for_a_seed() -> None:
    digests = set()
    for _ in range(3):
        with Simulation(Plan(7)) as sim:
            crowded(sim)
        digests.add(sim.history.digest())
    assert len(digests) == 1


def test_what_would_be_real_in_a_simulated_fleet_is_refused(tmp_path: Any) -> None:
    with Simulation(1) as sim:
        with pytest.raises(NotSimulated):
            Fleet()
        with pytest.raises(NotSimulated):
            Fleet(node=sim.node)
        with pytest.raises(NotSimulated):
            sim.fleet(store=tmp_path / "fleet.db")


def test_a_program_that_ignores_term_is_killed_after_its_grace() -> None:
    def deaf(program: Any) -> None:
        program.ignores_term = True
        command_agent(program)
        program.wait(1e6)

    backends = {"deaf": beam.command("deaf")}
    with Simulation(1) as sim:
        with sim.fleet(programs={"deaf": deaf}, backends=backends, **PATIENT) as fleet:
            session = fleet.start_session(backend="deaf")
            assert session.query("hello").get() == "HELLO"
            session.stop()
        assert sim.clock.now() < 100.0
    assert sim.node.processes() == []


def test_a_program_that_is_killed_ends_its_run_and_another_takes_its_place() -> None:
    with Simulation(1) as sim:
        harbour = SimulatedHarbour(sim.node, {"shouter": command_agent})
        backends = {"shouter": beam.command("shouter")}
        with Fleet(node=sim.node, harbour=harbour, backends=backends, **PATIENT) as fleet:
            session = fleet.start_session(backend="shouter", on_crash="retry")
            assert session.query("one").get() == "ONE"
            run = session.submit("two")
            sim.run(0.2)
            [before] = harbour.ports()
            exit(before.process, "kill")
            assert run.get(timeout=60.0) == "TWO"
            assert before.exit is not None
            assert before.exit.status == -9
            [after] = harbour.ports()
            assert after is not before
        assert harbour.ports() == ()
