"""The output of `beam run`: a file with one line for each task that has ended.

It is a projection of the log. On start a torn last line is cut and missing lines are written; a
file that holds lines of something else is refused and not touched.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import IO, TYPE_CHECKING, Any

from beam.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from beam.cli.job import TaskState

__all__ = ["Output"]


class Output:
    """The file, open for appending.

    Args:
        path: where it is; `None` writes nothing. A link is followed: the file behind it is written.
        beside: files that it must not be, for they would be lost.

    Raises:
        InvalidInput: the file cannot be written, or holds lines that no `beam run` has written.
    """

    def __init__(self, path: Path | None, beside: Iterable[Path] = ()) -> None:
        self._path = path.resolve() if path is not None else None
        self._refuse_others(beside)
        self._file: IO[str] | None = None
        self._written: set[str] = set()
        self.kept = self._read() if path is not None else []

    def _refuse_others(self, beside: Iterable[Path]) -> None:
        """Refuse what a file of its own cannot replace: a device, a folder, another's file."""
        path = self._path
        if path is None:
            return
        if path in {one.resolve() for one in beside}:
            raise InvalidInput("--out", str(path), "a file of its own, not the tasks or the store")
        if path.exists() and not path.is_file():
            raise InvalidInput("--out", str(path), "a regular file, or none yet")
        try:
            # As `open` will do it: the file is written anew beside the old one.
            fresh = self._fresh(path)
            fresh.touch()
            fresh.unlink()
        except OSError as error:
            raise InvalidInput("--out", str(path), f"a file to write ({error})") from error

    @staticmethod
    def _fresh(path: Path) -> Path:
        return path.with_name(f"{path.name}.new")

    def _read(self) -> list[dict[str, Any]]:
        """Return the whole lines that are there; what follows the last newline is torn."""
        assert self._path is not None
        try:
            text = self._path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise InvalidInput("--out", str(self._path), f"a file to write ({error})") from error
        lines = []
        for number, line in enumerate(text.split("\n")[:-1], 1):
            try:
                found = json.loads(line)
            except ValueError:
                found = None
            if not isinstance(found, dict) or not {"id", "status"} <= found.keys():
                raise InvalidInput(
                    "--out", f"{self._path}:{number}", "an output of beam run, or no file"
                )
            lines.append(found)
        return lines

    def check(self, known: Iterable[str]) -> None:
        """Refuse a file with lines of tasks that the store does not know.

        Raises:
            InvalidInput: naming the first of them.
        """
        ids = set(known)
        for line in self.kept:
            if line["id"] not in ids:
                raise InvalidInput("--out", line["id"], "only tasks of this store, or another file")

    def open(self, ended: Iterable[TaskState]) -> int:
        """Bring the file up to date with the log, and keep it open; return the lines written.

        The order of the lines that are there stays; a task is there once, as the log has it.
        """
        if self._path is None:
            return 0
        by_id = {state.task.id: state for state in ended}
        order = list(dict.fromkeys([line["id"] for line in self.kept if line["id"] in by_id]))
        there = set(order)
        missing = [task_id for task_id in by_id if task_id not in there]
        lines = [_text(by_id[task_id]) for task_id in (*order, *missing)]
        fresh = self._fresh(self._path)
        try:
            with fresh.open("w", encoding="utf-8") as file:
                file.writelines(lines)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
            self._file = self._path.open("a", encoding="utf-8")
        except OSError as error:
            raise InvalidInput("--out", str(self._path), f"a file to write ({error})") from error
        self._written = set(by_id)
        return len(missing)

    def write(self, state: TaskState) -> None:
        """Append the line of a task that has ended, once.

        Raises:
            InvalidInput: there is no room for it. The log has it: the next run writes it.
        """
        if self._file is None or state.task.id in self._written:
            return
        self._written.add(state.task.id)
        try:
            self._file.write(_text(state))
            self._file.flush()
        except OSError as error:
            raise InvalidInput("--out", str(self._path), f"a file to write ({error})") from error

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            # What is left in the buffer after a write that failed is in the log.
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None


def _text(state: TaskState) -> str:
    return json.dumps(state.line(), ensure_ascii=False) + "\n"
