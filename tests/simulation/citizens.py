"""The citizens of a world: processes that do what they are told, and tell the auditors.

What they are told is an `Order`. All of their mail but that of the kernel's own making is a tuple:
who has sent it, its number among the mail of that sender, what it is, and what it is about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.errors import StartError
from beam.otp import Down, Exit, Refused, Server, TableTransfer, noreply
from beam.otp.reasons import Quarantined
from tests.simulation.deeds import Deeds

if TYPE_CHECKING:
    from beam.otp import Call, Ref
    from tests.simulation.calls import Record
    from tests.simulation.world import World


class Citizen(Deeds, Server):
    """A process of a world."""

    def init(
        self,
        world: World,
        key: str,
        parent: Ref[Any],
        *,
        traps: bool = False,
        linked: bool = True,
    ) -> Any:
        self.world = world
        self.key = key
        self.me = self.actor_ref
        self.trap_exit = traps
        self.kept: dict[Any, Any] = {}
        self.watches: list[Any] = []
        self.alarms: list[Any] = []
        world.begins(self.me, key, parent if linked else None)
        world.post.enters(self.me, "init")
        try:
            return self.settle_in()
        finally:
            world.post.leaves(self.me)

    def settle_in(self) -> Any:
        """Do what is to be done first."""
        ailment = self.world.ailments.pop(self.key, None)
        if ailment == "refuse":
            self.world.ties.gives(self.me, "not_today")
            raise Refused("not_today")
        if ailment == "crash":
            raise self.crash_of()
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
            elif message[0] == "news":
                world.registries.news_came(me, message[1])
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
        elif type(message) is TableTransfer:
            self.world.chests.transfer_came(self.me, message)
        elif type(message) is Quarantined:
            self.world.households.quarantined(message)

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
QUICK += ("set_alarms", "stop_alarms", "take_seats", "leave_seats", "announce", "write")


class Digger(Citizen):
    """A citizen with a thread of its own."""

    blocking = True


class Keeper(Citizen):
    """The heir of the banks: it has their tables while they are away."""

    def answer(self, record: Record, caller: Call, how: str, *about: Any) -> Any:
        if how == "claim":
            self.world.chests.give(self.me, about[0], record.caller)
        return super().answer(record, caller, how, *about)


class Bank(Citizen):
    """The owner of a table."""

    def settle_in(self) -> Any:
        name, keeper = f"chest-{self.key[-1]}", self.world.whereis("keeper")
        if keeper is not None:
            self.world.calls.make(self.me, keeper, 1.0, "claim", name)
        self.world.chests.open(self.me, name, keeper)
        return super().settle_in()


def start_citizen(
    world: World, kind: type[Citizen], key: str, parent: Ref[Any], *, traps: bool
) -> Ref[Any]:
    """Start a citizen, for a supervisor; tell the auditors how that went."""
    try:
        ref = kind.start_link(world, key, parent, name=key, traps=traps)
    except (StartError, Refused):
        world.households.failed(parent, key)
        raise
    world.households.started(parent, key, ref)
    return ref
