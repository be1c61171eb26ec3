"""Control's events in the log: how they are named and written, and how an answer is found again.

    >>> from beam.log import MemoryStore
    >>> from beam.otp import Node
    >>> from beam.state.journal import Journal
    >>> from beam.state.pending_requests import PendingRequests
    >>> with Node() as node, MemoryStore() as store:
    ...     journal = Journal(store, node)
    ...     _, told = PendingRequests("session_1").stored("req_1", {"token": "x"}, at=journal.now())
    ...     [stored] = journal.append_wait([event_of_told(journal, told)])
    >>> stored.type, '"token":"redacted"' in stored.body
    ('pending_request_stored', True)

A permission and its answer are stored under identifiers made of session and request id, so that the
log itself keeps the first of each, whoever asks again and whenever.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from beam.model.encoding import encode
from beam.model.redaction import redact
from beam.state.ask import denial, spoken
from beam.state.journal import event_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beam.log import StoredRecord
    from beam.model.events import Event, EventType
    from beam.model.permissions import Decision
    from beam.state.ask import Asked, Asks
    from beam.state.control_event import ControlEvent
    from beam.state.journal import Journal
    from beam.state.permission import Approval

__all__ = ["answered", "event_of_told", "recalled", "request_in"]

_RESOLVED: tuple[EventType, ...] = ("permission_resolved",)
_END = "_resolved"


def event_of_told(journal: Journal, told: ControlEvent, run_id: str | None = None) -> Event:
    """Return the event of what is told, for the log."""
    data = dict(told.payload)
    if told.subtype == "permission_resolved" and _has_secrets(data["decision"]):
        data["redacted"] = True
    kind = cast("EventType", told.subtype)
    event = journal.event(kind, told.session_id, run_id=run_id)
    event = replace(event, timestamp=told.timestamp, data=redact(data))
    if kind == "permission_requested":
        event = replace(event, id=_id_of(told.session_id, data["request_id"]))
    elif kind == "permission_resolved":
        event = replace(event, id=_id_of(told.session_id, data["request_id"]) + _END)
    return event


def _id_of(session_id: str, request_id: str) -> str:
    name = encode(["permission", session_id, request_id])
    return f"evt_{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def recalled(journal: Journal, asked: Asked, first: StoredRecord) -> Decision | Approval:
    """Return the answer that the log has to a permission or an approval that was asked before.

    Args:
        journal: the log.
        asked: the question, asked again.
        first: how it is stored.
    """
    known = event_of(first).data
    if not asked.is_the_same_as(request_in(known)):
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


def request_in(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was asked, of the data of a `permission_requested`."""
    return {"kind": data["asks"], "method": data["method"], "params": data.get("params", {})}


def _has_secrets(value: object) -> bool:
    return bool(redact(value) != value)
