"""`beam.providers.harness_provision`: section 8.1's provisioning, with a client in hand."""

from __future__ import annotations

import asyncio
import threading

import pytest

from beam import telemetry
from beam.errors import InvalidOption, ProviderFailed
from beam.providers import Tool
from beam.providers.agentcore import AgentCore
from beam.providers.harness_provision import Harnesses, Patience
from beam.providers.provision_spec import AgentSpec, EnvironmentSpec
from tests.providers.stubs import VirtualPace

ROLE = "arn:aws:iam::123456789012:role/harness"
SPEC = AgentSpec("Code reviewer", "amazon.nova", "Review.", (Tool("add", "Adds."),))
NAME = f"Code_reviewer_{SPEC.digest('agentcore')}"
INTERVAL = 5.0
PATIENCE = 60.0


class Refusal(Exception):
    """What the official client raises."""

    def __init__(self, status, code="SomeException"):
        super().__init__(code)
        self.response = {
            "Error": {"Code": code, "Message": "no"},
            "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {}},
        }


class Quick(VirtualPace):
    """A time in which waits between two looks are over at once; limits pass if told to."""

    async def sleep(self, seconds):
        if seconds > INTERVAL:
            await self.wait(seconds)
        else:
            self.slept.append(seconds)
            self.advance(seconds)
            await asyncio.sleep(0)


class Control:
    """A service whose harnesses take the states that a test says, one at each look."""

    def __init__(self, *states):
        self.states = list(states)
        self.there = {}
        self.created = []
        self.deleted = []
        self.failing = {}
        self.pages = None
        self.hanging = threading.Event()
        self.gate = threading.Event()

    def add(self, name, status, made_at="2026-01-01"):
        known = f"{name}-{len(self.there):010}"
        arn = f"arn:aws:bedrock-agentcore:eu-central-1:123456789012:harness/{known}"
        self.there[known] = {
            "harnessId": known, "harnessName": name, "arn": arn, "status": status,
            "createdAt": made_at,
        }  # fmt: skip
        return self.there[known]

    def create_harness(self, **wanted):
        self._fail("create")
        if any(one["harnessName"] == wanted["harnessName"] for one in self.there.values()):
            raise Refusal(409, "ConflictException")
        self.created.append(wanted)
        return {"harness": self.add(wanted["harnessName"], "CREATING")}

    def get_harness(self, *, harnessId):  # noqa: N803 - the client's name
        if "hang" in self.states[:1]:
            self.hanging.set()
            self.gate.wait(PATIENCE)
        self._fail("get")
        state = self.states.pop(0) if self.states else self.there[harnessId]["status"]
        if isinstance(state, BaseException):
            raise state
        if state == "gone":
            del self.there[harnessId]
            raise Refusal(404, "ResourceNotFoundException")
        self.there[harnessId]["status"] = state
        return {"harness": dict(self.there[harnessId])}

    def delete_harness(self, *, harnessId):  # noqa: N803 - the client's name
        self._fail("delete")
        self.deleted.append(harnessId)
        return {}

    def list_harnesses(self, **more):
        if self.pages is not None:
            return self.pages.pop(0)
        harnesses = list(self.there.values())
        at = int(more.get("nextToken", 0))
        following = {"nextToken": str(at + 1)} if at + 1 < len(harnesses) else {}
        return {"harnesses": harnesses[at : at + 1], **following}

    def _fail(self, what):
        if what in self.failing:
            raise self.failing[what]


def made(control, total=23.0, spec=SPEC):
    async def make():
        harnesses = Harnesses(control, Quick(), Patience(total, INTERVAL))
        return await harnesses.made(spec, ROLE)

    return asyncio.run(make())


def failure(control, total=23.0):
    with pytest.raises(ProviderFailed) as failed:
        made(control, total)
    return failed.value.reason


