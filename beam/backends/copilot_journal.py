r"""How Copilot's turns really ended, from the journal that it keeps of each session.

When the model fails, Copilot answers `end_turn` with the error as a text like any other, so over
the protocol a failed turn cannot be told from a good one. Its journal can: before it answers, it
appends an event to `COPILOT_HOME/session-state/SESSION/events.jsonl`, `session.error` with a word
and an HTTP status, or `assistant.message` for what the model has said.

    >>> said = b'{"type": "session.error", "data": {"errorType": "query", "statusCode": 529}}\n'
    >>> failure_in(said).kind
    'overloaded'
    >>> failure_in(b'{"type": "assistant.message", "data": {"content": "Error: no"}}\n') is None
    True
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from beam.backends.journal_files import records, size_of, tail
from beam.model.exit_reasons import ExitKind, ExitReason, of_http, of_text

__all__ = ["CopilotJournal", "failure_in", "tells_of_an_end"]

_KINDS: Mapping[object, ExitKind] = {
    "authentication": "auth",
    "authorization": "auth",
    "rate_limit": "throttled",
    "quota": "quota",
    "context_limit": "context_full",
    "model_not_supported": "invalid_request",
}


def failure_in(journal: bytes) -> ExitReason | None:
    """Return the failure that a turn's part of the journal ends with; None if it has an answer."""
    failure = None
    for event in _events(journal):
        match event.get("type"):
            case "session.error":
                failure = _exit_of(event.get("data"))
            case "assistant.message":
                failure = None
            case "permission.completed" if _answers_itself(event.get("data")):
                failure = ExitReason("crashed", detail="it was ended while it asked")
    return failure


def tells_of_an_end(journal: bytes) -> bool:
    """Say whether a turn's part of the journal has come to the turn's end."""
    ends = ("assistant.turn_end", "session.error", "abort")
    return any(event.get("type") in ends for event in _events(journal))


class CopilotJournal:
    """The journal of one session. Its functions read a file, and so block for a moment.

    Args:
        home: Copilot's folder.
        session: its name for the session.
    """

    def __init__(self, home: Path, session: str) -> None:
        self._path = home / "session-state" / session / "events.jsonl"
        self._from = 0

    def begin(self) -> None:
        """Begin a turn: what is in the journal now is of earlier ones."""
        self._from = size_of(self._path)

    def turn(self) -> bytes | None:
        """Return what has come since the turn began; None if the journal cannot be read."""
        return tail(self._path, self._from)


def _events(journal: bytes) -> list[dict[str, Any]]:
    # An agent that Copilot has sent out may fail, and its own turn go on.
    return [event for event in records(journal) if not event.get("agentId")]


def _answers_itself(data: Any) -> bool:
    """Say whether Copilot has answered its own question, as it does when a signal ends it."""
    return isinstance(data, Mapping) and data.get("decisionSource") == "unattended_fallback"


def _exit_of(data: Any) -> ExitReason:
    facts = data if isinstance(data, Mapping) else {}
    said = facts.get("message")
    said = said if isinstance(said, str) else ""
    word, status = facts.get("errorType"), facts.get("statusCode")
    if isinstance(status, int) and status >= 400:
        return of_http(status, body=said)
    if word in _KINDS:
        return ExitReason(_KINDS[word], detail=said)
    return of_text(said) or ExitReason("agent_error", detail=said)
