"""`beam.run`: the loop's acceptance checks, by their numbers in the specification."""

from __future__ import annotations

import asyncio
import threading

import pytest

import beam
from beam import telemetry
from beam.errors import InvalidOption, LoopFailed, ProviderFailed, ToolFailed
from beam.otp.context import BlockingCallWarning
from beam.providers import Handle, Outcome, ToolResult, Usage
from tests.providers.stubs import DROP, END, Polled, Streamed, VirtualPace, asks, says, use

BOTH = pytest.mark.parametrize("stub", [Polled, Streamed])


def add(name, given, context):
    return f"{name} of {given}"


def run(provider, handler=add, **options):
    return beam.run(provider, handler=handler, **options)


@BOTH
def test_check_1_a_tool_is_run_and_its_result_sent_until_the_model_ends(stub):
    provider = stub(asks(use()), says("two"))
    result = run(provider, prompt="Add.")
    assert (result.terminal, result.text, result.turns) == ("end_turn", "two", 2)
    assert [each.text for each in provider.results] == ["add of {'a': 1}"]
    assert provider.sent[0] == ("user", "Add.")
    assert provider.closed == 1


@BOTH
def test_check_2_without_a_tool_use_no_tool_runs(stub):
    result = run(stub(says("hello")), handler=lambda *_: pytest.fail("ran"))
    assert (result.text, result.turns, result.custom_tool_uses) == ("hello", 1, ())


def test_a_fresh_session_without_a_prompt_begins_anyway():
    provider = Polled(says())
    run(provider)
    assert provider.sent == [("user", "Begin.")]


def test_check_3_a_failure_to_open_is_what_the_provider_raised():
    error = ProviderFailed(("create_session_failed", "no credit"))
    with pytest.raises(ProviderFailed) as caught:
        run(Polled(open_error=error))
    assert caught.value is error


def test_check_4_a_poll_that_raises_is_told_and_the_caller_lives():
    with pytest.raises(LoopFailed) as caught:
        run(Polled(ZeroDivisionError("boom")))
    word, error = caught.value.reason
    assert word == "provider_error"
    assert isinstance(error, ZeroDivisionError)


def test_what_a_provider_says_of_its_own_accord_is_raised_as_it_is():
    error = ProviderFailed(("malformed_chat_response", {}))
    with pytest.raises(ProviderFailed) as caught:
        run(Polled(error))
    assert caught.value is error


async def late(provider, stopped, **options):
    """Run until `stopped` is set, let the deadline pass, and return the failure."""
    pace = VirtualPace()
    task = asyncio.ensure_future(
        beam.aio.run(provider, pace=pace, timeout=100.0, tool_timeout=None, **options)
    )
    await asyncio.to_thread(stopped.wait)
    pace.advance(100.0)
    with pytest.raises(LoopFailed) as caught:
        await task
    return caught.value


def test_check_5_the_deadline_ends_the_poll():
    polling, cancelled = threading.Event(), threading.Event()

    async def hang(given, forward):
        polling.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            cancelled.set()

    provider = Polled(hang)
    failed = asyncio.run(late(provider, polling, handler=add))
    assert failed.reason == "timeout"
    assert cancelled.is_set()
    assert (provider.closed, provider.interrupted) == (1, 1)


def test_check_41_the_deadline_holds_while_a_tool_sleeps():
    begun, leave = threading.Event(), threading.Event()

    def sleepy(name, given, context):
        begun.set()
        leave.wait(60.0)
        return "too late"

    provider = Polled(asks(use()))
    try:
        failed = asyncio.run(late(provider, begun, handler=sleepy))
    finally:
        leave.set()
    assert failed.reason == "timeout"
    assert (failed.result.turns, [each.id for each in failed.result.custom_tool_uses]) == (
        1,
        ["call_1"],
    )
    assert provider.results == []


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        pytest.param(ToolFailed("add", "no such number"), "no such number", id="check_6"),
        pytest.param(ValueError("boom"), "ValueError: boom", id="check_7"),
        pytest.param(SystemExit(3), "SystemExit: 3", id="check_9_exit"),
        pytest.param(KeyboardInterrupt("now"), "KeyboardInterrupt: now", id="check_9_throw"),
    ],
)
def test_checks_6_7_9_a_failing_tool_is_a_result_that_says_so(failure, told):
    def failing(name, given, context):
        raise failure

    provider = Polled(asks(use()), says())
    assert run(provider, failing).terminal == "end_turn"
    assert provider.results == [ToolResult("call_1", told, is_error=True)]


