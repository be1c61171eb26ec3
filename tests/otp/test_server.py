"""Servers: callbacks, what they may do, and classes that are refused."""

from __future__ import annotations

import threading
from typing import Any, ClassVar

import pytest

from beam.errors import CallExit, CallTimeout
from beam.otp import (
    Call,
    Crash,
    Down,
    Exit,
    Mailbox,
    Process,
    Server,
    exit,
    ignore,
    link,
    monitor,
    noreply,
)
from tests.otp.actors import KINDS, SOON, Echo, Gate, death_of

pytestmark = pytest.mark.usefixtures("node")

modes = pytest.mark.parametrize("blocking", [None, False, True], ids=["pool", "inline", "thread"])


class Recorder(Server):
    """Keeps a record of its callbacks."""

    def init(self, log: list[Any], *, trap: bool = False) -> None:
        self.log = log
        self.trap_exit = trap
        self.log.append(("init",))
        self.continue_with("begun")

    def handle_continue(self, message: Any) -> None:
        self.log.append(("continue", message))

    def handle_call(self, message: Any, caller: Call) -> Any:
        self.log.append(("call", message))
        match message:
            case "continue":
                self.continue_with("from call")
            case "stop":
                self.stop("asked to")
            case "stop quietly":
                self.stop("asked to")
                return noreply
        return f"answer to {message}"

    def handle_cast(self, message: Any) -> None:
        self.log.append(("cast", message))
        if message == "stop":
            self.stop()

    def handle_info(self, message: Any) -> None:
        self.log.append(("info", message))

    def terminate(self, reason: Any) -> None:
        self.log.append(("terminate", reason))


def recorder(blocking: bool | None = None, **arguments: Any) -> tuple[Any, list[Any]]:
    log: list[Any] = []
    kind = type("Recorder", (Recorder,), {"blocking": blocking})
    return kind.start(log, **arguments), log


@modes
def test_each_message_comes_to_its_callback(blocking: bool | None) -> None:
    process, log = recorder(blocking)
    assert process.ask("a") == "answer to a"
    process.cast("b")
    process.tell("c")
    process.stop(reason="done")
    assert log == [
        ("init",),
        ("continue", "begun"),
        ("call", "a"),
        ("cast", "b"),
        ("info", "c"),
        ("terminate", "done"),
    ]


@modes
def test_what_a_handler_leaves_to_do_comes_before_the_next_message(blocking: bool | None) -> None:
    process, log = recorder(blocking)
    process.ask("continue")
    process.ask("next")
    assert log[-3:] == [("call", "continue"), ("continue", "from call"), ("call", "next")]


@modes
def test_a_server_that_stops_itself_answers_and_cleans_up(blocking: bool | None) -> None:
    process, log = recorder(blocking)
    assert process.ask("stop") == "answer to stop"
    assert death_of(process) == "asked to"
    assert log[-1] == ("terminate", "asked to")


@modes
def test_the_answer_of_a_server_that_stops_comes_after_its_cleanup(blocking: bool | None) -> None:
    order: list[str] = []

    class Stops(Server):
        def handle_call(self, message: Any, caller: Call) -> Any:
            self.stop("done")
            return "answer"

        def terminate(self, reason: Any) -> None:
            order.append("terminate")

    process = type("Stops", (Stops,), {"blocking": blocking}).start()
    order.append(process.ask("stop"))
    assert order == ["terminate", "answer"]


@modes
def test_a_server_that_stops_without_an_answer_is_the_callers_exit(blocking: bool | None) -> None:
    process, _ = recorder(blocking)
    with pytest.raises(CallExit) as caught:
        process.ask("stop quietly")
    assert caught.value.reason == "asked to"


@modes
def test_after_stop_no_message_is_handled(blocking: bool | None) -> None:
    process, log = recorder(blocking)
    process.cast("stop")
    process.cast("after")
    death_of(process)
    assert log[-2:] == [("cast", "stop"), ("terminate", "normal")]


@modes
def test_a_crash_is_cleaned_up_after(blocking: bool | None) -> None:
    log: list[Any] = []

    class Fails(Recorder):
        def handle_cast(self, message: Any) -> None:
            raise ValueError(message)

    process = type("Fails", (Fails,), {"blocking": blocking}).start(log)
    process.cast("no")
    reason = death_of(process)
    assert isinstance(reason, Crash)
    assert log[-1] == ("terminate", reason)


