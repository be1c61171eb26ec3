"""Tools: Python functions that an agent may call, by name, with checked arguments.

    >>> def add(a: int, b: int = 0) -> int:
    ...     "Add two numbers."
    ...     return a + b
    >>> tools = Toolbox([add])
    >>> [(offer.name, offer.description) for offer in tools.offers()]
    [('add', 'Add two numbers.')]
    >>> tools.call("add", {"a": 2, "b": 3})
    ('5', False)
    >>> tools.call("add", {"a": "two"})[1], tools.call("subtract", {})
    (True, ('there is no tool named subtract; there are: add', True))

A failure is data: the agent is told what was wrong, and goes on.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

from beam.backends.host_lines import HostTool, tool_content
from beam.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pydantic import TypeAdapter, ValidationError

__all__ = ["Toolbox", "in_words"]


class Toolbox:
    """The tools of one session.

    Args:
        functions: functions whose parameters have types; names must differ. One that is `async`
            has an event loop of its own for each call.

    Raises:
        InvalidInput: one is no function with a name, or its parameters cannot be described as JSON.
    """

    def __init__(self, functions: Iterable[Callable[..., Any]]) -> None:
        self._adapters: dict[str, TypeAdapter[Any]] = {}
        self._offers: list[HostTool] = []
        for function in functions:
            self._add(function)

    def _add(self, function: Any) -> None:
        from pydantic import TypeAdapter  # noqa: PLC0415 - not for sessions without tools

        name = getattr(function, "__name__", "")
        if not callable(function) or not name:
            raise InvalidInput("tools", function, "functions with names")
        if name in self._adapters:
            raise InvalidInput("tools", name, "functions with different names")
        try:
            adapter: TypeAdapter[Any] = TypeAdapter(function)
            schema = adapter.json_schema()
        except Exception as error:
            raise InvalidInput(
                "tools", name, f"a function with types that JSON can carry ({error})"
            ) from error
        self._adapters[name] = adapter
        self._offers.append(HostTool(name, inspect.getdoc(function) or "", schema))

    def __contains__(self, name: object) -> bool:
        return name in self._adapters

    def offers(self) -> tuple[HostTool, ...]:
        """Return the tools as an agent is told of them."""
        return tuple(self._offers)

    def call(self, name: str, arguments: Mapping[str, Any]) -> tuple[str, bool]:
        """Call a tool; run on a thread of its own, by a task of the session.

        Returns:
            The content for the agent, and whether it is an error.
        """
        from pydantic import ValidationError  # noqa: PLC0415 - as above
        from pydantic_core import ArgsKwargs  # noqa: PLC0415

        adapter = self._adapters.get(name)
        if adapter is None:
            known = ", ".join(self._adapters) or "none"
            return f"there is no tool named {name}; there are: {known}", True
        try:
            value = adapter.validate_python(ArgsKwargs((), dict(arguments)))
            if inspect.iscoroutine(value):
                value = asyncio.run(value)
            return tool_content(value), False
        except ValidationError as error:
            return _told(name, error), True
        except Exception as error:  # noqa: BLE001 - the user's tool; its failure is the answer
            return in_words(error), True


def in_words(error: BaseException) -> str:
    """Return what the agent is told of an exception of the user's, which may fail to say it."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - the user's `__str__`
        return type(error).__name__


def _told(name: str, error: ValidationError) -> str:
    """Say what was wrong with the arguments, without pydantic's links."""
    wrong = (f"{'.'.join(map(str, one['loc'])) or name}: {one['msg']}" for one in error.errors())
    return f"{name} was called wrongly: {'; '.join(wrong)}"
