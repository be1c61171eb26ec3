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

from functools import partial
from typing import TYPE_CHECKING, Any

from beam.backends.backend import Abandon, Heard, Interrupt
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
from beam.errors import InvalidInput, SessionRefused, StartError
from beam.model.exit_reasons import remedy
from beam.otp import (
    Call,
    Cast,
    Enter,
    Exit,
    Info,
    StateMachine,
    StateTimeout,
    exit,
    goto,
    state_timeout,
    stay,
    stop,
)
from beam.sessions.asking import Asking
from beam.sessions.desk import Desk
from beam.sessions.directory import DIRECTORY, Live
from beam.sessions.ends import answered, failed, output_of, spoken
from beam.sessions.line import Line
from beam.sessions.messages import (
    Decided,
    GetConnection,
    GetInfo,
    InterruptRun,
    Logged,
    Overdue,
    PermissionAsked,
    Set,
    Steered,
    SteerRun,
    Submit,
    ToolDone,
)
from beam.sessions.recovery import is_injected, recall
from beam.sessions.remedies import Remedies, is_hopeless
from beam.sessions.reports import session_report, violation_report
from beam.sessions.spans import SessionSpans, watched
from beam.sessions.standing import Standing
from beam.sessions.tools import Toolbox
from beam.state.journal import Journal
from beam.state.runtime_state import RuntimeReads
from beam.state.store_rows import active_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.backends.backend import Backend
    from beam.model.events import Event
    from beam.model.exit_reasons import ExitReason
    from beam.otp import Ref
    from beam.sessions.options import SessionOptions

__all__ = ["Session"]

# Seconds between two looks for an owner of state that is being restarted.
LOOK_AGAIN = 0.02


