"""Recordings: files of JSON lines that say what the log has of a session, for tests to play.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from beam.log import MemoryStore, Record
    >>> with tempfile.TemporaryDirectory() as folder, MemoryStore() as store:
    ...     body = '{"data":{"backend":"echo"},"schema_version":1}'
    ...     _ = store.append_wait([Record("evt_1", "session_1", "session_started", 5, body)])
    ...     recording = Recording("session_1", Path(folder, "echo.jsonl"))
    ...     more = recording.catch_up(store)
    ...     recording.path.read_text("utf-8").startswith('{"position": 1, "id": "evt_1"'), more
    (True, False)

A line is an event, as `beam log --json` prints it, so `beam log STORE --session ID --json` makes a
recording as well. A recording has all events of its session, from the first on. What it has is
read from its last line, and what it lacks from the log: whoever writes it may die at any moment.
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from beam.errors import InvalidInput
from beam.model.encoding import decode
from beam.state.journal import event_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from beam.log import LogReader, StoredRecord

__all__ = ["Recording", "Recordings", "checked_path", "line_of"]

# How many events are in memory at once while a recording catches up.
PAGE = 500
# How many bytes are read at once while the last line is looked for.
CHUNK = 64 * 1024
# How every line begins, also one that a crash has cut.
BEGINNING = b'{"position": '


def line_of(record: StoredRecord) -> str:
    """Return a record of the log as a line of JSON; what is sealed in it is left out (G17).

    Raises:
        InvalidInput: the record is not of an event.
    """
    event = event_of(record).to_record()
    if event["type"] in ("runtime_changed", "config_set"):
        event["data"] = _without_seals(event["data"])
    line = {"position": record.position, **event}
    try:
        text = json.dumps(line, ensure_ascii=False)
        text.encode()
    except UnicodeEncodeError:  # A lone surrogate, which has no bytes.
        return json.dumps(line)
    return text


def _without_seals(data: Any) -> Any:
    if not isinstance(data, dict):
        return data
    sealed = "shown" in data
    return {
        name: _without_seals(value)
        for name, value in data.items()
        if not (sealed and name == "sealed")
    }


def checked_path(value: Any) -> Path | None:
    """Return where a session is to be recorded, of the option `record`; `None` for nowhere.

    Raises:
        InvalidInput: it is no path of a file in a folder that is there.
    """
    if value is None:
        return None
    try:
        text = os.fspath(value)
    except TypeError:
        text = None
    if not isinstance(text, str) or not text or "\0" in text:
        raise InvalidInput("record", value, "the path of a file, as text or a Path, or None")
    path = Path(text).absolute()
    if not path.parent.is_dir():
        raise InvalidInput("record", text, "a file in a folder that is there")
    if path.exists() and not path.is_file():
        raise InvalidInput("record", text, "the path of a file")
    return path


class Recording:
    """The file of one session; for any thread.

    Args:
        session_id: the session.
        path: the file; made with the first event, if it is not there.
    """

    def __init__(self, session_id: str, path: Path) -> None:
        self.session_id = session_id
        self.path = path
        # A writer that was killed may still be at work on a thread that was given up (G9).
        self._lock = threading.Lock()
        self._size = -1
        self._after = 0
        self.last_type = ""

    def check(self, store: LogReader) -> None:
        """See that the file can be written, and has nothing but what the log has of the session.

        Raises:
            InvalidInput: naming `record`.
        """
        try:
            if self.path.exists():
                with self._lock, self.path.open("r+b") as file:
                    self._resume(file, store)
            elif not os.access(self.path.parent, os.W_OK | os.X_OK):
                raise InvalidInput("record", str(self.path), "a folder that can be written to")
        except OSError as error:
            raise InvalidInput("record", str(self.path), f"a file to write to ({error})") from error

    def catch_up(self, store: LogReader, limit: int = PAGE) -> bool:
        """Write what the log has of the session, and the file lacks.

        Args:
            store: the log.
            limit: the most events to write.

        Returns:
            Whether there is more.

        Raises:
            InvalidInput: somebody else has written into the file, which is left as it is.
            OSError: it could not be written.
            StoreError: the log could not be read.
        """
        with self._lock, self.path.open("ab+") as file:
            if file.seek(0, os.SEEK_END) != self._size:
                self._resume(file, store)
            records = store.read(self.session_id, after=self._after, limit=limit)
            if records:
                file.write("".join(line_of(record) + "\n" for record in records).encode())
                file.flush()
                self._after, self._size = records[-1].sequence, file.tell()
                self.last_type = records[-1].type
        return len(records) == limit

    def _resume(self, file: IO[bytes], store: LogReader) -> None:
        """Find the last whole line, from which to go on, and cut what a crash has left after it."""
        end, line = _last_line(file)
        after, kind = 0, ""
        if end:
            after, kind = self._place(line, store)
        file.seek(end)
        if torn := file.read(CHUNK):
            if not (torn.startswith(BEGINNING) or BEGINNING.startswith(torn)):
                raise self._foreign("a line that is no event")
            file.truncate(end)
        self._after, self._size, self.last_type = after, end, kind

    def _place(self, line: bytes, store: LogReader) -> tuple[int, str]:
        """Return the sequence and the type of the event in the last line."""
        try:
            record: Mapping[str, Any] = decode(line)
            sequence, known = record["sequence"], record["id"]
            found = store.read(self.session_id, after=sequence - 1, limit=1)
        except (InvalidInput, KeyError, TypeError):
            raise self._foreign("a line that is no event") from None
        if record.get("session_id") != self.session_id or not found or found[0].id != known:
            raise self._foreign(f"event {known!r} of {record.get('session_id')!r}")
        return sequence, found[0].type

    def _foreign(self, found: str) -> InvalidInput:
        wanted = (
            f"a new file, or the recording of {self.session_id} ({self.path} ends with {found})"
        )
        return InvalidInput("record", str(self.path), wanted)


def _last_line(file: IO[bytes]) -> tuple[int, bytes]:
    """Return where the last whole line ends, and the line; 0 and nothing if there is none."""
    start = size = file.seek(0, os.SEEK_END)
    tail = b""
    while start > 0:
        step = min(CHUNK, start)
        start -= step
        file.seek(start)
        tail = file.read(step) + tail
        last = tail.rfind(b"\n")
        before = tail.rfind(b"\n", 0, last) if last > 0 else -1
        if before >= 0 or (start == 0 and last >= 0):
            return size - len(tail) + last + 1, tail[before + 1 : last]
    return 0, b""


class Recordings:
    """Which sessions of a fleet are recorded; it outlives every process in it. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, Recording] = {}
        # Bounded by the recordings.
        self._touched: set[str] = set()

    def __len__(self) -> int:
        return len(self._known)

    def begin(self, session_id: str, path: Path, store: LogReader) -> None:
        """Have a session recorded from now on.

        Raises:
            InvalidInput: the file is another session's, or no recording.
        """
        recording = Recording(session_id, path)
        with self._lock:
            for other in self._known.values():
                if other.session_id != session_id and _same_file(other.path, path):
                    raise InvalidInput("record", str(path), f"not that of {other.session_id}")
            recording.check(store)
            self._known[session_id] = recording

    def end(self, session_id: str) -> None:
        """Have a session recorded no more."""
        with self._lock:
            self._known.pop(session_id, None)

    def get(self, session_id: str) -> Recording | None:
        """Return a session's recording, `None` if it has none."""
        return self._known.get(session_id)

    def touch(self, session_ids: Iterable[str]) -> bool:
        """Note that the log has more of these sessions.

        Returns:
            Whether it is the first news of any that is recorded since `take` was called.
        """
        with self._lock:
            quiet = not self._touched
            self._touched.update(one for one in session_ids if one in self._known)
            return quiet and bool(self._touched)

    def touch_all(self) -> bool:
        """Note that the log may have more of every session; see `touch`."""
        return self.touch(tuple(self._known))

    def take(self) -> list[Recording]:
        """Return the recordings of which there is news, and forget the news."""
        with self._lock:
            known = [self._known[one] for one in sorted(self._touched) if one in self._known]
            self._touched.clear()
            return known


def _same_file(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)
