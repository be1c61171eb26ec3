"""The changes of the store: by what a session is now, what is to be logged, or why nothing is.

    >>> from beam.state.store_state import StoreState
    >>> registered({"adapter": "claude"})(StoreState("s"))
    [Draft(kind='session_registered', data={'meta': {'adapter': 'claude'}})]
    >>> unshared()(StoreState("s"))
    Traceback (most recent call last):
    beam.errors.NotFound: not_found: session_id='s'

Each function checks its arguments where it is called, and returns the change for the owner to make.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from beam.errors import AlreadyExists, InvalidInput, NotFound
from beam.model.events import message_data
from beam.state.plain import plain_copy, text
from beam.state.stored_session import OWN, Segment, StoredSession, segments_data

if TYPE_CHECKING:
    from beam.model.events import EventType
    from beam.model.messages import Message
    from beam.state.ranges import Ranges
    from beam.state.store_state import StoreState
    from beam.state.stored_thread import StoredThread

__all__ = [
    "Change",
    "Draft",
    "deleted",
    "forked",
    "recorded",
    "registered",
    "reverted",
    "session_in",
    "shared",
    "summarized",
    "thread_activated",
    "thread_changed",
    "thread_deleted",
    "thread_forked",
    "thread_in",
    "thread_rolled_back",
    "thread_started",
    "unreverted",
    "unshared",
    "updated",
]


@dataclass(frozen=True, slots=True)
class Draft:
    """An event that is to be logged: its type, and its data."""

    kind: EventType
    data: Mapping[str, Any] = field(default_factory=dict)


Change: TypeAlias = "Callable[[StoreState], Sequence[Draft]]"
"""What is to be logged of a session as it is."""

_META = ("adapter", "model", "cwd")


def session_in(state: StoreState) -> StoredSession:
    """Return the record of a session.

    Raises:
        NotFound: there is none.
    """
    if state.session is None:
        raise NotFound(session_id=state.session_id)
    return state.session


def thread_in(state: StoreState, thread_id: str) -> StoredThread:
    """Return the record of a thread.

    Raises:
        NotFound: there is none.
    """
    found = state.threads.get(thread_id)
    if found is None:
        raise NotFound(session_id=state.session_id, thread_id=thread_id)
    return found


# Sessions


def registered(meta: Mapping[str, Any]) -> Change:
    """Enter a session that is not known; one that is stays as it is.

    Args:
        meta: `adapter`, `model`, `cwd`, `extra`, and `created_at` in Unix milliseconds.
    """
    known = _checked_meta("meta", meta, "created_at")
    return lambda state: (
        [] if state.session is not None else [Draft("session_registered", {"meta": known})]
    )


def updated(changes: Mapping[str, Any]) -> Change:
    """Put `adapter`, `model`, `cwd` or keys of `extra` in place of what is told."""
    known = _checked_meta("changes", changes)
    return lambda state: [Draft("session_updated", {"changes": known})]


def recorded(messages: Sequence[Message]) -> Change:
    """Record messages, in their order; each belongs to the thread that it names, if to any."""
    return lambda state: [Draft("message", message_data(one)) for one in messages]


def deleted() -> Change:
    """Forget a session's record; one that is not known is forgotten already."""
    return lambda state: [] if state.session is None else [Draft("session_deleted")]


def forked(parent: StoredSession, base: Sequence[Segment], extra: Mapping[str, Any]) -> Change:
    """Enter a session with messages of another.

    Args:
        parent: the other.
        base: the messages.
        extra: put over the parent's own notes.

    Raises (the change):
        AlreadyExists: there is such a session.
    """
    told = parent.meta
    notes = {name: value for name, value in told.extra.items() if name not in OWN}
    meta = {name: getattr(told, name) for name in _META}
    data = {
        "parent_session_id": told.session_id,
        "meta": {**meta, "extra": {**notes, **_checked_extra(extra)}},
        "base": segments_data(tuple(base)),
    }

    def change(state: StoreState) -> Sequence[Draft]:
        if state.session is not None:
            raise AlreadyExists(session_id=state.session_id)
        return [Draft("session_forked", data)]

    return change


def reverted(count: int, selector: Mapping[str, Any], epoch: int) -> Change:
    """Hide what is behind the first `count` messages.

    Args:
        count: of all messages, hidden ones as well.
        selector: how the caller said it.
        epoch: `after` of the record that it was said of.

    Raises (the change):
        NotFound: there is no such record any more.
    """
    data = {"count": count, "selector": dict(selector)}

    def change(state: StoreState) -> Sequence[Draft]:
        if session_in(state).after != epoch:
            raise NotFound(session_id=state.session_id)
        return [Draft("session_reverted", data)]

    return change


def unreverted() -> Change:
    """Show all messages again."""
    return _of_known(Draft("session_unreverted"))


