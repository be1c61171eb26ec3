"""Artifacts: the files of a conversation that runs on someone else's server.

    >>> checked_name("report-2.csv")
    'report-2.csv'
    >>> try:
    ...     checked_name("../report.csv")
    ... except InvalidInput as error:
    ...     error.field
    'name'

A provider that has them has `artifacts(session_id)`, which returns an `Artifacts`: what the agent
made and what it was given, by name. A name may be there more than once, since an agent that works
again writes again; then `list` has all of them, and `fetch` and `delete` mean the newest. What an
agent calls a file is the agent's choice: not to be taken for a path here.
"""

from __future__ import annotations

import re
from typing import Any, Final, Protocol

from beam.errors import InvalidInput
from beam.providers.values import Artifact

__all__ = ["LIMIT", "Artifacts", "checked_content", "checked_limit", "checked_name"]

LIMIT: Final = 256 * 2**20
"""The most bytes that `fetch` reads unless it is told otherwise."""

_NAME = re.compile(r"[A-Za-z0-9._-]{1,255}")


class Artifacts(Protocol):
    """The files of one conversation; its operations run on the caller's event loop."""

    async def list(self) -> tuple[Artifact, ...]:
        """Return all files, the newest first.

        Raises:
            ProviderFailed: they could not be listed.
        """
        ...

    async def fetch(self, name: str, *, limit: int = LIMIT) -> bytes:
        """Return the content of the newest file of a name.

        Args:
            name: the file.
            limit: the most bytes that it may have.

        Raises:
            NotFound: there is none of that name.
            InvalidInput: an argument is not what it must be.
            ProviderFailed: `("artifact_too_large", limit)`; it could not be fetched.
        """
        ...

    async def put(self, name: str, content: bytes) -> Artifact:
        """Give the agent a file.

        Args:
            name: 1 to 255 letters, digits and `. _ -`, not only dots.
            content: what is in it.

        Raises:
            InvalidInput: an argument is not what it must be; nothing was sent.
            ProviderFailed: it could not be given.
        """
        ...

    async def delete(self, name: str) -> None:
        """Delete the newest file of a name.

        Raises:
            NotFound: there is none of that name.
            InvalidInput: the name is none.
            ProviderFailed: it could not be deleted.
        """
        ...


def checked_name(name: Any) -> str:
    """Return a name that is safe in a path, a header and a shell.

    Raises:
        InvalidInput: it is not.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name) or not name.strip("."):
        raise InvalidInput("name", name, "1 to 255 letters, digits and . _ -, not only dots")
    return name


def checked_content(content: Any) -> bytes:
    """Return what a file shall have.

    Raises:
        InvalidInput: it is no bytes.
    """
    if not isinstance(content, bytes | bytearray | memoryview):
        raise InvalidInput("content", type(content).__name__, "bytes")
    return bytes(content)


def checked_limit(limit: Any) -> int:
    """Return how many bytes a file may have.

    Raises:
        InvalidInput: it is no number from 1.
    """
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise InvalidInput("limit", limit, "a number of bytes, 1 or more")
    return limit
