"""The talk between a session and an agent program, in every order in which things can happen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from beam.backends.agent_lines import MAX_LINE
from beam.backends.agent_talk import Action, AgentTalk, EndProgram, GiveTime, Say, Send
from beam.backends.backend import PermissionAnswer, Query, ToolResult
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
from beam.errors import QueueFull, SpawnFailed
from beam.model.permissions import Allow, Deny
from beam.ports.port import PortExit
from tests.names import shown
from tests.volume import scaled


def line(kind: str, **fields: Any) -> bytes:
    return json.dumps({"type": kind, **fields}).encode()


def ready(*capabilities: str) -> AgentTalk:
    talk = AgentTalk()
    talk.started("session_1", cwd="/", host={"name": "beam"})
    greeting = line("ready", protocol=1, name="fake", capabilities=list(capabilities))
    talk.received(greeting, now=1)
    return talk


def asked(talk: AgentTalk, kind: str, **fields: Any) -> None:
    """Have the agent ask something in a query."""
    talk.query(Query("q-1", "go"), now=1)
    talk.received(line(kind, query_id="q-1", tool_name="read", **fields), now=1)


def sent(actions: list[Action]) -> dict[str, Any]:
    (action,) = actions
    assert isinstance(action, Send)
    said: dict[str, Any] = json.loads(action.line)
    return said


def test_a_result_that_cannot_be_sent_is_an_error_for_the_agent() -> None:
    talk = ready()
    asked(talk, "tool_use", tool_use_id="t1", host=True)
    said = sent(talk.tool_result(ToolResult("q-1", "t1", "x" * MAX_LINE)))
    assert said["is_error"]
    assert "cannot be sent" in said["content"]


def test_a_decision_that_cannot_be_sent_is_a_no() -> None:
    talk = ready()
    asked(talk, "permission_request", id="p1")
    said = sent(talk.permission(PermissionAnswer("q-1", "p1", Allow({"file": Path()}))))
    assert said["decision"] == "deny"
    assert "cannot be sent" in said["reason"]


def test_an_answer_to_nothing_is_counted() -> None:
    talk = ready()
    talk.query(Query("q-1", "go"), now=1)
    assert talk.tool_result(ToolResult("q-1", "t1", "")) == []
    assert talk.permission(PermissionAnswer("q-1", "p1", Deny())) == []
    assert talk.counts == {"unasked": 2}


def test_a_farewell_interrupts_what_is_open_if_the_agent_can_be() -> None:
    talk = ready("interrupt")
    assert talk.farewell() == []
    talk.query(Query("q-1", "go"), now=1)
    assert sent(talk.farewell()) == {"type": "interrupt", "query_id": "q-1"}
    assert talk.farewell() == []
    other = ready()
    other.query(Query("q-1", "go"), now=1)
    assert other.farewell() == []


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (SpawnFailed("ENOENT", ("agent",)), False),
        (SpawnFailed("EAGAIN", ("agent",)), True),
        (QueueFull("too_many_ports", limit=1), True),
        (OSError("disk"), False),
    ],
    ids=shown,
)
def test_a_program_that_does_not_start_ends_the_talk(error: Exception, retryable: bool) -> None:
    talk = AgentTalk()
    talk.query(Query("q-1", "go"), now=1)
    effects = [each.effect for each in talk.not_started(error, now=1) if isinstance(each, Say)]
    assert [type(each) for each in effects] == [Failed, AgentFailed]
    assert talk.failed is not None
    assert (talk.failed.reason, talk.failed.retryable) == ("spawn_failed", retryable)


class Talks(RuleBasedStateMachine):
    """A session and an agent that do what they may, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.talk = AgentTalk()
        self.numbers = iter(range(1, 10_000))
        self.agent_open: list[str] = []  # Queries that the agent has, and has not ended.
        self.greeted = self.gone = self.ending = False
        self.open: dict[str, None] = {}  # Queries whose end the session waits for.
        self.over: set[str] = set()
        self.timers: list[str] = []
        self.do(self.talk.started("session_1", cwd="/", host={"name": "beam"}))

    def do(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Send(data):
                    self.agent_reads(json.loads(data))
                case Say(effect):
                    self.session_hears(effect)
                case GiveTime(query_id):
                    self.timers.append(query_id)
                case EndProgram():
                    self.ending = True

    def agent_reads(self, said: dict[str, Any]) -> None:
        assert not self.gone
        if said["type"] == "query":
            assert self.agent_open == [], "a query while another is open"
            self.agent_open.append(said["id"])

    def session_hears(self, effect: Any) -> None:
        match effect:
            case Completed(query_id) | Failed(query_id):
                assert query_id in self.open, "an end that nobody waits for"
                del self.open[query_id]
                self.over.add(query_id)
            case Deliver(query_id) | RunTool(query_id) | AskPermission(query_id):
                assert query_id in self.open, "a word that nobody waits for"
            case AgentFailed():
                assert self.open == {}, "the agent has failed before its query"
            case _:
                assert isinstance(effect, Ready | ProtocolViolation)

    # The session

    # One query at a time, as sessions do; and later one too many.
    @precondition(lambda self: not self.open or len(self.over) > 6)
    @rule()
    def query(self) -> None:
        query_id = f"q-{next(self.numbers)}"
        self.open[query_id] = None
        self.do(self.talk.query(Query(query_id, "go"), now=1))

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def interrupt(self, data: st.DataObject) -> None:
        query_id = data.draw(st.sampled_from(sorted(self.open)))
        self.do(self.talk.interrupt(query_id, now=1))

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def abandon(self, data: st.DataObject) -> None:
        query_id = data.draw(st.sampled_from(sorted(self.open)))
        del self.open[query_id]
        self.over.add(query_id)
        self.do(self.talk.abandon(query_id))

    @precondition(lambda self: len(self.over) > 2)
    @rule(data=st.data())
    def late_wishes(self, data: st.DataObject) -> None:
        query_id = data.draw(st.sampled_from(sorted(self.over)))
        self.do(self.talk.interrupt(query_id, now=1))
        self.do(self.talk.abandon(query_id))

    # Time passes, and programs end, late enough for something to happen before.

    @precondition(lambda self: self.timers and len(self.over) > 3)
    @rule()
    def time_is_over(self) -> None:
        self.do(self.talk.out_of_time(self.timers.pop(0)))

    # The agent

    @precondition(lambda self: not self.greeted and not self.gone)
    @rule(capabilities=st.sampled_from([["interrupt"], []]))
    def greet(self, capabilities: list[str]) -> None:
        self.greeted = True
        said = line("ready", protocol=1, name="fake", capabilities=capabilities)
        self.do(self.talk.received(said, now=1))

    @precondition(lambda self: self.agent_open and not self.gone)
    @rule(kind=st.sampled_from(["text", "result", "error", "tool_use", "permission_request"]))
    def say(self, kind: str) -> None:
        query_id, number = self.agent_open[0], str(next(self.numbers))
        ids = {"id": number, "tool_use_id": number, "tool_name": "read", "host": True}
        fields = {"content": "done"} if kind in ("text", "result", "error") else ids
        if kind in ("result", "error"):
            self.agent_open.clear()
        self.do(self.talk.received(line(kind, query_id=query_id, **fields), now=1))

    @precondition(lambda self: self.greeted and not self.gone)
    @rule(noise=st.sampled_from([b"noise", line("text", query_id="q-0"), line("unknown")]))
    def make_noise(self, noise: bytes) -> None:
        self.do(self.talk.received(noise, now=1))

    @precondition(lambda self: not self.gone and len(self.over) > 6)
    @rule(last=st.sampled_from([b"", line("result", query_id="q-1"), line("error")]))
    def end(self, last: bytes) -> None:
        self.do(self.talk.received(last, now=1))
        self.gone = True
        self.do(self.talk.ended(PortExit("p1", 1), now=1))
        assert self.talk.failed is not None

    @invariant()
    def nobody_waits_for_an_agent_that_has_gone(self) -> None:
        if self.gone:
            assert self.open == {}

    @invariant()
    def a_query_waits_only_for_an_agent_that_is_at_work(self) -> None:
        if self.greeted and not self.gone and not self.ending:
            assert len(self.open) <= len(self.agent_open) + 1
            assert self.open == {} or self.agent_open


TestTalks = Talks.TestCase
TestTalks.settings = settings(max_examples=scaled(4000, 40))
