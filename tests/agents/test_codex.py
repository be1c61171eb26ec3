"""Codex, the real program, against a model of our own: turns, tools, permissions, interrupts."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from beam import allow, deny
from beam.errors import Interrupted, RunFailed
from beam.model.messages import ResultMessage, ToolMessage
from beam.model.permissions import Allow
from tests.agents.codex_sessions import (
    PATIENCE,
    SOON,
    backend,
    escalated,
    fleet_of,
    patched,
    plain,
)
from tests.agents.fake_model import FakeModel
from tests.agents.kills import program_of
from tests.agents.late_yes import LateYes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from beam import Fleet

DOT = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9"
    "awAAAABJRU5ErkJggg=="
)
"""A picture of one point."""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def fleet(model: FakeModel, tmp_path: Path) -> Iterator[Fleet]:
    with fleet_of(backend(model, tmp_path / "codex")) as fleet:
        yield fleet


def opened(fleet: Fleet, work: Path, **options: Any) -> Any:
    return fleet.start_session(backend="codex", cwd=str(work), backoff=SOON, **options)


def answer(session: Any, prompt: str, **terms: Any) -> str:
    text: str = session.query(prompt, **terms).get(timeout=PATIENCE)
    return text


def speaking(session: Any) -> None:
    """Wait until the agent has said something in the open turn."""
    events = session.events(types=["message"], timeout=PATIENCE)
    while next(events).data["message"]["type"] != "text":
        pass


def result(session: Any, run: Any) -> ResultMessage:
    last = session.messages(run)[-1]
    assert isinstance(last, ResultMessage)
    return last


# Turns


def test_an_answer_is_streamed_and_then_whole(fleet: Fleet, work: Path) -> None:
    said = list(opened(fleet, work).stream("[[say one two three]]"))
    assert said[0].subtype == "init"
    assert [one.content for one in said if one.type == "text"] == ["one ", "two ", "three"]
    assert (said[-1].type, said[-1].content) == ("result", "one two three")


def test_a_second_turn_knows_the_first_and_has_its_own_cost(fleet: Fleet, work: Path) -> None:
    session = opened(fleet, work)
    runs = [session.query(prompt) for prompt in ("[[say first]]",)]
    assert runs[0].get(timeout=PATIENCE) == "first"
    runs.append(session.query("[[history]]"))
    assert runs[1].get(timeout=PATIENCE) == "first"
    for run in runs:
        usage = result(session, run).usage
        assert usage is not None
        assert (usage["input_tokens"], usage["output_tokens"]) == (10, 5)


def test_a_session_says_what_its_agent_is(fleet: Fleet, work: Path) -> None:
    session = opened(fleet, work)
    answer(session, "[[say hi]]")
    details = session.info().details
    assert (details["agent"], details["version"].split(".")[0]) == ("codex", "0")
    assert details["system_info"]["model"] == "fake"
    assert details["agent_session"] == details["system_info"]["thread_id"]


@pytest.mark.parametrize(
    ("status", "kind"), [(400, "invalid_request"), (401, "auth"), (500, "overloaded")]
)
def test_a_failure_of_the_model_is_never_an_answer(
    fleet: Fleet, work: Path, status: int, kind: str
) -> None:
    session = opened(fleet, work)
    with pytest.raises(RunFailed) as failed:
        answer(session, f"[[fail {status}]]")
    assert failed.value.reason == kind
    assert answer(session, "[[say on]]") == "on"


def test_the_model_is_changed_for_the_turns_to_come(
    fleet: Fleet, work: Path, model: FakeModel
) -> None:
    session = opened(fleet, work)
    answer(session, "[[say hi]]")
    session.set_model("fake-small")
    answer(session, "[[say hi]]")
    answer(session, "[[say hi]]", params={"model_id": "fake"})
    used = [call.body["model"] for call in model.calls if call.path.endswith("/responses")]
    assert used == ["fake", "fake-small", "fake"]


def test_the_agent_is_told_something_in_the_middle_of_its_turn(fleet: Fleet, work: Path) -> None:
    session = opened(fleet, work)
    run = session.query("[[slow 3]]")
    speaking(session)
    session.steer("[[say steered]]")
    assert run.get(timeout=PATIENCE) == "steered"


def test_codex_has_no_goals_that_it_would_follow_by_itself(
    fleet: Fleet, work: Path, model: FakeModel
) -> None:
    answer(opened(fleet, work), "[[say hi]]")
    offered = {tool.get("name") for tool in model.calls[-1].body["tools"]}
    assert "exec_command" in offered
    assert "create_goal" not in offered


def test_the_sessions_own_word_goes_with_its_prompts(
    fleet: Fleet, work: Path, model: FakeModel
) -> None:
    session = opened(fleet, work, system="Speak French.")
    answer(session, "[[say hi]]")
    answer(session, "[[say hi]]")
    assert json.dumps(model.calls[-1].body["input"]).count("Speak French.") == 1


def test_an_answer_is_data_if_data_is_asked_for(fleet: Fleet, work: Path) -> None:
    schema = {
        "type": "object",
        "properties": {"colour": {"type": "string"}},
        "required": ["colour"],
        "additionalProperties": False,
    }
    run = opened(fleet, work).query("Which?", params={"output_schema": schema})
    assert run.get(timeout=PATIENCE) == {"colour": "ok"}


def test_an_answer_that_was_cut_is_no_answer_and_says_so(fleet: Fleet, work: Path) -> None:
    session = opened(fleet, work, on_crash="retry")
    with pytest.raises(RunFailed) as failed:
        answer(session, "[[cut half of it]]")
    assert failed.value.reason == "truncated"
    assert answer(session, "[[say on]]") == "on"


def test_a_picture_goes_to_the_model(fleet: Fleet, work: Path, model: FakeModel) -> None:
    picture = {"type": "image", "data": DOT, "mime_type": "image/png"}
    answer(opened(fleet, work), "[[say seen]]", params={"attachments": [picture]})
    parts = model.calls[-1].body["input"][-1]["content"]
    assert [part["type"] for part in parts] == ["input_text", "input_image"]


def test_an_agent_that_codex_spawns_is_told_of_as_of_its_tool_use(fleet: Fleet, work: Path) -> None:
    session = opened(fleet, work)
    said = list(session.stream('[[tool multi_agent_v1__spawn_agent {"message": "do it"}]]'))
    (spawn,) = (one for one in said if one.type == "tool_use")
    assert isinstance(spawn, ToolMessage)
    assert spawn.tool_name == "spawnAgent"
    assert {one.parent_tool_use_id for one in said} <= {None, spawn.tool_use_id}
    assert said[-1].content.startswith("tool said: ")


# Tools


def test_a_command_of_the_agent_is_a_tool_use_and_its_result(fleet: Fleet, work: Path) -> None:
    said = list(opened(fleet, work).stream(plain("echo seen; exit 3")))
    use, done = (one for one in said if isinstance(one, ToolMessage))
    assert (use.type, use.tool_name) == ("tool_use", "exec_command")
    assert "echo seen" in use.tool_input["command"]
    assert (done.type, done.content, done.is_error) == ("tool_result", "seen\n", True)
    assert use.tool_use_id == done.tool_use_id


def test_a_function_of_the_session_is_a_tool_of_the_agent(fleet: Fleet, work: Path) -> None:
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    session = opened(fleet, work, tools=[add])
    assert answer(session, '[[tool add {"a": 2, "b": 3}]]') == "tool said: 5"
    said = [one for one in session.messages() if isinstance(one, ToolMessage)]
    assert [one.type for one in said] == ["tool_use", "tool_result"]


def test_a_tool_that_fails_is_told_to_the_agent_as_a_failure(fleet: Fleet, work: Path) -> None:
    def broken() -> str:
        """Break."""
        raise ValueError("it broke")

    assert "it broke" in answer(opened(fleet, work, tools=[broken]), "[[tool broken {}]]")


# Permissions


def decided(word: str) -> Any:
    def handler(method: str, params: Any, context: Any) -> Any:
        if word == "crash":
            raise ValueError("no idea")
        return {"allow": allow(), "deny": deny("no"), "stop": deny("no", interrupt=True)}[word]

    return handler


@pytest.mark.parametrize("action", [escalated("echo x > made"), patched("made", "x")])
@pytest.mark.parametrize("word", ["allow", "deny", "crash"])
def test_only_what_is_allowed_is_done(fleet: Fleet, work: Path, action: str, word: str) -> None:
    session = opened(fleet, work, permission_handler=decided(word))
    answer(session, action)
    assert (work / "made").exists() is (word == "allow")
    done = [one for one in session.messages() if one.type == "tool_result"]
    assert [one.is_error for one in done] == [word != "allow"]
    assert answer(session, "[[say on]]") == "on"


@pytest.mark.parametrize("action", [escalated("echo x > made"), patched("made", "x")])
def test_a_denial_may_end_the_turn(fleet: Fleet, work: Path, action: str) -> None:
    session = opened(fleet, work, permission_handler=decided("stop"))
    with pytest.raises(Interrupted):
        answer(session, action)
    assert not (work / "made").exists()
    assert answer(session, "[[say on]]") == "on"


def test_what_nobody_may_decide_is_denied(fleet: Fleet, work: Path) -> None:
    session = opened(fleet, work)
    answer(session, escalated("echo x > made"))
    assert not (work / "made").exists()


def test_what_nobody_decides_in_time_is_denied(fleet: Fleet, work: Path) -> None:
    handler = LateYes()
    session = opened(fleet, work, permission_handler=handler, permission_timeout=0.2)
    answer(session, escalated("echo x > made"))
    handler.over.set()
    assert not (work / "made").exists()


def test_the_handler_is_shown_what_is_asked(fleet: Fleet, work: Path) -> None:
    asked: list[Any] = []

    def handler(method: str, params: Any, context: Any) -> Any:
        asked.append((method, params))
        return deny()

    session = opened(fleet, work, permission_handler=handler)
    answer(session, escalated("echo x > made"))
    answer(session, patched("made", "x"))
    (command, wanted), (patch, changes) = asked
    assert (command, patch) == ("exec_command", "apply_patch")
    assert "echo x > made" in wanted["command"]
    assert changes["changes"][0]["diff"] == "x\n"


def test_what_is_allowed_for_the_session_is_asked_once(fleet: Fleet, work: Path) -> None:
    asked: list[str] = []

    def handler(method: str, params: Any, context: Any) -> Any:
        asked.append(method)
        return Allow(for_session=True)

    session = opened(fleet, work, permission_handler=handler)
    answer(session, escalated("echo x > made"))
    answer(session, escalated("echo x > made"))
    assert asked == ["exec_command"]


def test_a_permission_mode_changes_what_is_asked(fleet: Fleet, work: Path) -> None:
    session = opened(fleet, work)
    answer(session, patched("one", "x"))
    session.set_permission_mode("accept_edits")
    answer(session, patched("two", "x"))
    session.set_permission_mode("plan")
    answer(session, patched("three", "x"))
    session.set_permission_mode("default")
    answer(session, patched("four", "x"))
    assert sorted(each.name for each in work.iterdir()) == ["two"]


# Interrupts


def test_an_interrupt_stops_the_model_call_and_the_session_goes_on(
    fleet: Fleet, work: Path, model: FakeModel
) -> None:
    session = opened(fleet, work)
    run = session.query("[[slow 60]]")
    speaking(session)
    session.interrupt()
    with pytest.raises(Interrupted):
        run.get(timeout=PATIENCE)
    # The model notices when it says its next piece, half a second later.
    assert answer(session, "[[slow 2]]") == "0 1 "
    assert model.calls[0].outcome == "client gone"


def test_an_interrupt_cancels_a_pending_permission(fleet: Fleet, work: Path) -> None:
    handler = LateYes()
    session = opened(fleet, work, permission_handler=handler)
    run = session.query(escalated("echo x > made"))
    assert handler.asked.wait(PATIENCE)
    session.interrupt()
    with pytest.raises(Interrupted):
        run.get(timeout=PATIENCE)
    handler.over.set()
    assert answer(session, "[[say on]]") == "on"
    assert not (work / "made").exists()


def test_an_interrupt_at_once_is_none_too_early(fleet: Fleet, work: Path) -> None:
    session = opened(fleet, work)
    answer(session, "[[say hi]]")
    run = session.query("[[slow 60]]")
    session.interrupt()
    with pytest.raises(Interrupted):
        run.get(timeout=PATIENCE)
    assert answer(session, "[[history]]") == "hi"


# Surroundings


def test_credentials_are_in_no_command_line_log_or_event(
    model: FakeModel, tmp_path: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANOTHER_API_KEY", "not-for-codex")
    with fleet_of(backend(model, tmp_path / "codex"), tmp_path / "fleet.db") as fleet:
        session = opened(fleet, work)
        assert "[][]" in answer(session, plain("echo [$ANOTHER_API_KEY][$LOCAL_KEY]"))
        program = program_of(fleet, session)
        assert "dummy-credential" not in " ".join(program.cmdline())
        assert "ANOTHER_API_KEY" not in program.environ()
        assert "dummy-credential" not in json.dumps([str(each) for each in session.history()])
    assert b"dummy-credential" not in b"".join(
        each.read_bytes() for each in tmp_path.glob("fleet.db*") if each.is_file()
    )


def test_no_thread_and_no_process_is_left_of_a_session(fleet: Fleet, work: Path) -> None:
    session = opened(fleet, work)
    answer(session, "[[say hi]]")
    program = program_of(fleet, session)
    # The official client has a reader and a drain for each program; all ours belong to the fleet.
    assert not [each.name for each in threading.enumerate() if "_reader_loop" in each.name]
    session.stop()
    program.wait(PATIENCE)
