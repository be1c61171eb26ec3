"""Timers against a plain model: who gets which message when, and what `cancel` says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from beam.otp import Timer, exit, send_after
from tests.otp.actors import KINDS, MovedTime, death_of
from tests.otp.stateful import Inhabited, check, seeds
from tests.volume import scaled

# A moment; so few, and so short, that many fall together.
TICK = 0.25

numbers = st.integers(0, 1000)
delays = st.integers(0, 8)


@dataclass(eq=False)
class Due:
    """A timer: when it is due, in ticks, and for whom."""

    when: int
    to: int
    waits: bool = True


@dataclass(eq=False)
class Receiver:
    """A process, and the numbers of the timers whose messages it has got."""

    alive: bool = True
    got: list[int] = field(default_factory=list)


class World:
    """Timers in the order in which they were set, and those whom they are for."""

    def __init__(self) -> None:
        self.now = 0
        self.timers: list[Due] = []
        self.receivers: list[Receiver] = []

    def let_pass(self, ticks: int) -> None:
        """Have all that is due by then come, first what is due first, then what was set first."""
        self.now += ticks
        due = [at for at, timer in enumerate(self.timers) if timer.waits and timer.when <= self.now]
        for at in sorted(due, key=lambda at: self.timers[at].when):
            self.timers[at].waits = False
            receiver = self.receivers[self.timers[at].to]
            if receiver.alive:
                receiver.got.append(at)

    def cancel(self, at: int) -> float | None:
        """Return the seconds that were left, `None` if nothing was to come any more.

        As in docs/otp-parity.md: the timer of a receiver that has died stands, too.
        """
        timer = self.timers[at]
        if not timer.waits:
            return None
        timer.waits = False
        return (timer.when - self.now) * TICK


class TimersAgainstTheModel(Inhabited):
    """Timers are set, cancelled and come, while those whom they are for live or die."""

    @initialize(seed=seeds)
    def begin(self, seed: int) -> None:
        self.enter(seed)
        self.time = MovedTime(self.node)
        self.world = World()
        self.timers: list[Timer] = []
        self.refs: list[Any] = []
        for kind in KINDS:
            self.start(kind)

    def teardown(self) -> None:
        if hasattr(self, "time"):
            self.time.node.stop()
        super().teardown()

    @rule(kind=st.sampled_from(KINDS))
    def start(self, kind: Any) -> None:
        with self.time.node.entered():
            self.refs.append(kind.start())
        self.world.receivers.append(Receiver())

    @rule(to=numbers, ticks=delays, by_itself=st.booleans())
    def set(self, to: int, ticks: int, by_itself: bool) -> None:
        """Set a timer: from outside, or by the process for itself."""
        to %= len(self.refs)
        number, ref = len(self.timers), self.refs[to]
        if by_itself and self.world.receivers[to].alive:
            timer = ref.ask(("do", lambda: send_after(ticks * TICK, ref, number)), timeout=None)
        else:
            timer = send_after(ticks * TICK, ref, number)
        self.timers.append(timer)
        self.world.timers.append(Due(self.world.now + ticks, to))

    @precondition(lambda self: self.timers)
    @rule(which=numbers)
    def cancel(self, which: int) -> None:
        which %= len(self.timers)
        assert self.timers[which].cancel() == self.world.cancel(which)

    @rule(to=numbers, reason=st.sampled_from(["kill", "boom"]))
    def die(self, to: int, reason: str) -> None:
        to %= len(self.refs)
        if self.world.receivers[to].alive:
            exit(self.refs[to], reason)
            death_of(self.refs[to])
            self.world.receivers[to].alive = False

    @rule(ticks=st.integers(1, 8))
    def time_passes(self, ticks: int) -> None:
        self.time.let_pass(ticks * TICK)
        self.world.let_pass(ticks)

    @invariant()
    def all_that_was_due_has_come(self) -> None:
        if not hasattr(self, "world"):
            return
        for ref, receiver in zip(self.refs, self.world.receivers, strict=True):
            assert ref.is_alive() is receiver.alive
            if receiver.alive:
                assert ref.ask("told", timeout=None) == receiver.got


@pytest.mark.usefixtures("unlogged")
@pytest.mark.schedulers("simulation", "pool")
def test_timers_do_what_the_model_does(scheduler: Any) -> None:
    check(TimersAgainstTheModel, scheduler, examples=scaled(500))
