"""`command`: a session's connection to an agent program, with real programs."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from beam.backends.backend import (
    WINDOW,
    Abandon,
    Interrupt,
    PermissionAnswer,
    Query,
    Took,
    ToolResult,
)
from beam.backends.command import CommandBackend, command
from beam.backends.effects import (
    AgentFailed,
    AskPermission,
    Completed,
    Deliver,
    Failed,
    ProtocolViolation,
    Ready,
    RunTool,
)
from beam.backends.host_lines import HostTool, Turn
from beam.errors import InvalidInput
from beam.model.messages import ErrorMessage
from beam.model.permissions import Allow, Deny
from beam.otp import Exit, exit
from tests.backends.fake_session import HANG_S, Conversation
from tests.snippets import blocks

if TYPE_CHECKING:
    from beam.otp import Mailbox, Ref

OBEDIENT = Path(__file__).with_name("programs") / "obedient.py"
DOCUMENT = Path(__file__).parents[2] / "docs" / "command-agents.md"

pytestmark = pytest.mark.usefixtures("ports")


def obedient(*capabilities: str, **options: Any) -> CommandBackend:
    options = {"interrupt_grace": HANG_S, "shutdown": 5.0, "grace": 0.2, **options}
    return command([sys.executable, "-I", "-S", str(OBEDIENT), *capabilities], **options)


@pytest.fixture
def talk(me: Mailbox) -> Conversation:
    talk = Conversation(me, obedient("interrupt"))
    assert talk.hear() == Ready("obedient", "1", ("interrupt",))
    return talk


def gone(*pids: int) -> bool:
    """Wait until these processes have ended."""
    processes = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    return psutil.wait_procs(processes, timeout=HANG_S)[1] == []


def ended(talk: Conversation) -> Any:
    """Return the reason with which the connection ends."""
    last = talk.hear()
    assert isinstance(last, Exit), last
    assert last.process is talk.connection
    return last.reason


# Queries


def test_a_query_streams_and_is_answered(talk: Conversation) -> None:
    effects = talk.ask("echo hello")
    assert [type(effect) for effect in effects] == [Deliver, Completed]
    assert [effect.message.content for effect in effects] == ["hello", "hello"]  # type: ignore[union-attr]
    assert all(effect.message.timestamp > 0 for effect in effects)  # type: ignore[union-attr]


def test_an_agent_is_told_all_of_its_query(talk: Conversation) -> None:
    query = {
        "history": (Turn("user", "hi"), Turn("assistant", "ho")),
        "tools": (HostTool("read"),),
        "params": {"model": "m"},
        "attempt": 2,
        "timeout": 9.0,
    }
    said = json.loads(talk.answer("query", "q-7", **query))
    assert said["id"] == "q-7"
    assert said["history"] == [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "ho"},
    ]
    assert [tool["name"] for tool in said["tools"]] == ["read"]
    assert (said["params"], said["attempt"], said["timeout"]) == ({"model": "m"}, 2, 9.0)


def test_a_query_that_comes_before_the_agent_is_ready_waits_for_it(me: Mailbox) -> None:
    talk = Conversation(me, obedient())
    talk.say(Query("q-1", "echo early"))
    heard = talk.until(Completed)
    assert [type(each) for each in heard] == [Ready, Deliver, Completed]


def test_a_second_query_is_refused_while_one_is_open(talk: Conversation) -> None:
    talk.say(Query("q-1", "wait"))
    talk.hear()
    (refused,) = talk.ask("echo no", "q-2")
    assert isinstance(refused, Failed)
    assert (refused.query_id, refused.reason) == ("q-2", "query_in_progress")


def test_a_query_that_cannot_be_sent_fails_and_the_agent_lives(talk: Conversation) -> None:
    (failed,) = talk.ask("echo", params={"file": Path()})
    assert isinstance(failed, Failed)
    assert (failed.reason, failed.retryable) == ("invalid_input", False)
    assert talk.answer("echo still here", "q-2") == "still here"


def test_an_agent_that_has_no_answer_says_why(talk: Conversation) -> None:
    failed = talk.ask("fail overloaded")[-1]
    assert isinstance(failed, Failed)
    assert (failed.reason, failed.message.content, failed.retryable) == (
        *("overloaded", "as told"),
        True,
    )


def test_the_complete_agent_of_the_document_works(me: Mailbox, tmp_path: Path) -> None:
    script = tmp_path / "agent.py"
    (code,) = (block for block in blocks(DOCUMENT.read_text("utf-8")) if block.runs)
    script.write_text("\n".join(code.lines), "utf-8")
    talk = Conversation(me, command([sys.executable, str(script)]))
    assert isinstance(talk.hear(), Ready)
    talk.say(Query("q-1", "count notes.txt"))
    request = talk.until(AskPermission)[-1]
    talk.say(PermissionAnswer("q-1", request.request_id, Allow()))
    call = talk.until(RunTool)[-1]
    talk.say(ToolResult("q-1", call.tool_use_id, "three small words"))
    assert talk.until(Completed)[-1].message.content == "3"


# Tools and permission


def test_a_tool_is_asked_for_and_its_result_told(talk: Conversation) -> None:
    talk.say(Query("q-1", 'tool read {"path": "a"}'))
    told, asked = talk.until(RunTool)
    assert isinstance(told, Deliver)
    assert asked == RunTool("q-1", "t1", "read", {"path": "a"})
    talk.say(ToolResult("q-1", "t1", "no such file", is_error=True))
    answer = json.loads(talk.hear().message.content)
    assert (answer["content"], answer["is_error"]) == ("no such file", True)


@pytest.mark.parametrize(
    ("decision", "told"),
    [
        (Allow(), {"decision": "allow"}),
        (Allow({"path": "b"}), {"decision": "allow", "params": {"path": "b"}}),
        (Deny("not on a Friday"), {"decision": "deny", "reason": "not on a Friday"}),
        (Allow({"path": Path()}), {"decision": "deny"}),  # It cannot be said, so it is a no.
    ],
)
def test_a_decision_is_told(talk: Conversation, decision: Any, told: dict[str, Any]) -> None:
    talk.say(Query("q-1", 'leave write {"path": "a"}'))
    assert talk.hear() == AskPermission("q-1", "p1", "write", {"path": "a"}, {})
    talk.say(PermissionAnswer("q-1", "p1", decision))
    answer = json.loads(talk.hear().message.content)
    assert told.items() <= answer.items()


def test_answers_that_nobody_asked_for_are_dropped(talk: Conversation) -> None:
    talk.say(Query("q-1", "wait"))
    talk.hear()
    talk.say(ToolResult("q-1", "t9", "?"), PermissionAnswer("q-1", "p9", Allow()))
    talk.say(ToolResult("q-0", "t9", "?"))
    assert talk.connection.ask("counts") == {"unasked": 2}


# Interrupts


def test_an_agent_that_can_be_interrupted_lives_on(talk: Conversation) -> None:
    talk.say(Query("q-1", "wait"))
    talk.hear()
    talk.say(Interrupt("q-1"), Interrupt("q-1"))
    failed = talk.hear()
    assert isinstance(failed, Failed)
    assert (failed.query_id, failed.reason, failed.retryable) == ("q-1", "interrupted", False)
    assert talk.answer("echo next", "q-2") == "next"


@pytest.mark.parametrize("can", ["interrupt", "nothing"])
def test_one_that_does_not_obey_is_ended_with_its_connection(me: Mailbox, can: str) -> None:
    talk = Conversation(me, obedient(can, interrupt_grace=0.01))
    talk.say(Query("q-1", "deaf"))
    talk.until(Deliver)
    talk.say(Interrupt("q-1"))
    failed, agent_failed = talk.hear(), talk.hear()
    assert isinstance(failed, Failed)
    assert (failed.query_id, failed.reason) == ("q-1", "interrupted")
    assert isinstance(agent_failed, AgentFailed)
    assert (agent_failed.reason, agent_failed.retryable) == ("interrupted", True)
    assert ended(talk) == ("shutdown", ("interrupted", -signal.SIGTERM))


def test_an_interrupt_of_a_query_that_is_over_means_nothing(talk: Conversation) -> None:
    talk.ask("echo one")
    talk.say(Interrupt("q-1"), Abandon("q-1"))
    assert talk.answer("echo two", "q-2") == "two"


def test_a_query_may_be_interrupted_before_the_agent_is_ready(me: Mailbox) -> None:
    talk = Conversation(me, obedient())
    talk.say(Query("q-1", "echo early"), Interrupt("q-1"))
    failed = talk.until(Failed)[-1]
    assert (failed.query_id, failed.reason) == ("q-1", "interrupted")


def test_of_an_abandoned_query_nothing_more_is_heard_and_the_next_one_waits(
    talk: Conversation,
) -> None:
    talk.say(Query("q-1", "wait"))
    talk.hear()
    talk.say(Abandon("q-1"), Query("q-2", "echo next"))
    heard = talk.until(Completed, Failed)
    assert {each.query_id for each in heard} == {"q-2"}
    assert heard[-1].message.content == "next"


def test_an_interrupt_and_then_an_abandon_are_one_wish(talk: Conversation) -> None:
    talk.say(Query("q-1", "wait"))
    talk.hear()
    talk.say(Interrupt("q-1"), Abandon("q-1"))
    assert talk.answer("echo next", "q-2") == "next"


def test_an_abandoned_query_that_does_not_end_ends_the_agent(me: Mailbox) -> None:
    talk = Conversation(me, obedient("interrupt", interrupt_grace=0.01))
    talk.say(Query("q-1", "deaf"))
    talk.until(Deliver)
    talk.say(Abandon("q-1"), Query("q-2", "echo never"))
    failed, agent_failed = talk.hear(), talk.hear()
    assert (failed.query_id, failed.reason, failed.retryable) == ("q-2", "interrupted", True)
    assert agent_failed.reason == "interrupted"
    assert ended(talk)[1][0] == "interrupted"


# The end of the program


def test_a_crash_fails_the_query_with_status_and_last_words(talk: Conversation) -> None:
    talk.say(Query("q-1", "exit 3 no API key here"))
    failed, agent_failed = talk.hear(), talk.hear()
    assert isinstance(failed, Failed)
    assert (failed.query_id, failed.reason, failed.retryable) == ("q-1", "cli_exit", True)
    assert isinstance(failed.message, ErrorMessage)
    assert failed.message.content == "the agent program ended with status 3: no API key here"
    assert failed.message.raw == {"status": 3, "stderr": "no API key here\n"}
    assert isinstance(agent_failed, AgentFailed)
    assert (agent_failed.reason, agent_failed.retryable) == ("cli_exit", True)
    assert ended(talk) == ("shutdown", ("cli_exit", 3))


def test_secrets_in_its_last_words_are_hidden(me: Mailbox) -> None:
    talk = Conversation(me, obedient(extra={"ACME_API_KEY": "hunter2hunter2"}))
    failed = talk.until(Ready) and talk.ask("exit 1 cannot log in with hunter2hunter2")[-1]
    assert "hunter2" not in repr(failed)
    assert "cannot log in with redacted" in repr(failed)


def test_its_keys_are_hidden_in_its_failures(me: Mailbox) -> None:
    backend = obedient()
    spec = replace(backend.spec, extra=(("OTHERS_API_KEY_PROD", "hunter2-hunter2"),))
    failed = Conversation(me, replace(backend, spec=spec)).ask("betray OTHERS_API_KEY_PROD")[-1]
    assert isinstance(failed, Failed)
    assert failed.message.content == "not redacted"


def test_a_program_that_is_killed_is_a_crash(talk: Conversation) -> None:
    os.kill(talk.connection.ask("os_process"), signal.SIGKILL)
    assert talk.hear().reason == "cli_exit"
    assert ended(talk) == ("shutdown", ("cli_exit", -signal.SIGKILL))


def test_an_agent_that_cannot_work_says_so(talk: Conversation) -> None:
    failed, agent_failed = talk.ask("broken no_licence")[-1], talk.hear()
    assert isinstance(failed, Failed)
    assert failed.reason == agent_failed.reason == "no_licence"
    reason = ended(talk)
    assert (reason[0], reason[1][0]) == ("shutdown", "no_licence")


def test_one_that_closes_its_stdin_is_of_no_use(talk: Conversation) -> None:
    assert talk.answer("close") == "closed"
    failed = talk.ask("echo into the void", "q-2")[-1]
    assert isinstance(failed, Failed)
    assert failed.reason == "cli_exit"


def test_one_that_can_say_nothing_more_is_of_no_use(talk: Conversation) -> None:
    failed = talk.ask("mute")[-1]
    assert isinstance(failed, Failed)
    assert failed.reason == "cli_exit"
    assert failed.message.content.endswith("it closed its stdout, and went on")


def test_one_that_reads_nothing_is_of_no_use_when_its_stdin_is_full(me: Mailbox) -> None:
    backend = obedient()
    backend = replace(backend, spec=replace(backend.spec, stdin_limit=200_000))
    talk = Conversation(me, backend)
    talk.say(Query("q-1", "hoard 4"))
    for call in [talk.until(RunTool)[-1] for _ in range(4)]:
        talk.say(ToolResult("q-1", call.tool_use_id, "x" * 100_000))
    assert talk.hear().reason == "cli_exit"


def test_what_breaks_the_protocol_ends_the_program(talk: Conversation) -> None:
    heard = talk.ask('type {"type": "result", "query_id": "q-1"}')
    heard.append(talk.hear())
    assert [type(each) for each in heard] == [ProtocolViolation, Failed, AgentFailed]
    assert [each.reason for each in heard] == ["bad_field", "protocol_error", "protocol_error"]  # type: ignore[union-attr]
    assert ended(talk)[1][0] == "protocol_error"


def test_noise_is_told_and_dropped(talk: Conversation) -> None:
    violation, done = talk.ask("type Loading the model, password=hunter2")
    assert isinstance(violation, ProtocolViolation)
    assert (violation.reason, violation.fatal) == ("not_json", False)
    assert violation.excerpt == "Loading the model, password=redacted"
    assert isinstance(done, Completed)


def test_a_message_that_is_too_long_is_lost_and_an_answer_is_fatal(me: Mailbox) -> None:
    talk = Conversation(me, obedient(line_limit=1000))
    assert isinstance(talk.hear(), Ready)
    lost, done = talk.ask("long text 2000")
    assert isinstance(lost, ProtocolViolation)
    assert (lost.reason, lost.fatal) == ("line_too_long", False)
    assert isinstance(done, Completed)
    assert [type(each) for each in talk.ask("long result 2000", "q-2")] == [
        *(ProtocolViolation, Failed)
    ]


@pytest.mark.parametrize(
    ("backend", "word"),
    [
        (command("no-such-program-anywhere"), "ENOENT"),
        (command("/etc/passwd"), "EACCES"),
        (command("true", cwd="no/such/folder"), "invalid_input"),
    ],
)
def test_a_program_that_does_not_start_is_told_with_the_reason(
    me: Mailbox, backend: CommandBackend, word: str
) -> None:
    talk = Conversation(me, backend)
    talk.say(Query("q-1", "echo"))
    heard = talk.until(AgentFailed)
    assert all(each.reason == "spawn_failed" and not each.retryable for each in heard)
    assert ended(talk) == ("shutdown", ("spawn_failed", word))


# How fast


def test_an_agent_is_no_more_than_the_window_ahead_of_its_session(me: Mailbox) -> None:
    talk = Conversation(me, obedient(), takes=False)
    total = 20 * WINDOW
    talk.say(Query("q-1", f"stream {total}"))
    heard = [talk.hear() for _ in range(WINDOW - 3)]
    while not isinstance(heard[-1], Completed):
        assert len(talk.me.messages()) <= 3
        talk.say(Took(100))
        heard += [talk.hear() for _ in range(min(100, total + 2 - len(heard)))]
    numbers = [each.message.content for each in heard if isinstance(each, Deliver)]
    assert numbers == [str(number) for number in range(total)]


# The end of the connection


def test_a_session_that_ends_in_order_lets_the_agent_finish_up(me: Mailbox, tmp_path: Path) -> None:
    bye = tmp_path / "bye"
    talk = Conversation(me, obedient(extra={"BYE": str(bye)}))
    assert isinstance(talk.hear(), Ready)
    pid = talk.connection.ask("os_process")
    talk.connection.stop(reason="shutdown", timeout=HANG_S)
    assert not psutil.pid_exists(pid)
    assert bye.read_text() == "bye"


def test_a_busy_agent_is_interrupted_before_that(me: Mailbox, tmp_path: Path) -> None:
    bye = tmp_path / "bye"
    talk = Conversation(me, obedient("interrupt", extra={"BYE": str(bye)}, shutdown=HANG_S))
    talk.say(Query("q-1", "wait"))
    talk.until(Deliver)
    talk.connection.stop(reason="shutdown", timeout=HANG_S)
    assert bye.read_text() == "bye"


def test_one_that_does_not_finish_up_is_gone_all_the_same(me: Mailbox) -> None:
    talk = Conversation(me, obedient(shutdown=0.01))
    talk.say(Query("q-1", "deaf"))
    talk.until(Deliver)
    pid = talk.connection.ask("os_process")
    talk.connection.stop(reason="shutdown", timeout=HANG_S)
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize("reason", ["normal", "shutdown", "boom", "kill"])
@pytest.mark.parametrize("whose", ["session", "connection"])
def test_whoever_dies_and_however_no_process_is_left(me: Mailbox, whose: str, reason: str) -> None:
    talk = Conversation(me, obedient(shutdown=0.01))
    assert isinstance(talk.hear(), Ready)
    pids = json.loads(talk.answer("family"))
    victim: Ref[Any] = getattr(talk, whose)
    if reason == "kill":
        exit(victim, reason)
    else:
        victim.stop(reason=reason, timeout=HANG_S)
    assert gone(*pids)


def test_a_connection_that_ends_while_its_program_starts_leaves_nothing(me: Mailbox) -> None:
    talk = Conversation(me, obedient())
    talk.connection.stop(timeout=HANG_S)
    assert psutil.Process().children(recursive=True) == []


def test_the_process_is_there_to_be_looked_at_until_it_has_ended(talk: Conversation) -> None:
    pid = talk.connection.ask("os_process")
    assert psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    assert os.getpgid(pid) == pid


# Options


def test_the_session_s_folder_goes_before_the_command_s(me: Mailbox, tmp_path: Path) -> None:
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    mine.mkdir()
    theirs.mkdir()
    for cwd, expected in (("", mine), (str(theirs), theirs)):
        talk = Conversation(me, obedient(cwd=mine, extra={"MOOD": "good"}), cwd=cwd)
        assert isinstance(talk.hear(), Ready)
        said = json.loads(talk.answer("place"))
        assert said["cwd"] == str(expected)
        assert said["env"]["MOOD"] == "good"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("interrupt_grace", -1),
        ("shutdown", "soon"),
        ("grace", float("inf")),
        ("line_limit", 2**30),
        ("stderr_tail", 0),
        ("cwd", ""),
    ],
)
def test_an_option_that_is_wrong_is_refused_by_name(option: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        command("true", **{option: value})
    assert caught.value.field in {option, "stderr_bytes"}


@pytest.mark.parametrize(
    ("line", "options", "field"),
    [
        ("no-such-program --fast", {}, "command"),
        ("true", {"env": {"PATH": "/nowhere"}}, "command"),
        ("./agent", {"cwd": "/"}, "command"),
        ("/etc/passwd", {}, "command"),
        ("true", {"cwd": "/no/such/folder"}, "cwd"),
    ],
)
def test_what_is_not_there_is_refused_before_anything_starts(
    line: str, options: dict[str, Any], field: str
) -> None:
    backend = command(line, **options)
    with pytest.raises(InvalidInput) as caught:
        backend.check()
    assert caught.value.field == field


def test_a_relative_program_is_found_from_the_command_s_folder(tmp_path: Path) -> None:
    program = tmp_path / "agent"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    backend = command("./agent --fast", cwd=tmp_path)
    backend.check()
    assert backend.spec.argv == (str(program), "--fast")