def test_each_look_at_a_harness_is_told():
    told = []
    detach = telemetry.attach(
        ("provider", "provision", "poll"), lambda _, measured, about: told.append((measured, about))
    )
    try:
        made(Control("CREATING", "UPDATING", "READY"))
    finally:
        detach()
    assert [measured["polls"] for measured, _ in told] == [1, 2, 3]
    assert [about["status"] for _, about in told] == ["CREATING", "UPDATING", "READY"]
    assert all(about["phase"] == "ready" for _, about in told)


def test_a_harness_is_made_and_waited_for():
    control = Control("CREATING", "CREATING", "READY")
    handle = made(control)
    ((known, harness),) = control.there.items()
    assert (handle.provider, handle.agent_id) == ("agentcore", harness["arn"])
    assert handle.details == {"harness_id": known, "name": NAME, "adopted": False}
    assert control.created == [
        {
            "harnessName": NAME,
            "executionRoleArn": ROLE,
            "model": {"bedrockModelConfig": {"modelId": "amazon.nova"}},
            "systemPrompt": [{"text": "Review."}],
            "tools": [
                {
                    "type": "inline_function",
                    "name": "add",
                    "config": {
                        "inlineFunction": {
                            "description": "Adds.",
                            "inputSchema": {"type": "object"},
                        }
                    },
                }
            ],
        }
    ]
    assert control.deleted == []


def test_its_environment_and_details_are_fields_of_the_harness():
    control = Control("READY")
    environment = EnvironmentSpec("box", {"environmentVariables": {"A": "1"}})
    made(control, spec=AgentSpec("a", environment=environment, details={"maxIterations": 7}))
    assert control.created[0]["environmentVariables"] == {"A": "1"}
    assert control.created[0]["maxIterations"] == 7


def test_check_83_a_name_that_is_taken_is_found_on_any_page():
    control = Control()
    control.add("other", "READY")
    control.add(f"{NAME}x", "READY")
    mine = control.add(NAME, "READY")
    handle = made(control)
    assert (handle.agent_id, handle.details["adopted"]) == (mine["arn"], True)


@pytest.mark.parametrize("page", [None, [], {}, {"harnesses": None}, {"harnesses": ["a"]},
                                  {"harnesses": {"a": 1}}, "text"])  # fmt: skip
def test_check_83_a_list_that_makes_no_sense_is_a_failure_in_words(page):
    control = Control()
    control.failing["create"] = Refusal(409)
    control.pages = [page]
    assert failure(control) == "malformed_list"


def test_check_83_a_name_that_nobody_has_is_a_conflict():
    control = Control()
    control.failing["create"] = Refusal(409)
    assert failure(control) == "agent_name_conflict"


def test_a_refusal_is_told_with_its_status():
    control = Control()
    control.failing["create"] = Refusal(403, "AccessDeniedException")
    assert failure(control) == ("provision_failed", ("status", 403))


@pytest.mark.parametrize(
    ("states", "last"),
    [(["CREATING"] * 9, "CREATING"), (["CREATE_FAILED"], "CREATE_FAILED"), (["gone"], "GONE")],
)
def test_check_84_what_does_not_get_ready_is_deleted_again(states, last):
    control = Control(*states)
    word, facts = failure(control)
    assert (word, facts["last_status"], facts["phase"]) == ("harness_not_ready", last, "ready")
    assert control.deleted == [facts["harness_id"]]


@pytest.mark.parametrize("raised", [Refusal(500), ConnectionResetError("reset"), KeyError("x"),
                                    SystemExit(3)])  # fmt: skip
def test_check_84_also_when_a_look_fails_in_any_way(raised):
    control = Control("CREATING", raised)
    with pytest.raises((ProviderFailed, SystemExit)):
        made(control)
    assert len(control.deleted) == 1


def test_check_84_also_when_its_caller_is_cancelled():
    control = Control("hang")

    async def cut():
        harnesses = Harnesses(control, Quick(), Patience(23.0, INTERVAL))
        making = asyncio.ensure_future(harnesses.made(SPEC, ROLE))
        await asyncio.to_thread(control.hanging.wait, PATIENCE)
        making.cancel()
        await asyncio.gather(making, return_exceptions=True)
        control.gate.set()
        return making.cancelled()

    assert asyncio.run(cut())
    assert len(control.deleted) == 1


