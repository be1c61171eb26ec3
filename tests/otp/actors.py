"""The processes that the tests of processes start, and how tests wait for them."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Any

from beam.otp import Mailbox, Node, Server, current_node, monitor, noreply
from beam.otp import exit as exit_process
from beam.otp.clock import SystemClock
from beam.otp.simulated import Simulated
from beam.otp.threads import Threads
from beam.testing import Probe, VirtualClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.otp import Call, Ref

# Seconds within which anything that does happen happens, on a loaded machine too.
SOON = 30.0
# Seconds between two looks at what no event tells.
PAUSE = 0.0005


class Echo(Server):
    """Answers what it is asked, and keeps what it is told."""

    def init(self, *, trap_exit: bool = False) -> None:
        self.trap_exit = trap_exit
        self.told: list[Any] = []

    def handle_call(self, message: Any, caller: Call) -> Any:
        match message:
            case "told":
                return list(self.told)
            case "never":
                return noreply
            case ("crash", error):
                raise error
            case ("exit", reason):
                exit_process(reason)
            case ("stop", reason):
                self.stop(reason)
                return "stopping"
            case ("call", callee, question):
                return callee.ask(question)
            case ("do", function):
                return function()
        return message

    def handle_cast(self, message: Any) -> None:
        match message:
            case ("do", function):
                function()
            case _:
                self.told.append(message)

    def handle_info(self, message: Any) -> None:
        self.told.append(message)


class InlineEcho(Echo):
    """Runs on top of its callers."""

    blocking = False


class ThreadEcho(Echo):
    """Has a thread of its own."""

    blocking = True


KINDS: list[type[Echo]] = [Echo, InlineEcho, ThreadEcho]


class Gate:
    """Holds a handler up, until the test opens it; who waits there hears no signal meanwhile."""

    def __init__(self) -> None:
        self._probe = Probe()

    def __call__(self) -> None:
        """Arrive at the gate, and wait until it is open; run by the handler."""
        self.arrive()
        self._probe.wait("open")

    def arrive(self) -> None:
        """Arrive, and go on; run by the handler."""
        self._probe.note("reached")

    def reached(self) -> None:
        """Wait until a handler has arrived."""
        self._probe.wait("reached")

    def open(self) -> None:
        """Let it go on."""
        self._probe.note("open")


class Wall(Gate):
    """A gate that no scheduler knows of: whoever waits there blocks its thread."""

    def __init__(self) -> None:
        super().__init__()
        self._open = threading.Event()

    def __call__(self) -> None:
        self.arrive()
        assert self._open.wait(SOON)

    def open(self) -> None:
        self._open.set()


def hold_up(process: Ref[Any], kind: type[Gate] = Gate) -> Gate:
    """Hold a process up in a cast's handler; return when it is in there."""
    gate = kind()
    process.cast(("do", gate))
    gate.reached()
    return gate


def death_of(process: Ref[Any]) -> Any:
    """Wait for the end of a process; return its reason, also if it had ended before."""
    with Mailbox() as me:
        monitor(process)
        down = me.receive(timeout=SOON)
    reason = down.reason if process.exit_reason is None else process.exit_reason
    assert not process.is_alive()
    return reason


def eventually(condition: Callable[[], Any]) -> None:
    """Wait until the condition holds, for what no event tells and `settle` does not see.

    Whoever can run does before it is asked again; in a simulation that takes virtual time.
    """
    node = current_node()
    clock = node.clock if isinstance(node.scheduler, Simulated) else SystemClock()
    until = clock.now() + SOON
    while not condition():
        assert clock.now() < until
        pause()


def pause() -> None:
    """Let whoever can run do so, and a little time pass."""
    node = current_node()
    if isinstance(node.scheduler, Simulated):
        node.sleep(PAUSE)
    else:
        threading.Event().wait(PAUSE)


class StandingClock:
    """A clock that shows what the test sets it to."""

    def __init__(self) -> None:
        self.random = random.Random(0)
        self.seconds = 1000.0

    def now(self) -> float:
        """Return the time, from an unspecified start."""
        return self.seconds

    def time(self) -> float:
        """Return the time since the epoch."""
        return self.seconds


class MovedTime:
    """A node whose time passes when the test says so, on the same scheduler as another node.

    In a simulation it is that node. Elsewhere it is one with a virtual clock; the test stays
    outside of it, where time goes on by itself, and enters it to start what is to live there.
    """

    def __init__(self, node: Node) -> None:
        self.node = node
        if not isinstance(node.clock, VirtualClock):
            clock = VirtualClock()
            threads = Threads(clock, "moved") if node.scheduler.own_threads else None
            self.node = Node("moved", clock=clock, scheduler=threads)
        self._beside = self.node is not node

    def let_pass(self, seconds: float) -> None:
        """Let so much of its time pass."""
        node = self.node
        if self._beside:
            node.clock.advance(seconds)  # type: ignore[attr-defined]
        else:
            node.sleep(seconds)


def at_once(*functions: Callable[[], Any]) -> list[Any]:
    """Run the functions on threads of their own, begun together; return their results.

    A function that raises makes the test fail, by the exception.
    """
    begin = threading.Barrier(len(functions))
    results: list[Any] = [None] * len(functions)
    errors: list[BaseException] = []

    def run(at: int) -> None:
        begin.wait(SOON)
        try:
            results[at] = functions[at]()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            errors.append(error)

    threads = [threading.Thread(target=run, args=(at,)) for at in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10 * SOON)
        assert not thread.is_alive()
    if errors:
        raise errors[0]
    return results
