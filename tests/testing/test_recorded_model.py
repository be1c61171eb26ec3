"""Any conversation that is recorded and played is the same conversation."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import beam
from beam.errors import RunFailed
from beam.testing import AgentError, Simulation, scripted
from tests.testing.recordings import essence, events_of
from tests.volume import scaled

TEXT = st.text(max_size=20)
DATA = st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers() | TEXT, max_size=2)

STEPS = st.one_of(
    st.tuples(st.just("say"), TEXT),
    st.tuples(st.just("wait"), st.floats(0.0, 5.0)),
    st.tuples(st.just("tool"), TEXT),
    st.tuples(st.just("ask"), DATA),
)
ENDS = st.one_of(
    st.tuples(st.just("answer"), TEXT),
    st.tuples(st.just("fail"), st.sampled_from(["quota", "refused", "interrupted"])),
)
TALKS = st.lists(st.tuples(st.lists(STEPS, max_size=5), ENDS), max_size=4)


def echo(word: str) -> str:
    """Say it again, if there is anything to say."""
    if not word:
        raise ValueError("nothing was said")
    return word[::-1]


def decide(method: str, params: Any, context: Any) -> Any:
    if len(params) % 2:
        return beam.deny("an odd number", interrupt="a" in params)
    return beam.allow({"b": 1}) if "b" in params else beam.allow()


def agent_of(talk: list[Any]) -> Any:
    def agent(turn: Any) -> str:
        steps, (how, word) = talk[int(turn.prompt)]
        for kind, value in steps:
            match kind:
                case "say":
                    turn.say(value)
                case "wait":
                    turn.wait(value)
                case "tool":
                    turn.tool("echo", word=value)
                case "ask":
                    turn.permission("write", **value)
        if how == "fail":
            raise AgentError(word, retryable=word == "quota")
        return str(word)

    return agent


def held(seed: int, backend: Any, runs: int, path: Path, *, kills: bool = False) -> list[Any]:
    """Hold a conversation, recorded; return how its runs ended."""
    ends: list[Any] = []
    with Simulation(seed) as sim, sim.fleet(backends={"agent": backend}) as fleet:
        if kills:
            sim.kill("recorder", probability=0.3, most=20)
            sim.delay_messages("recorder", probability=0.3, seconds=(0.0, 1.0))
        session = fleet.start_session(record=path, tools=[echo], permission_handler=decide)
        for number in range(runs):
            try:
                ends.append(session.query(str(number)).get())
            except RunFailed as error:
                ends.append(error.reason)
        expected = [event.sequence for event in session.history()]
    written = events_of(path) if path.exists() else []
    assert [event["sequence"] for event in written][: len(expected)] == expected
    return ends


@settings(max_examples=scaled(200), deadline=None)
@given(talk=TALKS, seed=st.integers(0, 1000), speed=st.sampled_from([None, 1.0, 3.0]))
def test_any_conversation_that_is_recorded_and_played_is_the_same(
    talk: list[Any], seed: int, speed: float | None
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        live, again = Path(folder, "live.jsonl"), Path(folder, "again.jsonl")
        ends = held(seed, scripted(agent_of(talk)), len(talk), live, kills=True)
        played = held(seed + 1, scripted(live, speed=speed), len(talk), again)
        assert played == ends
        assert essence(events_of(again)) == essence(events_of(live))
