"""The session's process: one conversation with one agent, as a state machine.

| state | what | leaves it |
|---|---|---|
| `connecting` | a connection to the agent is made | made; or it failed |
| `initializing` | the agent is not ready yet | it is; its transport ended; `init_timeout` |
| `ready` | nothing is at work | a run is waiting; the transport ended |
| `active_query` | a run is at work | it ended; the transport ended; the run's timeout |
| `error` | the transport has ended | the backoff is over; the budget is used up |

The log comes first: a run is acknowledged when it is in the log, dispatched when its start is, and
a tool is run when its call is (G11, G12). So this process may die at any moment: the next one
folds the events (`beam.sessions.past`) and goes on from there, under the same name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.backends.backend import (
    Abandon,
    Heard,
    Interrupt,
    Opening,
    Query,
)
from beam.backends.effects import (
    AgentFailed,
    AskPermission,
    Completed,
    Deliver,
    Failed,
    ProtocolViolation,
    Ready,
    RunTool,
)
from beam.errors import SessionRefused, StartError
from beam.model.messages import ResultMessage
from beam.model.sessions import SessionInfo
from beam.otp import (
    Call,
    Cast,
    Down,
    Enter,
    Exit,
    Info,
    StateMachine,
    StateTimeout,
    goto,
    monitor,
    state,
    state_timeout,
    stay,
    stop,
)
from beam.sessions.asking import Asking
from beam.sessions.claims import Claims
from beam.sessions.desk import Desk
from beam.sessions.directory import DIRECTORY, Live
from beam.sessions.line import Line
from beam.sessions.messages import (
    Claim,
    Decided,
    GetConnection,
    GetInfo,
    InterruptRun,
    Logged,
    Set,
    Submit,
    ToolDone,
)
from beam.sessions.recovery import after_crash, is_injected, recall
from beam.sessions.reports import session_report
from beam.sessions.tools import Toolbox
from beam.state.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.backends.backend import Backend
    from beam.model.events import Event
    from beam.otp import Monitor, Ref
    from beam.sessions.options import SessionOptions

__all__ = ["Session"]


class Session(StateMachine):
    """The process of one session. Its supervisor starts it anew with the same arguments."""

    trap_exit = True

    # Life

    def init(
        self, session_id: str, backend_name: str, backend: Backend, options: SessionOptions
    ) -> Any:
        """Take up what the log says of the session, and connect."""
        self._id = session_id
        self._backend_name = backend_name
        self._options = options
        self._tools = Toolbox(options.tools)
        self._desk = Desk(Journal.of(self.node), session_id, self.actor_ref)
        self._asking = Asking(self, self._desk)
        self._claims = Claims()
        self._receivers: dict[Monitor, str] = {}
        self._line = Line(self.node, backend_name, backend, options)
        self._created = self._desk.changed_at
        self._past, self._load = recall(self._desk, backend_name, options)
        directory = self.node.whereis(DIRECTORY)
        if directory is not None:
            directory.cast(Live(session_id, self.actor_ref))
        return self.connecting

    def terminate(self, reason: Any) -> None:
        """The connection is linked: it ends with this process, and the agent with it (G16)."""

    # States

    @state(enter=True)
    def connecting(self, event: Any) -> Any:
        """Make a connection; it says `Ready` when its agent is."""
        match event:
            case Enter():
                return stay(state_timeout(0.0))
            case StateTimeout():
                return self._connect()
        return self._anywhere(event)

    @state
    def initializing(self, event: Any) -> Any:
        """Wait for the agent to be ready."""
        match event:
            case StateTimeout():
                return self._transport_ended("init_timeout")
            case Cast(Heard(connection, Ready() as ready)) if self._line.is_from(connection):
                self._line.took()
                self._line.details = {"agent": ready.name, "version": ready.version}
                return goto(self.ready)
        return self._anywhere(event)

    @state(enter=True)
    def ready(self, event: Any) -> Any:
        """Begin with the next run, if one waits."""
        match event:
            case Enter():
                return stay(state_timeout(0.0)) if self._load else None
            case StateTimeout():
                return self._begin()
        return self._anywhere(event)

    @state
    def active_query(self, event: Any) -> Any:
        """Hear what the agent says of the run, until it ends."""
        match event:
            case StateTimeout():
                return self._cut("run_failed", reason="timeout")
            case Cast(Heard(connection, effect)) if self._line.is_from(connection):
                return self._hear(effect)
            case Cast(ToolDone() as done):
                return self._asking.tool_done(done)
            case Cast(Decided() as decided):
                return self._asking.decided(decided)
        return self._anywhere(event)

    @state(enter=True)
    def error(self, event: Any) -> Any:
        """Wait before the next connection."""
        match event:
            case Enter():
                return stay(state_timeout(self._line.delay()))
            case StateTimeout():
                return goto(self.connecting)
        return self._anywhere(event)

    def _anywhere(self, event: Any) -> Any:
        """Handle what means the same in every state."""
        match event:
            case Call(Submit() as submit, caller):
                return self._submit(submit, caller)
            case Call(InterruptRun(run_id), caller):
                return self._interrupt(run_id, caller)
            case Call(GetInfo(), caller):
                caller.reply(self._info())
            case Call(GetConnection(), caller):
                caller.reply(self._line.connection)
            case Call(Claim() as claim, caller):
                caller.reply(self._claim(claim, caller))
            case Call(Set(name, value), caller):
                self._past.settings[name] = value
                changed = self._desk.event("state_changed", settings={name: value})
                self._desk.log([changed], lambda: caller.reply(value))
            case Call(message, _):
                raise SessionRefused("unsupported", request=repr(message))
            case Cast(Logged() as logged):
                self._desk.logged(logged)
            case Cast(Heard(connection, effect)):
                return self._hear_late(effect) if self._line.is_from(connection) else None
            case Info(Exit(process, reason)):
                return self._process_ended(process, reason)
            case Info(Down(watch, _, _)):
                self._claims.release_all(self._receivers.pop(watch, ""))
        return None

    # The transport

    def _connect(self) -> Any:
        opening = Opening(self.actor_ref, self._id, self._options.cwd, self._options.options)
        try:
            self._line.connect(opening)
        except StartError as error:
            return self._transport_ended("transport_start_failed", detail=repr(error.reason))
        wait = self._options.connect_timeout + self._options.init_timeout
        return goto(self.initializing, state_timeout(wait))

    def _process_ended(self, process: Ref[Any], reason: Any) -> Any:
        if self._line.is_from(process):
            match reason:
                case ("shutdown", ("cli_exit", status)):
                    return self._transport_ended("cli_exit", status=status)
            return self._transport_ended("cli_exit", detail=repr(reason))
        return self._asking.task_ended(process, reason)

    def _transport_ended(self, reason: str, **facts: Any) -> Any:
        """Let go of the connection; what becomes of the run at work, its caller has said."""
        may_reconnect = self._line.drop(reason)
        session_report("transport_ended", self._id, reason=reason, **facts)
        changed = {"from_state": self.state.__name__, "to_state": "error", "reason": reason}
        news = []
        if self._load.current is not None:
            work, cause = self._load.end(), {"reason": reason, **facts}
            injected = work.retries is not None and is_injected(self._desk)
            news.append(after_crash(self._desk, self._load, work, cause, injected=injected))
        news.append(self._desk.event("state_changed", **changed))
        if not may_reconnect:
            return self._quarantine(news, reason)
        self._desk.log(news)
        return goto(self.error)

    def _quarantine(self, news: list[Event], reason: str) -> Any:
        """End, and stay ended until an operator releases the session; nobody is left waiting."""
        news += [
            self._desk.event("run_failed", one.run_id, reason="session_quarantined", cause=reason)
            for one in self._load.clear()
        ]
        news.append(self._desk.event("session_quarantined", reason=reason))
        self._desk.log_wait(news)
        return stop(("shutdown", ("quarantine", reason)))

    # Runs

    def _submit(self, submit: Submit, caller: Call) -> Any:
        if not self._load.admit(submit.work, submit.exclusive):
            caller.reply(True)
            return None
        data = submit.work.as_data()
        submitted = self._desk.event("run_submitted", submit.work.run_id, **data)
        self._desk.log([submitted], lambda: caller.reply(True))
        return stay(state_timeout(0.0)) if self.state == self.ready else None

    def _begin(self) -> Any:
        """Start the next run: first in the log, then at the agent."""
        work = self._load.begin()
        if work is None:
            return None
        query_id = self._load.query_id
        started = self._desk.event("run_started", work.run_id, attempt=work.attempts)
        self._desk.log([started], lambda: self._dispatch(query_id))
        return goto(self.active_query, state_timeout(work.timeout))

    def _dispatch(self, query_id: str) -> None:
        work = self._load.current
        if work is None or self._load.query_id != query_id:
            return
        settings = {key: value for key, value in self._settings().items() if value is not None}
        self._line.tell(
            Query(
                query_id,
                work.prompt,
                history=tuple(self._past.history),
                tools=self._tools.offers(),
                params={**settings, **work.params},
                attempt=work.attempts,
                timeout=work.timeout,
            )
        )

    def _interrupt(self, run_id: str | None, caller: Call) -> Any:
        current = self._load.current
        if current is not None and run_id in (None, current.run_id):
            return self._cut("run_interrupted", lambda: caller.reply(True), reason="interrupted")
        if self._load.withdraw(run_id) is None:
            raise SessionRefused("no_active_query", session_id=self._id, run_id=run_id)
        cut = self._desk.event("run_interrupted", run_id, reason="interrupted")
        self._desk.log([cut], lambda: caller.reply(True))
        return None

    def _cut(self, kind: Any, then: Callable[[], Any] | None = None, **facts: Any) -> Any:
        """End the run at work from this side: the agent is told to stop, and not waited for."""
        query_id = self._load.query_id
        work = self._load.end()
        self._line.tell(Interrupt(query_id))
        self._line.tell(Abandon(query_id))
        self._desk.log([self._desk.event(kind, work.run_id, attempts=work.attempts, **facts)], then)
        return goto(self.ready)

    # What the agent says

    def _hear(self, effect: Any) -> Any:
        """Take what the connection says while a run is at work."""
        if getattr(effect, "query_id", self.query_id) != self.query_id:
            return self._hear_late(effect)
        match effect:
            case Deliver(_, message):
                self._desk.log([self._desk.message(message, self.run_id)], self._line.took)
            case RunTool():
                self._asking.run_tool(effect)
            case AskPermission():
                self._asking.ask_permission(effect)
            case Completed(_, message):
                return self._completed(message)
            case Failed(_, "cli_exit" | "protocol_error" as reason, message, _):
                self._line.took()
                return self._transport_ended(reason, detail=message.content)
            case Failed(_, reason, message, retryable):
                return self._failed(reason, message, retryable=retryable)
            case _:
                return self._hear_late(effect)
        return None

    def _hear_late(self, effect: Any) -> Any:
        """Take what belongs to no run that is at work."""
        self._line.took()
        match effect:
            case AgentFailed(reason, message, _):
                return self._transport_ended(reason, detail=message.content)
            case ProtocolViolation(reason, detail, excerpt, fatal):
                session_report(
                    "protocol_violation",
                    self._id,
                    reason=reason,
                    detail=detail,
                    excerpt=excerpt,
                    fatal=fatal,
                )
        return None

    def _completed(self, message: Any) -> Any:
        work = self._load.end()
        output: Any = message.content
        facts: dict[str, Any] = {}
        if isinstance(message, ResultMessage):
            if message.structured_output is not None:
                output = message.structured_output
            facts = {} if message.usage is None else {"usage": message.usage}
        self._past.remember(work.prompt, output)
        self._line.worked()
        ended = self._desk.event(
            "run_completed", work.run_id, output=output, attempts=work.attempts, **facts
        )
        self._desk.log([self._desk.message(message, work.run_id), ended], self._line.took)
        return goto(self.ready)

    def _failed(self, reason: str, message: Any, *, retryable: bool) -> Any:
        work = self._load.end()
        kind: Any = "run_interrupted" if reason == "interrupted" else "run_failed"
        ended = self._desk.event(
            kind,
            work.run_id,
            reason=reason,
            detail=message.content,
            retryable=retryable,
            attempts=work.attempts,
        )
        self._desk.log([self._desk.message(message, work.run_id), ended], self._line.took)
        return goto(self.ready)

    # What its parts ask of it

    @property
    def session_id(self) -> str:
        """The session's name."""
        return self._id

    @property
    def query_id(self) -> str:
        """The query that is open at the agent; empty if none is."""
        return self._load.query_id

    @property
    def run_id(self) -> str | None:
        """The run that is at work."""
        work = self._load.current
        return work.run_id if work is not None else None

    @property
    def options(self) -> SessionOptions:
        """What the session was started with."""
        return self._options

    @property
    def tools(self) -> Toolbox:
        """The tools that its agent may call."""
        return self._tools

    @property
    def line(self) -> Line:
        """The line to the agent."""
        return self._line

    def _settings(self) -> dict[str, Any]:
        chosen = {"model": self._options.model, "permission_mode": self._options.permission_mode}
        return {**chosen, **self._past.settings}

    def _claim(self, claim: Claim, caller: Call) -> bool:
        """Let one receive a run's messages; one that is a process is monitored."""
        if claim.release:
            return self._claims.release(claim.run_id, claim.holder)
        granted = self._claims.take(claim.run_id, claim.holder)
        if caller.process is not None:
            self._receivers[monitor(caller.process)] = claim.holder
        return granted

    def _info(self) -> SessionInfo:
        settings = self._settings()
        return SessionInfo(
            session_id=self._id,
            backend=self._backend_name,
            created_at=self._created,
            updated_at=self._desk.changed_at,
            state=self.state.__name__,
            run_id=self.run_id,
            queued_runs=len(self._load),
            restarts=self._past.restarts,
            model=settings["model"],
            permission_mode=settings["permission_mode"],
            cwd=self._options.cwd or None,
            metadata=self._options.metadata,
            details=self._line.details,
        )
