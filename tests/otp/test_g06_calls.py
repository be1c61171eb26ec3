"""G6: a call ends, whatever becomes of the callee; rings are refused; deadlines are inherited."""

from __future__ import annotations

import contextlib
import math
import threading
from collections import Counter
from typing import Any

import pytest

from beam.errors import (
    CallCycle,
    CallExit,
    CallTimeout,
    DeadlineExpired,
    Exited,
    InvalidInput,
    Refused,
)
from beam.otp import Crash, Mailbox, Node, Server, current_process, exit, noreply
from tests.otp.actors import (
    KINDS,
    SOON,
    Echo,
    Gate,
    InlineEcho,
    at_once,
    death_of,
    eventually,
    hold_up,
)
from tests.volume import scaled

pytestmark = pytest.mark.usefixtures("node")

kinds = pytest.mark.parametrize("kind", KINDS)
blockings = pytest.mark.parametrize(
    "blocking", [None, False, True], ids=["pool", "inline", "thread"]
)


@kinds
def test_g6_a_call_ends_with_the_reply(kind: type[Echo]) -> None:
    assert kind.start().ask("hello") == "hello"
    assert kind.start().ask(None) is None


@kinds
def test_g6_a_call_of_the_dead_ends_at_once(kind: type[Echo]) -> None:
    process = kind.start()
    process.stop()
    with pytest.raises(CallExit) as caught:
        process.ask("hello", timeout=None)
    assert (caught.value.reason, caught.value.process) == ("noproc", process)


@kinds
@pytest.mark.parametrize("how", ["exit", "stop", "crash", "kill"])
def test_g6_a_call_ends_with_the_reason_its_callee_ends_with(kind: type[Echo], how: str) -> None:
    process = kind.start()
    gate = hold_up(process)
    served = process.ask(
        {
            "exit": ("exit", "gone"),
            "crash": ("crash", KeyError("gone")),
        }.get(how, "hello"),
        block=False,
        timeout=None,
    )
    waiting = process.ask("hello", block=False, timeout=None)
    if how == "kill":
        exit(process, "kill")
    gate.open()
    if how == "stop":
        process.stop(reason="gone")
        assert waiting.get(timeout=SOON) == "hello"
        return
    for call in (served, waiting):
        with pytest.raises(CallExit) as caught:
            call.get(timeout=SOON)
        reason = caught.value.reason
        assert reason == process.exit_reason
        assert reason in {"gone", "killed"} or isinstance(reason.exception, KeyError)


@kinds
def test_g6_a_call_that_was_kept_ends_with_its_callee(kind: type[Echo]) -> None:
    process = kind.start()
    kept = [process.ask("never", block=False, timeout=None) for _ in range(3)]
    exit(process, "gone")
    for call in kept:
        with pytest.raises(CallExit) as caught:
            call.get(timeout=SOON)
        assert caught.value.reason == "gone"


@kinds
def test_g6_a_call_ends_at_its_deadline(kind: type[Echo]) -> None:
    process = kind.start()
    with pytest.raises(CallTimeout) as caught:
        process.ask("never", timeout=0.01)
    assert type(caught.value) is CallTimeout
    assert (caught.value.process, caught.value.timeout) == (process, 0.01)
    assert process.ask("alive") == "alive"


def test_g6_a_call_has_five_seconds_unless_said() -> None:
    process = Echo.start()
    before = process.node.clock.now()
    call = process.ask("never", block=False)
    assert 4.9 < call.deadline - before < 5.1
    assert process.ask("never", block=False, timeout=None).deadline is None


def test_g6_get_replaces_the_deadline_of_the_call() -> None:
    process = Echo.start()
    gate = hold_up(process)
    call = process.ask("late", block=False, timeout=0.01)
    with pytest.raises(CallTimeout):
        call.get()
    patient = process.ask("late", block=False, timeout=0.01)
    threading.Timer(0.05, gate.open).start()
    assert patient.get(timeout=math.inf) == "late"


