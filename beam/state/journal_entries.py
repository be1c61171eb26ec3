"""Entries of a user's own in the fleet's journal, and who has acknowledged them.

>>> from beam.log import MemoryStore
>>> from beam.otp import Node
>>> from beam.state.journal import Journal
>>> with Node() as node, MemoryStore() as store:
...     journal = Journal(store, node)
...     entry = append_entry(journal, "deployed", {"payload": {"version": 7}, "tags": ["ops"]})
...     acknowledge(journal, "pager", entry.event_id)
...     [one.payload["version"] for one in entries(journal, tag="ops")]
[7]

They are in the fleet's stream of the log with everything else that belongs to no session, so their
sequence grows, and has gaps. The audit is among them: type `audit`, tags `audit` and its category.
An id is kept once in the whole log, which finds a record by it: so `append`, `get` and `ack` read
no more than a record, and nothing is held in memory between two calls.
An acknowledgement is a mark on one entry by one consumer; it moves nobody's place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from beam.errors import AlreadyExists, InvalidInput, NotFound
from beam.model.encoding import decode, encode
from beam.model.events import FLEET
from beam.state.journal import event_of
from beam.state.plain import plain_copy, text

if TYPE_CHECKING:
    from beam.model.events import Event, EventType
    from beam.state.journal import Journal

__all__ = ["JournalEntry", "acknowledge", "acknowledgements", "append_entry", "entries", "entry"]

_ENTRIES: Final[tuple[EventType, ...]] = ("journal_entry", "audit")
_ACKS: Final[tuple[EventType, ...]] = ("journal_acknowledged",)
_SCOPE: Final = ("session_id", "thread_id", "run_id")
_KEYS: Final = (*_SCOPE, "event_id", "timestamp", "tags", "payload")
_FILTERS: Final = (*_SCOPE, "event_id", "event_type", "tag", "since", "limit")
_MARK: Final = 12
# No entry's id begins so: it would be in the way of an acknowledgement, which would be lost.
_ACK: Final = "ack_"
_MOST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One entry.

    Attributes:
        event_id: its name in the log.
        event_type: the word of whoever wrote it.
        sequence: its place among the fleet's events; grows, not without gaps.
        timestamp: when, Unix milliseconds.
        payload: JSON data; secrets are redacted.
        tags: words to find it by.
        session_id, thread_id, run_id: what it is about, as far as there is such.
    """

    event_id: str
    event_type: str
    sequence: int
    timestamp: int
    payload: Mapping[str, Any]
    tags: tuple[str, ...] = ()
    session_id: str | None = None
    thread_id: str | None = None
    run_id: str | None = None


def append_entry(
    journal: Journal, event_type: str, given: Mapping[str, Any] | None = None
) -> JournalEntry:
    """Write an entry; it is in the log when this returns.

    Args:
        journal: where.
        event_type: any non-empty text.
        given: any of `event_id`, `session_id`, `thread_id`, `run_id`, `timestamp` (Unix
            milliseconds), `tags` and `payload`.

    Raises:
        InvalidInput: `invalid_event_type`, `unsupported_event_key`, `invalid_event`,
            `session_id_required_for_thread`.
        AlreadyExists: an event of this id is in the log.
    """
    event = _event(journal, event_type, {} if given is None else given)
    (stored,) = journal.append_wait([event])
    # Who appends an id again is given what is stored under it: it is ours if it has our mark.
    if stored.stream != FLEET or _mark_of(stored.body) != event.data["mark"]:
        raise AlreadyExists("already_exists", event_id=event.id)
    return _entry(event_of(stored))


def entries(journal: Journal, *, after: int = 0, **wanted: Any) -> list[JournalEntry]:
    """Return entries, the oldest first.

    Args:
        journal: where.
        after: only those with a larger sequence.
        wanted: `event_id`, `event_type`, `session_id`, `thread_id`, `run_id`: only those with this
            very value, a thread's only together with its session; `tag`: only those that have it;
            `since`: only those with this timestamp or a later one, Unix milliseconds; `limit`: the
            oldest of those that match, at most so many.

    Raises:
        InvalidInput: `invalid_cursor`; `session_id_required_for_thread`; a bound is no whole
            number, or too small; or nothing can be wanted under this name.
    """
    given = {name: value for name, value in wanted.items() if value is not None}
    for name, value in given.items():
        if name not in _FILTERS:
            raise InvalidInput(name, value, f"one of {', '.join(_FILTERS)}")
    since, limit, tag = (given.pop(name, None) for name in ("since", "limit", "tag"))
    _check_bounds(after, since, limit)
    if "thread_id" in given and "session_id" not in given:
        raise _invalid("session_id_required_for_thread", "session_id", None, "that of the thread")
    found: list[JournalEntry] = []
    for one in _all(journal, after):
        if limit is not None and len(found) >= limit:
            break
        right = all(getattr(one, name) == value for name, value in given.items())
        late = since is None or one.timestamp >= since
        if right and late and (tag is None or tag in one.tags):
            found.append(one)
    return found


def entry(journal: Journal, event_id: str) -> JournalEntry:
    """Return an entry, by the log's index of ids.

    Raises:
        InvalidInput: it cannot be an id.
        NotFound: there is none of this id.
    """
    found = journal.find(event_id)
    if found is None or found.type not in _ENTRIES:
        raise NotFound("not_found", event_id=event_id)
    return _entry(found)


