"""Reports: what goes wrong where nobody can be told, as structlog events.

| event | fields | when |
|---|---|---|
| `log_callback_failed` | `path`, `callback`, `error`, `traceback` | a callback raised |
| `log_append_failed` | `path`, `appends`, `error` | so many were answered with it |
| `log_snapshot_not_saved` | `path`, `error` | a snapshot could not be written |

All are errors. `path` is the file, `None` for the memory store.
"""

from __future__ import annotations

from contextlib import suppress

from beam.logger import Logger

__all__ = ["report"]

_log = Logger("beam.log")


def report(event: str, **fields: object) -> None:
    """Emit an event."""
    # The thread that stores reports here: a broken log output must not end it.
    with suppress(Exception):
        _log.error(event, **fields)
