"""Recordings, read: the runs of a session, the attempts at each, and what its agent did in them.

    >>> import json
    >>> def line(sequence, kind, **data):
    ...     event = {"id": f"evt_{sequence}", "type": kind, "session_id": "s", "run_id": "r"}
    ...     order = {"timestamp": 1, "sequence": sequence, "schema_version": 1}
    ...     return json.dumps({**event, **order, "data": data})
    >>> [run] = runs_of([
    ...     line(1, "run_submitted", prompt="Hi"),
    ...     line(2, "run_started", attempt=1),
    ...     line(3, "message", message={"type": "result", "content": "Hello.", "timestamp": 4}),
    ...     line(4, "run_completed", output="Hello."),
    ... ])
    >>> run.prompt, run.attempts[0].end.message.content
    ('Hi', 'Hello.')

The lines are those of `beam.sessions.recording`. Nothing is played here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from beam.errors import InvalidInput
from beam.model.encoding import decode
from beam.model.events import Event
from beam.model.exit_reasons import ExitReason
from beam.model.message_record import from_wire
from beam.model.messages import ErrorMessage, Message
from beam.model.permissions import parse_decision
from beam.sessions.past import Work
from beam.state.run_events import ENDS
from beam.testing.recorded_steps import (
    Answered,
    Asked,
    Attempt,
    Called,
    Decided,
    Done,
    GaveUp,
    Gone,
    RecordedRun,
    Said,
    Step,
    Waiting,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["runs_of"]


def runs_of(lines: Iterable[str | bytes]) -> tuple[RecordedRun, ...]:
    """Return the runs of a recording that an agent was asked, in order.

    Raises:
        InvalidInput: a line is not what it must be; `field` names the line and the field.
    """
    reader = _Reader()
    for number, line in enumerate(lines, 1):
        try:
            reader.take(_event(line))
        except InvalidInput as error:
            wanted = error.expected
            raise InvalidInput(f"line {number}: {error.field}", error.value, wanted) from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidInput(f"line {number}: data", repr(error), "an event's data") from error
    return reader.runs()


def _event(line: str | bytes) -> Event:
    record = decode(line)
    if isinstance(record, dict):
        # Its place in the log that it was recorded from says nothing here.
        record.pop("position", None)
    return Event.from_record(record)


@dataclass(slots=True)
class _Open:
    """An attempt that is being read."""

    started: Event
    agent_session: str
    steps: list[Step] = field(default_factory=list)
    last: Message | None = None


class _Reader:
    """Reads events in order."""

    def __init__(self) -> None:
        self._session_id = ""
        self._sequence = 0
        self._agent_session = ""
        self._threads: set[str] = set()
        self._asked: dict[str, str] = {}
        self._attempts: dict[str, list[Attempt]] = {}
        self._open: dict[str, _Open] = {}
        self._results: dict[tuple[str, str], str] = {}

    def runs(self) -> tuple[RecordedRun, ...]:
        for run_id, open_one in self._open.items():
            end = Waiting(open_one.steps[-1].at if open_one.steps else open_one.started.timestamp)
            self._attempts[run_id].append(_attempt(open_one, end))
        return tuple(
            RecordedRun(self._asked[run_id], tuple(attempts) or (_cut(),))
            for run_id, attempts in self._attempts.items()
        )

    def take(self, event: Event) -> None:
        self._check(event)
        match event.type:
            case "state_changed":
                name = (event.data.get("details") or {}).get("agent_session")
                self._agent_session = self._agent_session if name is None else str(name)
            case "thread_started" | "thread_activated":
                self._threads.add(str(event.data.get("thread_id")))
            case "run_submitted":
                self._asked.setdefault(_run_of(event), Work.of(_run_of(event), event.data).asked)
            case "run_started":
                self._start(event)
            case _ if event.run_id in self._open:
                self._of_run(event, event.run_id, self._open[event.run_id])

    def _check(self, event: Event) -> None:
        self._session_id = self._session_id or event.session_id
        if event.session_id != self._session_id:
            raise InvalidInput("session_id", event.session_id, f"{self._session_id!r}, one session")
        if event.sequence != self._sequence + 1:
            raise InvalidInput("sequence", event.sequence, f"{self._sequence + 1}, without a gap")
        self._sequence += 1

    def _start(self, event: Event) -> None:
        run_id = _run_of(event)
        if run_id not in self._asked:
            raise InvalidInput("run_id", run_id, "a run that was submitted")
        self._attempts.setdefault(run_id, [])
        # One that is open still was cut by a crash that kept its end out of the log.
        self._open[run_id] = _Open(event, self._agent_session)

    def _of_run(self, event: Event, run_id: str, attempt: _Open) -> None:
        data, at = event.data, event.timestamp
        match event.type:
            case "message":
                self._said(at, from_wire(data["message"]), run_id, attempt)
            case "tool_call_started":
                use, name = str(data["tool_use_id"]), str(data["tool_name"])
                attempt.steps.append(Called(at, use, name, _mapping(data, "tool_input")))
            case "tool_call_completed":
                self._answered(event, run_id, attempt)
            case "permission_requested" if data.get("asks") == "permission":
                attempt.steps.append(_asked(event, run_id))
            case "permission_resolved":
                self._resolved(event, attempt)
            case _ if event.type in ENDS or event.type == "run_retried":
                del self._open[run_id]
                if (end := _end(event, attempt)) is not None:
                    self._attempts[run_id].append(_attempt(attempt, end))

    def _answered(self, event: Event, run_id: str, attempt: _Open) -> None:
        use = str(event.data["tool_use_id"])
        content = self._results.pop((run_id, use), None)
        if _has_called(attempt, use):  # Else it was the attempt before.
            is_error = bool(event.data.get("is_error"))
            attempt.steps.append(Answered(event.timestamp, use, content, is_error))

    def _said(self, at: int, message: Message, run_id: str, attempt: _Open) -> None:
        use = getattr(message, "tool_use_id", None)
        if message.type == "tool_result" and _has_called(attempt, use):
            # The session wrote it, of a tool that it ran.
            self._results[run_id, str(use)] = message.content
            return
        attempt.last = message = self._as_said(message)
        attempt.steps.append(Said(at, message))

    def _as_said(self, message: Message) -> Message:
        """Return a message as its agent made it, without what the session has stamped on it."""
        ours = message.session_id == self._session_id
        known = message.thread_id in self._threads
        return replace(
            message,
            timestamp=0,
            session_id=None if ours else message.session_id,
            thread_id=None if known else message.thread_id,
        )

    def _resolved(self, event: Event, attempt: _Open) -> None:
        request_id = _tail(str(event.data["request_id"]), event.run_id or "")
        if any(isinstance(one, Asked) and one.request_id == request_id for one in attempt.steps):
            decision = parse_decision(event.data.get("decision"))
            redacted = bool(event.data.get("redacted"))
            attempt.steps.append(Decided(event.timestamp, request_id, decision, redacted))


def _has_called(attempt: _Open, use: str | None) -> bool:
    return any(isinstance(one, Called) and one.tool_use_id == use for one in attempt.steps)


def _run_of(event: Event) -> str:
    if event.run_id is None:
        raise InvalidInput("run_id", None, "the name of a run")
    return event.run_id


def _mapping(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = data.get(name) or {}
    if not isinstance(value, Mapping):
        raise InvalidInput(name, value, "an object")
    return value


def _asked(event: Event, run_id: str) -> Asked:
    data = event.data
    request_id = _tail(str(data["request_id"]), run_id)
    options = _mapping(_mapping(data, "context"), "options")
    given = _mapping(data, "params")
    return Asked(event.timestamp, request_id, str(data["method"]), given, options)


def _tail(request_id: str, run_id: str) -> str:
    """Return the agent's own name of a request; the session puts that of its query before it."""
    if not request_id.startswith(f"{run_id}."):
        return request_id
    return request_id.removeprefix(f"{run_id}.").partition(".")[2]


