"""What the log says of configuration and policies, read back by their owner.

    >>> from beam.model import Event
    >>> past = PastSettings(None)
    >>> past.take(Event(id="e", type="config_set", session_id="s", timestamp=1, data={
    ...     "config": {"provider": {"api_key": "redacted", "base_url": "http://a"}}
    ... }))
    >>> past.configs["s"].all()
    {'provider': {'base_url': 'http://a'}}

Where a secret stood there is nothing: it is gone, and not the word that the log has in its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from beam.model.redaction import REDACTED, is_sensitive
from beam.policy import Profile
from beam.state.session_config import SessionConfig

if TYPE_CHECKING:
    from beam.model.events import Event, EventType
    from beam.state.control_rows import ControlRows

__all__ = ["SETTING_TYPES", "PastSettings"]

SETTING_TYPES: tuple[EventType, ...] = (
    "config_set",
    "config_cleared",
    "policy_put",
    "policy_deleted",
)
"""The events of what is set."""


class PastSettings:
    """What events say of configuration and policies.

    Args:
        rows: what is known already, if only the last part of the log is read.

    Attributes:
        configs: by session id, of the sessions of which something was taken.
        policies: by name, of those of which something was taken; `None` for one that was deleted.
    """

    def __init__(self, rows: ControlRows | None) -> None:
        self.configs: dict[str, SessionConfig] = {}
        self.policies: dict[str, Profile | None] = {}
        self._rows = rows

    def take(self, event: Event) -> None:
        """Take one event more."""
        data, session_id = event.data, event.session_id
        match event.type:
            case "config_set":
                config = self._config(session_id)
                for key, value in data["config"].items():
                    config = _after(config, key, value)
                self.configs[session_id] = config
            case "config_cleared":
                self.configs[session_id] = SessionConfig()
            case "policy_put":
                profile = Profile.from_data(data["profile"])
                self.policies[profile.profile_id] = profile
            case "policy_deleted":
                self.policies[data["profile_id"]] = None

    def clear(self) -> None:
        """Forget the configuration of all sessions."""
        self.configs.clear()
        self._rows = None

    def put_into(self, rows: ControlRows) -> None:
        """Put what was taken into the rows of the owner."""
        for session_id, config in self.configs.items():
            if config.values:
                rows.put("config", session_id, config)
            else:
                rows.drop("config", session_id)
        for profile_id, profile in self.policies.items():
            if profile is None:
                rows.drop("policy", profile_id)
            else:
                rows.put("policy", profile_id, profile)

    def _config(self, session_id: str) -> SessionConfig:
        if session_id in self.configs or self._rows is None:
            return self.configs.get(session_id) or SessionConfig()
        return self._rows.config(session_id)


def _after(config: SessionConfig, key: str, value: Any) -> SessionConfig:
    if is_sensitive(key) and value == REDACTED:
        return config.without(key)
    return config.with_value(key, _known(value))


def _known(value: Any) -> Any:
    """Return a value without the places where secrets stood."""
    if isinstance(value, Mapping):
        return {
            key: _known(item)
            for key, item in value.items()
            if not (item == REDACTED and is_sensitive(key, ("oauth_callback",)))
        }
    return [_known(item) for item in value] if isinstance(value, list) else value