@modes
def test_an_answer_may_come_later_and_from_elsewhere(blocking: bool | None) -> None:
    kept: list[Call] = []

    class Keeps(Server):
        def handle_call(self, message: Any, caller: Call) -> Any:
            kept.append(caller)
            return noreply

        def handle_cast(self, message: Any) -> None:
            kept.pop(0).reply(message)

    process = type("Keeps", (Keeps,), {"blocking": blocking}).start()
    calls = [process.ask(at, block=False) for at in range(3)]
    process.cast("from itself")
    assert calls[0].get(timeout=SOON) == "from itself"
    thread = threading.Thread(target=lambda: kept.pop(0).reply("from a thread"))
    thread.start()
    assert calls[1].get(timeout=SOON) == "from a thread"
    Echo.start().cast(("do", lambda: kept.pop(0).reply("from another")))
    assert calls[2].get(timeout=SOON) == "from another"
    thread.join()


def test_a_caller_says_who_asks() -> None:
    class Says(Server):
        def handle_call(self, message: Any, caller: Call) -> Any:
            return caller.process

    process = Says.start()
    assert process.ask("who?") is None
    asker = Echo.start()
    assert asker.ask(("call", process, "who?")) is asker
    with Mailbox() as me:
        assert process.ask("who?") is me.ref


def test_a_server_knows_the_call_it_serves() -> None:
    class Knows(Server):
        def later(self) -> Any:
            self.kept = self.caller
            return noreply

        def now(self) -> Any:
            self.kept.reply("later")
            return self.caller is not self.kept

        def handle_cast(self, message: Any) -> None:
            message.append(self.caller)

    proxy = Knows.start().proxy()
    later = proxy.later()
    assert proxy.now().get() is True
    assert later.get(timeout=SOON) == "later"
    outside: list[Any] = []
    proxy.actor_ref.cast(outside)
    proxy.actor_ref.stop()
    assert outside == [None]


def test_a_caller_answers_once() -> None:
    class Twice(Server):
        def handle_call(self, message: Any, caller: Call) -> Any:
            first, second = caller.reply("first"), caller.reply("second")
            self.outcome = (first, second, caller.refuse(ValueError()))
            return "third"

        def outcomes(self) -> Any:
            return self.outcome

    process = Twice.start()
    assert process.ask("go") == "first"
    assert process.proxy().outcomes().get() == (True, False, False)


@modes
def test_one_that_traps_exits_gets_them_as_messages(blocking: bool | None) -> None:
    process, log = recorder(blocking, trap=True)
    with Mailbox() as me:
        exit(process, "from me")
        assert process.ask("sync")
        assert ("info", Exit(me.ref, "from me")) in log


@modes
def test_its_parents_end_ends_one_that_traps_exits(blocking: bool | None) -> None:
    log: list[Any] = []
    kind = type("Recorder", (Recorder,), {"blocking": blocking})
    started: list[Any] = []
    parent = Echo.start()
    parent.ask(("do", lambda: started.append(kind.start_link(log, trap=True))))
    exit(parent, "gone")
    assert death_of(started[0]) == "gone"
    assert log[-1] == ("terminate", "gone")


def test_monitors_and_links_of_a_server_come_to_handle_info() -> None:
    process, log = recorder(trap=True)

    class Watches(Recorder):
        def handle_cast(self, message: Any) -> None:
            self.watching = monitor(message)
            link(message)

    log = []
    process = Watches.start(log, trap=True)
    other = Echo.start()
    process.cast(other)
    process.ask("sync")
    exit(other, "gone")
    process.ask("sync")
    came = [entry[1] for entry in log if entry[0] == "info"]
    assert {type(each) for each in came} == {Down, Exit}


def test_trap_exit_may_be_changed_at_any_time() -> None:
    class Changes(Server):
        def trap(self, value: bool) -> None:
            self.trap_exit = value

    with Mailbox():
        process = Changes.start()
        process.proxy().trap(True).get()
        exit(process, "first")
        process.proxy().trap(False).get()
        assert process.is_alive()
        exit(process, "second")
        assert death_of(process) == "second"


def test_handlers_may_be_inherited() -> None:
    class Base(Server):
        def greet(self) -> str:
            return "hello"

    class Derived(Base):
        def init(self) -> None:
            self.name_given = "derived"

    assert Derived.start().proxy().greet().get() == "hello"


@modes
def test_a_slow_handler_delays_only_its_own_callers(blocking: bool | None) -> None:
    class Waits(Server):
        def handle_cast(self, message: Any) -> None:
            message()

        def handle_call(self, message: Any, caller: Call) -> Any:
            return message

    gate = Gate()
    process = type("Waits", (Waits,), {"blocking": blocking}).start()
    process.cast(gate)
    gate.reached()
    with pytest.raises(CallTimeout):
        process.ask("hello", timeout=0.01)
    assert Echo.start().ask("hello") == "hello"
    gate.open()
    assert process.ask("hello", timeout=SOON) == "hello"


