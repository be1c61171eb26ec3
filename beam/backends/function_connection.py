"""A session's connection to a function: a process that never blocks, and costs next to nothing.

It has no thread. A query goes to the backend's `FunctionThreads`; what the function says comes back
here, and goes to the session as long as its query is open. What a function says after that, because
it does not know yet, or does not care, is dropped and counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.backends.backend import (
    WINDOW,
    Abandon,
    Heard,
    Interrupt,
    Opening,
    PermissionAnswer,
    Query,
    Took,
    ToolResult,
)
from beam.backends.effects import (
    AskPermission,
    Completed,
    Deliver,
    Effect,
    Failed,
    Ready,
    RunTool,
)
from beam.backends.exchange import Exchange, Room
from beam.backends.function_answer import failed
from beam.backends.function_job import Job, RunJob, StopJob
from beam.model.messages import ToolMessage
from beam.otp import Down, Exit, Server, demonitor, monitor, whereis

if TYPE_CHECKING:
    from beam.backends.function_form import FunctionForm
    from beam.otp import Call, Monitor, Ref

__all__ = ["FunctionConnection"]


class _OpenJob:
    """The query that is open."""

    __slots__ = ("job", "threads", "watch")

    def __init__(self, job: Job, threads: Ref[Any], watch: Monitor) -> None:
        self.job = job
        self.threads = threads
        self.watch = watch


class FunctionConnection(Server):
    """One function and one session; see the module.

    It answers the call `"os_process"` with None, and `"counts"` with how many late words it has
    dropped.
    """

    # A session that ends with "normal" takes it along only so.
    trap_exit = True
    blocking = False

    def init(self, form: FunctionForm, threads: Any, opening: Opening) -> None:
        """Be ready at once."""
        self._form = form
        self._threads = threads
        self._opening = opening
        self._ahead = 0
        self._late = 0
        self._open: _OpenJob | None = None
        self._say(Ready(form.name, "", ("interrupt",)))

    def terminate(self, reason: Any) -> None:
        """Tell the function that its query is over; `FunctionThreads` hears of the end itself."""
        if self._open is not None:
            self._open.job.exchange.interrupt()

    def handle_call(self, message: Any, caller: Call) -> Any:
        """Answer what there is to know."""
        match message:
            case "os_process":
                return None
            case "counts":
                return {"late": self._late} if self._late else {}
        return super().handle_call(message, caller)

    def handle_cast(self, message: Any) -> None:
        """Take what the session wants, and what the function says."""
        match message:
            case Deliver() | RunTool() | AskPermission() | Completed() | Failed():
                self._said(message)
            case Took(count):
                self._ahead -= count
                if self._open is not None:
                    self._open.job.exchange.give(count)
            case Query():
                self._query(message)
            case ToolResult(query_id) if self._is_open(query_id):
                self._exchange.tool_answered(message)
            case PermissionAnswer(query_id) if self._is_open(query_id):
                self._exchange.decided(message)
            case Interrupt(query_id) if self._is_open(query_id):
                self._give_up()
                self._fail(query_id, "interrupted", reason="interrupted")
            case Abandon(query_id) if self._is_open(query_id):
                self._give_up()
            case ToolResult() | PermissionAnswer() | Interrupt() | Abandon():
                pass  # Of a query that is over.
            case _:
                super().handle_cast(message)

    def handle_info(self, message: Any) -> None:
        """Hear of those who have ended."""
        match message:
            case Down(monitor=watch, reason=reason):
                if self._open is not None and watch is self._open.watch:
                    query_id = self._exchange.query.query_id
                    self._exchange.interrupt()
                    self._open = None
                    words = f"the process that runs functions has ended: {reason!r}"
                    self._fail(query_id, words, retryable=True)
            case Exit(reason="normal"):
                pass
            case Exit(reason=reason):
                self.stop(reason)
            case _:
                super().handle_info(message)

    # A query

    def _query(self, query: Query) -> None:
        threads = whereis(self._threads)
        if self._open is not None:
            words = "another query is open"
            self._fail(query.query_id, words, reason="query_in_progress", retryable=True)
        elif threads is None:
            words = f"no process is registered as {self._threads!r}"
            self._fail(query.query_id, words, retryable=True)
        else:
            deadline = None
            if query.timeout is not None:
                deadline = self.node.clock.now() + query.timeout
            exchange = Exchange(
                query,
                self._opening.session_id,
                emit=self.actor_ref.cast,
                room=Room(WINDOW - self._ahead),
                deadline=deadline,
            )
            job = Job(self._form, exchange, self.actor_ref)
            self._open = _OpenJob(job, threads, monitor(threads))
            threads.cast(RunJob(job))

    def _said(self, effect: Deliver | RunTool | AskPermission | Completed | Failed) -> None:
        if not self._is_open(effect.query_id):
            self._late += 1
            return
        if isinstance(effect, Completed | Failed):
            self._close()
        elif isinstance(effect, RunTool):
            self._say(Deliver(effect.query_id, _tool_use(effect, self._now())))
        self._say(effect)

    def _give_up(self) -> None:
        """Have the function end, and do not wait for that."""
        assert self._open is not None
        self._exchange.interrupt()
        self._open.threads.cast(StopJob(self._open.job))
        self._close()

    def _close(self) -> None:
        assert self._open is not None
        demonitor(self._open.watch, flush=True)
        self._open = None

    @property
    def _exchange(self) -> Exchange:
        assert self._open is not None
        return self._open.job.exchange

    def _is_open(self, query_id: str) -> bool:
        return self._open is not None and self._exchange.query.query_id == query_id

    def _fail(
        self, query_id: str, words: str, *, reason: str = "backend_error", retryable: bool = False
    ) -> None:
        now = self._now()
        self._say(failed(query_id, words, timestamp=now, reason=reason, retryable=retryable))

    def _say(self, effect: Effect) -> None:
        self._ahead += 1
        self._opening.session.cast(Heard(self.actor_ref, effect))

    def _now(self) -> int:
        return int(self.node.clock.time() * 1000)


def _tool_use(effect: RunTool, timestamp: int) -> ToolMessage:
    """Return the message that says that there is this call."""
    return ToolMessage(
        "tool_use",
        tool_name=effect.tool_name,
        tool_input=effect.tool_input,
        tool_use_id=effect.tool_use_id,
        timestamp=timestamp,
    )
