"""`Control`: the process that owns what is kept of each session besides its log.

    >>> from beam.log import Log, MemoryStore, Shelf
    >>> from beam.model.permissions import deny
    >>> from beam.otp import Node
    >>> from beam.state.keeper import TableKeeper
    >>> with Node() as node:
    ...     _ = Log.start(Shelf(MemoryStore), name="log"), TableKeeper.start(name="keeper")
    ...     control = Control.start(name="control").proxy()
    ...     handler = lambda method, params, context: deny("not on a Friday")
    ...     control.register_session_callbacks("session_1", {"permission_handler": handler}).get()
    ...     control.request_permission("session_1", "write", {"path": "a.py"}, {}).get()
    Deny(reason='not on a Friday', interrupt=False)

It keeps configuration, policies, tasks, feedback, handlers and pending requests, by session id;
that there is such a session is not checked. Its functions have the names and the order of arguments
of the specification. What only reads can be read without asking the process (`ControlReads`).

What was acknowledged is in the log before that (G11). What is open, configuration and policies
survive a kill of this process and of the whole program (`beam.state.control_past` says what is read
back); handlers and the records of tasks survive a kill of this process only.

Handlers never run here: see `beam.state.handlers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from beam.errors import InvalidInput, StateRefused
from beam.log import replay
from beam.model.events import FLEET
from beam.model.identifiers import request_id as new_request_id
from beam.otp import Down, noreply
from beam.state.answering import refuse, reply
from beam.state.ask import Asked, Asks
from beam.state.broker import Broker, Late
from beam.state.callbacks import Callbacks
from beam.state.checkpoints import Checkpoints
from beam.state.control_checkpoint import VERSION, data_of, past_of
from beam.state.control_collaboration import CollaborationCalls
from beam.state.control_feedback import FeedbackCalls
from beam.state.control_past import CONTROL_TYPES, Past, read_past
from beam.state.control_rows import CONTROL, ControlReads, ControlRows, Registered
from beam.state.control_runs import RunCalls
from beam.state.control_settings import SettingCalls
from beam.state.handlers import HANDLERS, Fill, Heard, Overdue
from beam.state.journal import Journal
from beam.state.plain import text
from beam.state.run_ledger import KEPT_RUNS, RunLedger
from beam.state.tasks import LateTask, SessionTasks
from beam.state.vault import Vault
from beam.state.writes import Step, Stored, Write, Writes

if TYPE_CHECKING:
    from beam.log import StoredRecord
    from beam.otp import Ref

__all__ = ["PERMISSION_TIMEOUT", "Control"]

PERMISSION_TIMEOUT = 300.0
"""Seconds that a handler has, unless its session says otherwise (G14)."""


class Control(SettingCalls, FeedbackCalls, RunCalls, CollaborationCalls, ControlReads):
    """The process `control`. Bad input is answered with `InvalidInput`, by every function."""

    def init(
        self,
        permission_timeout: float = PERMISSION_TIMEOUT,
        handlers: int = HANDLERS,
        vault: Vault | None = None,
    ) -> None:
        """Take the table over, and bring it up to date from the log.

        Args:
            permission_timeout: the seconds that a handler has, unless its session says otherwise.
            handlers: how many handlers may run at once.
            vault: seals the secrets of the configuration; one with a key in memory unless given.
        """
        self._journal = Journal.of(self.node)
        self._vault = vault or Vault(chance=self.node.clock.random.randbytes)
        self._rows = ControlRows(self._take_table(CONTROL))
        ControlReads.__init__(self, self.node)
        me = self.actor_ref
        self._writes = Writes(self._journal, me.cast)
        self._broker = Broker(
            self,
            self._journal,
            self._rows,
            self._writes,
            timeout=permission_timeout,
            most=handlers,
        )
        self._checkpoints = Checkpoints(self._journal, CONTROL, version=VERSION)
        self._ledger = RunLedger(self._journal, self._rows, self._writes, KEPT_RUNS)
        self._tasks = SessionTasks(self, self._journal, self._rows, self._writes, self._ledger)
        self._numbered = 0
        self._catch_up()
        self._broker.restore()
        self._ledger.restore()
        self._tasks.restore()

    def _rows_now(self) -> ControlRows:
        return self._rows

    def _catch_up(self) -> None:
        """Fold what is in the log and not in the rows: all of it, or what a crash kept out."""
        # Behind everything that a former life of this process has handed to the log.
        self._journal.settle()
        known = self._rows.position()
        if known is None:
            past = self._from_log()
        else:
            end = self._journal.store.last_position()
            past = self._read(known, self._rows)
            past.position = max(end, past.position)
        past.put_into(self._rows)
        self._rows.put_position(past.position)

    def _read(self, position: int, rows: ControlRows | None, begun: Past | None = None) -> Past:
        """Return what the log says after a position."""
        return read_past(
            replay(self._journal.store, after_position=position, types=CONTROL_TYPES),
            rows,
            vault=self._vault,
            now=self.node.clock.now(),
            at=self._journal.now(),
            begun=begun,
        )

    def _from_log(self) -> Past:
        """Return all that the log says, from the last checkpoint on; make the next if it is due."""
        now, at = self.node.clock.now(), self._journal.now()
        found = self._checkpoints.restored(lambda data: past_of(data, self._vault, now=now, at=at))
        position, begun = found or (0, None)
        end = self._journal.store.last_position()
        past = self._read(position, None, begun)
        past.position = max(end, past.position)
        if self._checkpoints.due(past.position, past.size()):
            self._save(past)
        return past

    def _save(self, past: Past) -> None:
        try:
            data = data_of(past, self._vault, now=self.node.clock.now(), at=self._journal.now())
        except StateRefused:
            # The vault cannot seal the secrets now: then there is none.
            self._checkpoints.put_off(past.position)
        else:
            self._checkpoints.save(past.position, data)

    # Tasks

    def register_task(self, session_id: str, task_id: str, process: Ref[Any]) -> Any:
        """Note that a process is at work on a task of the session, in place of any with this id.

        Raises:
            QueueFull: so many tasks of the session run already.
        """
        session_id, task_id = text("session_id", session_id), text("task_id", task_id)
        self._tasks.register(session_id, task_id, process, self.caller)
        return noreply

    def unregister_task(self, session_id: str, task_id: str) -> Any:
        """Forget a task; its process is left alone. An unknown one is forgotten already."""
        session_id, task_id = text("session_id", session_id), text("task_id", task_id)
        self._tasks.unregister(session_id, task_id, self.caller)
        return noreply

    def stop_task(self, session_id: str, task_id: str) -> Any:
        """End a task's process: `"shutdown"`, and 5 s later `"kill"`; again changes nothing.

        Raises:
            NotFound: there is no such task.
        """
        session_id, task_id = text("session_id", session_id), text("task_id", task_id)
        self._tasks.stop(session_id, task_id, self.caller)
        return noreply

    # The callback broker

    def register_session_callbacks(self, session_id: str, options: Mapping[str, Any]) -> None:
        """Register the session's handlers, in place of those that it had.

        Args:
            session_id: the session.
            options: `permission_handler`, `approval_handler`, `user_input_handler`,
                `permission_default` and `permission_timeout` (seconds); other keys are left.
        """
        text("session_id", session_id)
        _check_mapping("options", options)
        timeout = options.get("permission_timeout")
        if timeout is not None and not _is_seconds(timeout):
            raise InvalidInput("permission_timeout", timeout, "a number of seconds above 0")
        registered = Registered(Callbacks.from_options(options), timeout)
        self._rows.put("callbacks", session_id, registered)

    def clear_session_callbacks(self, session_id: str) -> None:
        """Forget the session's handlers, so that everything is denied; those at work go on."""
        self._rows.drop("callbacks", text("session_id", session_id))

    def request_permission(
        self, session_id: str, method: str, params: Mapping[str, Any], context: Mapping[str, Any]
    ) -> Any:
        """Ask whether the session's agent may do something; answered with the `Decision`.

        Args:
            session_id: the session.
            method: what it wants to do.
            params: with what; JSON data.
            context: what else is known: `request_id` names the request, which asked again is asked
                once; `run_id` and `tool_use_id` are noted in the log.
        """
        self._ask("permission", session_id, method, params, context)
        return noreply

    def request_approval(
        self, session_id: str, method: str, params: Mapping[str, Any], context: Mapping[str, Any]
    ) -> Any:
        """Ask for an approval, as for a permission; answered with an `Approval`."""
        self._ask("approval", session_id, method, params, context)
        return noreply

    def request_user_input(
        self, session_id: str, request: Mapping[str, Any], context: Mapping[str, Any]
    ) -> Any:
        """Ask the user something; answered with the answer, or with `PendingInput`.

        Args:
            session_id: the session.
            request: what is asked; JSON data.
            context: what else is known, as for a permission.
        """
        _check_mapping("request", request)
        self._broker.ask(self._asked("user_input", session_id, request, context), self.caller)
        return noreply

    def _ask(self, asks: Asks, session_id: str, method: str, params: Any, context: Any) -> None:
        _check_mapping("params", params)
        request = {"kind": asks, "method": text("method", method), "params": params}
        self._broker.ask(self._asked(asks, session_id, request, context), self.caller)

    def _asked(
        self, asks: Asks, session_id: str, request: Mapping[str, Any], context: Mapping[str, Any]
    ) -> Asked:
        text("session_id", session_id)
        _check_mapping("context", context)
        name = context.get("request_id")
        name = self._new_request_id() if name is None else text("request_id", name)
        return Asked(session_id, name, asks, request, context)

    def _new_request_id(self) -> str:
        # Larger than any before it in this fleet, also than those of a former life.
        self._numbered = max(self._numbered + 1, self._journal.now())
        return new_request_id(self._numbered, self.node.clock.random.randbytes(4))

    # Pending requests

    def store_pending_request(
        self, session_id: str, request_id: str, request: Mapping[str, Any]
    ) -> Any:
        """Store a request that somebody is to answer, in place of any with this id.

        Raises:
            QueueFull: so many requests of the session wait already.
            StateRefused: `being_asked`: a handler is at work on one with this id.
        """
        session_id = text("session_id", session_id)
        self._broker.store(session_id, text("request_id", request_id), request, self.caller)
        return noreply

    def resolve_pending_request(
        self, session_id: str, request_id: str, response: Mapping[str, Any]
    ) -> Any:
        """Answer a request, once; who waits for it is answered, too.

        A permission or an approval is answered by `response["decision"]`, in any form that its
        handler may use; what cannot be read denies (G14).

        Raises:
            NotFound: there is no such request.
            StateRefused: `already_resolved`.
        """
        session_id = text("session_id", session_id)
        self._broker.resolve(session_id, text("request_id", request_id), response, self.caller)
        return noreply

    # The end of a session, and of all that is known

    def forget_session(self, session_id: str) -> Any:
        """Forget what belongs to the life of a session that has ended: its handlers and tasks.

        What it asked is denied, and what it asked the user stays, as long as nobody has answered.
        Configuration and feedback stay: the session may be taken up again.
        """
        text("session_id", session_id)
        self._rows.drop("callbacks", session_id)
        self._tasks.forget(session_id)
        self._broker.forget(session_id, self.caller)
        return noreply

    def clear(self) -> Any:
        """Forget configuration, tasks, feedback, handlers and requests of all sessions.

        What is open of permissions is denied. The numbers of feedback go on; runs, collaboration,
        policies and the log stay.
        """
        caller = self.caller

        def change() -> Step:
            denied = self._broker.denied_all()

            def take(stored: list[StoredRecord]) -> None:
                denied.take(stored)
                tasks = list(self._rows.all_tasks())
                self._rows.clear_sessions(stored)
                for one in tasks:
                    self._tasks.end_runs(one, "cleared")
                reply(caller)

            event = self._journal.event("control_cleared", FLEET)
            return Step((*denied.events, event), take)

        self._writes.submit_alone(Write(change, partial(refuse, caller)))
        return noreply

    # Counts

    def handlers_given_up(self) -> int:
        """Return how many handlers hung, since this process started; their threads are lost."""
        return self._broker.handlers.given_up

    # Mail

    def handle_cast(self, message: Any) -> None:
        """Go on with what was stored, heard or due."""
        match message:
            case Stored():
                self._writes.stored(message)
                if self._checkpoints.due(self._rows.position() or 0, self._rows.count()):
                    self._from_log()
            case Heard():
                self._broker.heard(message)
            case Fill():
                self._broker.handlers.fill()
            case _:
                super().handle_cast(message)

    def handle_info(self, message: Any) -> None:
        """Take timers, and the ends of handlers and of tasks."""
        match message:
            case Late():
                self._broker.late(message)
            case Overdue():
                self._broker.handlers.overdue(message)
            case LateTask():
                self._tasks.late(message)
            case Down():
                heard = self._broker.handlers.down(message)
                if heard is not None:
                    self._broker.heard(heard)
                self._tasks.down(message)
            case _:
                super().handle_info(message)


def _check_mapping(field: str, value: object) -> None:
    if not isinstance(value, Mapping):
        raise InvalidInput(field, type(value).__name__, "a mapping")


def _is_seconds(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1e9
