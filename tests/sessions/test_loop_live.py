"""`ModelSession`: live conversations; the acceptance checks that need one, by their numbers."""

from __future__ import annotations

import asyncio
import queue
import threading

import pytest

from beam.errors import LoopFailed, NotSupported, ProviderFailed, Refused, StartError
from beam.otp import Down, Mailbox, Supervisor, child, monitor
from beam.providers.values import SessionResult
from beam.sessions.loop_live import ModelSession
from beam.sessions.loop_options import LoopOptions
from beam.sessions.loop_session import LoopSession
from tests.providers.stubs import DROP, END, Polled, Streamed, VirtualPace, asks, says, use
from tests.providers.test_local import Model, local, reply, users

PATIENCE = 30.0


def add(name, given, context):
    return "fine"


class Told(queue.Queue):
    """What a session was told to notify."""

    def __call__(self, outcome):
        self.put(outcome)

    def next(self):
        return self.get(timeout=PATIENCE)


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def live(told):
    """Start live sessions that end with the test."""
    started = []

    def start(provider, handler=add, **options):
        session = ModelSession.start(provider, handler=handler, notify=told, **options)
        started.append(session)
        return session

    yield start
    for session in started:
        session.stop()


@pytest.mark.parametrize("stub", [Polled, Streamed])
def test_check_28_a_session_lives_on_after_its_answer_and_answers_again(live, told, stub):
    provider = stub(says("one", "e-1"), says("two", "e-2"))
    session = live(provider, prompt="first")
    assert told.next().text == "one"
    session.proxy().message("second").get(timeout=PATIENCE)
    result = told.next()
    assert (result.text, result.turns, len(result.events)) == ("two", 1, 1)
    assert provider.sent == [("user", "first"), ("user", "second")]
    assert session.is_alive()


def test_check_42_a_message_during_a_turn_waits_and_both_are_in_the_transcript(live, told):
    begun, leave = threading.Event(), threading.Event()

    def slow(name, given, context):
        begun.set()
        leave.wait(PATIENCE)
        return "late"

    model = Model(reply(None, ("c1", "add", {})), reply("one"), reply("two"))
    session = live(local(model), slow, prompt="first")
    assert begun.wait(PATIENCE)
    session.proxy().message("second").get(timeout=PATIENCE)
    leave.set()
    assert [told.next().text, told.next().text] == ["one", "two"]
    assert users(model.last) == ["first", "second"]


def test_check_43_a_poll_that_fails_is_told_and_ends_the_session_abnormally(told):
    with Mailbox() as me:
        error = ProviderFailed(("status", 401))
        gate = threading.Event()

        async def fails(given, forward):
            await asyncio.to_thread(gate.wait)
            return error

        session = ModelSession.start(Polled(fails), handler=add, notify=told)
        monitor(session)
        gate.set()
        assert told.next() is error
        down = me.receive(timeout=PATIENCE)
    assert isinstance(down, Down)
    assert down.reason == ("loop_failed", ("status", 401))


def test_a_supervisor_restarts_a_session_that_failed(told):
    provider = Polled(ProviderFailed("broken"), says("back"))
    with Supervisor.start(
        [child(ModelSession, provider, handler=add, notify=told, restart="transient")]
    ):
        assert isinstance(told.next(), ProviderFailed)
        assert told.next().text == "back"


@pytest.mark.parametrize(
    ("provider", "options", "reason"),
    [
        (Polled(open_error=ProviderFailed(("create_failed", 5))), {}, ("create_failed", 5)),
        (Polled(), {"max_turns": 0}, ("invalid_opts", "max_turns")),
        ("nobody", {}, "invalid_input"),
    ],
    ids=["open", "option", "provider"],
)
def test_what_cannot_be_opened_does_not_start(provider, options, reason):
    with pytest.raises(Refused) as caught:
        ModelSession.start(provider, handler=add, **options)
    assert caught.value.reason == reason


def test_check_56_an_event_is_sent_as_it_is(live, told):
    provider = Streamed(says("one", "e-1"))
    session = live(provider, prompt="first")
    told.next()
    provider.turns = [{"type": "note", "id": "n-1"}]
    session.proxy().send_event({"type": "user.custom"}).get(timeout=PATIENCE)
    assert provider.sent[-1] == {"type": "user.custom"}


