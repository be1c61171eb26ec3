"""The callback broker: permissions, approvals and questions, from being asked to being answered.

What happens to a permission or an approval, in order:

1. It is stored in the log (`permission_requested`), under the name that the asker gave it.
2. The session's policy is looked at; what it denies is denied, and nobody is asked.
3. The session's handler is asked, on a thread of its own; where there is none, the default counts.
4. What it came to is stored in the log (`permission_resolved`, and for the audit): the handler's
   answer; or no, if the handler raised, hung past its time or answered nonsense (G14); or what
   somebody said meanwhile with `resolve_pending_request`.
5. Everybody who asked is answered.

A question to the user goes the same way, with the events `pending_request_stored` and
`pending_request_resolved`; if its handler gives no answer, it stays pending
(`user_input_requested`), and who asked is told so.

To ask again under the same name is to ask for the same answer: who asks while a handler is at work
waits with the others, who asks later is told what was decided, also when the answer is only in the
log any more. (A question to the user that was answered in a former life of the program is asked
anew.) A name that was used for another question gets a no, so each must be new in its session.

Nobody is answered before the answer is in the log. If the log takes nothing, the answer is no. Who
asked and died changes nothing: the request is open until its handler has answered, or its time is
over.
"""

from __future__ import annotations

import contextvars
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from beam.errors import InvalidInput, SessionClosed, StateRefused
from beam.policy import PROFILE_KEY, Verdict
from beam.state.answering import refuse, reply
from beam.state.ask import Asked, as_data, denial
from beam.state.audit import audit_event
from beam.state.control_events import answered, event_of_told, recalled
from beam.state.handlers import AskKey, Handlers, Heard
from beam.state.outcome import Failed, Outcome, TimedOut
from beam.state.writes import Step, Write

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.log import StoredRecord
    from beam.model.events import Event
    from beam.otp import Call, Server, Timer
    from beam.state.ask import Ask
    from beam.state.control_rows import ControlRows
    from beam.state.journal import Journal
    from beam.state.requests import Change
    from beam.state.writes import Writes

__all__ = ["Broker", "Late"]

# Seconds after which an answer that the log did not take is tried again, as a no.
AGAIN = 5.0


@dataclass(frozen=True, slots=True)
class Late:
    """Mail to the owner: the time of an ask is over."""

    key: AskKey


