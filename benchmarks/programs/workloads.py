"""The workloads, written once for all Python peers.

A peer says how its library does the few things that they are made of (`Peer`), and `main` runs one
unit in this process: `python programs/NAME.py UNIT`. All is written as coroutines; those of a peer
that blocks never wait for anything, and need no loop.

The one actor of all workloads takes messages `(operation, argument)`, see `Deeds`.
"""

from __future__ import annotations

import functools
import gc
import sys
from typing import TYPE_CHECKING, Any, ClassVar

from measure import drive, leave, now, percentile, rate, resident, say, skip

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

Message = tuple[str, Any]

ALIVE = ("echo", 1)
ADD = ("add", None)
COUNT = ("tally", None)
BIRTH = ("birth", None)
CRASH = ("crash", None)

RING = 1_000
FAN = 1_000
KEYS = 100_000
TIMERS = 100_000
FIRING = 10_000
CRASHES = 500
STORM = 1_000


class AsAsked(Exception):
    """What an actor crashes of."""


class Deeds:
    """What the actor does, apart from sending."""

    def begin(self) -> None:
        """Start afresh."""
        self.count = 0
        self.next: Any = None
        self.rows: dict[int, int] = {}
        self.lates: list[float] = []
        self.born = now()

    def echo(self, value: Any) -> Any:
        """Return what was sent."""
        return value

    def add(self, _: None) -> None:
        """Count one more."""
        self.count += 1

    def tally(self, _: None) -> int:
        """Return the count."""
        return self.count

    def follow(self, other: Any) -> None:
        """Take another as the next one."""
        self.next = other

    def fill(self, size: int) -> None:
        """Make a table of so many keys."""
        self.rows = dict.fromkeys(range(size), 0)

    def read(self, key: int) -> int:
        """Return a value of the table."""
        return self.rows[key]

    def write(self, row: tuple[int, int]) -> None:
        """Set a value of the table."""
        self.rows[row[0]] = row[1]

    def due(self, when: float) -> None:
        """Note how late this message is."""
        self.lates.append(now() - when)

    def lateness(self, _: None) -> list[float]:
        """Return how late messages were."""
        return self.lates

    def birth(self, _: None) -> float:
        """Return when this life began: another number after a restart."""
        return self.born

    def crash(self, _: None) -> None:
        """Crash."""
        raise AsAsked


class Peer:
    """A library, as the workloads see it; `None` or a unit in `lacks` is what it has not."""

    lacks: ClassVar[dict[str, str]] = {}
    """Units, or their first part, and why there is nothing to measure."""
    gone: ClassVar[tuple[type[BaseException], ...]] = ()
    """What asking a child raises while it is away."""
    crashes = CRASHES
    timers = TIMERS

    async def open(self) -> None:
        """Make ready."""

    async def spawn(self, count: int) -> Sequence[Any]:
        """Start actors, one after another; return when the last has answered."""
        raise NotImplementedError

    async def stop(self, actors: Sequence[Any]) -> None:
        """Stop actors; return when all have stopped."""
        raise NotImplementedError

    async def ask(self, actor: Any, message: Message) -> Any:
        """Call an actor."""
        raise NotImplementedError

    async def tell(self, actor: Any, message: Message) -> None:
        """Send to an actor."""
        raise NotImplementedError

    def door(self, actor: Any, operation: str) -> Callable[[Any], Awaitable[Any]]:
        """Return what calls one operation of an actor, in the library's fastest way."""
        return lambda argument: self.ask(actor, (operation, argument))

    async def asks(self, actor: Any, message: Message, count: int) -> None:
        """Call an actor so often, one call after another."""
        call, argument = self.door(actor, message[0]), message[1]
        for _ in range(count):
            await call(argument)

    async def ask_all(self, actors: Sequence[Any], message: Message) -> list[Any]:
        """Call each of the actors; all at once, if the library has a way."""
        return [await self.ask(actor, message) for actor in actors]

    async def tells(self, actors: Sequence[Any], message: Message, times: int) -> None:
        """Send to each of the actors, so many times."""
        for _ in range(times):
            for actor in actors:
                await self.tell(actor, message)

    async def sleep(self, seconds: float) -> None:
        """Let the actors go on."""
        raise NotImplementedError

    async def supervise(self, count: int) -> Sequence[Any]:
        """Start children of one supervisor, one_for_one; return what names them for ever."""
        raise NotImplementedError

    async def ask_child(self, child: Any, message: Message) -> Any:
        """Call whoever is this child now."""
        return await self.ask(child, message)

    async def tell_child(self, child: Any, message: Message) -> None:
        """Send to whoever is this child now."""
        await self.tell(child, message)

    async def together(self, works: Sequence[Coroutine[Any, Any, None]]) -> None:
        """Run several workers at once."""
        raise NotImplementedError

    async def after(self, delay: float, actor: Any, message: Message) -> Any:
        """Send later; return what cancels it."""
        raise NotImplementedError

    async def cancel(self, timer: Any) -> None:
        """Take a timer back."""
        raise NotImplementedError