@pytest.mark.parametrize("timeout", ["5", float("nan"), [1]])
def test_g6_a_timeout_that_is_none_is_refused_before_anything_is_sent(timeout: Any) -> None:
    process = Echo.start()
    with pytest.raises(InvalidInput, match="timeout"):
        process.ask(("do", lambda: process.tell("sent")), timeout=timeout)
    with pytest.raises(InvalidInput, match="timeout"):
        process.stop(timeout=timeout)
    with pytest.raises(InvalidInput, match="timeout"):
        process.ask("never", block=False).get(timeout=timeout)
    assert process.ask("told") == []


def test_g6_an_answer_after_the_deadline_is_dropped() -> None:
    process, calls = Echo.start(), []

    class Late(Server):
        def handle_call(self, message: Any, caller: Any) -> Any:
            calls.append(caller)
            return noreply

    process = Late.start()
    with pytest.raises(CallTimeout):
        process.ask("hello", timeout=0.01)
    calls[0].reply("too late")
    second = process.ask("hello", block=False)
    eventually(lambda: len(calls) == 2)
    assert calls[1].reply("first") is True
    assert calls[1].reply("second") is False
    assert second.get() == "first"


# Rings


@kinds
def test_g6_a_call_to_oneself_is_a_ring_of_one(kind: type[Echo]) -> None:
    process, paths = kind.start(), []

    def ask_myself() -> str:
        try:
            process.ask("hello", timeout=None)
        except CallCycle as ring:
            paths.append(ring.path)
        return "lives"

    assert process.ask(("do", ask_myself)) == "lives"
    assert paths == [(process, process)]


class Member(Server):
    """Asks the next of a ring, or of a chain; says what came of it."""

    def init(self) -> None:
        self.next: Any = None

    def chain_to(self, process: Any) -> None:
        self.next = process

    def go(self) -> Any:
        if self.next is None:
            return "the end"
        try:
            return self.next.proxy().go().get(timeout=math.inf)
        except CallCycle as ring:
            return ring

    def handle_call(self, message: Any, caller: Any) -> Any:
        return self.go() if message == "go" else message


def ends_with(function: Any) -> Any:
    """Return a process that may be the last of a chain."""
    return type("Last", (Server,), {"go": lambda _self: function()}).start()


def members(count: int, blocking: Any) -> list[Any]:
    modes = [None, False, True] if blocking == "mixed" else [blocking]
    kinds = [type("Member", (Member,), {"blocking": mode}) for mode in modes]
    return [kinds[at % len(kinds)].start() for at in range(count)]


def chain(processes: list[Any], *, ring: bool) -> None:
    for at, process in enumerate(processes[: None if ring else -1]):
        process.proxy().chain_to(processes[(at + 1) % len(processes)]).get(timeout=SOON)


@pytest.mark.parametrize("blocking", [None, False, True, "mixed"])
@pytest.mark.parametrize("length", range(2, 7))
def test_g6_a_ring_is_refused_with_its_path(length: int, blocking: Any) -> None:
    ring = members(length, blocking)
    chain(ring, ring=True)
    refused = ring[0].proxy().go().get(timeout=SOON)
    assert isinstance(refused, CallCycle)
    # Whoever closes the ring comes first and last.
    at = ring.index(refused.path[0])
    assert refused.path == (*ring[at:], *ring[: at + 1])


@pytest.mark.usefixtures("fine_switching")
@pytest.mark.parametrize("blocking", [None, True, "mixed"])
def test_g6_a_ring_that_closes_in_many_places_at_once_never_hangs(blocking: Any) -> None:
    for length in (2, 3, 5):
        ring = members(length, blocking)
        chain(ring, ring=True)
        for _ in range(scaled(200)):
            begun = [process.proxy().go() for process in ring]
            outcomes = [call.get(timeout=SOON) for call in begun]
            assert all(isinstance(each, CallCycle) for each in outcomes)


