"""Codex, the real program: what it goes on from, and that nothing is left of what was killed."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from beam import allow, deny
from beam.backends import codex
from beam.errors import Interrupted, InvalidInput, RunFailed
from beam.otp import Restarts
from beam.testing import BackendConformance
from tests.agents.codex_sessions import (
    OFTEN,
    PATIENCE,
    SOON,
    backend,
    escalated,
    fleet_of,
    plain,
)
from tests.agents.fake_model import DISTINCT, FakeModel
from tests.agents.kills import KILLS, TOLD_WITHIN, gone, killed, program_of, told_after, tree
from tests.agents.late_yes import LateYes
from tests.sessions.scripted import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from beam import Fleet

CALCULATOR = """
from mcp.server import MCPServer
server = MCPServer("calc")

@server.tool()
def double(n: int) -> int:
    "Double a number."
    return 2 * n

server.run()
"""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "codex"


@pytest.fixture
def fleet(model: FakeModel, home: Path) -> Iterator[Fleet]:
    with fleet_of(backend(model, home)) as fleet:
        yield fleet


def opened(fleet: Fleet, work: Path, **options: Any) -> Any:
    return fleet.start_session(backend="codex", cwd=str(work), backoff=SOON, **options)


def answer(session: Any, prompt: str, **terms: Any) -> str:
    text: str = session.submit(prompt, **terms).get(timeout=PATIENCE)
    return text


def said(session: Any, kind: str) -> None:
    """Wait until the session has heard a message of this type."""
    events = session.events(types=["message"], timeout=PATIENCE)
    while next(events).data["message"]["type"] != kind:
        pass


def how(session: Any) -> list[Any]:
    """Return how the conversation went on, run by run."""
    return [one.data.get("continued") for one in session.history() if one.type == "run_started"]


class TestCodex(BackendConformance):
    """What every backend must do."""

    secrets = ("dummy-credential",)
    charges = DISTINCT.buckets()
    silence = 3.0

    def setup_method(self) -> None:
        self.model = FakeModel(tokens=DISTINCT)
        self.model.__enter__()
        super().setup_method()

    def teardown_method(self) -> None:
        super().teardown_method()
        self.model.__exit__(None, None, None)

    def backend(self) -> Any:
        return backend(self.model, self.folder / "codex")

    def writes(self, path: Path) -> str:
        return escalated(f"echo x > {path}")


def test_a_killed_program_is_resumed_time_after_time(fleet: Fleet, work: Path) -> None:
    session = opened(fleet, work, on_crash="retry", reconnects=OFTEN)
    assert answer(session, "[[say first]]") == "first"
    for _ in range(KILLS):
        run = session.submit("[[slow 2]]")
        wait_for(session, "run_started", after=session.history()[-1].sequence)
        program = program_of(fleet, session)
        processes = tree(program)
        when = killed(program)
        assert run.get(timeout=PATIENCE) == "0 1 "
        told = told_after(session, when, "run_retried")
        assert told < TOLD_WITHIN, f"told after {told:.2f} s"
        assert gone(processes)
        assert answer(session, "[[history]]") == "first"
    assert "resumed" in how(session)


def test_a_program_that_is_killed_while_it_asks_does_nothing_and_is_back(
    fleet: Fleet, work: Path
) -> None:
    handler = LateYes()
    session = opened(fleet, work, permission_handler=handler)
    answer(session, "[[say first]]")
    run = session.submit(escalated("echo x > made"))
    assert handler.asked.wait(PATIENCE)
    program_of(fleet, session).kill()
    with pytest.raises(Interrupted):
        run.get(timeout=PATIENCE)
    handler.over.set()
    assert answer(session, "[[history]]") == "first"
    assert not (work / "made").exists()


def test_of_a_killed_programs_commands_none_is_left(fleet: Fleet, work: Path) -> None:
    session = opened(fleet, work, permission_handler=lambda *_: allow())
    answer(session, "[[say first]]")
    for command in (plain("sleep 1000"), escalated("sleep 1000")):
        run = session.submit(command)
        said(session, "tool_use")
        program = program_of(fleet, session)
        sleeping = sleepers(program)
        program.kill()
        with pytest.raises(Interrupted):
            run.get(timeout=PATIENCE)
        gone, alive = psutil.wait_procs(sleeping, timeout=PATIENCE)
        assert (len(gone), alive) == (len(sleeping), [])
        assert answer(session, "[[history]]") == "first"


def sleepers(program: psutil.Process) -> list[psutil.Process]:
    """Wait until the program's command runs; return it."""
    while True:
        found = [
            each
            for each in program.children(recursive=True)
            if each.name() == "sleep" and each.status() != psutil.STATUS_ZOMBIE
        ]
        if found:
            return found