class Broker:
    """Asks the handlers of every session. Owned and run by one process.

    Args:
        owner: the process; it hands on `Late` and `Heard`.
        journal: where all is written down.
        rows: where requests and handlers are kept.
        writes: the owner's changes.
        timeout: the seconds that a handler has, of a session that said nothing else.
        most: how many handlers may run at once.

    Attributes:
        handlers: the handlers at work.
    """

    def __init__(
        self,
        owner: Server,
        journal: Journal,
        rows: ControlRows,
        writes: Writes,
        *,
        timeout: float,
        most: int,
    ) -> None:
        self._owner = owner
        self._journal = journal
        self._rows = rows
        self._writes = writes
        self._timeout = timeout
        self.handlers = Handlers(owner, rows, self._is_open, most)
        # Bounded by those who wait, each with a deadline of its own.
        self._callers: dict[AskKey, list[Call]] = {}
        self._timers: dict[AskKey, Timer] = {}

    # Asking

    def ask(self, asked: Asked, caller: Call | None) -> None:
        """Answer `caller`, in time, with the decision, the word or the user's answer."""
        context = contextvars.copy_context()
        self._submit(
            asked.session_id,
            partial(self._take_up, asked, caller, context),
            partial(self._not_taken_up, asked, caller),
        )

    def _take_up(self, asked: Asked, caller: Call | None, context: contextvars.Context) -> Step:
        key = AskKey(asked.session_id, asked.request_id)
        requests = self._rows.requests(asked.session_id)
        entry = requests.pending.entries.get(asked.request_id)
        if entry is None:
            change = self._worked_out(requests.opened, asked)
        elif not asked.is_the_same_as(entry.request):
            raise StateRefused("request_id_in_use", request_id=asked.request_id)
        elif entry.response is not None:
            answer = _answer_in(asked, entry.response)
            return Step((), lambda _: reply(caller, answer))
        elif self.handlers.is_at_work(key):
            return Step((), lambda _: self._let_wait(key, caller))
        else:
            change = self._worked_out(requests.asked_again, asked)

        def take(stored: list[StoredRecord]) -> None:
            if entry is None and asked.asks != "user_input" and self._is_old(stored[0]):
                reply(caller, recalled(self._journal, asked, stored[0]))
                return
            self._keep(change, stored)
            self._let_wait(key, caller)
            if change.ask is None:
                self._answer_all(key, change.answer)
            else:
                self._set_timer(key, change.ask)
                if change.ask.call is not None:
                    self.handlers.start(key, change.ask.call, change.ask.deadline, context)

        return Step(self._events(change, asked.request_id), take)

    def _worked_out(self, step: Callable[..., Change], asked: Asked) -> Change:
        registered = self._rows.callbacks(asked.session_id)
        return step(
            asked,
            registered.handlers,
            verdict=self._verdict(asked),
            timeout=registered.timeout or self._timeout,
            now=self._now(),
            at=self._journal.now(),
        )

    def _verdict(self, asked: Asked) -> Verdict:
        """Return what the session's policy says of a permission or an approval."""
        if asked.asks == "user_input":
            return Verdict()
        context = {
            "session_id": asked.session_id,
            "method": asked.request["method"],
            "params": asked.request["params"],
            "context": asked.context,
        }
        return self._rows.verdict(asked.session_id, "approval", context)

    def _is_old(self, stored: StoredRecord) -> bool:
        """Return whether the log had the event before, from a former life of the fleet."""
        return stored.position <= (self._rows.position() or 0)

    def _not_taken_up(self, asked: Asked, caller: Call | None, error: BaseException) -> None:
        if asked.asks == "user_input" or isinstance(error, InvalidInput):
            refuse(caller, error)
        else:
            reply(caller, denial(asked.asks, f"it could not be asked for: {error}"))

    # Answering

    def heard(self, message: Heard) -> None:
        """Take what became of a handler."""
        self._conclude(message.key, message.outcome)

    def late(self, message: Late) -> None:
        """Take note that the time of an ask is over."""
        self._conclude(message.key, TimedOut(self._timeout))

    def resolve(
        self, session_id: str, request_id: str, response: Mapping[str, Any], caller: Call | None
    ) -> None:
        """Answer a request by hand, and everybody who waits for it."""

        def change() -> Step:
            requests = self._rows.requests(session_id)
            change = requests.resolved(request_id, response, at=self._journal.now())
            return self._answering(AskKey(session_id, request_id), change, caller)

        self._submit(session_id, change, partial(refuse, caller))

    def store(
        self, session_id: str, request_id: str, request: Mapping[str, Any], caller: Call | None
    ) -> None:
        """Store a request that somebody is to answer by hand."""

        def change() -> Step:
            requests = self._rows.requests(session_id)
            change = requests.stored(request_id, request, at=self._journal.now())

            def take(stored: list[StoredRecord]) -> None:
                self._keep(change, stored)
                reply(caller)

            return Step(self._events(change, request_id), take)

        self._submit(session_id, change, partial(refuse, caller))

    def forget(self, session_id: str, caller: Call | None) -> None:
        """Deny what is open of a session that has ended; what was answered can still be read."""
        for request_id in self._rows.requests(session_id).asks:
            self._conclude(AskKey(session_id, request_id), Failed(SessionClosed()))

        # Answered behind what is open.
        self._submit(
            session_id,
            lambda: Step((), lambda _: reply(caller)),
            partial(refuse, caller),
        )

    def denied_all(self) -> Step:
        """Return the step that answers everything that is open, of every session, with no."""
        steps: list[Step] = []
        for requests in list(self._rows.all_requests()):
            for request_id in requests.asks:
                key, over = AskKey(requests.session_id, request_id), Failed(SessionClosed())
                change = requests.concluded(request_id, over, at=self._journal.now())
                requests = change.requests  # noqa: PLW2901 - the next goes on from it
                steps.append(self._answering(key, change, None))

        def take(stored: list[StoredRecord]) -> None:
            for step in steps:
                step.take(stored)

        return Step(tuple(event for step in steps for event in step.events), take)

    def _conclude(self, key: AskKey, outcome: Outcome) -> None:
        def change() -> Step:
            requests = self._rows.requests(key.session_id)
            if key.request_id not in requests.asks:
                return Step((), _nothing)
            change = requests.concluded(key.request_id, outcome, at=self._journal.now())
            return self._answering(key, change, None)

        self._submit(key.session_id, change, partial(self._not_concluded, key))

    def _answering(self, key: AskKey, change: Change, resolver: Call | None) -> Step:
        def take(stored: list[StoredRecord]) -> None:
            self._keep(change, stored)
            self.handlers.answered(key)
            reply(resolver)
            self._answer_all(key, change.answer)

        return Step(self._events(change, key.request_id), take)

    def _answer_all(self, key: AskKey, answer: Any) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        for caller in self._callers.pop(key, ()):
            caller.reply(answer)

    def _not_concluded(self, key: AskKey, error: BaseException) -> None:
        """Tell those who wait, and try later to have the log take that nothing was allowed."""
        requests = self._rows.requests(key.session_id)
        ask = requests.asks.get(key.request_id)
        if ask is None:
            return
        for caller in self._callers.pop(key, ()):
            if ask.asks == "user_input":
                caller.refuse(error)
            else:
                caller.reply(denial(ask.asks, f"its answer could not be stored: {error}"))
        self._rows.put("requests", key.session_id, requests.forfeited(key.request_id))
        self._timers[key] = self._owner.send_after(AGAIN, Late(key))

    # Going on after a restart

    def restore(self) -> None:
        """Take over what is open from a former life of the owner, or of the fleet."""
        self.handlers.restore()
        for requests in self._rows.all_requests():
            for request_id, ask in requests.asks.items():
                key = AskKey(requests.session_id, request_id)
                self._set_timer(key, ask)
                if ask.call is not None and not self.handlers.is_at_work(key):
                    self.handlers.start(key, ask.call, ask.deadline, contextvars.copy_context())

    # What these are made of

    def _submit(
        self, session_id: str, change: Callable[[], Step], failed: Callable[[BaseException], None]
    ) -> None:
        self._writes.submit(("requests", session_id), Write(change, failed))

    def _keep(self, change: Change, stored: list[StoredRecord]) -> None:
        self._rows.put_stored("requests", change.requests.session_id, change.requests, stored)

    def _events(self, change: Change, request_id: str) -> tuple[Event, ...]:
        context = change.requests.pending.get(request_id).request.get("context")
        run_id = context.get("run_id") if isinstance(context, Mapping) else None
        run_id = run_id if isinstance(run_id, str) else None
        return (
            *(event_of_told(self._journal, told, run_id) for told in change.told),
            *self._audited(change, request_id, run_id),
        )

    def _audited(self, change: Change, request_id: str, run_id: str | None) -> tuple[Event, ...]:
        if not any(told.subtype == "permission_resolved" for told in change.told):
            return ()
        request = change.requests.pending.get(request_id).request
        session_id = change.requests.session_id
        profile_id = self._rows.config(session_id).values.get(PROFILE_KEY)
        decision = as_data(change.answer)
        scope = {
            "session_id": session_id,
            "run_id": run_id,
            "profile_id": profile_id if isinstance(profile_id, str) and profile_id else None,
        }
        details = {
            "request_id": request_id,
            "method": request.get("method"),
            "params": request.get("params"),
            "context": request.get("context"),
            "decision": _word(decision),
            "reason": decision.get("reason") if isinstance(decision, Mapping) else None,
        }
        return (audit_event(self._journal, "control", "permission", scope, details),)

    def _let_wait(self, key: AskKey, caller: Call | None) -> None:
        if caller is not None:
            self._callers.setdefault(key, []).append(caller)

    def _set_timer(self, key: AskKey, ask: Ask) -> None:
        if key not in self._timers:
            left = max(0.0, ask.deadline - self._now())
            self._timers[key] = self._owner.send_after(left, Late(key))

    def _is_open(self, key: AskKey) -> bool:
        return key.request_id in self._rows.requests(key.session_id).asks

    def _now(self) -> float:
        return self._owner.node.clock.now()


def _word(decision: Mapping[str, Any] | str) -> str:
    """Return a decision as the audit calls it: `allow`, `deny` or `cancel`."""
    if isinstance(decision, str):
        return {"decline": "deny", "cancel": "cancel"}.get(decision, "allow")
    return "cancel" if decision.get("interrupt") else str(decision.get("decision"))


def _nothing(_: list[StoredRecord]) -> None:
    """Do nothing: somebody else has answered."""


def _answer_in(asked: Asked, response: Mapping[str, Any]) -> Any:
    """Return what a request was answered with, to one who asks again."""
    if asked.asks == "user_input":
        return response.get("response", response)
    return answered(asked.asks, response)
