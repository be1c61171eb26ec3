"""The log in a file: SQLite in WAL mode, one writer, group commit.

    >>> import tempfile
    >>> from beam.log.record import Record
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     with SqliteStore.open(f"{directory}/fleet.db") as store:
    ...         _ = store.append_wait([Record("e1", "a", "said", 0, '"hello"')])
    ...     with SqliteStore.open(f"{directory}/fleet.db", read_only=True) as log:
    ...         [record.body for record in log.read("a")]
    ['"hello"']

**Durability.** What was answered survives, at either level, the end of the process by any means at
any instant (G11), and no end of process or machine leaves half of an append or a damaged log.

- `"power"`, the default: it survives the end of the machine as well, be it a crash of the operating
  system or of its power, as far as the disk keeps what it says it has (SQLite's `synchronous=FULL`:
  each transaction is flushed to the disk before it is answered).
- `"process"`: the end of the machine may take the last transactions, up to those since SQLite's
  last checkpoint; what is left is a whole log up to some earlier point (`synchronous=NORMAL`:
  flushed at checkpoints only).

The default is the one without a surprise: an event says that money was spent or a tool was called,
and a session that forgets it does it again. Group commit makes it cheap where it counts: eight
threads share each flush. `"process"` is for logs whose loss costs a rerun of something cheap.
(sqlite.org/pragma.html#pragma_synchronous, sqlite.org/wal.html section 2.2.)

**Limits.** POSIX only; a local file system only, as for SQLite's WAL. FILE-wal is a part of the
log until a writer has closed it: copy or move both, or neither. A store does not survive a fork:
the child has to open the log itself, when the parent has closed it.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, overload

import structlog

from beam.errors import InvalidInput, StoreCorrupt, StoreError
from beam.log.completion import Completion
from beam.log.faults import faults, store_error
from beam.log.format import connect, create, examine, is_cut
from beam.log.intake import Limits, Request
from beam.log.listeners import Listener, Listeners
from beam.log.lock import WriterLock
from beam.log.numbering import Numbered, number
from beam.log.reader import SqliteReader
