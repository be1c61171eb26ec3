"""A circuit breaker for each backend: who keeps failing is left alone for a while.

    >>> breaker = Breaker(BreakerOptions(failure_threshold=2, cooldown=30.0))
    >>> breaker = breaker.failed(now=0.0).failed(now=1.0)
    >>> breaker.state(now=2.0), breaker.health(now=2.0)
    ('open', 'down')
    >>> breaker, probe = breaker.try_acquire(now=31.0)
    >>> probe, breaker.state(now=31.0), breaker.health(now=31.0)
    (1, 'half_open', 'unhealthy')
    >>> breaker.succeeded().state(now=32.0)
    'closed'

    closed ── failures reach the threshold ──> open
    open ── the cooldown passes ──> half_open: so many probes may pass at once, the rest is refused
    half_open ── success ──> closed          half_open ── failure ──> open

A `Breaker` is a value: each event returns the next one. Failures are those in a row; a success
counts them from zero. Only what says something about the backend is to be reported as a failure:
what the user cancelled, a refused input or a denied policy is neither success nor failure, and
gives its probe back with `released`.

While a probe may pass, the backend is as good as healthy, so that it gets the chance to recover;
while the probes are out it is `unhealthy`. A probe that nobody reports on is given up after
`probe_lifetime`, so that no lost session keeps a backend out for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from beam.errors import InvalidInput, RoutingRefused
from beam.routing.health import HealthStatus

__all__ = ["Breaker", "BreakerOptions", "BreakerState", "Breakers"]

BreakerState = Literal["closed", "open", "half_open"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerOptions:
    """When a breaker opens and how it closes again.

    Attributes:
        failure_threshold: failures in a row that open it.
        cooldown: seconds for which it stays open; 0 means that it is half open at once.
        half_open_probes: how many may try at the same time while it is half open.
        probe_lifetime: seconds after which a probe without a report is given up.

    Raises:
        InvalidInput: a count is not a positive integer, `cooldown` is negative, or
            `probe_lifetime` is not positive.
    """

    failure_threshold: int = 5
    cooldown: float = 30.0
    half_open_probes: int = 1
    probe_lifetime: float = 120.0

    def __post_init__(self) -> None:
        for name in ("failure_threshold", "half_open_probes"):
            value: object = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InvalidInput(name, value, "a positive integer")
        if not _is_number(self.cooldown) or not self.cooldown >= 0:
            raise InvalidInput("cooldown", self.cooldown, "seconds, 0 or more")
        if not _is_number(self.probe_lifetime) or not self.probe_lifetime > 0:
            raise InvalidInput("probe_lifetime", self.probe_lifetime, "seconds, more than 0")


@dataclass(frozen=True, slots=True)
class Breaker:
    """The state of one breaker; a new one is closed.

    Attributes:
        options: when it opens and closes.
        failures: failures in a row.
        opened_at: seconds, when it opened last; `None` while closed.
        probes: the probes that are out, each with the time when it left.
        probes_sent: how many probes there were so far; the newest one's number.
    """

    options: BreakerOptions = field(default_factory=BreakerOptions)
    failures: int = 0
    opened_at: float | None = None
    probes: tuple[tuple[int, float], ...] = ()
    probes_sent: int = 0

    def state(self, now: float) -> BreakerState:
        """Return the state at `now` (seconds)."""
        if self.opened_at is None:
            return "closed"
        return "open" if now - self.opened_at < self.options.cooldown else "half_open"

    def allows(self, now: float) -> bool:
        """Return whether `try_acquire` would let one pass at `now`."""
        state = self.state(now)
        if state == "half_open":
            return len(self._out(now)) < self.options.half_open_probes
        return state == "closed"

    def health(self, now: float) -> HealthStatus:
        """Return what the breaker says of its backend at `now`."""
        if self.allows(now):
            return "healthy"
        return "down" if self.state(now) == "open" else "unhealthy"

    def try_acquire(self, now: float) -> tuple[Breaker, int | None]:
        """Let one pass, and count it where it is a probe.

        Returns:
            The next breaker, and the number of the probe: `None` where the breaker is closed,
            and the one who passes is no probe.

        Raises:
            RoutingRefused: `breaker_refuses` with `state`; ask `allows` first.
        """
        if not self.allows(now):
            raise RoutingRefused("breaker_refuses", state=self.state(now))
        if self.opened_at is None:
            return self, None
        number = self.probes_sent + 1
        out = (*self._out(now), (number, now))
        return replace(self, probes=out, probes_sent=number), number

    def succeeded(self) -> Breaker:
        """Return the breaker after a success, a late one too: closed, no failure counted."""
        if self.opened_at is None and not self.failures:
            return self
        return replace(self, failures=0, opened_at=None, probes=())

    def failed(self, now: float) -> Breaker:
        """Return the breaker after a failure at `now`.

        One that is open or half open is open again from `now` on, at the first failure.
        """
        failures = self.failures + 1
        if self.opened_at is None and failures < self.options.failure_threshold:
            return replace(self, failures=failures)
        return replace(self, failures=failures, opened_at=now, probes=())

    def released(self, probe: int | None) -> Breaker:
        """Return the breaker after one passed and nothing was learnt; its probe is free again."""
        out = tuple(entry for entry in self.probes if entry[0] != probe)
        return self if out == self.probes else replace(self, probes=out)

    def summary(self, now: float) -> dict[str, object]:
        """Return the breaker as plain data: state, counts, and its options."""
        return {
            "state": self.state(now),
            "failure_count": self.failures,
            "failure_threshold": self.options.failure_threshold,
            "cooldown": self.options.cooldown,
            "half_open_max_probes": self.options.half_open_probes,
            "half_open_probe_count": len(self._out(now)),
        }

    def _out(self, now: float) -> tuple[tuple[int, float], ...]:
        lifetime = self.options.probe_lifetime
        return tuple(entry for entry in self.probes if now - entry[1] < lifetime)


class Breakers:
    """The breakers of one router, by backend; one owner at a time.

    A backend without a report has a closed breaker. There are never more than backends.

        >>> breakers = Breakers(BreakerOptions(failure_threshold=1))
        >>> breakers.failed("codex", now=0.0)
        >>> breakers.health(now=1.0)
        {'codex': 'down'}
    """

    __slots__ = ("_breakers", "options")

    def __init__(self, options: BreakerOptions | None = None) -> None:
        self.options = options or BreakerOptions()
        self._breakers: dict[str, Breaker] = {}

    def of(self, backend: str) -> Breaker:
        """Return the breaker of the backend."""
        return self._breakers.get(backend) or Breaker(self.options)

    @property
    def silent(self) -> bool:
        """Whether they have nothing to say of any backend: all are closed, without a failure."""
        return not self._breakers

    def health(self, now: float) -> Mapping[str, HealthStatus]:
        """Return what the breakers say at `now`; a backend that is not there is healthy."""
        if not self._breakers:
            return {}
        return {
            backend: breaker.health(now)
            for backend, breaker in self._breakers.items()
            if breaker.opened_at is not None
        }

    def acquire(self, backend: str, now: float) -> int | None:
        """Let one pass to the backend; return its probe's number, as `Breaker.try_acquire`."""
        breaker, probe = self.of(backend).try_acquire(now)
        if probe is not None:
            self._breakers[backend] = breaker
        return probe

    def succeeded(self, backend: str) -> None:
        """Take note of a success of the backend."""
        self._breakers.pop(backend, None)

    def failed(self, backend: str, now: float) -> None:
        """Take note of a failure of the backend."""
        self._breakers[backend] = self.of(backend).failed(now)

    def released(self, backend: str, probe: int | None) -> None:
        """Take note that one passed and nothing was learnt of the backend."""
        if backend in self._breakers:
            self._breakers[backend] = self._breakers[backend].released(probe)

    def summary(self, now: float) -> dict[str, dict[str, object]]:
        """Return every breaker that has something to tell, as plain data."""
        return {name: breaker.summary(now) for name, breaker in sorted(self._breakers.items())}


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
