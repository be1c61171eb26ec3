"""Coroutine twins of blocking functions: same name, same signature, under `.aio`."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import TYPE_CHECKING, Any

from beam.otp.context import here
from beam.otp.future import Future

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine

__all__ = ["Aio", "AioStarts", "aside"]


async def aside(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Run a blocking function beside the event loop, and return what it does.

    It runs on a thread of its own, with the caller's context variables; what it starts has the
    process for its parent that awaits it. Cancelling the task abandons the wait, not the work. (Not
    asyncio's pool of threads: it has few, so that a function which waits for what another does may
    wait for ever; and the interpreter does not exit before they end.)
    """
    future: Future[Any] = Future()
    starter, context = here.control, contextvars.copy_context()

    def run() -> None:
        here.starter = starter
        try:
            value = context.run(function, *args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - raised where it is awaited
            future.settle(error, failed=True)
        else:
            future.settle(value)

    name = f"aio-{getattr(function, '__name__', 'function')}"
    threading.Thread(target=run, name=name, daemon=True).start()
    await asyncio.sleep(0)  # The loop gets its turn, however quick the function is.
    return await future


class Aio:
    """The coroutine twins of an object's blocking functions; see `aside`.

    Args:
        target: whose functions.
        names: which of them.
    """

    __slots__ = ("_names", "_target")

    def __init__(self, target: Any, names: Collection[str]) -> None:
        self._target = target
        self._names = names

    def __dir__(self) -> list[str]:
        return sorted(self._names)

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        if name not in self._names:
            raise AttributeError(f"{self._target!r} has no coroutine twin {name!r}")
        function = getattr(self._target, name)

        async def twin(*args: Any, **kwargs: Any) -> Any:
            return await aside(function, *args, **kwargs)

        twin.__name__ = name
        twin.__doc__ = function.__doc__
        return twin


class AioStarts:
    """Gives a process class its `aio`: the twins of its ways to start."""

    def __get__(self, instance: object, kind: type) -> Aio:
        return Aio(kind, ("start", "start_link", "start_monitor"))
