r"""How the end of an agent, or of a turn that was cut, is told: pure functions.

>>> exit = PortExit("p1", -9, stderr="Killed\n")
>>> failed = crash_of(exit, None, None, timestamp=0)
>>> failed.reason, failed.exit.kind, failed.exit.status, failed.message.content
('cli_exit', 'crashed', -9, 'the agent ended: Killed')
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from beam.backends.command_ending import explained, not_started
from beam.backends.credentials import values_of
from beam.backends.effects import AgentFailed, Failed, error_message, failed_for
from beam.errors import InvalidInput
from beam.model.exit_reasons import ExitReason, of_word
from beam.model.masking import redact_text
from beam.ports.port import Port, PortExit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beam.backends.backend import Query

__all__ = ["crash_of", "cut_for", "ended_as", "failed_as", "said", "unstarted"]


def crash_of(
    exit: PortExit | None,
    broken: BaseException | None,
    ended_for: ExitReason | None,
    port: Port | None = None,
    *,
    timestamp: int,
) -> AgentFailed:
    """Return why an agent is of no more use.

    Args:
        exit: how its program ended; None if it has none, or it lives.
        broken: what its driver raised; None if it did not.
        ended_for: why we ended the program; None if we did not.
        port: its program, whose environment may hold secrets (G17).
        timestamp: now, Unix milliseconds.
    """
    environment = os.environ if port is None else port.spec.environment(os.environ, "")
    secrets = values_of(environment)
    if ended_for is not None:
        word = "protocol_error" if ended_for.kind == "protocol" else ended_for.kind
        failed = AgentFailed(word, error_message(word, ended_for.words, timestamp), True)
        return failed_as(failed, ended_for)
    if exit is None:
        said_it = f"{type(broken).__name__}: {broken}" if broken is not None else "it broke"
        said_it = redact_text(said_it, secrets)
        message = error_message("protocol_error", said_it, timestamp)
        return failed_as(
            AgentFailed("protocol_error", message, True), ExitReason("protocol", detail=said_it)
        )
    failed = AgentFailed("cli_exit", error_message("cli_exit", "the agent ended", timestamp), True)
    told = explained(failed, exit, secrets=secrets)
    assert isinstance(told, AgentFailed)
    return failed_as(told, ExitReason("crashed", status=exit.status))


def failed_as(failed: AgentFailed, exit: ExitReason) -> AgentFailed:
    """Return the failure with its reason of the closed set."""
    return replace(failed, exit=exit)


def unstarted(error: Exception, timestamp: int) -> AgentFailed:
    """Return what it means that an agent could not be started.

    Args:
        error: why; with `InvalidInput` the agent cannot do what it was asked to be, and another
            try would change nothing.
        timestamp: now, Unix milliseconds.
    """
    if not isinstance(error, InvalidInput):
        exit = ExitReason("not_started", detail=str(error))
        return failed_as(not_started(error, timestamp=timestamp), exit)
    exit = ExitReason("invalid_request", detail=str(error))
    message = error_message(exit.kind, exit.detail, timestamp)
    return AgentFailed(exit.kind, message, exit.retryable, exit)


def ended_as(query: Query, failed: AgentFailed, *, unasked: bool = False) -> Failed:
    """Return the end of a query whose agent has failed, before it was asked or after."""
    ended = (failed.reason, failed.message, failed.retryable, failed.exit)
    return Failed(query.query_id, *ended, unasked)


def cut_for(
    query_id: str, reason: ExitReason, timestamp: int, usage: Mapping[str, int] | None = None
) -> Failed:
    """Return the end of a query that was cut from our side, whatever its agent says of it.

    Args:
        query_id: the query.
        reason: why it was cut.
        timestamp: now, Unix milliseconds.
        usage: the tokens that it has cost, if its agent has told that.
    """
    return failed_for(query_id, reason, timestamp, usage, content=reason.words)


def said(query: Query, word: str, content: str, timestamp: int) -> Failed:
    """Return the refusal of a query that may be asked again."""
    message = error_message(word, content, timestamp)
    return Failed(query.query_id, word, message, True, of_word(word, content))
