"""Numbering: which records of some appends are new, and what numbers they get. Pure.

>>> from beam.log.record import Record
>>> one = Record("e1", "a", "t", 0, "{}")
>>> numbered = number([[one, one], [Record("e2", "a", "t", 0, "{}")]], 7, {"a": 3}.get, {}.get)
>>> [(record.position, record.sequence) for record in numbered.fresh]
[(8, 4), (9, 5)]
>>> [[record.sequence for record in answer] for answer in numbered.answers]
[[4, 4], [5]]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from beam.log.record import StoredRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from beam.log.record import Record

__all__ = ["Numbered", "number"]


@dataclass(frozen=True, slots=True)
class Numbered:
    """What some appends come to.

    Attributes:
        fresh: the records to be stored, by position.
        answers: for each append what it gets back, in its order: new records and old ones.
    """

    fresh: tuple[StoredRecord, ...]
    answers: tuple[list[StoredRecord], ...]


def number(
    appends: Sequence[Sequence[Record]],
    position: int,
    last: Callable[[str], int | None],
    stored: Callable[[str], StoredRecord | None],
) -> Numbered:
    """Number the records of `appends`, one append after the other.

    Args:
        appends: the records of each append.
        position: the last position of the log.
        last: returns the last sequence of a stream, 0 or `None` if it has none.
        stored: returns the record stored under an id, if there is one.
    """
    fresh: dict[str, StoredRecord] = {}
    sequences: dict[str, int] = {}
    answers = []
    for records in appends:
        answer = []
        for record in records:
            known = fresh.get(record.id) or stored(record.id)
            if known is None:
                stream = record.stream
                if stream not in sequences:
                    sequences[stream] = last(stream) or 0
                sequences[stream] += 1
                position += 1
                known = StoredRecord(
                    position,
                    stream,
                    sequences[stream],
                    record.id,
                    record.type,
                    record.timestamp,
                    record.body,
                )
                fresh[record.id] = known
            answer.append(known)
        answers.append(answer)
    return Numbered(tuple(fresh.values()), tuple(answers))