def test_check_8_a_function_of_three_arguments_works_and_so_does_its_error():
    def handler(name, given, context):
        if name == "bad":
            raise ToolFailed(name, context)
        return {"sum": given["a"]}

    provider = Polled(asks(use("add", 1), use("bad", 2)), says())
    run(provider, handler, context="told")
    assert provider.results == [
        ToolResult("call_1", '{"sum":1}'),
        ToolResult("call_2", "told", is_error=True),
    ]


def test_check_9_a_value_that_is_no_answer_is_an_error():
    provider = Polled(asks(use()), says())
    run(provider, lambda name, given, context: object())
    assert provider.results[0].is_error
    assert "neither text nor JSON" in provider.results[0].text


def test_a_coroutine_function_is_a_handler():
    async def handler(name, given, context):
        await asyncio.sleep(0)
        return "later"

    provider = Polled(asks(use()), says())
    run(provider, handler)
    assert provider.results[0].text == "later"


class _Later:
    async def __call__(self, name, given, context):
        return "later"


def _wrapped(name, given, context):
    return _Later()(name, given, context)


@pytest.mark.parametrize("handler", [_Later(), _wrapped], ids=["an object", "a decorated one"])
def test_a_function_that_does_not_look_like_a_coroutine_function_is_awaited(handler):
    provider = Polled(asks(use()), says())
    run(provider, handler)
    assert provider.results == [ToolResult("call_1", "later")]


def test_check_9_a_tool_that_is_cancelled_from_inside_is_an_error():
    async def handler(name, given, context):
        raise asyncio.CancelledError("inside")

    provider = Polled(asks(use()), says())
    assert run(provider, handler).terminal == "end_turn"
    assert provider.results == [ToolResult("call_1", "CancelledError: inside", is_error=True)]


def test_check_9_an_exception_that_cannot_say_what_it_is_is_an_error():
    class Speechless(Exception):
        def __str__(self):
            raise RuntimeError("no words")

    def handler(name, given, context):
        raise Speechless

    provider = Polled(asks(use()), says())
    assert run(provider, handler).terminal == "end_turn"
    assert provider.results == [ToolResult("call_1", "Speechless", is_error=True)]


def test_check_46_a_stream_that_is_cancelled_from_inside_fails_the_run():
    with pytest.raises(LoopFailed) as caught:
        run(Streamed([asyncio.CancelledError()]))
    assert caught.value.reason[0] == "stream_error"


@BOTH
def test_check_4_a_provider_that_wants_to_end_the_program_does_not(stub):
    class Leaving(stub):
        async def poll_turn(self, conn, given, forward):
            raise SystemExit(3)

        async def push_input(self, conn, given):
            raise SystemExit(3)

    with pytest.raises(LoopFailed) as caught:
        run(Leaving())
    assert "SystemExit: 3" in str(caught.value.reason[1])


def test_check_44_a_guard_that_is_async_and_wants_to_end_the_program_does_not():
    async def guard(progress):
        raise SystemExit(3)

    with pytest.raises(LoopFailed) as caught:
        run(Polled(says()), turn_guard=guard)
    assert "SystemExit: 3" in str(caught.value.reason[1])


def test_check_4_a_poll_that_is_cancelled_from_inside_is_told():
    with pytest.raises(LoopFailed) as caught:
        run(Polled(asyncio.CancelledError()))
    word, error = caught.value.reason
    assert (word, type(error)) == ("provider_error", asyncio.CancelledError)


def test_check_10_at_most_eight_tools_run_at_once_and_their_results_keep_the_order():
    lock, eight, running, most = threading.Lock(), threading.Event(), [0], [0]

    def handler(name, given, context):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
            if running[0] == 8:
                eight.set()
        eight.wait(60.0)
        with lock:
            running[0] -= 1
        return str(given["n"])

    provider = Polled(asks(*(use("t", n, n=n) for n in range(20))), says())
    run(provider, handler)
    assert most[0] == 8
    assert [each.text for each in provider.results] == [str(n) for n in range(20)]


