r"""What a session is told when its agent program has ended: how, and with what last words.

    >>> exit = PortExit("p1", 3, stderr="loading\nno API key\n")
    >>> failed = AgentFailed("cli_exit", error_message("cli_exit", "ended", 0), retryable=True)
    >>> told = explained(failed, exit)
    >>> told.message.content
    'ended: no API key'
    >>> told.message.raw
    {'status': 3, 'stderr': 'loading\nno API key\n'}

Pure functions. The stderr of a program may hold secrets: it is masked here (G17).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from beam.backends.effects import AgentFailed, Effect, Failed, error_message
from beam.errors import BeamError, QueueFull
from beam.model.masking import redact_text
from beam.model.messages import ErrorMessage
from beam.ports.port import PortExit

__all__ = ["MUTE_GRACE", "explained", "not_started"]

MUTE_GRACE = 1.0
"""Seconds that an agent may live on which can say nothing more; most are about to end."""

LAST_WORDS = 300
"""The characters of the last line of stderr that go into a message's text."""

PASSING = frozenset({"timeout", "EAGAIN", "ENOMEM", "EMFILE", "ENFILE", "too_many_ports"})
"""Why a program did not start that may start the next time."""


def explained(
    effect: Effect, exit: PortExit, *, ended_for: str = "", secrets: Iterable[str] = ()
) -> Effect:
    """Return what the end of the program means, with the facts of it.

    Args:
        effect: what the protocol makes of the end.
        exit: the end.
        ended_for: the query for whose sake we ended the program; then it is no crash.
        secrets: what must not be shown.
    """
    if not isinstance(effect, AgentFailed | Failed) or not isinstance(effect.message, ErrorMessage):
        return effect
    stderr = redact_text(exit.stderr, secrets)
    words = stderr.rstrip().rpartition("\n")[2].strip()[:LAST_WORDS] or exit.fault
    content = f"{effect.message.content}: {words}" if words else effect.message.content
    message = replace(effect.message, content=content, raw=_facts(exit, stderr))
    if ended_for and (isinstance(effect, AgentFailed) or effect.query_id == ended_for):
        message = replace(message, error_type="interrupted")
        retryable = isinstance(effect, AgentFailed)
        return replace(effect, reason="interrupted", message=message, retryable=retryable)
    return replace(effect, message=message)


def not_started(error: Exception, *, timestamp: int) -> AgentFailed:
    """Return what it means that the program could not be started.

    Args:
        error: why.
        timestamp: now, Unix milliseconds.
    """
    word = error.reason if isinstance(error, BeamError) else type(error).__name__
    message = error_message("spawn_failed", str(error), timestamp, {"error": str(word)})
    retryable = isinstance(error, QueueFull) or word in PASSING
    return AgentFailed("spawn_failed", message, retryable)


def _facts(exit: PortExit, stderr: str) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "status": exit.status,
        "stopped": exit.stopped,
        "stderr": stderr,
        "survivors": list(exit.survivors),
        "fault": exit.fault,
    }
    return {name: value for name, value in facts.items() if value or name == "status"}
