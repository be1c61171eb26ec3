"""The event: what the log keeps, in order, and all that survives a crash.

    >>> event = Event(
    ...     id="evt_1", type="run_started", session_id="session_1", run_id="run_1",
    ...     timestamp=1_760_000_000_000, data={"attempt": 1},
    ... )
    >>> event.sequence, event.in_order(7).sequence
    (0, 7)
    >>> Event.from_json(event.to_json()) == event
    True

An event is a fact of a session: appended once, known by its `id`, never changed. The log gives it
its place, `sequence`, counting from 1 in each session without a gap. What belongs to no session
(tasks of the main job, routing) is kept under the session id `FLEET`.

| type | when | in `data` |
|---|---|---|
| `session_started` | its actor runs for the first time | backend, and how it was started |
| `session_restarted` | its actor runs again | reason, restarts |
| `session_quarantined` | its restart budget is used up | reason, restarts |
| `session_released` | an operator lets it go on | |
| `session_stopped` | it ended for good | reason |
| `state_changed` | of state, settings, agent | from_state, to_state, reason, settings, details |
| `run_submitted` | a prompt was accepted, before anybody is told so | its record, `attachments` |
| `run_started` | an attempt begins | attempt |
| `run_retried` | back to the queue after a crash | reason, attempts, usage if known |
| `run_completed` | it has its answer | output, usage if known |
| `run_failed` | it has none | reason, usage if known |
| `run_interrupted` | it was cut short | reason |
| `message` | the agent said something | message |
| `tool_call_started` | before a tool is dispatched (G12) | tool_use_id, tool_name, tool_input |
| `tool_call_completed` | its result is known | tool_use_id, is_error |
| `tool_call_unknown` | a crash hid its result | tool_use_id |
| `permission_requested` | somebody has to allow something | the request's record, asks, timeout |
| `permission_resolved` | it was allowed or denied | request_id, decision, and if it had secrets |
| `user_input_requested` | somebody has to answer something | request_id, request |
| `pending_request_stored` | a request waits | request_id, request |
| `pending_request_resolved` | it was answered | request_id, response |
| `task_registered` | a session has a task under way | task_id, replaced |
| `task_unregistered` | it was taken off the list | task_id, status |
| `task_stopped` | somebody stopped it | task_id |
| `task_died` | its process ended before that | task_id, exit_reason |
| `config_set` | a value of the session's configuration was set | config, as the vault keeps it |
| `config_cleared` | the session's configuration was forgotten | |
| `model_updated` | a client had the model set by name | model |
| `permission_mode_updated` | likewise | permission_mode |
| `max_thinking_tokens_updated` | likewise | max_thinking_tokens |
| `task_stop_requested` | a client asked by name that a task be stopped | task_id |
| `policy_put` | there is a policy profile, or another of this name | profile |
| `policy_deleted` | there is none any more | profile_id |
| `control_cleared` | what control kept of all sessions was forgotten | |
| `audit` | something was decided, here or elsewhere | category, action, scope, details |
| `journal_entry` | a user wrote an entry | event_type, payload, tags, scope, mark |
| `journal_acknowledged` | a consumer has seen one | consumer, event_id |
| `record_run_started` | a run record was begun; see `beam.state.run_records` | the whole record |
| `record_run_completed` | it was completed | likewise |
| `record_run_failed` | it failed | likewise |
| `record_run_cancelled` | it was cancelled | likewise |
| `record_step_started` | a step of a run record was begun | likewise |
| `record_step_completed` | it was completed | likewise |
| `record_step_failed` | it failed | likewise |
| `record_step_cancelled` | it was cancelled | likewise |
| `review_changed` | a review was begun, brought on or closed | the whole review |
| `realtime_started` | a realtime exchange began in a thread | realtime |
| `realtime_appended` | something was sent into it | thread_id, at, text or audio |
| `realtime_stopped` | it was stopped | thread_id, at |
| `collaboration_cleared` | reviews and exchanges of all sessions were forgotten | |
| `feedback_submitted` | somebody said something about the session | seq, and what was said |
| `feedback_cleared` | what was said until now was forgotten | seq |
| `runtime_changed` | what its queries start from was changed | shown, and with secrets sealed |
| `routing_selected` | a backend was chosen | request, decision, and what it was bound to |
| `routing_cleared` | every binding until now was forgotten | |
| `session_registered` | the store was told of a session that does not run here | meta |
| `session_updated` | what the store has of it was changed | changes |
| `session_forked` | it was made of another's messages | parent_session_id, meta, base |
| `session_reverted` | its newest messages were hidden | count, selector |
| `session_unreverted` | all of them are shown again | |
| `session_shared` | it was shared | share_id |
| `session_unshared` | the share was revoked | |
| `session_summarized` | a summary of it was kept | summary |
| `session_deleted` | what the store had of it was forgotten | |
| `thread_started` | a thread began, or was forked | thread_id, name, metadata, parent, base |
| `thread_changed` | its name, its status or the like | thread_id, fields, activate |
| `thread_rolled_back` | its newest messages were hidden | thread_id, visible |
| `thread_deleted` | it was forgotten | thread_id |
| `thread_activated` | what is said belongs to it from now on, or to none | thread_id |
| `task_accepted` | a task of the main job is known | task_id, the task |
| `task_started` | an attempt at it begins | task_id, attempt, session_id, run_id |
| `task_retried` | it is tried again | task_id, attempt, reason |
| `task_answered` | its answer is known | task_id, answer |
| `task_failed` | it is given up | task_id, reason |
| `fault_injected` | an experiment is about to break something | fault, target |

`data` holds JSON data, with its secrets redacted before the event is made (G17). A type is never
taken out of the set and never changes its meaning; a change of shape raises `SCHEMA_VERSION`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from beam.errors import InvalidInput
from beam.model.encoding import decode, encode
from beam.model.message_record import from_wire, to_wire
from beam.model.messages import Message
from beam.model.records import from_record, to_record
from beam.model.redaction import redact

__all__ = [
    "EVENT_TYPES",
    "FLEET",
    "SCHEMA_VERSION",
    "Event",
    "EventType",
    "message_data",
    "message_of",
]

EventType = Literal[
    "session_started", "session_restarted", "session_quarantined", "session_released",
    "session_stopped", "state_changed",
    "run_submitted", "run_started", "run_retried", "run_completed", "run_failed",
    "run_interrupted",
    "message",
    "tool_call_started", "tool_call_completed", "tool_call_unknown",
    "permission_requested", "permission_resolved",
    "user_input_requested", "pending_request_stored", "pending_request_resolved",
    "task_registered", "task_unregistered", "task_stopped", "task_died",
    "feedback_submitted", "feedback_cleared",
    "config_set", "config_cleared", "model_updated", "permission_mode_updated",
    "max_thinking_tokens_updated", "task_stop_requested", "policy_put", "policy_deleted",
    "control_cleared", "audit", "journal_entry", "journal_acknowledged",
    "review_changed", "realtime_started", "realtime_appended", "realtime_stopped",
    "collaboration_cleared",
    "runtime_changed",
    "record_run_started", "record_run_completed", "record_run_failed", "record_run_cancelled",
    "record_step_started", "record_step_completed", "record_step_failed", "record_step_cancelled",
    "routing_selected", "routing_cleared",
    "session_registered", "session_updated", "session_forked", "session_reverted",
    "session_unreverted", "session_shared", "session_unshared", "session_summarized",
    "session_deleted",
    "thread_started", "thread_changed", "thread_rolled_back", "thread_deleted",
    "thread_activated",
    "task_accepted", "task_started", "task_retried", "task_answered", "task_failed",
    "fault_injected",
]  # fmt: skip
"""What an event can be."""

EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)
"""Every event type."""

FLEET = "fleet"
"""The session id of events that belong to no session."""

SCHEMA_VERSION = 1
"""The version of the shape that events are written in; older ones can be read."""

_KNOWN = frozenset(EVENT_TYPES)
_COLUMNS = {"id", "type", "session_id", "timestamp", "sequence"}
_PLAIN = {"data": dict, "schema_version": int, "run_id": str, "correlation_id": str}


def _is_plain(body: dict[str, Any]) -> bool:
    """Say whether a body has the fields that `to_body` writes, each of its type, and no others."""
    return (
        "data" in body
        and "schema_version" in body
        and all(type(value) is _PLAIN.get(name) for name, value in body.items())
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One fact.

    Attributes:
        id: its name; an event that is appended twice is kept once.
        type: what happened, one of `EVENT_TYPES`.
        session_id: to which session; `FLEET` for what happened to none.
        timestamp: when, Unix milliseconds. Order comes from `sequence`, never from time.
        data: the particulars, JSON data by the table above.
        run_id: in which run.
        correlation_id: what ties it to work outside of the fleet.
        sequence: its place in its session, from 1 on; 0 until the log has given it one.
        schema_version: the version of its shape.

    Raises:
        InvalidInput: the type is unknown, the id or the session id empty, the sequence negative,
            or the shape of a version that this program does not know.
    """

    id: str
    type: EventType
    session_id: str
    timestamp: int
    data: Mapping[str, Any] = field(default_factory=dict)
    run_id: str | None = None
    correlation_id: str | None = None
    sequence: int = 0
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        if self.type not in _KNOWN:
            raise InvalidInput("type", self.type, f"one of {', '.join(EVENT_TYPES)}")
        if not self.id:
            raise InvalidInput("id", self.id, "a non-empty identifier")
        if not self.session_id:
            raise InvalidInput("session_id", self.session_id, "a non-empty identifier")
        if self.sequence < 0:
            raise InvalidInput("sequence", self.sequence, "0 or more")
        if not 1 <= self.schema_version <= SCHEMA_VERSION:
            raise InvalidInput("schema_version", self.schema_version, f"1 to {SCHEMA_VERSION}")

    def in_order(self, sequence: int) -> Event:
        """Return the event at its place in the log."""
        return Event(
            id=self.id,
            type=self.type,
            session_id=self.session_id,
            timestamp=self.timestamp,
            data=self.data,
            run_id=self.run_id,
            correlation_id=self.correlation_id,
            sequence=sequence,
            schema_version=self.schema_version,
        )

    def to_body(self) -> str:
        """Return what a store with columns for id, session, type and time keeps beside these.

        Raises:
            InvalidInput: the data is not JSON data.
        """
        body: dict[str, Any] = {"data": self.data, "schema_version": self.schema_version}
        if self.run_id is not None:
            body["run_id"] = self.run_id
        if self.correlation_id is not None:
            body["correlation_id"] = self.correlation_id
        return encode(body)

    @classmethod
    def from_body(cls, body: str | bytes, **columns: Any) -> Event:
        """Return the event of a body and of its columns, named as the fields are.

        Raises:
            InvalidInput: the body is not one that `to_body` made, or a column is missing or wrong.
        """
        record = decode(body)
        if not isinstance(record, dict):
            return cls.from_record(record)
        if _is_plain(record) and columns.keys() == _COLUMNS:
            # Almost every one, and there are millions: it is what it must be already.
            return cls(**record, **columns)
        return cls.from_record({**record, **columns})

    def to_record(self) -> dict[str, Any]:
        """Return the event as JSON data; fields at their defaults are left out, save for two.

        The sequence and the version of the shape are always there.
        """
        record = to_record(self)
        record["sequence"] = self.sequence
        record["schema_version"] = self.schema_version
        return record

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Event:
        """Return the event that `to_record` made the record of.

        Raises:
            InvalidInput: the record is not of an event, or of one that does not say the version
                of its shape; `field` names what is wrong.
        """
        if not isinstance(record, Mapping):
            raise InvalidInput("event", type(record).__name__, "an object")
        if "schema_version" not in record:
            raise InvalidInput("schema_version", None, f"1 to {SCHEMA_VERSION}")
        return from_record(cls, record)

    def to_json(self) -> str:
        """Return the event as one line of canonical JSON.

        Raises:
            InvalidInput: its data is not JSON data.
        """
        return encode(self.to_record())

    @classmethod
    def from_json(cls, text: str | bytes) -> Event:
        """Return the event that `to_json` made the text of.

        Raises:
            InvalidInput: the text is not JSON, or not of an event.
        """
        return cls.from_record(decode(text))


def message_data(message: Message) -> dict[str, Any]:
    """Return the `data` of a `message` event, with the message's secrets redacted."""
    return {"message": redact(to_wire(message))}


def message_of(event: Event) -> Message:
    """Return the message of a `message` event; one that its agent gave no uuid has the event's id.

    Raises:
        InvalidInput: the event is of another type, or its message is malformed.
    """
    if event.type != "message":
        raise InvalidInput("event.type", event.type, "'message'")
    message = from_wire(event.data.get("message", {}))
    return message if message.uuid is not None else replace(message, uuid=event.id)