def test_check_84_a_rollback_that_fails_does_not_hide_the_cause():
    control = Control("CREATE_FAILED")
    control.failing["delete"] = Refusal(500)
    assert failure(control)[0] == "harness_not_ready"


def test_check_85_one_that_was_there_is_left_alone():
    control = Control("CREATING", "CREATE_FAILED")
    control.add(NAME, "CREATING")
    assert failure(control)[0] == "harness_not_ready"
    assert control.deleted == []


def test_check_86_one_budget_for_waiting_until_it_is_gone_and_until_it_is_ready():
    control = Control("DELETING", "DELETING", "gone", "CREATING", "CREATING", "READY")
    control.add(NAME, "DELETING")
    word, facts = failure(control, total=26.0)
    # 15 s until it was gone leave 11 s until it is ready: two looks, not three.
    assert (word, facts["phase"], facts["elapsed_ms"], facts["polls"]) == (
        "harness_not_ready", "ready", 26_000, 5,
    )  # fmt: skip
    enough = Control("DELETING", "DELETING", "gone", "CREATING", "CREATING", "READY")
    enough.add(NAME, "DELETING")
    assert made(enough, total=36.0).details["adopted"] is False


def test_check_86_one_that_is_never_gone_is_told_as_that():
    control = Control(*["DELETING"] * 9)
    control.add(NAME, "DELETING")
    word, facts = failure(control)
    assert (word, facts["phase"], facts["last_status"]) == (
        "harness_not_gone",
        "delete",
        "DELETING",
    )
    assert facts["elapsed_ms"] == 23_000


def test_check_86_a_look_that_hangs_is_bounded_by_what_is_left():
    control = Control("hang")

    async def late():
        pace = Quick()
        harnesses = Harnesses(control, pace, Patience(23.0, INTERVAL))
        making = asyncio.ensure_future(harnesses.made(SPEC, ROLE))
        await asyncio.to_thread(control.hanging.wait, PATIENCE)
        pace.advance(18.0)
        with pytest.raises(ProviderFailed) as failed:
            await making
        control.gate.set()
        return failed.value.reason

    word, facts = asyncio.run(late())
    assert (word, facts["elapsed_ms"]) == ("harness_not_ready", 23_000)
    assert len(control.deleted) == 1


BAD = [0, -1, "5", None, True, float("nan"), float("inf")]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("key", ["provision_timeout", "poll_interval"])
def test_check_87_a_time_that_is_none_is_refused_by_its_name(key, bad):
    control = Control()
    provider = AgentCore(clients=lambda _: control)
    with pytest.raises(InvalidOption) as refused:
        asyncio.run(provider.provision(SPEC, {"execution_role_arn": ROLE, key: bad}))
    assert refused.value.reason == ("invalid_opts", key)
    assert control.created == []


@pytest.mark.parametrize("role", [None, "", "  ", 7, "harness", "arn:aws:iam::1:user/a"])
def test_check_82_a_role_that_is_none_is_refused_before_any_call(role):
    control = Control()
    provider = AgentCore(clients=lambda _: control)
    for options in ({"execution_role_arn": role}, {}):
        with pytest.raises(InvalidOption, match="execution_role_arn"):
            asyncio.run(provider.provision(SPEC, options))
    assert control.created == []


def test_what_is_deleted_is_waited_for_until_it_is_gone():
    control = Control("DELETING", "gone")
    known = control.add(NAME, "READY")["harnessId"]
    provider = AgentCore(clients=lambda _: control)

    async def remove():
        options = {"pace": Quick()}
        (found,) = await provider.provisioned(options)
        await provider.teardown(found.handle, options)
        control.failing["delete"] = Refusal(404, "ResourceNotFoundException")
        await provider.teardown(found.handle, options)

    asyncio.run(remove())
    assert control.deleted == [known]
    assert control.there == {}
