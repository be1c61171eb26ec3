"""A thread of a session as the store knows it: a named part of the session's messages.

    >>> thread = StoredThread.new("s", "t", 1, at=1000)
    >>> for at in (1001, 1002, 1003):
    ...     thread = thread.recorded(at=at)
    >>> thread = thread.rolled_back(2, at=1004).recorded(at=1005)
    >>> thread.told.message_count, thread.told.visible_message_count, thread.hidden
    (4, 3, ((2, 3),))

A rollback hides the newest messages that there are; what is recorded later is visible, and what was
hidden stays so. A fork of a thread refers to the messages that it was forked with, and copies none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from beam.state.ranges import Ranges, add, nth_outside, ranges_of

__all__ = ["THREAD_STATUSES", "StoredThread", "Thread", "ThreadStatus"]

ThreadStatus = Literal["active", "paused", "completed", "archived"]
"""How a thread stands."""

THREAD_STATUSES: tuple[ThreadStatus, ...] = get_args(ThreadStatus)
"""Every status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """What is told of a thread.

    Attributes:
        thread_id: its name in its session.
        session_id: the session.
        name: what people call it; the id, unless it was given another.
        metadata: the caller's own notes.
        created_at: when it was started. All times are Unix milliseconds.
        updated_at: when a message was recorded or something here was changed last.
        message_count: how many messages it has, hidden ones as well.
        visible_message_count: how many of them no rollback hides.
        status: how it stands.
        archived: whether it is archived.
        archived_at: when it was archived last.
        parent_thread_id: what it was forked from.
    """

    thread_id: str
    session_id: str
    name: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    created_at: int
    updated_at: int
    message_count: int = 0
    visible_message_count: int = 0
    status: ThreadStatus = "active"
    archived: bool = False
    archived_at: int | None = None
    parent_thread_id: str | None = None


@dataclass(frozen=True, slots=True)
class StoredThread:
    """The record of one thread; each change returns the next.

    Attributes:
        told: what is told of it.
        after: the sequence in the session's part of the log after which messages are its own.
        base: the sequences there between which the messages are that it was forked with.
        hidden: which messages a rollback hides, counted from 0 over all of the thread's.
    """

    told: Thread
    after: int
    base: Ranges = ()
    hidden: Ranges = ()

    @classmethod
    def new(
        cls,
        session_id: str,
        thread_id: str,
        after: int,
        *,
        at: int,
        base: Ranges = (),
        count: int = 0,
        **known: Any,
    ) -> StoredThread:
        """Return the record of a new thread.

        Args:
            session_id: its session.
            thread_id: its name.
            after: the sequence after which its messages begin.
            at: now, in Unix milliseconds.
            base: what it was forked with.
            count: how many messages that are.
            known: its name, its metadata and its parent, by the fields of `Thread`.
        """
        told = Thread(
            thread_id=thread_id,
            session_id=session_id,
            name=known.pop("name", None) or thread_id,
            created_at=at,
            updated_at=at,
            message_count=count,
            visible_message_count=count,
            **known,
        )
        return cls(told, after, base)

    def recorded(self, *, at: int) -> StoredThread:
        """Count one message more."""
        told = replace(
            self.told,
            updated_at=at,
            message_count=self.told.message_count + 1,
            visible_message_count=self.told.visible_message_count + 1,
        )
        return StoredThread(told, self.after, self.base, self.hidden)

    def rolled_back(self, visible: int, *, at: int) -> StoredThread:
        """Hide every message behind the first `visible` that are not hidden."""
        visible = min(visible, self.told.visible_message_count)
        first = nth_outside(self.hidden, visible)
        told = replace(self.told, visible_message_count=visible, updated_at=at)
        hidden = add(self.hidden, first, self.told.message_count)
        return StoredThread(told, self.after, self.base, hidden)

    def changed(self, *, at: int, **fields: Any) -> StoredThread:
        """Set fields of what is told."""
        return replace(self, told=replace(self.told, updated_at=at, **fields))

    def emptied(self, after: int) -> StoredThread:
        """Forget the messages, those up to a sequence: their session has been deleted."""
        told = replace(self.told, message_count=0, visible_message_count=0)
        return StoredThread(told, after)

    # As JSON data

    def as_data(self) -> list[Any]:
        """Return the record as JSON data."""
        told = self.told
        return [
            [told.thread_id, told.session_id, told.name, dict(told.metadata), told.created_at,
             told.updated_at, told.message_count, told.visible_message_count, told.status,
             told.archived, told.archived_at, told.parent_thread_id],
            self.after, self.base, self.hidden,
        ]  # fmt: skip

    @classmethod
    def of(cls, data: Any) -> StoredThread:
        """Return the record that `as_data` made the data of."""
        told, after, base, hidden = data
        names = ("thread_id", "session_id", "name", "metadata", "created_at", "updated_at",
                 "message_count", "visible_message_count", "status", "archived", "archived_at",
                 "parent_thread_id")  # fmt: skip
        thread = Thread(**dict(zip(names, told, strict=True)))
        return cls(thread, after, ranges_of("base", base), ranges_of("hidden", hidden))
