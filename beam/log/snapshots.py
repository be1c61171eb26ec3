"""Snapshots: what an owner of state had made of the log up to a position, kept beside the log.

    >>> import tempfile
    >>> from beam.log import Record, SqliteStore
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     with SqliteStore.open(f"{directory}/fleet.db") as store:
    ...         _ = store.append_wait([Record("e1", "a", "said", 0, "{}")])
    ...         snapshots = snapshots_of(store)
    ...         snapshots.save("counts", 1, 1, {"a": 1}), snapshots.load("counts", 1)
    (True, Snapshot(position=1, data={'a': 1}))

The log is the truth, and a snapshot only saves the time of reading it again: the files may be
deleted at any time, also while the log is open. What is damaged, of another version, or not of
this very log (its last record is not the one that the snapshot was made at) is not loaded; then
the owner reads the log from its beginning.

What is given to `save` is written as it is: it must hold no secret that the log does not (G17).
A log in memory has no snapshots.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from beam.errors import InvalidInput
from beam.log.record import check_count, check_name
from beam.log.reports import report
from beam.log.sqlite import SqliteStore

if TYPE_CHECKING:
    from beam.log.store import LogReader

__all__ = ["FileSnapshots", "NoSnapshots", "Snapshot", "Snapshots", "snapshots_of"]

# The shape of the files.
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was kept.

    Attributes:
        position: of the last record in it; the log is to be read after that.
        data: as it was given, as JSON gives it back: tuples are lists.
    """

    position: int
    data: Any


class Snapshots(Protocol):
    """Keeps the newest snapshot of each name; for any thread, for one owner of each name."""

    def load(self, name: str, version: int) -> Snapshot | None:
        """Return the snapshot of this name; `None` if there is none that can be trusted.

        Args:
            name: the owner's.
            version: of the shape of its data; one of another version is none.

        Raises:
            InvalidInput: an argument is not what it must be.
            StoreClosed: the log has been closed.
        """
        ...

    def save(self, name: str, version: int, position: int, data: Any) -> bool:
        """Keep a snapshot in place of the one before, and say whether it is kept.

        A disk that is full, or the like, is reported (`log_snapshot_not_saved`), and no error: the
        log has everything.

        Args:
            name: the owner's, letters, digits and `_`.
            version: of the shape of `data`, from 1.
            position: of the last record in it, from 1.
            data: JSON data.

        Raises:
            InvalidInput: an argument is not what it must be.
            StoreClosed: the log has been closed.
        """
        ...


class NoSnapshots:
    """Keeps nothing."""

    def load(self, name: str, version: int) -> Snapshot | None:
        """Return nothing."""
        _check(name, version)
        return None

    def save(self, name: str, version: int, position: int, data: Any) -> bool:
        """Keep nothing."""
        _check(name, version)
        check_count("position", position)
        return False


class FileSnapshots:
    """Snapshots in files, one for each name; see `Snapshots`.

    Args:
        log: the log that they are of.
        directory: where they are; made when the first is saved.
    """

    def __init__(self, log: LogReader, directory: Path) -> None:
        self._log = log
        self._directory = directory

    def load(self, name: str, version: int) -> Snapshot | None:
        """Return the snapshot of this name; see `Snapshots.load`."""
        _check(name, version)
        try:
            head, _, body = self._file(name).read_bytes().partition(b"\n")
            known = json.loads(head)
            position, last = int(known["position"]), known["last"]
            wanted = [FORMAT, name, version, hashlib.sha256(body).hexdigest()]
            found = [known[key] for key in ("format", "name", "version", "sha256")]
            if position < 1 or found != wanted or not isinstance(last, str):
                return None
            data = json.loads(body)
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None
        return Snapshot(position, data) if self._last(position) == last else None

    def save(self, name: str, version: int, position: int, data: Any) -> bool:
        """Keep a snapshot; see `Snapshots.save`."""
        _check(name, version)
        check_count("position", position)
        body = _encoded(data)
        known = {
            "format": FORMAT,
            "name": name,
            "version": version,
            "position": position,
            "last": self._last(position),
            "sha256": hashlib.sha256(body).hexdigest(),
        }
        file = self._file(name)
        # Moved into place when it is whole. It is not flushed to the disk: what a loss of power
        # makes of it, its checksum tells.
        draft = file.with_name(f"{file.name}-new")
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            draft.write_bytes(json.dumps(known).encode() + b"\n" + body)
            draft.replace(file)
        except OSError as error:
            report("log_snapshot_not_saved", path=str(file), error=str(error))
            return False
        return True

    def _file(self, name: str) -> Path:
        return self._directory / f"{name}.json"

    def _last(self, position: int) -> str | None:
        """Return the id of the record at a position: no other log has it there."""
        found = self._log.read_all(after_position=position - 1, limit=1)
        return found[0].id if found and found[0].position == position else None


def snapshots_of(log: LogReader) -> Snapshots:
    """Return the snapshots of a log: beside its file, in FILE-snapshots, if it has one."""
    if isinstance(log, SqliteStore):
        return FileSnapshots(log, Path(f"{log.path}-snapshots"))
    return NoSnapshots()


def _check(name: object, version: object) -> None:
    check_name("name", name)
    if not str(name).replace("_", "a").isalnum() or not str(name).isascii():
        raise InvalidInput("name", name, "letters, digits and underscores")
    check_count("version", version)


def _encoded(data: Any) -> bytes:
    try:
        return json.dumps(data, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput("data", type(data).__name__, f"JSON data ({error})") from error
