"""G1: start is acknowledged; nothing is half started."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from beam.errors import (
    AlreadyStarted,
    CallExit,
    CallTimeout,
    Exited,
    InvalidInput,
    NotAProcess,
    Refused,
    StartError,
)
from beam.otp import (
    Crash,
    Down,
    Exit,
    Mailbox,
    Node,
    Server,
    exit,
    ignore,
    link,
    monitor,
    spawn,
    whereis,
)
from beam.otp import shutdown as shutdowns
from beam.otp.clock import SystemClock
from beam.otp.pool import Pool
from beam.otp.shutdown import end
from beam.testing import Probe
from tests.otp.actors import (
    KINDS,
    SOON,
    Echo,
    Gate,
    MovedTime,
    ThreadEcho,
    at_once,
    death_of,
    eventually,
    pause,
)
from tests.volume import scaled

pytestmark = pytest.mark.usefixtures("node")

ways = pytest.mark.parametrize(
    ("blocking", "timeout"),
    [(None, None), (False, None), (True, None), (None, SOON), (False, SOON), (True, SOON)],
    ids=["pool", "inline", "thread", "pool-timed", "inline-timed", "thread-timed"],
)


def begins(blocking: bool | None, body: Any) -> type[Server]:
    """Return a class whose `init` is `body`, and that does with its thread as said."""
    return type("Begins", (Server,), {"init": body, "blocking": blocking})


@ways
def test_g1_start_returns_after_init_has(blocking: bool | None, timeout: float | None) -> None:
    done = []
    process = begins(blocking, lambda _self, n: done.append(n)).start(7, timeout=timeout)
    assert done == [7]
    assert process.is_alive()
    assert process.node.processes() == [process]


@ways
def test_g1_a_crash_in_init_is_raised_by_start(
    blocking: bool | None, timeout: float | None, node: Node
) -> None:
    def init(_self: Server) -> None:
        raise KeyError("no such thing")

    with pytest.raises(StartError) as caught:
        begins(blocking, init).start(name="half", timeout=timeout)
    reason = caught.value.reason
    assert isinstance(reason, Crash)
    assert isinstance(reason.exception, KeyError)
    assert caught.value.__cause__ is reason.exception
    assert node.processes() == []
    assert whereis("half") is None


@ways
def test_g1_the_reason_with_which_init_exits_is_raised_by_start(
    blocking: bool | None, timeout: float | None, node: Node
) -> None:
    kind = begins(blocking, lambda _self: exit(("no", "luck")))
    with pytest.raises(StartError) as caught:
        kind.start(timeout=timeout)
    assert caught.value.reason == ("no", "luck")
    assert node.processes() == []


@ways
def test_g1_a_process_that_stops_itself_in_init_does_not_start(
    blocking: bool | None, timeout: float | None, node: Node
) -> None:
    ended = []

    class Stops(begins(blocking, lambda self: self.stop("tired"))):  # type: ignore[misc]
        def terminate(self, reason: Any) -> None:
            ended.append(reason)

    with pytest.raises(StartError) as caught:
        Stops.start(timeout=timeout)
    assert caught.value.reason == "tired"
    assert node.processes() == []
    assert ended == []


@ways
def test_g1_what_init_refuses_with_is_raised_by_start(
    blocking: bool | None, timeout: float | None, node: Node
) -> None:
    def init(_self: Server) -> None:
        raise Refused("no_room", left=0)

    with pytest.raises(Refused) as caught:
        begins(blocking, init).start(timeout=timeout)
    assert (caught.value.reason, caught.value.left) == ("no_room", 0)
    assert not caught.value.process.is_alive()
    assert node.processes() == []


@ways
def test_g1_a_process_that_ignores_its_start_leaves_nothing(
    blocking: bool | None, timeout: float | None, node: Node
) -> None:
    kind = begins(blocking, lambda _self: ignore)
    assert kind.start(timeout=timeout) is None
    with Mailbox() as me:
        started, _ = kind.start_monitor(timeout=timeout)
        assert started is None
        assert me.messages() == []
    assert node.processes() == []


def test_g1_init_returns_none_or_ignore() -> None:
    with pytest.raises(StartError) as caught:
        begins(None, lambda _self: "started").start()
    assert isinstance(caught.value.reason.exception, InvalidInput)


def test_g1_wrong_arguments_for_init_are_a_crash_of_init() -> None:
    with pytest.raises(StartError) as caught:
        begins(None, lambda _self, one: None).start()
    assert isinstance(caught.value.reason.exception, TypeError)


@pytest.mark.parametrize("timeout", [0, -1.0, float("nan"), "5"])
def test_g1_a_timeout_that_is_none_is_refused_before_anything(timeout: Any, node: Node) -> None:
    ran: list[int] = []
    with pytest.raises(InvalidInput, match="timeout"):
        begins(None, lambda _self: ran.append(1)).start(timeout=timeout)
    assert ran == []
    assert node.processes() == []


def test_g1_a_name_that_cannot_be_one_is_refused_before_anything(node: Node) -> None:
    ran: list[int] = []
    with pytest.raises(InvalidInput, match="name"):
        begins(None, lambda _self: ran.append(1)).start(name=["unhashable"])
    assert ran == []
    assert node.processes() == []


def test_g1_a_name_that_is_taken_stays_with_its_holder() -> None:
    first = Echo.start(name="one")
    with pytest.raises(AlreadyStarted) as caught:
        Echo.start(name="one")
    assert caught.value.process is first
    assert caught.value.reason == ("already_started", first)
    first.stop()
    assert Echo.start(name="one") is whereis("one")


def test_g1_a_name_is_known_while_init_runs() -> None:
    found = []
    begins(None, lambda _self: found.append(whereis("me"))).start(name="me")
    assert found == [whereis("me")]
    assert found[0] is not None


def test_g1_mail_sent_before_init_has_returned_is_handled_after_it() -> None:
    class Early(Echo):
        def init(self) -> None:  # type: ignore[override]
            super().init()
            self.actor_ref.tell("early")
            self.told.append("init")

    assert Early.start().ask("told") == ["init", "early"]


class Starting:
    """A start that waits in a process, in a node whose time the test moves."""

    def __init__(self, node: Node, kind: Any) -> None:
        self._time = MovedTime(node)
        self.node = self._time.node
        self.outcome: Any = None
        with self.node.entered():
            self._starter = spawn(self._start, kind)

    def _start(self, kind: Any) -> None:
        try:
            self.outcome = kind.start(timeout=0.01, name="slow")
        except StartError as error:
            self.outcome = error.reason

    def end(self, *, seconds: float) -> None:
        """Let so much time pass again and again, until the start has ended."""
        while self._starter.is_alive():
            self._time.let_pass(seconds)
            pause()


@pytest.mark.parametrize("blocking", [None, True])
def test_g1_an_init_that_takes_too_long_is_given_up(blocking: bool | None, node: Node) -> None:
    gate = Gate()
    starting = Starting(node, begins(blocking, lambda _self: gate()))
    gate.reached()
    starting.end(seconds=1.0)
    node = starting.node
    assert starting.outcome == "timeout"
    assert node.whereis("slow") is None
    assert node.processes() == []
    assert len(node.given_up) == 1
    gate.open()
    eventually(lambda: not node.given_up)
    node.stop()


@pytest.mark.parametrize("blocking", [None, True])
def test_g1_an_init_that_waits_too_long_in_a_call_is_ended(
    blocking: bool | None, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutdowns, "KILL_GRACE", 1e9)
    probe = Probe()

    def init(_self: Server) -> None:
        other = Echo.start()
        try:
            probe.note("asking")
            other.ask("never", timeout=None)
        finally:
            exit(other, "kill")
            probe.note("cleaned")

    starting = Starting(node, begins(blocking, init))
    probe.wait("asking")
    starting.end(seconds=1.0)
    assert starting.outcome == "timeout"
    assert probe.notes("cleaned") == [None]
    assert starting.node.given_up == {}
    starting.node.stop()


def test_g1_a_failed_start_is_an_exit_signal_to_the_one_linked() -> None:
    with Mailbox(trap_exit=True) as me:
        with pytest.raises(StartError):
            begins(None, lambda _self: exit("bad")).start_link()
        assert me.receive(timeout=SOON).reason == "bad"

    class Parent(Server):
        def handle_cast(self, message: Any) -> None:
            begins(None, lambda _self: exit("bad")).start_link()

    parent = Parent.start()
    parent.cast("go")
    assert death_of(parent) == "bad"


class Unstarted(Server):
    """Waits in `init` until it is ended."""

    def init(self) -> None:
        Echo.start().ask("never", timeout=None)


def test_g1_a_start_that_took_too_long_is_no_exit_signal_to_the_one_linked() -> None:
    with Mailbox() as me:
        with pytest.raises(StartError) as caught:
            Unstarted.start_link(timeout=0.01)
        assert caught.value.reason == "timeout"
        assert me.messages() == []
    with Mailbox(trap_exit=True) as me:
        with pytest.raises(StartError):
            Unstarted.start_link(timeout=0.01)
        assert me.messages() == []


def test_g6_a_server_survives_a_caller_who_did_not_wait_for_its_linked_start() -> None:
    server = Echo.start()
    with pytest.raises(CallTimeout):
        server.ask(("do", lambda: Unstarted.start_link(timeout=SOON)), timeout=0.01)
    assert server.ask("hello") == "hello"


@ways
def test_g1_no_down_comes_of_a_process_that_did_not_start(
    blocking: bool | None, timeout: float | None
) -> None:
    kind = begins(blocking, lambda _self: exit("bad"))
    with Mailbox() as me:
        with pytest.raises(StartError):
            kind.start_monitor(timeout=timeout)
        with pytest.raises(StartError):
            Unstarted.start_monitor(timeout=0.01)
        assert me.messages() == []
        with pytest.raises(TimeoutError):
            me.receive(timeout=0)


def test_g1_a_process_is_linked_and_monitored_from_its_start() -> None:
    with Mailbox(trap_exit=True) as me:
        linked = Echo.start_link()
        watched, watching = Echo.start_monitor()
        exit(linked, "a")
        exit(watched, "b")
        assert me.receive(timeout=SOON) == Exit(linked, "a")
        assert me.receive(timeout=SOON) == Down(watching, watched, "b")


def test_g1_links_and_monitors_at_the_start_need_a_process() -> None:
    with pytest.raises(NotAProcess):
        Echo.start_link()
    with pytest.raises(NotAProcess):
        Echo.start_monitor()


@ways
def test_g1_a_process_that_is_killed_in_init_does_not_start(
    blocking: bool | None, timeout: float | None, node: Node
) -> None:
    killer, gate = Echo.start(), Gate()

    def init(self: Server) -> None:
        killer.cast(("do", lambda: (exit(self.actor_ref, "kill"), gate.open())))
        gate()

    with pytest.raises(StartError) as caught:
        begins(blocking, init).start(timeout=timeout)
    assert caught.value.reason == "killed"
    assert node.processes() == [killer]


class Scripted(Pool):
    """A pool that does something before it starts the thread of a process."""

    before: Any = None

    def start_thread(self, name: str, main: Any) -> None:
        self.before()
        super().start_thread(name, main)


@pytest.mark.schedulers("pool")
def test_g1_a_process_that_is_killed_before_its_init_has_begun_does_not_start() -> None:
    clock = SystemClock()
    pool = Scripted(clock)
    pool.before = lambda: exit(whereis("young"), "kill")
    ran: list[int] = []
    with Node(clock=clock, scheduler=pool) as node:
        with pytest.raises(StartError) as caught:
            begins(True, lambda _self: ran.append(1)).start(name="young")
        assert caught.value.reason == "killed"
        assert node.processes() == []
    assert ran == []


@pytest.mark.schedulers("pool")
def test_g1_where_no_thread_can_be_had_nothing_is_left() -> None:
    def no_thread() -> None:
        raise RuntimeError("can't start new thread")

    clock = SystemClock()
    pool = Scripted(clock)
    pool.before = no_thread
    with Node(clock=clock, scheduler=pool) as node:
        with pytest.raises(RuntimeError, match="new thread"):
            ThreadEcho.start(name="poor")
        assert whereis("poor") is None
        assert node.processes() == []


def test_g1_a_start_in_a_served_call_ends_with_the_callers_deadline(node: Node) -> None:
    gate = Gate()

    class Starter(Server):
        def begin(self) -> Any:
            return begins(True, lambda _self: gate()).start()

    starter = Starter.start()
    with pytest.raises(CallTimeout):
        starter.proxy().begin().get(timeout=0.05)
    eventually(lambda: node.processes() == [starter])
    gate.open()
    eventually(lambda: not node.given_up)


def test_g1_nothing_starts_in_a_node_that_has_been_stopped(node: Node) -> None:
    node.stop()
    with pytest.raises(StartError) as caught:
        Echo.start()
    assert caught.value.reason == "shutdown"
    with pytest.raises(StartError), Mailbox():
        pass


def test_g1_an_init_may_start_others_to_any_depth() -> None:
    class Nested(Server):
        def init(self, depth: int) -> None:
            self.child = Nested.start(depth - 1) if depth else None

        def depth(self) -> int:
            return 1 + (self.child.proxy().depth().get() if self.child else 0)

    assert Nested.start(40).proxy().depth().get() == 41


@pytest.mark.parametrize("kind", KINDS)
def test_g1_a_start_that_a_dead_process_would_link_to_is_refused(kind: type[Echo]) -> None:
    outcome: list[Any] = []

    def after_death() -> None:
        try:
            kind.start_link()
        except Exited as exited:
            outcome.append(exited.reason)

    process = Echo.start()
    gate, probe = Gate(), Probe()

    def handler() -> None:
        gate()
        after_death()
        probe.note("done")

    process.cast(("do", handler))
    gate.reached()
    exit(process, "kill")
    end(process.node.init, process.control, "brutal")
    gate.open()
    probe.wait("done")
    assert outcome == ["killed"]


@pytest.mark.schedulers("pool", "thread")
@pytest.mark.usefixtures("fine_switching")
@pytest.mark.parametrize("kind", KINDS)
def test_g1_starts_that_race_with_kills_are_whole_or_nothing(kind: type[Echo], node: Node) -> None:
    rounds = scaled(2_000)
    done = threading.Event()

    def kill() -> None:
        while not done.is_set():
            victim = whereis("victim")
            if victim is not None:
                exit(victim, "kill")

    reasons: set[Any] = set()

    def start() -> tuple[int, int]:
        begun = failed = 0
        for _ in range(rounds):
            try:
                process = kind.start(name="victim")
            except StartError as error:
                reasons.add(error.reason)
                failed += 1
                continue
            begun += 1
            with pytest.raises(CallExit):
                process.ask("never", timeout=None)
        done.set()
        return begun, failed

    (begun, failed), _ = at_once(start, kill)
    assert begun + failed == rounds
    assert reasons <= {"killed"}
    assert node.processes() == []


@pytest.mark.schedulers("pool", "thread")
@pytest.mark.usefixtures("fine_switching")
def test_g1_of_starts_that_race_for_a_name_one_wins(node: Node) -> None:
    for _ in range(scaled(2_000)):

        def start() -> Any:
            try:
                return Echo.start(name="king")
            except AlreadyStarted as error:
                return error

        outcomes = at_once(start, start, start)
        kings = [each for each in outcomes if not isinstance(each, AlreadyStarted)]
        assert len(kings) == 1
        assert all(each.process is kings[0] for each in outcomes if each is not kings[0])
        exit(kings[0], "kill")
        assert node.processes() == []


@pytest.mark.schedulers("pool")  # So many threads cannot be had.
def test_g1_a_hundred_thousand_processes_live_and_answer(node: Node) -> None:
    count = scaled(100_000)
    processes = [Echo.start() for _ in range(count)]
    assert len(node.processes()) == count
    answers = [process.ask(at, block=False) for at, process in enumerate(processes)]
    assert [answer.get(timeout=SOON) for answer in answers] == list(range(count))
    for process in processes:
        exit(process, "kill")
    eventually(lambda: node.processes() == [])


def test_g1_link_in_init_holds_for_the_process_that_starts() -> None:
    other = Echo.start()
    process = begins(None, lambda _self: link(other)).start()
    exit(other, "gone")
    assert death_of(process) == "gone"


def test_g1_monitor_in_init_reports_to_the_process_that_starts() -> None:
    class Watcher(Echo):
        def init(self, other: Any) -> None:  # type: ignore[override]
            super().init()
            monitor(other)

    other = Echo.start()
    watcher = Watcher.start(other)
    exit(other, "gone")
    assert [down.reason for down in watcher.ask("told")] == ["gone"]