def test_check_57_after_an_event_was_sent_the_count_goes_on(live, told):
    provider = Streamed([{"type": "note", "id": "n-1"}, says("one", "e-1")])
    session = live(provider, prompt="first")
    assert told.next().turns == 1
    provider.turns = [[{"type": "note", "id": "n-2"}, says("two", "e-2")]]
    session.proxy().send_event({"type": "user.custom"}).get(timeout=PATIENCE)
    result = told.next()
    assert (result.turns, len(result.events)) == (2, 4)
    assert [each["id"] for each in result.events] == ["n-1", "e-1", "n-2", "e-2"]


def test_check_58_a_provider_that_polls_takes_no_events(live, told):
    session = live(Polled(says()), prompt="first")
    told.next()
    with pytest.raises(NotSupported) as caught:
        session.proxy().send_event({}).get(timeout=PATIENCE)
    assert caught.value.reason == "unsupported"


def test_an_interrupt_is_told(live, told):
    polling = threading.Event()

    async def hang(given, forward):
        polling.set()
        await asyncio.get_running_loop().create_future()

    with Mailbox():
        session = ModelSession.start(Polled(hang), handler=add, notify=told)
        assert polling.wait(PATIENCE)
        session.proxy().interrupt.defer()
        assert told.next().reason == "interrupted"


# Streams that drop, on a virtual time


class Line:
    """A live session in this test's event loop."""

    def __init__(self, provider, handler=add, **options):
        self.pace = VirtualPace()
        self.outcomes = asyncio.Queue()
        wanted = LoopOptions.of({"handler": handler, "pace": self.pace, **options})
        self.session = LoopSession(provider, wanted, self.outcomes.put_nowait, live=True)

    async def __aenter__(self):
        await self.session.open()
        return self

    async def __aexit__(self, *_):
        await self.session.close()

    async def next(self):
        return await asyncio.wait_for(self.outcomes.get(), PATIENCE)

    async def past(self, *delays):
        for delay in delays:
            await self.pace.sleeping(delay)
            self.pace.advance(delay)

    async def settled(self):
        """Let everything that can happen now happen."""
        for _ in range(50):
            await asyncio.sleep(0)


def run(scenario):
    return asyncio.run(scenario)


@pytest.mark.parametrize("cut", [DROP, END], ids=["error", "clean_end"])
def test_checks_45_66_a_drop_is_reconnected_and_the_open_tool_run_again(cut):
    async def scenario():
        provider = Streamed([asks(use(), event_id="e-1")], cut, says("two", "e-3"))
        ran = []
        async with Line(provider, lambda name, given, context: ran.append(name)) as line:
            # The results that were pushed last are not in the history: nobody has them.
            provider.known_history = (asks(use(), event_id="e-1"),)
            await line.past(0.5)
            result = await line.next()
        return provider, ran, result

    provider, ran, result = run(scenario())
    assert ran == ["add", "add"]
    assert (result.text, [each.id for each in result.custom_tool_uses]) == ("two", ["call_1"])
    assert (provider.streams, provider.reconnects) == (2, 1)


def test_a_reconnect_that_fails_is_tried_again_after_waits_that_double():
    async def scenario():
        provider = Streamed([DROP])
        provider.reconnect_errors = [OSError("down") for _ in range(9)]
        provider.known_history = (says("made it", "e-1"),)
        async with Line(provider) as line:
            await line.past(0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 64.0, 64.0)
            first = await line.next()
            # An answer has come: the next wait is short again.
            provider.say(DROP)
            await line.past(0.5)
        return first

    assert run(scenario()).text == "made it"


def test_check_47_a_resumed_session_that_is_idle_is_told_its_prompt():
    async def scenario():
        provider = Streamed(says("yes", "e-9"), was_resumed=True)
        provider.known_history = (says("old", "e-1"),)
        async with Line(provider, session_id="s-1", prompt="Go on.") as line:
            result = await line.next()
        return provider, result

    provider, result = run(scenario())
    assert provider.sent == [("user", "Go on.")]
    assert (result.text, result.turns, len(result.events)) == ("yes", 1, 1)


def test_check_48_a_resumed_session_without_a_prompt_is_sent_nothing():
    async def scenario():
        provider = Streamed(was_resumed=True)
        async with Line(provider, session_id="s-1") as line:
            await asyncio.wait_for(line.session.taken_up.wait(), PATIENCE)
            await line.settled()
            assert provider.sent == []
            line.session.message("Now.")
            return await line.next()

    assert run(scenario()).text == "done"


def test_check_49_a_session_resumed_with_an_open_tool_runs_it_and_ignores_the_prompt():
    async def scenario():
        provider = Streamed(says("two", "e-2"), was_resumed=True)
        provider.known_history = ({"type": "asked", "id": "e-1", "pending": [use()]},)
        async with Line(provider, session_id="s-1", prompt="Ignored.") as line:
            result = await line.next()
        return provider, result

    provider, result = run(scenario())
    assert [kind for kind, *_ in provider.sent] == ["results"]
    assert (result.text, [each.id for each in result.custom_tool_uses]) == ("two", ["call_1"])


