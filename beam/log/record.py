"""What the log holds: a record as it is given, and as it is stored.

    >>> Record("evt_1", "ses_a", "run_started", 12.5, '{"run": 1}')
    Record(id='evt_1', stream='ses_a', type='run_started', timestamp=12.5, body='{"run": 1}')
    >>> Record("", "ses_a", "run_started", 12.5, "{}")
    Traceback (most recent call last):
        ...
    beam.errors.InvalidInput: id: expected text of 1 to 512 characters, got ''

A record checks itself when it is made, so a store can trust every record that it is handed: one
that it could not write would take the neighbours in its transaction down with it. The log gives
no meaning to the fields; it gives back what it was given, to the type: `1` is not `1.0`, and text
is not bytes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from threading import TIMEOUT_MAX
from typing import TYPE_CHECKING, Final, TypeGuard

from beam.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ["MAX_BODY", "MAX_NAME", "MAX_TYPES", "Record", "StoredRecord"]

MAX_NAME: Final = 512
"""The most characters of an id, a stream's name or a type."""

MAX_BODY: Final = 64 * 1024 * 1024
"""The most bytes of a body, text counted in UTF-8: as long as the longest line of a port."""

MAX_TYPES: Final = 500
"""The most types that one read may ask for."""

# The longest value that an error message shows.
_SHOWN: Final = 80

# SQLite's integers have 64 bits.
_MAX_INTEGER: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Record:
    """One event, as it is given to the log.

    Attributes:
        id: its name in the whole log; appending an id again gives back what is stored under it.
        stream: the name of the sequence it belongs to, a session's id for example.
        type: the word that readers filter by.
        timestamp: when it happened, in the giver's clock; the log only keeps it.
        body: the rest, as JSON; opaque to the log.

    Raises:
        InvalidInput: a field is not what it must be.
    """

    id: str
    stream: str
    type: str
    timestamp: float
    body: str | bytes

    def __post_init__(self) -> None:
        if _is_usual(self.id, self.stream, self.type, self.timestamp, self.body):
            return
        check_name("id", self.id)
        check_name("stream", self.stream)
        check_name("type", self.type)
        _check_timestamp(self.timestamp)
        _check_body(self.body)

    @property
    def size(self) -> int:
        """The bytes that the record counts for where a queue is bounded in bytes, roughly."""
        return len(self.body) + len(self.id) + len(self.stream) + len(self.type)


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """One event, as the log holds it.

    Attributes:
        position: its place in the whole log, from 1; later records have greater ones.
        stream: the name of its sequence.
        sequence: its number in the stream, from 1, without gaps.
        id: its name in the whole log.
        type: the word that readers filter by.
        timestamp: as given.
        body: as given.
    """

    position: int
    stream: str
    sequence: int
    id: str
    type: str
    timestamp: float
    body: str | bytes


def _is_usual(name: object, stream: object, type_: object, timestamp: object, body: object) -> bool:
    """Return whether the fields of a record are beyond doubt: most are, and one look is enough."""
    return (
        type(name) is str
        and type(stream) is str
        and type(type_) is str
        and type(body) is str
        and type(timestamp) is int
        and 0 < len(name) <= MAX_NAME
        and 0 < len(stream) <= MAX_NAME
        and 0 < len(type_) <= MAX_NAME
        and len(body) <= MAX_BODY // 4
        and -_MAX_INTEGER <= timestamp <= _MAX_INTEGER
        and name.isascii()
        and stream.isascii()
        and type_.isascii()
        and body.isascii()
    )


def checked(records: Iterable[Record]) -> tuple[Record, ...]:
    """Return `records` as a tuple; `InvalidInput` if one is not a `Record`."""
    given = tuple(records)
    for index, record in enumerate(given):
        if not isinstance(record, Record):
            raise InvalidInput(f"records[{index}]", record, "a Record")
    return given


def check_name(field: str, value: object) -> None:
    """Refuse what cannot be an id, a stream's name or a type."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME:
        raise InvalidInput(field, value, f"text of 1 to {MAX_NAME} characters")
    _check_text(field, value)


def check_range(field: str, after: object, limit: object) -> None:
    """Refuse what cannot bound a read: `after` (called `field`) and `limit`."""
    if not _is_integer(after) or not 0 <= after <= _MAX_INTEGER:
        raise InvalidInput(field, after, "an integer from 0")
    if limit is not None and (not _is_integer(limit) or not 0 < limit <= _MAX_INTEGER):
        raise InvalidInput("limit", limit, "an integer from 1, or None")


def check_types(types: Collection[str] | None) -> tuple[str, ...] | None:
    """Return the filter by type without repeats; `InvalidInput` if it is none."""
    if types is None:
        return None
    if isinstance(types, str | bytes):
        raise InvalidInput("types", types, "a collection of types, not a single one")
    for index, name in enumerate(types):
        check_name(f"types[{index}]", name)
    wanted = tuple(dict.fromkeys(types))
    if len(wanted) > MAX_TYPES:
        raise InvalidInput("types", f"{len(wanted)} types", f"at most {MAX_TYPES} types")
    return wanted


def check_seconds(field: str, value: object) -> None:
    """Refuse what is no time that a thread can wait."""
    if not (_is_integer(value) or isinstance(value, float)) or not 0 <= value <= TIMEOUT_MAX:
        raise InvalidInput(field, value, "seconds, a finite number from 0")


def check_callback(field: str, value: object) -> None:
    """Refuse what cannot be called."""
    if not callable(value):
        raise InvalidInput(field, value, "a callable")


def check_count(field: str, value: object) -> None:
    """Refuse what is no positive whole number."""
    if not _is_integer(value) or not 0 < value <= _MAX_INTEGER:
        raise InvalidInput(field, value, "an integer from 1")


def _is_integer(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _check_timestamp(value: object) -> None:
    if isinstance(value, float):
        if math.isfinite(value):
            return
    elif _is_integer(value) and -_MAX_INTEGER <= value <= _MAX_INTEGER:
        return
    raise InvalidInput("timestamp", value, "a finite number")


def _check_body(value: object) -> None:
    if isinstance(value, str):
        _check_text("body", value)
        # A character has at most four bytes; only long text is worth encoding to count them.
        long = len(value) * 4 > MAX_BODY and len(value.encode()) > MAX_BODY
    elif isinstance(value, bytes):
        long = len(value) > MAX_BODY
    else:
        raise InvalidInput("body", value, "text or bytes")
    if long:
        raise InvalidInput("body", _shown(value), f"at most {MAX_BODY} bytes")


def _check_text(field: str, value: str) -> None:
    if value.isascii():
        return
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(field, _shown(value), "text that UTF-8 can encode") from error


def _shown(value: str | bytes) -> str | bytes:
    """Return a value as an error carries it: a long one would be a body in every log."""
    kind = "characters" if isinstance(value, str) else "bytes"
    return value if len(value) <= _SHOWN else f"{len(value)} {kind}"
