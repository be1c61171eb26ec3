"""`Simulation`: one process at a time, virtual time, the same history for the same seed."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from beam.errors import (
    CallCycle,
    CallExit,
    CallTimeout,
    Deadlock,
    Exited,
    InjectedCrash,
    InvalidInput,
    Livelock,
    NotSettled,
    NotSimulated,
    StartError,
    Violation,
)
from beam.otp import (
    Crash,
    Down,
    Mailbox,
    Node,
    Server,
    Supervisor,
    child,
    current_node,
    link,
    monitor,
    noreply,
    receive,
    send_after,
    spawn,
)
from beam.testing import Plan, Simulation, explore, settle
from tests.hash_seeds import said_under
from tests.volume import scaled

if TYPE_CHECKING:
    from beam.otp import Call


class Worker(Server):
    """Does what it is told."""

    def init(self, *, trap_exit: bool = False) -> None:
        self.trap_exit = trap_exit
        self.told: list[Any] = []

    def handle_call(self, message: Any, caller: Call) -> Any:
        match message:
            case "never":
                return noreply
            case ("do", function):
                return function()
            case ("ask", other, question):
                return other.ask(question, timeout=None)
        return message

    def handle_cast(self, message: Any) -> None:
        match message:
            case ("do", function):
                function()
            case _:
                self.told.append((self.node.clock.now(), message))

    def handle_info(self, message: Any) -> None:
        self.told.append((self.node.clock.now(), message))


# Time


def test_time_jumps_to_what_is_due_when_nobody_can_run() -> None:
    with Simulation(1) as sim:
        worker = Worker.start()
        begun = time.monotonic()
        assert worker.ask(("do", lambda: sim.node.sleep(86_400.0)), timeout=1e6) is None
        assert sim.clock.now() == 86_400.0
        assert time.monotonic() - begun < 3600.0


def test_what_is_due_comes_at_its_time_and_in_order() -> None:
    with Simulation(1) as sim:
        worker = Worker.start()
        for delay in (3.0, 1.0, 2.0):
            send_after(delay, worker, delay)
        sim.run(10.0)
        assert worker.proxy().told.get() == [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0)]


def test_a_call_that_is_not_answered_ends_at_its_deadline() -> None:
    with Simulation(1) as sim:
        with pytest.raises(CallTimeout):
            Worker.start().ask("never", timeout=7.5)
        assert sim.clock.now() == 7.5


def test_a_function_process_and_a_mailbox_wait_for_mail_on_virtual_time() -> None:
    def echo(to: Any) -> None:
        while True:
            to.tell(receive())

    with Simulation(1) as sim, Mailbox() as me:
        process = spawn(echo, me.ref)
        process.tell("hello")
        assert me.receive(timeout=1.0) == "hello"
        with pytest.raises(TimeoutError):
            me.receive(timeout=5.0)
        assert sim.clock.now() == 5.0


def test_processes_with_threads_of_their_own_are_simulated_too() -> None:
    class Blocking(Worker):
        blocking = True

    class Inline(Worker):
        blocking = False

    with Simulation(1):
        blocking, inline = Blocking.start(), Inline.start()
        assert blocking.ask(("ask", inline, 1)) == 1
        assert inline.ask(("ask", blocking, 2)) == 2
        here = threading.get_ident()
        assert blocking.ask(("do", threading.get_ident)) == here


# Who is next


def order_of(seed: int) -> list[Any]:
    with Simulation(seed) as sim:
        seen: list[Any] = []
        workers = [Worker.start() for _ in range(5)]
        for number, worker in enumerate(workers):
            for at in range(2):
                worker.cast(("do", lambda number=number, at=at: seen.append((number, at))))
        sim.settle()
        return seen


def test_seeds_differ_in_who_is_next_and_never_in_the_order_of_one_sender() -> None:
    orders = [order_of(seed) for seed in range(50)]
    assert len({tuple(order) for order in orders}) > 40
    for order in orders:
        assert all(order.index((number, 0)) < order.index((number, 1)) for number in range(5))


def test_who_waits_in_a_call_hands_the_turn_on() -> None:
    seen: list[str] = []

    def first() -> None:
        seen.append("first waits")
        other.ask(("do", lambda: seen.append("other answers")))
        seen.append("first goes on")

    with Simulation(1):
        worker, other = Worker.start(), Worker.start()
        worker.ask(("do", first))
    assert seen == ["first waits", "other answers", "first goes on"]


def test_hundreds_may_wait_in_the_middle_of_their_turns() -> None:
    with Simulation(1) as sim:
        asked = Worker.start()
        workers = [Worker.start() for _ in range(500)]
        answers = [one.ask(("ask", asked, ("do", sim.clock.now)), block=False) for one in workers]
        asked.cast(("do", lambda: sim.node.sleep(1.0)))
        assert {answer.get(timeout=10.0) for answer in answers} <= {0.0, 1.0}
        silent = [one.ask(("ask", asked, "never"), block=False, timeout=2.0) for one in workers]
        sim.settle()
        assert all(answer.done for answer in silent)


# Same seed, same history

PROGRAM = """
import sys
from beam.otp import Server, Supervisor, child, supervisor
from beam.testing import Simulation

