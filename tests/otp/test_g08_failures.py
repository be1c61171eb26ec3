"""G8: no failure reaches a process that is not linked; the user's Ctrl-C belongs to the user."""

from __future__ import annotations

import asyncio
import gc
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from beam.errors import CallExit
from beam.otp import Exit, Future, Mailbox, Node, Server, exit, noreply, receive, spawn
from beam.testing import Probe
from tests.otp.actors import KINDS, SOON, Echo, InlineEcho, death_of, eventually
from tests.volume import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("node")

kinds = pytest.mark.parametrize("kind", KINDS)


@kinds
@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), MemoryError(), RecursionError()]
)
def test_g8_an_exception_of_any_kind_is_the_crash_of_one_process(
    kind: type[Echo], error: BaseException, node: Node
) -> None:
    others = [each.start() for each in KINDS]
    process = kind.start()
    with pytest.raises(CallExit) as caught:
        process.ask(("crash", error))
    assert caught.value.reason.exception is error
    process = kind.start()
    process.cast(("do", lambda: sys.exit("bye")))
    assert isinstance(death_of(process).exception, SystemExit)
    assert [other.ask("alive") for other in others] == ["alive"] * 3
    assert node.processes() == others


@kinds
def test_g8_endless_recursion_is_the_crash_of_one_process(kind: type[Echo]) -> None:
    def recurse() -> None:
        recurse()

    process = kind.start()
    process.cast(("do", recurse))
    assert isinstance(death_of(process).exception, RecursionError)
    assert kind.start().ask("alive") == "alive"


def test_g8_a_crash_reaches_those_that_are_linked_and_no_others() -> None:
    with Mailbox(trap_exit=True) as me:
        linked, other = Echo.start_link(), Echo.start()
        linked.cast(("do", lambda: 1 / 0))
        signal_ = me.receive(timeout=SOON)
        assert isinstance(signal_, Exit)
        assert signal_.process is linked
        assert other.ask("alive") == "alive"
        assert me.messages() == []


def test_g8_the_end_of_one_that_starts_another_unlinked_does_not_reach_its_init() -> None:
    children: list[Any] = []
    probe = Probe()

    class Child(Echo):
        def init(self) -> None:  # type: ignore[override]
            super().init()
            children.append(self.actor_ref)
            probe.note("waiting")
            silent.ask("wait", timeout=None)

    class Holds(Echo):
        def handle_call(self, message: Any, caller: Any) -> Any:
            self.caller_kept = caller
            return noreply

        def handle_cast(self, message: Any) -> None:
            self.caller_kept.reply("go on")

    silent = Holds.start()
    parent = Echo.start()
    parent.cast(("do", Child.start))
    probe.wait("waiting")
    exit(parent, "kill")
    eventually(lambda: silent.control.deferred)
    silent.cast("answer")
    assert death_of(parent) == "killed"
    assert children[0].ask("alive", timeout=SOON) == "alive"


@pytest.mark.schedulers("pool", "thread")
def test_g8_an_answer_to_a_loop_that_has_closed_harms_nobody() -> None:
    future: Future[str] = Future()
    loop = asyncio.new_event_loop()
    abandoned = future.__await__()

    async def wait() -> None:
        await asyncio.wait_for(future, 0.001)

    with pytest.raises(TimeoutError):
        loop.run_until_complete(wait())

    async def begin() -> None:
        abandoned.send(None)

    loop.run_until_complete(begin())
    loop.close()
    process = Echo.start()
    process.ask(("do", lambda: future.set("late")))
    assert process.ask("alive") == "alive"
    assert future.get() == "late"
    abandoned.close()


# Ctrl-C


