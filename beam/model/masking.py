r"""Secrets taken out of text: log lines, a program's stderr, an exception's words (G17).

    >>> redact_text("POST https://ada:hunter2@host?api_key=sk-1&page=2 Authorization: Bearer e30.x")
    'POST https://ada:redacted@host?api_key=redacted&page=2 Authorization: redacted'
    >>> redact_text("cannot log in with hunter2", secrets=["hunter2"])
    'cannot log in with redacted'

Two rules, both by what is known and not by what looks like a secret:

- a value that was handed in as a secret is hidden wherever it stands. `secret_values` finds the
  values in a configuration or an environment;
- a value whose name stands before it (`name=value`, `name: value`, `"name": "value"`,
  `--name value`) is hidden if the name is sensitive as `beam.model.redaction` has it. In text a
  name may also *end* with the key of a credential, for environment variables bear their owner's
  name (`ACME_API_KEY`). Bearer and Basic credentials, and passwords in URLs, are hidden as well.

In doubt text loses a word too many: it is for people to read, no program depends on it. A secret
that nobody handed in and nothing names is not found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from beam.model.redaction import CREDENTIAL_KEYS, REDACTED, REDACTED_KEYS, canonical

__all__ = ["hide", "redact_text", "secret_values"]

_SHORTEST = 6
"""Shorter values are not hunted for in text: `on` or `1234` would blot out half of every line."""

_name = re.compile(
    r"""(?<![\w.-])(?P<dashes>--?)?(?P<name>[A-Za-z0-9_][\w.-]*+)"""
    r"""(?P<sign>\\*["']?\s*+(?:=>|[:=])\s*+|(?(dashes)\s++|(?!)))"""
)
_value = re.compile(
    r"""(?P<quote>\\*["'])(?:(?!(?P=quote))(?:\\.|[^\n\\]))*+(?P=quote)?"""
    r"""|(?:Bearer|Basic|Token)\s++[^\s"'\\,;]++"""
    r"""|[^\s"'\\,;&)}\]]++""",
    re.IGNORECASE,
)
_scheme = re.compile(r"\b(Bearer|Basic)(\s++)[A-Za-z0-9+/=._~-]{8,}+", re.IGNORECASE)
_userinfo = re.compile(r"(://[^\s/:@]*+:)[^\s/]+(?=@)")


def redact_text(text: str, secrets: Iterable[str] = ()) -> str:
    """Return `text` with its secrets replaced by `redacted`.

    Args:
        text: any text; lines are looked at one by one.
        secrets: values known to be secret. Those shorter than 6 characters are left out.
    """
    text = hide(text, secrets)
    text = _userinfo.sub(rf"\g<1>{REDACTED}", text)
    text = _hide_named(text)
    return _scheme.sub(rf"\g<1>\g<2>{REDACTED}", text)


def hide(text: str, secrets: Iterable[str]) -> str:
    """Return `text` without these values, and with all else as it is; see `redact_text`."""
    for secret in sorted({known for known in secrets if len(known) >= _SHORTEST}, key=_by_length):
        text = text.replace(secret, REDACTED)
    return text


def secret_values(settings: Mapping[str, Any]) -> frozenset[str]:
    """Return the texts in `settings` that `redact_text` should hunt for.

    Args:
        settings: a configuration or an environment; values below a sensitive key count, however
            deep they are. Keys are matched as `redact_text` matches names.
    """
    return frozenset(_texts(settings, secret=False))


def _by_length(secret: str) -> tuple[int, str]:
    # The longer one first: of two secrets one may be the beginning of the other.
    return -len(secret), secret


def _hide_named(text: str) -> str:
    kept: list[str] = []
    position = 0
    while found := _name.search(text, position):
        kept.append(text[position : found.end()])
        position = found.end()
        if _names_a_secret(found["name"]) and (value := _value.match(text, position)):
            quote = value["quote"] or ""
            kept.append(f"{quote}{REDACTED}{quote}")
            position = value.end()
    kept.append(text[position:])
    return "".join(kept)


def _names_a_secret(name: object) -> bool:
    key = canonical(name)
    return key in REDACTED_KEYS or key.endswith(tuple(CREDENTIAL_KEYS))


def _texts(value: Any, *, secret: bool) -> Iterable[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(item, secret=secret or _names_a_secret(key))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item, secret=secret)
    elif secret and isinstance(value, str):
        yield value
