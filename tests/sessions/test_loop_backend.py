"""`provider_backend`: a model provider as the backend of a fleet's sessions."""

from __future__ import annotations

import asyncio
import threading
from functools import partial

import pytest

from beam import Fleet
from beam.backends.backend import WINDOW
from beam.backends.turn_limits import TurnLimits
from beam.errors import InvalidInput, ProviderFailed, RunFailed, SessionRefused
from beam.model.exit_reasons import ExitReason
from beam.model.permissions import allow, deny
from beam.otp import Backoff, Restarts, exit
from beam.providers.local import local
from beam.sessions.loop_backend import provider_backend
from beam.sessions.messages import GetConnection
from tests.backends.agents import Plain, PlainDriver
from tests.providers.stubs import DROP, END, Polled, Streamed, asks, says, use
from tests.providers.test_local import Model, reply, users
from tests.sessions.scripted import end

PATIENCE = 30.0
FAST = Backoff(0.01, 0.02)


def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


def started(fleets, provider, options=None, **session_options):
    fleet = fleets(provider_backend(provider, **(options or {})))
    return fleet.start_session(backend="agent", backoff=FAST, **session_options)


def said(session, kind):
    return [
        event.data["message"]
        for event in session.history()
        if event.type == "message" and event.data["message"]["type"] == kind
    ]


def facts(session, kind):
    return [event.data for event in session.history() if event.type == kind]


def test_a_session_answers_and_goes_on(fleets):
    model = Model(reply("one"), reply("two"))
    session = started(fleets, local(model))
    assert session.query("first").get(timeout=PATIENCE) == "one"
    assert session.query("second").get(timeout=PATIENCE) == "two"
    assert [each["content"] for each in model.last] == ["first", "one", "second"]


def test_a_tool_of_the_session_is_in_the_log_before_it_runs(fleets):
    logged = []

    def look() -> str:
        """Look at the log."""
        logged.extend(said(session, "tool_use"))
        return "seen"

    model = Model(reply(None, ("c1", "look", {})), reply("done"))
    session = started(fleets, local(model), tools=[look])
    assert session.query("Look.").get(timeout=PATIENCE) == "done"
    assert [each["tool_use_id"] for each in logged] == ["c1"]
    assert [each["content"] for each in said(session, "tool_result")] == ["seen"]
    assert model.last[-1] == {"role": "tool", "tool_call_id": "c1", "content": "seen"}
    assert model.asked[0]["tools"][0]["function"]["name"] == "look"


def test_the_first_message_says_what_the_agent_is(fleets):
    session = started(fleets, local(Model()), {"model": "small"}, tools=[add])
    session.query("Hi.").get(timeout=PATIENCE)
    (init,) = said(session, "system")
    assert init["subtype"] == "init"
    assert (init["system_info"]["model"], init["system_info"]["tools"]) == ("small", ["add"])


@pytest.mark.parametrize(
    ("decision", "result"),
    [(allow(), "3"), (allow({"a": 40, "b": 2}), "42"), (deny("not today"), "not permitted")],
)
def test_a_tool_is_asked_for_if_the_backend_says_so(fleets, decision, result):
    asked = []

    def decide(request, *_):
        asked.append(request)
        return decision

    model = Model(reply(None, ("c1", "add", {"a": 2, "b": 1})), reply("done"))
    session = started(
        fleets,
        local(model),
        {"ask_permission": ["add"]},
        tools=[add],
        permission_handler=decide,
    )
    assert session.query("Add.").get(timeout=PATIENCE) == "done"
    assert len(asked) == 1
    assert result in model.last[-1]["content"]


def test_text_is_streamed_as_it_comes(fleets):
    session = started(
        fleets,
        Polled([{"type": "p", "delta": "Hel"}, {"type": "p", "delta": "lo"}, says("Hello")]),
    )
    with session.stream("Hi.") as stream:
        messages = list(stream)
    assert [each.content for each in messages if each.type == "text"] == ["Hel", "lo"]
    assert messages[-1].type == "result"
    assert messages[-1].content == "Hello"


def test_usage_is_told_in_disjoint_buckets(fleets):
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 6,
        "prompt_tokens_details": {"cached_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 4},
    }
    session = started(fleets, local(Model(reply("x", usage=usage))))
    session.query("Hi.").get(timeout=PATIENCE)
    (result,) = said(session, "result")
    assert result["usage"] == {
        "input_tokens": 7,
        "cache_read_tokens": 3,
        "cache_write_tokens": 0,
        "output_tokens": 2,
        "reasoning_tokens": 4,
    }


