"""Handlers: who runs an agent loop's tools, and is shown its events.

    >>> import asyncio
    >>> def handler(name, given, context):
    ...     return f"{name} of {given['city']}: {context['sky']}"
    >>> handling = Handling.of(handler, {"sky": "blue"})
    >>> use = ToolUse("call_1", "weather", {"city": "Oslo"})
    >>> asyncio.run(handling.call(use, SessionInfo("s-1", "echo")))
    ToolResult(tool_use_id='call_1', text='weather of Oslo: blue', is_error=False)

A handler is a function of `(name, input, context)` or `(name, input, context, info)`, or an object
(a module, too) with such a `handle_tool_call`, and with `handle_event(event, context)` or
`handle_event(event, context, info)` if it likes. Typed functions given as `tools` run themselves.
Any of them may be `async`; one that is not runs on a thread of its own, so it may block.

A tool returns text, or JSON data, or a `ToolResult`. What it raises is the model's to read, as is a
value that is none of these: a failure is data (`is_error`), never a crash.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from beam.backends.host_lines import tool_content
from beam.errors import InvalidInput, InvalidOption, ToolFailed
from beam.otp.aio import aside
from beam.providers.loop_work import given_up
from beam.providers.values import SessionInfo, Tool, ToolResult, ToolUse
from beam.sessions.tools import Toolbox, in_words

__all__ = ["Handling"]

MOST = 4
"""The arguments of a tool call: name, input, context, info."""


@dataclass(frozen=True, slots=True)
class Handling:
    """A handler, understood.

    Attributes:
        offers: the tools that the model is told of.
        tool: runs a tool, None if only typed functions do; takes `tool_arity` arguments.
        event: is shown events, None if nobody wants to; takes `event_arity` arguments.
        context: the caller's own, handed on.
    """

    offers: tuple[Tool, ...]
    toolbox: Toolbox
    tool: Callable[..., Any] | None
    tool_arity: int
    event: Callable[..., Any] | None
    event_arity: int
    context: Any

    @classmethod
    def of(cls, handler: Any, context: Any = None, tools: Iterable[Any] = ()) -> Handling:
        """Return it.

        Args:
            handler: see the module; None if the tools are functions.
            context: handed to the handler as it is.
            tools: `Tool`s that the handler runs, and typed functions.

        Raises:
            InvalidOption: the handler or a tool is none.
        """
        given = list(tools)
        functions = [each for each in given if not isinstance(each, Tool)]
        toolbox = _toolbox(functions)
        offers = tuple(_offers(given, toolbox))
        if handler is None and not functions:
            raise InvalidOption("handler", None, "a function, or an object with handle_tool_call")
        tool = getattr(handler, "handle_tool_call", handler)
        tool_arity = 0 if tool is None else _arity("handler", tool, (MOST, MOST - 1))
        event = getattr(handler, "handle_event", None)
        event_arity = 0 if event is None else _arity("handler", event, (3, 2))
        return cls(offers, toolbox, tool, tool_arity, event, event_arity, context)

    async def call(self, use: ToolUse, info: SessionInfo) -> ToolResult:
        """Run a tool and return what it came to, whatever that is."""
        if use.name in self.toolbox:
            function, arguments = self.toolbox.call, (use.name, use.input)
            outcome = await aside(_outcome, partial(function, *arguments))
            if not isinstance(outcome, _Raised):
                text, is_error = outcome
                return ToolResult(use.id, text, is_error)
        elif self.tool is None:
            text, is_error = self.toolbox.call(use.name, use.input)
            return ToolResult(use.id, text, is_error)
        else:
            arguments_of_all = (use.name, use.input, self.context, info)
            outcome = await _called(self.tool, arguments_of_all[: self.tool_arity])
        return _result(use, outcome)

    async def show(self, events: Sequence[Any], info: SessionInfo) -> list[BaseException]:
        """Show the handler events, in order; return what it raised."""
        event = self.event
        if event is None:
            return []
        arguments = [(one, self.context, info)[: self.event_arity] for one in events]
        if inspect.iscoroutinefunction(event):
            outcomes = [await _called(event, each) for each in arguments]
        else:
            outcomes = await aside(lambda: [_outcome(partial(event, *each)) for each in arguments])
        return [each.error for each in outcomes if isinstance(each, _Raised)]


@dataclass(frozen=True, slots=True)
class _Raised:
    error: BaseException


def _outcome(function: Callable[[], Any]) -> Any:
    """Return what it returns; what it raises, too: on its own thread nothing may end the loop."""
    try:
        return function()
    except BaseException as error:  # noqa: BLE001 - the user's tool; its failure is the answer
        return _Raised(error)


async def _called(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    if inspect.iscoroutinefunction(function):
        return await _awaited(function(*arguments))
    outcome = await aside(_outcome, partial(function, *arguments))
    # Not every function that is `async` looks so: a decorated one, or an object's `__call__`.
    return await _awaited(outcome) if inspect.isawaitable(outcome) else outcome


async def _awaited(work: Awaitable[Any]) -> Any:
    try:
        return await work
    except BaseException as error:
        if isinstance(error, asyncio.CancelledError) and given_up():
            raise
        return _Raised(error)


def _result(use: ToolUse, outcome: Any) -> ToolResult:
    match outcome:
        case _Raised(ToolFailed() as failed):
            return ToolResult(use.id, failed.content, is_error=True)
        case _Raised(error):
            return ToolResult(use.id, in_words(error), is_error=True)
        case ToolResult():
            return replace(outcome, tool_use_id=use.id)
    try:
        return ToolResult(use.id, tool_content(outcome))
    except InvalidInput:
        kind = type(outcome).__name__
        told = f"{use.name} returned a {kind}, which is neither text nor JSON data"
        return ToolResult(use.id, told, is_error=True)


def _toolbox(functions: Sequence[Any]) -> Toolbox:
    try:
        return Toolbox(functions)
    except InvalidInput as error:
        raise InvalidOption("tools", error.value, error.expected) from error


def _offers(given: Sequence[Any], toolbox: Toolbox) -> Iterable[Tool]:
    functions = iter(toolbox.offers())
    names: set[str] = set()
    for each in given:
        if isinstance(each, Tool):
            offer = each
        else:
            one = next(functions)
            offer = Tool(one.name, one.description, one.input_schema)
        if offer.name in names:
            raise InvalidOption("tools", offer.name, "tools with different names")
        names.add(offer.name)
        yield offer


def _arity(field: str, function: Any, choices: tuple[int, ...]) -> int:
    """Return how many arguments to call it with: the most that it takes."""
    expected = f"a function of {' or '.join(map(str, sorted(choices)))} arguments"
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise InvalidOption(field, function, expected) from error
    for count in choices:
        try:
            signature.bind(*range(count))
        except TypeError:
            continue
        return count
    raise InvalidOption(field, function, expected)
