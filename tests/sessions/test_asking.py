"""`beam.sessions.asking`: tools that an agent has run, and permissions that it asks for."""

from __future__ import annotations

import threading

import pytest

from beam import allow, deny
from beam.backends.backend import Abandon, Interrupt, PermissionAnswer, Query, ToolResult
from beam.model.permissions import Allow, Deny
from tests.sessions.scripted import (
    AT_ONCE,
    PATIENCE,
    Scripted,
    failure,
    kill,
    types,
    wait_for,
)


class Asking:
    """A session in the middle of a run, and its agent."""

    def __init__(self, fleet, backend, **options):
        self.fleet = fleet
        self.session = fleet.start_session(**options)
        self.agent = backend.agent()
        self.run = self.session.query("hello")
        self.query = self.agent.hear(Query)

    def tool(self, name, use="use-1", **given):
        self.agent.tool(self.query, use, name, **given)
        return self.agent.hear(ToolResult)

    def permission(self, request="p-1", name="write", **given):
        self.agent.permission(self.query, request, name, **given)
        return self.agent.hear(PermissionAnswer).decision

    def complete(self):
        self.agent.complete(self.query)
        return self.run.get(timeout=PATIENCE)


@pytest.fixture
def asking(fleet, backend):
    return lambda **options: Asking(fleet, backend, **options)


def add(a: int, b: int = 0) -> int:
    """Add two numbers."""
    return a + b


# Tools


def test_a_tool_is_offered_and_called_with_checked_arguments(asking):
    one = asking(tools=[add])
    [offer] = one.query.tools
    assert (offer.name, offer.description) == ("add", "Add two numbers.")
    assert offer.input_schema["required"] == ["a"]
    result = one.tool("add", a=2, b=3)
    assert (result.content, result.is_error, result.tool_use_id) == ("5", False, "use-1")
    assert one.complete() == "done"
    assert types(one.session)[-5:] == [
        "tool_call_started",
        "message",
        "tool_call_completed",
        "message",
        "run_completed",
    ]


def test_a_call_with_wrong_arguments_is_answered_by_what_was_wrong(asking):
    one = asking(tools=[add])
    result = one.tool("add", a="two")
    assert result.is_error
    assert "a: " in result.content
    assert "https" not in result.content
    assert one.complete() == "done"


FAILURES = [ValueError("no such file"), SystemExit(3), KeyboardInterrupt()]


@pytest.mark.parametrize("error", FAILURES, ids=repr)
def test_a_tool_that_fails_is_data_to_the_agent(asking, error):
    def read(path: str) -> str:
        raise error

    one = asking(tools=[read])
    result = one.tool("read", path="a.py")
    assert result.is_error
    assert type(error).__name__ in result.content
    assert one.complete() == "done"
    assert one.session.info().restarts == 0


def test_a_tool_that_answers_what_no_log_can_hold_is_data_to_the_agent(asking):
    def read() -> str:
        return "x" * (65 * 1024 * 1024)

    def guess() -> object:
        return object()

    one = asking(tools=[read, guess])
    assert "cannot be kept" in one.tool("read").content
    assert one.tool("guess", "use-2").is_error
    assert one.complete() == "done"


def test_a_tool_that_was_not_offered_is_an_error_that_names_those_that_were(asking):
    one = asking(tools=[add])
    result = one.tool("subtract")
    assert (result.content, result.is_error) == (
        "there is no tool named subtract; there are: add",
        True,
    )


def test_a_call_is_in_the_log_before_its_tool_runs(fleet, backend):
    seen = []

    def look() -> str:
        seen.extend(event.data["tool_use_id"] for event in one.session.history(types=started))
        return "ok"

    started = ["tool_call_started"]
    one = Asking(fleet, backend, tools=[look])
    one.tool("look")
    assert seen == ["use-1"]
    [event] = one.session.history(types=started)
    assert (event.data["tool_name"], event.data["tool_input"], event.run_id) == (
        "look",
        {},
        one.run.run_id,
    )


def test_tools_of_one_query_run_side_by_side(asking):
    meet = threading.Barrier(2)

    def wait() -> str:
        meet.wait(PATIENCE)
        return "met"

    one = asking(tools=[wait])
    for use in ("use-1", "use-2"):
        one.agent.tool(one.query, use, "wait")
    results = [one.agent.hear(ToolResult) for _ in range(2)]
    assert {result.tool_use_id for result in results} == {"use-1", "use-2"}
    assert {result.content for result in results} == {"met"}


@pytest.mark.parametrize("how", ["interrupt", "transport"])
def test_the_outcome_of_a_tool_is_written_down_after_its_run_has_ended(fleets, how):
    begun, let_go = threading.Event(), threading.Event()

    def work() -> str:
        begun.set()
        let_go.wait(PATIENCE)
        return "late"

    backend = Scripted()
    one = Asking(fleets(backend), backend, tools=[work], backoff=AT_ONCE)
    one.agent.tool(one.query, "use-1", "work")
    assert begun.wait(PATIENCE)
    if how == "interrupt":
        one.run.interrupt()
        assert [type(one.agent.hear()) for _ in range(2)] == [Interrupt, Abandon]
    else:
        one.agent.end()
    failure(one.run)
    let_go.set()
    completed = wait_for(one.session, "tool_call_completed")
    assert (completed.run_id, completed.data["tool_use_id"]) == (one.run.run_id, "use-1")
    assert one.agent.heard.empty()
    assert one.session.messages() == []
    kill(one.fleet, one.session.id)
    one.session.info()
    assert "tool_call_unknown" not in types(one.session)


