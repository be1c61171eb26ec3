"""Exit reasons: why a turn of a real agent or a model provider ended without an answer.

A closed set of words, each with the facts that decide what comes next:

    >>> throttled = of_http(429, {"Retry-After": "7"})
    >>> throttled
    ExitReason(kind='throttled', retry_after=7.0, resets_at=None, status=429, detail='')
    >>> remedy(throttled)
    'retry'
    >>> remedy(of_http(401))
    'give_up'
    >>> of_text("API Error: 529 Overloaded").kind
    'overloaded'

Agents report one and the same failure as a status, as an error object, or as prose in an answer
that looks like any other. Whatever an adapter recognises becomes one of these words here, so that
what decides (`remedy`) does not know who said it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

from beam.errors import InvalidInput
from beam.model import waits

__all__ = [
    "KINDS",
    "ExitKind",
    "ExitReason",
    "Remedy",
    "of_http",
    "of_text",
    "of_word",
    "remedy",
    "timed",
]

ExitKind = Literal[
    "throttled", "quota", "overloaded", "auth", "budget", "stalled", "interrupted", "protocol",
    "crashed", "timeout", "memory", "max_turns", "truncated", "context_full", "refused",
    "invalid_request", "session_lost", "not_started", "agent_error",
]  # fmt: skip
"""
| kind | what happened |
|---|---|
| `throttled` | too many requests; `retry_after` seconds if it was said |
| `quota` | what was paid for is used up; `resets_at` if it was said |
| `overloaded` | the provider has no capacity, failed on its side, or was not reached |
| `auth` | no credentials, wrong ones, or ones that have expired |
| `budget` | a limit of money or tokens that the user set for a session or a run is reached |
| `stalled` | nothing was heard for the time of a deadline |
| `interrupted` | a user, or the program, ended the turn |
| `protocol` | something was said that makes no sense |
| `crashed` | the program ended by itself; `status` as of a shell, negative for a signal |
| `timeout` | the turn took longer than it may |
| `memory` | the program's tree was over its hard limit, and was ended |
| `max_turns` | the agent has used the turns that it has for one prompt |
| `truncated` | the answer was cut: it came to the most tokens that one answer may have |
| `context_full` | the conversation does not fit the model any more |
| `refused` | the model declined to answer |
| `invalid_request` | the provider does not take the request as it is |
| `session_lost` | the conversation that was to be resumed is not known any more |
| `not_started` | the program could not be started |
| `agent_error` | anything else that the agent calls an error |
"""

KINDS: tuple[ExitKind, ...] = get_args(ExitKind)
"""Every word."""

Remedy = Literal["retry", "resume", "fresh", "give_up"]
"""What to do with a prompt that was cut, if its user wants it retried.

