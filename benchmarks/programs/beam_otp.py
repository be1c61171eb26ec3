"""`beam.otp`, and of its own what no peer has: held proxies, tables, state machines, growth.

All actors are children of a supervisor, linked to it, unless a figure says otherwise.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

import measure
import structlog
from measure import now, percentile, say
from workloads import ALIVE, STORM, AsAsked, Deeds, Peer
from workloads import main as run_workload

from beam.otp import DynamicSupervisor, Node, Server, Supervisor, child, noreply

MANY = 10**9


class Actor(Deeds, Server):
    """The actor of the workloads."""

    def init(self) -> None:
        """Begin."""
        self.begin()

    def handle_call(self, message: Any, caller: Any) -> Any:
        """Do an operation."""
        return getattr(self, message[0])(message[1])

    def handle_cast(self, message: Any) -> None:
        """Do an operation."""
        getattr(self, message[0])(message[1])

    handle_info = handle_cast

    def chain(self, depth: int) -> Any:
        """Ask the next one."""
        return depth if self.next is None else self.next.ask(("chain", depth + 1))

    def token(self, hops: int) -> None:
        """Pass it on."""
        if hops:
            self.next.cast(("token", hops - 1))
        else:
            self.count += 1


class Inline(Actor):
    """The same, run by its caller where that is possible."""

    blocking = False


class Beam(Peer):
    """The adapter."""

    def __init__(self, kind: type[Actor]) -> None:
        self.kind = kind

    async def open(self) -> None:
        quiet()
        self.node = Node().__enter__()
        self.supervisors: list[Any] = []

    async def spawn(self, count: int) -> Any:
        supervisor = DynamicSupervisor.start()
        self.supervisors.append(supervisor)
        start, spec = supervisor.start_child, child(self.kind)
        actors = [start(spec) for _ in range(count)]
        actors[-1].ask(ALIVE)
        return actors

    async def stop(self, actors: Any) -> None:
        self.supervisors.pop().stop(reason="shutdown")

    async def ask(self, actor: Any, message: Any) -> Any:
        return actor.ask(message)

    async def asks(self, actor: Any, message: Any, count: int) -> None:
        ask = actor.ask
        for _ in range(count):
            ask(message)

    async def ask_all(self, actors: Any, message: Any) -> Any:
        futures = [actor.ask(message, block=False) for actor in actors]
        return [future.get(timeout=60) for future in futures]

    async def tell(self, actor: Any, message: Any) -> None:
        actor.cast(message)

    async def tells(self, actors: Any, message: Any, times: int) -> None:
        for _ in range(times):
            for actor in actors:
                actor.cast(message)

    async def sleep(self, seconds: float) -> None:
        if seconds >= 0:
            time.sleep(seconds)

    async def together(self, works: Any) -> None:
        def run(work: Any) -> None:
            try:
                work.send(None)
            except StopIteration:
                return

        threads = [threading.Thread(target=run, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    async def after(self, delay: float, actor: Any, message: Any) -> Any:
        return self.node.send_after(delay, actor, message)

    async def cancel(self, timer: Any) -> None:
        timer.cancel()


def quiet() -> None:
    """Have no reports rendered."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))


def loud() -> None:
    """Have every report rendered, and thrown away."""
    nowhere = open("/dev/null", "w", encoding="utf-8")  # noqa: SIM115 - until the program ends
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger("info"),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(nowhere),
    )


def rate(op: Any, start: int = 1_000) -> float:
    """Return the operations a second of `op(count)`."""
    found = []

    async def once(count: int) -> None:
        op(count)

    async def work() -> None:
        found.append(await measure.rate(once, start))

    measure.drive(work())
    return found[0]


# Calls


def calls() -> None:
    """Call from a thread that is no process's: any process, then one with `blocking = False`."""
    supervisor = DynamicSupervisor.start()
    ref = supervisor.start_child(child(Actor))
    inline = supervisor.start_child(child(Inline))
    proxy = inline.proxy()

    def by_ask(ref: Any) -> Any:
        def op(count: int) -> None:
            ask = ref.ask
            for _ in range(count):
                ask(ALIVE)

        return op

    def by_proxy(count: int) -> None:
        for _ in range(count):
            proxy.echo(1).get()

    def proxies(count: int) -> None:
        for _ in range(count):
            inline.proxy()

    say("calls a second", rate(by_ask(ref)))
    say("inline calls by ask a second", rate(by_ask(inline)))
    say("inline calls by a held proxy a second", rate(by_proxy))
    say("ref.proxy() us", 1e6 / rate(proxies))