class Session(StateMachine):
    """The process of one session. Its supervisor starts it anew with the same arguments."""

    trap_exit = True

    # Life

    def init(
        self,
        session_id: str,
        backend_name: str,
        backend: Backend,
        options: SessionOptions,
        introduce: Callable[[str, SessionOptions], bool],
    ) -> Any:
        """Take up what the log says of the session, and connect.

        Args:
            session_id: its name.
            backend_name: the name of its backend in the fleet.
            backend: connects to an agent.
            options: what its user wants.
            introduce: tells the owners of state of it; says whether they know.
        """
        self._introduce, self._introduced = introduce, introduce(session_id, options)
        self._id, self._options = session_id, options
        self._tools = Toolbox(options.tools)
        self.spans = SessionSpans(self.node.clock, session_id, backend_name)
        self._desk = Desk(
            Journal.of(self.node),
            session_id,
            self.actor_ref,
            partial(active_thread, self.node, session_id),
            options.chain(),
            spans=self.spans,
        )
        self._line = Line(self.node, backend_name, backend, options)
        self._past, self._load = recall(self._desk, backend_name, options)
        self._asking = Asking(
            self.actor_ref,
            desk=self._desk,
            line=self._line,
            load=self._load,
            tools=self._tools,
            options=options,
        )
        self._standing = Standing(session_id, backend_name, options, self._past)
        self._remedies = Remedies(self._desk, self._past, self._load, self._line)
        if (directory := self.node.whereis(DIRECTORY)) is not None:
            directory.cast(Live(session_id, self.actor_ref))
        return self.connecting

    def terminate(self, reason: Any) -> None:
        """Tell of a run that is cut; the linked connection ends with this process (G16)."""
        self.spans.over(reason)

    # States

    @watched
    def connecting(self, event: Any) -> Any:
        """Make a connection; it says `Ready` when its agent is."""
        match event:
            case Enter():
                return stay(state_timeout(0.0))
            case StateTimeout():
                return self._connect()
        return self._anywhere(event)

    @watched
    def initializing(self, event: Any) -> Any:
        """Wait for the agent to be ready."""
        match event:
            case StateTimeout():
                return self._transport_ended("init_timeout")
            case Cast(Heard(connection, Ready() as ready)) if self._line.is_from(connection):
                self._line.took()
                self._remedies.ready(ready)
                return goto(self.ready)
        return self._anywhere(event)

    @watched
    def ready(self, event: Any) -> Any:
        """Begin with the next run, if one waits."""
        match event:
            case Enter():
                return stay(state_timeout(self._remedies.wait())) if self._load else None
            case StateTimeout():
                return self._begin()
        return self._anywhere(event)

    @watched
    def active_query(self, event: Any) -> Any:
        """Hear what the agent says of the run, until it ends."""
        match event:
            case StateTimeout():
                return self._cut("run_failed", reason="timeout")
            case Cast(Heard(connection, effect)) if self._line.is_from(connection):
                return self._hear(effect)
        return self._anywhere(event)

    @watched
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
            case Call(message, caller):
                return self._called(message, caller)
            case Cast(Logged() as logged):
                self._desk.logged(logged)
            case Cast(Heard(connection, effect)):
                return self._hear_late(effect) if self._line.is_from(connection) else None
            case Cast(ToolDone() | Decided() | Steered() as news):
                self._asking.take(news)
            case Info(PermissionAsked() as question):
                self._asking.ask_broker(question)
            case Info(Exit(process, reason)):
                return self._process_ended(process, reason)
            case Info(Overdue(connection)):
                exit(connection, "kill")
        return None

    def _called(self, message: Any, caller: Call) -> Any:
        match message:
            case Submit():
                return self._submit(message, caller)
            case InterruptRun(run_id):
                return self._interrupt(run_id, caller)
            case SteerRun(text):
                self._asking.steer(text, caller)
            case GetInfo():
                about: Any = {"changed_at": self._desk.changed_at, "details": self._line.details}
                caller.reply(self._standing.info(self.state.__name__, self._load, **about))
            case GetConnection():
                caller.reply(self._line.connection)
            case Set(name, value):
                changed = self._desk.event("state_changed", settings={name: value})
                self._desk.log([changed], lambda: caller.reply(self._standing.choose(name, value)))
            case _:
                raise SessionRefused("unsupported", request=repr(message))
        return None

    # The transport

    def _connect(self) -> Any:
        if not (self._introduced or self._introduce(self._id, self._options)):
            return stay(state_timeout(LOOK_AGAIN))
        self._introduced = True
        try:
            self._line.connect(self._standing.opening(self.actor_ref, self._tools.offers()))
        except StartError as error:
            return self._transport_ended("transport_start_failed", detail=repr(error.reason))
        wait = self._options.connect_timeout + self._line.ready_within
        return goto(self.initializing, state_timeout(wait))

    def _process_ended(self, process: Ref[Any], reason: Any) -> Any:
        if self._line.is_from(process):
            match reason:
                case ("shutdown", ("cli_exit", status)):
                    return self._transport_ended("cli_exit", status=status)
                case ("shutdown", ("recycled", size)):
                    return self._transport_ended("recycled", rss=size)
            return self._transport_ended("cli_exit", detail=repr(reason))
        return self._asking.task_ended(process, reason)

    def _transport_ended(self, reason: str, exit: ExitReason | None = None, **facts: Any) -> Any:
        """Let go of the connection; what becomes of the run at work, its caller has said."""
        injected = is_injected(self._desk)
        # What a user, an experiment or we ourselves have ended says nothing against the agent.
        counts = not injected and reason not in ("interrupted", "recycled")
        may_reconnect = self._line.drop(self.actor_ref, reason, counts=counts)
        session_report("transport_ended", self._id, reason=reason, **facts)
        news = self._remedies.transport_ended(reason, exit, facts, counts=counts, injected=injected)
        changed = {"from_state": self.state.__name__, "to_state": "error", "reason": reason}
        news.append(self._desk.event("state_changed", **changed))
        if not may_reconnect or (self.state == self.initializing and is_hopeless(exit)):
            return self._quarantine(news, reason, facts)
        self._desk.log(news)
        return goto(self.error)

    def _quarantine(self, news: list[Event], reason: str, facts: dict[str, Any]) -> Any:
        """End, and stay ended until an operator releases the session; nobody is left waiting."""
        self._desk.log_wait([*news, *self._remedies.quarantined(reason, facts)])
        return stop(("shutdown", ("quarantine", reason)))

    # Runs

    def _submit(self, submit: Submit, caller: Call) -> Any:
        if not self._load.admit(submit.work, submit.exclusive):
            caller.reply(True)
            return None
        submitted = self._desk.event("run_submitted", submit.work.run_id, **submit.work.as_data())
        wait = self._remedies.wait()
        if self.state == self.ready and len(self._load) == 1 and not wait:
            return self._begin(submitted, then=lambda: caller.reply(True))  # In one append.
        self._desk.log([submitted], lambda: caller.reply(True))
        return stay(state_timeout(wait)) if self.state == self.ready else None

    def _begin(self, *before: Event, then: Callable[[], Any] | None = None) -> Any:
        """Start the next run: first in the log, with what came `before`, then at the agent."""
        work = self._load.begin()
        if work is None:
            return None
        query_id = self._load.query_id
        self.spans.begun(work)
        facts = self._remedies.continued()
        started = self._desk.event("run_started", work.run_id, attempt=work.attempts, **facts)
        self._desk.log([*before, started], lambda: self._dispatch(query_id, then))
        return goto(self.active_query, state_timeout(work.timeout))

    def _dispatch(self, query_id: str, then: Callable[[], Any] | None) -> None:
        if then is not None:
            then()
        work = self._load.current
        if work is None or self._load.query_id != query_id:
            return
        merge = RuntimeReads(self.node).merge_query_opts
        self._line.tell(self._standing.query(query_id, work, self._tools.offers(), merge))

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
        open_query = self._load.query_id
        if getattr(effect, "query_id", open_query) != open_query:
            return self._hear_late(effect)
        try:
            return self._hear_of_run(effect)
        except InvalidInput as error:
            # More than the log can hold, say. The session is none the worse for it.
            self._line.took()
            detail = f"{error.field}: expected {error.expected}"
            return self._cut("run_failed", reason="protocol_error", detail=detail)

    def _hear_of_run(self, effect: Any) -> Any:
        match effect:
            case Deliver(_, message):
                said = spoken(self._desk, self._past, message, self._load.run_id)
                self._desk.log(said, self._line.taker())
            case RunTool():
                self._asking.run_tool(effect)
            case AskPermission():
                self._asking.ask_permission(effect)
            case Completed(_, message):
                return self._completed(message)
            case Failed(_, reason, message) if self._remedies.of_transport(effect):
                self._line.took()
                return self._transport_ended(reason, effect.exit, detail=message.content)
            case Failed():
                return self._failed(effect)
            case _:
                return self._hear_late(effect)
        return None

    def _hear_late(self, effect: Any) -> Any:
        """Take what belongs to no run that is at work."""
        self._line.took()
        match effect:
            case AgentFailed(reason, message, _, exit):
                return self._transport_ended(reason, exit, detail=message.content)
            case ProtocolViolation():
                violation_report(self._id, effect)
        return None

    def _completed(self, message: Any) -> Any:
        work = self._load.at_work
        self._desk.log(answered(self._desk, work, message), self._line.taker())
        self._load.end()
        self._past.remember(work.asked, output_of(message))
        self._remedies.worked()
        return goto(self.ready)

    def _failed(self, failure: Failed) -> Any:
        taken = self._line.taker()
        if failure.exit is not None and self._remedies.retries(failure.exit):
            self._desk.log([self._remedies.retried(self._load.end(), failure)], taken)
            return goto(self.ready)
        self._desk.log(failed(self._desk, self._load.at_work, failure), taken)
        self._load.end()
        if failure.exit is not None and remedy(failure.exit) == "fresh":
            # The conversation itself is of no more use; the next run begins another.
            return self._transport_ended(failure.reason, failure.exit)
        return goto(self.ready)
