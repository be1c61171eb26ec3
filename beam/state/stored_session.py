"""A session as the store knows it: what is told of it, and which messages are its own.

    >>> session = StoredSession.new("s", 1, at=1000, adapter="claude")
    >>> for at in (1001, 1002, 1003):
    ...     session = session.recorded(at=at, model=None)
    >>> session = session.reverted(2, {"visible_message_count": 2}, at=1004)
    >>> session = session.recorded(at=1005, model="opus")
    >>> session.meta.message_count, session.visible_count, session.hidden
    (4, 3, ((2, 3),))

A revert hides the messages that there are behind its boundary, and none that come later; what an
earlier one hid before the boundary stays hidden, unless the boundary lies in it. A fork has the
messages of other sessions before its own, and copies none of them: they stay where they are in the
log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from beam.state.ranges import Ranges, add, ranges_of, size

__all__ = ["OWN", "Segment", "SessionMeta", "StoredSession"]

OWN = frozenset({"fork", "view", "share", "summary"})
"""The keys of `SessionMeta.extra` that only the store's own functions set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionMeta:
    """What is told of a session.

    Attributes:
        session_id: its name.
        adapter: the backend it runs on.
        model: the model that spoke last, if one has said its name.
        cwd: the directory it works in.
        created_at: when it was first heard of. All times are Unix milliseconds.
        updated_at: when a message was recorded or something here was changed last.
        message_count: how many messages it has, hidden ones as well.
        extra: what else was noted; `fork`, `view`, `share` and `summary` are the store's own.
    """

    session_id: str
    adapter: str | None = None
    model: str | None = None
    cwd: str | None = None
    created_at: int
    updated_at: int
    message_count: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Segment:
    """Messages that a fork has of another session.

    Attributes:
        stream: the session in whose part of the log they are.
        ranges: the sequences there between which every message is meant.
        count: how many messages that are.
    """

    stream: str
    ranges: Ranges
    count: int


@dataclass(frozen=True, slots=True)
class StoredSession:
    """The record of one session; each change returns the next.

    Attributes:
        meta: what is told of it.
        after: the sequence in the session's part of the log after which messages are its own.
        base: the messages that it was forked with.
        hidden: which messages its view hides, counted from 0 over all.
    """

    meta: SessionMeta
    after: int
    base: tuple[Segment, ...] = ()
    hidden: Ranges = ()

    @classmethod
    def new(
        cls,
        session_id: str,
        after: int,
        *,
        at: int,
        base: tuple[Segment, ...] = (),
        **known: Any,
    ) -> StoredSession:
        """Return the record of a session that was not known before.

        Args:
            session_id: its name.
            after: the sequence after which its messages begin.
            at: now, in Unix milliseconds.
            base: what it was forked with.
            known: what is known of it, by the fields of `SessionMeta`.
        """
        count = sum(one.count for one in base)
        created_at = known.pop("created_at", None) or at
        meta = SessionMeta(
            session_id=session_id,
            created_at=created_at,
            updated_at=at,
            message_count=count,
            **known,
        )
        return cls(meta, after, base)

    @property
    def visible_count(self) -> int:
        """How many messages its view shows."""
        return self.meta.message_count - size(self.hidden)

    def recorded(self, *, at: int, model: str | None, count: int = 1) -> StoredSession:
        """Count one message more, or several, the last of which is of this time."""
        known = self.meta
        meta = SessionMeta(
            session_id=known.session_id,
            adapter=known.adapter,
            model=known.model if model is None else model,
            cwd=known.cwd,
            created_at=known.created_at,
            updated_at=at,
            message_count=known.message_count + count,
            extra=known.extra,
        )
        return StoredSession(meta, self.after, self.base, self.hidden)

    def updated(self, changes: Mapping[str, Any], *, at: int) -> StoredSession:
        """Put `changes` over what is told; those of `extra` key by key."""
        others = dict(changes)
        extra = {**self.meta.extra, **(others.pop("extra", None) or {})}
        return replace(self, meta=replace(self.meta, **others, extra=extra, updated_at=at))

    def reverted(self, count: int, selector: Mapping[str, Any], *, at: int) -> StoredSession:
        """Hide every message behind the first `count` of all."""
        total = self.meta.message_count
        count = min(count, total)
        before = tuple(one for one in self.hidden if one[1] < count)
        view = {"visible_message_count": count, "reverted_at": at, "selector": dict(selector)}
        shown = self.updated({"extra": {"view": view}}, at=at)
        return replace(shown, hidden=add(before, count, total))

    def unreverted(self, *, at: int) -> StoredSession:
        """Show every message again."""
        return replace(self.without("view", at=at), hidden=())

    def without(self, key: str, *, at: int) -> StoredSession:
        """Forget one of the store's own notes."""
        extra = {name: value for name, value in self.meta.extra.items() if name != key}
        return replace(self, meta=replace(self.meta, extra=extra, updated_at=at))

    def noted(self, key: str, value: Mapping[str, Any], *, at: int) -> StoredSession:
        """Set one of the store's own notes."""
        return self.updated({"extra": {key: dict(value)}}, at=at)

    # As JSON data

    def as_data(self) -> list[Any]:
        """Return the record as JSON data."""
        meta = self.meta
        told = [
            meta.session_id, meta.adapter, meta.model, meta.cwd, meta.created_at,
            meta.updated_at, meta.message_count, dict(meta.extra),
        ]  # fmt: skip
        return [told, self.after, segments_data(self.base), self.hidden]

    @classmethod
    def of(cls, data: Any) -> StoredSession:
        """Return the record that `as_data` made the data of."""
        told, after, base, hidden = data
        session_id, adapter, model, cwd, created_at, updated_at, count, extra = told
        meta = SessionMeta(
            session_id=session_id,
            adapter=adapter,
            model=model,
            cwd=cwd,
            created_at=created_at,
            updated_at=updated_at,
            message_count=count,
            extra=extra,
        )
        return cls(meta, after, segments_of(base), ranges_of("hidden", hidden))


def segments_data(base: tuple[Segment, ...]) -> list[Any]:
    """Return segments as JSON data."""
    return [[one.stream, one.ranges, one.count] for one in base]


def segments_of(data: Any) -> tuple[Segment, ...]:
    """Return the segments that JSON data stands for."""
    return tuple(
        Segment(stream, ranges_of("ranges", ranges), count) for stream, ranges, count in data
    )
