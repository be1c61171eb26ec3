"""What the store has of one session, folded from the session's part of the log.

    >>> from beam.model import Event
    >>> def event(sequence, kind, **data):
    ...     return Event(id=f"e{sequence}", type=kind, session_id="s", timestamp=sequence,
    ...                  sequence=sequence, data=data)
    >>> state = StoreState("s")
    >>> for one in (
    ...     event(1, "session_started", backend="claude", cwd="/repo"),
    ...     event(2, "thread_started", thread_id="t"),
    ...     event(3, "message", message={"type": "text", "content": "Hi", "thread_id": "t"}),
    ...     event(3, "message", message={"type": "text", "content": "Hi", "thread_id": "t"}),
    ... ):
    ...     state = after(state, one)
    >>> state.session.meta.message_count, state.threads["t"].told.message_count, state.active
    (1, 1, 't')

An event that was taken is not taken again, so whoever has a state and the log can bring it up to
date, as often as he likes and wherever he is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from beam.state.journal import event_of
from beam.state.ranges import ranges_of
from beam.state.stored_session import StoredSession, segments_of
from beam.state.stored_thread import StoredThread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from beam.log import StoredRecord
    from beam.model.events import Event, EventType

__all__ = ["STORE_TYPES", "StoreState", "after", "folded"]


@dataclass(frozen=True, slots=True)
class StoreState:
    """Everything that the store has of one session.

    Attributes:
        session_id: the session.
        session: its record; `None` if there is none, or it was deleted.
        threads: its threads by id; they outlive the record.
        active: the thread to which what is said belongs.
        sequence: of the last event that was taken.
    """

    session_id: str
    session: StoredSession | None = None
    threads: Mapping[str, StoredThread] = field(default_factory=dict)
    active: str | None = None
    sequence: int = 0

    def as_data(self) -> list[Any]:
        """Return the state as JSON data."""
        session = None if self.session is None else self.session.as_data()
        threads = [one.as_data() for one in self.threads.values()]
        return [self.session_id, session, threads, self.active, self.sequence]

    @classmethod
    def of(cls, data: Any) -> StoreState:
        """Return the state that `as_data` made the data of."""
        session_id, session, threads, active, sequence = data
        known = [StoredThread.of(one) for one in threads]
        return cls(
            session_id,
            None if session is None else StoredSession.of(session),
            {one.told.thread_id: one for one in known},
            active,
            sequence,
        )


def folded(state: StoreState, records: Iterable[StoredRecord]) -> StoreState:
    """Return the state after records of the session, of any type, in the order of the log."""
    counted: list[StoredRecord] = []
    for stored in records:
        if stored.sequence <= state.sequence or stored.type not in _FOLDS:
            continue
        if stored.type == "message" and not _says_more(stored.body):
            # Most messages are but counted, and need not be decoded for that.
            counted.append(stored)
            continue
        state = after(_counted(state, counted), event_of(stored))
        counted = []
    return _counted(state, counted)


def _counted(state: StoreState, messages: Sequence[StoredRecord]) -> StoreState:
    """Return the state after messages that are but counted."""
    if not messages:
        return state
    first, last = messages[0], messages[-1]
    session = state.session or StoredSession.new(
        state.session_id, first.sequence - 1, at=int(first.timestamp)
    )
    session = session.recorded(at=int(last.timestamp), model=None, count=len(messages))
    return replace(state, session=session, sequence=last.sequence)


def after(state: StoreState, event: Event) -> StoreState:
    """Return the state after one event more, of one of `STORE_TYPES`."""
    if event.sequence <= state.sequence:
        return state
    return _FOLDS[event.type](state, event.sequence, event.timestamp, event.data)


def _says_more(body: str | bytes) -> bool:
    return isinstance(body, bytes) or '"model":' in body or '"thread_id":' in body


def _message(state: StoreState, sequence: int, at: int, data: Mapping[str, Any]) -> StoreState:
    message = data.get("message") or {}
    session = state.session or StoredSession.new(state.session_id, sequence - 1, at=at)
    session = session.recorded(at=at, model=_model_of(message))
    threads = state.threads
    thread_id = message.get("thread_id")
    if thread_id is not None and thread_id in threads:
        threads = {**threads, thread_id: threads[thread_id].recorded(at=at)}
    return StoreState(state.session_id, session, threads, state.active, sequence)


def _model_of(message: Mapping[str, Any]) -> str | None:
    info = message.get("system_info")
    for model in (info.get("model") if isinstance(info, Mapping) else None, message.get("model")):
        if isinstance(model, str) and model:
            return model
    return None


# Sessions


def _started(state: StoreState, sequence: int, at: int, data: Mapping[str, Any]) -> StoreState:
    known = {"adapter": data.get("backend"), "cwd": data.get("cwd"), "model": data.get("model")}
    return _new(state, sequence, at, {name: value or None for name, value in known.items()})


def _registered(state: StoreState, sequence: int, at: int, data: Mapping[str, Any]) -> StoreState:
    return _new(state, sequence, at, data.get("meta") or {})


def _forked(state: StoreState, sequence: int, at: int, data: Mapping[str, Any]) -> StoreState:
    meta = dict(data["meta"])
    fork = {"parent_session_id": data["parent_session_id"], "forked_at": at}
    meta["extra"] = {**(meta.get("extra") or {}), "fork": fork}
    return _new(state, sequence, at, meta, segments_of(data["base"]))


def _new(
    state: StoreState, sequence: int, at: int, known: Mapping[str, Any], base: Any = ()
) -> StoreState:
    if state.session is not None:
        return replace(state, sequence=sequence)
    session = StoredSession.new(state.session_id, sequence, at=at, base=base, **known)
    return replace(state, session=session, sequence=sequence)


def _updated(state: StoreState, sequence: int, at: int, data: Mapping[str, Any]) -> StoreState:
    session = state.session or StoredSession.new(state.session_id, sequence, at=at)
    session = session.updated(data["changes"], at=at)
    return replace(state, session=session, sequence=sequence)


def _deleted(state: StoreState, sequence: int, at: int, data: Mapping[str, Any]) -> StoreState:
    threads = {key: one.emptied(sequence) for key, one in state.threads.items()}
    return replace(state, session=None, threads=threads, sequence=sequence)


def _of_session(
    change: Callable[[StoredSession, int, Mapping[str, Any]], StoredSession],
) -> _Fold:
    """Make a fold of a change of the record; where there is none, nothing changes."""

    def fold(state: StoreState, sequence: int, at: int, data: Mapping[str, Any]) -> StoreState:
        session = None if state.session is None else change(state.session, at, data)
        return replace(state, session=session, sequence=sequence)

    return fold


def _reverted(session: StoredSession, at: int, data: Mapping[str, Any]) -> StoredSession:
    return session.reverted(int(data["count"]), data["selector"], at=at)


def _unreverted(session: StoredSession, at: int, data: Mapping[str, Any]) -> StoredSession:
    return session.unreverted(at=at)


def _shared(session: StoredSession, at: int, data: Mapping[str, Any]) -> StoredSession:
    share = {
        "share_id": data["share_id"],
        "session_id": session.meta.session_id,
        "created_at": at,
        "status": "active",
    }
    return session.noted("share", share, at=at)


def _unshared(session: StoredSession, at: int, data: Mapping[str, Any]) -> StoredSession:
    share = session.meta.extra.get("share")
    if share is None:
        return session
    return session.noted("share", {**share, "status": "revoked", "revoked_at": at}, at=at)


def _summarized(session: StoredSession, at: int, data: Mapping[str, Any]) -> StoredSession:
    return session.noted("summary", {**data["summary"], "generated_at": at}, at=at)


# Threads


def _thread_started(
    state: StoreState, sequence: int, at: int, data: Mapping[str, Any]
) -> StoreState:
    thread_id = data["thread_id"]
    thread = StoredThread.new(
        state.session_id,
        thread_id,
        sequence,
        at=at,
        base=ranges_of("base", data.get("base") or ()),
        count=int(data.get("count") or 0),
        name=data.get("name"),
        metadata=data.get("metadata") or {},
        parent_thread_id=data.get("parent_thread_id"),
    )
    # The newest comes last, also one that has the id of another before it.
    others = {key: one for key, one in state.threads.items() if key != thread_id}
    threads = {**others, thread_id: thread}
    return replace(state, threads=threads, active=thread_id, sequence=sequence)


def _thread_deleted(
    state: StoreState, sequence: int, at: int, data: Mapping[str, Any]
) -> StoreState:
    gone = data["thread_id"]
    threads = {key: one for key, one in state.threads.items() if key != gone}
    active = None if state.active == gone else state.active
    return replace(state, threads=threads, active=active, sequence=sequence)


def _activated(state: StoreState, sequence: int, at: int, data: Mapping[str, Any]) -> StoreState:
    return replace(state, active=data.get("thread_id"), sequence=sequence)


def _thread_changed(
    state: StoreState, sequence: int, at: int, data: Mapping[str, Any]
) -> StoreState:
    thread_id, fields = data["thread_id"], dict(data.get("fields") or {})
    thread = state.threads.get(thread_id)
    if thread is None:
        return replace(state, sequence=sequence)
    if fields.get("archived"):
        fields["archived_at"] = at
    threads = {**state.threads, thread_id: thread.changed(at=at, **fields)}
    active = thread_id if data.get("activate") else state.active
    return replace(state, threads=threads, active=active, sequence=sequence)


def _rolled_back(state: StoreState, sequence: int, at: int, data: Mapping[str, Any]) -> StoreState:
    thread = state.threads.get(data["thread_id"])
    if thread is None:
        return replace(state, sequence=sequence)
    changed = thread.rolled_back(int(data["visible"]), at=at)
    return replace(state, threads={**state.threads, data["thread_id"]: changed}, sequence=sequence)


_Fold: TypeAlias = "Callable[[StoreState, int, int, Mapping[str, Any]], StoreState]"

_FOLDS: Mapping[EventType, _Fold] = {
    "message": _message,
    "session_started": _started,
    "session_registered": _registered,
    "session_updated": _updated,
    "session_forked": _forked,
    "session_reverted": _of_session(_reverted),
    "session_unreverted": _of_session(_unreverted),
    "session_shared": _of_session(_shared),
    "session_unshared": _of_session(_unshared),
    "session_summarized": _of_session(_summarized),
    "session_deleted": _deleted,
    "thread_started": _thread_started,
    "thread_changed": _thread_changed,
    "thread_rolled_back": _rolled_back,
    "thread_deleted": _thread_deleted,
    "thread_activated": _activated,
}

STORE_TYPES: tuple[EventType, ...] = tuple(_FOLDS)
"""Every event from which the state follows."""
