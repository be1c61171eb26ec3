"""What happens to figures of `beam.otp` as a hundred times as many processes live beside them.

Run: python programs/beam_growth.py growth
     python programs/beam_growth.py flat      memory over 10 million messages, 1 million lifetimes
"""

from __future__ import annotations

import gc
import sys
from typing import Any

from beam_otp import Actor, Inline, quiet, rate
from measure import leave, now, resident, say
from workloads import ADD, ALIVE, COUNT

from beam.otp import DynamicSupervisor, Node, Table, child, exit

LESS, MORE = 1_000, 100_000
MESSAGES = 10_000_000
LIVES = 1_000_000
MANY = 10**9


def asks(ref: Any) -> Any:
    """Return an operation that calls."""

    def op(count: int) -> None:
        ask = ref.ask
        for _ in range(count):
            ask(ALIVE)

    return op


def casts(refs: Any) -> Any:
    """Return an operation that sends to many in turn, and waits until the last has counted."""
    sent = dict.fromkeys(refs, 0)

    def op(count: int) -> None:
        whole = max(1, count // len(refs))
        for _ in range(whole):
            for ref in refs:
                ref.cast(ADD)
        last = refs[-1]
        sent[last] += whole
        while last.ask(COUNT) < sent[last]:
            pass

    return op


def hops(refs: Any) -> Any:
    """Return an operation that sends a token around, for at least so many hops."""
    arrived = 0

    def op(count: int) -> None:
        nonlocal arrived
        arrived += 1
        whole = max(1, count // len(refs)) * len(refs)
        refs[0].cast(("token", whole - 1))
        while refs[-1].ask(COUNT) < arrived:
            refs[-1].node.sleep(0.0005)

    return op


def figures(number: int) -> dict[str, float]:
    """Return the figures with so many processes."""
    found = {}
    supervisor = DynamicSupervisor.start(max_restarts=MANY)
    start, spec = supervisor.start_child, child(Actor)
    began = now()
    refs = [start(spec) for _ in range(number)]
    found["starts"] = number / (now() - began)
    inline = start(child(Inline))
    found["calls"] = rate(asks(refs[0]))
    found["inline calls"] = rate(asks(inline))
    found["casts to one"] = rate(casts(refs[:1]))
    found["fan-out to all"] = rate(casts(refs), number)
    for ref, other in zip(refs, [*refs[1:], refs[0]], strict=True):
        ref.ask(("follow", other))
    fresh = [start(child(Actor)) for _ in range(number)]
    for ref, other in zip(fresh, [*fresh[1:], fresh[0]], strict=True):
        ref.ask(("follow", other))
    found["ring of all"] = rate(hops(fresh), number)
    node = inline.node

    def timers(count: int) -> None:
        for _ in range(max(1, count // number)):
            running = [node.send_after(60.0, inline, ADD) for _ in range(number)]
            for timer in running:
                timer.cancel()

    found["timers"] = rate(timers, number)
    table = Table.new(access="public")
    table.insert(*((key, 0) for key in range(number)))

    def reads(count: int) -> None:
        for key in range(count):
            table.lookup(key % number)

    found["table reads"] = rate(reads)
    table.drop()
    began = now()
    supervisor.stop(reason="shutdown")
    found["stops"] = 2 * number / (now() - began)
    return found


def growth() -> None:
    """Say each figure as a part of what it is with few processes."""
    figures(LESS)
    few = figures(LESS)
    many = figures(MORE)
    for figure, value in many.items():
        say(f"{figure}: of the figure at 1,000", value / few[figure])


def flat() -> None:
    """Say by how much memory grows over messages, and over lifetimes."""
    supervisor = DynamicSupervisor.start(max_restarts=MANY)
    ref = supervisor.start_child(child(Actor))

    def send(count: int) -> None:
        before = ref.ask(COUNT)
        for at in range(count):
            ref.cast(ADD)
            if at % 10_000 == 0:
                ref.ask(COUNT, timeout=60)
        while ref.ask(COUNT, timeout=60) < before + count:
            pass

    def live(count: int) -> None:
        spec = child(Actor, restart="temporary")
        for _ in range(count // 100):
            refs = [supervisor.start_child(spec) for _ in range(100)]
            for one in refs:
                exit(one, "shutdown")
        supervisor.count_children()

    for figure, work, count in (
        ("over 10 million messages", send, MESSAGES),
        ("over 1 million lifetimes", live, LIVES),
    ):
        work(count // 20)
        gc.collect()
        before = resident()
        work(count)
        gc.collect()
        say(f"MB grown {figure}", (resident() - before) / 1e6)


if __name__ == "__main__":
    quiet()
    with Node():
        {"growth": growth, "flat": flat}[sys.argv[1]]()
        leave()
