"""The tools of a turn, run side by side: at most eight at once, each for so long, in order.

    >>> import asyncio
    >>> async def call(use):
    ...     return ToolResult(use.id, use.name.upper())
    >>> uses = (ToolUse("call_1", "one"), ToolUse("call_2", "two"))
    >>> [each.text for each in asyncio.run(run_tools(uses, call, Pace(), limit=5.0))]
    ['ONE', 'TWO']

A tool that is late is given up: the model is told, and its thread, which cannot be ended (G9), runs
on without a place among the eight, and nobody waits for what it says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from beam.backends.line_limits import whole_characters
from beam.providers.pace import Late, Pace, within
from beam.providers.values import ToolResult, ToolUse

__all__ = ["AT_ONCE", "run_tools"]

AT_ONCE = 8
"""How many tools of a conversation run at once."""


async def run_tools(
    uses: Sequence[ToolUse],
    call: Callable[[ToolUse], Awaitable[ToolResult]],
    pace: Pace,
    limit: float | None,
) -> tuple[ToolResult, ...]:
    """Run the tools and return their results in the order of the uses.

    Args:
        uses: what to run.
        call: runs one; whatever happens in it, it returns.
        pace: the time that counts.
        limit: the seconds that each may take, from when it begins.
    """
    places = asyncio.Semaphore(AT_ONCE)

    async def one(use: ToolUse) -> ToolResult:
        async with places:
            try:
                result = await within(pace, limit, call(use))
                return replace(result, text=whole_characters(result.text))
            except Late:
                told = f"{use.name} was not done within {limit:g} s, and was given up"
                return ToolResult(use.id, told, is_error=True)

    tasks = [asyncio.ensure_future(one(use)) for use in uses]
    try:
        return tuple(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