def test_a_tool_that_is_late_is_given_up_and_the_model_told():
    leave = threading.Event()

    def handler(name, given, context):
        leave.wait(60.0)

    async def scenario():
        pace, provider = VirtualPace(), Polled(asks(use()), says("without it"))
        task = asyncio.ensure_future(
            beam.aio.run(provider, handler=handler, pace=pace, tool_timeout=7.0)
        )
        await pace.sleeping(7.0)
        pace.advance(7.0)
        return provider, await task

    try:
        provider, result = asyncio.run(scenario())
    finally:
        leave.set()
    assert result.text == "without it"
    assert provider.results == [
        ToolResult("call_1", "add was not done within 7 s, and was given up", is_error=True)
    ]


def terminal_tool(*turns, handler=add, **options):
    provider = Polled(*turns)
    options = {"require_terminal_tool": True, "terminal_tool": "submit", **options}
    return provider, run(provider, handler, **options)


def test_check_11_a_model_that_never_calls_the_terminal_tool_is_told_twice():
    provider, result = terminal_tool(says("a"), says("b"), says("c"))
    assert (result.turns, result.terminal, result.stop_reason) == (
        3,
        "end_turn",
        "no_terminal_tool",
    )
    assert result.text == "c"
    assert [kind for kind, _ in provider.sent] == ["user"] * 3
    assert "submit" in provider.sent[1][1]


def test_check_12_a_prompt_that_yields_the_tool_ends_as_the_provider_says():
    _, result = terminal_tool(says(), asks(use("submit")), says(stop_reason="stop"))
    assert (result.turns, result.stop_reason) == (3, "stop")


def test_check_13_a_tool_that_was_called_needs_no_prompt():
    provider, result = terminal_tool(asks(use("submit")), says())
    assert (result.turns, len(provider.sent)) == (2, 2)


def test_check_13_a_tool_was_called_also_under_an_id_that_came_before():
    provider = Polled(asks(use("add")), asks(use("finish")), says())
    result = run(provider, terminal_tool="finish", require_terminal_tool=True)
    assert (result.stop_reason, result.turns) == ("end_turn", 3)


def test_check_14_with_no_prompts_allowed_the_first_end_is_the_end():
    _, result = terminal_tool(says(), max_reprompts=0)
    assert (result.turns, result.stop_reason) == (1, "no_terminal_tool")


def refused(provider=None, handler=add, **options):
    with pytest.raises(InvalidOption) as caught:
        run(provider or Polled(), handler, **options)
    return caught.value


def test_check_15_a_required_terminal_tool_has_a_name():
    assert refused(require_terminal_tool=True).reason == (
        "invalid_opts",
        "terminal_tool_required",
    )


def test_check_16_a_guard_that_says_go_on_changes_nothing():
    for answer in (None, "cont"):
        result = run(Polled(asks(use()), says("two")), turn_guard=lambda _, said=answer: said)
        assert (result.text, result.turns) == ("two", 2)


def test_a_guard_may_be_a_coroutine_function():
    async def guard(progress):
        await asyncio.sleep(0)
        return ("halt", progress.turns) if progress.turns == 2 else None

    with pytest.raises(LoopFailed) as caught:
        run(Polled(asks(use()), says()), turn_guard=guard)
    assert caught.value.reason == ("halted", 2)


def test_check_17_a_guard_that_halts_ends_the_run_and_is_told():
    told = []
    with pytest.raises(LoopFailed) as caught:
        run(
            Polled(asks(use()), says()),
            turn_guard=lambda at: ("halt", "enough") if at.turns == 2 else "cont",
            notify=told.append,
        )
    assert caught.value.reason == ("halted", "enough")
    assert told == [caught.value]
    assert (told[0].result.terminal, told[0].result.turns) == ("terminated", 2)


@BOTH
def test_checks_18_20_a_guard_sees_the_usage_so_far_in_both_modes(stub):
    seen = []
    run(
        stub(asks(use(), usage=(10, 1)), says(usage=(5, 2))),
        turn_guard=seen.append,
    )
    assert [(at.turns, at.usage, at.session_id) for at in seen] == [
        (1, Usage(10, 1), "s-1"),
        (2, Usage(15, 3), "s-1"),
    ]


def test_check_19_a_guard_that_cannot_be_asked_is_refused():
    for guard in ("no", lambda: None):
        assert refused(turn_guard=guard).reason == ("invalid_turn_guard", guard)


