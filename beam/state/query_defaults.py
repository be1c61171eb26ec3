"""What a session's queries start from: its provider, model, agent, mode, system text and tools.

    >>> defaults = QueryDefaults().with_provider("openai").with_model("large")
    >>> defaults = defaults.with_provider_config({"api_key": "sk-1", "base_url": "http://a"})
    >>> defaults.view()["provider"]
    {'api_key': 'redacted', 'base_url': 'http://a'}
    >>> defaults.merge({"model_id": "small", "max_turns": 3})["model_id"]
    'small'

A value with no actor: each change returns the next value, and whoever owns the table puts it there.
What is not set is not there; `None` is never stored. The provider's secrets are kept in memory as
they are, because queries need them; `view` is what may be shown (G17).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from beam.errors import NotFound
from beam.model.redaction import redact
from beam.state.plain import plain_copy, text
from beam.state.provider_config import (
    check_provider_config,
    inferred_agent,
    inferred_provider,
    provider_of,
)

__all__ = ["QUERY_KEYS", "QueryDefaults"]

_NO_INFO: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class QueryDefaults:
    """The defaults of one session; an unknown session has the empty one.

    Attributes:
        provider_id: the provider that is selected.
        provider: its configuration, secrets included.
        model_id: the model.
        agent: the agent.
        mode: the mode in which the agent works.
        system: the system prompt, in the form that the backend takes.
        tools: the tools, in the form that the backend takes.
    """

    provider_id: str | None = None
    provider: Mapping[str, Any] | None = None
    model_id: str | None = None
    agent: str | None = None
    mode: str | None = None
    system: Any = None
    tools: Any = None

    def registered(self, options: Mapping[str, Any]) -> QueryDefaults:
        """Return the defaults with those of the seven that `options` has; other keys are left.

        Raises:
            InvalidInput: an id, agent or mode is not a non-empty string.
            StateRefused: the provider's configuration is not one.
        """
        given = {key: options[key] for key in QUERY_KEYS if options.get(key) is not None}
        for key in ("provider_id", "model_id", "agent", "mode"):
            if key in given:
                text(key, given[key])
        if "provider" in given:
            check_provider_config(given["provider"])
        return replace(self, **{key: plain_copy(key, value) for key, value in given.items()})

    def with_provider(self, provider_id: str) -> QueryDefaults:
        """Select a provider; its configuration stays as it is.

        Raises:
            InvalidInput: the id is not a non-empty string. So for the model and the agent.
        """
        return replace(self, provider_id=text("provider_id", provider_id))

    def without_provider(self) -> QueryDefaults:
        """Forget the provider and its configuration."""
        return replace(self, provider_id=None, provider=None)

    def with_provider_config(self, config: Mapping[str, Any]) -> QueryDefaults:
        """Replace the provider's configuration, and select the provider if it names one.

        Raises:
            StateRefused: `invalid_provider_config` or `invalid_api_key`.
        """
        checked = plain_copy("provider", check_provider_config(config))
        return replace(self, provider=checked, provider_id=provider_of(checked) or self.provider_id)

    def with_model(self, model_id: str) -> QueryDefaults:
        """Select a model."""
        return replace(self, model_id=text("model_id", model_id))

    def without_model(self) -> QueryDefaults:
        """Forget the model."""
        return replace(self, model_id=None)

    def with_agent(self, agent: str) -> QueryDefaults:
        """Select an agent."""
        return replace(self, agent=text("agent", agent))

    def without_agent(self) -> QueryDefaults:
        """Forget the agent."""
        return replace(self, agent=None)

    def current_provider(self, info: Mapping[str, Any] = _NO_INFO) -> str:
        """Return the provider that is selected, else the one that a live session tells of.

        Args:
            info: the session's own info, empty if the session does not live.

        Raises:
            NotFound: `not_set`.
        """
        return _set("provider_id", self.provider_id or inferred_provider(info))

    def current_agent(self, info: Mapping[str, Any] = _NO_INFO) -> str:
        """Return the agent that is selected, else the one that a live session tells of.

        Raises:
            NotFound: `not_set`.
        """
        return _set("agent", self.agent or inferred_agent(info))

    def current_model(self) -> str:
        """Return the model that is selected.

        Raises:
            NotFound: `not_set`.
        """
        return _set("model_id", self.model_id)

    def merge(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options of a query: what `params` says, else what is set here.

        Two provider configurations are merged key by key. Other keys of `params` pass through, and
        a `None` in `params` wins too. The secrets are in the result: it is for the backend.
        """
        merged = {**self.present(), **params}
        ours, theirs = self.provider, params.get("provider")
        if ours is not None and isinstance(theirs, Mapping):
            merged["provider"] = {**ours, **theirs}
        kept: dict[str, Any] = plain_copy("params", merged)
        return kept

    def present(self) -> dict[str, Any]:
        """Return what is set, secrets included, as it is kept: not to be changed."""
        values = {key: getattr(self, key) for key in QUERY_KEYS}
        return {key: value for key, value in values.items() if value is not None}

    def view(self) -> dict[str, Any]:
        """Return what is set, without secrets."""
        shown: dict[str, Any] = redact(self.present())
        return shown

    def provider_config_view(self) -> dict[str, Any]:
        """Return the provider's configuration without secrets, empty if there is none."""
        shown: dict[str, Any] = redact(self.provider or {})
        return shown


QUERY_KEYS: tuple[str, ...] = tuple(field.name for field in fields(QueryDefaults))
"""The seven keys that a session's queries may have a default for."""


def _set(field: str, value: str | None) -> str:
    if value is None:
        raise NotFound("not_set", field=field)
    return value