@pytest.mark.parametrize("poll", [Polled, Streamed])
def test_the_last_pieces_of_an_answer_are_told_however_many_came_before_them(fleets, poll):
    pieces = [{"type": "p", "delta": str(number)} for number in range(3 * WINDOW)]
    given = [*pieces, says("All.")]
    session = started(fleets, poll(given) if poll is Polled else poll([*given, END]))
    assert session.query("Hi.").get(timeout=PATIENCE) == "All."
    assert [each["content"] for each in said(session, "text")] == [each["delta"] for each in pieces]


SPENT = (10, 5)
CUT = {**says("half", usage=SPENT, stop_reason="length"), "terminal": "terminated"}


@pytest.mark.parametrize("given", [(CUT,), (asks(use(), usage=SPENT), RuntimeError("it is gone"))])
def test_a_turn_that_fails_tells_its_tokens_all_the_same(fleets, given):
    session = started(fleets, Polled(*given), tools=[add])
    with pytest.raises(RunFailed):
        session.query("Hi.").get(timeout=PATIENCE)
    (failed,) = session.history(types=["run_failed"])
    assert failed.data["usage"]["input_tokens"] == 10


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (ProviderFailed(("status", 429), exit=ExitReason("throttled")), "throttled"),
        (ProviderFailed("x", exit=ExitReason("quota", resets_at=5.0)), "quota"),
        (ProviderFailed("x", exit=ExitReason("auth", status=401)), "auth"),
        (ProviderFailed(("malformed", {})), "agent_error"),
        (RuntimeError("maximum context length exceeded"), "context_full"),
        (ConnectionRefusedError("nobody there"), "overloaded"),
        (asks(), "protocol"),
        ({**says("half", stop_reason="length"), "terminal": "terminated"}, "truncated"),
        ({**says(stop_reason="refusal"), "terminal": "terminated"}, "refused"),
        ({**says("I can't", stop_reason="refusal"), "terminal": "terminated"}, "refused"),
    ],
)
def test_a_failure_has_a_reason_of_the_closed_set_and_the_session_lives(fleets, failure, kind):
    session = started(fleets, Polled(failure, says("back")))
    with pytest.raises(RunFailed) as caught:
        session.query("Hi.").get(timeout=PATIENCE)
    assert caught.value.reason == kind
    assert session.query("Again.").get(timeout=PATIENCE) == "back"


def test_a_throttled_request_is_asked_again_when_its_user_wants_it(fleets):
    throttled = ProviderFailed("x", exit=ExitReason("throttled", retry_after=0.01))
    session = started(fleets, Polled(throttled, says("there")), on_crash="retry")
    assert session.query("Hi.").get(timeout=PATIENCE) == "there"


def leave(*_):
    raise SystemExit(3)


class Leaving(Polled):
    async def open(self, options):
        leave()


@pytest.mark.parametrize("provider", [Polled(leave), Leaving()], ids=["to answer", "to open"])
def test_a_provider_that_wants_to_end_the_program_ends_no_other_session(provider):
    backends = {"bad": provider_backend(provider), "good": provider_backend(local(Model()))}
    with Fleet(backends=backends) as fleet:
        good = fleet.start_session(backend="good")
        assert good.query("Hi.").get(timeout=PATIENCE) == "done"
        bad = fleet.start_session(backend="bad", reconnects=Restarts(1, per=60.0), backoff=FAST)
        with pytest.raises((RunFailed, SessionRefused)):
            bad.query("Hi.").get(timeout=PATIENCE)
        assert good.query("Still there?").get(timeout=PATIENCE) == "done"


def test_after_a_failure_the_model_is_told_what_its_tools_have_done(fleets):
    refused = ProviderFailed("x", exit=ExitReason("invalid_request"))
    model = Model(reply(None, ("c1", "add", {"a": 2})), refused, refused, reply("here"))
    session = started(fleets, local(model), tools=[add])
    for prompt in ("Add.", "Again."):
        with pytest.raises(RunFailed):
            session.query(prompt).get(timeout=PATIENCE)
    assert session.query("What is it?").get(timeout=PATIENCE) == "here"
    assert [each["role"] for each in model.last] == ["user", "assistant", "tool", "user"]
    assert model.last[2]["content"] == "3"


