"""What a session has asked and is being answered: the whole life of a request, as plain values.

    >>> from beam.state.callbacks import Callbacks
    >>> from beam.state.outcome import Answered
    >>> told = {"kind": "permission", "method": "write", "params": {"path": "a.py"}}
    >>> asked = Asked("session_1", "req_1", "permission", told)
    >>> callbacks = Callbacks(permission_handler=lambda method, params, context: "allow")
    >>> change = Requests.of("session_1").opened(asked, callbacks, timeout=300.0, now=0.0, at=1000)
    >>> [event.subtype for event in change.told], change.ask.deadline
    (['permission_requested'], 300.0)
    >>> outcome = Answered(change.ask.call.run())
    >>> change = change.requests.concluded("req_1", outcome, at=2000)
    >>> [event.subtype for event in change.told], change.answer
    (['permission_resolved'], Allow(params=None, for_session=False))

A request that is open has an entry in `pending`. If somebody is to answer it within a time, it has
an `Ask` as well: permissions and approvals always, a question to the user while its handler is at
work. Nothing is run here, and no time is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from beam.errors import StateRefused
from beam.model.permissions import Decision, PermissionRequest
from beam.model.records import to_record
from beam.model.redaction import redact
from beam.policy import Verdict
from beam.state.ask import Ask, Asked, as_data, denial, spoken
from beam.state.callbacks import Callbacks
from beam.state.control_event import ControlEvent
from beam.state.outcome import Outcome, TimedOut
from beam.state.pending_requests import PendingRequest, PendingRequests
from beam.state.permission import Approval, Question, approval_question, permission_question
from beam.state.user_input import PendingInput, concluded, opened

__all__ = ["Change", "Requests"]

_WAS_ASKED = frozenset({"handler_failed", "handler_timeout"})


@dataclass(frozen=True, slots=True)
class Change:
    """What one step in the life of a request comes to.

    Attributes:
        requests: the session's requests after it.
        told: what is told of it.
        ask: whom to ask now; `None` for nobody.
        answer: what everybody is answered who asks, if there is no `ask`.
    """

    requests: Requests
    told: tuple[ControlEvent, ...] = ()
    ask: Ask | None = None
    answer: Any = None


@dataclass(frozen=True, slots=True)
class Requests:
    """The requests of one session.

    Attributes:
        pending: every request that is kept, open or answered.
        asks: the open ones that have a time, by request id.
    """

    pending: PendingRequests
    asks: Mapping[str, Ask] = field(default_factory=dict)

    @classmethod
    def of(cls, session_id: str) -> Requests:
        """Return the requests of a session that has made none."""
        return cls(PendingRequests(session_id))

    @property
    def session_id(self) -> str:
        """The session."""
        return self.pending.session_id

    # Asking

    def opened(
        self,
        asked: Asked,
        callbacks: Callbacks,
        *,
        timeout: float,
        now: float,
        at: int,
        verdict: Verdict = Verdict(),  # noqa: B008 - it is frozen
    ) -> Change:
        """Take up a question that was not asked before.

        Args:
            asked: the question.
            callbacks: the session's handlers.
            timeout: the seconds that a handler has.
            now: the time in seconds, on the clock of `Ask.deadline`.
            at: the time in Unix milliseconds.
            verdict: what the session's policy says.

        Raises:
            InvalidInput: something in the question is not what it must be.
            QueueFull: so many requests wait already.
        """
        if asked.asks == "user_input":
            return self._opened_input(asked, _input_ask(asked, callbacks, timeout, now), at)
        request = {**asked.request, "context": asked.context}
        pending, _ = self.pending.stored(asked.request_id, request, at=at)
        requests = replace(self, pending=pending)
        told = _requested(asked, timeout, at)
        found = _who(asked, callbacks, verdict)
        if isinstance(found, Question):
            ask = Ask.of(found, asked.asks, deadline=now + timeout, timeout=timeout)
            return Change(requests.with_ask(asked.request_id, ask), (told,), ask)
        change = requests.decided(asked.request_id, found, at=at)
        return replace(change, told=(told, *change.told))

    def asked_again(
        self,
        asked: Asked,
        callbacks: Callbacks,
        *,
        timeout: float,
        now: float,
        at: int,
        verdict: Verdict = Verdict(),  # noqa: B008 - it is frozen
    ) -> Change:
        """Take up a question that is open and that nobody is at work on, as after a restart.

        The time of a permission goes on. A user's handler that was asked once is not asked again.
        """
        entry, ask = self.pending.get(asked.request_id), self.asks.get(asked.request_id)
        if asked.asks == "user_input":
            new = _input_ask(asked, callbacks, timeout, now)
            if new is None or entry.reason in _WAS_ASKED:
                return Change(self, answer=_awaited(entry))
            return Change(self.with_ask(asked.request_id, new), ask=new)
        found = _who(asked, callbacks, verdict)
        if not isinstance(found, Question):
            return self.decided(asked.request_id, found, at=at)
        deadline, timeout = (now + timeout, timeout) if ask is None else (ask.deadline, ask.timeout)
        new = Ask.of(found, asked.asks, deadline=deadline, timeout=timeout)
        return Change(self.with_ask(asked.request_id, new), ask=new)

    def _opened_input(self, asked: Asked, ask: Ask | None, at: int) -> Change:
        pending, request_id, told = opened(
            self.pending, asked.request_id, asked.request, asked.context, at=at
        )
        if ask is not None:
            requests = replace(self, pending=pending).with_ask(request_id, ask)
            return Change(requests, (told,), ask)
        pending, answer, more = concluded(pending, request_id, None, at=at)
        events = (told,) if more is None else (told, more)
        return Change(replace(self, pending=pending), events, answer=answer)

    # Answering

    def concluded(self, request_id: str, outcome: Outcome, *, at: int) -> Change:
        """Answer a request that somebody is asked by what became of that.

        Raises:
            KeyError: nobody is asked.
        """
        ask = self.asks[request_id]
        if isinstance(outcome, TimedOut):
            outcome = TimedOut(ask.timeout)
        if ask.asks != "user_input":
            return self.decided(request_id, ask.decided(outcome), at=at)
        pending, answer, told = concluded(self.pending, request_id, outcome, at=at)
        requests = replace(self, pending=pending).with_ask(request_id, None)
        return Change(requests, () if told is None else (told,), answer=answer)

    def resolved(self, request_id: str, response: Mapping[str, Any], *, at: int) -> Change:
        """Answer a request by hand; of a permission, `response` says it under `decision`.

        Raises:
            InvalidInput: the response is no mapping.
            NotFound: there is no such request.
            StateRefused: `already_resolved`.
        """
        pending, told = self.pending.resolved(request_id, response, at=at)
        ask = self.asks.get(request_id)
        if ask is not None and ask.asks != "user_input":
            said = spoken(ask.asks, response.get("decision", response))
            return self.decided(request_id, said, at=at)
        requests = replace(self, pending=pending).with_ask(request_id, None)
        return Change(requests, (told,), answer=response.get("response", response))

    def stored(self, request_id: str, request: Mapping[str, Any], *, at: int) -> Change:
        """Store a request that somebody is to answer by hand.

        Raises:
            StateRefused: `being_asked`: it is open, and a handler is at work on it.
            InvalidInput, QueueFull: see `PendingRequests.stored`.
        """
        if request_id in self.asks:
            raise StateRefused("being_asked", request_id=request_id)
        pending, told = self.pending.stored(request_id, request, at=at)
        return Change(replace(self, pending=pending), (told,))

    def decided(self, request_id: str, decision: Decision | Approval, *, at: int) -> Change:
        """Answer a permission or an approval."""
        answer = as_data(decision)
        pending, _ = self.pending.resolved(request_id, {"decision": answer}, at=at)
        told = {"request_id": request_id, "decision": answer}
        return Change(
            replace(self, pending=pending).with_ask(request_id, None),
            (ControlEvent("permission_resolved", self.session_id, at, told),),
            answer=decision,
        )

    # Keeping

    def with_ask(self, request_id: str, ask: Ask | None) -> Requests:
        """Note who is to answer an open request within a time; `None` for nobody."""
        others = {key: kept for key, kept in self.asks.items() if key != request_id}
        return replace(self, asks=others if ask is None else {**others, request_id: ask})

    def forfeited(self, request_id: str) -> Requests:
        """Note that a request can only be denied any more."""
        ask = self.asks[request_id]
        return self.with_ask(request_id, replace(ask, call=None, question=None))


def _who(asked: Asked, callbacks: Callbacks, verdict: Verdict) -> Question | Decision | Approval:
    """Return the question for a handler, or the answer if nobody is to be asked."""
    if not verdict.allowed:
        return denial(asked.asks, verdict.reason or "a policy denies it")
    find = permission_question if asked.asks == "permission" else approval_question
    return find(callbacks, asked.request["method"], asked.request["params"], asked.context)


def _input_ask(asked: Asked, callbacks: Callbacks, timeout: float, now: float) -> Ask | None:
    handler = callbacks.user_input_handler
    if handler is None:
        return None
    return Ask.of_input(asked, handler, deadline=now + timeout, timeout=timeout)


def _awaited(entry: PendingRequest) -> PendingInput:
    reason = entry.reason or "awaiting_external_response"
    return PendingInput(
        request_id=entry.request_id, request=redact(dict(entry.request)), reason=reason
    )


def _requested(asked: Asked, timeout: float, at: int) -> ControlEvent:
    record = PermissionRequest(
        request_id=asked.request_id,
        session_id=asked.session_id,
        method=asked.request["method"],
        params=asked.request["params"],
        context=asked.context,
        created_at=at,
        run_id=asked.noted("run_id"),
        tool_use_id=asked.noted("tool_use_id"),
    )
    told = {**to_record(record), "asks": asked.asks, "timeout": timeout}
    return ControlEvent("permission_requested", asked.session_id, at, told)
