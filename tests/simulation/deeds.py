"""What citizens do when they are told to: each order is a method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from beam.errors import Refused, StartError
from beam.otp import Crash, current_process, receive, spawn_monitor
from tests.simulation.ties import Planned

if TYPE_CHECKING:
    from beam.otp import Ref
    from tests.simulation.calls import Outcome
    from tests.simulation.world import World


@dataclass(frozen=True, slots=True)
class Order:
    """Something for a citizen to do.

    Attributes:
        what: the name of one of its methods.
        others: the keys of whom it concerns.
        number: how much, how long, or which.
    """

    what: str
    others: tuple[str, ...] = ()
    number: int = 0


class Deeds:
    """The orders that a citizen obeys."""

    world: World
    key: str
    me: Ref[Any]

    def ask(self, key: str, timeout: float | None, *what: Any) -> Outcome | None:
        """Call another, if it is there."""
        to = self.world.whereis(key)
        return self.world.calls.make(self.me, to, timeout, *what) if to is not None else None

    # Orders

    def everybody(self, order: Order) -> list[Ref[Any]]:
        """Return those of an order that are there."""
        found = [self.world.whereis(key) for key in order.others]
        return [ref for ref in found if ref is not None]

    def tell(self, order: Order) -> None:
        """Send to each, several times, in turns."""
        for number in range(order.number):
            for to in self.everybody(order):
                self.world.post.send(self.me, to, ("cast", "tell")[number % 2], "note", 0)

    def gossip(self, left: int) -> None:
        """Send on what is sent on, `left` times more."""
        to = self.world.neighbour(self.key, left)
        if to is not None:
            self.world.post.send(self.me, to, "cast", "note", left - 1)

    def spread(self, order: Order) -> None:
        """Begin with what is sent on."""
        self.gossip(order.number + 1)

    def call_along(self, order: Order) -> None:
        """Have a path of others called, each by the one before it."""
        timeout = (None, 5.0, 0.5, 0.05)[order.number % 4]
        self.ask(order.others[0], timeout, "relay", order.others[1:], timeout)

    def call_each(self, order: Order) -> None:
        """Call one after another."""
        for key in order.others:
            self.ask(key, 5.0, "relay", (), None)

    def be_impatient(self, order: Order) -> None:
        """Call one that answers late, do not wait for it, and call another."""
        first, second = order.others[:2]
        self.ask(first, 0.1, "keep", 0.1 + order.number * 0.05)
        self.ask(second, 5.0, "keep", 0.2)
        self.ask(first, 5.0, "relay", (), None)

    def wait_for(self, order: Order) -> None:
        """Call one that answers in its own way."""
        how = ("keep", "refuse", "crash", "stop", "sleep")[order.number % 5]
        self.ask(order.others[0], 3.0, how, order.number * 0.1)

    def watch(self, order: Order) -> None:
        """Monitor others, by ref or by name."""
        for number, key in enumerate(order.others):
            to = self.world.whereis(key)
            by_name = (order.number + number) % 2 or to is None
            self.watches.append(self.world.ties.watch(self.me, key if by_name else to))

    def unwatch(self, order: Order) -> None:
        """Take monitors back."""
        for watch in self.watches[: order.number]:
            self.world.ties.unwatch(self.me, watch, flush=order.number % 2 == 0)
        del self.watches[: order.number]

    def tie(self, order: Order) -> None:
        """Link to others."""
        for to in self.everybody(order):
            if to is not self.me:
                self.world.ties.link(self.me, to)

    def untie(self, order: Order) -> None:
        """Undo links."""
        for to in self.everybody(order):
            if to is not self.me:
                self.world.ties.unlink(self.me, to)

    def strike(self, order: Order) -> None:
        """Send an exit signal."""
        reason = (("told", order.number), "normal", "kill", "odd")[order.number % 4]
        for to in self.everybody(order)[:1]:
            self.world.ties.exit(self.me, to, reason)

    def crash(self, order: Order) -> None:
        """Crash."""
        raise self.crash_of()

    def crash_of(self) -> Planned:
        """Return a crash that is meant."""
        planned = Planned(self.key)
        self.world.ties.gives(self.me, Crash(planned))
        return planned

    def leave(self, order: Order) -> None:
        """End, with a reason or without."""
        reason = ("normal", "finished", ("shutdown", "tired"))[order.number % 3]
        self.world.ties.gives(self.me, reason)
        self.stop(reason)

    def set_alarms(self, order: Order) -> None:
        """Set timers, for oneself and for others."""
        for number, to in enumerate([self.me, *self.everybody(order)]):
            delay = (order.number + number) * 0.1
            self.alarms.append(self.world.clocks.set(self, delay, to))

    def stop_alarms(self, order: Order) -> None:
        """Cancel some of one's timers, some of them twice."""
        for alarm in self.alarms[:: 2 - order.number % 2]:
            self.world.clocks.cancel(alarm)
        self.alarms = self.alarms[order.number :]

    def nap(self, order: Order) -> None:
        """Sleep."""
        self.sleep(order.number * 0.05)

    # What processes hold

    def take_seats(self, order: Order) -> None:
        """Register under a unique key, and under a topic."""
        registries = self.world.registries
        registries.take_seat(self.me, order.number % 5, order.number)
        registries.join(self.me, order.number % 2)

    def leave_seats(self, order: Order) -> None:
        """Take that back, if one has it."""
        self.world.registries.leave_seat(self.me, order.number % 5)

    def announce(self, order: Order) -> None:
        """Send to a topic."""
        self.world.registries.announce(order.number % 2)

    def write(self, order: Order) -> None:
        """Write into a table, and erase."""
        name = f"chest-{order.number % 2 + 1}"
        self.world.chests.write(name, order.number % 7, order.number)
        if order.number % 5 == 0:
            self.world.chests.erase(name, order.number % 7)

    def rearrange(self, order: Order) -> None:
        """Name another heir for a table, or give it away, if it is one's own."""
        name, keeper = f"chest-{order.number % 2 + 1}", self.world.whereis("keeper")
        if order.number % 3:
            self.world.chests.name_heir(self.me, name, keeper)
        elif keeper is not None:
            self.world.chests.give(self.me, name, keeper)

    # Who is started by a citizen

    def hire(self, order: Order) -> None:
        """Have a process started in the pool."""
        self.world.chores.hire(self.me, f"pool-{order.number}")

    def fire(self, order: Order) -> None:
        """Have a process of the pool ended, or released from quarantine."""
        self.world.chores.fire(self.me, f"pool-{order.number % 5}", release=order.number >= 5)

    def dismiss(self, order: Order) -> None:
        """Have a process of the crew ended, and started again."""
        key = f"crew-{order.number + 1}"
        if key != self.key:
            self.world.chores.dismiss(self.me, key)

    def assist(self, order: Order) -> None:
        """Start a process that is linked to this one, or one that is monitored."""
        world = self.world
        key = f"helper-{len(world.helpers)}"
        world.helpers.append(key)
        kind, traps = type(world).HELPERS[order.number % 2], order.number % 3 == 0
        try:
            if order.number < 3:
                kind.start_link(world, key, self.me, traps=traps, linked=True, name=key)
            else:
                ref, watch = kind.start_monitor(world, key, self.me, linked=False, name=key)
                world.ties.watched(self.me, ref, watch)
        except (StartError, Refused):
            return

    def errand(self, order: Order) -> None:
        """Have a function run that receives a few messages, and ends."""
        ref, watch = spawn_monitor(run_errand, self.world, order.number)
        self.world.ties.watched(self.me, ref, watch)
        for _ in range(order.number):
            self.world.post.send(self.me, ref, "cast", "note", 0)

    def delegate(self, order: Order) -> None:
        """Have a task done, and wait for its value."""
        how = ("value", "value", "refuse", "crash", "late")[order.number % 5]
        self.world.chores.delegate(self.me, how, order.number)


def run_errand(world: World, count: int) -> None:
    """Receive messages, and answer each."""
    me = current_process()
    assert me is not None
    world.ledger.born(me)
    world.ties.gives(me, "normal")
    for _ in range(count + count % 2):
        try:
            sender, number, _, _ = receive(timeout=0.5)
        except TimeoutError:
            return
        world.post.comes(sender, me, number)
        world.post.send(me, sender, "cast", "note", 0)
