"""The port behind which processes get their turns: who runs when, and how one waits.

Nothing else in `beam.otp` starts a thread, blocks one, or asks what the time is. Three
implementations are meant: the pool (`beam.otp.pool`), a thread for each process, and the
simulation, which runs one process at a time on virtual time. A process that waits says so through
a `Parker`, so that a scheduler may hand its turn on, grow, or find that nobody can go on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType

    from beam.otp.control import Control

__all__ = ["Cell", "Parker", "Scheduler", "take_back"]

# Holds, as its last item, what will run, until it runs or is cancelled.
Cell: TypeAlias = "list[Any]"


def take_back(cell: Cell, action: object) -> bool:
    """Take `action` out of the cell, to run or to cancel it; return whether it was there.

    One step to the interpreter, so that one of two that race has it, without a lock.
    """
    try:
        cell.remove(action)
    except ValueError:
        return False
    return True


class Parker(Protocol):
    """A place where one context waits until another lets it go on. Used once."""

    def park(self, deadline: float | None) -> bool:
        """Wait until `unpark`, or until the clock reads `deadline` (seconds); `None` waits on.

        Returns:
            Whether it was unparked, rather than too late.
        """
        ...

    def unpark(self) -> None:
        """Let the waiting context go on; may come before `park`, and more than once."""
        ...


class Scheduler(Protocol):
    """What a node needs of whoever runs its processes.

    Attributes:
        messages: how many messages a process handles before others get their turn.
        running: the processes that have their turn now; those that wait in calls, too.
        own_threads: whether each process runs in a context of its own, whatever it declares.
        simulated: whether all run on one thread, while it waits in there: an event loop that waits
            on it would wait for ever.
    """

    messages: int
    running: dict[Control, object]
    own_threads: bool
    simulated: bool

    def submit(self, control: Control) -> None:
        """Take a process that has something to do and whose turn the caller has claimed."""
        ...

    def parker(self, control: Control | None) -> Parker:
        """Return a place to wait for `control`, or for code outside any process.

        Raises:
            PoolExhausted: if waiting here would leave nobody to run anybody.
        """
        ...

    def start_thread(self, name: str, main: Callable[[], None]) -> None:
        """Run `main` in a context of its own, for a process that declares blocking work."""
        ...

    def call_at(self, when: float, action: Callable[[], None], *, background: bool = False) -> Cell:
        """Run `action` when the clock reads `when` (seconds); it must be short and never block.

        Args:
            when: the time.
            action: what to run, by whoever keeps the time.
            background: whether it only looks on, as an alarm does: virtual time does not go on
                for its sake, and a deadlock is one although it is set.

        Returns:
            The cell that holds it: to cancel it, `take_back(cell, action)`.
        """
        ...

    def frames(self) -> Iterable[FrameType]:
        """Return where each context stands, by its innermost frame; for those who look on."""
        ...

    def abandon(self, control: Control) -> None:
        """Give up the thread on which `control` hangs: it no longer counts, and ends if it can."""
        ...

    def stop(self) -> None:
        """End the threads that are idle, and take no more work."""
        ...