def test_a_request_that_is_asked_again_before_any_tool_ran_is_the_same(fleets):
    throttled = ProviderFailed("x", exit=ExitReason("throttled", retry_after=0.01))
    model = Model(throttled, reply("there"))
    session = started(fleets, local(model), on_crash="retry")
    assert session.query("Hi.").get(timeout=PATIENCE) == "there"
    assert users(model.last) == ["Hi."]


def test_a_model_that_may_have_acted_is_told_that_it_is_asked_again(fleets):
    throttled = ProviderFailed("x", exit=ExitReason("throttled", retry_after=0.01))
    model = Model(reply(None, ("c1", "add", {"a": 1})), throttled, throttled, reply("there"))
    session = started(fleets, local(model), tools=[add], on_crash="retry")
    assert session.query("Add.").get(timeout=PATIENCE) == "there"
    assert model.last[-1]["content"].startswith("Add.\n\n(This is attempt 3 ")


def test_a_model_is_told_after_a_crash_that_it_is_asked_again(fleets):
    begun, leave = threading.Event(), threading.Event()

    def slow() -> str:
        """Take its time."""
        begun.set()
        leave.wait(PATIENCE)
        return "late"

    model = Model(reply(None, ("c1", "slow", {})), reply("there"))
    fleet = fleets(provider_backend(local(model)))
    options = {"tools": [slow], "on_crash": "retry"}
    session = fleet.start_session(backend="agent", backoff=FAST, **options)
    run = session.query("Go.")
    assert begun.wait(PATIENCE)
    crash(fleet, session)
    assert run.get(timeout=PATIENCE) == "there"
    leave.set()
    assert "attempt 2" in users(model.last)[-1]


def test_too_many_turns_and_a_halt_have_their_reasons(fleets):
    session = started(fleets, Polled(asks(use()), asks(use())), {"max_turns": 1}, tools=[add])
    with pytest.raises(RunFailed) as caught:
        session.query("Hi.").get(timeout=PATIENCE)
    assert caught.value.reason == "max_turns"
    guarded = {"turn_guard": lambda at: ("halt", "dear")}
    session = started(fleets, Polled(says()), guarded)
    with pytest.raises(RunFailed) as caught:
        session.query("Hi.").get(timeout=PATIENCE)
    assert caught.value.reason == "budget"


def test_an_interrupt_ends_the_poll_and_the_next_question_is_answered(fleets):
    polling, cancelled = threading.Event(), threading.Event()

    async def hang(given, forward):
        polling.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            cancelled.set()

    session = started(fleets, Polled(hang, says("here")))
    run = session.query("Hi.")
    assert polling.wait(PATIENCE)
    session.interrupt()
    with pytest.raises(RunFailed):
        run.get(timeout=PATIENCE)
    assert cancelled.wait(PATIENCE)
    assert session.query("Again.").get(timeout=PATIENCE) == "here"


def test_an_interrupt_while_a_tool_runs_leaves_a_conversation_that_goes_on(fleets):
    begun, leave = threading.Event(), threading.Event()

    def slow() -> str:
        """Take its time."""
        begun.set()
        leave.wait(PATIENCE)
        return "late"

    model = Model(reply(None, ("c1", "slow", {})), reply("here"))
    session = started(fleets, local(model), tools=[slow])
    run = session.query("Hi.")
    assert begun.wait(PATIENCE)
    session.interrupt()
    with pytest.raises(RunFailed):
        run.get(timeout=PATIENCE)
    leave.set()
    assert session.query("Again.").get(timeout=PATIENCE) == "here"
    # The use that was cut has a result all the same: servers refuse a conversation without it.
    kinds = [each["role"] for each in model.last]
    assert kinds == ["user", "assistant", "tool", "user"]
    assert "not run" in model.last[2]["content"]


def crash(fleet, session):
    """End the session's connection to its agent, as a crash would."""
    connection = fleet.whereis(session.id).ask(GetConnection(), timeout=PATIENCE)
    end(fleet.node, connection, partial(exit, connection, "kill"))


def test_after_a_crash_the_conversation_is_told_anew(fleets):
    model = Model(reply("one"), reply("two"))
    fleet = fleets(provider_backend(local(model)))
    session = fleet.start_session(backend="agent", backoff=FAST)
    assert session.query("first").get(timeout=PATIENCE) == "one"
    crash(fleet, session)
    assert session.query("second").get(timeout=PATIENCE) == "two"
    assert [each["content"] for each in model.last] == ["first", "one", "second"]
    assert facts(session, "run_started")[-1]["continued"] == "transcript"