def _attempt(attempt: _Open, end: Step) -> Attempt:
    steps = attempt.steps
    if isinstance(end, Done | GaveUp) and attempt.last is end.message:
        # The last message is in the end already.
        at = max(n for n, one in enumerate(steps) if isinstance(one, Said))
        steps = steps[:at] + steps[at + 1 :]
    started = attempt.started
    continued = started.data.get("continued", "new")
    return Attempt(started.timestamp, tuple(steps), end, attempt.agent_session, continued)


def _cut() -> Attempt:
    """Return what is played of a run whose every attempt was cut by a crash of its session."""
    message = ErrorMessage(content="the session crashed while this was recorded")
    return Attempt(0, (), GaveUp(0, "interrupted", message, retryable=False))


def _end(event: Event, attempt: _Open) -> Step | None:
    """Return how an attempt ended; `None` if it was cut by what no agent can repeat."""
    data, at = event.data, event.timestamp
    if event.type == "run_completed":
        if attempt.last is None:
            raise InvalidInput("type", event.type, "an answer before it")
        return Done(at, attempt.last)
    reason, exit = str(data.get("reason")), _exit_in(data)
    if "retryable" in data and attempt.last is not None:
        return GaveUp(at, reason, attempt.last, bool(data["retryable"]), exit)
    if "delay" in data:
        said = ErrorMessage(content="" if exit is None else exit.detail)
        return GaveUp(at, reason, said, retryable=True, exit=exit)
    if "crashes" not in data:
        return Waiting(at)  # Its user has cut it, or its time was over.
    if data.get("unasked") or _was_the_session(data):
        return None
    if reason == "retries_exhausted":
        reason = str(data.get("cause"))
    number = data.get("status", data.get("rss"))
    return Gone(at, reason, str(data.get("detail", "")), number, exit)


def _was_the_session(data: Mapping[str, Any]) -> bool:
    """Say whether it was the session's own process that crashed; of an agent's more is said."""
    if data["reason"] == "retries_exhausted":
        return data.get("cause") == "interrupted" and not {"detail", "status"} & data.keys()
    return data.get("cause") == "session_crashed"


def _exit_in(data: Mapping[str, Any]) -> ExitReason | None:
    facts = data.get("exit_reason")
    if facts is None:
        return None
    if not isinstance(facts, Mapping) or not {*facts} <= set(ExitReason.__dataclass_fields__):
        raise InvalidInput("exit_reason", facts, "the facts of an exit reason")
    return ExitReason(**facts)
