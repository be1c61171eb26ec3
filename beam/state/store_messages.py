"""The messages of sessions and threads, read from the log where they are.

    >>> from beam.log import MemoryStore
    >>> from beam.otp import Node
    >>> from beam.state.journal import Journal
    >>> from beam.state.store_state import STORE_TYPES, StoreState, folded
    >>> with Node() as node, MemoryStore() as log:
    ...     journal = Journal(log, node)
    ...     said = [{"type": "text", "content": word} for word in ("one", "two")]
    ...     _ = journal.append_wait([journal.event("message", "s", message=one) for one in said])
    ...     state = folded(StoreState("s"), log.read("s", types=STORE_TYPES))
    ...     [place.message().content for place in places(log, state.session)]
    ['one', 'two']

A message's place is where it stands: its number in its session, and where in the log it is. It is
decoded when somebody wants to see it, and not before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from beam.errors import InvalidInput
from beam.model.events import message_of
from beam.model.messages import MESSAGE_TYPES
from beam.state.journal import event_of
from beam.state.ranges import covers
from beam.state.stored_session import Segment

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from beam.log import LogReader, StoredRecord
    from beam.model.messages import Message
    from beam.state.ranges import Ranges
    from beam.state.stored_session import StoredSession
    from beam.state.stored_thread import StoredThread

__all__ = ["Place", "base_of", "found", "listed", "places", "selection", "thread_places"]

# How many records are in memory at once.
PAGE = 500

_MESSAGES = ("message",)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message stands.

    Attributes:
        number: in its session, from 0, hidden ones counted as well.
        record: in the log.
        visible: whether no view hides it.
    """

    number: int
    record: StoredRecord
    visible: bool

    def message(self) -> Message:
        """Return the message."""
        return message_of(event_of(self.record))

    def has_id(self, name: str) -> bool:
        """Say whether the message is called so, by its uuid or its message id."""
        if name != self.record.id and not _mentions(self, name):
            return False
        message = self.message()
        return name in (message.uuid, message.message_id)


def places(log: LogReader, session: StoredSession) -> Iterator[Place]:
    """Yield the places of all messages of a session, in their order."""
    own = Segment(session.meta.session_id, ((session.after + 1, _END),), 0)
    hidden, number = session.hidden, 0
    for segment in (*session.base, own):
        for first, end in segment.ranges:
            for stored in _read(log, segment.stream, first, end):
                yield Place(number, stored, not covers(hidden, number))
                number += 1


def thread_places(
    log: LogReader, session: StoredSession | None, thread: StoredThread
) -> Iterator[Place]:
    """Yield the places of a thread's messages, in their order; `visible` in the thread's view.

    A message that the session's view hides is not visible in the thread either.
    """
    told = thread.told
    if session is None:
        return
    number = 0
    for place in places(log, session):
        record = place.record
        if record.stream != told.session_id:
            continue  # The threads of a fork's parent are not its own.
        mine = record.sequence > thread.after and _belongs(place, told.thread_id)
        if not mine and not covers(thread.base, record.sequence):
            continue
        yield replace(place, visible=place.visible and not covers(thread.hidden, number))
        number += 1


def _belongs(place: Place, thread_id: str) -> bool:
    return _mentions(place, '"thread_id":') and (
        _mentions(place, thread_id) and place.message().thread_id == thread_id
    )


def _mentions(place: Place, word: str) -> bool:
    """Say whether a record may have a word in it: most have not, and need not be decoded."""
    body = place.record.body
    if isinstance(body, bytes) or not word.isascii() or "\\" in word or not word.isprintable():
        return True
    return word in body


def base_of(places: Iterable[Place]) -> tuple[Segment, ...]:
    """Return the visible ones of a session's messages as what a fork begins with."""
    segments: list[Segment] = []
    last = -1
    for place in places:
        if place.visible:
            # What is between two neighbours in the session is no message.
            _lengthen(segments, place.record, joined=place.number == last + 1)
            last = place.number
    return tuple(segments)


def _lengthen(segments: list[Segment], record: StoredRecord, *, joined: bool) -> None:
    """Add a message; `joined` if it comes right after the one that was added last."""
    ranges: Ranges = ((record.sequence, record.sequence + 1),)
    if not segments or segments[-1].stream != record.stream:
        segments.append(Segment(record.stream, ranges, 1))
        return
    last = segments[-1]
    if joined:
        ranges = ((last.ranges[-1][0], record.sequence + 1),)
    known = last.ranges[:-1] if joined else last.ranges
    segments[-1] = Segment(record.stream, (*known, *ranges), last.count + 1)


def found(places: Iterable[Place], name: str) -> Place | None:
    """Return the first place whose message is called `name`, by its uuid or its message id."""
    return next((place for place in places if place.has_id(name)), None)


def listed(
    places: Iterable[Place], opts: Selection, *, session_id: str, thread_id: str | None = None
) -> list[Message]:
    """Return the messages of places, as a reader has asked for them.

    Args:
        places: where they are.
        opts: what was asked for.
        session_id: put into each message that is of another, because it was forked.
        thread_id: likewise.
    """
    shown = (one for one in places if opts.include_hidden or one.visible)
    messages = (one.message() for one in shown)
    wanted = (one for one in messages if opts.types is None or one.type in opts.types)
    until = None if opts.limit is None else opts.offset + opts.limit
    return [_tagged(one, session_id, thread_id) for one in islice(wanted, opts.offset, until)]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which messages a reader has asked for; made by `selection`."""

    types: Collection[str] | None = None
    offset: int = 0
    limit: int | None = None
    include_hidden: bool = False


def selection(opts: Mapping[str, Any]) -> Selection:
    """Return what options ask for: `types`, `offset`, `limit`, `include_hidden`.

    A limit or an offset that is not positive is none, as the specification has it, and so is an
    option that is not known.

    Raises:
        InvalidInput: an option is not of its kind.
    """
    types = opts.get("types")
    if types is not None:
        if isinstance(types, str) or not isinstance(types, list | tuple | set | frozenset):
            raise InvalidInput("types", types, "a list of message types")
        for one in types:
            if one not in MESSAGE_TYPES:
                raise InvalidInput("types", one, f"among {', '.join(MESSAGE_TYPES)}")
    offset, limit = _count("offset", opts), _count("limit", opts)
    include_hidden = opts.get("include_hidden", False)
    if not isinstance(include_hidden, bool):
        raise InvalidInput("include_hidden", include_hidden, "True or False")
    return Selection(types, offset or 0, limit, include_hidden)


def _count(name: str, opts: Mapping[str, Any]) -> int | None:
    value = opts.get(name)
    if value is not None and type(value) is not int:
        raise InvalidInput(name, value, "a whole number")
    return value if value is not None and value > 0 else None


def _tagged(message: Message, session_id: str, thread_id: str | None) -> Message:
    if message.session_id != session_id:
        message = replace(message, session_id=session_id)
    if thread_id is not None and message.thread_id != thread_id:
        message = replace(message, thread_id=thread_id)
    return message


def _read(log: LogReader, stream: str, first: int, end: int) -> Iterator[StoredRecord]:
    after = first - 1
    while True:
        page = log.read(stream, after=after, limit=PAGE, types=_MESSAGES)
        for stored in page:
            if stored.sequence >= end:
                return
            yield stored
        if len(page) < PAGE:
            return
        after = page[-1].sequence


# No sequence is as large.
_END = 2**63 - 1
