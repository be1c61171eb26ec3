"""Secrets taken out of data, by the name of the key they stand under (G17).

    >>> redact({"base_url": "http://a", "API-Key": "sk-1", "provider": [{"token": {"x": 1}}]})
    {'base_url': 'http://a', 'API-Key': 'redacted', 'provider': [{'token': 'redacted'}]}

A key counts in its canonical form: lower case, and nothing but a to z and 0 to 9, so `API-Key`,
`apiKey` and `api_key` are one. The value under a sensitive key is replaced whatever it is; keys
and all other values stay. Only whole keys match: `token_count` and `secret_name` are no secrets.
`code` is one inside an `oauth_callback`, at any depth, and nowhere else.

The rule knows names, not contents: a secret in the middle of a prompt stays there. For lines
of text there is `beam.model.masking`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

__all__ = [
    "CREDENTIAL_KEYS",
    "REDACTED",
    "REDACTED_KEYS",
    "canonical",
    "is_sensitive",
    "redact",
    "redact_pending",
    "redact_runtime_state",
    "without_secrets",
]

REDACTED = "redacted"
"""What stands where a secret stood."""

CREDENTIAL_KEYS = frozenset(
    {
        "accesstoken", "apikey", "clientsecret", "githubtoken", "password", "privatekey",
        "refreshtoken", "secret", "token",
    }
)  # fmt: skip
"""Canonical keys of lasting credentials: these are never stored in clear either."""

REDACTED_KEYS = CREDENTIAL_KEYS | {
    "authorization", "authorizationcode", "bearertoken", "codeverifier", "credentialkey",
    "idtoken", "oauthtoken", "personaltoken", "sessiontoken",
}  # fmt: skip
"""Canonical keys whose values no view, log line or event shows."""

_CONTEXT = "oauthcallback"
_SHORT = 64
_DEEPEST = 128

# Most values are these, and asking a class whether it is a Mapping is slow.
_SCALARS = (str, int, float, bytes)
_not_canonical = re.compile("[^a-z0-9]+")


def redact(value: Any) -> Any:
    """Return `value` with every secret replaced by `REDACTED`; the argument stays as it is.

    Mappings come back as dicts, lists and tuples as themselves, everything else untouched.
    A list has no key of its own: what is in it stands under the keys above the list. What lies
    below more than 128 mappings and lists is not looked through but replaced.
    """
    return _redact(value, in_context=False, depth=0)


def redact_runtime_state(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the public view of a session's runtime state: its `provider` without secrets."""
    return _redact_parts(state, ("provider",))


def redact_pending(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the public view of a pending request: `request` and `response` without secrets."""
    return _redact_parts(entry, ("request", "response"))


def without_secrets(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` without the entries whose keys are of secrets, at any depth."""
    kept: dict[str, Any] = _dropped(values, in_context=False)
    return kept


def is_sensitive(key: object, ancestors: Iterable[object] = ()) -> bool:
    """Say whether the value under `key` is a secret.

    Args:
        key: in any spelling.
        ancestors: the keys above it, in any order.
    """
    return _is_secret(canonical(key), any(canonical(above) == _CONTEXT for above in ancestors))


def canonical(key: object) -> str:
    """Return the form in which keys are compared: lower case, a to z and 0 to 9."""
    text = key.decode("latin-1") if isinstance(key, bytes) else str(key)
    return _canonical_short(text) if len(text) <= _SHORT else _canonical(text)


def _canonical(text: str) -> str:
    return _not_canonical.sub("", text.lower())


# Records repeat their keys, so most are known. Long ones are not kept: the cache stays small.
_canonical_short = lru_cache(maxsize=1024)(_canonical)


def _is_secret(key: str, in_context: bool) -> bool:
    return key in REDACTED_KEYS or (in_context and key == "code")


def _redact(value: Any, *, in_context: bool, depth: int) -> Any:
    if value is None or isinstance(value, _SCALARS):
        return value
    if depth > _DEEPEST:
        return REDACTED
    if isinstance(value, dict | Mapping):
        return {key: _redact_under(key, item, in_context, depth) for key, item in value.items()}
    if isinstance(value, list):
        return [_redact(item, in_context=in_context, depth=depth + 1) for item in value]
    if type(value) is tuple:
        return tuple(_redact(item, in_context=in_context, depth=depth + 1) for item in value)
    return value


def _redact_under(key: object, value: Any, in_context: bool, depth: int) -> Any:
    name = canonical(key)
    if _is_secret(name, in_context):
        return REDACTED
    return _redact(value, in_context=in_context or name == _CONTEXT, depth=depth + 1)


def _dropped(value: Any, *, in_context: bool) -> Any:
    if isinstance(value, Mapping):
        return {
            key: _dropped(item, in_context=in_context or canonical(key) == _CONTEXT)
            for key, item in value.items()
            if not _is_secret(canonical(key), in_context)
        }
    if isinstance(value, list):
        return [_dropped(item, in_context=in_context) for item in value]
    return value


def _redact_parts(record: Mapping[str, Any], parts: tuple[str, ...]) -> dict[str, Any]:
    return {key: redact(value) if key in parts else value for key, value in record.items()}
