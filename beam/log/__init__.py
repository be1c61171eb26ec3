"""The durable, append-only event log: streams of records, numbered without gaps.

    >>> import tempfile
    >>> from beam.log import Record, SqliteStore
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     with SqliteStore.open(f"{directory}/fleet.db") as store:
    ...         stored = store.append_wait([Record("evt_1", "ses_a", "run_started", 0.0, "{}")])
    ...         [(record.sequence, record.type) for record in store.read("ses_a")]
    [(1, 'run_started')]

`Store` is the port and states what every store promises; `SqliteStore` keeps a log in a file,
`MemoryStore` in memory; `SqliteReader` reads a file that another process may be writing;
`snapshots_of` finds what was made of a log, beside it. The log knows nothing of what its records
mean.
"""

from typing import TYPE_CHECKING

from beam.late import late

if TYPE_CHECKING:
    from beam.log.actor import LOG, Follow, Log, Shelf, log_of, store_of
    from beam.log.appender import Durability
    from beam.log.intake import Limits
    from beam.log.listeners import Listener
    from beam.log.memory import MemoryStore
    from beam.log.reader import SqliteReader
    from beam.log.record import Record, StoredRecord
    from beam.log.snapshots import Snapshot, Snapshots, snapshots_of
    from beam.log.sqlite import SqliteStore
    from beam.log.store import Done, LogReader, Lost, OnAppend, Stats, Store, replay

__all__ = [
    "LOG",
    "Done",
    "Durability",
    "Follow",
    "Limits",
    "Listener",
    "Log",
    "LogReader",
    "Lost",
    "MemoryStore",
    "OnAppend",
    "Record",
    "Shelf",
    "Snapshot",
    "Snapshots",
    "SqliteReader",
    "SqliteStore",
    "Stats",
    "Store",
    "StoredRecord",
    "log_of",
    "replay",
    "snapshots_of",
    "store_of",
]

__getattr__ = late(
    __name__,
    {
        "LOG": "actor",
        "Done": "store",
        "Durability": "appender",
        "Follow": "actor",
        "Limits": "intake",
        "Listener": "listeners",
        "Log": "actor",
        "LogReader": "store",
        "Lost": "store",
        "MemoryStore": "memory",
        "OnAppend": "store",
        "Record": "record",
        "Shelf": "actor",
        "Snapshot": "snapshots",
        "Snapshots": "snapshots",
        "SqliteReader": "reader",
        "SqliteStore": "sqlite",
        "Stats": "store",
        "Store": "store",
        "StoredRecord": "record",
        "log_of": "actor",
        "replay": "store",
        "snapshots_of": "snapshots",
        "store_of": "actor",
    },
)
