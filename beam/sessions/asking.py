"""What an agent asks of its host in the middle of a run: tools to be run, permission to be given.

A call is in the log before its tool is run (G12), a request before anybody is asked. The answers
come as casts, to a session that may have gone on meanwhile: what belongs to no open query is
dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pykka.messages import ProxyCall

from beam.backends.backend import PermissionAnswer, ToolResult
from beam.backends.effects import AskPermission, RunTool
from beam.errors import CallExit
from beam.model.messages import ToolMessage
from beam.model.permissions import Allow, Deny
from beam.otp import spawn_link
from beam.sessions.messages import Decided, ToolDone

if TYPE_CHECKING:
    from beam.otp import Ref
    from beam.sessions.desk import Desk
    from beam.sessions.machine import Session
    from beam.sessions.tools import Toolbox

__all__ = ["Asking"]

# Seconds more than the handler has, for the broker's own work.
MARGIN = 10.0


class Asking:
    """The open questions of one session's agent; part of its process."""

    def __init__(self, session: Session, desk: Desk) -> None:
        self._session = session
        self._desk = desk
        self._tasks: dict[Ref[Any], tuple[str, str]] = {}

    # Tools

    def run_tool(self, asked: RunTool) -> None:
        """Run a tool, once its call is in the log."""
        call = self._desk.event(
            "tool_call_started",
            self._session.run_id,
            tool_use_id=asked.tool_use_id,
            tool_name=asked.tool_name,
            tool_input=dict(asked.tool_input),
        )
        self._desk.log([call], lambda: self._start_tool(asked))

    def _start_tool(self, asked: RunTool) -> None:
        session = self._session
        session.line.took()
        if session.query_id == asked.query_id:
            task = spawn_link(_tool_task, session.actor_ref, session.tools, asked)
            self._tasks[task] = (asked.query_id, asked.tool_use_id)

    def tool_done(self, done: ToolDone) -> None:
        """Write down a tool's outcome, then tell the agent."""
        session = self._session
        if done.query_id != session.query_id:
            return
        run_id = session.run_id
        message = ToolMessage("tool_result", done.content, tool_use_id=done.tool_use_id)
        outcome = {"tool_use_id": done.tool_use_id, "is_error": done.is_error}
        news = [
            self._desk.message(message, run_id),
            self._desk.event("tool_call_completed", run_id, **outcome),
        ]
        answer = ToolResult(done.query_id, done.tool_use_id, done.content, done.is_error)
        self._desk.log(news, lambda: session.line.tell(answer))

    def task_ended(self, task: Ref[Any], reason: Any) -> None:
        """Answer for a tool's task that has ended without an answer."""
        query_id, tool_use_id = self._tasks.pop(task, ("", ""))
        if tool_use_id and reason != "normal":
            self.tool_done(ToolDone(query_id, tool_use_id, f"the tool ended: {reason!r}", True))

    # Permission

    def ask_permission(self, asked: AskPermission) -> None:
        """Ask the callback broker, which writes the request down and asks the user's handler."""
        session = self._session
        broker = session.node.whereis("control")
        context = {
            "request_id": f"{asked.query_id}.{asked.request_id}",
            "run_id": session.run_id,
            "options": dict(asked.options),
        }
        arguments = (session.session_id, asked.tool_name, dict(asked.tool_input), context)
        if broker is None:
            session.line.tell(_denied(asked, "nobody is there to ask"))
            session.line.took()
            return
        answer = broker.ask(
            ProxyCall(attr_path=("request_permission",), args=arguments, kwargs={}),
            block=False,
            timeout=session.options.permission_timeout + MARGIN,
        )
        me, decided = session.actor_ref, Decided(asked.query_id, asked.request_id, answer)
        if not answer.add_waiter(lambda: me.cast(decided)):
            me.cast(decided)

    def decided(self, decided: Decided) -> None:
        """Tell the agent what was decided; a broker that died has decided nothing: that is a no."""
        session = self._session
        session.line.took()
        if decided.query_id != session.query_id:
            return
        try:
            decision = decided.future.result()
        except CallExit as gone:
            decision = Deny(f"the one who was asked has gone: {gone.reason!r}")
        except Exception as error:  # noqa: BLE001 - whatever it is, it allows nothing (G14)
            decision = Deny(f"no decision: {error}")
        if not isinstance(decision, (Allow, Deny)):
            decision = Deny("no decision")
        session.line.tell(PermissionAnswer(decided.query_id, decided.request_id, decision))


def _denied(asked: AskPermission, reason: str) -> PermissionAnswer:
    return PermissionAnswer(asked.query_id, asked.request_id, Deny(reason))


def _tool_task(session: Ref[Any], tools: Toolbox, asked: RunTool) -> None:
    """Run one tool; the process of this function is linked to the session's."""
    content, is_error = tools.call(asked.tool_name, asked.tool_input)
    session.cast(ToolDone(asked.query_id, asked.tool_use_id, content, is_error))
