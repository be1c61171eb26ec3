"""The query, as a function sees it: what was asked, and what it may ask back.

A function that has a parameter `query` is given one; a coroutine or an async generator gets an
`AsyncFunctionQuery`, on which what waits is to be awaited.

    def review(prompt, query):
        source = query.call_tool("read_file", path="a.py")
        match query.ask_permission("write_file", {"path": "a.py"}):
            case Deny(reason=why):
                return f"I would have changed a.py, but: {why}"
        while not query.interrupted.is_set():
            ...

Every wait ends when the query does: by the answer, or by `Interrupted`, which is best left to go
its way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from beam.errors import ToolFailed

if TYPE_CHECKING:
    import threading

    from beam.backends.backend import ToolResult
    from beam.backends.exchange import Exchange
    from beam.backends.host_lines import HostTool, Turn
    from beam.model.permissions import Decision

__all__ = ["AsyncFunctionQuery", "FunctionQuery"]


class _QueryFacts:
    """What was asked.

    Attributes:
        prompt: what is asked.
        history: the conversation before it, oldest first.
        tools: what `call_tool` can have run.
        params: the query's options (model, max_turns, ...).
        attempt: 1, or more if the prompt was run before and may have had effects (G12).
        session_id: the session that asks.
        interrupted: set when the session wants the query to end; nothing that is said after that
            is heard.
        deadline: when the session gives up, on the clock of the node (`time.monotonic` outside of
            simulations); None if it does not.
    """

    def __init__(self, exchange: Exchange) -> None:
        query = exchange.query
        self._exchange = exchange
        self.prompt: str = query.prompt
        self.history: tuple[Turn, ...] = query.history
        self.tools: tuple[HostTool, ...] = query.tools
        self.params: Mapping[str, Any] = query.params
        self.attempt: int = query.attempt
        self.session_id: str = exchange.session_id
        self.interrupted: threading.Event = exchange.interrupted
        self.deadline: float | None = exchange.deadline

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.session_id}: {self.prompt[:80]!r}>"


class FunctionQuery(_QueryFacts):
    """The query of a plain function or a generator; its functions block the calling thread."""

    def call_tool(self, name: str, /, **tool_input: Any) -> str:
        """Have the host run a tool, and return what it answered.

        The call is in the log before the tool runs (G12).

        Args:
            name: one of `tools`.
            tool_input: its arguments; JSON data.

        Raises:
            ToolFailed: the tool failed, was refused, or is not there.
            InvalidInput: the arguments are no JSON data.
            QueueFull: too many answers of this query are outstanding.
            Interrupted: the query is to end.
        """
        return _content(name, self._exchange.run_tool(name, tool_input).get())

    def ask_permission(
        self, tool_name: str, tool_input: Mapping[str, Any] | None = None, **options: Any
    ) -> Decision:
        """Ask for leave to do something, and return the decision: `Allow` or `Deny`.

        Args:
            tool_name: what it wants to do.
            tool_input: with what; JSON data.
            options: what else helps to decide (a title, suggestions); JSON data.

        Raises:
            InvalidInput: it is no JSON data.
            QueueFull: too many answers of this query are outstanding.
            Interrupted: the query is to end.
        """
        return self._exchange.ask(tool_name, tool_input or {}, options).get()


class AsyncFunctionQuery(_QueryFacts):
    """The query of a coroutine or an async generator; as `FunctionQuery`, to be awaited."""

    async def call_tool(self, name: str, /, **tool_input: Any) -> str:
        """Have the host run a tool, and return what it answered; see `FunctionQuery`."""
        return _content(name, await self._exchange.run_tool(name, tool_input))

    async def ask_permission(
        self, tool_name: str, tool_input: Mapping[str, Any] | None = None, **options: Any
    ) -> Decision:
        """Ask for leave to do something, and return the decision; see `FunctionQuery`."""
        return await self._exchange.ask(tool_name, tool_input or {}, options)


def _content(name: str, result: ToolResult) -> str:
    if result.is_error:
        raise ToolFailed(name, result.content)
    return result.content