def test_check_50_a_fresh_session_never_sends_its_kickoff_twice():
    async def scenario():
        provider = Streamed([DROP])
        async with Line(provider, prompt="Go.") as line:
            await line.past(0.5)
            await line.settled()
            return provider

    assert run(scenario()).sent == [("user", "Go.")]


def test_check_51_a_message_to_a_resumed_session_begins_a_count_of_its_own():
    async def scenario():
        provider = Streamed(says("left over", "e-2"), says("new", "e-3"), was_resumed=True)
        provider.known_history = ({"type": "asked", "id": "e-1", "pending": [use()]},)
        async with Line(provider, session_id="s-1") as line:
            line.session.message("Now.")
            return await line.next(), await line.next()

    first, second = run(scenario())
    assert (first.text, first.turns, len(first.custom_tool_uses)) == ("left over", 1, 1)
    assert (second.text, second.turns, len(second.custom_tool_uses)) == ("new", 1, 0)


def test_check_52_a_provider_without_reconnect_resumes_by_default():
    async def scenario():
        provider = Polled(says("yes"), was_resumed=True)
        async with Line(provider, session_id="s-1", prompt="Go on.") as line:
            return provider, await line.next()

    provider, result = run(scenario())
    assert provider.sent == [("user", "Go on.")]
    assert result.text == "yes"


def test_checks_53_54_what_was_heard_before_is_not_heard_again_after_a_reconnect():
    async def scenario():
        watched = []

        class Handler:
            def handle_tool_call(self, name, given, context): ...

            def handle_event(self, event, context):
                watched.append(event["id"])

        provider = Streamed([{"type": "note", "id": "n-1"}, DROP])
        async with Line(provider, Handler()) as line:
            provider.known_history = tuple(
                {"type": "note", "id": name} for name in ("old", "n-1", "n-2")
            )
            await line.past(0.5)
            await line.settled()
            provider.say({"type": "note", "id": "n-2"}, says("two", "e-1"))
            result = await line.next()
        return watched, result

    watched, result = run(scenario())
    assert watched == ["n-1", "old", "n-2", "e-1"]
    assert [each["id"] for each in result.events] == ["n-1", "old", "n-2", "e-1"]


def test_check_55_a_tool_use_with_a_result_is_not_open():
    provider = Streamed()
    asked = {"type": "asked", "pending": [use(), use(number=2)]}
    answered = {"type": "answered", "answers": ["call_1"]}
    assert [each.id for each in provider.pending_tool_uses((asked, answered))] == ["call_2"]


def test_check_36_after_a_reconnect_a_handler_is_told_the_new_session_id():
    async def scenario():
        seen = []
        provider = Streamed([DROP], says("two", "e-2"))
        provider.known_history = ({"type": "asked", "id": "e-1", "pending": [use()]},)
        handler = lambda name, given, context, info: seen.append(info.session_id)  # noqa: E731
        async with Line(provider, handler) as line:
            await line.pace.sleeping(0.5)
            provider.ids.append("s-2")
            line.pace.advance(0.5)
            return seen, await line.next()

    seen, result = run(scenario())
    assert seen == ["s-2"]
    assert result.session_id == "s-2"


def test_a_push_that_fails_is_told_and_the_session_goes_on():
    async def scenario():
        provider = Streamed(OSError("refused"), says("two", "e-2"))
        async with Line(provider) as line:
            first = await line.next()
            line.session.message("Again.")
            return first, await line.next()

    first, second = run(scenario())
    assert isinstance(first, LoopFailed)
    assert first.reason[0] == "provider_error"
    assert isinstance(second, SessionResult)


def test_a_resumed_session_that_cannot_be_taken_up_is_told():
    async def scenario():
        provider = Streamed(was_resumed=True, reconnect_errors=[OSError("gone")])
        async with Line(provider, session_id="s-1") as line:
            return await line.next()

    assert run(scenario()).reason[0] == "provider_error"


def test_results_that_are_ready_while_the_stream_is_down_are_sent_when_it_is_up():
    async def scenario():
        begun, leave = asyncio.Event(), asyncio.Event()

        async def slow(name, given, context):
            begun.set()
            await leave.wait()
            return "late"

        provider = Streamed([asks(use(), event_id="e-1")], says("two", "e-2"))
        async with Line(provider, slow) as line:
            await begun.wait()
            provider.say(DROP)
            await line.pace.sleeping(0.5)
            leave.set()
            await line.settled()
            assert len(provider.sent) == 1
            provider.known_history = (asks(use(), event_id="e-1"),)
            line.pace.advance(0.5)
            return provider, await line.next()

    provider, result = run(scenario())
    assert [each.text for each in provider.results] == ["late"]
    assert result.text == "two"


