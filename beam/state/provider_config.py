"""The configuration of a model provider: what is checked, and which provider it is for.

    >>> provider_of({"providerID": "openai", "api_key": "sk-1"})
    'openai'
    >>> check_provider_config({"apiKey": ""})
    Traceback (most recent call last):
    beam.errors.StateRefused: invalid_api_key: field='apiKey', expected='a non-empty string'

Refusals never quote a value: it may be the secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from beam.errors import StateRefused

__all__ = ["check_provider_config", "inferred_agent", "inferred_provider", "provider_of"]

_API_KEYS = ("apiKey", "api_key")
_PROVIDER_KEYS = ("id", "provider_id", "providerID")
_SESSION_PROVIDER_KEYS = ("provider_id", "providerID")
_SESSION_AGENT_KEYS = ("agent", "current_agent")


def check_provider_config(config: object) -> Mapping[str, Any]:
    """Return the configuration if it is one.

    Raises:
        StateRefused: `invalid_provider_config`, it is no mapping; `invalid_api_key`, the first of
            `apiKey` and `api_key` that is there is not a non-empty string.
    """
    if not isinstance(config, Mapping):
        raise StateRefused(
            "invalid_provider_config", field="provider", expected="a mapping of settings"
        )
    for key in _API_KEYS:
        if key in config:
            if not _is_text(config[key]):
                raise StateRefused("invalid_api_key", field=key, expected="a non-empty string")
            break
    return config


def provider_of(config: Mapping[str, Any]) -> str | None:
    """Return the id of the provider that a configuration names, `None` if it names none."""
    return _first_text(config, _PROVIDER_KEYS)


def inferred_provider(info: Mapping[str, Any]) -> str | None:
    """Return the provider that a live session's info tells of, `None` if it tells of none."""
    provider = _first_text(info, _SESSION_PROVIDER_KEYS)
    model = info.get("model")
    if provider is None and isinstance(model, Mapping):
        return _first_text(model, ("provider_id",))
    return provider


def inferred_agent(info: Mapping[str, Any]) -> str | None:
    """Return the agent that a live session's info tells of, `None` if it tells of none."""
    return _first_text(info, _SESSION_AGENT_KEYS)


def _first_text(values: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    first = next((values[key] for key in keys if key in values), None)
    return first if _is_text(first) else None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)
