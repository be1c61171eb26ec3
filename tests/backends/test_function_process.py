"""`function(..., process=True)`: a callable in an OS process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from beam.backends.backend import Interrupt, PermissionAnswer, Query, ToolResult
from beam.backends.effects import (
    AgentFailed,
    Completed,
    Deliver,
    Failed,
    Ready,
    RunTool,
)
from beam.backends.function import function
from beam.backends.function_process import FunctionProcessBackend
from beam.backends.host_lines import HostTool, Turn
from beam.errors import InvalidInput
from beam.model.messages import ResultMessage
from beam.model.permissions import Allow, Deny
from beam.otp import Exit, exit
from tests.backends import process_functions as agents
from tests.backends.fake_session import HANG_S, Conversation

if TYPE_CHECKING:
    from beam.otp import Mailbox

pytestmark = pytest.mark.usefixtures("ports")

ROOT = Path(__file__).parents[2]


def converse(me: Mailbox, agent: Any, *, cwd: str = "", **options: Any) -> Conversation:
    options = {"interrupt_grace": HANG_S, "grace": 0.2, **options}
    backend = function(agent, process=True, **options)
    backend.check()
    talk = Conversation(me, backend, cwd=cwd)
    ready = talk.hear()
    assert isinstance(ready, Ready), ready
    return talk


def test_a_function_answers_again_and_again(me: Mailbox) -> None:
    talk = converse(me, agents.shout)
    assert talk.answer("one") == "ONE"
    assert talk.answer("two", "q-2") == "TWO"


def test_what_it_yields_is_streamed(me: Mailbox) -> None:
    heard = converse(me, agents.words).ask("one two")
    assert [type(each) for each in heard] == [Deliver, Deliver, Completed]
    done = heard[-1]
    assert isinstance(done, Completed)
    assert isinstance(done.message, ResultMessage)
    assert done.message.structured_output == {"words": ["one", "two"]}


def test_an_async_function_runs_on_a_loop_of_its_own(me: Mailbox) -> None:
    talk = converse(me, agents.async_shout)
    assert talk.answer("one") == "ONE"
    assert talk.answer("two", "q-2") == "TWO"


def test_a_callable_object_is_sent_with_what_it_holds(me: Mailbox) -> None:
    assert converse(me, agents.Agent("gladly")).answer("yes") == "yes, gladly"


def test_it_is_told_all_of_its_query(me: Mailbox, tmp_path: Path) -> None:
    talk = converse(me, agents.told, cwd=str(tmp_path))
    turns, tools = (Turn("user", "hi"),), (HostTool("read"),)
    said = talk.answer("go", history=turns, tools=tools, params={"a": 1}, attempt=2, timeout=9.0)
    assert json.loads(said) == {
        "history": [["user", "hi"]],
        "tools": ["read"],
        "params": {"a": 1},
        "attempt": 2,
        "session_id": "session_1",
        "has_deadline": True,
        "cwd": str(tmp_path),
    }


def test_what_it_prints_is_no_answer_and_its_stdin_is_empty(me: Mailbox) -> None:
    heard = converse(me, agents.prints).ask("go")
    assert [type(each) for each in heard] == [Completed]
    assert heard[0].message.content == "stdin has 0 characters"  # type: ignore[union-attr]


@pytest.mark.parametrize("agent", [agents.reads, agents.async_reads])
@pytest.mark.parametrize("decision", [Allow({"path": "b"}), Deny("not today")])
def test_it_uses_tools_and_asks_for_permission(me: Mailbox, agent: Any, decision: Any) -> None:
    talk = converse(me, agent)
    talk.say(Query("q-1", "a.py"))
    asked = talk.until(RunTool)[-1]
    assert (asked.tool_name, asked.tool_input) == ("read", {"path": "a.py"})
    talk.say(ToolResult("q-1", asked.tool_use_id, "its text"))
    request = talk.hear()
    talk.say(PermissionAnswer("q-1", request.request_id, decision))
    assert talk.hear().message.content == f"{decision}: its text"


def test_a_tool_that_fails_is_an_exception_there(me: Mailbox) -> None:
    talk = converse(me, agents.reads)
    talk.say(Query("q-1", "a.py"))
    asked = talk.until(RunTool)[-1]
    talk.say(ToolResult("q-1", asked.tool_use_id, "no such file", is_error=True))
    assert talk.hear().message.content == "no: no such file"


@pytest.mark.parametrize("agent", [agents.waits, agents.async_waits])
def test_it_hears_an_interrupt_where_it_waits_and_lives_on(me: Mailbox, agent: Any) -> None:
    talk = converse(me, agent)
    pid = talk.connection.ask("os_process")
    for query_id in ("q-1", "q-2"):
        talk.say(Query(query_id, "go"))
        assert talk.hear().message.content == "waiting"
        if agent is agents.waits:
            talk.until(RunTool)
        talk.say(Interrupt(query_id))
        failed = talk.hear()
        assert isinstance(failed, Failed)
        assert (failed.query_id, failed.reason) == (query_id, "interrupted")
    assert talk.connection.ask("os_process") == pid


def test_one_that_hangs_is_killed_with_all_that_it_started(me: Mailbox) -> None:
    talk = converse(me, agents.deaf, interrupt_grace=0.01)
    talk.say(Query("q-1", "go"))
    pids = json.loads(talk.hear().message.content)
    talk.say(Interrupt("q-1"))
    failed, agent_failed = talk.hear(), talk.hear()
    assert (failed.reason, agent_failed.reason) == ("interrupted", "interrupted")
    assert isinstance(talk.hear(), Exit)
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_one_that_crashes_fails_its_query_with_its_last_words(me: Mailbox) -> None:
    talk = converse(me, agents.crashes)
    talk.say(Query("q-1", "go"))
    failed, agent_failed = talk.hear(), talk.hear()
    assert isinstance(failed, Failed)
    assert failed.reason == "cli_exit"
    assert failed.message.content == "the agent program ended with status 3: about to crash"
    assert isinstance(agent_failed, AgentFailed)


def test_what_it_raises_fails_the_query_and_it_lives_on(me: Mailbox) -> None:
    talk = converse(me, agents.raises)
    (failed,) = talk.ask("fail")
    assert isinstance(failed, Failed)
    assert (failed.reason, failed.retryable) == ("backend_error", False)
    assert failed.message.content == "SystemExit: on purpose"
    assert talk.answer("still here", "q-2") == "still here"


def test_nothing_that_it_says_breaks_the_protocol(me: Mailbox) -> None:
    heard = converse(me, agents.says_all).ask("go")
    assert [type(each) for each in heard] == [Deliver, Deliver, Deliver, Failed]
    types = [each.message.type for each in heard]  # type: ignore[union-attr]
    assert types == ["raw", "tool_use", "assistant", "error"]
    assert heard[-1].reason == "overloaded"  # type: ignore[union-attr]


def test_it_ends_in_order_when_its_session_does(me: Mailbox) -> None:
    talk = converse(me, agents.waits, shutdown=HANG_S)
    pid = talk.connection.ask("os_process")
    talk.say(Query("q-1", "go"))
    talk.until(RunTool)
    talk.connection.stop(reason="shutdown", timeout=HANG_S)
    assert not psutil.pid_exists(pid)


def test_it_is_gone_when_its_connection_is_killed(me: Mailbox) -> None:
    talk = converse(me, agents.deaf)
    talk.say(Query("q-1", "go"))
    pids = json.loads(talk.hear().message.content)
    exit(talk.connection, "kill")
    processes = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    assert psutil.wait_procs(processes, timeout=HANG_S)[1] == []


def test_a_killed_worker_is_a_crash(me: Mailbox) -> None:
    talk = converse(me, agents.shout)
    os.kill(talk.connection.ask("os_process"), signal.SIGKILL)
    assert talk.hear().reason == "cli_exit"


class Unpicklable:
    def __reduce__(self) -> Any:
        raise RuntimeError("no")

    def __call__(self, prompt: str) -> str:
        return prompt


def local() -> Any:
    def closure(prompt: str) -> str:
        return prompt

    return closure


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (lambda prompt: prompt, "<lambda>"),
        (local(), "local.<locals>.closure"),
        (Unpicklable(), "Unpicklable"),
    ],
    ids=["lambda", "closure", "object"],
)
def test_what_cannot_be_pickled_is_refused_by_name(agent: Any, name: str) -> None:
    backend = function(agent, process=True)
    with pytest.raises(InvalidInput) as caught:
        backend.check()
    assert (caught.value.field, caught.value.value) == ("callable", name)


def test_what_is_not_there_any_more_is_told(me: Mailbox, tmp_path: Path) -> None:
    module = tmp_path / "fleeting_module.py"
    module.write_text("def agent(prompt):\n    return prompt\n")
    sys.path.insert(0, str(tmp_path))
    try:
        import fleeting_module  # noqa: PLC0415

        backend = function(fleeting_module.agent, process=True)
        backend.check()
        module.unlink()
        talk = Conversation(me, backend)
        failed = talk.hear()
        assert isinstance(failed, AgentFailed)
        assert failed.reason == "backend_error"
        assert "fleeting_module" in failed.message.content
    finally:
        sys.path.remove(str(tmp_path))
        del sys.modules["fleeting_module"]


SCRIPT = """
import sys, tempfile, pathlib
sys.path.insert(0, {root!r})
from beam.backends.function import function
from beam.otp import Mailbox, Node
from beam.ports.actor import Ports
from beam.ports.harbour import Harbour
from tests.backends.fake_session import Conversation

