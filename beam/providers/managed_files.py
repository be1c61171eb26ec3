"""The files of a session of Claude's Managed Agents, by the official client's Files API.

What an agent writes to `session/outputs/`, below `/mnt`, becomes a file of its session; so its
system prompt should name that folder. What is put is uploaded, and mounted in the session for
reading: the session has a copy, which is the artifact. The upload itself stays in the workspace,
in the `raw` of what `put` returns, until it expires (`expires_in`) or is deleted there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from beam.errors import InvalidInput, NotFound, ProviderFailed
from beam.providers.artifacts import LIMIT, checked_content, checked_limit, checked_name
from beam.providers.failures import failed_as, retrying
from beam.providers.pace import Pace
from beam.providers.values import Artifact

__all__ = ["ManagedFiles"]

_BETA: Final = "managed-agents-2026-04-01"
_PAGE: Final = 1000
# Pages of a list: a server that never ends one is wrong.
_MOST_PAGES: Final = 10_000
_GONE: Final = ("status", 404)
_SOONEST, _LATEST = 3600, 7_776_000
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class ManagedFiles:
    """The files of one session; see the module, and `beam.providers.artifacts.Artifacts`.

    Args:
        reach: opens the official client, for one operation.
        session_id: the session.
        pace: the time to go by.
    """

    def __init__(
        self,
        reach: Callable[[], AbstractAsyncContextManager[Any]],
        session_id: str,
        pace: Pace,
    ) -> None:
        self._reach = reach
        self._session_id = session_id
        self._pace = pace

    async def list(self) -> tuple[Artifact, ...]:
        """Return all files, the newest first.

        Raises:
            ProviderFailed: they could not be listed; `malformed_list`.
        """
        async with self._reach() as client:
            return await self._all(client)

    async def fetch(self, name: str, *, limit: int = LIMIT) -> bytes:
        """Return the content of the newest file of a name.

        Args:
            name: the file.
            limit: the most bytes that it may have.

        Raises:
            NotFound: there is none of that name, or it is gone by now.
            InvalidInput: an argument is not what it must be.
            ProviderFailed: `("artifact_too_large", limit)`; `not_downloadable`: the server gives
                back what an agent has made, not what was uploaded; it could not be fetched.
        """
        known, most = _text("name", name), checked_limit(limit)
        async with self._reach() as client:
            newest = await self._newest(client, known)
            if newest.raw.get("downloadable") is False:
                raise ProviderFailed("not_downloadable", known)
            if newest.size > most:
                raise _too_large(most)
            try:
                return await retrying(self._pace, partial(_content, client, newest.ref, most))
            except ProviderFailed as failure:
                self._refuse_gone(failure, known)
                raise

    async def put(
        self,
        name: str,
        content: bytes,
        *,
        mount_path: str | None = None,
        expires_in: int | None = None,
    ) -> Artifact:
        """Upload a file and mount it in the session; the agent can read it, not change it.

        Args:
            name: 1 to 255 letters, digits and `. _ -`, not only dots.
            content: what is in it.
            mount_path: where the agent shall find it, from `/`; `/NAME` unless given. What the
                server made of it is in the `raw` of what is returned.
            expires_in: the seconds until the upload is gone, 3,600 to 7,776,000; None for never.

        Returns:
            The session's copy. Its `raw` has `resource` and `uploaded`, as the server told them.

        Raises:
            InvalidInput: an argument is not what it must be; nothing was sent.
            ProviderFailed: `("upload_failed", reason)`; `("mount_failed", reason)`, and then the
                upload was deleted again.
        """
        given = (checked_name(name), checked_content(content))
        path = f"/{name}" if mount_path is None else _checked_path(mount_path)
        more = {} if expires_in is None else {"expires_in_seconds": _checked_expiry(expires_in)}
        async with self._reach() as client:
            try:
                uploaded = _raw(await client.beta.files.upload(file=given, **more))
            except Exception as error:  # noqa: BLE001 - of a library that has many
                raise _failed("upload_failed", error, client) from None
            resource = await self._mounted(client, _text_in(uploaded, "id"), path)
        raw = {"resource": resource, "uploaded": uploaded}
        return Artifact(name, len(given[1]), _text_in(resource, "file_id"), raw)

    async def delete(self, name: str) -> None:
        """Delete the newest file of a name; one that was put is taken out of the session, too.

        Raises:
            NotFound: there is none of that name, or it is gone by now.
            InvalidInput: the name is none.
            ProviderFailed: it could not be deleted.
        """
        known = _text("name", name)
        async with self._reach() as client:
            newest = await self._newest(client, known)
            mounted = await self._resource_of(client, newest.ref)
            try:
                if mounted is not None:
                    await self._unmounted(client, mounted)
                await client.beta.files.delete(newest.ref)
            except Exception as error:  # noqa: BLE001 - of a library that has many
                failure = failed_as(error, (client.api_key,))
                if mounted is not None and failure.reason == _GONE:
                    return  # It went with its place in the session.
                self._refuse_gone(failure, known)
                raise failure from None

    # Inside

    async def _all(self, client: Any) -> tuple[Artifact, ...]:
        pages = self._pages(
            client, client.beta.files.with_raw_response.list,
            scope_id=self._session_id, betas=[_BETA],
        )  # fmt: skip
        found = [one async for one in pages]
        # A sort keeps the order of what is equally old, and the server tells the newest first.
        found.sort(key=_made_at, reverse=True)
        return tuple(_artifact(one) for one in found)

    async def _newest(self, client: Any, name: str) -> Artifact:
        for one in await self._all(client):
            if one.name == name:
                return one
        raise self._not_found(name)

    async def _mounted(self, client: Any, file_id: str, path: str) -> Mapping[str, Any]:
        add = client.beta.sessions.resources.add
        try:
            return _raw(await add(self._session_id, file_id=file_id, type="file", mount_path=path))
        except BaseException as error:
            # Not hidden by what comes of it, and done although we may be cancelled.
            await asyncio.shield(_quietly_deleted(client, file_id))
            if not isinstance(error, Exception):
                raise
            raise _failed("mount_failed", error, client) from None

    async def _unmounted(self, client: Any, resource: str) -> None:
        try:
            await client.beta.sessions.resources.delete(resource, session_id=self._session_id)
        except Exception as error:  # noqa: BLE001 - of a library that has many
            failure = failed_as(error, (client.api_key,))
            if failure.reason != _GONE:
                raise failure from None

    async def _resource_of(self, client: Any, file_id: str) -> str | None:
        """Return the resource of the session by which it has a file; None if it has it so."""
        listing = client.beta.sessions.resources.with_raw_response.list
        async for one in self._pages(client, listing, self._session_id):
            if one.get("file_id") == file_id:
                return _text_in(one, "id")
        return None

    async def _pages(
        self, client: Any, listing: Callable[..., Any], *args: Any, **wanted: Any
    ) -> AsyncIterator[Mapping[str, Any]]:
        page: str | None = None
        for _ in range(_MOST_PAGES):
            more = {} if page is None else {"page": page}
            ask = partial(_page, client, listing, *args, limit=_PAGE, **wanted, **more)
            data, following = await retrying(self._pace, ask)
            for one in data:
                yield one
            if not following:
                return
            if not isinstance(following, str) or following == page:
                break
            page = following
        raise ProviderFailed("malformed_list", "its pages do not end")

    def _refuse_gone(self, failure: ProviderFailed, name: str) -> None:
        if failure.reason == _GONE:
            raise self._not_found(name) from None

    def _not_found(self, name: str) -> NotFound:
        return NotFound(name=name, session_id=self._session_id)


async def _page(
    client: Any, listing: Callable[..., Any], *args: Any, **wanted: Any
) -> tuple[list[Mapping[str, Any]], Any]:
    try:
        found = (await listing(*args, **wanted)).http_response.json()
    except Exception as error:  # noqa: BLE001 - of a library that has many
        raise failed_as(error, (client.api_key,)) from None
    data = found.get("data") if isinstance(found, Mapping) else None
    if not isinstance(data, list) or not all(isinstance(one, Mapping) for one in data):
        raise ProviderFailed("malformed_list", "an answer without a list of data")
    return data, found.get("next_page")


async def _content(client: Any, file_id: str, most: int) -> bytes:
    content = bytearray()
    try:
        async with client.beta.files.with_streaming_response.download(file_id) as response:
            async for chunk in response.iter_bytes():
                content += chunk
                if len(content) > most:
                    raise _too_large(most)
    except Exception as error:  # noqa: BLE001 - of a library that has many
        raise failed_as(error, (client.api_key,)) from None
    return bytes(content)


async def _quietly_deleted(client: Any, file_id: str) -> None:
    try:
        await client.beta.files.delete(file_id)
    except Exception:  # noqa: BLE001 - the cause is told; what is left has its name
        return


def _artifact(file: Mapping[str, Any]) -> Artifact:
    size = file.get("size_bytes")
    whole = isinstance(size, int) and not isinstance(size, bool)
    return Artifact(_text_in(file, "filename"), size if whole else 0, _text_in(file, "id"), file)  # type: ignore[arg-type]


def _made_at(file: Mapping[str, Any]) -> datetime:
    """Return when it was made; what cannot be read was long ago."""
    try:
        made_at = datetime.fromisoformat(str(file.get("created_at")))
    except ValueError:
        return _LONG_AGO
    return made_at if made_at.tzinfo else made_at.replace(tzinfo=UTC)


def _raw(answer: Any) -> Mapping[str, Any]:
    found: Mapping[str, Any] = answer.model_dump(mode="json")
    return found


def _text_in(answer: Mapping[str, Any], name: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise ProviderFailed("malformed_artifact", f"an answer without {name}")
    return value


def _text(field: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidInput(field, value, "a non-empty text")
    return value


def _checked_path(path: Any) -> str:
    known = _text("mount_path", path)
    if not known.startswith("/") or ".." in known.split("/") or not known.isprintable():
        raise InvalidInput("mount_path", path, "a path from /, without ..")
    return known


def _checked_expiry(seconds: Any) -> int:
    whole = isinstance(seconds, int) and not isinstance(seconds, bool)
    if not whole or not _SOONEST <= seconds <= _LATEST:
        raise InvalidInput("expires_in", seconds, f"{_SOONEST} to {_LATEST} seconds, or None")
    return int(seconds)


def _too_large(most: int) -> ProviderFailed:
    return ProviderFailed(("artifact_too_large", most), f"more than {most} bytes")


def _failed(word: str, error: Exception, client: Any) -> ProviderFailed:
    failure = failed_as(error, (client.api_key,))
    return ProviderFailed((word, failure.reason), failure.detail, failure.exit)
