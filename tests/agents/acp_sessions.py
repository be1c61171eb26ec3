"""Sessions of the three agents that speak ACP, for tests of what they do and how they end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.model.events import message_of
from beam.otp import Backoff, Restarts
from tests.agents.kills import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

    from beam import Fleet
    from beam.model.messages import Message

START_WITHIN = 45.0
"""Seconds after which a start is given up for another, well within the patience of a test."""

OFTEN = {"session_backoff": Backoff(0.01, 0.02), "session_budget": Restarts(1000, per=60.0)}


def opened(fleet: Fleet, work: Path, **options: Any) -> Any:
    """Start a session that works in a folder."""
    work.mkdir(exist_ok=True)
    patient = {
        "backoff": OFTEN["session_backoff"],
        "init_timeout": START_WITHIN,
        "reconnects": OFTEN["session_budget"],  # As often as a test kills it.
    }
    return fleet.start_session(backend="agent", cwd=str(work), **{**patient, **options})


def answer(session: Any, prompt: str, **terms: Any) -> str:
    """Return the answer to a prompt."""
    text: str = session.submit(prompt, **terms).get(timeout=PATIENCE)
    return text


def begun(session: Any, run: Any) -> None:
    """Wait until the model speaks in this run."""
    for event in session.events(types=["message"], timeout=PATIENCE):
        if event.run_id == run.run_id and message_of(event).type == "text":
            return


def messages(session: Any, kind: str) -> list[Message]:
    """Return the session's messages of a type."""
    said = [message_of(event) for event in session.history() if event.type == "message"]
    return [message for message in said if message.type == kind]


def last(session: Any, kind: str) -> Any:
    """Return the last event of a type."""
    return [event for event in session.history() if event.type == kind][-1]
