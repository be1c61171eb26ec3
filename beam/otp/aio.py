"""Coroutine twins of blocking functions: same name, same signature, under `.aio`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine

__all__ = ["Aio", "AioStarts"]


class Aio:
    """The coroutine twins of an object's blocking functions.

    Each runs the function on a thread, with the caller's context variables; cancelling the task
    abandons the wait, not the work.

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
            return await asyncio.to_thread(function, *args, **kwargs)

        twin.__name__ = name
        twin.__doc__ = function.__doc__
        return twin


class AioStarts:
    """Gives a process class its `aio`: the twins of its ways to start."""

    def __get__(self, instance: object, kind: type) -> Aio:
        return Aio(kind, ("start", "start_link", "start_monitor"))
