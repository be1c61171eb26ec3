"""Changes that are in the log before anybody hears of them: one at a time for each key.

    >>> from beam.log import MemoryStore
    >>> from beam.otp import Node
    >>> from beam.state.journal import Journal
    >>> with Node() as node, MemoryStore() as store:
    ...     journal, told = Journal(store, node), []
    ...     writes = Writes(journal, told.append)
    ...     event = journal.event("feedback_submitted", "session_1", seq=1)
    ...     def change():
    ...         return Step((event,), lambda stored: print("stored as", stored[0].sequence))
    ...     writes.submit("session_1", Write(change, failed=print))
    ...     writes.stored(told.pop())
    stored as 1

A change is worked out when its turn comes, from the rows as they are then, and takes effect when
its events are stored; in between no other change of the same key is worked out, so none is lost.
Changes of different keys wait for nobody: the log stores them together. A change of everything
(`submit_alone`) waits for all that are under way, and all others wait for it.

The owner is one process. The log answers on a thread of its own, so the answer comes back to the
owner as mail (`Stored`), which the owner hands to `stored`. At most 1,000 changes of one key wait;
one more is refused with `queue_full` (G19).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from beam.errors import InvalidInput, QueueFull, Refused, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from beam.log import StoredRecord
    from beam.model.events import Event
    from beam.state.journal import Journal

__all__ = ["Step", "Stored", "Write", "Writes"]

# The key of changes that are alone.
_ALONE = ("alone",)


@dataclass(frozen=True, slots=True)
class Step:
    """What a change comes to.

    Attributes:
        events: what the log keeps of it; if there are none, it takes effect at once.
        take: puts it into effect; called by the owner with the events as they are stored.
    """

    events: tuple[Event, ...]
    take: Callable[[list[StoredRecord]], None]


@dataclass(frozen=True, slots=True)
class Write:
    """A change on its way.

    Attributes:
        change: works it out; what it refuses goes to `failed`.
        failed: hears why there is no change: bad input, a refusal, or the log's trouble.
    """

    change: Callable[[], Step]
    failed: Callable[[BaseException], None]


@dataclass(frozen=True, slots=True)
class Stored:
    """The log's answer, as mail to the owner."""

    key: Hashable
    outcome: list[StoredRecord] | BaseException


class Writes:
    """The changes of one owner that are under way, and those that wait for them.

    Args:
        journal: where they are stored.
        tell: sends the owner a message; called on any thread, must not block.
        bound: how many changes of one key may wait.
    """

    def __init__(self, journal: Journal, tell: Callable[[Stored], None], bound: int = 1000) -> None:
        self._journal = journal
        self._tell = tell
        self._bound = bound
        self._under_way: dict[Hashable, tuple[Write, Step]] = {}
        # First a change that is to be alone, waiting or under way; then what came after it.
        self._alone: deque[tuple[Hashable, Write]] = deque()
        # A key is here as long as a change of it is under way, takes effect or waits.
        self._waiting: dict[Hashable, deque[Write]] = {}

    def submit(self, key: Hashable, write: Write) -> None:
        """Make a change as soon as those before it have taken effect; run by the owner."""
        if self._alone:
            self._later(key, write)
            return
        waiting = self._waiting.get(key)
        if waiting is None:
            self._waiting[key] = deque((write,))
            self._go_on(key)
        elif len(waiting) >= self._bound:
            write.failed(QueueFull(queue="state.writes", key=key, bound=self._bound))
        else:
            waiting.append(write)

    def submit_alone(self, write: Write) -> None:
        """Make a change while no other is under way, of whatever key; run by the owner.

        For a change of everything: what was submitted before it takes effect before it, and what
        comes after it is worked out from what it left.
        """
        self._alone.append((_ALONE, write))
        self._go_on_alone()

    def _later(self, key: Hashable, write: Write) -> None:
        if len(self._alone) > self._bound:
            write.failed(QueueFull(queue="state.writes", key=key, bound=self._bound))
        else:
            self._alone.append((key, write))

    def _go_on_alone(self) -> None:
        """Begin what is to be alone, if it is; behind it, let go on what came later."""
        while self._alone and not self._waiting:
            key, write = self._alone[0]
            if key == _ALONE:
                self._waiting[key] = deque((write,))
                self._go_on(key)
                if key in self._waiting:
                    return
                self._alone.popleft()
                continue
            # Those up to the next that is to be alone, as if they came now.
            later, self._alone = self._alone, deque()
            while later and later[0][0] != _ALONE:
                self.submit(*later.popleft())
            later.extend(self._alone)
            self._alone = later

    def stored(self, message: Stored) -> None:
        """Take the log's answer, and go on with the next change of that key; run by the owner."""
        write, step = self._under_way.pop(message.key)
        if isinstance(message.outcome, BaseException):
            write.failed(message.outcome)
        else:
            step.take(message.outcome)
        self._go_on(message.key)
        if self._alone:
            if message.key == _ALONE:
                self._alone.popleft()
            self._go_on_alone()

    def _go_on(self, key: Hashable) -> None:
        waiting = self._waiting[key]
        while waiting and key not in self._under_way:
            self._begin(key, waiting.popleft())
        if not waiting and key not in self._under_way:
            del self._waiting[key]

    def _begin(self, key: Hashable, write: Write) -> None:
        try:
            step = write.change()
            if step.events:
                self._under_way[key] = (write, step)
                self._journal.append(step.events, lambda outcome: self._tell(Stored(key, outcome)))
        except (Refused, InvalidInput, StoreError) as error:
            self._under_way.pop(key, None)
            write.failed(error)
        else:
            if not step.events:
                step.take([])
