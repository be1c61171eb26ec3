"""Claude Code, the real program, against a model of our own: turns, tools, permissions, ends."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from beam import allow, deny
from beam.errors import Interrupted, RunFailed
from beam.model.messages import ResultMessage, ToolMessage
from beam.model.permissions import Allow
from beam.testing import BackendConformance
from tests.agents.claude_sessions import (
    KEY,
    PATIENCE,
    answer,
    backend,
    bash,
    begun,
    fleet,
    fleet_of,
    opened,
    tool,
    work,
)
from tests.agents.fake_model import DISTINCT, FakeModel
from tests.agents.kills import program_of
from tests.sessions.scripted import failure, wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from beam import Fleet
    from beam.backends.claude import ClaudeBackend

__all__ = ["fleet", "work"]


class TestClaude(BackendConformance):
    secrets: ClassVar = (KEY,)
    charges = DISTINCT.buckets()
    silence = 3.0

    def setup_method(self) -> None:
        self.model = FakeModel(tokens=DISTINCT)
        with contextlib.ExitStack() as begun:
            begun.enter_context(self.model)
            super().setup_method()
            self.ends = begun.pop_all()

    def teardown_method(self) -> None:
        with self.ends:
            super().teardown_method()

    def backend(self) -> ClaudeBackend:
        return backend(self.model, self.folder / "home")

    def writes(self, path: Path) -> str:
        return bash(f"touch {path}")

    def calls(self, name: str, arguments: Mapping[str, Any]) -> str:
        return tool(f"mcp__beam__{name}", **arguments)


def result(session: Any, run: Any) -> ResultMessage:
    last = session.messages(run)[-1]
    assert isinstance(last, ResultMessage)
    return last


def used(session: Any, run: Any) -> list[ToolMessage]:
    return [each for each in session.messages(run) if isinstance(each, ToolMessage)]


# Turns


def test_an_answer_is_streamed_in_pieces_and_then_whole(fleet: Fleet, work: Path) -> None:
    said = list(opened(fleet, work).stream("[[say one two three]]"))
    pieces = [each.content for each in said if each.type == "stream_event"]
    whole = [each.content for each in said if each.type == "assistant"]
    assert (said[0].type, said[0].subtype) == ("system", "init")
    assert pieces == ["one ", "two ", "three"]
    assert whole == ["one two three"]
    assert (said[-1].type, said[-1].content) == ("result", "one two three")


def test_a_second_turn_knows_the_first(fleet: Fleet, work: Path) -> None:
    session = opened(fleet, work)
    answer(session, "[[say red]]")
    assert answer(session, "[[history]]") == "red"


def test_each_turn_has_its_own_tokens_and_its_own_cost(fleet: Fleet, work: Path) -> None:
    session = opened(fleet, work)
    runs = [session.submit(f"[[say {number}]]") for number in range(2)]
    for run in runs:
        run.get(timeout=PATIENCE)
    first, second = (result(session, run) for run in runs)
    assert first.usage == second.usage
    assert first.usage == {
        "input_tokens": 10,
        "cache_read_tokens": 0,
        "cache_write_tokens": 0,
        "output_tokens": 5,
        "reasoning_tokens": 0,
    }
    assert first.total_cost_usd == pytest.approx(second.total_cost_usd)


def test_a_tool_is_used_and_its_result_is_told(fleet: Fleet, work: Path) -> None:
    session = opened(fleet, work)
    run = session.submit(bash("echo forty-two"))
    assert "forty-two" in run.get(timeout=PATIENCE)
    use, back = used(session, run)
    assert (use.type, use.tool_name, use.tool_input["command"]) == (
        "tool_use",
        "Bash",
        "echo forty-two",
    )
    assert (back.type, back.tool_use_id, back.content) == (
        "tool_result",
        use.tool_use_id,
        "forty-two",
    )


def test_a_turn_ends_when_the_model_was_asked_as_often_as_it_may(fleet: Fleet, work: Path) -> None:
    error = failure(opened(fleet, work).query(bash("true"), params={"max_turns": 1}))
    assert isinstance(error, RunFailed)
    assert error.reason == "max_turns"


# Permissions


def asked(decision: Any) -> tuple[list[Any], Any]:
    """Return a handler, and what it was asked."""
    requests: list[Any] = []

    def decide(method: str, params: Any, context: Any) -> Any:
        requests.append((method, params, context))
        if isinstance(decision, Exception):
            raise decision
        return decision

    return requests, decide


def test_what_was_allowed_runs_with_the_input_that_was_allowed(fleet: Fleet, work: Path) -> None:
    changed = {"command": "touch allowed && echo changed", "description": "for a test"}
    requests, decide = asked(allow(changed))
    session = opened(fleet, work, permission_handler=decide)
    assert "changed" in answer(session, bash("touch asked"))
    assert [(method, params["command"]) for method, params, _ in requests] == [
        ("Bash", "touch asked")
    ]
    assert [each.name for each in work.iterdir()] == ["allowed"]


def test_what_was_denied_does_not_run_and_the_model_is_told_why(fleet: Fleet, work: Path) -> None:
    _, decide = asked(deny("not on a Friday"))
    session = opened(fleet, work, permission_handler=decide)
    assert "not on a Friday" in answer(session, bash("touch asked"))
    assert list(work.iterdir()) == []


def test_a_no_that_interrupts_ends_the_turn(fleet: Fleet, work: Path) -> None:
    _, decide = asked(deny("enough", interrupt=True))
    session = opened(fleet, work, permission_handler=decide)
    assert isinstance(failure(session.query(bash("touch asked"))), RunFailed | Interrupted)
    assert answer(session, "[[say on]]") == "on"


def test_what_was_allowed_for_the_session_is_not_asked_again(fleet: Fleet, work: Path) -> None:
    requests, decide = asked(Allow(for_session=True))
    session = opened(fleet, work, permission_handler=decide)
    for _ in range(2):
        answer(session, bash("python3 -c 'print(1)'"))
    assert len(requests) == 1


# Interrupts


def test_an_interrupt_stops_the_model_and_the_session_goes_on(
    fleet: Fleet, work: Path, model: FakeModel
) -> None:
    session = opened(fleet, work)
    answer(session, "[[say red]]")
    run = session.submit("[[slow 100]]")
    begun(session, run)
    session.interrupt()
    assert isinstance(failure(run), Interrupted)
    assert answer(session, "[[history]]") == "red"
    # The model notices that nobody listens when it next speaks.
    answer(session, "[[slow 3]]")
    assert [call.outcome for call in model.calls].count("client gone") == 1


def test_an_interrupt_before_the_turn_has_begun_is_heard_as_well(fleet: Fleet, work: Path) -> None:
    session = opened(fleet, work)
    answer(session, "[[say red]]")
    program = program_of(fleet, session)
    run = session.submit("[[slow 100]]")
    wait_for(session, "run_started", count=2)
    session.interrupt()
    assert isinstance(failure(run), Interrupted)
    assert answer(session, "[[history]]") == "red"
    assert program_of(fleet, session) == program


def test_an_interrupt_while_a_permission_is_pending_takes_the_question_back(
    fleet: Fleet, work: Path
) -> None:
    late = threading.Event()
    session = opened(fleet, work, permission_handler=lambda *_: late.wait(PATIENCE) and allow())
    run = session.submit(bash("touch asked"))
    wait_for(session, "permission_requested")
    session.interrupt()
    assert isinstance(failure(run), Interrupted)
    late.set()
    assert answer(session, "[[say on]]") == "on"
    assert list(work.iterdir()) == []


# Changes


def test_the_model_is_changed_for_the_next_turn(fleet: Fleet, work: Path) -> None:
    session = opened(fleet, work)
    answer(session, "[[say red]]")
    session.set_model("claude-haiku-4-5")
    answer(session, "[[say blue]]")
    said = [each for each in session.messages() if each.type == "assistant"]
    assert [each.model for each in said] == ["claude-sonnet-4-5", "claude-haiku-4-5"]


def test_the_permission_mode_is_changed_for_the_next_turn(fleet: Fleet, work: Path) -> None:
    session = opened(fleet, work)
    answer(session, bash("touch one"))
    session.set_permission_mode("accept_edits")
    answer(session, bash("touch two"))
    assert [each.name for each in work.iterdir()] == ["two"]


def test_a_mode_that_the_program_does_not_take_fails_the_run_and_nothing_else(
    fleet: Fleet, work: Path
) -> None:
    session = opened(fleet, work)
    answer(session, "[[say red]]")
    session.set_permission_mode("bypass_permissions")
    error = failure(session.query("[[say blue]]"))
    assert isinstance(error, RunFailed)
    assert error.reason == "invalid_request"
    session.set_permission_mode("default")
    assert answer(session, "[[history]]") == "red"


def test_what_is_said_in_the_middle_of_a_turn_is_heard(fleet: Fleet, work: Path) -> None:
    session = opened(fleet, work)
    run = session.submit("[[slow 4]]")
    begun(session, run)
    session.steer("[[say steered]]")
    assert run.get(timeout=PATIENCE) == "steered"


# Tools of others


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def test_a_python_function_is_a_tool_that_runs_in_the_session(fleet: Fleet, work: Path) -> None:
    session = opened(fleet, work, tools=[add])
    run = session.submit(tool("mcp__beam__add", a=2, b=40))
    assert "42" in run.get(timeout=PATIENCE)
    use, back = used(session, run)
    assert (use.type, use.tool_name, use.tool_input) == ("tool_use", "add", {"a": 2, "b": 40})
    assert (back.type, back.tool_use_id, back.content) == ("tool_result", use.tool_use_id, "42")


SERVER = """
import json, os, sys
for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    params = asked.get("params", {})
    said = {
        "initialize": {
            "protocolVersion": params.get("protocolVersion"),
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "whisper", "version": "1"},
        },
        "tools/list": {"tools": [{"name": "secret", "inputSchema": {"type": "object"}}]},
        "tools/call": {"content": [{"type": "text", "text": os.environ["WORD"]}]},
    }.get(asked["method"], {})
    print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": said}), flush=True)
