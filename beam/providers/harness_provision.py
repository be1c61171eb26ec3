"""Harnesses of Amazon Bedrock AgentCore: made, waited for, found again, deleted.

One deadline holds for all of it: making, waiting for one of the same name to be gone, waiting until
it is ready. What was made here and did not get ready is deleted again, in 30 s of its own; one that
was there before is left alone.

The functions take the official client (`bedrock-agentcore-control`), which blocks; each call runs
beside the event loop, and is waited for no longer than the deadline.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from beam import telemetry
from beam.errors import InvalidOption, ProviderFailed
from beam.otp.aio import aside
from beam.providers.harness_wire import failure_of
from beam.providers.pace import Late, Pace, within
from beam.providers.provision_names import LETTERS, fitted, fitted_base
from beam.providers.provision_spec import AgentSpec
from beam.providers.provisioner import Found
from beam.providers.values import Handle

__all__ = ["PROVIDER", "ROLLBACK_S", "Harnesses", "Patience", "base", "inline_functions"]

PROVIDER: Final = "agentcore"
ROLLBACK_S: Final = 30.0
"""How long the deletion of what did not get ready may take."""

_NAME: Final = 40
_LONGEST: Final = 1e9
_READY, _DELETING = "READY", "DELETING"
_COMING = frozenset({"CREATING", "UPDATING"})
_CONFLICT, _GONE = ("status", 409), ("status", 404)
# Pages of a list: a server that never ends one is wrong.
_MOST_PAGES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Patience:
    """How long provisioning may take.

    Attributes:
        total: seconds for all of it.
        interval: seconds between two looks.

    Raises:
        InvalidOption: one is no number of seconds; `("invalid_opts", name)`.
    """

    total: float = 365.0
    interval: float = 5.0

    def __post_init__(self) -> None:
        for name in ("total", "interval"):
            value: Any = getattr(self, name)
            wrong = isinstance(value, bool) or not isinstance(value, int | float)
            if wrong or not 0 < value < _LONGEST:
                known = {"total": "provision_timeout", "interval": "poll_interval"}[name]
                raise InvalidOption(known, value, "a number of seconds, more than 0")


def base(name: str) -> str:
    """Return the base of a spec as it stands in names here."""
    return fitted_base(name, _NAME, LETTERS)


class Harnesses:
    """The harnesses of an account, for one call of provisioning.

    Args:
        client: the official one.
        pace: the time to go by.
        patience: how long it may take.
    """

    def __init__(self, client: Any, pace: Pace, patience: Patience) -> None:
        self._client = client
        self._pace = pace
        self._patience = patience
        self._begun = pace.now()
        self._deadline = self._begun + patience.total
        self._polls = 0

    async def made(self, spec: AgentSpec, role: str) -> Handle:
        """Make the harness of a spec and wait until it is ready, or find it.

        Raises:
            ProviderFailed: `("provision_failed", reason)`; `("harness_not_ready", facts)` and
                `("harness_not_gone", facts)` with `harness_id`, `phase`, `last_status`,
                `elapsed_ms` and `polls`.
        """
        name = fitted(spec.name, spec.digest(PROVIDER), _NAME, LETTERS)
        wanted = {**_harness(spec), "harnessName": name, "executionRoleArn": role}
        harness, adopted = await self._made(wanted)
        known = _text(harness, "harnessId")
        try:
            arn = await self._ready(known, harness)
        except BaseException:
            if not adopted:
                # Not hidden by what comes of it, and done although we may be cancelled.
                await asyncio.shield(self._rolled_back(known))
            raise
        details = {"harness_id": known, "name": name, "adopted": adopted}
        return Handle(PROVIDER, arn, None, details)

    async def removed(self, known: str) -> None:
        """Delete a harness and wait until it is gone. One that is gone already is no failure.

        Raises:
            ProviderFailed: it could not be deleted, or was not gone in time.
        """
        try:
            await self._call("delete", self._client.delete_harness, harnessId=known)
        except ProviderFailed as failure:
            if failure.reason == _GONE:
                return
            raise
        await self._gone(known)

    async def listed(self) -> list[Found]:
        """Return the harnesses that are there.

        Raises:
            ProviderFailed: they could not be listed; `malformed_list`.
        """
        return [
            Found(
                _text(one, "harnessName"),
                str(one.get("createdAt", "")),
                Handle(PROVIDER, _text(one, "arn"), None, {"harness_id": _text(one, "harnessId")}),
            )
            for one in await self._all()
            if one.get("status") != _DELETING
        ]

    async def found(self, known: str) -> Mapping[str, Any]:
        """Return a harness, as the service tells it.

        Raises:
            ProviderFailed: it is not there, or could not be asked for.
        """
        return _harness_of(await self._call("look", self._client.get_harness, harnessId=known))

    # Steps

    async def _made(self, wanted: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
        """Return the harness, and whether it was there before."""
        while True:
            try:
                made = await self._call("create", self._client.create_harness, **wanted)
                return _harness_of(made), False
            except ProviderFailed as failure:
                if failure.reason != _CONFLICT:
                    reason = ("provision_failed", failure.reason)
                    raise ProviderFailed(reason, failure.detail, failure.exit) from None
            name = wanted["harnessName"]
            found = next((one for one in await self._all() if one.get("harnessName") == name), None)
            if found is None:
                raise ProviderFailed("agent_name_conflict", f"the name {name!r} is taken")
            if found.get("status") != _DELETING:
                return found, True
            await self._gone(_text(found, "harnessId"))

    async def _ready(self, known: str, harness: Mapping[str, Any]) -> str:
        while True:
            status = harness.get("status")
            if status == _READY:
                return _text(harness, "arn")
            if status not in _COMING:
                raise self._late("harness_not_ready", known, "ready", status, harness)
            await self._wait("harness_not_ready", known, "ready", status)
            found = await self._look("harness_not_ready", known, "ready", status)
            if found is None:
                raise self._late("harness_not_ready", known, "ready", "GONE", {})
            harness = found

    async def _gone(self, known: str) -> None:
        status: Any = _DELETING
        while True:
            await self._wait("harness_not_gone", known, "delete", status)
            found = await self._look("harness_not_gone", known, "delete", status)
            if found is None:
                return
            status = found.get("status")
            if status != _DELETING:
                raise self._late("harness_not_gone", known, "delete", status, found)

    async def _look(self, word: str, known: str, phase: str, last: Any) -> Any:
        """Return the harness as it is now; None if it is gone."""
        self._polls += 1
        try:
            found = await self._call(phase, self._client.get_harness, harnessId=known)
        except ProviderFailed as failure:
            if failure.reason == _GONE:
                return None
            if failure.reason == "provision_timeout":
                raise self._late(word, known, phase, last, {}) from None
            raise
        harness = _harness_of(found)
        about = {"provider": PROVIDER, "phase": phase, "status": harness.get("status")}
        telemetry.emit(("provider", "provision", "poll"), {"polls": self._polls}, about)
        return harness

    async def _wait(self, word: str, known: str, phase: str, status: Any) -> None:
        left = self._deadline - self._pace.now()
        if left <= 0:
            raise self._late(word, known, phase, status, {})
        await self._pace.sleep(min(self._patience.interval, left))

    async def _all(self) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        more: dict[str, Any] = {}
        for _ in range(_MOST_PAGES):
            page = await self._call("list", self._client.list_harnesses, **more)
            harnesses = page.get("harnesses") if isinstance(page, Mapping) else None
            if not isinstance(harnesses, list):
                break
            if not all(isinstance(one, Mapping) for one in harnesses):
                break
            found += harnesses
            if not page.get("nextToken"):
                return found
            more = {"nextToken": page["nextToken"]}
        raise ProviderFailed("malformed_list", f"after {len(found)} harnesses")

    async def _rolled_back(self, known: str) -> None:
        self._deadline = self._pace.now() + ROLLBACK_S
        try:
            await self._call("rollback", self._client.delete_harness, harnessId=known)
        except ProviderFailed:
            return  # The cause is told; what is left has its name.

    async def _call(self, phase: str, function: Callable[..., Any], **given: Any) -> Any:
        """Call the client, for no longer than there is time."""
        left = self._deadline - self._pace.now()
        if left <= 0:
            raise ProviderFailed("provision_timeout", f"no time was left to {phase}")
        try:
            return await within(self._pace, left, aside(function, **given))
        except Late:
            raise ProviderFailed("provision_timeout", f"{phase}: no answer in time") from None
        except Exception as error:  # noqa: BLE001 - of a library that has many
            raise failure_of(error) from None

    def _late(
        self, word: str, known: str, phase: str, status: Any, harness: Mapping[str, Any]
    ) -> ProviderFailed:
        facts = {
            "harness_id": known,
            "phase": phase,
            "last_status": status,
            "elapsed_ms": round((self._pace.now() - self._begun) * 1000),
            "polls": self._polls,
        }
        why = harness.get("failureReason")
        return ProviderFailed((word, facts), f"{status}: {why}" if why else str(status))


def _harness(spec: AgentSpec) -> dict[str, Any]:
    details = dict(spec.details)
    tools = [*details.pop("tools", ()), *inline_functions(spec)]
    if spec.model is not None:
        details.setdefault("model", {"bedrockModelConfig": {"modelId": spec.model}})
    system = spec.instructions()
    if system:
        details["systemPrompt"] = [{"text": system}]
    if tools:
        details["tools"] = tools
    if spec.environment is not None:
        details.update(spec.environment.config)
    return details


def inline_functions(spec: Any) -> list[dict[str, Any]]:
    """Return the tools of a spec, or of options, that we run, as this wire has them."""
    return [
        {
            "type": "inline_function",
            "name": tool.name,
            "config": {
                "inlineFunction": {
                    "description": tool.description or tool.name,
                    "inputSchema": dict(tool.input_schema),
                }
            },
        }
        for tool in spec.tools
    ]


def _harness_of(answer: Any) -> Mapping[str, Any]:
    harness = answer.get("harness") if isinstance(answer, Mapping) else None
    if not isinstance(harness, Mapping):
        raise ProviderFailed("malformed_harness", "an answer without a harness")
    return harness


def _text(harness: Mapping[str, Any], name: str) -> str:
    value = harness.get(name)
    if not isinstance(value, str) or not value:
        raise ProviderFailed("malformed_harness", f"a harness without {name}")
    return value
