"""Rows: how records are taken out of SQLite, a page in one step.

Python's `sqlite3` lets go of the interpreter lock around each step of a statement, that is for
each row. Beside one busy thread it then waits up to 5 ms to get the lock back: 1,000 rows took
0.5 s instead of 1 ms. So a page of rows is packed into one JSON text by SQLite and comes in one
step: 2 ms alone, 10 ms beside a busy thread. Rows with large bodies come one by one; there the
bodies are what takes time, and packing would hold them in memory three times over.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, Literal

from beam.log.record import StoredRecord

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

__all__ = ["PAGE", "Choice", "events", "of_stream", "page", "with_ids"]

PAGE: Final = 1_000
"""The most rows that are packed together."""

# Characters of the bodies of a page that is packed.
_PACKED_BODIES: Final = 8 * 1024 * 1024

_WEIGHT: Final = "SELECT total(length(body)) FROM (SELECT e.body FROM event AS e WHERE {})"

_ROWS: Final = """
    SELECT e.position, s.name, e.sequence, e.id, e.type, e.timestamp, e.body
    FROM event AS e JOIN stream AS s ON s.key = e.stream
    WHERE {}
"""

_PACKED: Final = """
    SELECT json_group_array(json_array(
        position, name, sequence, id, type, json(timestamp),
        CASE typeof(body) WHEN 'blob' THEN hex(body) ELSE body END, typeof(body) = 'blob'
    )) FROM ({})
"""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which events are wanted, in what order.

    Attributes:
        condition: SQL about `e`, an event, with as many parameters as `arguments`.
        arguments: the parameters.
        number: the column by which they are read on.
        types: only those of these types; `None` for all.
    """

    condition: str
    arguments: tuple[str, ...]
    number: Literal["position", "sequence"]
    types: tuple[str, ...] | None = None

    @property
    def clause(self) -> str:
        """The condition, with further parameters: `after`, the types, the limit."""
        types = "" if self.types is None else f"AND e.type IN {_placeholders(len(self.types))}"
        number = self.number
        return f"{self.condition} AND e.{number} > ? {types} ORDER BY e.{number} LIMIT ?"


def events(types: tuple[str, ...] | None) -> Choice:
    """Choose all events."""
    return Choice("true", (), "position", types)


def of_stream(name: str, types: tuple[str, ...] | None) -> Choice:
    """Choose the events of a stream."""
    return Choice("e.stream = (SELECT key FROM stream WHERE name = ?)", (name,), "sequence", types)


def with_ids(ids: Sequence[str]) -> Choice:
    """Choose the events with these ids."""
    return Choice(f"e.id IN {_placeholders(len(ids))}", tuple(ids), "position")


def page(
    connection: sqlite3.Connection, choice: Choice, after: int, limit: int
) -> list[StoredRecord]:
    """Return the first `limit` events of a choice after a number, in order.

    Args:
        connection: where to read.
        choice: which events.
        after: only those with a greater number, of the kind that the choice is read by.
        limit: at most `PAGE`.
    """
    clause = choice.clause
    arguments = (*choice.arguments, after, *(choice.types or ()), limit)
    (weight,) = connection.execute(_WEIGHT.format(clause), arguments).fetchone()
    rows = _ROWS.format(clause)
    if weight > _PACKED_BODIES:
        return [_plain(row) for row in connection.execute(rows, arguments).fetchall()]
    (packed,) = connection.execute(_PACKED.format(rows), arguments).fetchone()
    # An aggregate need not keep the order of its input.
    return [_unpacked(row) for row in sorted(json.loads(packed), key=itemgetter(0))]


def _placeholders(count: int) -> str:
    return f"({', '.join('?' * count)})"


def _plain(row: tuple[Any, ...]) -> StoredRecord:
    position, stream, sequence, id_, type_, timestamp, body = row
    return StoredRecord(position, stream, sequence, id_, type_, json.loads(timestamp), body)


def _unpacked(row: list[Any]) -> StoredRecord:
    position, stream, sequence, id_, type_, timestamp, body, is_bytes = row
    content = bytes.fromhex(body) if is_bytes else body
    return StoredRecord(position, stream, sequence, id_, type_, timestamp, content)
