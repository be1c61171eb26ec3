"""What the log says of a job: which tasks there are, and how each stands.

A plain value, folded from the events of the log in their order; `beam run` starts from it, follows
it while it works, and writes its output from it. So a second run with the same store goes on where
the first one stopped, however that ended.

    >>> from beam.model import Event
    >>> def event(kind, run=None, **data):
    ...     return Event(id="e", type=kind, session_id="s", timestamp=0, run_id=run, data=data)
    >>> job = Job()
    >>> job.take(event("task_accepted", task_id="a", prompt="Add", backend=None, metadata={}))
    >>> job.take(event("run_submitted", "r", metadata={"task_id": "a"}))
    >>> job.take(event("run_started", "r"))
    >>> job.tasks["a"].status, job.tasks["a"].attempts
    ('open', 1)
    >>> _ = job.take(event("run_completed", "r", output="5"))
    >>> job.tasks["a"].line()["answer"], job.answered, job.left
    ('5', 1, 0)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from beam.cli.tasks import Task

if TYPE_CHECKING:
    from beam.model.events import Event, EventType

__all__ = ["JOB_EVENTS", "Job", "TaskState"]

JOB_EVENTS: tuple[EventType, ...] = (
    "session_started", "session_restarted", "task_accepted", "task_failed", "run_submitted",
    "run_started", "run_completed", "run_failed", "run_interrupted", "run_retried",
    "fault_injected",
)  # fmt: skip
"""The events that a job is folded from."""

OF_THE_FLEET = frozenset({"fleet_closed", "session_closed", "session_quarantined"})
"""The reasons of a run's end that say nothing of its task."""


@dataclass(slots=True)
class TaskState:
    """How one task stands.

    Attributes:
        task: the task.
        status: `open`, `answered` or `failed`.
        run_id: the run that is at work on it, or was last.
        session_id: in which session.
        attempts: how often an agent was asked.
        charged: how many of these ended badly by no experiment's fault: what `--retries` counts.
        started_at, ended_at: Unix milliseconds.
        answer: the answer, of an answered task.
        reason: why it failed.
    """

    task: Task
    status: Literal["open", "answered", "failed"] = "open"
    run_id: str | None = None
    session_id: str | None = None
    attempts: int = 0
    charged: int = 0
    started_at: int | None = None
    ended_at: int | None = None
    answer: Any = None
    reason: Any = None
    backend: str | None = None
    answers: int = 0

    def line(self) -> dict[str, Any]:
        """Return the task's line of the output."""
        outcome = {"answer": self.answer} if self.status == "answered" else {"reason": self.reason}
        return {
            "id": self.task.id,
            "status": self.status,
            **outcome,
            "backend": self.backend,
            "session_id": self.session_id,
            "attempts": self.attempts,
            "started_at": _iso(self.started_at),
            "ended_at": _iso(self.ended_at),
        }


@dataclass(slots=True)
class Job:
    """The tasks of a store.

    Attributes:
        tasks: by id, in the order in which they were accepted.
        restarts: how often a session's process was restarted.
        faults: how many faults were injected.
        retries: how many attempts followed another.
        restarts_of: how often each session's process was restarted, if ever.
    """

    tasks: dict[str, TaskState] = field(default_factory=dict)
    restarts: int = 0
    faults: int = 0
    retries: int = 0
    restarts_of: dict[str, int] = field(default_factory=dict)
    _runs: dict[str, TaskState] = field(default_factory=dict)
    _backends: dict[str, str] = field(default_factory=dict)

    @property
    def answered(self) -> int:
        """How many tasks have their answer."""
        return sum(one.status == "answered" for one in self.tasks.values())

    @property
    def failed(self) -> int:
        """How many tasks were given up."""
        return sum(one.status == "failed" for one in self.tasks.values())

    @property
    def left(self) -> int:
        """How many tasks are open."""
        return sum(one.status == "open" for one in self.tasks.values())

    @property
    def duplicated(self) -> int:
        """How many answers there are beyond the first of a task."""
        return sum(max(0, one.answers - 1) for one in self.tasks.values())

    def take(self, event: Event) -> TaskState | None:
        """Take one event more, in the order of the log; return the task that it ended."""
        match event.type:
            case "session_started":
                self._backends[event.session_id] = str(event.data.get("backend"))
            case "session_restarted":
                self.restarts += 1
                self.restarts_of[event.session_id] = self.restarts_of.get(event.session_id, 0) + 1
            case "task_accepted":
                self._accept(event)
            case "task_failed":
                return self._fail(event)
            case "run_submitted":
                task = self.tasks.get(str((event.data.get("metadata") or {}).get("task_id")))
                if task is not None and event.run_id is not None:
                    self._runs[event.run_id] = task
            case _:
                return self._take_of_run(event)
        return None

    def _accept(self, event: Event) -> None:
        data = event.data
        task = Task(data["task_id"], data["prompt"], data["backend"], data["metadata"])
        self.tasks.setdefault(task.id, TaskState(task))

    def _fail(self, event: Event) -> TaskState | None:
        task = self.tasks.get(str(event.data.get("task_id")))
        if task is None or task.status != "open":
            return None
        task.status, task.reason = "failed", event.data.get("reason")
        task.ended_at = event.timestamp
        return task

    def _take_of_run(self, event: Event) -> TaskState | None:
        if event.type == "fault_injected":
            self.faults += 1
        task = self._runs.get(event.run_id or "")
        if task is None:
            return None
        match event.type:
            case "run_started":
                self.retries += task.attempts > 0
                task.attempts += 1
                task.started_at = task.started_at or event.timestamp
                task.run_id, task.session_id = event.run_id, event.session_id
                task.backend = self._backends.get(event.session_id)
            case "run_retried":
                task.charged += not event.data.get("injected", False)
            case "run_failed" | "run_interrupted":
                task.charged += event.data.get("reason") not in OF_THE_FLEET
            case "run_completed":
                task.answers += 1
                if task.status == "open":
                    task.status, task.answer = "answered", event.data.get("output")
                    task.ended_at = event.timestamp
                    return task
        return None


def _iso(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds")