def test_a_change_of_model_keeps_the_conversation(fleets):
    model = Model(reply("one"), reply("two"))
    session = started(fleets, local(model), {"model": "small"})
    session.query("first").get(timeout=PATIENCE)
    session.query("second", params={"model": "large"}).get(timeout=PATIENCE)
    assert [each["model"] for each in model.asked] == ["small", "large"]
    assert users(model.last) == ["first", "second"]


def test_a_drop_in_the_middle_of_a_turn_is_reconnected(fleets):
    provider = Streamed([DROP], reconnect_errors=[OSError("still down")])
    provider.known_history = (says("made it", event_id="e-9"),)
    session = started(fleets, provider)
    assert session.query("Hi.").get(timeout=PATIENCE) == "made it"
    assert provider.reconnects == 2


def test_a_stream_that_ends_in_the_middle_of_a_turn_is_reconnected(fleets):
    provider = Streamed([END], known_history=(says("made it", event_id="e-9"),))
    session = started(fleets, provider)
    assert session.query("Hi.").get(timeout=PATIENCE) == "made it"


class Remembering(Streamed):
    remembers = True

    async def open(self, options):
        self.was_resumed = options.session_id is not None
        if self.was_resumed and options.session_id != self.ids[-1]:
            raise ProviderFailed("gone", exit=ExitReason("session_lost"))
        return await super().open(options)


def test_a_conversation_that_the_provider_keeps_is_resumed_by_its_id(fleets):
    provider = Remembering()
    fleet = fleets(provider_backend(provider))
    session = fleet.start_session(backend="agent", backoff=FAST)
    assert session.query("first").get(timeout=PATIENCE) == "done"
    crash(fleet, session)
    # A tool that nobody has answered, left over from before the crash.
    provider.known_history = ({"type": "asked", "pending": [use()]},)
    provider.turns = [says("left over", "e-5"), says("two", "e-6")]
    assert session.query("second").get(timeout=PATIENCE) == "two"
    assert provider.opened.session_id == "s-1"
    assert facts(session, "run_started")[-1]["continued"] == "resumed"
    (result,) = provider.results
    assert result.is_error
    assert "not known" in result.text


def test_a_conversation_that_is_lost_is_begun_anew_and_told(fleets):
    provider = Remembering()
    fleet = fleets(provider_backend(provider))
    session = fleet.start_session(backend="agent", backoff=FAST)
    session.query("first").get(timeout=PATIENCE)
    provider.ids = ["s-2"]
    crash(fleet, session)
    session.query("second").get(timeout=PATIENCE)
    kind, prompt = provider.sent[-1]
    assert kind == "user"
    assert "first" in prompt
    assert prompt.endswith("second")


def test_a_provider_that_cannot_be_opened_fails_the_run_with_its_reason(fleets):
    error = ProviderFailed("x", exit=ExitReason("auth", status=401))
    session = started(fleets, Polled(open_error=error), reconnects=Restarts(1, per=60.0))
    with pytest.raises(SessionRefused) as caught:
        session.query("Hi.").get(timeout=PATIENCE)
    assert caught.value.reason == "session_quarantined"
    assert caught.value.cause == "auth"


@pytest.mark.parametrize(
    "options",
    [
        {"handler": print},
        {"prompt": "Hi."},
        {"ask_permission": "add"},
        {"max_turns": 0},
    ],
    ids=lambda options: next(iter(options)),
)
def test_what_is_not_the_backends_is_refused(options):
    with pytest.raises(InvalidInput):
        provider_backend(local(Model()), **options)


def test_what_is_no_provider_is_refused():
    with pytest.raises(InvalidInput, match="provider"):
        provider_backend(print)


def test_the_backend_has_deadlines_of_its_own(fleets):
    backend = provider_backend(local(Model()), turn=TurnLimits(first_byte=5.0))
    assert backend.turn.first_byte == 5.0


def test_a_fleet_that_closes_waits_for_its_drivers_to_part(fleets):
    parted = threading.Event()

    class Slow(PlainDriver):
        async def close(self):
            for _ in range(3000):
                await asyncio.sleep(0)
            parted.set()

    class Parting(Plain):
        def driver(self, talk, wire):
            return Slow(talk, wire)

    fleet = fleets(Parting())
    fleet.start_session(backend="agent").query("hello").get(timeout=PATIENCE)
    fleet.close()
    assert parted.is_set()
