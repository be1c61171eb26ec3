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

import inspect
from typing import TYPE_CHECKING, Any

from beam.backends.host_lines import HostTool, tool_content
from beam.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pydantic import TypeAdapter, ValidationError

__all__ = ["Toolbox"]


class Toolbox:
    """The tools of one session.

    Args:
        functions: plain functions whose parameters have types; names must differ.

    Raises:
        InvalidInput: one is no plain function, or its parameters cannot be described as JSON.
    """

    def __init__(self, functions: Iterable[Callable[..., Any]]) -> None:
        self._adapters: dict[str, TypeAdapter[Any]] = {}
        self._offers: list[HostTool] = []
        for function in functions:
            self._add(function)

    def _add(self, function: Any) -> None:
        from pydantic import TypeAdapter  # noqa: PLC0415 - not for sessions without tools

        name = getattr(function, "__name__", "")
        if not callable(function) or not name or inspect.iscoroutinefunction(function):
            raise InvalidInput("tools", function, "plain functions with names")
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
            return tool_content(adapter.validate_python(ArgsKwargs((), dict(arguments)))), False
        except ValidationError as error:
            return _told(name, error), True
        except Exception as error:  # noqa: BLE001 - the user's tool; its failure is the answer
            return f"{type(error).__name__}: {error}", True


def _told(name: str, error: ValidationError) -> str:
    """Say what was wrong with the arguments, without pydantic's links."""
    wrong = (f"{'.'.join(map(str, one['loc'])) or name}: {one['msg']}" for one in error.errors())
    return f"{name} was called wrongly: {'; '.join(wrong)}"
