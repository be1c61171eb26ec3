"""Control's past: what of the log is read back when its process, or the program, starts again.

    >>> from beam.log import MemoryStore
    >>> from beam.otp import Node
    >>> from beam.state.control_events import event_of_told
    >>> from beam.state.journal import Journal
    >>> from beam.state.pending_requests import PendingRequests
    >>> with Node() as node, MemoryStore() as store:
    ...     journal = Journal(store, node)
    ...     _, told = PendingRequests("session_1").stored("req_1", {"token": "x"}, at=journal.now())
    ...     _ = journal.append_wait([event_of_told(journal, told)])
    ...     past = read_past(store.read_all(types=CONTROL_TYPES), now=0.0, at=journal.now())
    >>> past.requests["session_1"].pending.views()[0]["request"]["token"], past.position
    ('redacted', 1)

What is read back: the requests, answered or with the time that a permission has left; the
feedback, and how far it was numbered; configuration, policies and run records. What is not:
handlers and tasks, which belong to the life of the program; and secrets, save those of the
configuration.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from beam.state.ask import Ask
from beam.state.control_collaboration import COLLABORATION_TYPES, after_collaboration
from beam.state.control_events import request_in
from beam.state.feedback import Feedback
from beam.state.journal import event_of
from beam.state.past_settings import SETTING_TYPES, PastSettings
from beam.state.requests import Requests
from beam.state.run_ledger import RECORD_TYPES, record_of_event
from beam.state.run_records import RunRecord, RunWork
from beam.state.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from beam.log import StoredRecord
    from beam.model.events import Event, EventType
    from beam.state.control_rows import ControlRows
    from beam.state.run_records import AnyRecord

__all__ = ["CONTROL_TYPES", "Past", "read_past"]

CONTROL_TYPES: tuple[EventType, ...] = (
    "permission_requested",
    "permission_resolved",
    "pending_request_stored",
    "pending_request_resolved",
    "user_input_requested",
    "feedback_submitted",
    "feedback_cleared",
    *SETTING_TYPES,
    "control_cleared",
    *RECORD_TYPES,
    *COLLABORATION_TYPES,
)
"""What is read back."""


def read_past(
    records: Iterable[StoredRecord],
    rows: ControlRows | None = None,
    *,
    now: float,
    at: int,
    vault: Vault | None = None,
    begun: Past | None = None,
) -> Past:
    """Return what records say of all sessions' requests and feedback.

    Args:
        records: those of `CONTROL_TYPES`, in the order of the log.
        rows: what is known already, if only the last part of the log is read.
        now: the time in seconds, on the clock of `Ask.deadline`.
        at: the same time in Unix milliseconds.
        vault: opens the secrets of the configuration; without one there are none.
        begun: what the records before these said, for these to be added to it; instead of rows.
    """
    past = begun or Past(rows, vault)
    for stored in records:
        past.position = stored.position
        past.take(event_of(stored), now=now, at=at)
    return past


class Past:
    """What events say of all sessions' requests and feedback; made by `read_past`.

    Attributes:
        position: of the last event in the log that was taken, 0 before the first.
        requests: of the sessions of which something was taken, by session id.
        feedback: likewise.
        settings: configuration and policies.
        collaboration: reviews and exchanges, by kind and session id.
        works: the run records of which something was taken, by id.
    """

    def __init__(self, rows: ControlRows | None = None, vault: Vault | None = None) -> None:
        self.position = 0
        self.requests: dict[str, Requests] = {}
        self.feedback: dict[str, Feedback] = {}
        self.settings = PastSettings(rows, vault or Vault())
        self.works: dict[str, RunWork] = {}
        self.collaboration: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._rows = rows
        self._cleared = False

    def take(self, event: Event, *, now: float, at: int) -> None:
        """Take one event more."""
        if event.type in ("feedback_submitted", "feedback_cleared"):
            self._take_feedback(event)
            return
        if event.type in COLLABORATION_TYPES:
            self._take_collaboration(event)
            return
        if event.type in RECORD_TYPES:
            self._take_record(record_of_event(event))
            return
        if event.type in SETTING_TYPES:
            self.settings.take(event)
            return
        if event.type == "control_cleared":
            self._take_cleared()
            return
        self.requests[event.session_id] = _after(
            self._requests(event.session_id), event, now - (at - event.timestamp) / 1e3
        )

    def size(self) -> int:
        """Return how many rows it makes, roughly."""
        kinds = (self.requests, self.feedback, self.settings.configs, self.works)
        return sum(len(one) for one in kinds)

    def put_into(self, rows: ControlRows) -> None:
        """Put what was taken into the rows of the owner."""
        if self._cleared:
            rows.clear_sessions([])
        for session_id, requests in self.requests.items():
            rows.put("requests", session_id, requests)
        for session_id, feedback in self.feedback.items():
            rows.put("feedback", session_id, feedback)
        self.settings.put_into(rows)
        for (kind, session_id), kept in self.collaboration.items():
            if kept:
                rows.put(kind, session_id, kept)
            else:
                rows.drop(kind, session_id)
        for run_id, work in self.works.items():
            rows.put("run", run_id, work)
            for step_id in work.steps:
                rows.put("step", step_id, run_id)

    def _take_collaboration(self, event: Event) -> None:
        if event.type == "collaboration_cleared":
            known = [] if self._rows is None else self._rows.names("reviews", "realtime")
            self.collaboration = {key: {} for key in (*known, *self.collaboration)}
            return
        key = ("reviews" if event.type == "review_changed" else "realtime", event.session_id)
        if key not in self.collaboration and self._rows is not None:
            self.collaboration[key] = self._rows.collaboration(*key)
        self.collaboration[key] = after_collaboration(self.collaboration.get(key, {}), event)

    def _take_record(self, record: AnyRecord) -> None:
        work = self.works.get(record.run_id)
        if work is None and self._rows is not None:
            work = self._rows.work(record.run_id)
        if isinstance(record, RunRecord):
            self.works[record.run_id] = RunWork(record, work.steps if work else {})
        elif work is not None:
            self.works[record.run_id] = work.with_step(record)

    def _take_cleared(self) -> None:
        self._cleared = True
        self.requests.clear()
        if self._rows is not None:
            for _, session_id in self._rows.names("feedback"):
                self.feedback.setdefault(session_id, self._rows.feedback(session_id))
        self.feedback = {key: one.cleared() for key, one in self.feedback.items()}
        self.settings.clear()

    def _requests(self, session_id: str) -> Requests:
        if session_id in self.requests or self._rows is None or self._cleared:
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
    request = {**request_in(data), "context": data.get("context", {})}
    request_id = str(data["request_id"])
    pending, _ = requests.pending.stored(request_id, request, at=event.timestamp)
    ask = Ask(data["asks"], when + timeout, timeout)
    return replace(requests, pending=pending).with_ask(request_id, ask)
