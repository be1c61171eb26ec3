"""When a provider that says no may be asked again: read from its headers, its facts and its words.

    >>> of_words("Please retry in 12.5s")
    When(after=12.5, until=None)
    >>> of_words("Try again in 1m30s").after
    90.0
    >>> of_headers({"retry-after-ms": "250"}).after
    0.25
    >>> date = {"date": "Fri, 27 Nov 2026 10:00:00 GMT"}
    >>> of_headers({"retry-after": "Fri, 27 Nov 2026 10:00:30 GMT", **date}).after
    30.0

Nothing here reads a clock. What is told as a moment becomes a wait, and a wait a moment, by the
`date` of the same answer, which is that of the clock by which the provider counts.

A time of day in words ("resets 3pm") is not read: it does not say in which zone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

__all__ = ["When", "of_facts", "of_headers", "of_limits", "of_words"]


@dataclass(frozen=True, slots=True)
class When:
    """When it may be tried again.

    Attributes:
        after: in how many seconds; None if that is not known.
        until: from when on, Unix seconds; None if that is not known.
    """

    after: float | None = None
    until: float | None = None

    def otherwise(self, other: When) -> When:
        """Return this, with what is not known in it as the other has it."""
        return When(
            other.after if self.after is None else self.after,
            other.until if self.until is None else self.until,
        )


_UNITS: Mapping[str, float] = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_PART = (
    r"(\d+(?:\.\d+)?)\s*"
    r"(ms|millis(?:econds?)?|s(?:ecs?|econds?)?|m(?:ins?|inutes?)?|h(?:rs?|ours?)?|d(?:ays?)?)"
    r"(?![a-z])"
)
_PARTS = re.compile(_PART, re.IGNORECASE)
_WAIT = re.compile(
    rf"(?:retry|try again|wait|resets?|again|available)\D{{0,30}}?"
    rf"((?:{_PART}(?:,? and |,? )?){{1,4}})",
    re.IGNORECASE,
)
_BARE_WAIT = re.compile(
    r"(?:retry[_ -]?after|resets_in_seconds)\W{1,4}(\d+(?:\.\d+)?)\b", re.IGNORECASE
)
_WAITED = re.compile(r"\btotal (?:retry )?wait(?: time)?\b[^\d\n]{0,5}[\d.]+", re.IGNORECASE)
_UNTIL = re.compile(r"(?:\||resets?_?at\W{1,4})(\d{10})\b", re.IGNORECASE)
_DATE = re.compile(
    r"(?:resets?|again|until|available)\D{0,20}"
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))",
    re.IGNORECASE,
)


def of_words(text: str) -> When:
    """Return when it may be tried again, as far as a text says so."""
    until = _number(found[1]) if (found := _UNTIL.search(text)) else None
    if until is None and (found := _DATE.search(text)):
        until = _moment(found[1])
    text = _WAITED.sub("", text)  # A wait that is over says nothing of one to come.
    # Without a unit only after the others: "retry after 20 minutes" has one.
    found = _WAIT.search(text) or _BARE_WAIT.search(text)
    return When(_duration(found[1]) if found else None, until)


def of_facts(facts: Mapping[str, Any]) -> When:
    """Return when it may be tried again, as an error's data has it: seconds, or Unix seconds."""
    named = {re.sub(r"[_-]", "", str(name)).lower(): value for name, value in facts.items()}
    after = _wait(named.get("retryafter"), named.get("retryafterms"))
    until = named.get("resetsat", named.get("resetat"))
    return When(after, None if until is None else _until(str(until)))


def of_headers(headers: Mapping[str, str]) -> When:
    """Return when it may be tried again, as `retry-after` and `retry-after-ms` say.

    Args:
        headers: those of the response, by their names in lower case.
    """
    after = _wait(headers.get("retry-after"), headers.get("retry-after-ms"))
    return _both(When(after, _date(headers.get("retry-after"))), headers)


def of_limits(headers: Mapping[str, str]) -> When:
    """Return when the limits of a rate start anew: those of which nothing is said to remain.

    Args:
        headers: those of the response, by their names in lower case.
    """
    limits = list(_limits(headers))
    after = max((each.after for each in limits if each.after is not None), default=None)
    until = max((each.until for each in limits if each.until is not None), default=None)
    return _both(When(after, until), headers)


def _both(when: When, headers: Mapping[str, str]) -> When:
    """Return a wait as a moment too, and a moment as a wait, if it is known when that was said."""
    now = _date(headers.get("date"))
    if now is None:
        return when
    after = None if when.until is None else max(0.0, when.until - now)
    return when.otherwise(When(after, None if when.after is None else now + when.after))


_RESET = re.compile(r"(?:x-|anthropic-)?ratelimit-(?:(?P<before>[a-z-]+)-)?reset(?P<of>-[a-z-]+)?")


def _limits(headers: Mapping[str, str]) -> Iterator[When]:
    """Find the resets of the limits that may be used up."""
    for name, value in headers.items():
        if _RESET.fullmatch(name) is None:
            continue
        if _number(headers.get(name.replace("reset", "remaining"))) in (None, 0.0):
            until = _until(value)
            yield When(_duration(value) if until is None else None, until)


def _until(value: str) -> float | None:
    """Return a moment that stands as seconds, as milliseconds, or as a date."""
    number = _number(value)
    if number is None:
        return _moment(value)
    if number > 1e11:
        return number / 1000
    return number if number > 1e9 else None


def _wait(seconds: object, milliseconds: object) -> float | None:
    exact = _number(milliseconds)
    if exact is not None:
        return exact / 1000
    return _number(seconds) if _number(seconds) is not None else _duration(str(seconds))


def _duration(text: str) -> float | None:
    """Return the seconds of `1m30s`, `5 minutes`, `250ms`, or of a bare number."""
    parts = _PARTS.findall(text)
    if not parts:
        return _number(text)
    return sum(float(count) * _UNITS[_unit(word)] for count, word in parts)


def _unit(word: str) -> str:
    word = word.lower()
    return "ms" if word.startswith(("ms", "milli")) else word[0]


def _moment(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if moment.tzinfo is None else moment.timestamp()


def _date(text: str | None) -> float | None:
    try:
        return None if text is None else parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if 0 <= number < 1e14 else None
