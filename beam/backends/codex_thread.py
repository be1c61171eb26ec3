"""A conversation with Codex: how it is entered, and what each turn changes of it.

A thread that Codex does not know any more is begun anew, and its first prompt tells what was said
before. What a turn changes (model, permission mode, the session's word for the agent) Codex keeps
for the turns that follow, so only changes are said.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from beam.backends.codex_endings import refusal_of
from beam.backends.codex_family import CodexFamily
from beam.backends.codex_settings import Policy, dynamic_tools, mcp_config, mode_of, turn_policy
from beam.backends.transcript import has_forgotten, with_transcript

if TYPE_CHECKING:
    from beam.backends.backend import Opening, Query
    from beam.backends.codex import CodexBackend
    from beam.backends.codex_client import PortClient
    from beam.backends.effects import Continued

__all__ = ["CodexThread", "enter"]

OWN_PROVIDER = "openai-by-key"
"""What OpenAI is called for a thread that pays with a key: the name `openai` is Codex's own."""


@dataclass(slots=True)
class CodexThread:
    """A thread that a session talks in.

    Attributes:
        id: Codex's name for it.
        continued: how it goes on from the one before.
        family: what it says.
        default: the policy of the permission mode `default`.
        first_model: what it runs with where nobody has chosen.
        model: what its last turn ran with.
        policy: likewise.
        system: the session's word that its last turn was told.
        told: whether Codex knows what was said before.
    """

    id: str
    continued: Continued
    family: CodexFamily
    default: Policy
    first_model: str
    model: str
    policy: Policy
    system: str = ""
    told: bool = False

    def prompt(self, query: Query) -> str:
        """Return what is asked, after what was said before if that is not known."""
        return query.prompt if self.told else with_transcript(query.prompt, query.history)

    def changes(self, params: Mapping[str, Any], effort: str | None) -> dict[str, Any]:
        """Return what a turn with these params says beside its input.

        Args:
            params: the query's.
            effort: how much it reasons, where the query says nothing.
        """
        changes: dict[str, Any] = {}
        model, policy, system = self._chosen(params)
        if model != self.model:
            changes["model"] = model
        if policy != self.policy:
            changes |= turn_policy(policy)
        if system != self.system:
            changes["additionalContext"] = {"system": {"kind": "application", "value": system}}
        if effort := params.get("effort") or effort:
            changes["effort"] = str(effort)
        if isinstance(params.get("output_schema"), Mapping):
            changes["outputSchema"] = params["output_schema"]
        return changes

    def began(self, params: Mapping[str, Any]) -> None:
        """Note that a turn with these params has begun."""
        self.model, self.policy, self.system = self._chosen(params)
        self.told = True

    def _chosen(self, params: Mapping[str, Any]) -> tuple[str, Policy, str]:
        model = params.get("model_id") or params.get("model") or self.first_model
        policy = mode_of(params.get("permission_mode"), self.default)
        return str(model), policy, str(params.get("system") or self.system)


async def enter(
    client: PortClient, opening: Opening, backend: CodexBackend, provider: Mapping[str, Any]
) -> CodexThread:
    """Resume, fork or start a thread.

    Args:
        client: is asked.
        opening: for whom.
        backend: the settings.
        provider: the model provider, where it is not the configuration's.

    Raises:
        JsonRpcError: Codex refuses to. Only a resumption is tried otherwise, and only if Codex does
            not refuse it for what will pass.
    """
    from beam.backends.codex_client import JsonRpcError  # noqa: PLC0415 - only with the extra

    settings = _settings(opening, backend, provider)
    origin = opening.options.get("fork")
    if opening.resume:
        known = {**settings, "excludeTurns": True}
        try:
            resumed = await client.call(client.thread_resume, opening.resume, known)
            return _entered(resumed, "resumed", backend)
        except JsonRpcError as error:
            if not has_forgotten(refusal_of(error.code, error.message)):
                raise
    elif isinstance(origin, str) and origin:
        known = {**settings, "excludeTurns": True}
        forked = await client.call(client.thread_fork, origin, known)
        return _entered(forked, "forked", backend)
    tools = dynamic_tools(opening.tools)
    fresh = {**settings, "dynamicTools": tools} if tools else settings
    begun = await client.call(client.thread_start, fresh)
    return _entered(begun, "transcript" if opening.resume else "new", backend)


def _entered(found: Any, continued: Continued, backend: CodexBackend) -> CodexThread:
    model, policy = found.model or "", backend.policy
    family = CodexFamily(found.thread.id)
    thread = CodexThread(found.thread.id, continued, family, policy, model, model, policy)
    thread.told = continued in ("resumed", "forked")
    return thread


def _settings(
    opening: Opening, backend: CodexBackend, provider: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what a thread is started with; secrets of MCP servers go over stdin, too."""
    servers = mcp_config({**backend.mcp_servers, **opening.mcp_servers})
    config = {"mcp_servers": servers} if servers else {}
    if provider:
        config["model_providers"] = {OWN_PROVIDER: dict(provider)}
    settings: dict[str, Any] = {
        "cwd": opening.cwd or os.getcwd(),
        "approvalPolicy": backend.policy.approval,
        "sandbox": backend.policy.sandbox,
        # Else a configuration could have a model decide in the user's place.
        "approvalsReviewer": "user",
        "model": opening.model or backend.model,
        "developerInstructions": backend.instructions,
        "modelProvider": OWN_PROVIDER if provider else None,
        "config": config or None,
    }
    return {name: value for name, value in settings.items() if value is not None}