@pytest.mark.parametrize("command", [plain("sleep 1000"), escalated("sleep 1000")])
def test_a_killed_command_is_told_to_the_agent_and_to_the_session(
    fleet: Fleet, work: Path, command: str
) -> None:
    session = opened(fleet, work, permission_handler=lambda *_: allow())
    run = session.submit(command)
    said(session, "tool_use")
    (sleeping,) = sleepers(program_of(fleet, session))
    sleeping.kill()
    assert "exited with code" in run.get(timeout=PATIENCE)
    results = [one for one in session.messages() if one.type == "tool_result"]
    assert [one.is_error for one in results] == [True]
    assert answer(session, "[[say on]]") == "on"


def test_a_conversation_that_codex_has_lost_is_told_to_it_anew(
    fleet: Fleet, work: Path, home: Path
) -> None:
    session = opened(fleet, work, on_crash="retry")
    answer(session, "[[say first]]")
    program = program_of(fleet, session)
    program.kill()
    program.wait(PATIENCE)
    for name in ("sessions", "archived_sessions"):
        shutil.rmtree(home / name, ignore_errors=True)
    for index in home.glob("*.sqlite*"):
        index.unlink()
    assert answer(session, "[[history]]") == "first"
    assert "transcript" in how(session)


def test_a_thread_is_forked(fleet: Fleet, work: Path) -> None:
    session = opened(fleet, work)
    answer(session, "[[say first]]")
    origin = session.info().details["agent_session"]
    fork = opened(fleet, work, options={"fork": origin})
    assert answer(fork, "[[history]]") == "first"
    answer(fork, "[[say second]]")
    assert answer(fork, "[[history]]") == "first|second"
    assert answer(session, "[[history]]") == "first"
    assert how(fork)[0] == "forked"
    assert fork.info().details["agent_session"] != origin


def test_the_conversations_that_codex_has_kept_are_listed(
    fleet: Fleet, work: Path, home: Path
) -> None:
    session = opened(fleet, work)
    answer(session, "[[say first]]")
    (known,) = session.conversations(str(work))
    assert known["id"] == session.info().details["agent_session"]
    assert (known["title"], known["cwd"]) == ("[[say first]]", str(work))
    assert session.conversations(str(home)) == []
    run = session.submit("[[slow 2]]")
    said(session, "text")
    assert [each["id"] for each in session.conversations()] == [known["id"]]
    assert run.get(timeout=PATIENCE) == "0 1 "


def test_a_resumed_thread_still_has_the_sessions_tools(fleet: Fleet, work: Path) -> None:
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    session = opened(fleet, work, tools=[add], on_crash="retry")
    answer(session, "[[say first]]")
    program_of(fleet, session).kill()
    assert answer(session, '[[tool add {"a": 2, "b": 3}]]') == "tool said: 5"


