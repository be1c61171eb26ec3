"""What is to be provisioned at a provider: an agent, and the environment that it runs in.

    >>> spec = AgentSpec("reviewer", model="claude-sonnet-4-5", system="Review the code.")
    >>> spec.digest("managed_agents") == spec.digest("managed_agents")
    True
    >>> spec.digest("managed_agents") == spec.digest("agentcore")
    False

Two specs with the same digest are one agent. What the environment is called makes no difference to
it, what it is does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from beam.errors import InvalidOption
from beam.providers.provision_names import digest_of
from beam.providers.runtimes import Runtime, instructions, ordered
from beam.providers.values import Tool

__all__ = ["AgentSpec", "EnvironmentSpec", "checked"]


@dataclass(frozen=True, slots=True)
class EnvironmentSpec:
    """What an agent runs in.

    Attributes:
        name: what people call it.
        config: what it is, JSON data in the provider's form.
        runtimes: the languages that it is to have; the agent installs them (`runtimes`).
    """

    name: str = "environment"
    config: Mapping[str, Any] = field(default_factory=dict)
    runtimes: tuple[Runtime, ...] = ()


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """An agent.

    Attributes:
        name: what people call it; the base of its name at the provider.
        model: the model; a provider's name before it, as in `anthropic/...`, is understood.
        system: the system prompt.
        tools: what we run for it.
        environment: what it runs in; None if the provider needs none.
        details: what else the provider takes for an agent, JSON data in its form. No secrets: it
            is in the digest, and the provider shows it.
    """

    name: str
    model: str | None = None
    system: str = ""
    tools: tuple[Tool, ...] = ()
    environment: EnvironmentSpec | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def digest(self, provider: str) -> str:
        """Return what tells its content at a provider from all others: 8 hexadecimal digits."""
        content: dict[str, Any] = {
            "provider": provider,
            "name": self.name,
            "model": self.model,
            "system": self.system,
            "tools": [[one.name, one.description, dict(one.input_schema)] for one in self.tools],
            "details": dict(self.details),
        }
        if self.environment is not None:
            content["environment"] = dict(self.environment.config)
            if self.environment.runtimes:
                wanted = ordered(self.environment.runtimes)
                content["runtimes"] = [[one.name, one.version] for one in wanted]
        return digest_of(content)

    def instructions(self) -> str:
        """Return the system prompt, with what is to be said of the runtimes."""
        told = "" if self.environment is None else instructions(self.environment.runtimes)
        return "\n\n".join(one for one in (self.system, told) if one)


def checked(spec: Any) -> AgentSpec:
    """Return a spec that somebody has given.

    Raises:
        InvalidOption: it is none, or has no name, or what is no runtime.
    """
    if not isinstance(spec, AgentSpec):
        raise InvalidOption("spec", type(spec).__name__, "an AgentSpec")
    for name, value in (("name", spec.name), ("environment", _name(spec.environment))):
        if not isinstance(value, str) or not value.strip():
            raise InvalidOption(name, value, "a name")
    if spec.environment is not None:
        ordered(spec.environment.runtimes)
    return spec


def _name(environment: EnvironmentSpec | None) -> Any:
    return "none" if environment is None else environment.name
