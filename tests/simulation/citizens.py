"""The citizens of a world: processes that do what they are told, and tell the auditors.

What they are told is an `Order`. All of their mail but that of the kernel's own making is a tuple:
who has sent it, its number among the mail of that sender, what it is, and what it is about.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from beam.errors import StartError
from beam.otp import Crash, Down, Exit, Refused, Server, noreply
from tests.simulation.ties import Planned

if TYPE_CHECKING:
    from beam.otp import Call, Ref
    from tests.simulation.calls import Outcome, Record
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


class Citizen(Server):
    """A process of a world."""

    def init(self, world: World, key: str, parent: Ref[Any], traps: bool = False) -> Any:
        self.world = world
        self.key = key
        self.me = self.actor_ref
        self.trap_exit = traps
        self.kept: dict[Any, Any] = {}
        self.watches: list[Any] = []
        self.alarms: list[Any] = []
        world.ledger.born(self.me)
        world.ties.parents[self.me] = parent
        world.ties.linked(parent, self.me)
        world.post.enters(self.me, "init")
        try:
            return self.settle_in()
        finally:
            world.post.leaves(self.me)

    def settle_in(self) -> Any:
        """Do what is to be done first."""
        ailment = self.world.ailments.pop(self.key, None)
        if ailment == "refuse":
            raise Refused("not_today")
        if ailment == "crash":
            raise Planned(self.key)
        self.world.ties.begun[self.me] = None

    def terminate(self, reason: Any) -> None:
        self.world.post.enters(self.me, "terminate")
        self.world.ties.cleans_up(self.me, reason)
        self.world.ties.has_cleaned_up(self.me)
        self.world.post.leaves(self.me)

    # Mail

    def handle_call(self, message: Any, caller: Call) -> Any:
        sender, number, _, call, *what = message
        world, me = self.world, self.me
        world.post.enters(me, what)
        try:
            world.post.comes(sender, me, number)
            record = world.calls.arrives(me, call)
            return self.answer(record, caller, *what)
        finally:
            world.calls.served(me)
            world.post.leaves(me)

    def handle_cast(self, message: Any) -> None:
        self.take(message)

    def handle_info(self, message: Any) -> None:
        self.take(message)

    def take(self, message: Any) -> None:
        """Take a cast or a message."""
        world, me = self.world, self.me
        world.post.enters(me, message)
        try:
            if type(message) is not tuple:
                self.take_signal(message)
            elif message[0] == "tick":
                self.tick(world.clocks.ticks(me, message[1]))
            else:
                sender, number, kind, about = message
                world.post.comes(sender, me, number)
                if kind == "order":
                    getattr(self, about.what)(about)
                elif about > 0:
                    self.gossip(about)
        finally:
            world.post.leaves(me)

    def take_signal(self, message: Any) -> None:
        """Take what the kernel sends."""
        if type(message) is Down:
            self.world.ties.down_came(self.me, message)
        elif type(message) is Exit:
            self.world.ties.exit_came(self.me, message)

    # Answers

    def answer(self, record: Record, caller: Call, how: str, *about: Any) -> Any:
        """Answer a call, in the way that it says."""
        calls = self.world.calls
        calls.check_time_left(self.me, self.time_left(), exact=not self.trap_exit)
        if how == "relay":
            self.relay(*about)
        elif how == "keep":
            self.kept[self.world.clocks.set(self, about[0], self.me)] = (record, caller)
            return noreply
        elif how == "refuse":
            raise calls.refuse(record)
        elif how == "crash":
            raise self.crash_of()
        elif how == "stop":
            self.world.ties.gives(self.me, "finished")
            self.stop("finished")
        elif how == "sleep":
            self.sleep(about[0])
        return calls.answer(record)

    def relay(self, path: tuple[str, ...], timeout: float | None) -> None:
        """Have the next on a path called, and so on."""
        if path:
            self.ask(path[0], timeout, "relay", path[1:], timeout)

    def tick(self, alarm: Any) -> None:
        """Answer the call that was kept until now."""
        if alarm in self.kept:
            self.world.calls.check_reply(*self.kept.pop(alarm))

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


class Clerk(Citizen):
    """A citizen that never blocks: it is run by whoever calls it."""

    blocking = False

    def answer(self, record: Record, caller: Call, how: str, *about: Any) -> Any:
        return super().answer(record, caller, "refuse" if how == "refuse" else "answer", *about)

    def take(self, message: Any) -> None:
        """Obey no order that might wait."""
        is_order = type(message) is tuple and len(message) == 4 and message[2] == "order"
        if is_order and message[3].what not in QUICK:
            message = (*message[:2], "note", 0)
        super().take(message)


QUICK = ("tell", "spread", "watch", "unwatch", "tie", "untie", "strike", "crash", "leave")
QUICK += ("set_alarms", "stop_alarms")


class Digger(Citizen):
    """A citizen with a thread of its own."""

    blocking = True


def start_citizen(world: World, kind: type[Citizen], key: str, parent: Ref[Any], **kwargs: Any):
    """Start a citizen, for a supervisor; tell the auditors how that went."""
    try:
        ref = kind.start_link(world, key, parent, name=key, **kwargs)
    except (StartError, Refused):
        world.households.failed(parent, key)
        raise
    world.households.started(parent, key, ref)
    return ref
