"""Where the provisioner notes what it has made: in memory, or in a JSON file.

    >>> store = MemoryHandles()
    >>> store.put("a", {"agent_id": "agent_1"})
    >>> store.get("a"), store.get("b")
    ({'agent_id': 'agent_1'}, None)

The file is replaced as a whole, so that whoever reads it sees the old one or the new one, and no
crash leaves half of one. It has one writer at a time; two would undo each other's notes. One that
cannot be understood counts as empty, is reported (`provision_store_corrupt`) and kept beside the
new one under another name. A lost note costs a look-up at the provider where names are unique,
elsewhere a second agent, for `prune`.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from beam.otp.reports import report

__all__ = ["FileHandles", "HandleStore", "MemoryHandles"]

Note = dict[str, Any]


class HandleStore(Protocol):
    """Notes by key, JSON data; each operation is quick."""

    def get(self, key: str) -> Any:
        """Return the note, whatever it is; None if there is none."""
        ...

    def put(self, key: str, note: Mapping[str, Any]) -> None:
        """Keep a note."""
        ...

    def delete(self, key: str) -> None:
        """Forget a note, if there is one."""
        ...

    def items(self) -> list[tuple[str, Any]]:
        """Return all notes by key, the oldest first."""
        ...


class MemoryHandles:
    """Notes in memory. As many as are put: one for each agent and each tag."""

    def __init__(self) -> None:
        self._notes: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        """Return the note; see `HandleStore`."""
        return self._notes.get(key)

    def put(self, key: str, note: Mapping[str, Any]) -> None:
        """Keep a note."""
        self._notes[key] = dict(note)

    def delete(self, key: str) -> None:
        """Forget a note."""
        self._notes.pop(key, None)

    def items(self) -> list[tuple[str, Any]]:
        """Return all notes."""
        return list(self._notes.items())


class FileHandles(MemoryHandles):
    """Notes in a JSON file.

    Args:
        path: the file; its folder must exist.

    Raises:
        OSError: it is there and cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__()
        self._path = Path(path)
        self._lock = threading.Lock()
        self._notes = self._read()

    def put(self, key: str, note: Mapping[str, Any]) -> None:
        """Keep a note, in the file when this returns.

        Raises:
            OSError: the file cannot be written; the note is not kept.
        """
        with self._lock:
            self._write({**self._notes, key: dict(note)})

    def delete(self, key: str) -> None:
        """Forget a note; in the file, too.

        Raises:
            OSError: the file cannot be written; the note is still there.
        """
        with self._lock:
            if key in self._notes:
                self._write({name: note for name, note in self._notes.items() if name != key})

    def _read(self) -> dict[str, Any]:
        try:
            text = self._path.read_bytes()
        except FileNotFoundError:
            return {}
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            return self._corrupt(str(error))
        return found if isinstance(found, dict) else self._corrupt("it is no object")

    def _corrupt(self, why: str) -> dict[str, Any]:
        aside = self._path.with_name(f"{self._path.name}.corrupt")
        self._path.replace(aside)
        report("warning", "provision_store_corrupt", path=str(self._path), kept=str(aside), why=why)
        return {}

    def _write(self, notes: dict[str, Any]) -> None:
        fresh = self._path.with_name(f"{self._path.name}.new")
        with open(fresh, "w", encoding="utf-8", opener=_private) as file:
            json.dump(notes, file, indent=1, sort_keys=False)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        self._notes = notes


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
