"""The report of a stop: how many processes ended, and who would not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from beam.otp.ref import Ref

__all__ = ["StopReport", "Straggler"]


class Straggler(NamedTuple):
    """One that did not end when it was told to.

    Attributes:
        process: its ref.
        granted: how many seconds it had, after it was told; 0.0 if the time was over before.
        stack: where its handler stands, innermost line last; empty if that cannot be had.
    """

    process: Ref[Any]
    granted: float
    stack: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StopReport:
    """How a tree, or a node, has stopped.

    Attributes:
        within: the seconds that it had; `None` if it had no limit as a whole.
        took: the seconds that it took.
        ended: how many processes ended when they were told to.
        slowest: those of them that took longest, with the seconds, longest first; ten at most.
        killed: those that had to be killed.
        given_up: those that did not come out of their handlers then either: they are dead for
            everyone, and their threads are lost until they do (G9).
    """

    within: float | None
    took: float
    ended: int
    slowest: tuple[tuple[Ref[Any], float], ...] = ()
    killed: tuple[Straggler, ...] = ()
    given_up: tuple[Straggler, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether all ended when they were told to."""
        return not (self.killed or self.given_up)

    def __str__(self) -> str:
        counts = f"{self.ended} ended, {len(self.killed)} killed, {len(self.given_up)} given up"
        limit = f" of {self.within:g}" if self.within is not None else ""
        lines = [f"stopped in {self.took:.1f}{limit} s: {counts}"]
        for what, stragglers in (("killed", self.killed), ("given up", self.given_up)):
            for one in stragglers:
                lines.append(f"{what} after {one.granted:.1f} s: {one.process}")
                lines += [f"    {line}" for line in one.stack]
        return "\n".join(lines)
