"""The command protocol (docs/command-agents.md): its order, its answers, its ends, its bounds."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from beam.backends import agent_lines, open_query
from beam.backends.command_protocol import MAX_NOISE, CommandProtocol
from beam.backends.effects import (
    AgentFailed,
    AskPermission,
    Completed,
    Deliver,
    Effect,
    Failed,
    Ignored,
    ProtocolViolation,
    Ready,
    RunTool,
)
from beam.backends.host_lines import HostTool, Turn
from beam.errors import InvalidInput, NotSupported, QueryInProgress, SessionRefused
from beam.model.messages import ErrorMessage, ResultMessage, ToolMessage
from tests.backends.garbage import json_lines

NOW = 1_760_000_000_000


def line(kind: str, /, **fields: object) -> bytes:
    return json.dumps({"type": kind, **fields}).encode() + b"\n"


def receive(protocol: CommandProtocol, kind: str, /, **fields: object) -> tuple[Effect, ...]:
    return protocol.receive(line(kind, **fields), timestamp=NOW)


def in_query(protocol: CommandProtocol, kind: str, /, **fields: object) -> tuple[Effect, ...]:
    return receive(protocol, kind, query_id="q-1", **fields)


def greeted(*capabilities: str) -> CommandProtocol:
    protocol = CommandProtocol()
    protocol.hello("session_1", cwd="/srv")
    receive(protocol, "ready", protocol=1, name="echo", capabilities=list(capabilities))
    return protocol


def busy(*capabilities: str) -> CommandProtocol:
    protocol = greeted(*capabilities)
    protocol.query("q-1", "Hi")
    return protocol


def call_tool(protocol: CommandProtocol, tool_use_id: str = "t1") -> tuple[Effect, ...]:
    return in_query(
        protocol,
        "tool_use",
        tool_use_id=tool_use_id,
        tool_name="read_file",
        tool_input={"path": "a"},
        host=True,
    )


def ask_leave(protocol: CommandProtocol, request_id: str = "p1") -> tuple[Effect, ...]:
    fields = {"id": request_id, "tool_name": "bash", "tool_input": {"command": "ls"}}
    return in_query(protocol, "permission_request", **fields, options={"title": "List"})


def kinds(effects: tuple[Effect, ...]) -> list[str]:
    return [type(effect).__name__ for effect in effects]


def violation(effects: tuple[Effect, ...]) -> tuple[str, bool]:
    report = effects[0]
    assert isinstance(report, ProtocolViolation)
    return report.reason, report.fatal


class TestHandshake:
    def test_the_host_speaks_first(self) -> None:
        protocol = CommandProtocol()
        said = json.loads(protocol.hello("session_1", cwd="/srv", host={"name": "beam"}))
        assert said == {
            "type": "hello",
            "protocols": [1],
            "session_id": "session_1",
            "cwd": "/srv",
            "host": {"name": "beam"},
        }
        assert protocol.phase == "greeting"

    def test_ready_ends_it(self) -> None:
        protocol = CommandProtocol()
        protocol.hello("session_1")
        fields = {"protocol": 1, "name": "echo", "version": "2.0", "capabilities": ["memory"]}
        assert receive(protocol, "ready", **fields) == (Ready("echo", "2.0", ("memory",)),)
        assert (protocol.phase, protocol.agent) == ("ready", Ready("echo", "2.0", ("memory",)))

    def test_it_happens_once(self) -> None:
        protocol = greeted()
        with pytest.raises(SessionRefused) as refused:
            protocol.hello("session_1")
        assert refused.value.reason == "already_greeted"

    def test_a_second_ready_is_dropped(self) -> None:
        protocol = greeted()
        again = receive(protocol, "ready", protocol=1, name="other")
        assert (violation(again), protocol.agent) == (
            ("already_ready", False),
            Ready("echo", "", ()),
        )

    def test_a_version_that_was_not_offered_is_fatal(self) -> None:
        protocol = CommandProtocol()
        protocol.hello("session_1")
        effects = receive(protocol, "ready", protocol=2, name="echo")
        assert violation(effects) == ("bad_protocol", True)
        assert (kinds(effects)[1:], protocol.phase) == (["AgentFailed"], "ended")

    def test_ready_before_hello_is_fatal(self) -> None:
        effects = receive(CommandProtocol(), "ready", protocol=1, name="echo")
        assert violation(effects) == ("not_greeted", True)

    def test_a_message_before_ready_is_fatal(self) -> None:
        protocol = CommandProtocol()
        protocol.hello("session_1")
        assert violation(in_query(protocol, "text", content="hi")) == ("not_ready", True)

    def test_a_banner_before_ready_is_reported_and_does_no_harm(self) -> None:
        protocol = CommandProtocol()
        protocol.hello("session_1")
        banner = protocol.receive(b"Loading the model...\n", timestamp=NOW)
        assert violation(banner) == ("not_json", False)
        assert kinds(receive(protocol, "ready", protocol=1, name="echo")) == ["Ready"]

    @pytest.mark.parametrize("fields", [{}, {"query_id": "q-1"}])
    def test_an_error_before_ready_is_the_agents_own_end(self, fields: dict[str, str]) -> None:
        protocol = CommandProtocol()
        protocol.hello("session_1")
        (failed,) = receive(protocol, "error", reason="no_key", content="Set KEY.", **fields)
        assert isinstance(failed, AgentFailed)
        assert (failed.reason, failed.retryable) == ("no_key", False)
        assert (failed.message.content, protocol.phase) == ("Set KEY.", "ended")

    @pytest.mark.parametrize("protocol", [CommandProtocol(), busy()], ids=["new", "busy"])
    def test_no_query_is_taken_out_of_its_turn(self, protocol: CommandProtocol) -> None:
        with pytest.raises(SessionRefused) as refused:
            protocol.query("q-2", "Hi")
        assert refused.value.reason in {"not_ready", "query_in_progress"}


class TestQuery:
    def test_messages_are_delivered_in_the_unified_form(self) -> None:
        protocol = busy()
        (said,) = in_query(protocol, "text", content="Hello", uuid="u1")
        assert isinstance(said, Deliver)
        message = said.message
        assert (said.query_id, message.type, message.content) == ("q-1", "text", "Hello")
        assert (message.uuid, message.timestamp) == ("u1", NOW)

    def test_whose_a_message_is_the_host_says(self) -> None:
        (said,) = in_query(busy(), "text", content="Hello", session_id="another", thread_id="x")
        assert isinstance(said, Deliver)
        assert (said.message.session_id, said.message.thread_id) == (None, None)

    @pytest.mark.parametrize("kind", sorted(agent_lines.STREAMED - {"tool_result"}))
    def test_each_type_of_message_is_delivered_as_that(self, kind: str) -> None:
        (said,) = in_query(busy(), kind, content="x")
        assert isinstance(said, Deliver)
        assert said.message.type == kind

    def test_a_result_ends_it_with_its_answer(self) -> None:
        protocol = busy()
        (done,) = in_query(protocol, "result", content="42", total_cost_usd=0.5, result="no")
        assert isinstance(done, Completed)
        assert isinstance(done.message, ResultMessage)
        assert (done.query_id, done.message.content) == ("q-1", "42")
        assert done.message.total_cost_usd == 0.5
        assert (protocol.phase, protocol.query_id) == ("ready", None)

    def test_an_error_ends_it_with_its_reason(self) -> None:
        protocol = busy()
        fields = {"reason": "overloaded", "content": "Later.", "retryable": True}
        (failed,) = in_query(protocol, "error", **fields)
        assert isinstance(failed, Failed)
        assert (failed.query_id, failed.reason, failed.retryable) == ("q-1", "overloaded", True)
        assert isinstance(failed.message, ErrorMessage)
        assert (failed.message.content, failed.message.error_type) == ("Later.", "overloaded")
        assert protocol.phase == "ready"

    def test_an_error_without_words_is_an_agent_error_and_not_retryable(self) -> None:
        (failed,) = in_query(busy(), "error")
        assert isinstance(failed, Failed)
        assert (failed.reason, failed.retryable) == ("agent_error", False)

    def test_a_result_that_is_an_error_is_an_error(self) -> None:
        (failed,) = in_query(busy(), "result", content="No model.", is_error=True)
        assert isinstance(failed, Failed)
        assert (failed.reason, failed.message.content) == ("agent_error", "No model.")

    def test_what_comes_after_its_end_is_late(self) -> None:
        protocol = busy()
        in_query(protocol, "result", content="42")
        assert in_query(protocol, "text", content="and") == (Ignored("late", "text"),)
        assert in_query(protocol, "result", content="43") == (Ignored("late", "result"),)
        assert call_tool(protocol) == (Ignored("late", "tool_use"),)

    def test_what_is_said_of_the_last_one_does_not_touch_the_next(self) -> None:
        protocol = busy()
        in_query(protocol, "result", content="42")
        protocol.query("q-2", "Next")
        assert in_query(protocol, "result", content="43") == (Ignored("late", "result"),)
        assert protocol.query_id == "q-2"

    def test_there_is_one_at_a_time(self) -> None:
        protocol = busy()
        with pytest.raises(QueryInProgress):
            protocol.query("q-2", "Hi")
        assert protocol.query_id == "q-1"

    def test_one_that_cannot_be_sent_is_not_open(self) -> None:
        protocol = greeted()
        with pytest.raises(InvalidInput):
            protocol.query("", "Hi")
        assert (protocol.phase, protocol.query_id) == ("ready", None)

    def test_an_unknown_type_is_ignored(self) -> None:
        protocol = busy()
        assert in_query(protocol, "hologram") == (Ignored("unknown_type", "hologram"),)

    def test_an_empty_line_is_nothing(self) -> None:
        assert busy().receive(b" \r\n", timestamp=NOW) == ()

    def test_an_error_of_the_agent_ends_it_and_the_agent(self) -> None:
        protocol = busy()
        failed, gone = receive(protocol, "error", reason="no_licence", content="Expired.")
        assert isinstance(failed, Failed)
        assert isinstance(gone, AgentFailed)
        assert (failed.query_id, failed.reason, gone.reason) == ("q-1", "no_licence", "no_licence")
        assert protocol.phase == "ended"

    def test_an_error_of_the_agent_between_queries_ends_the_agent(self) -> None:
        assert kinds(receive(greeted(), "error", reason="no_licence")) == ["AgentFailed"]


class TestHistory:
    HISTORY = (Turn("user", "Hi"), Turn("assistant", "Hello"))

    def told(self, protocol: CommandProtocol, query_id: str) -> int:
        said = json.loads(protocol.query(query_id, "Go on", history=self.HISTORY))
        receive(protocol, "result", query_id=query_id, content="done")
        return len(said["history"])

    def test_comes_with_each_query(self) -> None:
        protocol = greeted()
        assert [self.told(protocol, "q-1"), self.told(protocol, "q-2")] == [2, 2]

    def test_comes_only_with_the_first_for_an_agent_with_a_memory(self) -> None:
        protocol = greeted("memory")
        assert [self.told(protocol, "q-1"), self.told(protocol, "q-2")] == [2, 0]


class TestTools:
    def test_a_call_for_the_host_is_delivered_before_it_is_to_be_run(self) -> None:
        told, run = call_tool(busy())
        assert isinstance(told, Deliver)
        assert isinstance(told.message, ToolMessage)
        assert (told.message.tool_use_id, told.message.tool_input) == ("t1", {"path": "a"})
        assert run == RunTool("q-1", "t1", "read_file", {"path": "a"})

    def test_what_is_logged_is_what_is_run(self) -> None:
        fields = {"tool_use_id": "t1", "tool_name": "ls", "host": True}
        told, run = in_query(busy(), "tool_use", **fields, id="x", name="rm", input={"path": "/"})
        assert isinstance(told, Deliver)
        assert isinstance(told.message, ToolMessage)
        assert (told.message.tool_use_id, told.message.tool_name) == ("t1", "ls")
        assert told.message.tool_input == {}
        assert run == RunTool("q-1", "t1", "ls", {})

    def test_a_call_of_the_agents_own_is_only_delivered(self) -> None:
        protocol = busy()
        use = in_query(protocol, "tool_use", tool_use_id="t1", tool_name="bash")
        result = in_query(protocol, "tool_result", tool_use_id="t1", content="ok")
        assert (kinds(use), kinds(result)) == (["Deliver"], ["Deliver"])

    def test_the_answer_is_sent_once(self) -> None:
        protocol = busy()
        call_tool(protocol)
        assert json.loads(protocol.tool_result("q-1", "t1", "text", is_error=True)) == {
            "type": "tool_result",
            "query_id": "q-1",
            "tool_use_id": "t1",
            "content": "text",
            "is_error": True,
        }
        assert protocol.tool_result("q-1", "t1", "text") == b""

    def test_answers_are_sent_in_any_order(self) -> None:
        protocol = busy()
        call_tool(protocol, "t1")
        call_tool(protocol, "t2")
        assert protocol.tool_result("q-1", "t2", "second")
        assert protocol.tool_result("q-1", "t1", "first")

    def test_an_answer_to_what_was_never_asked_is_refused(self) -> None:
        with pytest.raises(InvalidInput) as refused:
            busy().tool_result("q-1", "t1", "text")
        assert (refused.value.field, refused.value.value) == ("tool_use_id", "t1")

    def test_an_answer_that_cannot_be_sent_leaves_the_call_open(self) -> None:
        protocol = busy()
        call_tool(protocol)
        with pytest.raises(InvalidInput):
            protocol.tool_result("q-1", "t1", b"bytes")  # type: ignore[arg-type] # on purpose
        assert protocol.tool_result("q-1", "t1", "text")

    def test_an_answer_after_the_end_of_the_query_is_not_sent(self) -> None:
        protocol = busy()
        call_tool(protocol)
        in_query(protocol, "result", content="never mind")
        assert protocol.tool_result("q-1", "t1", "text") == b""

    def test_g12_an_id_that_comes_twice_is_not_run_twice(self) -> None:
        protocol = busy()
        call_tool(protocol)
        protocol.tool_result("q-1", "t1", "text")
        effects = call_tool(protocol)
        assert violation(effects) == ("duplicate_id", True)
        assert kinds(effects) == ["ProtocolViolation", "Failed", "AgentFailed"]

    def test_the_same_id_is_new_in_the_next_query(self) -> None:
        protocol = busy()
        call_tool(protocol)
        in_query(protocol, "result", content="done")
        protocol.query("q-2", "Next")
        fields = {"tool_use_id": "t1", "tool_name": "ls", "host": True}
        assert kinds(receive(protocol, "tool_use", query_id="q-2", **fields)) == [
            "Deliver",
            "RunTool",
        ]

    def test_a_result_from_the_agent_for_a_call_of_the_host_is_dropped(self) -> None:
        protocol = busy()
        call_tool(protocol)
        effects = in_query(protocol, "tool_result", tool_use_id="t1", content="mine")
        assert violation(effects) == ("not_yours", False)

    def test_a_tool_that_was_not_offered_is_the_hosts_to_refuse(self) -> None:
        protocol = greeted()
        protocol.query("q-1", "Hi", tools=[HostTool("write_file")])
        assert kinds(call_tool(protocol)) == ["Deliver", "RunTool"]


class TestPermission:
    def test_a_request_asks_with_all_that_helps_to_decide(self) -> None:
        asked = AskPermission("q-1", "p1", "bash", {"command": "ls"}, {"title": "List"})
        assert ask_leave(busy()) == (asked,)

    def test_the_answer_is_sent_once(self) -> None:
        protocol = busy()
        ask_leave(protocol)
        answer = protocol.permission("q-1", "p1", "allow", params={"command": "pwd"}, reason="ok")
        assert json.loads(answer) == {
            "type": "permission_response",
            "query_id": "q-1",
            "id": "p1",
            "decision": "allow",
            "params": {"command": "pwd"},
            "reason": "ok",
        }
        assert protocol.permission("q-1", "p1", "deny") == b""

    def test_an_answer_that_cannot_be_sent_leaves_the_request_open(self) -> None:
        protocol = busy()
        ask_leave(protocol)
        with pytest.raises(InvalidInput):
            protocol.permission("q-1", "p1", "maybe")  # type: ignore[arg-type] # on purpose
        assert protocol.permission("q-1", "p1", "deny")

    def test_a_request_and_a_call_may_have_the_same_id(self) -> None:
        protocol = busy()
        ask_leave(protocol, "1")
        assert kinds(call_tool(protocol, "1")) == ["Deliver", "RunTool"]

    def test_an_id_that_comes_twice_is_fatal(self) -> None:
        protocol = busy()
        ask_leave(protocol)
        assert violation(ask_leave(protocol)) == ("duplicate_id", True)


class TestInterrupt:
    def test_it_asks_the_agent_once(self) -> None:
        protocol = busy("interrupt")
        assert json.loads(protocol.interrupt("q-1")) == {"type": "interrupt", "query_id": "q-1"}
        assert protocol.interrupt("q-1") == b""

    def test_the_query_is_open_until_the_agent_ends_it(self) -> None:
        protocol = busy("interrupt")
        protocol.interrupt("q-1")
        assert protocol.query_id == "q-1"
        assert kinds(in_query(protocol, "text", content="stopping")) == ["Deliver"]
        (failed,) = in_query(protocol, "error", reason="cancelled", retryable=True)
        assert isinstance(failed, Failed)
        assert (failed.reason, failed.retryable) == ("interrupted", False)
        assert protocol.phase == "ready"

    def test_a_result_that_crossed_it_stands(self) -> None:
        protocol = busy("interrupt")
        protocol.interrupt("q-1")
        assert kinds(in_query(protocol, "result", content="42")) == ["Completed"]

    def test_what_was_asked_is_not_answered_any_more(self) -> None:
        protocol = busy("interrupt")
        call_tool(protocol)
        ask_leave(protocol)
        protocol.interrupt("q-1")
        assert protocol.tool_result("q-1", "t1", "text") == b""
        assert protocol.permission("q-1", "p1", "allow") == b""

    def test_what_is_asked_afterwards_is_not_carried_out(self) -> None:
        protocol = busy("interrupt")
        protocol.interrupt("q-1")
        told, ignored = call_tool(protocol)
        assert (type(told), ignored) == (Deliver, Ignored("interrupted", "tool_use"))
        assert ask_leave(protocol) == (Ignored("interrupted", "permission_request"),)
        assert protocol.tool_result("q-1", "t1", "text") == b""

    def test_a_program_that_dies_of_it_was_interrupted(self) -> None:
        protocol = busy("interrupt")
        protocol.interrupt("q-1")
        failed, gone = protocol.closed(-15, timestamp=NOW)
        assert isinstance(failed, Failed)
        assert isinstance(gone, AgentFailed)
        assert (failed.reason, gone.reason) == ("interrupted", "cli_exit")

    def test_one_for_another_query_is_nothing(self) -> None:
        assert busy("interrupt").interrupt("q-0") == b""
        assert greeted("interrupt").interrupt("q-1") == b""

    def test_an_agent_that_does_not_listen_is_not_asked(self) -> None:
        protocol = busy()
        with pytest.raises(NotSupported):
            protocol.interrupt("q-1")
        assert kinds(call_tool(protocol)) == ["Deliver", "RunTool"]

    def test_an_abandoned_query_is_over_for_the_host(self) -> None:
        protocol = busy("interrupt")
        call_tool(protocol)
        protocol.interrupt("q-1")
        protocol.abandon("q-1")
        protocol.query("q-2", "Next")
        assert in_query(protocol, "error", reason="interrupted") == (Ignored("late", "error"),)
        assert protocol.query_id == "q-2"

    def test_abandoning_another_query_changes_nothing(self) -> None:
        protocol = busy()
        protocol.abandon("q-0")
        assert protocol.query_id == "q-1"


class TestTheEnd:
    def test_a_program_that_ends_in_a_query_fails_it(self) -> None:
        protocol = busy()
        failed, gone = protocol.closed(0, timestamp=NOW)
        assert isinstance(failed, Failed)
        assert isinstance(gone, AgentFailed)
        assert (failed.query_id, failed.reason, failed.retryable) == ("q-1", "cli_exit", True)
        assert failed.message.content == "the agent program ended with status 0"
        assert failed.message.timestamp == NOW

    def test_a_program_that_ends_between_queries_is_gone(self) -> None:
        protocol = greeted()
        assert kinds(protocol.closed(None, timestamp=NOW)) == ["AgentFailed"]
        with pytest.raises(SessionRefused):
            protocol.query("q-1", "Hi")

    def test_after_the_end_there_is_nothing(self) -> None:
        protocol = busy()
        protocol.closed(1, timestamp=NOW)
        assert in_query(protocol, "text", content="hi") == ()
        assert protocol.closed(1, timestamp=NOW) == ()
        assert protocol.overlong(agent_lines.MAX_LINE + 1, b"", timestamp=NOW) == ()


class TestBounds:
    def test_noise_is_dropped_up_to_a_bound(self) -> None:
        protocol = busy()
        for _ in range(MAX_NOISE):
            assert kinds(protocol.receive(b"debug\n", timestamp=NOW)) == ["ProtocolViolation"]
        effects = protocol.receive(b"debug\n", timestamp=NOW)
        assert violation(effects) == ("not_json", True)
        assert kinds(effects)[1:] == ["Failed", "AgentFailed"]

    def test_noise_is_counted_anew_for_each_query(self) -> None:
        protocol = greeted()
        for number in range(3):
            protocol.query(f"q-{number}", "Hi")
            for _ in range(MAX_NOISE):
                protocol.receive(b"debug\n", timestamp=NOW)
            receive(protocol, "result", query_id=f"q-{number}", content="done")
        assert protocol.phase == "ready"

    def test_a_known_line_with_a_wrong_field_is_fatal(self) -> None:
        effects = in_query(busy(), "result")
        assert violation(effects) == ("bad_field", True)
        failed = effects[1]
        assert isinstance(failed, Failed)
        assert (failed.reason, failed.retryable) == ("protocol_error", False)

    def test_a_violation_shows_the_beginning_of_the_line(self) -> None:
        (report,) = busy().receive(b"\xffdebug " + b"x" * 1000, timestamp=NOW)
        assert isinstance(report, ProtocolViolation)
        assert report.excerpt.startswith("\ufffddebug xxx")
        assert len(report.excerpt) == 200

    def test_a_message_that_is_too_long_is_lost_and_the_query_goes_on(self) -> None:
        protocol = busy()
        head = b'{"type": "text", "query_id": "q-1", "content": "aaa'
        effects = protocol.overlong(agent_lines.MAX_LINE + 1, head, timestamp=NOW)
        assert violation(effects) == ("line_too_long", False)
        assert protocol.query_id == "q-1"

    @pytest.mark.parametrize("head", [b'{"type": "result", "con', b'{"content": "aaa', b""])
    def test_another_line_that_is_too_long_is_fatal(self, head: bytes) -> None:
        effects = busy().overlong(agent_lines.MAX_LINE + 1, head, timestamp=NOW)
        assert violation(effects) == ("line_too_long", True)

    def test_a_line_at_the_limit_is_read_and_one_byte_more_is_not(self) -> None:
        frame = len(line("text", query_id="q-1", content=""))
        content = "a" * (agent_lines.MAX_LINE - frame)
        assert kinds(in_query(busy(), "text", content=content)) == ["Deliver"]
        effects = in_query(busy(), "text", content=content + "a")
        assert violation(effects) == ("line_too_long", False)

    def test_unanswered_calls_are_bounded(self) -> None:
        protocol = busy()
        for number in range(open_query.MAX_OPEN):
            call_tool(protocol, f"t{number}")
        assert violation(ask_leave(protocol)) == ("too_many_open", True)

    def test_calls_are_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(open_query, "MAX_CALLS", 3)
        protocol = busy()
        for number in range(3):
            call_tool(protocol, f"t{number}")
            protocol.tool_result("q-1", f"t{number}", "text")
        assert violation(call_tool(protocol, "t3")) == ("too_many_calls", True)


@given(st.lists(st.binary(max_size=40) | json_lines(), max_size=20), st.booleans())
def test_no_bytes_raise_in_any_phase(lines: list[bytes], with_query: bool) -> None:
    protocol = greeted("interrupt") if with_query else CommandProtocol()
    if with_query:
        protocol.query("q-1", "Hi")
    for each in lines:
        for effect in protocol.receive(each, timestamp=NOW):
            assert isinstance(effect, Effect)


class AnyConversation(RuleBasedStateMachine):
    """Lines and commands in any order: what must hold whatever an agent types."""

    def __init__(self) -> None:
        super().__init__()
        self.protocol = CommandProtocol()
        self.protocol.hello("session_1")
        self.queries = 0
        self.ended: list[str] = []
        self.dispatched: set[tuple[str, str]] = set()
        self.agent_ended = 0

    def saw(self, effects: tuple[Effect, ...]) -> None:
        for before, effect in zip((None, *effects), effects, strict=False):
            match effect:
                case Completed(query_id) | Failed(query_id):
                    self.ended.append(query_id)
                case RunTool(query_id, tool_use_id):
                    assert isinstance(before, Deliver)
                    assert (query_id, tool_use_id) not in self.dispatched
                    self.dispatched.add((query_id, tool_use_id))
                case AgentFailed():
                    self.agent_ended += 1

    @rule(data=st.binary(max_size=20) | json_lines())
    def anything_comes(self, data: bytes) -> None:
        self.saw(self.protocol.receive(data, timestamp=NOW))

    @rule()
    def ready_comes(self) -> None:
        capabilities = ["interrupt"]
        self.saw(receive(self.protocol, "ready", protocol=1, name="x", capabilities=capabilities))

    @rule(
        kind=st.sampled_from(["text", "tool_use", "permission_request", "result", "error"]),
        ask=st.sampled_from(["a", "b"]),
    )
    def a_line_of_the_query_comes(self, kind: str, ask: str) -> None:
        fields: dict[str, Any] = {
            "query_id": self.protocol.query_id or "q-0",
            "id": ask,
            "tool_use_id": ask,
            "tool_name": "ls",
            "host": True,
            "content": "x",
        }
        self.saw(receive(self.protocol, kind, **fields))

    @precondition(lambda self: self.protocol.phase == "ready")
    @rule()
    def a_query_is_sent(self) -> None:
        self.queries += 1
        assert self.protocol.query(f"q-{self.queries}", "Hi")

    @precondition(lambda self: self.protocol.phase == "busy")
    @rule()
    def it_is_interrupted(self) -> None:
        with suppress(NotSupported):
            self.protocol.interrupt(self.protocol.query_id or "")

    @rule(ask=st.sampled_from(["a", "b"]))
    def an_answer_is_sent(self, ask: str) -> None:
        query_id = self.protocol.query_id or "q-0"
        asked = (query_id, ask) in self.dispatched
        if asked:
            self.protocol.tool_result(query_id, ask, "x")

    @rule()
    def the_program_ends(self) -> None:
        self.saw(self.protocol.closed(1, timestamp=NOW))

    @invariant()
    def a_query_ends_once_and_only_if_it_was_sent(self) -> None:
        assert len(self.ended) == len(set(self.ended))
        open_queries = [self.protocol.query_id] if self.protocol.query_id else []
        sent = [f"q-{number}" for number in range(1, self.queries + 1)]
        assert sorted(self.ended + open_queries) == sorted(sent)

    @invariant()
    def the_phase_says_what_is_open(self) -> None:
        assert (self.protocol.phase == "busy") == (self.protocol.query_id is not None)
        assert (self.protocol.phase == "ended") == (self.agent_ended == 1)


TestAnyConversation = AnyConversation.TestCase