def test_check_21_the_guard_wins_over_the_limit_of_turns():
    with pytest.raises(LoopFailed) as caught:
        run(
            Polled(asks(use()), says()),
            max_turns=1,
            turn_guard=lambda at: ("halt", "guard") if at.turns == 2 else None,
        )
    assert caught.value.reason == ("halted", "guard")


def test_check_22_the_guard_is_asked_after_prompts_too():
    seen = []
    terminal_tool(says(), says(), says(), turn_guard=lambda at: seen.append(at.turns))
    assert seen == [1, 2, 3]


def test_check_23_so_many_turns_are_allowed_and_one_more_is_not():
    assert run(Polled(asks(use()), says()), max_turns=2).turns == 2
    with pytest.raises(LoopFailed) as caught:
        run(Polled(asks(use()), asks(use(number=2)), says()), max_turns=2)
    assert caught.value.reason == ("max_turns_exceeded", 2)


def test_checks_24_25_27_an_empty_request_for_action_is_recovered_from_what_was_asked():
    counts = []
    detach = telemetry.attach(
        ("loop", "tool_uses"), lambda _, measured, about: counts.append(measured)
    )
    # The second turn is a stale one: it asks for action and names nothing.
    provider = Polled(asks(use()), asks(), says("two"))
    try:
        result = run(provider)
    finally:
        detach()
    assert [each["tool_use_count"] for each in counts] == [1, 0, 1]
    assert (result.text, [each.id for each in result.custom_tool_uses]) == ("two", ["call_1"])
    assert [each.tool_use_id for each in provider.results] == ["call_1", "call_1"]


def test_check_26_nothing_to_recover_fails_by_name_and_nothing_is_sent():
    provider = Polled(asks())
    with pytest.raises(LoopFailed) as caught:
        run(provider)
    assert caught.value.reason == ("unresolved_requires_action", "requires_action")
    assert len(provider.sent) == 1


def test_a_turn_that_the_provider_has_answered_itself_goes_on():
    provider = Polled({**asks(), "answered": 1}, says("done"))
    assert run(provider).text == "done"
    assert provider.sent[1] == ("continue",)


class Watcher:
    def __init__(self):
        self.seen = []

    def handle_tool_call(self, name, given, context, info):
        return info.session_id

    def handle_event(self, event, context):
        self.seen.append(event)


@BOTH
def test_checks_29_31_a_handler_sees_each_event_once(stub):
    watcher = Watcher()
    first, second = {"type": "note", "id": "n-1"}, says(event_id="e-2")
    result = run(stub([first, second]), watcher)
    assert watcher.seen == [first, second]
    assert result.events == (first, second)


def test_checks_30_32_events_that_are_forwarded_are_seen_once_whatever_they_are():
    async def live(given, forward):
        await forward("no mapping")
        await forward({"type": "note"})
        return ["no mapping", {"type": "note"}, says("x")]

    watcher = Watcher()
    result = run(Polled(live), watcher)
    assert watcher.seen == ["no mapping", {"type": "note"}, says("x")]
    assert len(result.events) == 3


@BOTH
def test_check_33_text_is_told_after_its_event_and_kept_nowhere(stub):
    watcher = Watcher()
    piece = {"type": "piece", "id": "p-1", "delta": "Hel"}
    result = run(stub([piece, says("Hello", "e-1")]), watcher)
    assert watcher.seen[:2] == [piece, {"type": "beam.text_delta", "text": "Hel"}]
    assert result.events == (piece, says("Hello", "e-1"))


def test_a_handler_that_fails_to_look_changes_nothing():
    class Blind(Watcher):
        def handle_event(self, event, context, info):
            raise RuntimeError("blind")

    assert run(Polled(says("fine")), Blind()).text == "fine"


def test_check_34_the_transcript_is_there_if_the_provider_keeps_one():
    kept = ({"role": "user"},)
    assert run(Polled(says(), kept=kept)).transcript == kept
    assert run(Polled(says())).transcript is None


def test_check_35_a_function_of_four_arguments_is_told_who_asks():
    seen = []
    run(Polled(asks(use()), says()), lambda name, given, context, info: seen.append(info))
    assert (seen[0].session_id, seen[0].provider) == ("s-1", "stub")


def test_check_37_metadata_reaches_telemetry_and_handlers():
    seen, about = [], []
    detach = telemetry.attach(("loop",), lambda event, measured, told: about.append(told))
    try:
        run(
            Polled(asks(use()), says()),
            lambda name, given, context, info: seen.append(info.metadata),
            telemetry_metadata={"team": "a", "user": "u"},
            model_config={"metadata": {"team": "b"}},
        )
    finally:
        detach()
    assert seen == [{"team": "b", "user": "u"}]
    assert about
    assert all((told["team"], told["user"]) == ("b", "u") for told in about)


