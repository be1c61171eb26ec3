"""The providers of models: a catalogue of five, and what a session has of any.

    >>> defaults = QueryDefaults().with_provider_config({"id": "google", "api_key": "sk-1"})
    >>> [one["id"] for one in listed(defaults)][:2]
    ['google', 'openai']
    >>> status_of(defaults, "google")["auth_methods"], status_of(defaults, "google")["current"]
    (['api_key', 'oauth_callback'], True)

All pure, and all views: no secret is in them (G17). A provider that the catalogue does not have is
one of the user's own, and is described by its configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from beam.model.redaction import canonical, redact
from beam.state.provider_config import provider_of
from beam.state.query_defaults import QueryDefaults

__all__ = ["CATALOGUE", "listed", "status_of"]

_CHAT = ("chat", "attachments", "config")


def _entry(
    label: str, auth: tuple[str, ...], capabilities: tuple[str, ...], keys: tuple[str, ...]
) -> Mapping[str, Any]:
    return {
        "label": label,
        "auth_methods": auth,
        "capabilities": capabilities,
        "config_keys": keys,
    }


CATALOGUE: Mapping[str, Mapping[str, Any]] = {
    "openai": _entry(
        "OpenAI", ("api_key", "oauth_callback"), _CHAT, ("api_key", "base_url", "organization")
    ),
    "anthropic": _entry("Anthropic", ("api_key",), _CHAT, ("api_key", "base_url")),
    "google": _entry(
        "Google Gemini",
        ("api_key", "oauth_callback"),
        ("chat", "attachments", "realtime"),
        ("api_key", "project", "location"),
    ),
    "github_copilot": _entry(
        "GitHub Copilot",
        ("oauth_callback", "device_code"),
        ("chat", "attachments", "session"),
        ("oauth_callback", "account"),
    ),
    "local": _entry(
        "Local / self-hosted", ("api_key",), ("chat", "config"), ("base_url", "api_key")
    ),
}
"""The providers that are known, in the order in which they are listed."""

REGISTRY = "universal_registry"
RUNTIME = "runtime"


def listed(defaults: QueryDefaults) -> list[dict[str, Any]]:
    """Return every known provider as a session has it; the one that is selected comes first.

    Args:
        defaults: what is set for the session.
    """
    current = defaults.provider_id
    names = [*CATALOGUE] if current is None else [current, *(x for x in CATALOGUE if x != current)]
    return [_described(defaults, name) for name in names]


def status_of(defaults: QueryDefaults, provider_id: str | None) -> dict[str, Any]:
    """Return how a session stands with a provider.

    Args:
        defaults: what is set for the session.
        provider_id: any provider; `None` if the session has none.
    """
    config = defaults.provider or {}
    if provider_id is None:
        return {
            "provider_id": None,
            "configured": bool(config),
            "provider_config": redact(config),
        }
    described = _described(defaults, provider_id)
    known = ("configured", "source", "auth_methods", "capabilities", "config_keys",
             "known_provider", "current")  # fmt: skip
    return {
        "provider_id": provider_id,
        "provider_config": redact(_config_of(defaults, provider_id)),
        **{key: described[key] for key in known},
    }


def _described(defaults: QueryDefaults, provider_id: str) -> dict[str, Any]:
    config = _config_of(defaults, provider_id)
    entry = CATALOGUE.get(provider_id)
    known = entry is not None
    if entry is None:
        entry = _entry(
            provider_id, _auth_methods(config), ("chat", "config"), tuple(sorted(map(str, config)))
        )
    elif config:
        # What it is configured with may be more than the catalogue knows of.
        entry = {
            **entry,
            "auth_methods": _both(entry["auth_methods"], _auth_methods(config)),
            "config_keys": _both(entry["config_keys"], map(str, config)),
        }
    return {
        "id": provider_id,
        **{key: list(value) if key != "label" else value for key, value in entry.items()},
        "configured": bool(config),
        "current": provider_id == defaults.provider_id,
        "known_provider": known,
        "source": REGISTRY if known else RUNTIME,
    }


def _both(catalogued: Any, configured: Any) -> tuple[str, ...]:
    return tuple(sorted({*catalogued, *configured}))


def _config_of(defaults: QueryDefaults, provider_id: str) -> Mapping[str, Any]:
    config = defaults.provider or {}
    return config if provider_id in (provider_of(config), defaults.provider_id) else {}


def _auth_methods(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return how the user signs in there, as far as the configuration tells."""
    if not config:
        return ("api_key",)
    found = []
    if any(canonical(key) == "apikey" for key in config):
        found.append("api_key")
    if isinstance(config.get("oauth_callback"), Mapping):
        found.append("oauth_callback")
    return tuple(found)
