"""What the providers of model servers share: a client of an official library, and its failures."""

from __future__ import annotations

import abc
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, cast

from beam.backends.line_limits import whole_characters
from beam.errors import InvalidInput, ProviderFailed
from beam.model.exit_reasons import ExitReason
from beam.model.masking import redact_text
from beam.otp.aio import aside
from beam.providers.clients import Access, Clients, sdk
from beam.providers.failures import check_wait, failed_as, retrying
from beam.providers.held import HeldConn, HeldProvider, Reply, Say
from beam.providers.provider import OpenOptions

__all__ = ["ServedProvider"]

SHOWN = 500
"""How much of what makes no sense is told, in characters."""


@dataclass(frozen=True)
class ServedProvider(HeldProvider):
    """A model server, by an official client.

    Attributes:
        model: what it is asked for, if the conversation does not name one.
        access: how to reach it.
        params: what else each request says (temperature, ...), as the server has it.
        timeout: seconds that the server may be silent.
        retry_wait: the seconds before a poll is tried again, doubled each time.
    """

    client_module: ClassVar[str]
    extra: ClassVar[str]
    client_class: ClassVar[str]

    model: str
    access: Access
    params: Mapping[str, Any] = field(default_factory=dict)
    timeout: float = 600.0
    retry_wait: float = 1.0
    clients: Clients = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        model, params = cast("Any", (self.model, self.params))
        if not isinstance(model, str) or not model:
            raise InvalidInput("model", model, "the name of a model")
        if not isinstance(params, Mapping):
            raise InvalidInput("params", params, "a mapping")
        timeout: Any = self.timeout
        number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
        if not number or not 0 < timeout < math.inf:
            raise InvalidInput("timeout", timeout, "a number of seconds, more than 0")
        check_wait(self.retry_wait)
        object.__setattr__(self, "clients", Clients(self._client))

    def check(self, options: OpenOptions) -> None:
        """Refuse to begin without the client library, without a key, or with unknown options.

        Raises:
            InvalidInput: naming what is missing, or wrong.
        """
        sdk(self.client_module, self.extra)
        self.access.check(options.model_config)
        super().check(options)

    async def open(self, options: OpenOptions) -> HeldConn:
        """Begin a conversation, with a client."""
        access = self.access
        if access.secret_file is None:
            key = access.key(options.model_config)
        else:
            key = await aside(access.key, options.model_config)
        client = self.clients.take(key, access.url(options.model_config))
        return replace(await super().open(options), client=client, secrets=(key,))

    async def close(self, conn: HeldConn) -> None:
        """Let go of the client."""
        await self.clients.give_back(conn.client)

    async def request(self, conn: HeldConn, say: Say) -> Reply:
        """Ask the server, and again if that may help and nothing was said yet."""
        said = False

        async def heard(text: str, thinking: str = "") -> None:
            nonlocal said
            said = True
            await say(text, thinking)

        async def attempt() -> Reply:
            try:
                reply: Reply = whole_characters(await self.ask(conn, heard))
                return reply
            except ProviderFailed:
                raise
            except Exception as error:  # noqa: BLE001 - of a library that has many
                raise failed_as(error, conn.secrets) from None

        return await retrying(
            conn.options.pace, attempt, wait=self.retry_wait, may_retry=lambda: not said
        )

    def senseless(
        self, conn: HeldConn, said: str, error: BaseException | None = None
    ) -> ProviderFailed:
        """Return the failure of a server that says what makes no sense.

        Args:
            conn: the conversation, whose secrets it may repeat.
            said: what it said, of which the beginning is told.
            error: what that led to.
        """
        told = redact_text(said[:SHOWN], conn.secrets)
        detail = str(told) if error is None else f"{type(error).__name__}: {error}"
        return ProviderFailed((self.malformed, told), detail, ExitReason("protocol", detail=detail))

    @abc.abstractmethod
    async def ask(self, conn: HeldConn, say: Say) -> Reply:
        """Ask the server once, with `conn.client`; raises what its library raises."""

    def model_of(self, conn: HeldConn) -> str:
        """Return the model to ask for."""
        return conn.options.model or self.model

    def saying(self, **grows: Any) -> dict[str, Any]:
        """Return what else a call of the client is given: `params`, and what grows with the turns.

        The libraries walk through all that a request says, by the annotations of its types: up to
        a millisecond for each message, on the thread that all sessions share. What is in the
        server's own shape already goes past that, as their `extra_body`.
        """
        extra = self.params.get("extra_body") or {}
        return {**self.params, "extra_body": {**grows, **extra}}

    def _client(self, key: str, url: str | None) -> Any:
        made = getattr(sdk(self.client_module, self.extra), self.client_class)
        return made(api_key=key, base_url=url, timeout=self.timeout, max_retries=0)