# Crashes


class Victim(Server):
    """Crashes when told; tells whoever wants to know that it is there (again)."""

    def init(self, driver: Any) -> None:
        """Say that it is there."""
        driver.cast(("up", self.actor_ref))

    def handle_call(self, message: Any, caller: Any) -> Any:
        """Answer."""
        return message

    def handle_cast(self, message: Any) -> None:
        """Crash."""
        raise AsAsked


class InlineVictim(Victim):
    """The same, run by its caller where that is possible."""

    blocking = False


class Driver(Server):
    """A process of the node: crashes a victim, and asks its replacement as soon as it is up."""

    def init(self, crashes: int) -> None:
        """Say how often."""
        self.left = crashes
        self.times: list[float] = []
        self.began = 0.0
        self.asker: Any = None
        self.victim: Any = None

    def handle_cast(self, message: Any) -> None:
        """Ask the victim, which is up; note the time, and crash it."""
        _, victim = message
        self.victim = victim
        if self.asker is None:
            return
        victim.ask("hello")
        self.times.append((now() - self.began) * 1e3)
        self._crash()

    def handle_call(self, message: Any, caller: Any) -> Any:
        """Begin; answer with the times when all is done."""
        self.asker = caller
        self._crash()
        return noreply

    def _crash(self) -> None:
        if self.left == 0:
            self.asker.reply(self.times)
            return
        self.left -= 1
        self.began = now()
        self.victim.cast("crash")


def crash(siblings: int, crashes: int = 1_000) -> None:
    """From just before a crash to the replacement's answer, without reports and with them.

    Of any process, and of one with `blocking = False`, whose answer needs no other thread.
    """
    for name, kind, how in (
        ("", Victim, quiet),
        (" inline", InlineVictim, quiet),
        (" with reports", Victim, loud),
        (" inline with reports", InlineVictim, loud),
    ):
        how()
        driver = Driver.start(crashes)
        children = [child(Actor, id=n) for n in range(siblings)]
        children.insert(0, child(kind, driver, id="victim"))
        with Supervisor.start(children, max_restarts=MANY):
            times = driver.ask("go", timeout=120)
        say(f"p50 ms{name}", percentile(times, 0.5))
        say(f"p99 ms{name}", percentile(times, 0.99))


class Storm(Server):
    """Crashes children all at once, and counts those that are back."""

    def init(self) -> None:
        """Begin."""
        self.back: list[Any] = []
        self.asker: Any = None

    def handle_cast(self, message: Any) -> None:
        """Note who is up; when all are, ask each."""
        self.back.append(message[1])
        if self.asker is not None and len(self.back) == 2 * STORM:
            for ref in self.back[STORM:]:
                ref.ask("hello")
            self.asker.reply((now() - self.began) * 1e3)

    def handle_call(self, message: Any, caller: Any) -> Any:
        """Crash all."""
        self.asker = caller
        self.began = now()
        for ref in self.back:
            ref.cast("crash")
        return noreply


def storm() -> None:
    """Crash a thousand children of one supervisor at once, until all have answered."""
    quiet()
    driver = Storm.start()
    children = [child(Victim, driver, id=n) for n in range(STORM)]
    with Supervisor.start(children, max_restarts=MANY):
        say("ms", driver.ask("go", timeout=60))


UNITS: dict[str, Any] = {
    "calls": calls,
    "crash-1": lambda: crash(1),
    "crash-100": lambda: crash(100),
    "crash-10k": lambda: crash(10_000),
    "storm": storm,
}


def main() -> None:
    """Run the unit that the command line names."""
    unit = sys.argv[1]
    if unit not in UNITS:
        # Chains are of processes that never block; all else is of any processes.
        run_workload(Beam(Inline if unit == "chain" else Actor))
    quiet()
    with Node() as node:

        def work() -> None:
            with node.entered():
                UNITS[unit]()
            measure.leave()

        # On Python's main thread each call holds the user's Ctrl-C back, which takes 0.8 µs.
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()


if __name__ == "__main__":
    main()
