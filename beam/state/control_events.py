"""Control's events in the log: how they are written, and what of them is read back.

    >>> from beam.log import MemoryStore
    >>> from beam.otp import Node
    >>> from beam.state.journal import Journal
    >>> from beam.state.pending_requests import PendingRequests
    >>> with Node() as node, MemoryStore() as store:
    ...     journal = Journal(store, node)
    ...     _, told = PendingRequests("session_1").stored("req_1", {"token": "x"}, at=journal.now())
    ...     _ = journal.append_wait([event_of_told(journal, told)])
    ...     past = Past()
    ...     for stored in journal.store.read_all(types=CONTROL_TYPES):
    ...         past.take(stored, now=0.0, at=journal.now())
    >>> past.requests["session_1"].pending.views()[0]["request"]["token"], past.position
    ('redacted', 1)

What is rebuilt from the log: the requests that are open, with the time that a permission has left;
the feedback, and how far it was numbered. What is not: answered requests, which are looked for in
the log when somebody asks again; configuration, handlers and tasks, which belong to the life of the
fleet; and secrets, which the log never had.

A permission and its answer are stored under identifiers made of session and request id, so that the
log itself keeps the first of each, whoever asks again and whenever.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from beam.model.encoding import encode
from beam.model.redaction import redact
from beam.state.ask import Ask, denial, spoken
from beam.state.feedback import Feedback
from beam.state.journal import event_of
from beam.state.requests import Requests

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beam.log import StoredRecord
    from beam.model.events import Event, EventType
    from beam.model.permissions import Decision
    from beam.state.ask import Asked, Asks
    from beam.state.control_event import ControlEvent
    from beam.state.control_rows import ControlRows
    from beam.state.journal import Journal
    from beam.state.permission import Approval

__all__ = ["CONTROL_TYPES", "Past", "answered", "event_of_told", "recalled"]

CONTROL_TYPES: tuple[EventType, ...] = (
    "permission_requested",
    "permission_resolved",
    "pending_request_stored",
    "pending_request_resolved",
    "user_input_requested",
    "feedback_submitted",
    "feedback_cleared",
)
"""What is read back."""

_RESOLVED: tuple[EventType, ...] = ("permission_resolved",)
_NAMED_BY_REQUEST = ("permission_requested", *_RESOLVED)


def event_of_told(journal: Journal, told: ControlEvent, run_id: str | None = None) -> Event:
    """Return the event of what is told, for the log."""
    data = dict(told.payload)
    if told.subtype == "permission_resolved" and _has_secrets(data["decision"]):
        data["redacted"] = True
    kind = cast("EventType", told.subtype)
    event = journal.event(kind, told.session_id, run_id=run_id)
    event = replace(event, timestamp=told.timestamp, data=redact(data))
    if kind in _NAMED_BY_REQUEST:
        name = encode([kind, told.session_id, data["request_id"]])
        event = replace(event, id=f"evt_{hashlib.sha256(name.encode()).hexdigest()[:32]}")
    return event


def recalled(journal: Journal, asked: Asked, first: StoredRecord) -> Decision | Approval:
    """Return the answer that the log has to a permission or an approval that was asked before.

    Args:
        journal: the log.
        asked: the question, asked again.
        first: how it is stored.
    """
    known = event_of(first).data
    if not asked.is_the_same_as(_request_in(known)):
        return denial(asked.asks, "its request id was used for something else")
    for event in journal.read(asked.session_id, after=first.sequence, types=_RESOLVED):
        if event.data.get("request_id") == asked.request_id:
            return answered(asked.asks, event.data)
    return denial(asked.asks, "it was asked before, and never answered")


def answered(asks: Asks, data: Mapping[str, Any]) -> Decision | Approval:
    """Return the decision that is kept under `decision`; no, if its secrets are not kept."""
    if data.get("redacted"):
        return denial(asks, "it was allowed once, with params that are not kept")
    return spoken(asks, data.get("decision"))


class Past:
    """What the log says of all sessions' requests and feedback, folded event by event.

    Args:
        rows: what is known already, of which a last part is missing; `None` for nothing. Then only
            what is open is kept, else what is answered, too.

    Attributes:
        position: of the last event in the log that was taken, 0 before the first.
        requests: of the sessions of which something was taken, by session id.
        feedback: likewise.
    """

    def __init__(self, rows: ControlRows | None = None) -> None:
        self.position = 0
        self.requests: dict[str, Requests] = {}
        self.feedback: dict[str, Feedback] = {}
        self._rows = rows

    def take(self, stored: StoredRecord, *, now: float, at: int) -> None:
        """Take one record more, in the order of the log.

        Args:
            stored: the record, of one of `CONTROL_TYPES`.
            now: the time in seconds, on the clock of `Ask.deadline`.
            at: the same time in Unix milliseconds.
        """
        event = event_of(stored)
        self.position = stored.position
        if event.type in ("feedback_submitted", "feedback_cleared"):
            self._take_feedback(event)
            return
        requests = _after(
            self._requests(event.session_id), event, now - (at - event.timestamp) / 1e3
        )
        if self._rows is None:
            requests = requests.only_open()
        if requests.pending.entries or self._rows is not None:
            self.requests[event.session_id] = requests
        else:
            self.requests.pop(event.session_id, None)

    def _requests(self, session_id: str) -> Requests:
        if session_id in self.requests or self._rows is None:
            return self.requests.get(session_id) or Requests.of(session_id)
        return self._rows.requests(session_id)

    def _take_feedback(self, event: Event) -> None:
        session_id = event.session_id
        feedback = self.feedback.get(session_id)
        if feedback is None:
            feedback = self._rows.feedback(session_id) if self._rows else Feedback(session_id)
        if event.type == "feedback_cleared":
            feedback = replace(feedback.cleared(), last_seq=int(event.data["seq"]))
        else:
            feedback, _ = feedback.submitted(event.data, at=event.timestamp)
        self.feedback[session_id] = feedback


def _after(requests: Requests, event: Event, when: float) -> Requests:
    """Return the requests after an event that happened at `when`, seconds of the node's clock."""
    data, at = event.data, event.timestamp
    request_id = str(data.get("request_id"))
    if event.type == "permission_requested":
        return _reopened(requests, event, when)
    if event.type == "pending_request_stored":
        return requests.stored(request_id, data["request"], at=at).requests
    if request_id not in requests.pending.entries:
        return requests
    if event.type == "user_input_requested":
        pending = requests.pending.waiting(request_id, str(data.get("reason")))
        return replace(requests, pending=pending).with_ask(request_id, None)
    answer = data.get("response") or {key: data[key] for key in _ANSWER if key in data}
    pending, _ = requests.pending.resolved(request_id, answer, at=at)
    return replace(requests, pending=pending).with_ask(request_id, None)


_ANSWER = ("decision", "redacted")


def _reopened(requests: Requests, event: Event, when: float) -> Requests:
    """Return the requests with a permission that is open, and that no handler is asked for."""
    data, timeout = event.data, float(event.data["timeout"])
    request = {**_request_in(data), "context": data.get("context", {})}
    request_id = str(data["request_id"])
    pending, _ = requests.pending.stored(request_id, request, at=event.timestamp)
    ask = Ask(data["asks"], when + timeout, timeout)
    return replace(requests, pending=pending).with_ask(request_id, ask)


def _request_in(data: Mapping[str, Any]) -> dict[str, Any]:
    return {"kind": data["asks"], "method": data["method"], "params": data.get("params", {})}


def _has_secrets(value: object) -> bool:
    return bool(redact(value) != value)