@pytest.mark.usefixtures("fine_switching")
@pytest.mark.parametrize("blocking", [None, True])
def test_g6_a_ring_that_closes_at_once_never_hangs_and_refuses_exactly_one(blocking: Any) -> None:
    class Point(Server):
        def meet(self, barrier: Any, other: Any) -> Any:
            barrier.wait(SOON)
            try:
                return other.ask("there?", timeout=None)
            except CallCycle:
                return "refused"

        def handle_call(self, message: Any, caller: Any) -> Any:
            return "here"

    for size in (2, 3, 4):
        points = [type("Point", (Point,), {"blocking": blocking}).start() for _ in range(size)]
        for _ in range(scaled(2_000)):
            barrier = threading.Barrier(size)
            meetings = [
                point.proxy().meet(barrier, points[(at + 1) % size])
                for at, point in enumerate(points)
            ]
            outcomes = Counter(meeting.get(timeout=SOON) for meeting in meetings)
            assert outcomes == {"refused": 1, "here": size - 1}


@pytest.mark.parametrize("blocking", [None, False, True, "mixed"])
def test_g6_a_long_chain_is_no_ring(blocking: Any) -> None:
    processes = members(60, blocking)
    chain(processes, ring=False)
    assert processes[0].proxy().go().get(timeout=SOON) == "the end"


@pytest.mark.usefixtures("fine_switching")
@pytest.mark.parametrize("blocking", [None, False, True, "mixed"])
def test_g6_calls_without_a_ring_are_never_refused(blocking: Any) -> None:
    # Each may ask those after it; each of them is asked by several at once.
    class Layer(Member):
        def ask_on(self, at: int, layers: list[Any]) -> int:
            count = 1
            for later in layers[at + 1 : at + 3]:
                count += layers[0] is not later and later.proxy().ask_on(
                    layers.index(later), layers
                ).get(timeout=math.inf)
            return count

    modes = [None, False, True] if blocking == "mixed" else [blocking]
    kinds = [type("Layer", (Layer,), {"blocking": mode}) for mode in modes]
    layers = [kinds[at % len(kinds)].start() for at in range(6)]
    for _ in range(scaled(400)):
        begun = [layers[at].proxy().ask_on(at, layers) for at in (0, 1, 0, 2)]
        assert [call.get(timeout=SOON) for call in begun] == [20, 12, 20, 7]


@pytest.mark.usefixtures("fine_switching")
@pytest.mark.parametrize("blocking", [None, True])
def test_g6_one_that_has_been_answered_may_be_asked_at_once(blocking: Any) -> None:
    # It has its answer, but has not woken up yet: no ring.
    refusals: list[Any] = []

    class First(Server):
        def go(self, other: Any) -> str:
            return other.ask("hello", timeout=SOON)

        def handle_call(self, message: Any, caller: Any) -> Any:
            return message

    class Second(Server):
        def handle_call(self, message: Any, caller: Any) -> Any:
            if message == "done?":
                return "done"
            caller.reply("answer")
            try:
                assert caller.process.ask("you there?", timeout=SOON) == "you there?"
            except CallCycle as ring:
                refusals.append(ring)
            return noreply

    first = type("First", (First,), {"blocking": blocking}).start()
    second = type("Second", (Second,), {"blocking": blocking}).start()
    for _ in range(scaled(10_000)):
        assert first.proxy().go(second).get(timeout=SOON) == "answer"
        assert second.ask("done?", timeout=SOON) == "done"
    assert refusals == []


def test_g6_a_ring_through_a_process_that_starts_is_refused() -> None:
    refused: list[Any] = []

    class Child(Server):
        def init(self, parent: Any) -> None:
            try:
                parent.ask("hello", timeout=None)
            except CallCycle as ring:
                refused.append(ring.path)

    parent = Echo.start()
    parent.ask(("do", lambda: Child.start(parent)))
    (path,) = refused
    assert path == (path[0], parent, path[0])


def test_g6_rings_are_refused_across_nodes() -> None:
    first = Member.start()
    with Node():
        second = Member.start()
        first.proxy().chain_to(second).get()
        second.proxy().chain_to(first).get()
        refused = first.proxy().go().get(timeout=SOON)
        assert isinstance(refused, CallCycle)
        assert refused.path == (second, first, second)


