"""`FunctionThreads`: the process that runs the functions of one backend, for all its sessions.

Sessions of functions have no thread: a query gets one (or, if the function is a coroutine, becomes
a task of the one loop thread) when it is asked and there is room, and waits in a queue when there
is not. Both are bounded: a query for which there is no room in the queue fails with `backend_busy`.

A function that does not come back although its query is over cannot be made to (G9). After
`stuck_after` seconds it is reported, and does not count as running any more, so that others may
run in its place, up to as many such as there are slots. So a backend has at most twice `slots`
threads; when that many functions are stuck, no other runs until one of them comes back.

What it reports, from `beam.backends`: `function_stuck` and `function_returned` (warnings: function,
session_id, query_id, and how many are stuck now).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from beam.backends.function_answer import failed
from beam.backends.function_job import Job, RunJob, StopJob
from beam.backends.function_run import run, run_async
from beam.errors import BeamError, LoopStopped, PortError
from beam.logger import Logger
from beam.otp import Down, Exit, Monitor, Ref, Server, demonitor, monitor, spawn_link, whereis
from beam.otp.context import innermost_node
from beam.otp.node import Node
from beam.ports.loop import LoopThread

__all__ = ["FunctionLimits", "FunctionLoad", "FunctionThreads"]

PORTS = "ports"
"""The name of the process that has the loop thread."""

_log = Logger("beam.backends")


@dataclass(frozen=True, slots=True)
class FunctionLimits:
    """How much may be at work.

    Attributes:
        slots: the functions that run at once.
        queue: the queries that wait for that.
        stuck_after: seconds that a function has to come back when its query is over.
    """

    slots: int = 32
    queue: int = 1000
    stuck_after: float = 5.0


@dataclass(frozen=True, slots=True)
class FunctionLoad:
    """How much is at work.

    Attributes:
        running: the functions that run, stuck ones too.
        stuck: those that have not come back in time.
        waiting: the queries that wait.
        refused: the queries for which there was no room, since the start.
    """

    running: int
    stuck: int
    waiting: int
    refused: int


class _Returned:
    """The task of a job has ended."""

    __slots__ = ("job",)
    __match_args__ = ("job",)

    def __init__(self, job: Job) -> None:
        self.job = job


class _Overdue:
    """A function has not come back in time."""

    __slots__ = ("job",)
    __match_args__ = ("job",)

    def __init__(self, job: Job) -> None:
        self.job = job


class FunctionThreads(Server):
    """Runs functions, within limits; see the module.

    It has a thread of its own, for it starts threads and waits until they run.

    Args (of `start`):
        limits: how much may be at work.
    """

    trap_exit = True
    blocking = True

    def init(self, limits: FunctionLimits) -> None:
        """Set out with nothing to do."""
        self._limits = limits
        self._loop: LoopThread | None = None
        self._queue: deque[Job] = deque()
        self._running: dict[Job, None] = {}
        self._watched: dict[Monitor, Job] = {}
        self._workers: dict[Ref[Any], Job] = {}
        self._stuck = 0
        self._refused = 0

    def terminate(self, reason: Any) -> None:
        """Tell every function that its query is over."""
        for job in (*self._running, *self._queue):
            job.exchange.interrupt()

    def load(self) -> FunctionLoad:
        """Return how much is at work."""
        return FunctionLoad(len(self._running), self._stuck, len(self._queue), self._refused)

    def handle_cast(self, message: Any) -> None:
        """Take a job, or take one back."""
        match message:
            case RunJob(job):
                self._take(job)
            case StopJob(job):
                self._stop_job(job)
            case _Returned(job):
                self._leave(job)
            case _:
                super().handle_cast(message)

    def handle_info(self, message: Any) -> None:
        """Hear of those who have ended, and of those who have not."""
        match message:
            case Exit(process=worker):
                job = self._workers.pop(worker, None)
                if job is not None:
                    self._leave(job)
            case Down(monitor=watch):
                job = self._watched.pop(watch, None)
                if job is not None:
                    self._stop_job(job)
            case _Overdue(job):
                self._overdue(job)
            case _:
                super().handle_info(message)

    # A job's way

    def _take(self, job: Job) -> None:
        if len(self._queue) >= self._limits.queue and not self._has_room():
            self._refused += 1
            limits = f"{self._limits.slots} functions run, {len(self._queue)} queries wait"
            self._fail(job, limits, reason="backend_busy")
            return
        job.watch = monitor(job.connection)
        self._watched[job.watch] = job
        self._queue.append(job)
        self._start_more()

    def _has_room(self) -> bool:
        return len(self._running) - min(self._stuck, self._limits.slots) < self._limits.slots

    def _start_more(self) -> None:
        while self._queue and self._has_room():
            job = self._queue.popleft()
            if not job.connection.is_alive():
                job.exchange.interrupt()
                continue  # Its `Down` is behind the mail that has made room.
            self._running[job] = None
            job.running = True
            try:
                job.context.run(self._start_job, job)
            except BeamError as error:
                self._fail(job, f"the function could not be started: {error}")
                self._leave(job)

    def _start_job(self, job: Job) -> None:
        now = _clock(self.node)
        if not job.form.is_async:
            job.worker = spawn_link(_run_on_thread, job, now)
            self._workers[job.worker] = job
            return
        task = (_run_on_loop, job, now, self.node, self.actor_ref)
        try:
            self._submit(*task)
        except LoopStopped:
            self._loop = None  # Its owner was restarted, and has another one.
            self._submit(*task)

    def _submit(self, work: Callable[..., Any], job: Job, *arguments: Any) -> None:
        if self._loop is None:
            ports = whereis(PORTS)
            if ports is None:
                raise PortError("no process is registered as 'ports', which has the loop thread")
            self._loop = ports.proxy().loop_thread().get()
        self._loop.submit(work(job, *arguments), job.form.name)

    def _stop_job(self, job: Job) -> None:
        job.exchange.interrupt()
        if job in self._running:
            if job.timer is None:
                job.timer = self.send_after(self._limits.stuck_after, _Overdue(job))
        elif job in self._queue:
            self._queue.remove(job)
            self._leave(job)

    def _overdue(self, job: Job) -> None:
        if job in self._running:
            job.stuck = True
            self._stuck += 1
            self._report("function_stuck", job)
            self._start_more()

    def _leave(self, job: Job) -> None:
        """Forget a job that has ended; one that was killed has not said so itself."""
        self._running.pop(job, None)
        self._fail(job, "the function's process was killed")
        if job.watch is not None:
            self._watched.pop(job.watch, None)
            demonitor(job.watch, flush=True)
        if job.timer is not None:
            job.timer.cancel()
        if job.stuck:
            self._stuck -= 1
            self._report("function_returned", job)
        self._start_more()

    def _fail(self, job: Job, words: str, reason: str = "backend_error") -> None:
        """End the query, if it has not ended, in a way that is worth another try."""
        query_id, now = job.exchange.query.query_id, _clock(self.node)()
        job.exchange.end(failed(query_id, words, timestamp=now, reason=reason, retryable=True))

    def _report(self, event: str, job: Job) -> None:
        exchange = job.exchange
        _log.warning(
            event,
            function=job.form.name,
            session_id=exchange.session_id,
            query_id=exchange.query.query_id,
            stuck=self._stuck,
        )


def _clock(node: Node) -> Callable[[], int]:
    time = node.clock.time
    return lambda: int(time() * 1000)


def _run_on_thread(job: Job, now: Callable[[], int]) -> None:
    """Run a job on a thread of its own."""
    job.exchange.end(run(job.form, job.exchange, now))


async def _run_on_loop(
    job: Job, now: Callable[[], int], node: Node, threads: Ref[FunctionThreads]
) -> None:
    """Run a job as a task of the loop."""
    innermost_node.set(node)
    try:
        job.exchange.end(await run_async(job.form, job.exchange, now))
    finally:
        threads.cast(_Returned(job))
