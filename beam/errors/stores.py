"""What a log cannot do."""

from __future__ import annotations

from typing import Any

from beam.errors.root import BeamError

__all__ = [
    "StoreClosed",
    "StoreCorrupt",
    "StoreError",
    "StoreForeign",
    "StoreFull",
    "StoreLocked",
    "StoreNewer",
    "StoreTimeout",
]


class StoreError(BeamError):
    """The durable log could not do what was asked; nothing was acknowledged.

    Attributes:
        path: the file, `None` for the memory store.
    """

    reason: Any = "store_error"

    def __init__(self, message: str, path: str | None = None) -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path


class StoreForeign(StoreError):
    """The file is not a log of ours; it was not touched."""

    reason: Any = "store_foreign"


class StoreCorrupt(StoreError):
    """The file is a log of ours and damaged; it was not touched."""

    reason: Any = "store_corrupt"


class StoreNewer(StoreError):
    """The file is a log of a newer `beam`, which this one cannot read; it was not touched."""

    reason: Any = "store_newer"


class StoreLocked(StoreError):
    """Another process writes to this log; a log has one writer.

    Attributes:
        pid: the process that writes, `None` if it could not be learned.
    """

    reason: Any = "store_locked"

    def __init__(self, message: str, path: str | None = None, pid: int | None = None) -> None:
        super().__init__(message, path)
        self.pid = pid


class StoreFull(StoreError):
    """There is no room: on the disk, or under the log's own size limit.

    It passes: an append works again once there is room.
    """

    reason: Any = "store_full"


class StoreTimeout(StoreError, TimeoutError):
    """The log did not finish within the deadline, and may still do so.

    An append can be repeated with the same ids: what was stored is not stored twice.
    """

    reason: Any = "store_timeout"


class StoreClosed(StoreError):
    """The log has been closed."""

    reason: Any = "store_closed"
