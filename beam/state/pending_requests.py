"""The requests of one session that somebody has to answer, and those that were answered.

    >>> pending = PendingRequests("session_1")
    >>> pending, event = pending.stored("req_1", {"question": "Which file?"}, at=1000)
    >>> event.subtype, pending.get("req_1").request["kind"]
    ('pending_request_stored', 'user_input')
    >>> pending, _ = pending.resolved("req_1", {"response": "setup.py"}, at=2000)
    >>> pending.response("req_1")
    {'response': 'setup.py'}

At most 1,000 a session, unless said otherwise. One more takes the place of the one that was
answered first; if none is answered, it is refused with `queue_full` (G19). A request waits without
a deadline: whoever asked may have gone, and the answer still counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from beam.errors import InvalidInput, NotFound, QueueFull, StateRefused
from beam.model.redaction import redact
from beam.state.control_event import SOURCE, ControlEvent
from beam.state.plain import plain_copy, text

__all__ = ["REQUEST_SCHEMA", "PendingRequest", "PendingRequests"]

REQUEST_SCHEMA = "beam_agent.control.request.v1"
"""The form of `PendingRequest.request`, by the name that its readers know."""

_KIND_KEYS = ("kind", "type", "subtype")


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingRequest:
    """One request.

    Attributes:
        request_id: its name in the session.
        session_id: the session that asks.
        request: what is asked, with `request_id`, `kind`, `source` and `schema_version`.
        created_at: when it was stored, in Unix milliseconds.
        status: `pending`, and `resolved` once it is answered.
        reason: why nobody has answered yet, as far as it is known.
        response: the answer.
        resolved_at: when it was answered.
    """

    request_id: str
    session_id: str
    request: Mapping[str, Any]
    created_at: int
    status: Literal["pending", "resolved"] = "pending"
    reason: str | None = None
    response: Mapping[str, Any] | None = None
    resolved_at: int | None = None

    def view(self) -> dict[str, Any]:
        """Return the fields that have a value as plain data, without secrets."""
        fields: dict[str, Any] = {
            "request_id": self.request_id,
            "session_id": self.session_id,
            "request": redact(self.request),
            "status": self.status,
            "created_at": self.created_at,
            "reason": self.reason,
            "response": None if self.response is None else redact(self.response),
            "resolved_at": self.resolved_at,
        }
        return {key: value for key, value in fields.items() if value is not None}


@dataclass(frozen=True, slots=True)
class PendingRequests:
    """The requests of one session; each change returns the next value and what is told of it.

    Attributes:
        session_id: the session that asks.
        entries: by request id, the oldest first.
        bound: the most that are kept.
    """

    session_id: str
    entries: Mapping[str, PendingRequest] = field(default_factory=dict)
    bound: int = 1000

    def stored(
        self, request_id: str, request: Mapping[str, Any], *, at: int
    ) -> tuple[PendingRequests, ControlEvent]:
        """Store a request as the newest, in place of any with this id, answered or not.

        Args:
            request_id: its name in the session.
            request: what is asked. `request_id`, `kind` (its `type` or `subtype`, else
                `user_input`), `source` and `schema_version` are added where it lacks them.
            at: Unix milliseconds.

        Raises:
            InvalidInput: the id is not a non-empty string, or the request no mapping.
            QueueFull: so many requests wait already; `bound` says how many.
        """
        text("request_id", request_id)
        entry = PendingRequest(
            request_id=request_id,
            session_id=self.session_id,
            request=_canonical(request_id, _mapping("request", request)),
            created_at=at,
        )
        others = {key: kept for key, kept in self.entries.items() if key != request_id}
        if len(others) >= self.bound:
            del others[self._first_resolved(others)]
        told = {"request_id": request_id, "request": entry.request}
        return (
            replace(self, entries={**others, request_id: entry}),
            ControlEvent("pending_request_stored", self.session_id, at, told),
        )

    def resolved(
        self, request_id: str, response: Mapping[str, Any], *, at: int
    ) -> tuple[PendingRequests, ControlEvent]:
        """Answer a request.

        Raises:
            InvalidInput: the response is no mapping.
            NotFound: there is no such request.
            StateRefused: `already_resolved`.
        """
        answer = _mapping("response", response)
        entry = self.get(request_id)
        if entry.status == "resolved":
            raise StateRefused(
                "already_resolved", request_id=request_id, resolved_at=entry.resolved_at
            )
        entry = replace(entry, status="resolved", response=answer, resolved_at=at, reason=None)
        told = {"request_id": request_id, "response": answer}
        return (
            replace(self, entries={**self.entries, request_id: entry}),
            ControlEvent("pending_request_resolved", self.session_id, at, told),
        )

    def waiting(self, request_id: str, reason: str) -> PendingRequests:
        """Note why nobody has answered a request yet; nothing is noted of an answered one.

        Raises:
            NotFound: there is no such request.
        """
        entry = self.get(request_id)
        if entry.status == "resolved":
            return self
        return replace(self, entries={**self.entries, request_id: replace(entry, reason=reason)})

    def get(self, request_id: str) -> PendingRequest:
        """Return a request, secrets included.

        Raises:
            InvalidInput: the id is no text.
            NotFound: there is no such request.
        """
        text("request_id", request_id)
        entry = self.entries.get(request_id)
        if entry is None:
            raise NotFound(session_id=self.session_id, request_id=request_id)
        return entry

    def response(self, request_id: str) -> dict[str, Any]:
        """Return the answer to a request, secrets included.

        Raises:
            NotFound: there is no such request.
            StateRefused: `pending`, nobody has answered yet.
        """
        entry = self.get(request_id)
        if entry.response is None:
            raise StateRefused("pending", request_id=request_id, why=entry.reason)
        answer: dict[str, Any] = plain_copy("response", entry.response)
        return answer

    def views(self) -> list[dict[str, Any]]:
        """Return every request, the oldest first, answered ones too, without secrets."""
        return [entry.view() for entry in self.entries.values()]

    def _first_resolved(self, entries: Mapping[str, PendingRequest]) -> str:
        answered = [entry for entry in entries.values() if entry.resolved_at is not None]
        if not answered:
            raise QueueFull(session_id=self.session_id, bound=self.bound)
        return min(answered, key=lambda entry: entry.resolved_at or 0).request_id


def _mapping(field: str, value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidInput(field, type(value).__name__, "a mapping")
    copied: dict[str, Any] = plain_copy(field, value)
    return copied


def _canonical(request_id: str, request: dict[str, Any]) -> dict[str, Any]:
    named = (request[key] for key in _KIND_KEYS if request.get(key) is not None)
    return {
        "request_id": request_id,
        "kind": next(named, "user_input"),
        "source": SOURCE,
        "schema_version": REQUEST_SCHEMA,
        **request,
    }
