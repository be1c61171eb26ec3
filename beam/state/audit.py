"""The audit: who decided what, kept in the log with the rest, of the whole fleet in one stream.

>>> from beam.log import MemoryStore
>>> from beam.otp import Node
>>> from beam.state.journal import Journal
>>> with Node() as node, MemoryStore() as store:
...     journal = Journal(store, node)
...     event = audit_event(
...         journal, "control", "permission", {"session_id": "s"}, {"decision": "deny"}
...     )
...     _ = journal.append_wait([event])
...     [(one.action, one.session_id, one.details) for one in audit_events(journal)]
[('permission', 's', {'decision': 'deny'})]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from beam.errors import InvalidInput
from beam.model.events import FLEET
from beam.state.plain import text

if TYPE_CHECKING:
    from beam.model.events import Event, EventType
    from beam.state.journal import Journal

__all__ = ["AuditEntry", "audit_event", "audit_events"]

_SCOPE = ("session_id", "thread_id", "run_id", "profile_id")
_TYPES: tuple[EventType, ...] = ("audit",)
_OWN = frozenset({"category", "action", "scope"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One entry.

    Attributes:
        event_id: its name in the log.
        sequence: its place among the fleet's events; grows, not without gaps.
        timestamp: when, in Unix milliseconds.
        category: of which part of the fleet: `control`, `routing`, ...
        action: what was decided about.
        session_id, thread_id, run_id, profile_id: what it was about, as far as there is such.
        details: what was decided, and on what grounds; without secrets.
    """

    event_id: str
    sequence: int
    timestamp: int
    category: str
    action: str
    session_id: str | None = None
    thread_id: str | None = None
    run_id: str | None = None
    profile_id: str | None = None
    details: Mapping[str, Any]


def audit_event(
    journal: Journal,
    category: str,
    action: str,
    scope: Mapping[str, str | None],
    details: Mapping[str, Any],
) -> Event:
    """Return an entry's event, to be appended together with what it is about.

    Args:
        journal: makes it.
        category: of which part of the fleet.
        action: what was decided about.
        scope: any of `session_id`, `thread_id`, `run_id` and `profile_id`.
        details: JSON data, `decision` among it if there was one; secrets are redacted.

    Raises:
        InvalidInput: `unsupported_audit_scope_key` or `invalid_audit_scope`; or the category or
            the action is no text.
    """
    for field, given in (("scope", scope), ("details", details)):
        if not isinstance(given, Mapping):
            raise InvalidInput(field, type(given).__name__, "a mapping")
    for key, value in scope.items():
        if key not in _SCOPE:
            raise _invalid("unsupported_audit_scope_key", str(key), value)
        if not _is_name(value):
            raise _invalid("invalid_audit_scope", key, value)
    known = {key: value for key, value in scope.items() if value is not None}
    more = {key: value for key, value in details.items() if key not in _OWN}
    return journal.event(
        "audit",
        FLEET,
        run_id=known.get("run_id"),
        category=text("category", category),
        action=text("action", action),
        scope=known,
        details=more,
    )


def audit_events(
    journal: Journal,
    *,
    category: str | None = None,
    action: str | None = None,
    decision: str | None = None,
    session_id: str | None = None,
    run_id: str | None = None,
    profile_id: str | None = None,
    after: int = 0,
    limit: int | None = None,
) -> list[AuditEntry]:
    """Return entries from the log, the oldest first.

    Args:
        journal: reads them.
        category: only those of this part of the fleet.
        action: only those about this.
        decision: only those that came to this.
        session_id: only those of this session.
        run_id: only those of this run.
        profile_id: only those of this policy.
        after: only those with a larger sequence.
        limit: at most so many of those that match.

    Raises:
        InvalidInput: `after` or `limit` is no whole number, or too small.
    """
    for field, given, least in (("after", after, 0), ("limit", 1 if limit is None else limit, 1)):
        if type(given) is not int or given < least:
            raise InvalidInput(field, given, f"a whole number, {least} or more")
    wanted = {
        "category": category,
        "action": action,
        "session_id": session_id,
        "run_id": run_id,
        "profile_id": profile_id,
    }
    found: list[AuditEntry] = []
    for event in journal.replay(FLEET, after=after, types=_TYPES):
        if limit is not None and len(found) >= limit:
            break
        entry = _entry(event)
        right = all(value is None or getattr(entry, key) == value for key, value in wanted.items())
        if right and decision in (None, entry.details.get("decision")):
            found.append(entry)
    return found


def _entry(event: Event) -> AuditEntry:
    data = event.data
    return AuditEntry(
        event_id=event.id,
        sequence=event.sequence,
        timestamp=event.timestamp,
        category=str(data.get("category")),
        action=str(data.get("action")),
        details=data.get("details", {}),
        **{key: data.get("scope", {}).get(key) for key in _SCOPE},
    )


def _is_name(value: object) -> bool:
    return value is None or (isinstance(value, str) and bool(value))


def _invalid(reason: str, field: str, value: object) -> InvalidInput:
    error = InvalidInput(field, value, f"any of {', '.join(_SCOPE)}, each a non-empty text")
    error.reason = reason
    return error
