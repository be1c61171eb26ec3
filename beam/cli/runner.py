"""The work of `beam run`: every task through a session, and its end into the log.

One loop: tasks go to idle sessions, ends of runs come back. What is known of the tasks is folded
from the log (`Job`), by this run and by the next one alike; so whatever kills this process, the
next one finds every answered task answered, and does the rest.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any

from beam.cli.job import JOB_EVENTS, Job, TaskState
from beam.errors import BeamError, InvalidInput, Refused
from beam.log import replay
from beam.model.events import FLEET
from beam.state.journal import event_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.cli.output import Output
    from beam.cli.tasks import Task
    from beam.cli.terms import Terms
    from beam.fleet import Fleet
    from beam.log import LogReader, StoredRecord
    from beam.sessions.handle import SessionHandle
    from beam.sessions.run import Run

__all__ = ["Runner", "job_of"]

# Seconds after which the loop looks up, whether anything has happened or not.
TICK = 0.25
# How many runs of one task may fail for reasons of the fleet's own (a session in quarantine, a
# full queue) before it is given up whatever its retries.
FLEET_FAILURES = 100


def job_of(log: LogReader) -> Job:
    """Return what the log says of its tasks."""
    job = Job()
    for record in replay(log, types=JOB_EVENTS):
        job.take(event_of(record))
    return job


class _Slot:
    """A session, and the task that it is at work on."""

    __slots__ = ("backend", "session", "task")

    def __init__(self, backend: str, session: SessionHandle) -> None:
        self.backend = backend
        self.session = session
        self.task: TaskState | None = None


class Runner:
    """Does the tasks of one `beam run`.

    Args:
        fleet: a fleet that runs.
        backends: the names of its backends.
        terms: how.
        output: where ended tasks are written.
        chaos: what is to be broken meanwhile, `None` for nothing.
    """

    def __init__(
        self,
        fleet: Fleet,
        backends: list[str],
        terms: Terms,
        output: Output,
        chaos: Callable[[TaskState], None] | None = None,
    ) -> None:
        self._fleet = fleet
        self._backends = backends
        self._terms = terms
        self._output = output
        self._chaos = chaos
        self._journal = fleet.journal()
        self.job = Job()
        self._news: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._pending: deque[TaskState] = deque()
        self._idle: dict[str, list[_Slot]] = defaultdict(list)
        self._busy: dict[str, _Slot] = {}
        self._failures: dict[str, int] = defaultdict(int)
        self._last_backend: dict[str, str] = {}
        self._last_reason: dict[str, str] = {}
        self._wanted: set[str] = set()
        self._stopping = threading.Event()

    # The tasks

    def accept(self, tasks: list[Task]) -> int:
        """Take the tasks into the log, those that it does not have; return how many it had ended.

        Raises:
            InvalidInput: an id stands in the store for another task.
        """
        self._listener = self._journal.store.on_append(self._news.put)
        until = self._listener.since
        for record in replay(self._journal.store, types=JOB_EVENTS):
            if record.position <= until:
                self.job.take(event_of(record))
        for task in tasks:
            self._check(task)
        fresh = [task for task in tasks if task.id not in self.job.tasks]
        self._output.check([*self.job.tasks, *(task.id for task in fresh)])
        for start in range(0, len(fresh), 500):
            self._journal.append_wait(
                [
                    self._journal.event("task_accepted", FLEET, **task.as_data())
                    for task in fresh[start : start + 500]
                ],
                timeout=60.0,
            )
        self._listen()
        self._wanted = wanted = {task.id for task in tasks}
        ended = [one for one in self.job.tasks.values() if one.status != "open"]
        self._output.open(ended)
        self._pending.extend(
            one for one in self.job.tasks.values() if one.status == "open" and one.task.id in wanted
        )
        return sum(one.task.id in wanted for one in ended)

    def _check(self, task: Task) -> None:
        known = self.job.tasks.get(task.id)
        if known is not None and known.task.prompt != task.prompt:
            raise InvalidInput(task.id, task.prompt[:80], "the prompt that the store has for it")

    @property
    def total(self) -> int:
        """How many tasks there are to do in all."""
        return len(self._wanted)

    @property
    def at_work(self) -> list[tuple[str, str, str | None]]:
        """The sessions, their backends, and the tasks they are at work on."""
        slots = [*self._busy.values(), *(one for idle in self._idle.values() for one in idle)]
        return [
            (one.session.id, one.backend, one.task.task.id if one.task else None) for one in slots
        ]

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """Return what the table shows of each session, in the order of their ids."""
        shown = []
        for session_id, backend, task in sorted(self.at_work):
            session = self._fleet.session(session_id)
            state = "active_query" if task is not None else "ready"
            status = session.status() or "closed"
            shown.append(
                (
                    session_id[:16],
                    backend[:32],
                    state if status == "live" else status,
                    str(self.job.restarts_of.get(session_id, 0)),
                    task or "",
                )
            )
        return shown

    @property
    def left(self) -> int:
        """How many of the tasks have not ended, or have a run that has not."""
        return len(self._pending) + len(self._busy)

    def count(self, status: str) -> int:
        """Return how many of the tasks are `open`, `answered` or `failed`, by the log."""
        return sum(self.job.tasks[one].status == status for one in self._wanted)

    # The loop

    def run(self, look: Callable[[], None]) -> None:
        """Work until every task has ended, or `stop` is called; `look` is called now and then."""
        drained: float | None = None
        while self.left:
            if self._stopping.is_set():
                now = self._fleet.node.clock.now()
                drained = now + self._terms.drain if drained is None else drained
                if not self._busy or now >= drained:
                    break
            else:
                self._dispatch()
            self._listen(wait=TICK)
            look()
        self._listener.cancel()
        self._listen()

    def stop(self) -> None:
        """Begin no more tasks; those at work have the drain's time. From any thread."""
        self._stopping.set()

    def _dispatch(self) -> None:
        """Give tasks to sessions, as long as there are both."""
        while self._pending and len(self._busy) < self._terms.sessions:
            state = self._pending.popleft()
            try:
                slot = self._slot(self._route(state))
            except Refused as refusal:
                self._not_done(state, refusal)
                continue
            self._begin(state, slot)

    def _route(self, state: TaskState) -> str:
        """Return the backend for a task: its own, or the router's choice."""
        if state.task.backend is not None:
            return state.task.backend
        request: dict[str, Any] = {
            "policy": self._terms.policy,
            "preferred_backends": self._backends,
        }
        if self._terms.policy == "explicit":
            request["backend"] = self._backends[0]
        if self._terms.policy == "sticky":
            request["affinity_key"] = str(state.task.metadata.get("affinity", state.task.id))
        if state.task.id in self._last_backend:
            request["last_backend"] = self._last_backend[state.task.id]
        decision = self._fleet.router.select_backend(request)
        chosen: str = decision.backend
        return chosen

    def _slot(self, backend: str) -> _Slot:
        """Return an idle session of a backend; make room for one if all are of another."""
        if self._idle[backend]:
            return self._idle[backend].pop()
        others = [idle for idle in self._idle.values() if idle]
        if len(self._busy) + sum(map(len, others)) >= self._terms.sessions and others:
            others[0].pop().session.stop()
        session = self._fleet.start_session(
            backend=backend, tools=self._terms.tools.get(backend, ()), on_crash="retry"
        )
        return _Slot(backend, session)

    def _begin(self, state: TaskState, slot: _Slot) -> None:
        slot.task = state
        self._last_backend[state.task.id] = slot.backend
        run = slot.session.submit(
            state.task.prompt,
            timeout=self._terms.timeout,
            on_crash="retry",
            retries=max(0, self._terms.retries - state.charged),
            metadata={**state.task.metadata, "task_id": state.task.id},
        )
        self._busy[run.run_id] = slot
        if not run.add_waiter(lambda: self._news.put(run)):
            self._news.put(run)

    def _listen(self, wait: float = 0.0) -> None:
        """Take what has happened: records of the log, and ends of runs."""
        timeout = wait
        while True:
            try:
                news = self._news.get(timeout=timeout) if timeout else self._news.get_nowait()
            except queue.Empty:
                return
            timeout = 0.0
            if isinstance(news, tuple):
                self._take_records(news)
            else:
                self._run_ended(news)

    def _take_records(self, records: tuple[StoredRecord, ...]) -> None:
        for record in records:
            if record.type not in JOB_EVENTS:
                continue
            event = event_of(record)
            ended = self.job.take(event)
            if ended is not None:
                self._output.write(ended)
            if event.type == "run_started" and self._chaos is not None:
                slot = self._busy.get(event.run_id or "")
                if slot is not None and slot.task is not None:
                    self._chaos(slot.task)

    def _run_ended(self, run: Run) -> None:
        slot = self._busy.pop(run.run_id)
        state, slot.task = slot.task, None
        assert state is not None
        error = run.error()
        if slot.session.status() in ("quarantined", "closed"):
            # Its supervisor may be on its way back; the session is over all the same.
            with contextlib.suppress(BeamError):
                slot.session.stop()
        else:
            self._idle[slot.backend].append(slot)
        self._fleet.report(slot.backend, error)
        if error is not None and state.status == "open":
            self._not_done(state, error)

    def _not_done(self, state: TaskState, error: BaseException) -> None:
        """Try a task again whose run has failed, or give it up."""
        reason = getattr(error, "reason", repr(error))
        self._failures[state.task.id] += 1
        of_fleet = self._failures[state.task.id] <= FLEET_FAILURES
        again = state.charged <= self._terms.retries and reason != "retries_exhausted" and of_fleet
        facts = getattr(error, "facts", {})
        detail = facts.get("detail") or facts.get("cause")
        said = f"{reason}: {detail}" if detail else str(reason)
        if again and self._worth_it(error):
            if reason != "no_backend_available":
                self._last_reason[state.task.id] = said
            self._pending.append(state)
            return
        before = self._last_reason.get(state.task.id, said)
        if reason == "no_backend_available" and before != said:
            said = f"{said} (before: {before})"
        failed = self._journal.event("task_failed", FLEET, task_id=state.task.id, reason=said)
        self._journal.append_wait([failed], timeout=60.0)

    def _worth_it(self, error: BaseException) -> bool:
        """Say whether the same prompt may do better: not where an agent said that it will not.

        A function that raised has said nothing about that.
        """
        facts = getattr(error, "facts", {})
        reason = getattr(error, "reason", None)
        return bool(facts.get("retryable", True)) or reason == "backend_error"
