"""`Simulation`: processes, unchanged, in a world where a seed decides what happens.

    >>> from beam.otp import Server, Supervisor, child
    >>> class Counter(Server):
    ...     def init(self):
    ...         self.count = 0
    ...     def increment(self):
    ...         self.count += 1
    ...         return self.count
    >>> def run(seed):
    ...     with Simulation(seed) as sim:
    ...         Supervisor.start([child(Counter, name="counter")], max_restarts=1000)
    ...         sim.crash("counter", probability=0.2)
    ...         for _ in range(50):
    ...             sim.node.whereis("counter").proxy().increment.defer()
    ...             sim.run(0.1)
    ...         sim.settle(within=10.0)
    ...         return len(sim.faults), sim.history.digest()
    >>> run(3) == run(3)
    True

One process runs at a time. Who is next is chosen by the seed; who waits hands the turn on; time
stands while anybody can run, and jumps to the next thing that is due when nobody can. The `with`
block is the test: it runs on the calling thread, in a node of its own, and the processes run while
it waits for one of them, or calls `run` or `settle`.

The same seed gives the same history, to the byte, whatever the machine does meanwhile. In return
nothing real may be touched in there: a thread, a socket or the machine's clock raises
`NotSimulated` in a process. (What the module `time` handed out before the simulation began, or
`datetime`, is not noticed.)
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Self

from beam.errors import Deadlock, InvalidInput, NotSettled, Violation
from beam.fleet import Fleet
from beam.otp import Ref
from beam.otp.reports import unreported
from beam.otp.simulated import STEPS
from beam.otp.virtual_time import VirtualClock
from beam.testing.chance import Chance
from beam.testing.faults import Fault, Faults, Rule, Where
from beam.testing.history import History
from beam.testing.plan import Plan
from beam.testing.programs import SimulatedHarbour
from beam.testing.reality import unreal
from beam.testing.seams import SimulatedNode, is_users

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

    from beam.testing.programs import Program

__all__ = ["Simulation"]


class Simulation:
    """A run of processes under a seed; a context manager.

    Who a fault may concern is said by `who`: the name that a process is registered under, a class
    of processes, a ref, a function of the ref, or `None` for every process of the user's that is
    no supervisor.

    Args:
        seed: any whole number; or a `Plan`, for a run that is smaller than a seed's.
        steps: how many turns there may be while time stands.
        reports: whether crashes and restarts are reported, as they are elsewhere; the history has
            them in any case.
    """

    def __init__(self, seed: int | Plan, *, steps: int = STEPS, reports: bool = False) -> None:
        if not isinstance(seed, (int, Plan)):
            raise InvalidInput("seed", seed, "a whole number or a Plan")
        self.plan = seed if isinstance(seed, Plan) else Plan(seed)
        """Which run this is; `str(sim.plan)` is what runs it again."""
        self.history = History()
        """What happened."""
        self._chance = Chance(self.plan.seed)
        self.ended_at: int | None = None
        """How many lines the history had when the block ended; what follows is its end."""
        self.random: random.Random = self._chance.generator("workload")
        """Chance for the test; that of the processes is their node's."""
        self._choices = self._chance.generator("who is next").random
        self.choices = 0
        """How often there was a choice who is next."""
        self._faults = Faults(self.plan, self._chance)
        self._reports = reports
        self._stack = contextlib.ExitStack()
        self._checks: dict[str, Callable[[], Any]] = {}
        self.taken: list[int] = []
        """The numbers of the steps that were taken."""
        self._numbered = 0
        self.clock = VirtualClock(self.plan.seed)
        """The virtual time."""
        self.node = SimulatedNode(
            self.clock,
            choose=self._choose,
            faults=self._faults,
            history=self.history,
            steps=steps,
            after_turn=self._check,
        )
        """The node of the processes; the current one in the block."""

    def __repr__(self) -> str:
        return f"<Simulation {self.plan}: {self.clock.now()} s, {len(self.history.lines)} events>"

    def __enter__(self) -> Self:
        self._stack.enter_context(unreal(self.node))
        if not self._reports:
            self._stack.enter_context(unreported())
        self._stack.enter_context(self.node)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.calm()
        self._checks.clear()
        self.ended_at = len(self.history.lines)
        if error is not None:
            error.add_note(f"in Simulation({str(self.plan)!r})")
        self._stack.close()

    def fleet(
        self,
        *,
        programs: Mapping[str, Callable[[Program], int | None]] | None = None,
        **options: Any,
    ) -> Fleet:
        """Return a fleet that lives in this simulation, with its log in memory, not started yet.

        Args:
            programs: what stands for the programs of its command backends; see
                `beam.testing.programs`.
            options: of `Fleet`; backends are `beam.testing.scripted(...)`, or `command(...)` with
                a program of that name.
        """
        return Fleet(node=self.node, harbour=SimulatedHarbour(self.node, programs), **options)

    # Chance

    def _choose(self, count: int) -> int:
        self.choices += 1
        chosen = int(self._choices() * count)  # A third of the time of `randrange`.
        fifo = self.plan.fifo
        return 0 if fifo is not None and self.choices > fifo else chosen

    def steps(self, count: int) -> Iterator[random.Random]:
        """Yield `count` times a generator of random numbers, for one step of the test each.

        What a step draws does not depend on the other steps, so a failing run can be made smaller
        by leaving some of them out.
        """
        for _ in range(count):
            self._numbered += 1
            if self.plan.steps is None or self._numbered in self.plan.steps:
                self.taken.append(self._numbered)
                yield self._chance.generator("step", self._numbered)

    # Faults

    @property
    def faults(self) -> list[Fault]:
        """The faults that have happened, oldest first."""
        return list(self._faults.happened)

    @property
    def turns(self) -> int:
        """How many turns have been taken."""
        return self.node.scheduler.steps

    def crash(
        self,
        who: Any = None,
        *,
        probability: float,
        where: Where = "any",
        most: int | None = None,
    ) -> None:
        """Have processes crash (`InjectedCrash`) around their handlers.

        Args:
            who: which; see the class.
            probability: how likely it is for each message.
            where: `"before"` the handler, with nothing done; `"in"` it, when it has sent some
                messages; `"after"` it, with everything done and nothing answered; or `"any"`.
            most: how often at most.
        """
        self._faults.add(Rule("crash", _concerns(who), probability, most, where=where))

    def kill(self, who: Any = None, *, probability: float, most: int | None = None) -> None:
        """Have processes killed, as by `exit(ref, "kill")`, with the message that they handle."""
        self._faults.add(Rule("kill", _concerns(who), probability, most))

    def fail_starts(self, who: Any = None, *, probability: float, most: int | None = None) -> None:
        """Have starts fail, with `StartError("injected_start_failure")`, before `init`.

        A name says who it is only once the process has it, so `who` is a class here, mostly.
        """
        self._faults.add(Rule("start", _concerns(who), probability, most))

    def delay_messages(
        self,
        to: Any = None,
        *,
        probability: float,
        seconds: tuple[float, float] = (0.0, 1.0),
        most: int | None = None,
    ) -> None:
        """Have messages come late; those from one process to another keep their order (G3).

        Args:
            to: whose mail it is; see the class.
            probability: how likely it is for each message, signals too.
            seconds: how late it comes, between these two.
            most: how often at most.
        """
        self._faults.add(Rule("delay", _concerns(to), probability, most, seconds))

    def slow(
        self,
        who: Any = None,
        *,
        probability: float = 1.0,
        seconds: tuple[float, float] = (0.0, 1.0),
        most: int | None = None,
    ) -> None:
        """Have processes get their turns late: others run, and deadlines pass, meanwhile."""
        self._faults.add(Rule("slow", _concerns(who), probability, most, seconds))

    def jitter(
        self,
        who: Any = None,
        *,
        probability: float = 1.0,
        seconds: tuple[float, float] = (0.0, 0.1),
        most: int | None = None,
    ) -> None:
        """Have timers that `who` sets fire late; `who` may also be the node's `init`."""
        concerns = _concerns(who) if who is not None else _everybody
        self._faults.add(Rule("jitter", concerns, probability, most, seconds))

    def calm(self) -> None:
        """End all faults, for good."""
        self._faults.calm = True

    # Going on

    def run(self, seconds: float) -> None:
        """Let virtual time pass, and the processes run."""
        self.node.sleep(seconds)

    def never(self, name: str, seen: Callable[[], Any]) -> None:
        """Safety: have the run fail if `seen()` is ever true.

        It is asked whenever a process has ended its turn, or waits in the middle of it.

        Args:
            name: what is promised, for the message.
            seen: looks, outside of any process; must not call one. What it finds is shown in the
                message; it may also raise a `Violation` that says it better.

        Raises:
            Violation: in the test, where it waits, when it is seen.
        """
        self._checks[name] = seen

    def settle(self, *, within: float = 60.0, until: Callable[[], Any] | None = None) -> None:
        """Liveness: end all faults, and see that everything comes to rest.

        At rest nobody is in the middle of a turn, and no mail waits. What timers bring within that
        time counts: a restart that waits for its time, a call's deadline.

        Args:
            within: virtual seconds.
            until: must be true then, too.

        Raises:
            NotSettled: if it is not; it names who is at work still.
            Deadlock: if somebody waits for what will never come.
            Livelock: if it goes on and time stands.
        """
        self.calm()
        scheduler = self.node.scheduler
        rested = scheduler.rest(self.clock.now() + within)
        if not rested and self.clock.next_due(background=False) is None:
            raise Deadlock(scheduler.paths())
        waiting = [one for one in self.node.survivors() if one.mailbox and one.turn.locked()]
        if not rested or waiting:
            busy = dict.fromkeys([*scheduler.in_turn(), *waiting])
            raise NotSettled(tuple(one.ref for one in busy), within)
        if until is not None and not until():
            raise NotSettled((), within)

    def _check(self) -> None:
        for name, seen in self._checks.items():
            found = seen()
            if found:
                raise Violation(name, found)


def _everybody(_ref: Any) -> bool:
    return True


def _concerns(who: Any) -> Callable[[Any], bool]:
    """Return what says whether a process is meant by `who`."""
    if who is None:
        return is_users
    if isinstance(who, type):
        return lambda ref: issubclass(ref.actor_class, who)
    if isinstance(who, Ref):
        return lambda ref: ref is who
    if callable(who):
        return lambda ref: bool(who(ref))
    return lambda ref: bool(ref.control.name == who)
