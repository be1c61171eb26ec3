"""`local`: a plain chat function as a provider.

    >>> import beam
    >>> def model(request):
    ...     said = request["messages"][-1]["content"]
    ...     return {"choices": [{"message": {"content": said.upper()}, "finish_reason": "stop"}]}
    >>> beam.run(local(model), handler=print, prompt="hello").text
    'HELLO'

The function takes `{"model", "messages", "tools"}` and returns a reply in the shape of OpenAI's
chat completions; it may be `async`, else it runs on a thread. It says by `ProviderFailed(("status",
503))`, by an exception with a `status_code`, or by a `TimeoutError` or a `ConnectionError` that the
model did not answer. What may pass is tried again, three times; too many requests (429) are not.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from beam.errors import InvalidInput, ProviderFailed
from beam.model.exit_reasons import ExitReason
from beam.otp.aio import aside
from beam.providers.chat_dialect import ChatDialect, chat_tools
from beam.providers.failures import check_wait, failed_as, retrying
from beam.providers.held import Dialect, HeldConn, HeldProvider, Reply, Say
from beam.providers.loop_work import held

__all__ = ["LocalProvider", "local", "messages_of"]


@dataclass(frozen=True)
class LocalProvider(HeldProvider):
    """A chat function; `local` makes it.

    Attributes:
        chat_fun: the function.
        retry_wait: the seconds before a poll is tried again, doubled each time.
    """

    name: ClassVar[str] = "local"
    dialect: ClassVar[Dialect] = ChatDialect()
    guarded: ClassVar[bool] = True
    malformed: ClassVar[str] = "malformed_chat_response"

    chat_fun: Callable[[dict[str, Any]], Any]
    retry_wait: float = 1.0

    async def request(self, conn: HeldConn, say: Say) -> Reply:
        """Call the function, and again if that may help."""

        async def attempt() -> Any:
            try:
                return await self._called(conn)
            except Exception as error:
                failed = failed_as(error)
                if failed.reason == ("provider_error", type(error).__name__):
                    raise  # The function's own failure, which says more as it is.
                raise failed from error

        reply = await retrying(conn.options.pace, attempt, wait=self.retry_wait)
        if not isinstance(reply, Mapping):
            exit = ExitReason("protocol", detail=f"a reply of type {type(reply).__name__}")
            raise ProviderFailed((self.malformed, reply), exit.detail, exit)
        return reply

    async def _called(self, conn: HeldConn) -> Any:
        request = {
            "model": conn.options.model,
            "messages": messages_of(conn),
            "tools": chat_tools(conn.options.tools),
        }
        if inspect.iscoroutinefunction(self.chat_fun):
            return await held(self.chat_fun(request))
        reply = await aside(_held_back, self.chat_fun, request)
        # Not every function that is `async` looks so: a decorated one, or an object's `__call__`.
        return await held(reply) if inspect.isawaitable(reply) else reply


def local(
    chat_fun: Callable[[dict[str, Any]], Any], /, *, retry_wait: float = 1.0
) -> LocalProvider:
    """Return a provider that is a chat function.

    Args:
        chat_fun: see the module.
        retry_wait: the seconds before a poll is tried again, doubled each time.

    Raises:
        InvalidInput: it is no function, or the wait no number.
    """
    if not callable(chat_fun):
        raise InvalidInput("chat_fun", chat_fun, "a function of a request")
    check_wait(retry_wait)
    return LocalProvider(chat_fun, retry_wait)


def messages_of(conn: HeldConn) -> list[dict[str, Any]]:
    """Return what a chat server is told: the system prompt, and the conversation."""
    system = conn.options.system
    first = [{"role": "system", "content": system}] if system else []
    return [*first, *(dict(item) for item in conn.items)]


def _held_back(chat_fun: Callable[[dict[str, Any]], Any], request: dict[str, Any]) -> Any:
    try:
        return chat_fun(request)
    except Exception:
        raise
    except BaseException as error:
        # On its way through a loop's task it would end that loop.
        raise RuntimeError(f"{type(error).__name__}: {error}") from error