def test_check_38_handles_are_unpacked_and_explicit_ids_count_more():
    provider = Polled(says())
    run(provider, agent=Handle("stub", "a-1", "env-1"))
    assert (provider.opened.agent_id, provider.opened.environment_id) == ("a-1", "env-1")
    run(provider, agent=Handle("stub", "a-1", "env-1"), agent_id="a-2", environment_id="env-2")
    assert (provider.opened.agent_id, provider.opened.environment_id) == ("a-2", "env-2")


def test_check_39_an_outcome_is_driven_until_the_turn_ends():
    provider = Streamed(
        [{"type": "evaluation", "verdict": "needs_revision", "id": "v-1"}, says("ok", "e-1")],
        supports_outcomes=True,
    )
    result = run(provider, outcome=Outcome("a poem"), prompt="not this")
    assert provider.sent == [("outcome", "a poem")]
    assert (result.turns, len(result.events)) == (1, 2)


def test_checks_40_76_an_outcome_is_refused_where_it_cannot_be():
    assert refused(outcome=Outcome("a poem")).reason == "outcome_unsupported"
    for outcome in ("a poem", {"description": "a poem"}):
        assert refused(outcome=outcome).reason == ("invalid_opts", "outcome")


def test_check_44_a_guard_that_raises_halts():
    def guard(progress):
        raise RuntimeError("boom")

    with pytest.raises(LoopFailed) as caught:
        run(Polled(says()), turn_guard=guard)
    word, error = caught.value.reason
    assert (word, str(error)) == ("halted", "boom")


def test_check_46_a_stream_that_fails_fails_the_run():
    with pytest.raises(ProviderFailed) as caught:
        run(Streamed([DROP]))
    assert caught.value is DROP


def test_check_66_a_stream_that_ends_before_the_turn_fails_the_run():
    with pytest.raises(LoopFailed) as caught:
        run(Streamed([{"type": "note"}, END]))
    assert caught.value.reason == "stream_ended"


def test_a_push_that_fails_fails_the_run():
    with pytest.raises(LoopFailed) as caught:
        run(Streamed(OSError("refused")))
    assert caught.value.reason[0] == "provider_error"


@pytest.mark.parametrize(
    "options",
    [
        {"handler": None},
        {"handler": "no function"},
        {"handler": lambda: None},
        {"prompt": 5},
        {"timeout": 0},
        {"tool_timeout": -1},
        {"max_turns": 0},
        {"max_reprompts": -1},
        {"notify": "nobody"},
        {"telemetry_metadata": 3},
        {"model_config": []},
        {"model_config": {"metadata": 5}},
        {"agent": "a-1"},
        {"environment": "e-1"},
        {"session_id": ""},
        {"tools": "add"},
        {"tools": [5]},
        {"history": "x"},
        {"pace": 1},
        {"require_terminal_tool": "yes"},
    ],
    ids=lambda options: f"{next(iter(options))}_{type(next(iter(options.values()))).__name__}",
)
def test_an_option_that_is_wrong_is_refused_before_anything_is_opened(options):
    provider = Polled()
    name = next(iter(options))
    assert refused(provider, **{"handler": add, **options}).reason == ("invalid_opts", name)
    assert provider.opened is None


def test_what_the_loop_does_not_know_goes_to_the_provider():
    provider = Polled(says())
    run(provider, region="north")
    assert provider.opened.extra == {"region": "north"}


def test_typed_functions_are_tools_that_run_themselves():
    def multiply(a: int, b: int = 2) -> int:
        """Multiply two numbers."""
        return a * b

    provider = Polled(asks(use("multiply", a=21), use("add", 2)), says())
    run(provider, tools=[multiply])
    assert [each.text for each in provider.results] == ["42", "add of {'a': 1}"]
    assert provider.opened.tools[0].description == "Multiply two numbers."


def test_on_the_thread_of_a_running_loop_it_works_and_names_the_twin():
    async def scenario():
        with pytest.warns(BlockingCallWarning, match=r"beam\.aio\.run"):
            return run(Polled(says("here")))

    assert asyncio.run(scenario()).text == "here"