def test_an_interrupted_turn_is_drained_before_the_next_request_begins():
    async def scenario():
        provider = Streamed({"type": "note", "id": "n-1"}, says("two", "e-2"))
        async with Line(provider, prompt="first") as line:
            await line.settled()
            line.session.interrupt()
            failed = await line.next()
            line.session.message("second")
            await line.settled()
            assert len(provider.sent) == 1
            provider.say(says("of the first", "e-1"))
            return provider, failed, await line.next()

    provider, failed, result = run(scenario())
    assert (failed.reason, provider.interrupted) == ("interrupted", 1)
    assert (result.text, len(result.events)) == ("two", 1)


@pytest.mark.parametrize("first", ["the interrupt", "the drop"])
@pytest.mark.parametrize("told", ["in the history", "by the stream"])
def test_a_turn_that_is_interrupted_around_a_drop_is_drained_too(first, told):
    async def scenario():
        provider = Streamed({"type": "note", "id": "n-1"}, says("two", "e-2"))
        provider.known_history = ({"type": "note", "id": "n-1"},)
        async with Line(provider, prompt="first") as line:
            await line.settled()
            for what in (first, "the drop" if first == "the interrupt" else "the interrupt"):
                if what == "the drop":
                    provider.say(DROP)
                else:
                    line.session.interrupt()
                await line.settled()
            failed = await line.next()
            line.session.message("second")
            if told == "in the history":
                provider.known_history += (says("of the first", "e-1"),)
            await line.past(0.5)
            await line.settled()
            if told == "by the stream":
                assert len(provider.sent) == 1
                provider.say(says("of the first", "e-1"))
            return failed, provider, await line.next()

    failed, provider, result = run(scenario())
    assert (failed.reason, provider.interrupted) == ("interrupted", 1)
    assert (result.text, len(result.events)) == ("two", 1)


def test_a_turn_that_was_not_sent_yet_needs_no_draining():
    async def scenario():
        provider = Streamed(says("one", "e-1"), says("two", "e-2"))
        async with Line(provider, prompt="first") as line:
            await line.next()
            provider.say(DROP)
            await line.settled()
            line.session.message("second")
            line.session.interrupt()
            line.session.message("third")
            await line.past(0.5)
            return provider, await line.next(), await line.next()

    provider, failed, result = run(scenario())
    assert (failed.reason, provider.interrupted) == ("interrupted", 0)
    assert (provider.sent[-1], result.text) == (("user", "third"), "two")


def test_after_a_drop_without_a_history_nothing_is_drained():
    async def scenario():
        provider = Streamed({"type": "note", "id": "n-1"}, says("two", "e-2"))
        async with Line(provider, prompt="first") as line:
            await line.settled()
            line.session.interrupt()
            provider.say(DROP)
            await line.next()
            line.session.message("second")
            await line.past(0.5)
            return await line.next()

    assert run(scenario()).text == "two"


def test_an_answer_that_comes_in_spite_of_an_interrupt_is_not_the_next_ones():
    async def stubborn(given, forward):
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            return says("too late")

    async def scenario():
        async with Line(Polled(stubborn, says("two")), prompt="first") as line:
            await line.settled()
            line.session.interrupt()
            line.session.message("second")
            return await line.next(), await line.next()

    failed, result = run(scenario())
    assert (failed.reason, result.text) == ("interrupted", "two")


def test_a_session_that_the_provider_breaks_while_it_opens_leaves_no_thread():
    with pytest.raises(StartError):
        ModelSession.start(Polled(open_error=LookupError("not mine")), handler=add)
    threads = [each for each in threading.enumerate() if each.name.startswith("beam-model")]
    for each in threads:
        each.join(PATIENCE)
    assert not any(each.is_alive() for each in threads)


def test_closing_ends_the_stream_and_the_tools():
    async def scenario():
        cancelled = asyncio.Event()

        async def hang(name, given, context):
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                cancelled.set()

        provider = Streamed([asks(use(), event_id="e-1")])
        async with Line(provider, hang) as line:
            await line.pace.sleeping(300.0)
        assert cancelled.is_set()
        assert provider.closed == 1
        await line.settled()
        assert len(asyncio.all_tasks()) == 1

    run(scenario())
