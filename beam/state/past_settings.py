"""What the log says of configuration and policies, read back by their owner.

    >>> from beam.model import Event
    >>> config = Vault(key="x" * 32).sealed({"port": {"api_key": "sk-1", "n": 1}}, about="config:s")
    >>> past = PastSettings(None, Vault(key="another, as if the key had been lost"))
    >>> past.take(
    ...     Event(id="e", type="config_set", session_id="s", timestamp=1, data={"config": config})
    ... )
    >>> past.configs["s"].all()
    {'port': {'n': 1}}

Where a secret stood that cannot be opened there is nothing: not the word that the log shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beam.policy import Profile
from beam.state.session_config import SessionConfig
from beam.state.vault import Vault

if TYPE_CHECKING:
    from beam.model.events import Event, EventType
    from beam.state.control_rows import ControlRows

__all__ = ["SETTING_TYPES", "PastSettings", "about"]

SETTING_TYPES: tuple[EventType, ...] = (
    "config_set",
    "config_cleared",
    "policy_put",
    "policy_deleted",
)
"""The events of what is set."""


def about(session_id: str) -> str:
    """Return what the vault calls the configuration of a session."""
    return f"config:{session_id}"


class PastSettings:
    """What events say of configuration and policies.

    Args:
        rows: what is known already, if only the last part of the log is read.
        vault: opens the secrets.

    Attributes:
        configs: by session id, of the sessions of which something was taken.
        policies: by name, of those of which something was taken; `None` for one that was deleted.
    """

    def __init__(self, rows: ControlRows | None, vault: Vault) -> None:
        self.configs: dict[str, SessionConfig] = {}
        self.policies: dict[str, Profile | None] = {}
        self._rows = rows
        self._vault = vault

    def take(self, event: Event) -> None:
        """Take one event more."""
        data, session_id = event.data, event.session_id
        match event.type:
            case "config_set":
                config = self._config(session_id)
                kept = self._vault.opened(data["config"], about=about(session_id))
                # A secret that is lost takes the place of what was there before it.
                for key in data["config"]["shown"]:
                    config = config.without(key)
                for key, value in kept.items():
                    config = config.with_value(key, value)
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