def shared(share_id: str) -> Change:
    """Share a session under a name, in place of one that it had."""
    return _of_known(Draft("session_shared", {"share_id": text("share_id", share_id)}))


def unshared() -> Change:
    """Revoke the share.

    Raises (the change):
        NotFound: there is no such session, or it was never shared.
    """

    def change(state: StoreState) -> Sequence[Draft]:
        if "share" not in session_in(state).meta.extra:
            raise NotFound(session_id=state.session_id, share=None)
        return [Draft("session_unshared")]

    return change


def summarized(summary: Mapping[str, Any]) -> Change:
    """Keep a summary."""
    return _of_known(Draft("session_summarized", {"summary": dict(summary)}))


def _of_known(draft: Draft) -> Change:
    def change(state: StoreState) -> Sequence[Draft]:
        session_in(state)
        return [draft]

    return change


# Threads


def thread_started(thread_id: str, name: str | None, metadata: Mapping[str, Any]) -> Change:
    """Start a thread, in place of one of this id, and make it the active one."""
    data = {"thread_id": thread_id, "name": name, "metadata": plain_copy("metadata", metadata)}
    return lambda state: [Draft("thread_started", data)]


def thread_forked(
    source: StoredThread,
    thread_id: str,
    base: Ranges,
    count: int,
    *,
    name: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    parent: str | None = None,
) -> Change:
    """Start a thread with messages of another, and make it the active one.

    Raises (the change):
        AlreadyExists: there is such a thread.
        NotFound: the other is not there any more.
    """
    told = source.told
    data = {
        "thread_id": thread_id,
        "name": name,
        "metadata": plain_copy("metadata", told.metadata if metadata is None else metadata),
        "parent_thread_id": parent or told.thread_id,
        "base": base,
        "count": count,
    }

    def change(state: StoreState) -> Sequence[Draft]:
        thread_in(state, told.thread_id)
        if thread_id in state.threads:
            raise AlreadyExists(session_id=state.session_id, thread_id=thread_id)
        return [Draft("thread_started", data)]

    return change


def thread_changed(thread_id: str, *, activate: bool = False, **fields: Any) -> Change:
    """Set fields of a thread, and make it the active one if `activate` is true.

    Raises (the change):
        NotFound: there is no such thread.
    """

    def change(state: StoreState) -> Sequence[Draft]:
        told, new = thread_in(state, thread_id).told, dict(fields)
        if "metadata" in new:
            new["metadata"] = {**told.metadata, **new["metadata"]}
        data = {"thread_id": thread_id, "fields": new, "activate": activate}
        return [Draft("thread_changed", data)]

    return change


def thread_rolled_back(thread_id: str, visible: Callable[[StoredThread], int]) -> Change:
    """Hide the newest messages of a thread.

    Args:
        thread_id: the thread.
        visible: says how many of its messages stay visible.

    Raises (the change):
        NotFound: there is no such thread.
    """

    def change(state: StoreState) -> Sequence[Draft]:
        count = visible(thread_in(state, thread_id))
        return [Draft("thread_rolled_back", {"thread_id": thread_id, "visible": count})]

    return change


def thread_deleted(thread_id: str) -> Change:
    """Forget a thread; one that is not known is forgotten already. Its messages stay."""
    draft = Draft("thread_deleted", {"thread_id": thread_id})
    return lambda state: [draft] if thread_id in state.threads else []


def thread_activated(thread_id: str | None, *, only: str | None = None) -> Change:
    """Make a thread the active one, or none; `only` if another is it now."""
    draft = Draft("thread_activated", {"thread_id": thread_id})
    return lambda state: [] if only not in (None, state.active) else [draft]


# Checks


def _checked_meta(name: str, meta: object, *more: str) -> dict[str, Any]:
    if not isinstance(meta, Mapping):
        raise InvalidInput(name, type(meta).__name__, "a mapping")
    known = (*_META, "extra", *more)
    for key, value in meta.items():
        if key not in known:
            raise InvalidInput(name, key, f"keys among {', '.join(known)}")
        if key in _META and value is not None:
            text(f"{name}.{key}", value)
    found: dict[str, Any] = plain_copy(name, meta)
    at = found.get("created_at")
    if at is not None and (type(at) is not int or at < 0):
        raise InvalidInput(f"{name}.created_at", at, "Unix milliseconds")
    if "extra" in found:
        found["extra"] = _checked_extra(found["extra"])
    return found


def _checked_extra(extra: object) -> dict[str, Any]:
    if not isinstance(extra, Mapping):
        raise InvalidInput("extra", type(extra).__name__, "a mapping")
    for key in extra:
        if key in OWN:
            raise InvalidInput("extra", key, "keys that are not the store's own")
    copied: dict[str, Any] = plain_copy("extra", extra)
    return copied