@pytest.mark.parametrize(("decide", "told"), [(allow, "42"), (deny, "user rejected MCP tool call")])
def test_an_mcp_server_is_used_if_it_may_be(
    fleet: Fleet, work: Path, tmp_path: Path, decide: Any, told: str
) -> None:
    server = tmp_path / "calculator.py"
    server.write_text(CALCULATOR, "utf-8")
    asked: list[Any] = []

    def handler(method: str, params: Any, context: Any) -> Any:
        asked.append((method, params))
        return decide()

    calc = {"command": sys.executable, "args": [str(server)]}
    session = opened(fleet, work, mcp_servers={"calc": calc}, permission_handler=handler)
    answer(session, '[[tool mcp__calc__double {"n": 21}]]')
    assert asked == [("mcp__calc__double", {"n": 21})]
    (done,) = (one for one in session.messages() if one.type == "tool_result")
    assert (done.content, done.is_error) == (told, decide is deny)
    servers = session.info().details["system_info"]["mcp_servers"]
    assert servers == [{"name": "calc", "status": "ready"}]


def test_an_mcp_server_that_does_not_start_keeps_nobody_waiting(fleet: Fleet, work: Path) -> None:
    session = opened(fleet, work, mcp_servers={"none": {"command": "/nowhere/at/all"}})
    assert answer(session, "[[say on]]") == "on"
    servers = session.info().details["system_info"]["mcp_servers"]
    assert servers == [{"name": "none", "status": "failed"}]


def test_a_program_that_is_not_there_is_refused_before_anything_starts(
    model: FakeModel, home: Path, tmp_path: Path
) -> None:
    missing = backend(model, home, codex_bin=tmp_path / "none")
    with pytest.raises(InvalidInput, match="codex_bin"), fleet_of(missing):
        pass


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ("print('hello\\n' * 101, flush=True); sys.stdin.read()", "protocol_error"),
        ("print('[]\\n' * 101, flush=True); sys.stdin.read()", "protocol_error"),
        ("print('hello', flush=True); sys.stdin.read()", "init_timeout"),
        ("sys.exit(3)", "cli_exit"),
        ("sys.stdin.read()", "init_timeout"),
    ],
)
def test_a_program_that_is_no_codex_is_given_up(
    model: FakeModel, work: Path, tmp_path: Path, body: str, cause: str
) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!{sys.executable}\nimport sys\n{body}\n", "utf-8")
    program.chmod(0o700)
    with fleet_of(backend(model, tmp_path / "codex", codex_bin=program)) as fleet:
        given = 0.5 if cause == "init_timeout" else PATIENCE
        few = Restarts(1, per=PATIENCE)
        session = opened(fleet, work, reconnects=few, init_timeout=given, connect_timeout=given)
        with pytest.raises(RunFailed) as failed:
            session.submit("[[say hi]]").get(timeout=PATIENCE)
    assert failed.value.facts["cause"] == cause


def test_who_is_not_logged_in_pays_with_a_key(
    model: FakeModel, home: Path, tmp_path: Path, work: Path
) -> None:
    home.mkdir()
    secrets = tmp_path / "secrets"
    secrets.write_text("dummy-credential\n", "utf-8")
    secrets.chmod(0o600)
    env = {"OPENAI_BASE_URL": f"{model.url}/v1"}
    with fleet_of(codex(home=home, env=env, secret_file=secrets, model="fake")) as fleet:
        session = opened(fleet, work, on_crash="retry")
        assert answer(session, "[[say first]]") == "first"
        program_of(fleet, session).kill()
        assert answer(session, "[[history]]") == "first"
    assert model.calls[-1].headers["authorization"] == "Bearer dummy-credential"
    kept = [each for each in home.rglob("*") if each.is_file()]
    assert not [each for each in kept if b"dummy-credential" in each.read_bytes()]


def test_where_nobody_is_logged_in_that_is_said_at_once(home: Path, work: Path) -> None:
    home.mkdir()
    with fleet_of(codex(home=home)) as fleet:
        session = opened(fleet, work)
        with pytest.raises(RunFailed, match="codex login") as failed:
            session.submit("[[say hi]]").get(timeout=PATIENCE)
    assert failed.value.facts["cause"] == "auth"