def test_g6_a_thread_that_is_a_process_is_part_of_rings() -> None:
    with Mailbox() as me:
        process = Echo.start()
        with pytest.raises(CallExit) as caught:
            process.ask(("call", me.ref, "hello"), timeout=None)
        assert isinstance(caught.value.reason.exception, CallCycle)


# Deadlines


@kinds
@pytest.mark.parametrize("inner", [0.05, 5.0, None], ids=["same", "later", "none"])
def test_g6_a_call_inside_a_call_ends_with_the_deadline_of_the_outer(
    kind: type[Echo], inner: float | None
) -> None:
    silent, process, seen = Echo.start(), kind.start(), []
    over = threading.Event()

    def ask_silent() -> None:
        try:
            silent.ask("never", timeout=inner)
        except CallTimeout as error:
            seen.append(error)
            raise
        finally:
            over.set()

    with pytest.raises(CallTimeout) as caught:
        process.ask(("do", ask_silent), timeout=0.05)
    assert type(caught.value) in {CallTimeout, DeadlineExpired}
    assert over.wait(SOON)
    assert type(seen[0]) is DeadlineExpired
    assert seen[0].process is silent
    # An impatient caller crashes nobody.
    assert process.ask("alive") == "alive"


@kinds
def test_g6_a_call_that_fails_by_its_own_deadline_is_a_crash_of_the_one_that_made_it(
    kind: type[Echo],
) -> None:
    silent, process = Echo.start(), kind.start()

    def ask_silent() -> None:
        silent.ask("never", timeout=0.01)

    with pytest.raises(CallExit) as caught:
        process.ask(("do", ask_silent), timeout=SOON)
    assert type(caught.value.reason.exception) is CallTimeout


@pytest.mark.parametrize("blocking", [None, False, True, "mixed"])
def test_g6_a_deadline_goes_through_any_number_of_calls(blocking: Any, node: Node) -> None:
    silent, processes = Echo.start(), members(5, blocking)
    kept = silent.ask("never", block=False, timeout=None)
    chain([*processes, ends_with(lambda: kept.get(timeout=math.inf))], ring=False)
    begun = node.clock.now()
    with pytest.raises(CallTimeout):
        processes[0].ask("go", timeout=0.05)
    for process in processes:
        assert process.ask("alive", timeout=SOON) == "alive"
    assert node.clock.now() - begun < 4.0


@pytest.mark.parametrize("blocking", [None, True])
def test_g6_a_caller_that_becomes_less_patient_takes_all_calls_inside_along(
    blocking: Any, node: Node
) -> None:
    for _ in range(scaled(200)):
        gate, processes = Gate(), members(3, blocking)
        silent = Echo.start()

        def wait(gate: Gate = gate, silent: Any = silent) -> Any:
            gate.arrive()
            return silent.ask("never", timeout=None)

        chain([*processes, ends_with(wait)], ring=False)
        begun = node.clock.now()
        call = processes[0].proxy().go()
        gate.reached()
        with pytest.raises(CallTimeout):
            call.get(timeout=0.001)
        for process in processes:
            assert process.ask("alive", timeout=SOON) == "alive"
        assert node.clock.now() - begun < 4.0


def test_g6_a_caller_that_becomes_less_patient_takes_the_calls_inside_along() -> None:
    silent, process = Echo.start(), Echo.start()
    asking, over = threading.Event(), threading.Event()

    def ask_silent() -> None:
        asking.set()
        try:
            silent.ask("never", timeout=None)
        finally:
            over.set()

    call = process.ask(("do", ask_silent), block=False, timeout=None)
    assert asking.wait(SOON)
    with pytest.raises(CallTimeout):
        call.get(timeout=0.01)
    assert over.wait(SOON)
    assert process.ask("alive") == "alive"


def test_g6_a_caller_that_becomes_more_patient_is_waited_for() -> None:
    other, process = Echo.start(), Echo.start()
    gate = hold_up(other)
    call = process.ask(("call", other, "hello"), block=False, timeout=0.01)
    timer = threading.Timer(0.1, gate.open)
    timer.start()
    assert call.get(timeout=SOON) == "hello"
    timer.join()


