"""All five programs, and the end by KILL of whatever is below them in the middle of a turn.

What is below them: the shell of a command, what that has started, the sandbox around it (Codex),
and MCP servers. No such end is the program's: it goes on, and so does its conversation.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from beam import Fleet, allow
from beam.errors import RunFailed
from beam.model.events import message_of
from tests.agents import claude_sessions, codex_sessions
from tests.agents.acp_agents import AGENTS
from tests.agents.acp_sessions import OFTEN, answer, opened
from tests.agents.kills import (
    KILLS,
    PATIENCE,
    TOLD_WITHIN,
    Pipe,
    continued,
    gone,
    killed,
    program_of,
)
from tests.sessions.scripted import failure

if TYPE_CHECKING:
    from beam.backends import Backend
    from tests.agents.conftest import FleetWith
    from tests.agents.fake_model import FakeModel

AT_ONCE = 5
"""How many MCP servers of a session are killed in calls of theirs, and as many while idle."""

SERVER = Path(__file__).with_name("mcp_that_waits.py")
LONG = ["sleep", "300"]
PARENT = "sleep 300 & wait $!"
ALONE = "exec sleep 300"


@dataclass(frozen=True)
class Program:
    """One of the five.

    Attributes:
        name: what it is called.
        runs: makes a prompt that has it run a command.
        tool: how its model calls a tool of an MCP server.
        depth: how many processes there are from a command's child up to the program.
    """

    name: str
    runs: Callable[[str], str]
    tool: str
    depth: int = 2

    def backend(self, model: FakeModel, home: Path, servers: dict[str, Any]) -> Backend:
        """Return its backend. Only Copilot has MCP servers in its own configuration here."""
        if self.name in AGENTS:
            backend = AGENTS[self.name].backend(model.url, home)
            if self.name != "copilot":
                return backend
            config = {name: {"tools": ["*"], **server} for name, server in servers.items()}
            own = ("--additional-mcp-config", json.dumps({"mcpServers": config}))
            return replace(backend, command=(*backend.command, *own))
        sessions = {"claude": claude_sessions, "codex": codex_sessions}[self.name]
        return sessions.backend(model, home)


def _opencode(command: str) -> str:
    """Return a prompt for a command that OpenCode itself ends after some seconds.

    The command takes its time first, for the looks of our watch.
    """
    command = f"sleep 0.5; {command}"
    call = {"command": command, "description": "Do as the test says", "timeout": 10_000}
    return f"[[tool bash {json.dumps(call)}]]"


def _of_acp(name: str, tool: str, **more: Any) -> Program:
    return Program(name, **{"runs": AGENTS[name].runs, **more}, tool=tool)


PROGRAMS = (
    Program("claude", claude_sessions.bash, "mcp__{}__wait"),
    Program("codex", codex_sessions.plain, "mcp__{}__wait", depth=4),
    _of_acp("gemini", "mcp_{}_wait", depth=3),
    _of_acp("opencode", "{}_wait", runs=_opencode),
    _of_acp("copilot", "{}-wait"),
)
OF_ALL = pytest.mark.parametrize("program", PROGRAMS, ids=lambda each: each.name)
OF_OPENCODE = pytest.mark.parametrize("program", PROGRAMS[3:4], ids=lambda each: each.name)


@pytest.fixture
def pipes(tmp_path: Path) -> dict[str, Pipe]:
    """Named pipes for MCP servers, by their names."""
    return {name: Pipe(tmp_path / name) for name in map("s{}".format, range(2 * AT_ONCE))}


@pytest.fixture
def servers(pipes: dict[str, Pipe]) -> dict[str, Any]:
    """MCP servers, by name."""
    return {
        name: {"command": sys.executable, "args": [str(SERVER), str(pipe.path)]}
        for name, pipe in pipes.items()
    }


@pytest.fixture
def fleet(
    program: Program,
    servers: dict[str, Any],
    model: FakeModel,
    tmp_path: Path,
    fleet_with: FleetWith,
) -> Fleet:
    return fleet_with(program.backend(model, tmp_path / "agents", servers), **OFTEN)


def begun(session: Any, run: Any) -> None:
    """Wait until the model speaks in this run."""
    for event in session.events(types=["message"], timeout=PATIENCE):
        said = event.run_id == run.run_id and message_of(event).type
        if said in ("text", "stream_event"):
            return


def told(session: Any, run: Any, when: float) -> float:
    """Return the seconds from a kill until the log has it: as a result, or as our notice."""
    for event in session.events(types=["message"], timeout=PATIENCE):
        if event.run_id == run.run_id and event.timestamp / 1000 >= when - 0.001:
            message = message_of(event)
            notice = message.type == "system" and message.subtype == "notice"
            if message.type == "tool_result" or notice:
                seconds: float = event.timestamp / 1000 - when
                return seconds
    raise AssertionError("it was not told at all")


def chain(program: psutil.Process) -> list[psutil.Process]:
    """Wait until the long command runs; return it and what is between it and its program."""
    while True:
        with contextlib.suppress(psutil.NoSuchProcess):
            for found in program.children(recursive=True):
                if found.cmdline() == LONG:
                    above = [each for each in found.parents() if program in each.parents()]
                    return [found, *above]


def serving(program: psutil.Process, pipes: Sequence[Pipe]) -> list[psutil.Process]:
    """Return the MCP servers that have these pipes."""
    paths = [str(pipe.path) for pipe in pipes]
    found = []
    for each in program.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if each.cmdline()[-1] in paths:
                found.append(each)
    assert len(found) == len(pipes)
    return found


@OF_ALL
@pytest.mark.timeout(120 + KILLS * 60)
def test_whatever_runs_a_command_may_be_killed_and_the_turn_goes_on(
    program: Program, fleet: Fleet, tmp_path: Path
) -> None:
    session = opened(fleet, tmp_path / "work", permission_handler=lambda *_: allow())
    answer(session, "[[say red]]")
    process = program_of(fleet, session)
    # The end of OpenCode's own shell has a test of its own.
    for level in range(1 if program.name == "opencode" else program.depth):
        for _ in range(KILLS):
            run = session.submit(program.runs(PARENT))
            processes = chain(process)
            assert len(processes) == program.depth
            when = killed(processes[level])
            after = told(session, run, when)
            assert after < TOLD_WITHIN, f"level {level} told after {after:.2f} s"
            assert "tool said" in run.get(timeout=PATIENCE)
    assert answer(session, "[[history]]") == "red"
    assert (continued(session), program_of(fleet, session)) == ([], process)


@OF_OPENCODE
@pytest.mark.timeout(120 + KILLS * 30)
def test_a_turn_is_cut_for_a_killed_command_that_its_program_waits_for(
    program: Program, fleet: Fleet, tmp_path: Path
) -> None:
    session = opened(
        fleet, tmp_path / "work", permission_handler=lambda *_: allow(), on_crash="interrupt"
    )
    answer(session, "[[say red]]")
    process = program_of(fleet, session)
    for _ in range(KILLS):
        run = session.submit(program.runs(ALONE))
        [shell] = chain(process)
        after = told(session, run, killed(shell))
        assert after < TOLD_WITHIN, f"told after {after:.2f} s"
        failed = failure(run)
        assert isinstance(failed, RunFailed)
        assert failed.reason == "stalled"
    assert answer(session, "[[history]]") == "red"
    assert (continued(session), program_of(fleet, session)) == ([], process)


@OF_ALL
@pytest.mark.timeout(120 + KILLS * 30)
def test_an_mcp_server_may_be_killed_in_a_call_and_while_it_is_idle(
    program: Program,
    fleet: Fleet,
    pipes: dict[str, Pipe],
    servers: dict[str, Any],
    tmp_path: Path,
) -> None:
    called, idle = list(pipes)[:AT_ONCE], list(pipes.values())[AT_ONCE:]
    for number in range(KILLS // AT_ONCE):
        theirs = {} if program.name == "copilot" else {"mcp_servers": servers}
        session = opened(
            fleet, tmp_path / f"work{number}", permission_handler=lambda *_: allow(), **theirs
        )
        answer(session, "[[say red]]")
        process = program_of(fleet, session)
        for name in called:
            run = session.submit(f"[[tool {program.tool.format(name)} {{}}]]")
            after = told(session, run, killed(pipes[name].process()))
            assert after < TOLD_WITHIN, f"told after {after:.2f} s"
            assert "tool said" in run.get(timeout=PATIENCE)
        run = session.submit("[[slow 2]]")
        begun(session, run)
        unused = serving(process, idle)
        for each in unused:
            killed(each)
        assert run.get(timeout=PATIENCE) == "0 1 "
        assert gone(unused)
        assert answer(session, "[[history]]") == "red"
        assert (continued(session), program_of(fleet, session)) == ([], process)
        session.stop()