# Permissions


@pytest.mark.parametrize(
    ("said", "decision"),
    [
        (allow(), Allow()),
        ("allow", Allow()),
        (allow({"path": "b.py"}), Allow({"path": "b.py"})),
        (deny("not on a Friday"), Deny("not on a Friday")),
    ],
    ids=["allow()", "a word", "changed", "deny()"],
)
def test_a_handler_decides(asking, said, decision):
    heard = []

    def decide(method, params, context):
        heard.append((method, params, context["run_id"]))
        return said

    one = asking(permission_handler=decide)
    assert one.permission(path="a.py") == decision
    assert heard == [("write", {"path": "a.py"}, one.run.run_id)]
    assert one.complete() == "done"
    assert types(one.session)[-4:] == [
        "permission_requested",
        "permission_resolved",
        "message",
        "run_completed",
    ]


def raises(method, params, context):
    raise RuntimeError("secret")


def says_nothing(method, params, context):
    return None


def says_a_number(method, params, context):
    return 42


def takes_nothing():
    return "allow"


@pytest.mark.parametrize("handler", [raises, says_nothing, says_a_number, takes_nothing])
@pytest.mark.parametrize("default", ["allow", "deny"])
def test_a_handler_that_raises_or_talks_nonsense_denies_whatever_the_default(
    asking, handler, default
):
    one = asking(permission_handler=handler, permission_default=default)
    decision = one.permission()
    assert isinstance(decision, Deny)
    assert "secret" not in decision.reason
    assert one.complete() == "done"


@pytest.mark.parametrize("default", ["allow", "deny"])
def test_a_handler_that_hangs_denies_at_its_deadline(asking, default):
    let_go = threading.Event()

    def hang(method, params, context):
        let_go.wait(PATIENCE)
        return "allow"

    one = asking(permission_handler=hang, permission_default=default, permission_timeout=0.05)
    assert isinstance(one.permission(), Deny)
    let_go.set()
    assert one.complete() == "done"


@pytest.mark.parametrize(("default", "kind"), [("allow", Allow), ("deny", Deny)])
def test_the_default_counts_where_there_is_no_handler(asking, default, kind):
    assert isinstance(asking(permission_default=default).permission(), kind)


def test_without_a_handler_and_a_default_the_answer_is_no(asking):
    assert isinstance(asking().permission(), Deny)


def test_a_permission_is_decided_although_the_broker_is_killed_meanwhile(asking):
    asked, answer = threading.Event(), threading.Event()
    calls = []

    def decide(method, params, context):
        calls.append(method)
        asked.set()
        answer.wait(PATIENCE)
        return "allow"

    one = asking(permission_handler=decide)
    one.agent.permission(one.query, "p-1")
    assert asked.wait(PATIENCE)
    for _ in range(2):
        kill(one.fleet, "control")
    answer.set()
    assert one.agent.hear(PermissionAnswer).decision == Allow()
    assert calls == ["write"]
    assert one.complete() == "done"


def test_a_permission_may_be_given_by_hand(asking):
    answer = threading.Event()

    def decide(method, params, context):
        answer.wait(PATIENCE)
        return "deny"

    one = asking(permission_handler=decide)
    one.agent.permission(one.query, "p-1")
    wait_for(one.session, "permission_requested")
    [pending] = one.fleet.control.list_pending_requests(one.session)
    one.fleet.control.resolve_pending_request(
        one.session, pending["request_id"], {"decision": "allow"}
    )
    assert one.agent.hear(PermissionAnswer).decision == Allow()
    answer.set()


def test_handlers_are_asked_after_every_part_of_the_fleet_was_restarted(asking):
    one = asking(permission_handler=lambda *_: "allow", on_crash="retry")
    kill(one.fleet, "log")
    backend = one.agent.backend
    agent = backend.agent()
    agent.permission(agent.hear(Query), "p-1")
    assert agent.hear(PermissionAnswer).decision == Allow()


def test_handlers_that_were_cleared_stay_so_when_the_session_is_restarted(asking):
    one = asking(permission_default="allow", on_crash="retry")
    one.fleet.control.clear_session_callbacks(one.session)
    kill(one.fleet, one.session.id)
    agent = one.agent.backend.agent()
    agent.permission(agent.hear(Query), "p-1")
    assert isinstance(agent.hear(PermissionAnswer).decision, Deny)


def test_every_permission_gives_its_place_back_also_when_its_run_is_over(asking):
    answer = threading.Event()

    def decide(method, params, context):
        answer.wait(PATIENCE)
        return "allow"

    one = asking(permission_handler=decide)
    one.agent.permission(one.query, "p-1")
    wait_for(one.session, "permission_requested")
    one.run.interrupt()
    assert [type(one.agent.hear()) for _ in range(2)] == [Interrupt, Abandon]
    answer.set()
    wait_for(one.session, "permission_resolved")
    again = one.session.query("again")
    query = one.agent.hear(Query)
    one.agent.complete(query)
    assert again.get(timeout=PATIENCE) == "done"
    one.session.info()
    one.agent.connection.ask("anything", timeout=PATIENCE)
    assert one.agent.taken == 3  # That it was ready, the permission, the answer.