def test_g6_a_cast_inherits_no_deadline() -> None:
    silent, process, deadlines = Echo.start(), Echo.start(), []

    def look() -> None:
        deadlines.append(current_process().control.inherited_deadline())

    process.ask(("do", lambda: process.cast(("do", look))), timeout=1.0)
    process.ask(("do", look), timeout=None)
    process.ask(("do", look), timeout=1.0)
    assert deadlines[0] is None
    assert deadlines[1] is None
    assert deadlines[2] is not None
    assert silent.is_alive()


def test_g6_after_the_answer_the_callers_deadline_counts_no_more() -> None:
    class Early(Server):
        def handle_call(self, message: Any, caller: Any) -> Any:
            caller.reply("early")
            self.deadline = current_process().control.inherited_deadline()
            return noreply

        def handle_cast(self, message: Any) -> None:
            message(self.deadline)

    seen: list[Any] = []
    process = Early.start()
    assert process.ask("hello", timeout=1.0) == "early"
    process.cast(seen.append)
    process.stop()
    assert seen == [None]


def test_g6_two_that_answer_each_other_for_ever_hold_on_to_nothing() -> None:
    lengths: list[int] = []
    done = threading.Event()

    class Pong(Server):
        def init(self) -> None:
            self.other: Any = None

        def handle_call(self, message: Any, caller: Any) -> Any:
            if message == 0:
                done.set()
                return None
            length, outer = 0, caller
            while outer is not None:
                length, outer = length + 1, outer.outer
            lengths.append(length)
            self.other.ask(message - 1, block=False)
            return None

        def handle_cast(self, message: Any) -> None:
            self.other = message

    one, other = Pong.start(), Pong.start()
    one.cast(other)
    other.cast(one)
    one.ask(500)
    assert done.wait(SOON)
    assert max(lengths) <= 3


# Stops


@kinds
def test_g6_stop_says_whether_it_was_alive(kind: type[Echo]) -> None:
    process = kind.start()
    assert process.stop(reason="done") is True
    assert process.exit_reason == "done"
    assert process.stop() is False
    assert process.stop(block=False).get() is False


@kinds
def test_g6_stops_end_with_the_process_however_it_ends(kind: type[Echo]) -> None:
    process = kind.start()
    gate = hold_up(process)
    stops = [process.stop(block=False) for _ in range(3)]
    exit(process, "noproc")
    gate.open()
    assert [stop.get(timeout=SOON) for stop in stops] == [True] * 3
    assert death_of(process) == "noproc"


def test_g6_a_stop_can_be_waited_for_with_a_limit() -> None:
    process = Echo.start()
    gate = hold_up(process)
    with pytest.raises(CallTimeout):
        process.stop(timeout=0.01)
    gate.open()
    assert death_of(process) == "normal"


def test_g6_a_mailbox_is_stopped_when_it_is_dead() -> None:
    ref: list[Any] = []
    there = threading.Event()

    def be_a_process() -> None:
        with contextlib.suppress(Exited), Mailbox() as me:
            ref.append(me.ref)
            there.set()
            me.receive()

    thread = threading.Thread(target=be_a_process)
    thread.start()
    assert there.wait(SOON)
    assert ref[0].stop(reason="done", timeout=SOON) is True
    assert not ref[0].is_alive()
    assert ref[0].exit_reason == "done"
    thread.join(SOON)


def test_g6_a_function_answers_no_calls() -> None:
    with Mailbox() as me:
        call = me.ref.ask("hello", block=False)
        me.ref.tell("hello")
        assert me.receive(timeout=SOON) == "hello"
        with pytest.raises(Refused, match="no_calls"):
            call.get()


# Races


def ask_until_dead(process: Any, timeout: float | None) -> Counter[str]:
    """Ask until the process is dead; count how the calls ended."""
    ends: Counter[str] = Counter()
    while True:
        try:
            ends[process.ask("hello", timeout=timeout)] += 1
        except CallExit as gone:
            ends[gone.reason] += 1
            if gone.reason == "noproc":
                return ends