async def counted(peer: Peer, actor: Any, total: int) -> None:
    """Wait until an actor has counted to `total`."""
    while await peer.ask(actor, COUNT) < total:
        await peer.sleep(0.0005)


async def starts(peer: Peer, count: int) -> None:
    """Start actors, weigh them, stop them."""
    gc.collect()
    before, began = resident(), now()
    actors = await peer.spawn(count)
    started = now() - began
    say("started a second", count / started)
    gc.collect()
    say("bytes each", (resident() - before) / count)
    began = now()
    await peer.stop(actors)
    say("started and stopped a second", count / (started + now() - began))


async def calls(peer: Peer) -> None:
    """Call one actor: from outside, or for coroutines from one of the same loop."""
    (actor,) = await peer.spawn(1)
    say("calls a second", await rate(functools.partial(peer.asks, actor, ALIVE)))


async def in_a_row(peer: Peer, count: int, *, closed: bool) -> Sequence[Any]:
    """Start actors that each know the next one; in a ring, the last knows the first."""
    actors = await peer.spawn(count)
    nexts = [*actors[1:], actors[0]] if closed else actors[1:]
    for actor, other in zip(actors, nexts, strict=False):
        await peer.ask(actor, ("follow", other))
    return actors


async def chain(peer: Peer) -> None:
    """Call through ten actors: each calls the next, and waits."""
    actors = await in_a_row(peer, 10, closed=False)
    each = await rate(functools.partial(peer.asks, actors[0], ("chain", 1)), 10)
    assert await peer.ask(actors[0], ("chain", 1)) == 10
    say("hops a second", 10 * each)


async def around(peer: Peer, actors: Sequence[Any]) -> float:
    """Send one token around; return its hops a second."""
    arrived = 0

    async def op(hops: int) -> None:
        nonlocal arrived
        arrived += 1
        hops -= hops % len(actors)
        await peer.tell(actors[0], ("token", max(hops, len(actors)) - 1))
        await counted(peer, actors[-1], arrived)

    return await rate(op, 10 * len(actors))


async def ring(peer: Peer) -> None:
    """Send one token through a ring."""
    say("hops a second", await around(peer, await in_a_row(peer, RING, closed=True)))


async def pingpong(peer: Peer) -> None:
    """Send one token between two."""
    say("round trips a second", await around(peer, await in_a_row(peer, 2, closed=True)) / 2)


async def casts(peer: Peer) -> None:
    """Send to one actor until it has counted all."""
    actors = await peer.spawn(1)
    total = 0

    async def op(count: int) -> None:
        nonlocal total
        total += count
        await peer.tells(actors, ADD, count)
        await counted(peer, actors[0], total)

    say("casts a second", await rate(op, 1_000))


async def fanout(peer: Peer) -> None:
    """Send twenty messages to each of a thousand, until each has counted them."""
    actors = await peer.spawn(FAN)
    sent = 0

    async def op(times: int) -> None:
        nonlocal sent
        for _ in range(times):
            sent += 20
            await peer.tells(actors, ADD, 20)
            while min(await peer.ask_all(actors, COUNT)) < sent:
                await peer.sleep(0.0005)

    say("casts a second", 20 * FAN * await rate(op, 1))