print("imported as", __name__, file=sys.stderr)

def agent(prompt):
    return prompt + " from " + agent.__module__

{guard}
    backend = function(agent, process=True)
    backend.check()
    with tempfile.TemporaryDirectory() as directory, Node(), Mailbox() as me:
        Ports.start(Harbour(pathlib.Path(directory)), name="ports")
        talk = Conversation(me, backend)
        print(talk.hear())
        print(talk.answer("hello"))
"""


@pytest.mark.parametrize(
    ("guard", "said"),
    [
        ('if __name__ == "__main__":', "hello from __mp_main__"),
        ("if True:", "a program whose start is guarded"),
    ],
)
def test_a_function_of_a_script_needs_the_guard(tmp_path: Path, guard: str, said: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(root=str(ROOT), guard=guard))
    ran = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=HANG_S, check=False
    )
    assert said in ran.stdout, ran.stderr
    assert ran.stderr.count("imported as") == 1


def test_a_function_that_is_in_no_file_is_refused() -> None:
    code = """
from beam.backends.function import function
def agent(prompt):
    return prompt
try:
    function(agent, process=True).check()
except ValueError as error:
    print(error)
"""
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=True,
    )
    assert "a function of a module that is in a file" in ran.stdout


def test_it_is_a_backend_of_its_kind() -> None:
    backend = function(agents.shout, process=True, grace=1.0)
    assert isinstance(backend, FunctionProcessBackend)
    assert (backend.kind, backend.spec.grace, backend.children("x")) == ("function", 1.0, ())
