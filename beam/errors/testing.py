"""What the test kit and the simulation say of a run."""

from __future__ import annotations

from typing import Any

from beam.errors.root import BeamError, shown

__all__ = [
    "Deadlock",
    "InjectedCrash",
    "Livelock",
    "NotSettled",
    "NotSimulated",
    "SimulationError",
    "Violation",
]


class SimulationError(BeamError):
    """A run of the test kit did not go as it must."""


class NotSimulated(SimulationError):
    """Code in a simulation reached for a real thread, socket or clock.

    Attributes:
        what: what it reached for.
        instead: what to use.
    """

    reason: Any = "not_simulated"

    def __init__(self, what: str, instead: str) -> None:
        super().__init__(f"{what} is real, and this is a simulation; use {instead}")
        self.what = what
        self.instead = instead


class NotSettled(SimulationError):
    """The processes did not come to rest in time.

    Attributes:
        busy: the refs of those that are not at rest.
        seconds: what they were given, on the node's clock.
    """

    reason: Any = "not_settled"

    def __init__(self, busy: tuple[Any, ...], seconds: float) -> None:
        names = ", ".join(str(ref) for ref in busy[:20])
        more = f" and {len(busy) - 20} more" if len(busy) > 20 else ""
        super().__init__(f"not at rest after {seconds} s: {names or 'the condition'}{more}")
        self.busy = busy
        self.seconds = seconds


class Deadlock(SimulationError):
    """Nothing can run, no timer is left, and somebody waits.

    Attributes:
        paths: for each process that waits, the refs from it to the one that will never answer;
            `None` stands for what is no process.
    """

    reason: Any = "deadlock"

    def __init__(self, paths: tuple[tuple[Any, ...], ...]) -> None:
        shown_paths = "; ".join(
            " -> ".join(str(ref) if ref is not None else "nobody" for ref in path) for path in paths
        )
        super().__init__(f"nothing can run: {shown_paths}")
        self.paths = paths


class Livelock(SimulationError):
    """Processes went on and on, and time stood still.

    Attributes:
        steps: how many turns were taken at one time.
    """

    reason: Any = "livelock"

    def __init__(self, steps: int, last: tuple[str, ...]) -> None:
        super().__init__(f"{steps} turns without an end; the last: {'; '.join(last)}")
        self.steps = steps


class Violation(SimulationError):
    """Something was seen that must never be (safety).

    Attributes:
        name: what was promised.
        seen: what was seen.
    """

    reason: Any = "violation"

    def __init__(self, name: str, seen: Any) -> None:
        super().__init__(f"{name}: {shown(seen)}")
        self.name = name
        self.seen = seen


class InjectedCrash(BeamError):
    """The crash that a simulation put into a process.

    Attributes:
        where: `"before"`, `"in"` or `"after"` a handler, or `"start"`.
    """

    reason: Any = "injected_crash"

    def __init__(self, where: str) -> None:
        super().__init__(f"injected {where}")
        self.where = where
