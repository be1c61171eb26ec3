"""The part of `fleet.runtime` with what queries start from: providers and agents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.errors import InvalidInput, NotFound, SessionRefused
from beam.facades.part import SessionLike, id_of
from beam.facades.reads import RuntimeReading
from beam.state.provider_config import inferred_agent, inferred_provider
from beam.state.providers import listed, status_of
from beam.state.runtime_state import RUNTIME

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["ProviderFunctions"]


class ProviderFunctions(RuntimeReading):
    """Providers and agents. What is not set is looked for in what a live session tells of itself.

    Each of its queries takes what is set here, where it does not say otherwise itself.
    """

    __slots__ = ()

    def get_state(self, session_key: SessionLike) -> dict[str, Any]:
        """Return what is set, without secrets; empty for a session that is not known.

        Returns:
            Any of `provider_id`, `provider`, `model_id`, `agent`, `mode`, `system` and `tools`.
        """
        return self._reads.get_state(id_of(session_key))

    # Providers

    def current_provider(self, session_key: SessionLike) -> str:
        """Return the provider that is selected, else the one that the live session tells of.

        Raises:
            NotFound: `not_set`.
        """
        provider = self._reads.defaults(id_of(session_key)).provider_id
        return provider or self._told(session_key, "provider_id", inferred_provider)

    def set_provider(self, session_key: SessionLike, provider_id: str) -> None:
        """Select a provider; its configuration stays as it is."""
        self._ask(RUNTIME, "set_provider", id_of(session_key), provider_id)

    def clear_provider(self, session_key: SessionLike) -> None:
        """Forget the provider and its configuration."""
        self._ask(RUNTIME, "clear_provider", id_of(session_key))

    def get_provider_config(self, session_key: SessionLike) -> dict[str, Any]:
        """Return the provider's configuration without secrets, empty if there is none."""
        return self._reads.get_provider_config(id_of(session_key))

    def set_provider_config(self, session_key: SessionLike, config: Mapping[str, Any]) -> None:
        """Replace the provider's configuration, and select the provider if it names one.

        Raises:
            StateRefused: `invalid_provider_config` or `invalid_api_key`; `key_unreadable`: it has
                a secret, and there is no key to seal it with.
        """
        self._ask(RUNTIME, "set_provider_config", id_of(session_key), config)

    def validate_provider_config(self, provider_id: str | None, config: Mapping[str, Any]) -> None:
        """Check a configuration; nothing is stored.

        Args:
            provider_id: which provider it is for; the rule is the same for all.
            config: the configuration. Its key may be called `apiKey` or `api_key`.

        Raises:
            StateRefused: `invalid_provider_config` or `invalid_api_key`.
        """
        self._reads.validate_provider_config(provider_id, config)

    def list_providers(self, session_key: SessionLike) -> list[dict[str, Any]]:
        """Return the known providers as the session has them, the selected one first.

        Returns:
            Of each `id`, `label`, `auth_methods`, `capabilities`, `config_keys`, `configured`,
            `current`, `known_provider` and `source`.
        """
        return listed(self._reads.defaults(id_of(session_key)))

    def provider_status(
        self, session_key: SessionLike, *, provider_id: str | None = None
    ) -> dict[str, Any]:
        """Return how the session stands with a provider, without secrets.

        Args:
            session_key: the session.
            provider_id: any provider; `None` for the session's own.
        """
        if provider_id is None:
            try:
                provider_id = self.current_provider(session_key)
            except NotFound:
                provider_id = None
        elif not isinstance(provider_id, str):
            raise InvalidInput("provider_id", provider_id, "a text, or None")
        return status_of(self._reads.defaults(id_of(session_key)), provider_id)

    # Agents

    def current_agent(self, session_key: SessionLike) -> str:
        """Return the agent that is selected, else the one that the live session tells of.

        Raises:
            NotFound: `not_set`.
        """
        agent = self._reads.defaults(id_of(session_key)).agent
        return agent or self._told(session_key, "agent", inferred_agent)

    def set_agent(self, session_key: SessionLike, agent_id: str) -> None:
        """Select an agent."""
        self._ask(RUNTIME, "set_agent", id_of(session_key), agent_id)

    def clear_agent(self, session_key: SessionLike) -> None:
        """Forget the agent."""
        self._ask(RUNTIME, "clear_agent", id_of(session_key))

    def _told(
        self, session_key: SessionLike, field: str, find: Callable[[Mapping[str, Any]], str | None]
    ) -> str:
        """Return what a live session tells of itself; one that is not there tells nothing."""
        try:
            told = self._handle(session_key).info().details
        except (NotFound, SessionRefused):
            told = {}
        found = find(told.get("system_info") or {})
        if found is None:
            raise NotFound("not_set", field=field)
        return found