class Worker(Server):
    def init(self):
        self.seen = {"a", "b", "c"}
    def work(self, what, names):
        self.seen |= set(names)
        other = self.node.whereis(self.node.clock.random.choice("abcdef"))
        if other is not None and other is not self.actor_ref:
            other.cast(("seen", frozenset(self.seen), object()))
        return sorted(self.seen)
    def handle_cast(self, message):
        self.sleep(self.node.clock.random.random())

with Simulation(int(sys.argv[1])) as sim:
    halves = [
        supervisor([child(Worker, name=one, id=one) for one in half], id=half, max_restarts=999)
        for half in ("abc", "def")
    ]
    Supervisor.start(halves, max_restarts=999)
    sim.crash(probability=0.1)
    sim.kill(probability=0.02)
    sim.fail_starts(probability=0.1)
    sim.delay_messages(probability=0.2)
    sim.slow(probability=0.1)
    sim.jitter(probability=0.5)
    for chance in sim.steps(100):
        worker = sim.node.whereis(chance.choice("abcdef"))
        if worker is not None:
            worker.proxy().work(chance.random(), {"x", "y", str(chance.random())})
        sim.run(chance.random() * 0.1)
    sim.settle(within=600.0)
print(len(sim.history.lines), len(sim.faults), sim.history.digest())
"""


def test_a_seed_has_one_history_whatever_the_hash_seed() -> None:
    outputs = said_under(range(scaled(100, 50)), PROGRAM, "11")
    assert len(outputs) == 1
    events, faults, _ = outputs.pop().split()
    assert int(events) > 200
    assert int(faults) > 30


# Nobody can go on


def test_a_wait_for_nothing_is_a_deadlock_with_its_path() -> None:
    with Simulation(1) as sim:
        one, two, three = (Worker.start() for _ in range(3))
        one.ask(("ask", two, ("ask", three, "never")), block=False, timeout=None)
        with pytest.raises(Deadlock) as caught:
            settle()
        assert (one, two, three, None) in caught.value.paths
        with pytest.raises(Deadlock):
            sim.settle()


def test_a_test_that_waits_for_nothing_is_a_deadlock() -> None:
    with Simulation(1), pytest.raises(Deadlock):
        Worker.start().ask("never", timeout=None)


def test_a_ring_of_calls_is_refused_with_its_path() -> None:
    with Simulation(1):
        one, two = Worker.start(), Worker.start()
        with pytest.raises(CallExit) as caught:
            one.ask(("ask", two, ("ask", one, "hello")))
        reason = caught.value.reason
        assert isinstance(reason, Crash)
        inner = reason.exception
        while not isinstance(inner, CallCycle):
            assert isinstance(inner, CallExit)
            inner = inner.reason.exception
        assert inner.path == (two, one, two)


def test_mail_without_end_is_a_livelock() -> None:
    with Simulation(1, steps=1000) as sim:

        def again() -> None:
            worker.cast(("do", again))

        worker = Worker.start()
        worker.cast(("do", again))
        with pytest.raises(Livelock):
            sim.settle()
        worker.stop(block=False)


# What is real


def bind() -> None:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))


def run_a_loop() -> None:
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(loop.create_future())
    finally:
        loop.close()


REAL: list[Any] = [
    lambda: (time.time(), None),
    lambda: (time.monotonic(), None),
    lambda: (time.perf_counter_ns(), None),
    lambda: time.sleep(0),
    lambda: threading.Thread(target=print).start(),
    bind,
    lambda: subprocess.run(["true"], check=True),
    lambda: threading.Event().wait(1.0),
    run_a_loop,
]


@pytest.mark.parametrize("number", range(len(REAL)))
def test_a_process_that_touches_what_is_real_is_told(number: int) -> None:
    with Simulation(1), pytest.raises(CallExit) as caught:
        Worker.start().ask(("do", lambda: REAL[number]() and None))
    assert isinstance(caught.value.reason.exception, NotSimulated)
    REAL[0]()


def test_the_test_itself_and_other_threads_have_the_real_ones() -> None:
    with Simulation(1):
        assert time.time() > 1e9
        thread = threading.Thread(target=time.monotonic)
        thread.start()
        thread.join()


def test_a_thread_cannot_reach_into_a_simulation() -> None:
    errors: list[BaseException] = []

    def reach() -> None:
        try:
            worker.ask("hello")
        except NotSimulated as error:
            errors.append(error)

    with Simulation(1):
        worker = Worker.start()
        thread = threading.Thread(target=reach)
        thread.start()
        thread.join()
    assert len(errors) == 1


def test_a_coroutine_twin_is_a_thread_and_is_told() -> None:
    async def main() -> None:
        await Worker.aio.start()

    with Simulation(1) as sim:
        coroutine = main()
        with sim.node.entered(), pytest.raises(NotSimulated):
            asyncio.run(coroutine)


def test_an_await_of_a_call_would_wait_for_ever_and_is_told() -> None:
    async def main() -> None:
        await worker.ask("never", block=False)

    with Simulation(1) as sim:
        worker = Worker.start()
        with sim.node.entered(), pytest.raises(NotSimulated, match=r"get\(\)"):
            asyncio.run(main())


def test_what_has_been_answered_can_be_awaited() -> None:
    async def main() -> Any:
        return await answer

    with Simulation(1) as sim:
        answer = Worker.start().ask("hello", block=False)
        sim.settle()
        assert asyncio.run(main()) == "hello"


# Faults


def crashes(where: Any, function: Any) -> tuple[list[str], Any, list[str]]:
    """Return what a handler did that crashes, why it ended, and what the other got of it."""
    done: list[str] = []
    with Simulation(1) as sim, Mailbox() as me:
        worker, other = Worker.start(name="worker"), Worker.start()
        monitor(worker)
        sim.crash("worker", probability=1.0, where=where)
        worker.cast(("do", lambda: function(done, other)))
        down = me.receive(timeout=10.0)
        sim.settle()
        return done, down.reason, [what for _, what in other.proxy().told.get()]


def send_three(done: list[str], other: Any) -> None:
    for word in ("one", "two", "three"):
        other.cast(word)
        done.append(word)


def test_a_crash_before_a_handler_leaves_nothing_done() -> None:
    done, reason, got = crashes("before", send_three)
    assert (done, got) == ([], [])
    assert isinstance(reason.exception, InjectedCrash)


def test_a_crash_after_a_handler_leaves_everything_done() -> None:
    done, reason, got = crashes("after", send_three)
    assert done == got == ["one", "two", "three"]
    assert reason.exception.where == "after"


def test_a_crash_in_a_handler_leaves_some_of_it_done() -> None:
    seen = set()
    for seed in range(40):
        with Simulation(seed) as sim:
            other, worker = Worker.start(), Worker.start(name="worker")
            sim.crash("worker", probability=1.0, where="in")
            worker.cast(("do", lambda other=other: send_three([], other)))
            sim.run(1.0)
            seen.add(len(other.proxy().told.get()))
    assert seen == {0, 1, 2}


def test_a_crash_comes_before_the_answer_is_out() -> None:
    with Simulation(1) as sim:
        worker = Worker.start(name="worker")
        sim.crash("worker", probability=1.0, where="after")
        with pytest.raises(CallExit):
            worker.ask("hello")


def test_a_crash_in_a_call_to_one_that_never_blocks_takes_no_turn_from_it() -> None:
    class Inline(Worker):
        blocking = False

    with Simulation(1) as sim:
        worker, inline = Worker.start(), Inline.start()
        sim.crash(worker, probability=1.0, where="in")
        worker.cast(("do", lambda: [inline.ask(number) for number in range(3)]))
        sim.run(1.0)
        assert not worker.is_alive()
        assert inline.ask("hello") == "hello"


def test_what_is_said_of_a_failure_ends_where_it_failed() -> None:
    def scenario(sim: Simulation) -> None:
        worker = Worker.start(name="worker")
        worker.cast("the last that happened")
        sim.settle()
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine") as caught:
        explore(scenario, [1])
    assert caught.value.__notes__[-1].endswith("worker cast 'the last that happened'")


def test_starts_fail_as_often_as_is_said() -> None:
    with Simulation(1) as sim:
        sim.fail_starts(Worker, probability=1.0, most=2)
        for _ in range(2):
            with pytest.raises(StartError, match="injected_start_failure"):
                Worker.start(name="worker")
        assert Worker.start(name="worker").ask("hello") == "hello"
        assert [fault.kind for fault in sim.faults] == ["start", "start"]


def test_a_supervisor_tries_a_failed_start_again() -> None:
    with Simulation(1) as sim:
        Supervisor.start([child(Worker, name="worker")], max_restarts=10)
        sim.fail_starts(Worker, probability=1.0, most=3)
        sim.kill("worker", probability=1.0, most=1)
        before = sim.node.whereis("worker")
        before.cast("hello")
        sim.run(1.0)
        after = sim.node.whereis("worker")
        assert after is not None
        assert after is not before


def test_a_killed_process_is_killed() -> None:
    with Simulation(1) as sim, Mailbox() as me:
        worker = Worker.start(trap_exit=True)
        watch = monitor(worker)
        sim.kill(worker, probability=1.0)
        worker.cast("hello")
        assert me.receive(timeout=1.0) == Down(watch, worker, "killed")


def test_late_messages_keep_the_order_of_their_sender_and_come_before_its_down() -> None:
    for seed in range(scaled(1000)):
        with Simulation(seed) as sim:
            listener = Worker.start(trap_exit=True)
            sim.delay_messages(listener, probability=0.5, seconds=(0.0, 5.0))

            def speak(listener: Any = listener) -> None:
                link(listener)
                for number in range(10):
                    listener.cast(number)
                raise Exited("over")

            speakers = [Worker.start() for _ in range(3)]
            for speaker in speakers:
                speaker.cast(("do", speak))
            sim.run(60.0)
            told = [what for _, what in listener.proxy().told.get()]
            assert [what for what in told if type(what) is int].count(9) == 3
            for speaker in speakers:
                [at] = [n for n, what in enumerate(told) if getattr(what, "process", 0) is speaker]
                assert len([what for what in told[:at] if what == 9]) >= 1
            assert sorted(what for what in told if type(what) is int) == sorted(3 * list(range(10)))


def test_late_messages_keep_their_order_however_their_times_are_rounded() -> None:
    assert 0.1 + (0.45 - 0.1) < 0.45
    with Simulation(1) as sim:
        worker = Worker.start()
        sim.delay_messages(worker, probability=1.0, seconds=(0.45, 0.45), most=1)
        worker.cast("first")
        sim.run(0.1)
        worker.cast("second")
        sim.run(1.0)
        assert worker.proxy().told.get() == [(0.45, "first"), (0.45, "second")]


def test_what_must_never_be_is_looked_for_while_a_handler_waits_too() -> None:
    with Simulation(1) as sim:
        seen: list[str] = []

        def work() -> None:
            seen.append("now")
            sim.node.sleep(1.0)
            seen.clear()

        class Blocking(Worker):
            blocking = True

        Blocking.start().cast(("do", work))
        sim.never("now", lambda: seen)
        with pytest.raises(Violation, match="now"):
            sim.settle()


def test_a_slow_process_gets_its_turn_late_and_deadlines_pass_meanwhile() -> None:
    with Simulation(1) as sim:
        worker = Worker.start()
        sim.slow(worker, seconds=(2.0, 2.0), most=1)
        with pytest.raises(CallTimeout):
            worker.ask("hello", timeout=1.0)
        assert worker.ask("hello", timeout=5.0) == "hello"
        assert sim.clock.now() == 2.0


def test_timers_fire_late() -> None:
    with Simulation(1) as sim, Mailbox() as me:
        sim.jitter(seconds=(1.0, 1.0))
        send_after(1.0, me.ref, "tick")
        me.receive(timeout=10.0)
        assert sim.clock.now() == 2.0


def test_after_calm_nothing_goes_wrong() -> None:
    with Simulation(1) as sim:
        worker = Worker.start()
        sim.crash(probability=1.0)
        sim.calm()
        assert worker.ask("hello") == "hello"
        assert sim.faults == []


@pytest.mark.parametrize(
    ("fault", "field"),
    [
        (lambda sim: sim.crash(probability=2.0), "probability"),
        (lambda sim: sim.crash(probability=0.5, where="around"), "where"),
        (lambda sim: sim.kill(probability=0.5, most=-1), "most"),
        (lambda sim: sim.slow(seconds=(2.0, 1.0)), "seconds"),
        (lambda sim: sim.run(-1.0), "seconds"),
        (lambda _: Simulation("one"), "seed"),  # type: ignore[arg-type]
        (lambda _: Plan.parse("one"), "plan"),
        (lambda _: Plan.parse("1 faults=a more=b"), "plan"),
    ],
    ids=["crash", "where", "most", "slow", "run", "seed", "plan", "more"],
)
def test_bad_input_is_refused_by_name(fault: Any, field: str) -> None:
    with Simulation(1) as sim, pytest.raises(InvalidInput) as caught:
        fault(sim)
    assert caught.value.field == field


# Safety and liveness


def test_what_must_never_be_is_seen_when_it_is() -> None:
    with Simulation(1) as sim:
        seen: list[int] = []
        worker = Worker.start()
        sim.never("three", lambda: len(seen) == 3)
        for number in range(5):
            worker.cast(("do", lambda number=number: seen.append(number)))
        with pytest.raises(Violation, match="three"):
            sim.settle()
        assert seen == [0, 1, 2]


def test_what_does_not_come_to_rest_is_named() -> None:
    with Simulation(1) as sim:
        worker, other = Worker.start(), Worker.start()
        worker.cast(("do", lambda: sim.node.sleep(100.0)))
        with pytest.raises(NotSettled) as caught:
            sim.settle(within=10.0)
        assert caught.value.busy == (worker,)
        assert sim.clock.now() == 10.0
        sim.settle(within=100.0)
        assert other.is_alive()


def test_settling_waits_for_what_must_be_true() -> None:
    with Simulation(1) as sim:
        worker = Worker.start()
        send_after(5.0, worker, "late")
        sim.settle(within=10.0, until=worker.proxy().told.get)
        with pytest.raises(NotSettled, match="the condition"):
            sim.settle(until=lambda: False)


def test_a_failure_says_in_which_simulation_it_was() -> None:
    with pytest.raises(ValueError, match="mine") as caught, Simulation(17):
        raise ValueError("mine")
    assert caught.value.__notes__ == ["in Simulation('17')"]


# The end


def test_at_the_end_everything_is_over() -> None:
    with Simulation(1) as sim:
        workers = [Worker.start() for _ in range(10)]
        workers[0].ask(("ask", workers[1], "never"), block=False, timeout=None)
        workers[2].cast(("do", lambda: sim.node.sleep(1e9)))
        sim.run(1.0)
    assert not any(worker.is_alive() for worker in workers)
    assert sim.node.processes() == []


def test_simulations_follow_one_another_and_a_pool_goes_on_beside_them() -> None:
    with Node() as node:
        outside = Worker.start()
        for seed in range(3):
            with Simulation(seed) as sim:
                assert current_node() is sim.node
                assert Worker.start().ask("in") == "in"
        assert current_node() is node
        assert outside.ask("out") == "out"


def test_ctrl_c_ends_a_simulation_that_goes_on_by_itself() -> None:
    def again() -> None:
        if not struck:
            struck.append(True)
            signal.raise_signal(signal.SIGINT)
        worker.cast(("do", again))

    struck: list[bool] = []
    with Simulation(1) as sim:
        worker = Worker.start()
        worker.cast(("do", again))
        with pytest.raises(KeyboardInterrupt):
            sim.settle()
        worker.stop(block=False)
