"""Agents and environments of Claude's Managed Agents: made, found again, archived.

An agent is made before its environment. If the environment cannot be made, the agent is archived
again, unless it was there before. A name that is taken (409) is looked for among those that are
there: with the digest in it, what has the very name has the very content.

The functions take the official client; what they raise is `ProviderFailed`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from beam.errors import ProviderFailed
from beam.providers.failures import failed_as
from beam.providers.provision_names import ANY_TEXT, fitted, fitted_base
from beam.providers.provision_spec import AgentSpec
from beam.providers.provisioner import Found
from beam.providers.runtimes import check_hosts
from beam.providers.values import Handle, Tool

__all__ = ["PROVIDER", "bare_model", "base", "custom_tools", "listed", "made", "removed"]

PROVIDER: Final = "managed_agents"

_NAME_BYTES: Final = 256
_PAGE: Final = 100
_CONFLICT, _GONE = ("status", 409), ("status", 404)
_QUALIFIED = re.compile(r"(?:[a-z]{2,6}\.)?anthropic[./:]")


def bare_model(model: str) -> str:
    """Return a model's id without the provider before it, which this wire does not know."""
    return _QUALIFIED.sub("", model, count=1) if _QUALIFIED.match(model) else model


def base(name: str) -> str:
    """Return the base of a spec as it stands in names here."""
    return fitted_base(name, _NAME_BYTES, ANY_TEXT)


def custom_tools(tools: Sequence[Tool]) -> list[dict[str, Any]]:
    """Return tools that we run as this wire has them."""
    return [
        {
            "type": "custom",
            "name": tool.name,
            "description": tool.description,
            "input_schema": dict(tool.input_schema),
        }
        for tool in tools
    ]


async def made(client: Any, spec: AgentSpec) -> Handle:
    """Make the agent and the environment of a spec, or find them.

    Raises:
        InvalidOption: its network does not reach where its runtimes come from.
        ProviderFailed: `("provision_failed", what, reason)`; `agent_archived` or
            `environment_archived`: what has the name is out of use; `agent_name_conflict` or
            `environment_name_conflict`: the name is taken, and nobody has it.
    """
    _check_network(spec)
    digest = spec.digest(PROVIDER)
    name = fitted(spec.name, digest, _NAME_BYTES, ANY_TEXT)
    beta = client.beta
    agent, adopted = await _made("agent", beta.agents, {**_agent(spec), "name": name})
    if spec.environment is None:
        return _handle(agent, None, adopted)
    place = {
        "name": fitted(spec.environment.name, digest, _NAME_BYTES, ANY_TEXT),
        "config": dict(spec.environment.config) or {"type": "cloud"},
    }
    try:
        environment, _ = await _made("environment", beta.environments, place)
    except BaseException:
        if not adopted:
            # Not hidden by what comes of it, and done although we may be cancelled.
            await asyncio.shield(_quietly(beta.agents.archive, agent.id))
        raise
    return _handle(agent, environment, adopted)


async def removed(client: Any, handle: Handle) -> None:
    """Archive the agent and the environment; both are tried. What is gone already is no failure.

    Raises:
        ProviderFailed: `("teardown_failed", parts)`.
    """
    parts = [("agent", client.beta.agents, handle.agent_id)]
    if handle.environment_id is not None:
        parts.append(("environment", client.beta.environments, handle.environment_id))
    failed: list[str] = []
    details: list[str] = []
    for what, resource, known in parts:
        try:
            await resource.archive(known)
        except Exception as error:  # noqa: BLE001 - of a library that has many
            failure = failed_as(error)
            if failure.reason != _GONE:
                failed.append(what)
                details.append(failure.detail)
    if failed:
        raise ProviderFailed(("teardown_failed", failed), "; ".join(details))


async def listed(client: Any) -> list[Found]:
    """Return the agents that are there and in use.

    Raises:
        ProviderFailed: they could not be listed.
    """
    return [
        Found(str(one.name), str(one.created_at), Handle(PROVIDER, str(one.id)))
        for one in await _all(client.beta.agents)
        if not getattr(one, "archived_at", None)
    ]


def _agent(spec: AgentSpec) -> dict[str, Any]:
    details = dict(spec.details)
    tools = [*details.pop("tools", ()), *custom_tools(spec.tools)]
    wanted: dict[str, Any] = {**details}
    if spec.model is not None:
        wanted["model"] = bare_model(spec.model)
    system = spec.instructions()
    if system:
        wanted["system"] = system
    if tools:
        wanted["tools"] = tools
    return wanted


def _check_network(spec: AgentSpec) -> None:
    if spec.environment is None or not spec.environment.runtimes:
        return
    network = spec.environment.config.get("networking")
    if isinstance(network, Mapping) and network.get("type") == "limited":
        check_hosts(network.get("allowed_hosts"))


async def _made(what: str, resource: Any, wanted: Mapping[str, Any]) -> tuple[Any, bool]:
    """Return what was made, or found; and whether it was there before."""
    try:
        return await resource.create(**wanted), False
    except Exception as error:  # noqa: BLE001 - of a library that has many
        failure = failed_as(error)
    if failure.reason != _CONFLICT:
        reason = ("provision_failed", what, failure.reason)
        raise ProviderFailed(reason, failure.detail, failure.exit)
    named = [one for one in await _all(resource) if getattr(one, "name", None) == wanted["name"]]
    for one in named:
        if not getattr(one, "archived_at", None):
            return one, True
    word = "archived" if named else "name_conflict"
    raise ProviderFailed(f"{what}_{word}", f"the name {wanted['name']!r} is taken", failure.exit)


async def _all(resource: Any) -> list[Any]:
    try:
        return [one async for one in resource.list(limit=_PAGE, include_archived=True)]
    except Exception as error:  # noqa: BLE001 - a list that makes no sense is a failure, too
        failure = failed_as(error)
        reason = ("list_failed", failure.reason)
        raise ProviderFailed(reason, failure.detail, failure.exit) from None


async def _quietly(archive: Callable[[str], Any], known: str) -> None:
    try:
        await archive(known)
    except Exception:  # noqa: BLE001 - the cause is told; what is left has its name
        return


def _handle(agent: Any, environment: Any, adopted: bool) -> Handle:
    details = {"name": str(agent.name), "adopted": adopted}
    version = getattr(agent, "version", None)
    if isinstance(version, int):
        details["version"] = version
    return Handle(
        PROVIDER, str(agent.id), None if environment is None else str(environment.id), details
    )