| remedy | how |
|---|---|
| `retry` | ask the same agent again, after a wait |
| `resume` | start the agent anew, in its own conversation |
| `fresh` | start a new conversation, told what was said in the old one up to the bad turn |
| `give_up` | the run has failed; the session lives |
"""


@dataclass(frozen=True, slots=True)
class ExitReason:
    """Why a turn ended without an answer.

    Attributes:
        kind: the word.
        retry_after: seconds after which it may be tried again, if that was said.
        resets_at: when a quota is there again, Unix seconds, if that was said.
        status: an exit status or an HTTP status, where there was one.
        detail: what else was said, for people; no secrets.
    """

    kind: ExitKind
    retry_after: float | None = None
    resets_at: float | None = None
    status: int | None = None
    detail: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InvalidInput("kind", self.kind, f"one of {', '.join(KINDS)}")

    @property
    def retryable(self) -> bool:
        """Whether the same prompt may do better later."""
        return remedy(self) != "give_up"

    @property
    def words(self) -> str:
        """The word, and what else was said, for people."""
        return f"{self.kind}: {self.detail}" if self.detail else self.kind

    def facts(self) -> dict[str, Any]:
        """Return what there is to say, as JSON data, for an event."""
        return {name: value for name, value in asdict(self).items() if value not in (None, "")}


_REMEDIES: Mapping[ExitKind, Remedy] = {
    "throttled": "retry",
    "overloaded": "retry",
    "stalled": "resume",
    "crashed": "resume",
    "memory": "resume",
    "not_started": "resume",
    "protocol": "resume",
    "session_lost": "fresh",
    "context_full": "fresh",
}


def remedy(reason: ExitReason, *, resumed_into: ExitReason | None = None) -> Remedy:
    """Return what to do after a failure.

    Args:
        reason: the failure.
        resumed_into: the failure before it, if the agent was resumed after that one. The same kind
            twice means that the conversation itself brings it about: it is not resumed a third
            time into that, but begun anew without the bad turn.

    Returns:
        The remedy, for a user who wants the prompt retried.
    """
    found = _REMEDIES.get(reason.kind, "give_up")
    if found == "resume" and resumed_into is not None and resumed_into.kind == reason.kind:
        return "fresh"
    return found


_WORDS: Mapping[str, ExitKind] = {
    "cli_exit": "crashed",
    "protocol_error": "protocol",
    "spawn_failed": "not_started",
    "init_timeout": "stalled",
    "transport_start_failed": "not_started",
    **{kind: kind for kind in KINDS},
}


def of_word(word: str, detail: str = "", status: int | None = None) -> ExitReason:
    """Return the reason that a word of a transport or of an agent stands for."""
    return ExitReason(_WORDS.get(word, "agent_error"), status=status, detail=detail)


_OF_STATUS: Mapping[int, ExitKind] = {
    400: "invalid_request",
    401: "auth",
    402: "quota",
    403: "auth",
    404: "invalid_request",
    408: "overloaded",
    409: "overloaded",
    413: "context_full",
    422: "invalid_request",
    429: "throttled",
    529: "overloaded",
}

_SERVER_ERRORS = 500

# Checked in this order: what is more exact comes first.
_PHRASES: Mapping[ExitKind, tuple[str, ...]] = {
    "quota": (
        r"insufficient[_ ]quota", r"quota[_ ]exceeded", r"exceeded your current quota",
        r"usage[_ ]limit", r"hit your [\w -]{0,30}limit", r"credit balance", r"out of credits",
        r"(session|hour|daily|weekly|monthly) limit", r"billing", r"payment required",
    ),
    "truncated": (
        r"output[_ ]token (maximum|limit)", r"incomplete.{0,40}max_output_tokens",
        r"^(max_tokens|max_output_tokens|max_completion_tokens|length)$",
    ),
    "context_full": (
        r"context[_ ]?(length|window|limit)", r"prompt is too long", r"maximum context",
        r"too many tokens", r"input is too long", r"prompt budget",
    ),
    "budget": (r"budget",),
    "throttled": (
        r"rate[_ -]?limit", r"too many requests", r"\b429\b", r"resource[_ ]exhausted", r"throttl",
    ),
    "overloaded": (
        r"overloaded", r"at capacity", r"no capacity", r"unavailable", r"\b529\b", r"\b50[0-4]\b",
        r"internal server error", r"bad gateway",
        r"fetch failed", r"socket hang up", r"getaddrinfo", r"unable to connect",
        r"request timed out",
        r"\be(conn(refused|reset|aborted)|timedout|notfound|ai_again|(net|host)unreach)\b",
        r"connection (error|refused|reset|aborted|closed|lost|timed out)",
        r"network (error|is unreachable)", r"(could not|failed to) resolve", r"name resolution",
        # A stream that breaks off, and a body that is none: of a server that dies, or of a proxy.
        r"stream (disconnected|closed|ended) before", r"error sending request",
        r"error (decoding|reading) (a |the |response )?body", r"(empty or )?malformed response",
        r"failed to get (a )?response",
    ),
    "auth": (
        r"unauthori[sz]ed", r"unauthenticated", r"authentication", r"invalid[_ ](x-)?api[_ -]?key",
        r"api[_ -]?key[_ ]((is|has|been) )*(not valid|invalid|expired|revoked)",
        r"token ((is|has|was|been) )*(not valid|invalid|expired|revoked)",
        r"your session (is|has) expired", r"(sign|log) ?in again",
        r"not logged in", r"please (run /)?log ?in", r"\b40[13]\b", r"permission_error",
        r"forbidden",
    ),
    "session_lost": (
        r"no conversation found", r"session not found", r"no rollout found", r"unknown session",
        r"no previous sessions",
    ),
    "invalid_request": (
        r"invalid[_ ]request", r"bad request", r"\b400\b", r"not_found_error",
        r"\bmodels?\b[^\n]{0,80}?\b(not found|does not exist)",
    ),
}  # fmt: skip
_PATTERNS = tuple(
    (kind, re.compile("|".join(phrases), re.IGNORECASE)) for kind, phrases in _PHRASES.items()
)

_DETAIL = 500
_SOON = 300.0


def of_http(status: int, headers: Mapping[str, str] | None = None, body: str = "") -> ExitReason:
    """Return what a provider's HTTP error means.

    Args:
        status: the response's status.
        headers: its headers, in any case; `retry-after` and the reset times of rate limits count,
            with the `date` by which they are meant.
        body: its text, or the message in it. A word in it may say more than the status: a used up
            quota is a 429 at some, a full context a 400.

    Returns:
        The reason.
    """
    known = {name.lower(): value for name, value in (headers or {}).items()}
    kind = _OF_STATUS.get(status, "overloaded" if status >= _SERVER_ERRORS else "agent_error")
    said = _kind_of(body)
    if (kind, said) in _MORE_EXACT:
        kind = said or kind
    reason = ExitReason(kind, status=status, detail=body[:_DETAIL])
    told = timed(reason, waits.of_headers(known).otherwise(waits.of_words(body)))
    return told if told.kind == "overloaded" else _of_limits(told, waits.of_limits(known))


def _of_limits(reason: ExitReason, when: waits.When) -> ExitReason:
    """Return a reason with the times of a rate's limits, which do not say that it is one."""
    known = timed(replace(reason, kind="throttled"), when)
    return replace(known, kind=reason.kind) if reason.kind in ("throttled", "quota") else reason


