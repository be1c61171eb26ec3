"""Context variables and structlog's context travel with messages, and do not leak."""

from __future__ import annotations

import contextvars
import threading
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from beam.otp import Future, Mailbox, Server, exit, link, noreply, spawn
from tests.otp.actors import KINDS, SOON, Echo, eventually, hold_up
from tests.volume import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("node")

request = contextvars.ContextVar("request", default="none")
kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(autouse=True)
def no_request() -> Iterator[None]:
    """Give each test the context as it found it."""
    token = request.set("none")
    with structlog.contextvars.bound_contextvars():
        yield
    structlog.contextvars.clear_contextvars()
    request.reset(token)


class Sees(Echo):
    """Keeps what it sees of the context."""

    def init(self, seen: list[Any]) -> None:  # type: ignore[override]
        super().init()
        self.seen = seen
        self.note("init")

    def note(self, what: str) -> None:
        self.seen.append((what, request.get(), structlog.contextvars.get_contextvars().get("user")))
        # What a handler changes is its own affair.
        request.set("changed")
        structlog.contextvars.bind_contextvars(user="changed")

    def handle_call(self, message: Any, caller: Any) -> Any:
        self.note("call")
        return None

    def handle_cast(self, message: Any) -> None:
        self.note("cast")
        if message == "continue":
            self.continue_with("it")

    def handle_info(self, message: Any) -> None:
        self.note(type(message).__name__)

    def handle_continue(self, message: Any) -> None:
        self.note("continue")

    def method(self) -> None:
        self.note("method")

    def terminate(self, reason: Any) -> None:
        self.note("terminate")


def sees(kind: type[Echo], seen: list[Any]) -> Any:
    return type("Sees", (Sees,), {"blocking": kind.blocking}).start(seen)


@kinds
def test_the_senders_context_is_the_handlers(kind: type[Echo]) -> None:
    seen: list[Any] = []
    request.set("start")
    structlog.contextvars.bind_contextvars(user="ada")
    process = sees(kind, seen)
    for at, send in enumerate(
        (
            lambda: process.ask("a"),
            lambda: process.cast("b"),
            lambda: process.tell("c"),
            lambda: process.proxy().method().get(),
            process.proxy().method.defer,
        )
    ):
        request.set(f"r{at}")
        structlog.contextvars.bind_contextvars(user=f"u{at}")
        send()
    process.ask("end")
    assert seen == [
        ("init", "start", "ada"),
        ("call", "r0", "u0"),
        ("cast", "r1", "u1"),
        ("str", "r2", "u2"),
        ("method", "r3", "u3"),
        ("method", "r4", "u4"),
        ("call", "r4", "u4"),
    ]
    assert request.get() == "r4"


@kinds
def test_the_context_is_that_of_the_time_of_sending(kind: type[Echo]) -> None:
    seen: list[Any] = []
    process = sees(kind, seen)
    gate = hold_up(Echo.start())
    request.set("then")
    process.cast("b")
    request.set("now")
    process.ask("a")
    assert [each[1] for each in seen[1:]] == ["then", "now"]
    gate.open()


@kinds
def test_the_context_goes_through_any_number_of_processes(kind: type[Echo]) -> None:
    seen: list[Any] = []
    last = sees(kind, seen)
    chain = last
    for each in (*KINDS, kind):
        middle = each.start()
        chain = (middle, chain)
    request.set("far")

    def ask(link_: Any) -> Any:
        if isinstance(link_, tuple):
            return link_[0].ask(("do", lambda: ask(link_[1])))
        return link_.ask("there")

    ask(chain)
    assert seen[-1][:2] == ("call", "far")


@kinds
def test_what_a_handler_changes_reaches_what_it_sends_and_nothing_else(kind: type[Echo]) -> None:
    seen: list[Any] = []
    process, last = kind.start(), sees(kind, seen)

    def change() -> None:
        request.set("inside")
        last.ask("hello")

    process.ask(("do", change))
    assert request.get() == "none"
    process.ask(("do", lambda: last.ask("again")))
    assert [each[1] for each in seen[1:]] == ["inside", "none"]


@kinds
def test_what_is_left_to_do_has_the_context_of_who_left_it(kind: type[Echo]) -> None:
    seen: list[Any] = []
    process = sees(kind, seen)
    request.set("mine")
    process.cast("continue")
    process.ask("sync")
    # The handler had changed the variable before it said so.
    assert ("continue", "changed", "changed") in seen


@kinds
def test_a_timers_message_has_the_context_of_who_set_it(kind: type[Echo]) -> None:
    seen: list[Any] = []
    process = sees(kind, seen)
    request.set("timer")
    process.node.send_after(0.001, process, "tick")
    request.set("later")
    eventually(lambda: len(seen) == 2)
    assert seen[1][:2] == ("str", "timer")


@kinds
def test_a_signal_leaves_nothing_behind_on_the_thread(kind: type[Echo]) -> None:
    # Trapped signals and DOWNs run in contexts of their own, as all messages do.
    seen: list[Any] = []

    class Traps(Sees):
        trap_exit = True

        def init(self, seen: list[Any]) -> None:
            super().init(seen)
            self.trap_exit = True

    process = type("Traps", (Traps,), {"blocking": kind.blocking}).start(seen)
    with Mailbox():
        for at in range(20):
            request.set(f"r{at}")
            exit(process, at)
            process.ask("sync")
    assert [each[1] for each in seen[1:]] == [f"r{at}" for at in range(20) for _ in range(2)]


@pytest.mark.schedulers("pool", "thread")
@pytest.mark.usefixtures("fine_switching")
@kinds
def test_contexts_do_not_mix_however_many_send(kind: type[Echo]) -> None:
    class Checks(Server):
        def init(self) -> None:
            self.wrong = 0

        def handle_info(self, message: Any) -> None:
            self.wrong += request.get() != message
            request.set("changed")

        def handle_call(self, message: Any, caller: Any) -> Any:
            return self.wrong

    process = type("Checks", (Checks,), {"blocking": kind.blocking}).start()
    each = scaled(4_000)

    def send(who: str) -> None:
        for at in range(each):
            request.set(f"{who}-{at}")
            process.tell(f"{who}-{at}")

    threads = [threading.Thread(target=send, args=(who,)) for who in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON)
    assert process.ask("wrong?", timeout=SOON) == 0


def test_cleanup_runs_in_a_context_of_nobodys() -> None:
    seen: list[Any] = []
    process = sees(Echo, seen)
    request.set("mine")
    process.stop()
    assert seen[-1] == ("terminate", "none", None)


def test_a_function_has_the_context_of_who_spawned_it() -> None:
    with Mailbox() as me:
        request.set("spawner")
        spawn(lambda: me.ref.tell(request.get()))
        assert me.receive(timeout=SOON) == "spawner"


def test_an_answer_from_elsewhere_carries_no_context_back() -> None:
    class Later(Server):
        def handle_call(self, message: Any, caller: Any) -> Any:
            request.set("callee's")
            caller.reply("now")
            return noreply

    request.set("caller's")
    future: Future[str] = Later.start().ask("hello", block=False)
    assert future.get(timeout=SOON) == "now"
    assert request.get() == "caller's"


def test_a_link_has_no_context() -> None:
    one, other = Echo.start(), Echo.start()
    request.set("mine")
    one.ask(("do", lambda: link(other)))
    exit(one, "gone")
    assert not other.is_alive()