async def replaced(peer: Peer, child: Any, before: float) -> None:
    """Wait until a child answers that is another one than before."""
    while True:
        try:
            if await peer.ask_child(child, BIRTH) != before:
                return
        except peer.gone:
            pass
        await peer.sleep(0)


async def crash(peer: Peer, siblings: int) -> None:
    """Crash a child, until its replacement has answered."""
    children = await peer.supervise(siblings + 1)
    times = []
    for _ in range(peer.crashes):
        before = await peer.ask_child(children[0], BIRTH)
        began = now()
        await peer.tell_child(children[0], CRASH)
        await replaced(peer, children[0], before)
        times.append((now() - began) * 1e3)
    say("p50 ms", percentile(times, 0.5))
    say("p99 ms", percentile(times, 0.99))


async def storm(peer: Peer) -> None:
    """Crash a thousand children of one supervisor at once, until all have answered."""
    children = await peer.supervise(STORM)
    before = [await peer.ask_child(child, BIRTH) for child in children]
    began = now()
    for child in children:
        await peer.tell_child(child, CRASH)
    for child, birth in zip(children, before, strict=True):
        await replaced(peer, child, birth)
    say("ms", (now() - began) * 1e3)


async def table(peer: Peer) -> None:
    """Read and write a dict that an actor owns, from one worker and from four."""
    (owner,) = await peer.spawn(1)
    await peer.ask(owner, ("fill", KEYS))
    for workers in (1, 4) if "table-4" not in peer.lacks else (1,):
        for operation in ("read", "write"):
            op = functools.partial(_work, peer, owner, operation, workers)
            say(f"{operation}s a second, {workers} at once", await rate(op, 400))


async def _work(peer: Peer, owner: Any, operation: str, workers: int, count: int) -> None:
    """Do operations on an owner's table, each worker its share."""

    async def work(at: int) -> None:
        do = peer.door(owner, operation)
        for n in range(count // workers):
            key = (n * 7919 + at) % KEYS
            await do(key if operation == "read" else (key, n))

    await peer.together([work(at) for at in range(workers)])


async def timers(peer: Peer) -> None:
    """Set timers that are far off, and cancel them."""
    (actor,) = await peer.spawn(1)
    began = now()
    running = [await peer.after(60.0, actor, ADD) for _ in range(peer.timers)]
    for timer in running:
        await peer.cancel(timer)
    say("set and cancelled a second", peer.timers / (now() - began))


async def firing(peer: Peer) -> None:
    """Let ten thousand timers fire in a second, evenly."""
    (actor,) = await peer.spawn(1)
    begin = now() + 0.3
    for n in range(FIRING):
        due = begin + n / FIRING
        await peer.after(max(0.0, due - now()), actor, ("due", due))
        if n % 100 == 0:
            await peer.sleep(0)
    await peer.sleep(begin + 1.2 - now())
    while len(lates := await peer.ask(actor, ("lateness", None))) < FIRING:
        await peer.sleep(0.1)
    say("late p50 ms", percentile(lates, 0.5) * 1e3)
    say("late p99 ms", percentile(lates, 0.99) * 1e3)


UNITS: dict[str, Callable[[Peer], Awaitable[None]]] = {
    "starts-10k": functools.partial(starts, count=10_000),
    "starts-100k": functools.partial(starts, count=100_000),
    "calls": calls,
    "chain": chain,
    "ring": ring,
    "pingpong": pingpong,
    "casts": casts,
    "fanout": fanout,
    "crash-1": functools.partial(crash, siblings=1),
    "crash-100": functools.partial(crash, siblings=100),
    "crash-10k": functools.partial(crash, siblings=10_000),
    "storm": storm,
    "table": table,
    "timers": timers,
    "firing": firing,
}


def main(peer: Peer, run: Callable[[Coroutine[Any, Any, None]], object] = drive) -> None:
    """Run the unit that the command line names, and leave."""
    unit = sys.argv[1]
    for lacking, why in peer.lacks.items():
        if unit.startswith(lacking):
            skip(why)
            leave()

    async def work() -> None:
        await peer.open()
        await UNITS[unit](peer)
        leave()

    run(work())
