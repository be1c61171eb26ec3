"""`Provisioner`: what conversations need at a provider, made once for each content.

    >>> import asyncio
    >>> from beam.providers.provision_spec import AgentSpec
    >>> class Remote:
    ...     name = "remote"
    ...     async def provision(self, spec, options):
    ...         print("made")
    ...         return Handle("remote", "agent_1")
    >>> async def twice():
    ...     provisioner = Provisioner()
    ...     spec = AgentSpec("reviewer")
    ...     await provisioner.ensure(Remote(), spec)
    ...     return (await provisioner.ensure(Remote(), spec)).agent_id
    >>> asyncio.run(twice())
    made
    'agent_1'

An agent's name at the provider is a base and a digest of its content, so what was provisioned
before is found there even if its note is lost. A *tag* is a movable word for one content of a base:
`reviewer:stable`. `prune` removes old contents, never a tagged one.

One provisioner for each store; used on one event loop at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from beam import telemetry
from beam.errors import InvalidOption, NotSupported, ProviderFailed
from beam.providers.failures import word_for
from beam.providers.pace import Pace
from beam.providers.provision_names import base_of
from beam.providers.provision_spec import AgentSpec, checked
from beam.providers.provision_store import HandleStore, MemoryHandles
from beam.providers.values import Handle

__all__ = ["Found", "Provisioner", "Provisions"]


@dataclass(frozen=True, slots=True)
class Found:
    """An agent that is there at a provider.

    Attributes:
        name: its whole name.
        made_at: when it was made, in words that sort by time.
        handle: how to reach it.
    """

    name: str
    made_at: str
    handle: Handle


class Provisions(Protocol):
    """What the provisioner needs of a provider; see `beam.providers.provider`.

    To be pruned it also has `base(name)`, the base as it stands in the provider's names, and
    `provisioned(options)`, a coroutine that returns a `Found` for each agent that is there.
    """

    @property
    def name(self) -> str:
        """What the provider is called."""

    async def provision(self, spec: Any, options: Mapping[str, Any]) -> Handle:
        """Make it, or find what was made before."""

    async def teardown(self, handle: Handle, options: Mapping[str, Any]) -> None:
        """Remove it."""


class Provisioner:
    """See the module.

    Args:
        store: where it notes what it has made; in memory unless given.
    """

    def __init__(self, store: HandleStore | None = None) -> None:
        self._store: HandleStore = MemoryHandles() if store is None else store
        # For each content that is being made: who makes it, and how many wait for that.
        self._making: dict[str, tuple[asyncio.Lock, int]] = {}

    async def ensure(
        self, provider: Any, spec: AgentSpec, options: Mapping[str, Any] | None = None
    ) -> Handle:
        """Return what a spec comes to at a provider; make it the first time.

        Who asks for the same while it is made waits for it. A failure is not remembered.

        Raises:
            InvalidOption: the spec is none.
            ProviderFailed: it could not be made; in the provider's words.
        """
        digest = checked(spec).digest(provider.name)
        key = _key(provider.name, spec.name, digest)
        async with self._alone(key):
            known = _handle(self._store.get(key), provider.name)
            if known is None:
                known = await _provisioned(provider, spec, digest, dict(options or {}))
                self._store.put(key, asdict(known))
            return known

    @contextlib.asynccontextmanager
    async def _alone(self, key: str) -> AsyncIterator[None]:
        lock, users = self._making.get(key) or (asyncio.Lock(), 0)
        self._making[key] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._making.pop(key)
            if users > 1:
                self._making[key] = (lock, users - 1)

    async def teardown(
        self, provider: Any, handle: Handle, options: Mapping[str, Any] | None = None
    ) -> None:
        """Remove what was made; its note goes when it is gone.

        Raises:
            ProviderFailed: it could not be removed, or not all of it; the note stays.
        """
        await provider.teardown(handle, dict(options or {}))
        for key, note in self._store.items():
            known = _handle(note, provider.name)
            if known is not None and known.agent_id == handle.agent_id:
                self._store.delete(key)

    # Tags

    def tag(self, provider: Any, spec: AgentSpec, tag: Any) -> str:
        """Let a tag mean the content of a spec, whatever it meant before.

        Returns:
            `"base:tag"`, for `resolve`.

        Raises:
            InvalidOption: the tag is no word.
        """
        digest = checked(spec).digest(provider.name)
        if not isinstance(tag, str) or not tag or ":" in tag:
            raise InvalidOption("tag", tag, "a word without a colon")
        self._store.put(_tag_key(provider.name, spec.name, tag), {"digest": digest})
        return f"{spec.name}:{tag}"

    def resolve(self, provider: Any, reference: str) -> Handle:
        """Return the handle of what a tag means.

        Args:
            provider: where it is.
            reference: `"base:tag"`.

        Raises:
            InvalidOption: there is no colon in it.
            ProviderFailed: `unknown_tag`; `("untracked_digest", digest)`: what the tag means was
                never made here, or has been removed.
        """
        base, colon, tag = str(reference).rpartition(":")
        if not colon or not base or not tag:
            raise InvalidOption("reference", reference, "base:tag")
        note = self._store.get(_tag_key(provider.name, base, tag))
        digest = note.get("digest") if isinstance(note, Mapping) else None
        if not isinstance(digest, str):
            raise ProviderFailed("unknown_tag", str(reference))
        found = _handle(self._store.get(_key(provider.name, base, digest)), provider.name)
        if found is None:
            raise ProviderFailed(("untracked_digest", digest), str(reference))
        return found

    # Cleaning up

    async def prune(
        self,
        provider: Any,
        base: str,
        *,
        keep: Any = None,
        options: Mapping[str, Any] | None = None,
    ) -> list[str]:
        """Remove the older contents of a base at a provider.

        Args:
            provider: where.
            base: the name of the spec.
            keep: how many of those without a tag are left, the newest; must be said.
            options: for the provider.

        Returns:
            The names of those that were removed, the oldest first.

        Raises:
            InvalidOption: `keep_required`, or it is no number from 0.
            NotSupported: the provider cannot say what is there.
            ProviderFailed: `("partial", removed, failed)`, lists of names.
        """
        if keep is None:
            raise InvalidOption("keep", keep, "how many are kept", "keep_required")
        if isinstance(keep, bool) or not isinstance(keep, int) or keep < 0:
            raise InvalidOption("keep", keep, "a number, 0 or more")
        given = dict(options or {})
        removed: list[str] = []
        failed: list[str] = []
        for one in (await self._prunable(provider, base, given))[: -keep or None]:
            try:
                await self.teardown(provider, self._whole(provider.name, one), given)
                removed.append(one.name)
            except ProviderFailed:
                failed.append(one.name)
        if failed:
            raise ProviderFailed(("partial", removed, failed), "not all could be removed")
        return removed

    async def _prunable(
        self, provider: Any, base: str, options: Mapping[str, Any]
    ) -> Sequence[Found]:
        listing = getattr(provider, "provisioned", None)
        if listing is None:
            raise NotSupported("prune", provider=provider.name)
        known = provider.base(base)
        prefix = _tag_key(provider.name, base, "")
        tagged = {
            f"{known}_{note.get('digest')}"
            for key, note in self._store.items()
            if key.startswith(prefix) and isinstance(note, Mapping)
        }
        there = [
            one
            for one in await listing(options)
            if base_of(one.name) == known and one.name not in tagged
        ]
        return sorted(there, key=lambda one: (one.made_at, one.name))

    def _whole(self, provider: str, found: Found) -> Handle:
        """Return the handle with all that belongs to the agent, as it was noted; if it was."""
        for _, note in self._store.items():  # noqa: PERF102 - it is no dict
            known = _handle(note, provider)
            if known is not None and known.agent_id == found.handle.agent_id:
                return known
        return found.handle


async def _provisioned(
    provider: Any, spec: AgentSpec, digest: str, options: dict[str, Any]
) -> Handle:
    """Have it made, and telemetry told of that."""
    pace = options.get("pace") or Pace()
    about = {"provider": provider.name, "name": spec.name, "digest": digest}
    event, began = ("provider", "provision"), pace.now()
    telemetry.emit((*event, "start"), {"system_time": pace.time()}, about)
    try:
        made: Handle = await provider.provision(spec, options)
    except BaseException as error:
        told = {**about, "reason": word_for(error)}
        telemetry.emit((*event, "exception"), {"duration": pace.now() - began}, told)
        raise
    told = {**about, "agent_id": made.agent_id}
    telemetry.emit((*event, "stop"), {"duration": pace.now() - began}, told)
    return made


def _key(provider: str, base: str, digest: str) -> str:
    return f"agent {provider} {base} {digest}"


def _tag_key(provider: str, base: str, tag: str) -> str:
    return f"tag {provider} {base}:{tag}"


def _handle(note: Any, provider: str) -> Handle | None:
    """Return the handle that a note is of; None for a note of another shape."""
    with contextlib.suppress(TypeError):
        handle = Handle(**note)
        shape = (handle.agent_id, handle.environment_id or "", handle.provider)
        if handle.provider == provider and handle.agent_id and isinstance(handle.details, Mapping):
            return handle if all(isinstance(one, str) for one in shape) else None
    return None
