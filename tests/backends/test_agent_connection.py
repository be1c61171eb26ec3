"""What all real agents share: turns, questions, deadlines, memory, ends (`agent_connection`)."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from beam.backends.agent_crew import AgentCrew, crew_name
from beam.backends.backend import (
    WINDOW,
    Abandon,
    Interrupt,
    PermissionAnswer,
    Query,
    Steer,
    Took,
    ToolResult,
)
from beam.backends.effects import (
    AgentFailed,
    AskPermission,
    Completed,
    Deliver,
    Failed,
    Ready,
    RunTool,
)
from beam.backends.turn_limits import MemoryLimits, TurnLimits
from beam.errors import InvalidInput
from beam.model.permissions import Allow, Deny
from beam.otp import Exit, Future, exit
from beam.ports.spec import PortSpec
from tests.backends.agents import Plain, Wired, WireDriver
from tests.backends.fake_session import HANG_S, Conversation

if TYPE_CHECKING:
    from beam.backends.agent_backend import AgentBackend
    from beam.otp import Mailbox, Node

pytestmark = pytest.mark.usefixtures("ports")

SOON = TurnLimits(first_byte=0.2, idle=0.2, interrupt_grace=0.2)


def opened(me: Mailbox, backend: AgentBackend, **options: Any) -> Conversation:
    talk = Conversation(me, backend, **options)
    assert isinstance(talk.hear(), Ready)
    return talk


def failure(talk: Conversation, prompt: str) -> Failed:
    ended = talk.ask(prompt)[-1]
    assert isinstance(ended, Failed), ended
    return ended


def test_a_driver_without_a_program_answers_turn_after_turn(me: Mailbox) -> None:
    talk = opened(me, Plain())
    assert talk.answer("hi") == "hi"
    assert talk.answer("ho", "q-2") == "ho"


def test_a_program_is_spoken_with_over_its_port(me: Mailbox) -> None:
    talk = opened(me, Wired())
    assert talk.answer("hi") == "hi"
    assert talk.answer("ho", "q-2") == "hi|ho"


@pytest.mark.parametrize(("decision", "told"), [(Allow(), "True"), (Deny("no"), "False")])
def test_a_permission_is_asked_and_the_driver_told(
    me: Mailbox, decision: Allow | Deny, told: str
) -> None:
    talk = opened(me, Plain())
    talk.say(Query("q-1", "permission /x"))
    (asked,) = talk.until(AskPermission)
    assert (asked.tool_name, asked.tool_input, asked.options) == (
        "write", {"path": "/x"}, {"why": "test"},
    )  # fmt: skip
    talk.say(PermissionAnswer("q-1", asked.request_id, decision))
    assert talk.hear().message.content == told


def test_an_interrupt_cancels_a_pending_permission(me: Mailbox) -> None:
    talk = opened(me, Plain())
    talk.say(Query("q-1", "permission /x"))
    talk.until(AskPermission)
    talk.say(Interrupt("q-1"))
    ended = talk.hear()
    assert isinstance(ended, Failed)
    assert ended.reason == "interrupted"
    assert talk.answer("and on", "q-2") == "and on"


def test_a_tool_of_the_session_is_delivered_run_and_answered(me: Mailbox) -> None:
    talk = opened(me, Plain())
    talk.say(Query("q-1", "tool add"))
    said, asked = talk.until(RunTool)
    assert isinstance(said, Deliver)
    assert (said.message.type, asked.tool_name, asked.tool_input) == (
        "tool_use", "add", {"a": 2, "b": 3},
    )  # fmt: skip
    talk.say(ToolResult("q-1", "t-1", "5"))
    assert talk.hear().message.content == "5 False"


def test_an_interrupt_ends_a_turn_and_the_next_one_works(me: Mailbox) -> None:
    talk = opened(me, Plain())
    talk.say(Query("q-1", "wait"), Interrupt("q-1"))
    ended = talk.hear()
    assert (ended.reason, ended.exit.kind) == ("interrupted", "interrupted")
    assert talk.answer("hi", "q-2") == "hi"


def test_a_driver_that_does_not_obey_is_cancelled_when_its_time_is_over(me: Mailbox) -> None:
    talk = opened(me, Plain(turn=SOON))
    talk.say(Query("q-1", "deaf"), Interrupt("q-1"))
    assert talk.hear().reason == "interrupted"
    assert talk.answer("hi", "q-2") == "hi"


def test_of_an_abandoned_turn_nothing_more_is_heard_and_the_next_query_waits(me: Mailbox) -> None:
    talk = opened(me, Plain())
    talk.say(Query("q-1", "wait"), Abandon("q-1"), Query("q-2", "next"))
    assert talk.hear().query_id == "q-2"


def test_a_second_query_is_refused_while_one_is_open(me: Mailbox) -> None:
    talk = opened(me, Plain())
    talk.say(Query("q-1", "wait"), Query("q-2", "too early"))
    refused = talk.hear()
    assert (refused.query_id, refused.reason) == ("q-2", "query_in_progress")
    talk.say(Interrupt("q-1"))
    assert talk.hear().query_id == "q-1"


def test_a_turn_can_be_steered(me: Mailbox) -> None:
    talk = opened(me, Plain())
    taken: Future[bool] = Future()
    talk.say(Query("q-1", "wait"), Steer("q-1", "left", taken))
    assert taken.get(timeout=10)
    assert talk.hear().message.content == "steered: left"
    assert talk.hear().message.content == "left"


def test_steering_what_is_not_open_says_no(me: Mailbox) -> None:
    talk = opened(me, Plain())
    taken: Future[bool] = Future()
    talk.say(Steer("q-9", "left", taken))
    assert taken.get(timeout=10) is False


def test_silence_before_the_first_byte_is_a_stall(me: Mailbox) -> None:
    talk = opened(me, Plain(turn=SOON))
    ended = failure(talk, "deaf")
    assert (ended.reason, ended.retryable) == ("stalled", True)
    assert ended.exit is not None
    assert ended.exit.detail.startswith("first_byte")


@pytest.mark.parametrize("first_byte", [60.0, None])
def test_an_agent_that_falls_silent_is_stalled_however_long_its_first_word_may_take(
    me: Mailbox, first_byte: float | None
) -> None:
    talk = opened(me, Plain(turn=TurnLimits(first_byte=first_byte, idle=0.1, interrupt_grace=0.2)))
    ended = failure(talk, "trails off")
    assert ended.reason == "stalled"
    assert ended.exit is not None
    assert ended.exit.detail.startswith("idle")


def test_a_permission_that_is_waited_for_is_no_silence(me: Mailbox, node: Node) -> None:
    talk = opened(me, Plain(turn=TurnLimits(first_byte=0.05, idle=0.05, interrupt_grace=0.2)))
    talk.say(Query("q-1", "permission /x"))
    (asked,) = talk.until(AskPermission)
    node.send_after(0.3, me.ref, "later")
    assert talk.hear() == "later"
    talk.say(PermissionAnswer("q-1", asked.request_id, Allow()))
    assert talk.hear().message.content == "True"


def test_a_program_that_hangs_is_ended_and_the_turn_is_stalled(me: Mailbox) -> None:
    talk = opened(me, Wired(turn=SOON))
    talk.say(Query("q-1", "hang"))
    heard = talk.until(Exit)
    assert [type(one) for one in heard] == [Failed, AgentFailed, Exit]
    assert heard[0].reason == heard[1].reason == "stalled"


def test_a_program_that_is_being_ended_is_asked_nothing_more(me: Mailbox) -> None:
    talk = opened(me, Wired(turn=SOON, grace=2.0))
    talk.say(Query("q-1", "late"))
    talk.until(Completed)
    talk.say(Query("q-2", "hi"))
    unasked, failed, _ = talk.until(Exit)
    assert (unasked.query_id, unasked.unasked) == ("q-2", True)
    assert failed.reason == "stalled"


def test_a_program_that_can_say_nothing_more_is_ended(me: Mailbox) -> None:
    talk = opened(me, Wired())
    talk.say(Query("q-1", "mute"))
    heard = talk.until(Exit)
    assert [type(one) for one in heard] == [Failed, AgentFailed, Exit]
    assert heard[0].message.content.endswith("it closed its stdout, and went on")


def test_a_program_that_dies_is_told_with_its_status(me: Mailbox) -> None:
    talk = opened(me, Wired())
    talk.say(Query("q-1", "die 3"))
    ended, failed, end = talk.until(Exit)
    assert (ended.reason, ended.exit.kind, ended.exit.status) == ("cli_exit", "crashed", 3)
    assert failed.exit == ended.exit
    assert end.reason == ("shutdown", ("cli_exit", 3))


def test_what_a_dying_program_says_shows_no_secret_of_its_environment(me: Mailbox) -> None:
    program = "import os, sys; sys.stdin.readline(); sys.exit('I had ' + os.environ['A_KEY_TOKEN'])"

    class Telltale(Wired):
        def program(self, opening: Any) -> PortSpec:
            secret = {"A_KEY_TOKEN": "hunter2-hunter2"}
            return PortSpec.of([sys.executable, "-c", program], stdin="pipe", extra=secret)

    talk = opened(me, Telltale())
    talk.say(Query("q-1", "die"))
    ended, *_ = talk.until(Exit)
    assert "I had" in ended.message.content
    assert "hunter2" not in repr(ended)


def test_a_killed_program_leaves_no_child(me: Mailbox) -> None:
    talk = opened(me, Wired())
    assert talk.answer("child") == "child"
    pid = talk.connection.ask("os_process")
    children = psutil.Process(pid).children()
    assert len(children) == 1
    os.kill(pid, signal.SIGKILL)
    failed, end = talk.until(Exit)
    assert failed.exit.status == -9
    assert end.reason == ("shutdown", ("cli_exit", -9))
    assert not children[0].is_running()


def test_a_killed_connection_takes_its_program_and_its_driver_along(me: Mailbox) -> None:
    talk = opened(me, Wired())
    talk.say(Query("q-1", "hang"))
    program = psutil.Process(talk.connection.ask("os_process"))
    exit(talk.connection, "kill")
    assert isinstance(talk.hear(), Exit)
    program.wait(timeout=10)


def test_a_driver_that_raises_is_a_protocol_error(me: Mailbox) -> None:
    talk = opened(me, Plain())
    talk.say(Query("q-1", "raise oh"))
    ended, failed, end = talk.until(Exit)
    assert (ended.reason, ended.exit.kind) == ("protocol_error", "protocol")
    assert "ValueError: oh" in failed.message.content
    assert end.reason == ("shutdown", ("protocol_error", None))


def test_an_agent_that_refuses_to_work_is_told_with_its_reason(me: Mailbox) -> None:
    class Refusing(Plain):
        def driver(self, talk: Any, wire: Any) -> Any:
            object.__setattr__(talk.opening, "options", {"refuse": True})
            return super().driver(talk, wire)

    talk = Conversation(me, Refusing())
    failed, end = talk.until(Exit)
    assert (failed.reason, failed.exit.kind) == ("auth", "auth")
    assert end.reason == ("shutdown", ("auth", None))


@pytest.mark.parametrize("where", ["program", "driver"])
def test_what_an_agent_cannot_be_asked_for_is_told_as_that(me: Mailbox, where: str) -> None:
    class Choosy(Wired):
        def refuse(self, *given: Any) -> Any:
            raise InvalidInput("mcp_servers['calc'].type", "sse", "'http', or a command")

    setattr(Choosy, where, Choosy.refuse)
    failed, end = Conversation(me, Choosy()).until(Exit)
    assert isinstance(failed, AgentFailed)
    assert failed.exit is not None
    assert (failed.reason, failed.retryable, failed.exit.kind) == (
        "invalid_request",
        False,
        "invalid_request",
    )
    assert "mcp_servers['calc'].type" in failed.message.content
    assert end.reason[1][0] == "invalid_request"


def test_a_program_that_cannot_be_started_is_told(me: Mailbox) -> None:
    class Missing(Wired):
        def program(self, opening: Any) -> Any:
            return PortSpec.of("no-such-program-anywhere", stdin="pipe")

    failed, end = Conversation(me, Missing()).until(Exit)
    assert (failed.reason, failed.exit.kind) == ("spawn_failed", "not_started")
    assert end.reason[1][0] == "spawn_failed"


def test_a_program_over_its_hard_limit_is_ended(me: Mailbox) -> None:
    limit = MemoryLimits(hard=150 * 1024 * 1024, every=0.05)
    talk = opened(me, Wired(memory=limit))
    talk.say(Query("q-1", "eat 300"))
    heard = talk.until(Exit)
    assert [one.reason for one in heard if isinstance(one, AgentFailed)] == ["memory"]


def test_a_program_over_its_soft_limit_is_recycled_after_its_turn(me: Mailbox) -> None:
    limit = MemoryLimits(soft=50 * 1024 * 1024, every=0.05)
    talk = opened(me, Wired(memory=limit))
    assert talk.answer("eat 100").startswith("eat")
    end = talk.until(Exit)[-1]
    assert end.reason[0] == "shutdown"
    assert end.reason[1][0] == "recycled"


def test_a_slow_session_holds_its_agent_back(me: Mailbox, node: Node) -> None:
    talk = opened(me, Plain(), takes=False)
    talk.say(Query("q-1", "many 1000"))
    # The first message is passed on before any other is made.
    for most in (1, WINDOW):
        heard = [talk.hear() for _ in range(most)]
        assert all(isinstance(one, Deliver) for one in heard)
        node.send_after(0.2, me.ref, "later")
        assert talk.hear() == "later"
        talk.say(Took(most))
    while not isinstance(talk.hear(), Completed):
        talk.say(Took(1))


def test_an_agent_whose_first_message_nobody_takes_can_still_be_interrupted(me: Mailbox) -> None:
    talk = opened(me, Wired(), takes=False)
    talk.say(Query("q-1", "pieces 3"))
    assert isinstance(talk.hear(), Deliver)
    talk.say(Abandon("q-1"))
    talk.say(Query("q-2", "hello"))
    assert isinstance(talk.hear(), Deliver)
    talk.say(Took(1))
    completed = talk.hear()
    assert isinstance(completed, Completed)
    assert completed.query_id == "q-2"


def test_a_clients_own_reader_reads_the_end_when_its_connection_is_killed(me: Mailbox) -> None:
    ended = threading.Event()

    class OwnReader(WireDriver):
        async def open(self) -> Any:
            self.reader = asyncio.create_task(self.read())
            return await super().open()

        async def read(self) -> None:
            while await self.wire.readline():
                pass
            ended.set()

    class Reading(Wired):
        def driver(self, talk: Any, wire: Any) -> OwnReader:
            return OwnReader(talk, wire)

    AgentCrew.start(name=crew_name("backend"))
    talk = opened(me, Reading())
    exit(talk.connection, "kill")
    assert ended.wait(HANG_S)
