"""The clients of a provider: one for each event loop, shared by the conversations there.

A client has a pool of connections and belongs to the event loop that it is used on. It is made for
the first conversation and closed with the last, so that nothing is left open.
"""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from beam.backends.credentials import check_secret_file, read_secrets
from beam.errors import InvalidInput

__all__ = ["Access", "Clients", "sdk"]


def sdk(module: str, extra: str) -> Any:
    """Return a client library, imported when it is needed.

    Raises:
        InvalidInput: it is not installed; says which extra has it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        expected = f"the extra {extra!r} to be installed (pip install 'beam-fleet[{extra}]')"
        raise InvalidInput("provider", module, expected) from error


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a model server; what is secret in it is in no repr.

    Attributes:
        key_name: the environment variable with the key, and its name in a secret file.
        secret_file: a file with the key, in the variable's place.
        base_url: where the server is; None for the library's own choice.
        default_key: for servers that ask for none.
    """

    key_name: str
    secret_file: str | os.PathLike[str] | None = None
    base_url: str | None = None
    default_key: str | None = None

    def check(self, model_config: Mapping[str, Any]) -> None:
        """Refuse to begin without a key, or with a URL that is none.

        Raises:
            InvalidInput: there is none, or its file cannot be used; the URL is no text.
        """
        check_secret_file(self.secret_file, bare=self.key_name)
        self.key(model_config)
        self.url(model_config)

    def key(self, model_config: Mapping[str, Any]) -> str:
        """Return the key: the caller's, the file's, or the environment's. Blocks for a file.

        One that is given counts, also if it is empty: it is refused then, and none is looked for
        elsewhere, where there may be another account's.

        Raises:
            InvalidInput: there is none.
        """
        key = next((one for one in self._keys(model_config) if one is not None), None)
        if not isinstance(key, str) or not key:
            raise InvalidInput("api_key", None, f"a key in the environment as {self.key_name}")
        return key

    def url(self, model_config: Mapping[str, Any]) -> str | None:
        """Return where the server is.

        Raises:
            InvalidInput: the caller's is no text.
        """
        given = model_config.get("base_url")
        url: Any = self.base_url if given is None else given
        if url is not None and (not isinstance(url, str) or not url):
            raise InvalidInput("base_url", url, "a URL, or None")
        return url

    def _keys(self, model_config: Mapping[str, Any]) -> Iterator[Any]:
        """Yield the keys by their rank; the first that is there counts, whatever it is."""
        yield model_config.get("api_key")
        if self.secret_file is not None:
            yield read_secrets(self.secret_file, bare=self.key_name).get(self.key_name)
        # A variable without a value is none, as it is for a shell's `${NAME:-...}`.
        yield os.environ.get(self.key_name) or None
        yield self.default_key


class Clients:
    """The clients that are open; see the module.

    Args:
        make: makes one, of a key and a URL.
    """

    def __init__(self, make: Callable[[str, str | None], Any]) -> None:
        self._make = make
        # Bounded by the conversations that are open.
        self._open: dict[tuple[Any, str, str | None], tuple[Any, int]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def take(self, key: str, url: str | None) -> Any:
        """Return the client for this event loop; to be given back."""
        name = (asyncio.get_running_loop(), key, url)
        client, users = self._open.get(name, (None, 0))
        if client is None:
            client = self._make(key, url)
        self._open[name] = (client, users + 1)
        return client

    async def give_back(self, client: Any) -> None:
        """Let go of a client; the last one to do so closes it."""
        for name, (each, users) in list(self._open.items()):
            if each is not client:
                continue
            if users > 1:
                self._open[name] = (each, users - 1)
                return
            del self._open[name]
            close: Callable[[], Awaitable[None]] = client.close
            await close()
            return