@blockings
@pytest.mark.usefixtures("fine_switching")
def test_g6_of_calls_that_race_with_stops_none_waits_for_ever(blocking: bool | None) -> None:
    # Without deadlines: a call that is forgotten hangs here.
    calls, wanted = 0, scaled(100_000)
    kind = type("Callee", (Echo,), {"blocking": blocking})
    while calls < wanted:
        process = kind.start()

        def several(process: Any = process) -> int:
            futures = [process.ask(at, block=False, timeout=None) for at in range(20)]
            count = len(futures)
            for future in futures:
                try:
                    assert future.get(timeout=SOON) in range(20)
                except CallExit as gone:
                    assert gone.reason in {"ended", "noproc"}  # noqa: PT017
            count += sum(ask_until_dead(process, None).values())
            return count

        def stop(process: Any = process, turn: int = calls) -> int:
            for at in range(turn % 50):
                assert process.ask(at, timeout=SOON) == at
            match turn % 3:
                case 0:
                    exit(process, "ended")
                case 1:
                    process.stop(reason="ended", timeout=SOON)
                case 2:
                    process.cast(("do", lambda: exit("ended")))
            return turn % 50

        calls += sum(at_once(several, several, stop))


@blockings
@pytest.mark.usefixtures("fine_switching")
def test_g6_of_calls_by_processes_that_race_with_stops_none_waits_for_ever(
    blocking: bool | None,
) -> None:
    calls, wanted = 0, scaled(50_000)
    kind = type("Callee", (Echo,), {"blocking": blocking})
    callers = [each.start() for each in (*KINDS, *KINDS)]
    while calls < wanted:
        process = kind.start()

        def ask(process: Any = process) -> Counter[str]:
            return ask_until_dead(process, None)

        begun = [caller.ask(("do", ask), block=False, timeout=None) for caller in callers[:1]]
        others = [
            lambda caller=caller, ask=ask: caller.ask(("do", ask), timeout=None)
            for caller in callers[1:]
        ]
        ended = at_once(*others, lambda process=process: process.stop(reason="noproc"))[:-1]
        ended += [call.get(timeout=SOON) for call in begun]
        calls += sum(sum(each.values()) for each in ended)


@pytest.mark.usefixtures("fine_switching")
def test_g6_answers_that_race_with_the_end_are_one_or_the_other() -> None:
    class Keeps(Server):
        def init(self) -> None:
            self.kept: list[Any] = []

        def handle_call(self, message: Any, caller: Any) -> Any:
            message.append(caller)
            return noreply

    for _ in range(scaled(4_000)):
        process, callers = Keeps.start(), list[Any]()
        calls = [process.ask(callers, block=False, timeout=None) for _ in range(3)]
        eventually(lambda callers=callers: len(callers) == 3)

        def answer(callers: list[Any] = callers) -> None:
            for caller in callers:
                caller.reply("answered")

        at_once(answer, answer, lambda process=process: exit(process, "gone"))
        for call in calls:
            try:
                assert call.get(timeout=SOON) == "answered"
            except CallExit as gone:
                assert gone.reason == "gone"  # noqa: PT017


def test_g6_calls_that_were_answered_are_not_kept() -> None:
    class Keeps(Server):
        def handle_call(self, message: Any, caller: Any) -> Any:
            if message == "before":
                caller.reply("now")
            else:
                threading.Thread(target=caller.reply, args=("later",)).start()
            return noreply

    process = Keeps.start()
    for _ in range(100):
        assert process.ask("before") == "now"
        assert process.ask("after") == "later"
    process.stop(block=False)
    eventually(lambda: not process.control.deferred)


def test_g6_a_crash_is_the_reason_for_everybody_who_waits() -> None:
    process = InlineEcho.start()
    gate = Gate()
    served = threading.Thread(target=lambda: process.cast(("do", gate)))
    served.start()
    gate.reached()
    waiting = [process.ask(("crash", KeyError(at)), block=False, timeout=None) for at in range(3)]
    gate.open()
    reasons = []
    for call in waiting:
        with pytest.raises(CallExit) as caught:
            call.get(timeout=SOON)
        reasons.append(caught.value.reason)
    assert all(type(each) is Crash and each.exception.args == (0,) for each in reasons)
    served.join(SOON)