class User:
    """Who presses Ctrl-C, which raises KeyboardInterrupt once, as it does in a program."""

    def __init__(self) -> None:
        self._felt = True
        self._presses: list[threading.Thread] = []

    def handle(self, number: int, frame: Any) -> None:
        """Raise it, unless this press has been felt; the handler of the signal."""
        if not self._felt:
            self._felt = True
            signal.default_int_handler(number, frame)

    def press(self) -> None:
        """Press it now."""
        self._felt = False
        signal.raise_signal(signal.SIGINT)

    def press_soon(self) -> None:
        """Have another thread press it once the main thread waits, and until it is felt.

        A signal that comes between Python's last look and the wait for a lock is seen only when
        that wait ends.
        """
        main = threading.main_thread().ident
        assert main is not None
        self._felt = False

        def press() -> None:
            while not self._felt:
                eventually(lambda: self._felt or is_parked(main))
                if not self._felt:
                    signal.pthread_kill(main, signal.SIGINT)

        self._presses.append(threading.Thread(target=press))
        self._presses[-1].start()

    def rest(self) -> None:
        """Wait until nobody presses any more."""
        while self._presses:
            self._presses.pop().join()


def is_parked(thread: int) -> bool:
    """Return whether a thread waits where processes and their users wait."""
    return sys._current_frames()[thread].f_code.co_name == "park"


@pytest.fixture
def user() -> Iterator[User]:
    user = User()
    handle = user.handle
    previous = signal.signal(signal.SIGINT, handle)
    yield user
    user.rest()
    assert signal.getsignal(signal.SIGINT) is handle
    signal.signal(signal.SIGINT, previous)


on_the_main_thread = pytest.mark.schedulers("pool", "simulation")


@on_the_main_thread
def test_g8_ctrl_c_in_a_handler_on_the_main_thread_is_raised_in_the_caller_after_it(
    user: User,
) -> None:
    done: list[str] = []

    def handler() -> str:
        user.press()
        done.append("whole")
        return "answer"

    process = InlineEcho.start()
    call = None
    with pytest.raises(KeyboardInterrupt):
        call = process.ask(("do", handler), block=False)
    assert call is None
    assert done == ["whole"]
    assert process.ask("alive") == "alive"


@on_the_main_thread
def test_g8_ctrl_c_in_a_handler_several_deep_is_raised_in_the_outermost_caller(user: User) -> None:
    done: list[int] = []

    class Nested(Server):
        blocking = False

        def init(self, inner: Any) -> None:
            self.inner = inner

        def go(self, depth: int) -> None:
            if self.inner is None:
                user.press()
            else:
                self.inner.proxy().go(depth + 1).get()
            done.append(depth)

    process = None
    for _ in range(5):
        process = Nested.start(process)
    with pytest.raises(KeyboardInterrupt):
        process.proxy().go(0).get()
    assert done == [4, 3, 2, 1, 0]
    assert process.is_alive()


@on_the_main_thread
@pytest.mark.parametrize("kind", [Echo, InlineEcho])
def test_g8_ctrl_c_in_init_on_the_main_thread_is_raised_by_start_after_it(
    kind: type[Echo], node: Node, user: User
) -> None:
    class Interrupted(kind):  # type: ignore[misc, valid-type]
        def init(self) -> None:
            super().init()
            user.press()
            self.told.append("whole")

    with pytest.raises(KeyboardInterrupt):
        Interrupted.start()
    (process,) = node.processes()
    assert process.ask("told") == ["whole"]


@on_the_main_thread
def test_g8_ctrl_c_in_terminate_on_the_main_thread_is_raised_after_it(user: User) -> None:
    class Stops(InlineEcho):
        def terminate(self, reason: Any) -> None:
            user.press()
            self.told.append("whole")

    process = Stops.start()
    told = process.control.actor.told
    with pytest.raises(KeyboardInterrupt):
        process.ask(("stop", "done"))
    assert told == ["whole"]
    assert process.exit_reason == "done"


@pytest.mark.schedulers("pool", "thread")
def test_g8_ctrl_c_while_a_start_waits_leaves_nothing_started(node: Node, user: User) -> None:
    silent = Echo.start()

    class Waits(Server):
        blocking = True

        def init(self) -> None:
            user.press_soon()
            silent.ask("never", timeout=None)

    with pytest.raises(KeyboardInterrupt):
        Waits.start(name="waits")
    eventually(lambda: node.processes() == [silent])


