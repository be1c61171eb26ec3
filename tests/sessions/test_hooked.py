"""Hooks of sessions: where they are fired, and what they can stop."""

import queue

import pytest

from beam.backends.backend import PermissionAnswer, Query, ToolResult
from beam.errors import InvalidInput, SessionRefused
from beam.model.permissions import Allow, Deny, allow, deny
from beam.otp import receive as receive_mail
from beam.policy import hook
from tests.sessions.scripted import PATIENCE


@pytest.fixture
def told():
    return queue.Queue()


def test_fact_61_a_prompt_that_is_denied_is_not_submitted_and_the_session_goes_on(fleet, backend):
    session = fleet.start_session(
        hooks=[
            hook("user_prompt_submit", lambda c: deny("rude") if "fool" in c["prompt"] else None)
        ]
    )
    with pytest.raises(SessionRefused) as refused:
        session.query("You fool")
    assert (refused.value.reason, refused.value.text) == ("hook_denied", "rude")
    run = session.query("Hello")
    agent = backend.agent()
    agent.complete(agent.hear(Query))
    run.get(timeout=PATIENCE)
    assert len(fleet.journal().read(session.id, types=["run_submitted"])) == 1


def test_a_hook_may_change_the_prompt(fleet, backend):
    session = fleet.start_session(
        hooks=[hook("user_prompt_submit", lambda c: {**c, "prompt": c["prompt"] + ", please"})]
    )
    session.query("Hello")
    assert backend.agent().hear(Query).prompt == "Hello, please"


def look(path: str) -> str:
    """Look at a file."""
    return f"seen {path}"


def test_a_tool_that_is_denied_is_not_run_and_the_agent_is_told(fleet, backend):
    session = fleet.start_session(
        tools=[look], hooks=[hook("pre_tool_use", lambda _: deny("not now"), tool_name="^look$")]
    )
    session.query("Hello")
    agent = backend.agent()
    query = agent.hear(Query)
    agent.tool(query, "t", "look", path="/a")
    answer = agent.hear(ToolResult)
    assert (answer.is_error, answer.content) == (True, "look was not run: not now")


def test_a_tool_gets_the_input_that_the_hooks_have_left_and_they_see_its_answer(
    fleet, backend, told
):
    session = fleet.start_session(
        tools=[look],
        hooks=[
            hook("pre_tool_use", lambda c: {**c, "tool_input": {"path": "/b"}}),
            hook("post_tool_use", told.put),
        ],
    )
    session.query("Hello")
    agent = backend.agent()
    agent.tool(agent.hear(Query), "t", "look", path="/a")
    assert agent.hear(ToolResult).content == "seen /b"
    after = told.get(timeout=PATIENCE)
    assert (after["content"], after["is_error"], after["tool_name"]) == ("seen /b", False, "look")


def decision_of(fleet, backend, **options):
    session = fleet.start_session(**options)
    session.query("Hello")
    agent = backend.agent(session)
    agent.permission(agent.hear(Query), "p", "write", path="/a")
    return session, agent.hear(PermissionAnswer).decision


def test_a_permission_that_a_hook_denies_is_denied_without_asking_anybody(fleet, backend):
    asked = []
    session, decision = decision_of(
        fleet,
        backend,
        hooks=[hook("permission_request", lambda _: deny("never"))],
        permission_handler=lambda *arguments: asked.append(arguments) or allow(),
    )
    assert decision == Deny("never")
    assert asked == []
    [event] = fleet.journal().read(session.id, types=["permission_resolved"])
    assert event.data["decision"]["reason"] == "never"


def test_a_hook_that_crashes_denies_a_permission(fleet, backend):
    _, decision = decision_of(
        fleet,
        backend,
        hooks=[hook("permission_request", lambda _: 1 / 0)],
        permission_default="allow",
    )
    assert isinstance(decision, Deny)


def test_a_hook_that_hangs_denies_a_permission_when_its_time_is_over(fleet, backend):
    _, decision = decision_of(
        fleet,
        backend,
        hooks=[hook("permission_request", lambda _: receive_mail())],
        permission_default="allow",
        permission_timeout=0.05,
    )
    assert isinstance(decision, Deny)


@pytest.mark.parametrize("answer", [None, ("ask", "really?")])
def test_otherwise_the_handler_or_the_default_decides(fleet, backend, answer):
    one = hook("permission_request", lambda _: answer)
    _, decision = decision_of(fleet, backend, hooks=[one], permission_default="allow")
    assert decision == Allow()
    _, decision = decision_of(
        fleet, backend, hooks=[one], permission_handler=lambda *_: deny("by hand")
    )
    assert decision == Deny("by hand")


def test_an_approval_that_a_hook_denies_is_declined(fleet):
    session = fleet.start_session(
        hooks=[hook("permission_request", lambda _: deny("never"))],
        approval_handler=lambda *_: "accept",
    )
    session.info()
    assert fleet.control.request_approval(session, "write", {}, {}) == "decline"


def test_the_start_the_end_of_a_run_and_the_end_are_told(fleet, backend, told):
    for event in ("session_start", "stop", "session_end"):
        fleet.hooks.register(hook(event, lambda c, event=event: told.put((event, c))))
    session = fleet.start_session()
    assert told.get(timeout=PATIENCE)[0] == "session_start"
    run = session.query("Hello")
    agent = backend.agent()
    agent.complete(agent.hear(Query))
    run.get(timeout=PATIENCE)
    event, context = told.get(timeout=PATIENCE)
    assert (event, context["run_id"], context["how"]) == ("stop", run.run_id, "run_completed")
    session.stop()
    assert told.get(timeout=PATIENCE) == (
        "session_end",
        {"session_id": session.id, "reason": "stopped"},
    )


def test_hooks_are_checked_when_a_session_is_started(fleet):
    for hooks in (7, [print]):
        with pytest.raises(InvalidInput):
            fleet.start_session(hooks=hooks)