# Classes that are refused


@pytest.mark.parametrize(
    "name",
    [
        "start",
        "stop",
        "proxy_ref",
        "actor_ref",
        "tell",
        "node",
        "sleep",
        "aio",
        "_control",
        "continue_with",
        "send_after",
        "on_start",
        "on_stop",
        "on_failure",
        "on_receive",
    ],
)
def test_a_class_that_redefines_a_reserved_name_is_refused_by_name(name: str) -> None:
    if not any(name in vars(kind) for kind in Process.__mro__):
        type("Fine", (Server,), {name: lambda self: None})  # Not a name of ours.
        return
    with pytest.raises(TypeError, match=rf"Bad redefines '{name}'"):
        type("Bad", (Server,), {name: lambda self: None})


def test_what_takes_the_place_of_pykkas_hooks_is_named() -> None:
    with pytest.raises(TypeError, match=r"on_start.*use 'init'"):
        type("Bad", (Server,), {"on_start": lambda self: None})
    with pytest.raises(TypeError, match=r"on_receive.*use 'handle_call'"):
        type("Bad", (Server,), {"on_receive": lambda self, message: None})


def test_a_class_with_a_constructor_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Bad defines '__init__'.*use 'init'"):
        type("Bad", (Server,), {"__init__": lambda self: None})


@pytest.mark.parametrize(
    "name",
    ["init", "handle_call", "handle_cast", "handle_info", "handle_continue", "terminate"],
)
def test_a_class_with_an_async_callback_is_refused_by_name(name: str) -> None:
    async def callback(self: Any, *args: Any) -> None: ...

    with pytest.raises(TypeError, match=f"Bad.{name} is async"):
        type("Bad", (Server,), {name: callback})

    async def generator(self: Any, *args: Any) -> Any:
        yield

    with pytest.raises(TypeError, match=f"Bad.{name} is async"):
        type("Bad", (Server,), {name: generator})


@pytest.mark.parametrize("keyword", ["name", "id", "restart", "shutdown", "significant", "timeout"])
def test_a_class_whose_init_takes_a_reserved_keyword_is_refused_by_name(keyword: str) -> None:
    namespace: dict[str, Any] = {}
    exec(f"def init(self, one, *, {keyword}=None): ...", namespace)
    with pytest.raises(TypeError, match=f"Bad.init takes the reserved keyword '{keyword}'"):
        type("Bad", (Server,), {"init": namespace["init"]})


def test_what_is_mixed_in_is_looked_at_too() -> None:
    class Stopping:
        def stop(self) -> None: ...

    class Async:
        async def handle_call(self, message: Any, caller: Any) -> Any: ...

    class Named:
        def init(self, name: str) -> None: ...

    for mixin, text in (
        (Stopping, "redefines 'stop'"),
        (Async, "is async"),
        (Named, "keyword 'name'"),
    ):
        with pytest.raises(TypeError, match=text):
            type("Bad", (mixin, Server), {})


def test_declarations_are_looked_at() -> None:
    with pytest.raises(TypeError, match="settable is a str"):
        type("Bad", (Server,), {"settable": "owner"})
    with pytest.raises(TypeError, match="blocking is 'yes'"):
        type("Bad", (Server,), {"blocking": "yes"})


def test_a_refused_class_does_not_hinder_others() -> None:
    class Fine(Echo):
        settable: ClassVar = ("told",)

        def extra(self) -> str:
            return "extra"

    class Finer(Fine):
        def init(self) -> None:  # type: ignore[override]
            super().init()

    assert Finer.start().proxy().extra().get() == "extra"


def test_ignore_and_noreply_say_what_they_are() -> None:
    assert (repr(ignore), repr(noreply)) == ("ignore", "noreply")


def test_a_process_that_start_has_not_made_says_so() -> None:
    assert (str(Echo()), repr(Echo())) == ("Echo (not started)", "<Echo (not started)>")


@pytest.mark.parametrize("kind", KINDS)
def test_pykkas_hooks_of_a_runtime_are_not_for_users(kind: type[Echo]) -> None:
    with pytest.raises(TypeError):
        kind._create_actor_inbox()
    with pytest.raises(TypeError):
        kind._start_actor_loop(object())  # type: ignore[arg-type]
    assert kind._create_future().done is False