_MORE_EXACT: frozenset[tuple[ExitKind, ExitKind | None]] = frozenset(
    {
        ("throttled", "quota"),
        ("auth", "quota"),
        ("invalid_request", "quota"),
        ("invalid_request", "context_full"),
        ("invalid_request", "auth"),
        ("invalid_request", "session_lost"),
    }
)


def of_text(text: str) -> ExitReason | None:
    """Return what a failure that is told as prose means; None if nothing in it is known.

    Only for text that is known to be an error: an answer may talk about rate limits, too.
    """
    kind = _kind_of(text)
    if kind is None:
        return None
    status = re.search(r"\b([45]\d\d)\b", text)
    reason = ExitReason(kind, status=int(status[1]) if status else None, detail=text[:_DETAIL])
    return timed(reason, waits.of_words(text))


def timed(reason: ExitReason, when: waits.When) -> ExitReason:
    """Return a reason with the times that were told with it.

    Args:
        reason: what happened. Times that it has already are kept.
        when: when it may be tried again. A quota that is there again within minutes is a limit of a
            rate, by whatever name: it is `throttled`.
    """
    if reason.kind not in ("throttled", "overloaded", "quota"):
        return reason
    known = waits.When(reason.retry_after, reason.resets_at).otherwise(when)
    soon = known.after is not None and known.after <= _SOON
    rate = reason.kind == "quota" and soon and reason.status in (None, 429)
    kind = "throttled" if rate else reason.kind
    until = None if kind == "overloaded" else known.until
    return replace(reason, kind=kind, retry_after=known.after, resets_at=until)


def _kind_of(text: str) -> ExitKind | None:
    return next((kind for kind, pattern in _PATTERNS if pattern.search(text)), None)