@pytest.mark.schedulers("pool", "thread")
def test_g8_ctrl_c_while_the_user_waits_is_raised_there(user: User) -> None:
    process = Echo.start()
    call = process.ask("never", block=False)
    user.press_soon()
    with pytest.raises(KeyboardInterrupt):
        call.get(timeout=SOON)
    assert process.ask("alive") == "alive"


@pytest.mark.schedulers("pool", "thread")
def test_g8_after_ctrl_c_in_receive_the_mailbox_goes_on(user: User) -> None:
    with Mailbox() as me:
        for at in range(5):
            user.press_soon()
            with pytest.raises(KeyboardInterrupt):
                me.receive(timeout=SOON)
            user.rest()
            me.ref.tell(at)
            assert me.receive(timeout=SOON) == at
        with pytest.raises(TimeoutError):
            me.receive(timeout=0.001)


@on_the_main_thread
def test_g8_a_handler_of_the_users_own_gets_ctrl_c_too() -> None:
    struck: list[int] = []
    previous = signal.signal(signal.SIGINT, lambda number, frame: struck.append(number))
    try:
        process = InlineEcho.start()
        seen = process.ask(("do", lambda: (signal.raise_signal(signal.SIGINT), list(struck))[1]))
    finally:
        signal.signal(signal.SIGINT, previous)
    assert seen == []
    assert struck == [signal.SIGINT]


@on_the_main_thread
def test_g8_where_ctrl_c_is_ignored_it_still_is() -> None:
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert InlineEcho.start().ask(("do", lambda: signal.raise_signal(signal.SIGINT))) is None
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, previous)


@pytest.fixture
def default_handler() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt each time, as it does in a program."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, previous)


@pytest.fixture
def ungathered() -> Iterator[None]:
    """No garbage is collected: a Ctrl-C in a callback of the collector's would be swallowed."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.schedulers("pool", "thread")
@pytest.mark.usefixtures("default_handler", "ungathered")
def test_g8_a_storm_of_ctrl_c_stops_no_process(node: Node) -> None:
    # Ctrl-C strikes at random instructions of the main thread while it sends and asks.
    processes = [kind.start() for kind in KINDS]
    main = threading.main_thread().ident
    assert main is not None
    wanted, struck = scaled(10_000), 0
    # Plain flags: Python's own locks do not survive a Ctrl-C that strikes inside them.
    weather = {"storm": False, "over": False}

    def storm() -> None:
        while not weather["over"]:
            time.sleep(0)
            if weather["storm"]:
                weather["storm"] = False
                signal.pthread_kill(main, signal.SIGINT)

    def work() -> None:
        weather["storm"] = True  # Once, so that no Ctrl-C is on its way when this has ended.
        while True:
            for process in processes:
                process.tell("t")
                assert process.ask("hello", timeout=SOON) == "hello"
                exit(Echo.start(), "kill")

    thread = threading.Thread(target=storm)
    thread.start()
    while struck < wanted:
        try:
            work()
        except KeyboardInterrupt:
            struck += 1
    weather["over"] = True
    thread.join()
    for process in processes:
        assert process.ask("alive", timeout=SOON) == "alive"
    assert Echo.start().ask("alive", timeout=SOON) == "alive"


@pytest.mark.schedulers("pool")
def test_g8_the_interpreter_exits_with_processes_alive() -> None:
    program = (
        "from beam.otp import Server, spawn, receive, send_after\n"
        "class T(Server):\n"
        "    blocking = True\n"
        "T.start(); Server.start(); spawn(receive)\n"
        "send_after(1000.0, Server.start(), 'late')\n"
        "print('done')\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=SOON, check=True
    )
    assert (ran.stdout, ran.stderr) == ("done\n", "")


def test_g8_a_function_that_fails_is_one_process_that_fails() -> None:
    process = spawn(receive, "no number")
    assert death_of(process).exception is not None