def acknowledge(journal: Journal, consumer: str, event_id: str) -> None:
    """Mark an entry as seen by a consumer; a second time changes nothing.

    Raises:
        InvalidInput: the consumer is no text.
        NotFound: there is no entry of this id.
    """
    known = entry(journal, text("event_id", event_id)).event_id
    given = {"consumer": text("consumer", consumer), "event_id": known}
    event = journal.event("journal_acknowledged", FLEET, **given)
    # With a length before it: no two pairs read alike, whatever is in the names.
    both = f"{len(known)}:{known}{consumer}"
    name = hashlib.sha256(both.encode()).hexdigest()[:32]
    # An id that is there is kept as it is, so the first one counts.
    journal.append_wait([replace(event, id=_ACK + name)])


def acknowledgements(journal: Journal, event_id: str) -> dict[str, int]:
    """Return who has acknowledged an entry, and when first, Unix milliseconds."""
    return {
        str(event.data["consumer"]): event.timestamp
        for event in journal.replay(FLEET, types=_ACKS)
        if event.data.get("event_id") == event_id
    }


def _event(journal: Journal, event_type: Any, given: Any) -> Event:
    if not isinstance(event_type, str) or not event_type:
        raise _invalid("invalid_event_type", "event_type", event_type, "a non-empty text")
    if event_type == "audit":
        # Otherwise an entry could pass for a decision that nobody has recorded.
        expected = "any but 'audit': fleet.policies.record_audit writes those"
        raise _invalid("invalid_event_type", "event_type", event_type, expected)
    if not isinstance(given, Mapping):
        raise _invalid("invalid_event", "event", type(given).__name__, "a mapping")
    for key in given:
        if key not in _KEYS:
            raise _invalid("unsupported_event_key", str(key), given[key], ", ".join(_KEYS))
    for key in (*_SCOPE, "event_id"):
        if given.get(key) is not None and (not isinstance(given[key], str) or not given[key]):
            raise _invalid("invalid_event", key, given[key], "a non-empty text")
    if str(given.get("event_id")).startswith(_ACK):
        raise _invalid("invalid_event", "event_id", given["event_id"], f"no {_ACK!r} in front")
    if given.get("thread_id") is not None and given.get("session_id") is None:
        raise _invalid("session_id_required_for_thread", "session_id", None, "that of the thread")
    tags, payload = given.get("tags", ()), given.get("payload", {})
    if not isinstance(tags, list | tuple) or not all(isinstance(one, str) and one for one in tags):
        raise _invalid("invalid_event", "tags", tags, "a list of texts")
    if not isinstance(payload, Mapping):
        raise _invalid("invalid_event", "payload", type(payload).__name__, "a mapping")
    return _dated(journal, event_type, given, list(tags), payload)


def _dated(
    journal: Journal, event_type: str, given: Mapping[str, Any], tags: list[str], payload: Any
) -> Event:
    scope = {key: given[key] for key in _SCOPE if given.get(key) is not None}
    event = journal.event(
        "journal_entry",
        FLEET,
        run_id=scope.get("run_id"),
        event_type=event_type,
        payload=_copied(payload),
        tags=tags,
        scope=scope,
        mark=journal.new_id("event")[-_MARK:],
    )
    at = given.get("timestamp", event.timestamp)
    if type(at) is not int or not 0 <= at <= _MOST:
        raise _invalid("invalid_event", "timestamp", at, "Unix milliseconds")
    return replace(event, id=given.get("event_id") or event.id, timestamp=at)


def _copied(payload: Mapping[str, Any]) -> Any:
    """Return a payload that nobody else holds; one that contains itself is refused here."""
    try:
        copied = plain_copy("payload", payload)
        encode(copied)
    except InvalidInput as error:
        kind = type(payload).__name__
        raise _invalid("invalid_event", "payload", kind, f"JSON data ({error})") from error
    return copied


def _mark_of(body: str | bytes) -> Any:
    return decode(body).get("data", {}).get("mark")


def _all(journal: Journal, after: int) -> Iterator[JournalEntry]:
    for event in journal.replay(FLEET, after=after, types=_ENTRIES):
        yield _entry(event)


def _entry(event: Event) -> JournalEntry:
    data = event.data
    scope = data.get("scope", {})
    about = {key: scope.get(key) for key in _SCOPE}
    if event.type == "audit":
        category, action = str(data.get("category")), data.get("action")
        payload = {
            "category": category, "action": action, "profile_id": scope.get("profile_id"),
            **data.get("details", {}),
        }  # fmt: skip
        word, tags = "audit", ("audit", category)
    else:
        word, tags = str(data.get("event_type")), tuple(data.get("tags", ()))
        payload = data.get("payload", {})
    return JournalEntry(
        event_id=event.id,
        event_type=word,
        sequence=event.sequence,
        timestamp=event.timestamp,
        payload=payload,
        tags=tags,
        **about,
    )


def _check_bounds(after: Any, since: Any, limit: Any) -> None:
    if type(after) is not int or not 0 <= after <= _MOST:
        raise _invalid("invalid_cursor", "after", after, "a sequence, or 0 for the beginning")
    for field, given, least in (("since", since, 0), ("limit", limit, 1)):
        if given is not None and (type(given) is not int or given < least):
            raise InvalidInput(field, given, f"a whole number, {least} or more")


def _invalid(reason: str, field: str, value: object, expected: str) -> InvalidInput:
    error = InvalidInput(field, value, expected)
    error.reason = reason
    return error
