"""What a callable is: how it is called, and in what form it answers.

    >>> def review(prompt, query):
    ...     yield "Looking..."
    >>> form = FunctionForm.of(review)
    >>> form.kind, form.wants_query, form.is_async
    ('generator', True, False)
    >>> FunctionForm.of(lambda: "no prompt")
    Traceback (most recent call last):
    ...
    beam.errors.InvalidInput: callable: expected a function of (prompt[, query]), got '<lambda>'

A function gets the prompt as its first argument, and, if it has a parameter of the name `query`
after that, the query with all that belongs to it (`function_query`).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from beam.errors import InvalidInput

__all__ = ["FunctionForm"]

Kind = Literal["plain", "generator", "coroutine", "async_generator"]

QUERY = "query"
EXPECTED = "a function of (prompt[, query])"


@dataclass(frozen=True, slots=True)
class FunctionForm:
    """A callable that can be an agent.

    Attributes:
        function: the callable.
        kind: what a call of it gives.
        wants_query: whether it is given the query.
        name: what it is called in reports and to the session.
    """

    function: Callable[..., Any]
    kind: Kind
    wants_query: bool
    name: str

    @classmethod
    def of(cls, function: object) -> FunctionForm:
        """Look at a callable.

        Raises:
            InvalidInput: it is none, or it cannot be called with a prompt.
        """
        name = _name(function)
        if not callable(function):
            raise InvalidInput("callable", name, EXPECTED)
        return cls(function, _kind(function), _wants_query(function, name), name)

    @property
    def is_async(self) -> bool:
        """Whether it runs on an event loop."""
        return self.kind in ("coroutine", "async_generator")

    def call(self, prompt: str, query: object) -> Any:
        """Call it."""
        return self.function(prompt, query=query) if self.wants_query else self.function(prompt)


def _name(function: object) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return str(name)[:200]


def _kind(function: Callable[..., Any]) -> Kind:
    # An instance is what its `__call__` is.
    called: Any = function
    while isinstance(called, functools.partial):
        called = called.func
    if not (inspect.isroutine(called) or inspect.isclass(called)):
        called = type(called).__call__
    if inspect.isasyncgenfunction(called):
        return "async_generator"
    if inspect.iscoroutinefunction(called):
        return "coroutine"
    return "generator" if inspect.isgeneratorfunction(called) else "plain"


def _wants_query(function: Callable[..., Any], name: str) -> bool:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return False  # One in C that does not say; it is given the prompt.
    first = next(iter(signature.parameters), None)
    parameter = signature.parameters.get(QUERY)
    named = parameter is not None and parameter.kind not in (
        *(inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD),
    )
    wants = named and first != QUERY
    try:
        signature.bind("", **({QUERY: None} if wants else {}))
    except TypeError:
        raise InvalidInput("callable", name, EXPECTED) from None
    return wants
