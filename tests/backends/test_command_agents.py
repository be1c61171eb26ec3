"""The complete agent of docs/command-agents.md, run as it stands there, by the protocol's core."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from beam.backends.effects import (
    AgentFailed,
    AskPermission,
    Completed,
    Deliver,
    Effect,
    Failed,
    Ready,
    RunTool,
)
from beam.backends.host_lines import HostTool
from tests.backends.agent_program import AgentProgram
from tests.snippets import blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENT = Path(__file__).parents[2] / "docs" / "command-agents.md"
READ_FILE = HostTool("read_file", "Read a text file.")
NOTES = {"notes.txt": "three small words"}


def read_file(path: str) -> str:
    return NOTES[path]


OFFERED = [(READ_FILE, read_file)]


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[AgentProgram]:
    script = tmp_path / "agent.py"
    (code,) = (block for block in blocks(DOCUMENT.read_text("utf-8")) if block.runs)
    script.write_text("\n".join(code.lines), "utf-8")
    with AgentProgram(script) as program:
        yield program


def last(effects: list[Effect]) -> Completed | Failed:
    ended = effects[-1]
    assert isinstance(ended, Completed | Failed)
    return ended


def test_it_greets(agent: AgentProgram) -> None:
    assert agent.greeting == (Ready("counter", "", ("interrupt",)),)


def test_it_streams_and_answers(agent: AgentProgram) -> None:
    effects = agent.answer("q-1", "one two three four")
    assert [type(effect) for effect in effects] == [Deliver, Completed]
    assert last(effects).message.content == "4"


def test_it_reads_a_file_through_the_host_when_it_may(agent: AgentProgram) -> None:
    effects = agent.answer("q-1", "count notes.txt", tools=OFFERED, decision="allow")
    kinds = [type(effect) for effect in effects]
    assert kinds == [Deliver, AskPermission, Deliver, RunTool, Completed]
    assert last(effects).message.content == "3"


def test_it_does_what_it_was_allowed_in_place_of_what_it_asked(agent: AgentProgram) -> None:
    amended = {"path": "notes.txt"}
    effects = agent.answer(
        "q-1", "count secret.txt", tools=OFFERED, decision="allow", amended=amended
    )
    assert last(effects).message.content == "3"


def test_it_does_without_when_it_may_not(agent: AgentProgram) -> None:
    effects = agent.answer("q-1", "count notes.txt", tools=OFFERED)
    assert last(effects).message.content == "not allowed: "


def test_it_says_why_a_tool_failed(agent: AgentProgram) -> None:
    effects = agent.answer("q-1", "count none.txt", tools=OFFERED, decision="allow")
    assert last(effects).message.content == "KeyError: 'none.txt'"


@pytest.mark.parametrize("moment", [AskPermission, RunTool])
def test_it_obeys_an_interrupt_and_takes_the_next_query(
    agent: AgentProgram, moment: type[Effect]
) -> None:
    effects = agent.answer("q-1", "count notes.txt", decision="allow", interrupt_at=moment)
    ended = last(effects)
    assert isinstance(ended, Failed)
    assert ended.reason == "interrupted"
    assert last(agent.answer("q-2", "one two")).message.content == "2"


def test_it_exits_when_stdin_is_closed(agent: AgentProgram) -> None:
    assert agent.finish() == 0
    (gone,) = agent.receive()
    assert isinstance(gone, AgentFailed)


def test_the_conversation_in_the_document_is_what_is_really_said(agent: AgentProgram) -> None:
    shown = [
        (line[4], json.loads(line[6:]))
        for line in DOCUMENT.read_text("utf-8").splitlines()
        if line.startswith(("    > {", "    < {"))
    ]
    shown = shown[: [what["type"] for _, what in shown].index("result") + 1]
    from_host = [what for side, what in shown if side == ">"]
    from_agent = [what for side, what in shown if side == "<"]
    agent.answer("q-1", "count notes.txt", tools=OFFERED, decision="allow")
    # The session's id and folder are of the example; the timeout is what the host says.
    assert [what["type"] for what in agent.sent] == [what["type"] for what in from_host]
    assert agent.sent[1] | {"timeout": 120.0} == from_host[1]
    assert agent.sent[2:] == from_host[2:]
    assert agent.heard == from_agent
