"""The aims, and whether the figures meet them.

A ratio pairs two figures of one round; what counts is the median of the rounds.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.sides import PYTHON_PEERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    # By side, unit and figure: the values by round.
    Found = Mapping[tuple[str, str, str], Mapping[int, float]]

BOTH = "started and stopped a second"
PEERS = ("every Python peer",)


class Verdict(NamedTuple):
    """One line of the table."""

    what: str
    aim: str
    figure: str
    met: bool | None


@dataclass(frozen=True, slots=True)
class Aim:
    """What one figure of ours is to be.

    Attributes:
        unit, figure: ours.
        what: what it is.
        least, most: of the figure itself, or of its ratio to `against`.
        against: a side, or `PEERS`; with `other`, another unit and figure than ours.
    """

    unit: str
    figure: str
    what: str
    least: float | None = None
    most: float | None = None
    against: str | None = None
    other: tuple[str, str] | None = None

    def verdict(self, found: Found) -> Verdict:
        """Return what was found."""
        ours = found.get(("beam", self.unit, self.figure))
        ratio, limit = self.against is not None, self.least if self.most is None else self.most
        sign = "≥" if self.most is None else "≤"
        whom = "that" if self.against == "beam" else self.against
        aim = f"{sign} {limit:,g}" + (f" times {whom}" if ratio else "")
        if not ours:
            return Verdict(self.what, aim, "not measured", None)
        value, text = statistics.median(ours.values()), None
        if ratio:
            pairs = list(self._ratios(found, ours))
            if not pairs:
                return Verdict(self.what, aim, f"{shown(value)}; nobody to compare with", None)
            side, worst = min(pairs, key=lambda pair: pair[1])
            text = f"{shown(value)}: {worst:.2f} times {'that' if side == 'beam' else side}"
            value = worst
        assert limit is not None
        met = value >= limit if self.most is None else value <= limit
        return Verdict(self.what, aim, text or shown(value), met)

    def _ratios(self, found: Found, ours: Mapping[int, float]) -> Iterator[tuple[str, float]]:
        assert self.against is not None
        sides = PYTHON_PEERS if self.against == PEERS[0] else (self.against,)
        for side in sides:
            theirs = found.get((side, *(self.other or (self.unit, self.figure))), {})
            # A side that is measured once is compared with all rounds.
            pairs = [ours[n] / theirs[n] for n in ours if n in theirs]
            if pairs:
                yield side, statistics.median(pairs)


def shown(value: float) -> str:
    """Return a figure with as many digits as it deserves."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _aims() -> Iterator[Aim]:
    for unit, count in (("starts-10k", "10,000"), ("starts-100k", "100,000")):
        what = f"start and stop of {count} processes a second"
        if unit == "starts-10k":
            yield Aim(unit, BOTH, what, least=30, against="Pykka")
        yield Aim(unit, BOTH, what, least=1, against=PEERS[0])
        yield Aim(unit, BOTH, what, least=0.3, against="Erlang", other=(unit, f"{BOTH}, alone"))
    what = "the same, of the rate at 10,000"
    other = ("starts-10k", BOTH)
    yield Aim("starts-100k", BOTH, what, least=round(1 / 2.2, 3), against="beam", other=other)
    yield Aim("starts-100k", "bytes each", "memory of an idle process, bytes", most=2_500)
    calls = "calls a second"
    yield Aim("calls", calls, "calls of any process a second", least=0.9, against="Pykka")
    for how in ("ask", "a held proxy"):
        figure = f"inline calls by {how} a second"
        what = f"calls of one with `blocking = False` by {how}"
        yield Aim("calls", figure, what, least=12, against="Pykka", other=("calls", calls))
        yield Aim("calls", figure, what, least=1, against="xoscar", other=("calls", calls))
    yield Aim("calls", "ref.proxy() us", "`ref.proxy()`, µs", most=2)
    hops = "hops a second"
    yield Aim("chain", hops, "hops of calls through 10 a second", least=1, against=PEERS[0])
    yield Aim("ring", hops, "hops in a ring of 1,000 a second", least=1, against=PEERS[0])
    trips = "round trips a second"
    yield Aim("pingpong", trips, "ping-pong, round trips a second", least=1, against=PEERS[0])
    casts = "casts a second"
    yield Aim("casts", casts, "casts to one a second", least=3, against=PEERS[0])
    yield Aim("fanout", casts, "casts to 1,000 a second", least=3, against=PEERS[0])
    yield from _crashes()
    yield from _tables()
    figure = "set and cancelled a second"
    yield Aim("timers", figure, "timers set and cancelled a second", least=300_000)
    yield Aim("firing", "late p99 ms", "10,000 timers in a second, late p99 ms", most=5)
    yield Aim("machine", "events a second", "state machine events a second", least=100_000)


def _crashes() -> Iterator[Aim]:
    for unit, siblings in (("crash-1", "1"), ("crash-100", "100"), ("crash-10k", "10,000")):
        for kind, how in (("", ""), (" inline", ", `blocking = False`")):
            what = f"crash to answer, {siblings} siblings{how}, p50 ms"
            yield Aim(unit, f"p50 ms{kind}", what, most=0.1)
            yield Aim(unit, f"p50 ms{kind} with reports", f"{what}, reports rendered", most=0.3)
    for figure in ("p50 ms", "p50 ms with reports"):
        what = f"10,000 siblings against 1, {figure}"
        other = ("crash-1", figure)
        yield Aim("crash-10k", figure, what, most=1.5, against="beam", other=other)
    yield Aim("storm", "ms", "storm of 1,000, ms", most=150)


def _tables() -> Iterator[Aim]:
    for workers in (1, 4):
        for kind, least in (("int", 1.0), ("tuple", 0.3)):
            figure = f"reads of {kind} keys a second, {workers} at once"
            what = f"table {figure}"
            yield Aim("table", figure, what, least=least, against="dict under a lock")
        other = ("table", f"writes a second, {workers} at once")
        figure = f"writes of int keys a second, {workers} at once"
        yield Aim("table", figure, f"table {figure}", least=2, against="xoscar", other=other)
        figure = f"writes through the owner of int keys a second, {workers} at once"
        yield Aim("table", figure, f"table {figure}", least=1, against="xoscar", other=other)


AIMS: Sequence[Aim] = tuple(_aims())
# What grows with the number of processes may not get worse by more than half.
GROWTH = 0.66
# MB: what an allocator may keep.
FLAT = 10.0


def verdicts(found: Found) -> list[Verdict]:
    """Return a line for each aim."""
    lines = [aim.verdict(found) for aim in AIMS]
    for (side, unit, figure), values in found.items():
        value = statistics.median(values.values())
        if side == "beam" and unit == "growth":
            lines.append(Verdict(figure, f"≥ {GROWTH}", shown(value), value >= GROWTH))
        if side == "beam" and unit == "flat":
            lines.append(Verdict(figure, f"≤ {FLAT:g}", shown(value), value <= FLAT))
    return lines
