"""The tasks of `beam run`: one a line, as JSON or as plain text.

    >>> [task.id for task in read_tasks(['{"id": "a", "prompt": "Add"}', "", "Subtract"])]
    ['a', 'line-3']
    >>> try:
    ...     read_tasks(['{"id": "a"}'])
    ... except InvalidInput as error:
    ...     error.field, error.expected
    ('line 1', 'a task with a prompt (prompt: Field required)')

A line that begins with `{` is a JSON object with `prompt`, and optionally `id`, `backend` and
`metadata`; every other line that is not blank is a prompt. A task without an id is called after
its line, `line-17`. All lines are checked before any work starts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from beam.errors import InvalidInput
from beam.model.encoding import decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Task", "read_tasks"]


@dataclass(frozen=True, slots=True)
class Task:
    """One piece of work.

    Attributes:
        id: its name, once in a store.
        prompt: what is asked.
        backend: which backend is to answer; `None` lets the router choose.
        metadata: the caller's own notes.
    """

    id: str
    prompt: str
    backend: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def as_data(self) -> dict[str, Any]:
        """Return what the log keeps of it."""
        return {
            "task_id": self.id,
            "prompt": self.prompt,
            "backend": self.backend,
            "metadata": dict(self.metadata),
        }


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    prompt: str = Field(min_length=1)
    id: str | None = Field(default=None, min_length=1, max_length=200)
    backend: str | None = Field(default=None, min_length=1)
    metadata: dict[str, Any] = {}


def read_tasks(lines: Iterable[str]) -> list[Task]:
    """Return the tasks of the lines of a file.

    Raises:
        InvalidInput: naming the line that is no task, or whose id is there twice; or there is
            no task at all.
    """
    tasks: dict[str, Task] = {}
    first_line: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text:
            continue
        task = _json_task(number, text) if text.startswith("{") else Task(f"line-{number}", text)
        if task.id in tasks:
            raise InvalidInput(
                f"line {number}", task.id, f"an id of its own (line {first_line[task.id]} has it)"
            )
        tasks[task.id] = task
        first_line[task.id] = number
    if not tasks:
        raise InvalidInput("tasks", "nothing", "at least one task")
    return list(tasks.values())


def _json_task(number: int, text: str) -> Task:
    try:
        found = _Line.model_validate(decode(text))
    except InvalidInput as error:
        raise InvalidInput(f"line {number}", text[:80], "a JSON object") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(
            f"line {number}", text[:80], f"a task with a prompt ({where}: {first['msg']})"
        ) from error
    return Task(found.id or f"line-{number}", found.prompt, found.backend, found.metadata)
