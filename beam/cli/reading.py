"""`beam log FILE`: the events of a store, as text or JSON, and those to come."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from beam.errors import InvalidInput
from beam.log import SqliteReader
from beam.model.events import EVENT_TYPES
from beam.sessions.recording import line_of
from beam.state.journal import event_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from beam.log import StoredRecord

__all__ = ["print_log"]

PAGE = 500
# Seconds of one wait for more; a signal ends it earlier.
WAIT = 1.0
# Characters of an event's data that a line of text shows.
SHOWN = 160


def print_log(
    path: Path,
    *,
    session: str | None,
    types: list[str],
    as_json: bool,
    follow: bool,
    write: Callable[[str], object],
) -> None:
    """Write the events of a store, oldest first; with `follow`, go on until interrupted.

    Raises:
        InvalidInput: there is no such file, or no such type of event.
        StoreForeign, StoreCorrupt: the file is not a log, or a damaged one.
    """
    for kind in types:
        if kind not in EVENT_TYPES:
            raise InvalidInput("--type", kind, f"one of {', '.join(EVENT_TYPES)}")
    if not path.is_file():
        raise InvalidInput("FILE", str(path), "the file of a store")
    with SqliteReader(path) as reader:
        position = 0
        while True:
            records = reader.read_all(after_position=position, limit=PAGE, types=types or None)
            for record in records:
                if session is None or record.stream == session:
                    write(line_of(record) if as_json else _text(record))
            if records:
                position = records[-1].position
            elif not follow:
                return
            else:
                reader.wait_for(max(position, reader.last_position()) + 1, WAIT)


def _text(record: StoredRecord) -> str:
    event = event_of(record)
    moment = datetime.fromtimestamp(event.timestamp / 1000, UTC)
    data = json.dumps(dict(event.data), ensure_ascii=False)
    shown = data if len(data) <= SHOWN else f"{data[:SHOWN]}..."
    where: list[Any] = [event.session_id, event.sequence]
    if event.run_id is not None:
        where.append(event.run_id)
    clock = moment.isoformat(timespec="milliseconds")
    return f"{clock}  {event.type:<22} {' '.join(map(str, where))}  {shown}"
