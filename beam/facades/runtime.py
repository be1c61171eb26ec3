"""`fleet.runtime`: what each session's queries start from, and what its agent does now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from beam.facades.part import SessionLike, id_of
from beam.facades.reads import RuntimeReading
from beam.state.runtime_state import RUNTIME

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RuntimeFacade"]


class RuntimeFacade(RuntimeReading):
    """Providers, models, agents and modes of each session.

    A session may be given as its handle or its id; both see the same state. Every function may
    raise:

    Raises:
        InvalidInput: an argument is not what it must be; nothing has changed.
        NotFound: `restarting`: its process was not back within 5 s; `no_table`: the fleet is over.
        CallExit: its process died before it answered.
    """

    __slots__ = ()

    facade: ClassVar[str] = "runtime"

    def get_state(self, session_key: SessionLike) -> dict[str, Any]:
        """Return what is set, without secrets; empty for a session that is not known."""
        return self._reads.get_state(id_of(session_key))

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
            StateRefused: `invalid_provider_config` or `invalid_api_key`.
        """
        self._ask(RUNTIME, "set_provider_config", id_of(session_key), config)

    def set_agent(self, session_key: SessionLike, agent_id: str) -> None:
        """Select an agent."""
        self._ask(RUNTIME, "set_agent", id_of(session_key), agent_id)

    def clear_agent(self, session_key: SessionLike) -> None:
        """Forget the agent."""
        self._ask(RUNTIME, "clear_agent", id_of(session_key))
