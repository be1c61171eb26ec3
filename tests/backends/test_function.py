"""`function`: a session's connection to a callable in this process."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import TYPE_CHECKING, Any

import pytest

from beam.backends.backend import (
    WINDOW,
    Abandon,
    Interrupt,
    Opening,
    PermissionAnswer,
    Query,
    Took,
    ToolResult,
)
from beam.backends.effects import (
    AskPermission,
    Completed,
    Deliver,
    Failed,
    Ready,
    RunTool,
)
from beam.backends.function import FunctionBackend, function, threads_name
from beam.backends.function_threads import FunctionLoad, FunctionThreads
from beam.backends.host_lines import HostTool, Turn
from beam.errors import Interrupted, ToolFailed
from beam.model.messages import ResultMessage, ToolMessage
from beam.model.permissions import Allow, Deny
from beam.otp import Exit, Mailbox, Ref, exit, monitor, sys
from beam.ports.actor import Ports
from tests.backends.fake_session import HANG_S, Conversation
from tests.volume import scaled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from beam.backends.function_query import AsyncFunctionQuery, FunctionQuery
    from beam.ports.harbour import Harbour

THREADS = threads_name("backend")


@pytest.fixture
def converse(me: Mailbox) -> Callable[..., Conversation]:
    """Start the threads of a function, and a session with it."""

    def converse(agent: Callable[..., Any], *, takes: bool = True, **options: Any) -> Conversation:
        backend = function(agent, **options)
        backend.check()
        (spec,) = backend.children("backend")
        FunctionThreads.start(*spec.args, name=spec.name)
        talk = Conversation(me, backend, takes=takes)
        assert isinstance(talk.hear(), Ready)
        return talk

    return converse


def another(talk: Conversation, backend: FunctionBackend) -> Conversation:
    """Start another session with the same function."""
    other = Conversation(talk.me, backend)
    assert isinstance(other.hear(), Ready)
    return other


def threads(talk: Conversation) -> Ref[FunctionThreads]:
    found = talk.session.node.whereis(THREADS)
    assert found is not None
    return found


def load(talk: Conversation) -> FunctionLoad:
    found: FunctionLoad = threads(talk).proxy().load().get()
    return found


class Gate:
    """A function that comes in, and waits until it is let out."""

    def __init__(self) -> None:
        self.came_in = threading.Semaphore(0)
        self.out = threading.Event()
        self.most = 0
        self._inside = 0
        self._lock = threading.Lock()

    def __call__(self, prompt: str) -> str:
        with self._lock:
            self._inside += 1
            self.most = max(self.most, self._inside)
        self.came_in.release()
        assert self.out.wait(HANG_S)
        with self._lock:
            self._inside -= 1
        return prompt

    def wait(self, count: int = 1) -> None:
        for _ in range(count):
            assert self.came_in.acquire(timeout=HANG_S)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.out.set()


# Forms


def plain(prompt: str) -> str:
    return prompt.upper()


def generator(prompt: str) -> Any:
    yield prompt
    return prompt.upper()


async def coroutine(prompt: str) -> str:
    await asyncio.sleep(0)
    return prompt.upper()


async def async_generator(prompt: str) -> Any:
    yield prompt
    await asyncio.sleep(0)
    yield prompt.upper()


@pytest.mark.usefixtures("ports")
@pytest.mark.parametrize("agent", [plain, generator, coroutine, async_generator])
def test_a_callable_of_any_form_answers(converse: Callable[..., Conversation], agent: Any) -> None:
    talk = converse(agent)
    for number in range(3):
        assert talk.answer(f"hello {number}", f"q-{number}") == f"HELLO {number}"


def test_what_is_yielded_is_streamed_and_the_last_of_it_is_the_answer(
    converse: Callable[..., Conversation],
) -> None:
    talk = converse(lambda prompt: (word for word in prompt.split()))
    heard = talk.ask("one two three")
    assert [type(each) for each in heard] == [Deliver, Deliver, Deliver, Completed]
    assert [each.message.content for each in heard] == ["one", "two", "three", "three"]  # type: ignore[union-attr]
    assert all(each.message.timestamp > 0 for each in heard)  # type: ignore[union-attr]


def test_a_result_that_is_yielded_ends_the_query(converse: Callable[..., Conversation]) -> None:
    closed = threading.Event()

    def agent(prompt: str) -> Any:
        try:
            yield {"type": "result", "result": "done", "num_turns": 2}
            yield "never"
        finally:
            closed.set()

    (done,) = converse(agent).ask("go")
    assert isinstance(done, Completed)
    assert isinstance(done.message, ResultMessage)
    assert (done.message.content, done.message.num_turns) == ("done", 2)
    assert closed.wait(HANG_S)


def test_an_answer_may_be_any_data(converse: Callable[..., Conversation]) -> None:
    (done,) = converse(lambda prompt: {"words": prompt.split()}).ask("a b")
    assert isinstance(done, Completed)
    assert isinstance(done.message, ResultMessage)
    assert done.message.content == '{"words":["a","b"]}'
    assert done.message.structured_output == {"words": ["a", "b"]}


def test_a_function_is_told_all_of_its_query(converse: Callable[..., Conversation]) -> None:
    told: list[FunctionQuery] = []
    talk = converse(lambda prompt, query: told.append(query) or "ok")
    turns, tools = (Turn("user", "hi"),), (HostTool("read"),)
    talk.ask("go", history=turns, tools=tools, params={"model": "m"}, attempt=2, timeout=9.0)
    (query,) = told
    assert (query.prompt, query.history, query.tools) == ("go", turns, tools)
    assert (query.params, query.attempt, query.session_id) == ({"model": "m"}, 2, "session_1")
    assert query.deadline is not None
    assert not query.interrupted.is_set()


# Failures


@pytest.mark.usefixtures("ports")
@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("is_async", [False, True])
def test_whatever_a_function_raises_fails_the_query_and_nothing_else(
    converse: Callable[..., Conversation], error: type[BaseException], is_async: bool
) -> None:
    def agent(prompt: str) -> str:
        if prompt == "fail":
            raise error("on purpose")
        return prompt

    async def async_agent(prompt: str) -> str:
        return agent(prompt)

    talk = converse(async_agent if is_async else agent)
    (failed,) = talk.ask("fail")
    assert isinstance(failed, Failed)
    assert (failed.reason, failed.retryable) == ("backend_error", False)
    assert failed.message.content == f"{error.__name__}: on purpose"
    assert talk.answer("still here", "q-2") == "still here"


def test_what_cannot_be_said_fails_the_query(converse: Callable[..., Conversation]) -> None:
    talk = converse(lambda prompt: {"file": object()})
    (failed,) = talk.ask("go")
    assert isinstance(failed, Failed)
    assert "expected JSON data" in failed.message.content


def test_a_function_that_forgot_its_async_is_told(converse: Callable[..., Conversation]) -> None:
    (failed,) = converse(lambda prompt: coroutine(f"{prompt}!")).ask("go")
    assert isinstance(failed, Failed)
    assert "async def" in failed.message.content


# Tools and permission


def test_a_function_has_a_tool_run(converse: Callable[..., Conversation]) -> None:
    talk = converse(lambda prompt, query: query.call_tool("read", path=prompt, name="x"))
    talk.say(Query("q-1", "a.py"))
    told, asked = talk.until(RunTool)
    assert isinstance(told.message, ToolMessage)
    assert (told.message.tool_name, told.message.tool_use_id) == ("read", asked.tool_use_id)
    assert asked == RunTool("q-1", "q-1.t1", "read", {"path": "a.py", "name": "x"})
    talk.say(ToolResult("q-1", "q-1.t9", "of another call"))
    talk.say(ToolResult("q-1", asked.tool_use_id, "its text"))
    assert talk.hear().message.content == "its text"


def test_a_tool_that_fails_is_an_exception(converse: Callable[..., Conversation]) -> None:
    def agent(prompt: str, query: FunctionQuery) -> str:
        with pytest.raises(ToolFailed) as caught:
            query.call_tool("read")
        return f"{caught.value.tool}: {caught.value.content}"

    talk = converse(agent)
    talk.say(Query("q-1", "go"))
    asked = talk.until(RunTool)[-1]
    talk.say(ToolResult("q-1", asked.tool_use_id, "no such file", is_error=True))
    assert talk.hear().message.content == "read: no such file"


@pytest.mark.parametrize("decision", [Allow({"path": "b"}), Deny("not today")])
def test_a_function_asks_for_permission(
    converse: Callable[..., Conversation], decision: Any
) -> None:
    heard: list[Any] = []
    talk = converse(
        lambda prompt, query: heard.append(
            query.ask_permission("write", {"path": "a"}, title="May I?")
        )
    )
    talk.say(Query("q-1", "go"))
    assert talk.hear() == AskPermission("q-1", "p1", "write", {"path": "a"}, {"title": "May I?"})
    talk.say(PermissionAnswer("q-1", "p1", decision))
    assert isinstance(talk.hear(), Completed)
    assert heard == [decision]


@pytest.mark.usefixtures("ports")
def test_a_coroutine_asks_for_many_things_at_once(converse: Callable[..., Conversation]) -> None:
    async def agent(prompt: str, query: AsyncFunctionQuery) -> list[str]:
        calls = (query.call_tool("read", path=path) for path in prompt.split())
        leave = await query.ask_permission("write")
        return [*await asyncio.gather(*calls), str(leave)]

    talk = converse(agent)
    talk.say(Query("q-1", "a b c"))
    talk.say(PermissionAnswer("q-1", talk.hear().request_id, Allow()))
    asked = [talk.until(RunTool)[-1] for _ in range(3)]
    for each in reversed(asked):
        talk.say(ToolResult("q-1", each.tool_use_id, each.tool_input["path"] * 2))
    done = talk.hear()
    assert done.message.structured_output == ["aa", "bb", "cc", str(Allow())]


# Interrupts


def test_an_interrupt_is_answered_at_once_and_late_words_are_dropped(
    converse: Callable[..., Conversation], gate: Gate
) -> None:
    talk = converse(gate)
    talk.say(Query("q-1", "late"))
    gate.wait()
    talk.say(Interrupt("q-1"))
    failed = talk.hear()
    assert isinstance(failed, Failed)
    assert (failed.query_id, failed.reason, failed.retryable) == ("q-1", "interrupted", False)
    talk.say(Query("q-2", "next"))
    gate.wait()
    gate.out.set()
    done = talk.hear()
    assert (done.query_id, done.message.content) == ("q-2", "next")
    assert talk.me.messages() == []


def test_an_interrupt_closes_a_generator_at_its_next_yield(
    converse: Callable[..., Conversation],
) -> None:
    closed, told = threading.Event(), threading.Event()

    def agent(prompt: str, query: FunctionQuery) -> Any:
        try:
            yield "begun"
            assert query.interrupted.wait(HANG_S)
            told.set()
            yield "unheard"
            raise AssertionError("not closed")
        finally:
            closed.set()

    talk = converse(agent)
    talk.say(Query("q-1", "go"))
    talk.hear()
    talk.say(Interrupt("q-1"))
    assert isinstance(talk.hear(), Failed)
    assert told.wait(HANG_S)
    assert closed.wait(HANG_S)


def test_an_interrupt_ends_the_wait_for_a_tool(converse: Callable[..., Conversation]) -> None:
    seen: list[type] = []
    done = threading.Event()

    def agent(prompt: str, query: FunctionQuery) -> None:
        try:
            query.call_tool("slow")
        except Interrupted:
            seen.append(Interrupted)
            with pytest.raises(Interrupted):
                query.ask_permission("again")
        done.set()

    talk = converse(agent)
    talk.say(Query("q-1", "go"))
    talk.until(RunTool)
    talk.say(Interrupt("q-1"))
    assert isinstance(talk.hear(), Failed)
    assert done.wait(HANG_S)
    assert seen == [Interrupted]


@pytest.mark.usefixtures("ports")
def test_an_interrupt_cancels_a_coroutine(converse: Callable[..., Conversation]) -> None:
    cancelled = threading.Event()

    async def agent(prompt: str) -> Any:
        try:
            yield "begun"
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    talk = converse(agent)
    talk.say(Query("q-1", "go"))
    talk.hear()
    talk.say(Interrupt("q-1"))
    assert isinstance(talk.hear(), Failed)
    assert cancelled.wait(HANG_S)


def test_of_an_abandoned_query_nothing_more_is_heard(
    converse: Callable[..., Conversation], gate: Gate
) -> None:
    talk = converse(gate)
    talk.say(Query("q-1", "late"))
    gate.wait()
    talk.say(Abandon("q-1"), Query("q-2", "next"))
    gate.out.set()
    (done,) = talk.until(Completed, Failed)
    assert (done.query_id, done.message.content) == ("q-2", "next")


def test_wishes_for_a_query_that_is_over_mean_nothing(
    converse: Callable[..., Conversation],
) -> None:
    talk = converse(plain)
    talk.answer("one")
    talk.say(Interrupt("q-1"), Abandon("q-1"), ToolResult("q-1", "t", ""))
    talk.say(PermissionAnswer("q-1", "p", Allow()))
    assert talk.answer("two", "q-2") == "TWO"


def test_a_second_query_is_refused_while_one_is_open(
    converse: Callable[..., Conversation], gate: Gate
) -> None:
    talk = converse(gate)
    talk.say(Query("q-1", "one"))
    gate.wait()
    (refused,) = talk.ask("two", "q-2")
    assert isinstance(refused, Failed)
    assert (refused.query_id, refused.reason) == ("q-2", "query_in_progress")


# How fast


@pytest.mark.usefixtures("ports")
@pytest.mark.parametrize("is_async", [False, True])
def test_a_function_is_no_more_than_the_window_ahead_of_its_session(
    converse: Callable[..., Conversation], is_async: bool
) -> None:
    ahead = threading.Semaphore(0)

    def numbers(prompt: str) -> Any:
        for number in range(int(prompt)):
            ahead.release()
            yield str(number)

    async def async_numbers(prompt: str) -> Any:
        for each in numbers(prompt):
            yield each

    talk = converse(async_numbers if is_async else numbers, takes=False)
    total = 4 * WINDOW
    talk.say(Query("q-1", str(total)))
    # `Ready` has one place of the window; one value more than fits has been made.
    heard = [talk.hear() for _ in range(WINDOW - 1)]
    for _ in range(WINDOW):
        assert ahead.acquire(timeout=HANG_S)
    assert not ahead.acquire(blocking=False)
    assert talk.me.messages() == []
    while not isinstance(heard[-1], Completed):
        talk.say(Took(10))
        heard += [talk.hear() for _ in range(min(10, total + 1 - len(heard)))]
    assert [each.message.content for each in heard[:-1]] == [str(n) for n in range(total)]


def test_an_interrupt_ends_the_wait_for_room(converse: Callable[..., Conversation]) -> None:
    closed = threading.Event()

    def agent(prompt: str) -> Any:
        try:
            while True:
                yield prompt
        finally:
            closed.set()

    talk = converse(agent, takes=False)
    talk.say(Query("q-1", "x"))
    for _ in range(WINDOW - 1):
        talk.hear()
    talk.say(Interrupt("q-1"))
    assert isinstance(talk.hear(), Failed)
    assert closed.wait(HANG_S)
    # The places that the first query has used are still used: the session has taken nothing.
    talk.say(Took(WINDOW), Query("q-2", "y"))
    assert talk.hear().message.content == "y"


# How many


def test_no_more_run_at_once_than_may_and_the_others_wait(
    converse: Callable[..., Conversation], gate: Gate
) -> None:
    backend = function(gate, max_threads=2)
    talk = converse(gate, max_threads=2)
    talks = [talk, *(another(talk, backend) for _ in range(4))]
    for each in talks:
        each.say(Query("q-1", "go"))
    while load(talk) != FunctionLoad(running=2, stuck=0, waiting=3, refused=0):
        assert gate.most <= 2
    gate.wait(2)
    gate.out.set()
    assert all(isinstance(talk.hear(), Completed) for _ in talks)
    assert gate.most == 2


def test_a_query_for_which_there_is_no_room_is_refused(
    converse: Callable[..., Conversation], gate: Gate
) -> None:
    backend = function(gate, max_threads=1, queue=1)
    talk = converse(gate, max_threads=1, queue=1)
    others = [another(talk, backend) for _ in range(2)]
    talk.say(Query("q-1", "runs"))
    gate.wait()
    for each in others:
        each.say(Query("q-1", "waits, or not"))
    failed = talk.hear()
    assert isinstance(failed, Failed)
    assert (failed.reason, failed.retryable) == ("backend_busy", True)
    assert load(talk) == FunctionLoad(running=1, stuck=0, waiting=1, refused=1)
    gate.out.set()
    assert all(isinstance(talk.hear(), Completed) for _ in range(2))


def test_a_query_that_is_given_up_while_it_waits_never_runs(
    converse: Callable[..., Conversation], gate: Gate
) -> None:
    backend = function(gate, max_threads=1)
    talk = converse(gate, max_threads=1)
    waiting, dying = another(talk, backend), another(talk, backend)
    talk.say(Query("q-1", "runs"))
    gate.wait()
    waiting.say(Query("q-2", "waits"))
    dying.say(Query("q-3", "waits"))
    waiting.say(Interrupt("q-2"))
    assert talk.hear().reason == "interrupted"
    monitor(dying.connection)
    exit(dying.connection, "kill")
    talk.hear()
    talk.hear()
    gate.out.set()
    assert talk.hear().query_id == "q-1"
    assert talk.answer("next", "q-4") == "next"
    gate.wait()
    assert not gate.came_in.acquire(blocking=False)
    assert load(talk) == FunctionLoad(running=0, stuck=0, waiting=0, refused=0)


def test_a_query_whose_session_died_before_it_was_taken_up_never_runs(
    converse: Callable[..., Conversation], gate: Gate
) -> None:
    talk = converse(gate, max_threads=1)
    dying = another(talk, function(gate, max_threads=1))
    talk.say(Query("q-1", "runs"))
    gate.wait()
    sys.suspend(threads(talk))
    dying.say(Query("q-2", "waits"))
    assert dying.connection.ask("counts") == {}
    exit(dying.connection, "kill")
    gate.out.set()
    while not isinstance(talk.hear(), Completed):
        pass
    sys.resume(threads(talk))
    assert talk.answer("next", "q-3") == "next"
    gate.wait()
    assert not gate.came_in.acquire(blocking=False)
    assert load(talk) == FunctionLoad(running=0, stuck=0, waiting=0, refused=0)


def test_a_function_that_does_not_come_back_lets_another_run_in_its_place(
    converse: Callable[..., Conversation], gate: Gate
) -> None:
    talk = converse(gate, max_threads=1, stuck_after=0.0)
    for query_id in ("q-1", "q-2"):
        talk.say(Query(query_id, "hangs"))
        gate.wait()
        talk.say(Interrupt(query_id))
        assert talk.hear().reason == "interrupted"
    # Two are stuck, and one may be replaced: the third waits until one of them comes back.
    talk.say(Query("q-3", "waits"))
    while load(talk) != FunctionLoad(running=2, stuck=2, waiting=1, refused=0):
        assert gate.most == 2
    gate.out.set()
    assert talk.hear().message.content == "waits"
    while load(talk).stuck:
        assert threads(talk).is_alive()


# The ends of others


def test_a_function_hears_that_its_session_has_gone(converse: Callable[..., Conversation]) -> None:
    begun, told = threading.Event(), threading.Event()

    def agent(prompt: str, query: FunctionQuery) -> None:
        begun.set()
        if query.interrupted.wait(HANG_S):
            told.set()

    talk = converse(agent)
    talk.say(Query("q-1", "go"))
    assert begun.wait(HANG_S)
    exit(talk.session, "kill")
    assert told.wait(HANG_S)


@pytest.mark.parametrize("reason", ["normal", "shutdown", "boom"])
def test_a_connection_ends_with_its_session(
    converse: Callable[..., Conversation], reason: str
) -> None:
    talk = converse(plain)
    watch = monitor(talk.connection)
    talk.session.stop(reason=reason)
    down = talk.hear()
    assert (down.monitor, down.reason) == (watch, reason)


def test_a_query_fails_when_the_threads_end_and_works_when_they_are_back(
    converse: Callable[..., Conversation], gate: Gate
) -> None:
    talk = converse(gate)
    limits = function(gate).limits
    talk.say(Query("q-1", "go"))
    gate.wait()
    exit(threads(talk), "kill")
    failed = talk.hear()
    assert isinstance(failed, Failed)
    assert (failed.query_id, failed.reason, failed.retryable) == ("q-1", "backend_error", True)
    (failed,) = talk.ask("go", "q-2")
    assert isinstance(failed, Failed)
    assert failed.retryable
    FunctionThreads.start(limits, name=THREADS)
    gate.out.set()
    assert talk.answer("back", "q-3") == "back"


def test_a_query_fails_when_its_thread_is_killed(converse: Callable[..., Conversation]) -> None:
    talk = converse(lambda prompt, query: query.call_tool("slow"))
    before = set(talk.session.node.processes())
    talk.say(Query("q-1", "go"))
    talk.until(RunTool)
    (worker,) = set(talk.session.node.processes()) - before
    exit(worker, "kill")
    failed = talk.hear()
    assert isinstance(failed, Failed)
    assert failed.reason == "backend_error"


def test_a_coroutine_without_a_loop_fails(converse: Callable[..., Conversation]) -> None:
    (failed,) = converse(coroutine).ask("go")
    assert isinstance(failed, Failed)
    assert "ports" in failed.message.content
    assert failed.retryable


@pytest.mark.usefixtures("ports")
def test_a_coroutine_runs_on_the_new_loop_after_the_ports_were_restarted(
    converse: Callable[..., Conversation], harbour: Harbour
) -> None:
    talk = converse(coroutine)
    assert talk.answer("one") == "ONE"
    ports = talk.session.node.whereis("ports")
    assert ports is not None
    ports.stop()
    Ports.start(harbour, name="ports")
    assert talk.answer("two", "q-2") == "TWO"


def test_the_context_of_the_one_who_asks_travels(converse: Callable[..., Conversation]) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")
    talk = converse(lambda prompt: variable.get())
    variable.set("mine")
    assert talk.answer("go") == "mine"


# Many


def test_sessions_that_are_idle_have_no_thread(converse: Callable[..., Conversation]) -> None:
    count = scaled(10_000)
    talk = converse(plain)
    assert talk.answer("warm") == "WARM"
    before = threading.active_count()
    backend = function(plain)
    opening = Opening(talk.me.ref, "session_1")
    connections = [backend.connect("backend", opening) for _ in range(count)]
    assert threading.active_count() <= before + 1
    assert {ref.ask("os_process") for ref in connections} == {None}
    connections[-1].cast(Query("q-1", "hello"))
    heard = [talk.hear() for _ in range(count + 1)]
    assert heard[-1].effect.message.content == "HELLO"
    assert not any(isinstance(each, Exit) for each in heard)
