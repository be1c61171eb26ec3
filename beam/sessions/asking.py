"""What an agent asks of its host in the middle of a run: tools to be run, permission to be given.

A call is in the log before its tool is run (G12), a request before anybody is asked. The answers
come as casts, to a session that may have gone on meanwhile: an agent is answered only while its
query is open; what became of a tool is written down whenever it is known.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from pykka.messages import ProxyCall

from beam.backends.backend import PermissionAnswer, Steer, ToolResult
from beam.errors import CallExit, InvalidInput, NotSupported, SessionRefused
from beam.model.messages import ToolMessage, UserMessage
from beam.model.permissions import Allow, Decision, Deny
from beam.otp import Future, send_after, spawn_link
from beam.sessions.hooked import with_hooks
from beam.sessions.messages import Decided, PermissionAsked, Steered, ToolDone
from beam.state.control_rows import CONTROL

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.backends.effects import AskPermission, RunTool
    from beam.otp import Call, Ref
    from beam.sessions.desk import Desk
    from beam.sessions.line import Line
    from beam.sessions.options import SessionOptions
    from beam.sessions.tools import Toolbox
    from beam.sessions.workload import Workload

__all__ = ["Asking"]

# Seconds more than the handler has, for the broker's own work.
MARGIN = 10.0
# Seconds between two tries to ask a broker that is being restarted.
AGAIN = 0.05


class Asking:
    """The open questions of one session's agent; used by the session's process alone.

    Args:
        process: the session's process.
        desk: writes its events.
        line: leads to the agent.
        load: says which query is open.
        tools: what the agent may call.
        options: say what is called before and after that, and how long a handler may take.
    """

    def __init__(
        self,
        process: Ref[Any],
        *,
        desk: Desk,
        line: Line,
        load: Workload,
        tools: Toolbox,
        options: SessionOptions,
    ) -> None:
        self._process = process
        self._desk = desk
        self._line = line
        self._load = load
        self._tools = tools
        self._hooks = options.chain()
        self._patience = options.permission_timeout
        # Bounded by the calls that one query may have open, of this and of queries cut short.
        self._tasks: dict[Ref[Any], ToolDone] = {}

    def take(self, news: ToolDone | Decided | Steered) -> None:
        """Take the answer to one of the questions."""
        match news:
            case ToolDone():
                self.tool_done(news)
            case Decided():
                self.decided(news)
            case Steered():
                self._steered(news)

    # Steering

    def steer(self, text: str, caller: Call) -> None:
        """Tell the agent something in the middle of the run at work.

        Raises:
            NotSupported: the agent's backend cannot do that.
            SessionRefused: `no_active_query`; nothing is at work.
        """
        if not self._line.steers:
            raise NotSupported(function="turn_steer", backend=self._line.backend)
        if self._load.current is None:
            raise SessionRefused("no_active_query", session_id=self._desk.session_id)
        me, taken = self._process, Future[bool]()
        steered = Steered(text, self._load.run_id, taken, caller)
        self._line.steer(Steer(self._load.query_id, text, taken))
        if not taken.add_waiter(lambda: me.cast(steered)):
            me.cast(steered)

    def _steered(self, steered: Steered) -> None:
        if not steered.taken.result():
            refused = NotSupported(function="turn_steer", backend=self._line.backend)
            steered.caller.refuse(refused)
            return
        if self._load.run_id != steered.run_id:
            steered.caller.reply(True)  # No message of a run that has ended comes after its end.
            return
        told = self._desk.message(UserMessage(content=steered.text), steered.run_id)
        self._desk.log([told], lambda: steered.caller.reply(True))

    # Tools

    def run_tool(self, asked: RunTool) -> None:
        """Run a tool, once its call is in the log."""
        run_id = self._load.run_id or ""
        call = self._desk.event(
            "tool_call_started",
            run_id,
            tool_use_id=asked.tool_use_id,
            tool_name=asked.tool_name,
            tool_input=dict(asked.tool_input),
        )
        took = self._line.taker()
        self._desk.log([call], lambda: self._start_tool(asked, run_id, took))

    def _start_tool(self, asked: RunTool, run_id: str, took: Any) -> None:
        took()
        ended = ToolDone(run_id, asked.query_id, asked.tool_use_id, "", is_error=True)
        if self._load.query_id != asked.query_id:
            self.tool_done(_said(ended, "the query was over before the tool was run"))
            return
        named = {"session_id": self._desk.session_id, "run_id": run_id}
        work = partial(with_hooks, self._hooks, self._tools, asked, named)
        task = spawn_link(_tool_task, self._process, work, asked, run_id)
        self._tasks[task] = ended

    def tool_done(self, done: ToolDone) -> None:
        """Write down a tool's outcome, then tell the agent, if its query is open."""
        try:
            self._log_outcome(done)
        except InvalidInput as error:
            why = f"the tool's answer cannot be kept: {error.field} must be {error.expected}"
            self._log_outcome(_said(done, why))

    def _log_outcome(self, done: ToolDone) -> None:
        outcome = {"tool_use_id": done.tool_use_id, "is_error": done.is_error}
        ended = self._desk.event("tool_call_completed", done.run_id, **outcome)
        if self._load.query_id != done.query_id:
            self._desk.log([ended])  # No message of a run that has ended comes after its end.
            return
        message = ToolMessage("tool_result", done.content, tool_use_id=done.tool_use_id)
        answer = ToolResult(done.query_id, done.tool_use_id, done.content, done.is_error)
        news = [self._desk.message(message, done.run_id), ended]
        self._desk.log(news, lambda: self._line.tell(answer))

    def task_ended(self, task: Ref[Any], reason: Any) -> None:
        """Answer for a tool's task that has ended without an answer."""
        ended = self._tasks.pop(task, None)
        if ended is not None and reason != "normal":
            self.tool_done(_said(ended, f"the tool ended: {reason!r}"))

    # Permission

    def ask_permission(self, asked: AskPermission) -> None:
        """Ask the callback broker, which writes the request down and asks the user's handler."""
        until = self._process.node.clock.now() + self._patience + MARGIN
        run_id = self._load.run_id or ""
        self.ask_broker(PermissionAsked(asked, run_id, until, self._line.taker()))

    def ask_broker(self, question: PermissionAsked) -> None:
        """Ask the broker; later, if it is being restarted. Asked again it is asked once."""
        asked, me = question.asked, self._process
        left = question.until - me.node.clock.now()
        broker = me.node.whereis(CONTROL)
        if self._load.query_id != asked.query_id or left <= 0:
            self._decide(question, Deny("nobody answered in time"))
            return
        if broker is None:
            send_after(AGAIN, me, question)
            return
        context = {
            "request_id": f"{asked.query_id}.{asked.request_id}",
            "run_id": question.run_id,
            "options": dict(asked.options),
        }
        arguments = (self._desk.session_id, asked.tool_name, dict(asked.tool_input), context)
        call = ProxyCall(attr_path=("request_permission",), args=arguments, kwargs={})
        answer = broker.ask(call, block=False, timeout=left)
        decided = Decided(question, answer)
        if not answer.add_waiter(lambda: me.cast(decided)):
            me.cast(decided)

    def decided(self, decided: Decided) -> None:
        """Tell the agent what was decided; nothing but a decision allows anything (G14)."""
        decision: Any
        try:
            decision = decided.future.result()
        except CallExit:
            # The broker died; the request and its handler outlive it, so the next one will know.
            send_after(AGAIN, self._process, decided.question)
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, it allows nothing
            decision = Deny(f"no decision: {error}")
        if not isinstance(decision, (Allow, Deny)):
            decision = Deny("no decision")
        self._decide(decided.question, decision)

    def _decide(self, question: PermissionAsked, decision: Decision) -> None:
        question.took()
        asked = question.asked
        if self._load.query_id == asked.query_id:
            self._line.tell(PermissionAnswer(asked.query_id, asked.request_id, decision))


def _said(done: ToolDone, content: str) -> ToolDone:
    """Return the outcome of a tool that has not said its own, or cannot."""
    return ToolDone(done.run_id, done.query_id, done.tool_use_id, content, is_error=True)


def _tool_task(
    session: Ref[Any], work: Callable[[], tuple[str, bool]], asked: RunTool, run_id: str
) -> None:
    """Run one tool; the process of this function is linked to the session's."""
    content, is_error = work()
    session.cast(ToolDone(run_id, asked.query_id, asked.tool_use_id, content, is_error))