"""


def test_mcp_servers_are_handed_through_and_what_they_are_given_is_in_no_file_after(
    fleet: Fleet, work: Path, tmp_path: Path
) -> None:
    script = tmp_path / "server.py"
    script.write_text(SERVER)
    server = {"command": "python3", "args": [str(script)], "env": {"WORD": "hunter2-whisper"}}
    _, decide = asked(allow())
    session = opened(fleet, work, mcp_servers={"whisper": server}, permission_handler=decide)
    assert "hunter2-whisper" in answer(session, tool("mcp__whisper__secret"))
    assert "hunter2" not in " ".join(program_of(fleet, session).cmdline())
    assert list((tmp_path / "home" / "config" / "mcp").iterdir()) == []


# Failures


@pytest.mark.parametrize(
    ("status", "reason"),
    [(400, "invalid_request"), (401, "auth"), (429, "throttled"), (500, "overloaded"),
     (529, "overloaded")],
)  # fmt: skip
def test_a_failure_of_the_model_is_never_taken_for_an_answer(
    fleet: Fleet, work: Path, status: int, reason: str
) -> None:
    session = opened(fleet, work)
    error = failure(session.query(f"[[fail {status}]]"))
    assert isinstance(error, RunFailed)
    assert (error.reason, error.facts["exit_reason"]["status"]) == (reason, status)
    assert answer(session, "[[say on]]") == "on"


def test_what_a_failed_run_has_cost_is_in_its_last_message(fleet: Fleet, work: Path) -> None:
    session = opened(fleet, work)
    run = session.submit(bash("true"), params={"max_turns": 1})
    failure(run)
    raw = session.messages(run)[-1].raw
    assert raw is not None
    assert raw["usage"]["input_tokens"] > 0


def test_a_budget_that_is_spent_says_so(model: FakeModel, work: Path, tmp_path: Path) -> None:
    with fleet_of(backend(model, tmp_path / "home", max_budget_usd=0.0001)) as fleet:
        error = failure(opened(fleet, work).query("[[say red]]"))
    assert isinstance(error, RunFailed)
    assert error.reason == "budget"


def test_a_program_without_credentials_says_so(
    model: FakeModel, work: Path, tmp_path: Path
) -> None:
    with fleet_of(backend(model, tmp_path / "home", env={"ANTHROPIC_API_KEY": ""})) as fleet:
        error = failure(opened(fleet, work).query("[[say red]]"))
    assert isinstance(error, RunFailed)
    assert error.reason == "auth"


def test_the_credentials_are_in_the_programs_environment_and_nowhere_else(
    model: FakeModel, work: Path, tmp_path: Path
) -> None:
    store = tmp_path / "fleet.db"
    with fleet_of(backend(model, tmp_path / "home"), store) as fleet:
        session = opened(fleet, work)
        answer(session, "[[say red]]")
        assert program_of(fleet, session).environ()["ANTHROPIC_API_KEY"] == KEY
        assert KEY not in " ".join(program_of(fleet, session).cmdline())
        assert KEY not in repr(session.history()) + repr(fleet.tree())
    written = [each for each in tmp_path.glob("fleet.db*") if each.is_file()]
    assert KEY.encode() not in b"".join(each.read_bytes() for each in written)
